"""Users are accounts of `login_server.accounts`. What is here waits for the database: it is for commands, and needs the
extra `connman`."""

import time

from connhandler import CentralTask
from login_server.accounts import AccountOffice, DatabaseFailed, Passwords, Refusal, SchemaMismatch, check_new_password

OPENING_ERRORS = (OSError, ValueError, DatabaseFailed, SchemaMismatch)
"""What goes wrong when a port or a database cannot be opened, and is for the operator to mend."""


def add_user(database_url: str, name: str, password: str, rank: int = 0) -> int:
    """Add an account and return its id. A database that is empty gets its tables.

    Raises:
        ValueError: the name is taken or none, the password too short or too long, or the URL is none.
        OSError: the database's file cannot be made.
        DatabaseFailed: the database cannot be reached, or did not do it.
        SchemaMismatch: it is of another revision; the text says what to do.
    """
    office = AccountOffice(CentralTask("adding a user"), database_url)
    try:
        check_new_password(password)
        return office.store.add(name, Passwords().hash(password), time.time(), rank)
    except Refusal as refusal:
        raise ValueError(refusal.message) from refusal
    finally:
        office.close()
