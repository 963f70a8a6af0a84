"""Who may log in: accounts in a database, passwords, and guessing slowed down. Other programs may import this.

office = AccountOffice(central, "sqlite:///players.sqlite")
office.authenticator.authenticate(name, password, address, then)
"""

from login_server.accounts.attempts import Attempts
from login_server.accounts.authenticator import Authenticator
from login_server.accounts.office import AccountOffice
from login_server.accounts.passwords import Passwords
from login_server.accounts.rules import check_name, check_new_password, fold
from login_server.accounts.store import Account, AccountRecord, AccountsChanged, AccountStore, NoSuchAccount
from login_server.database import DatabaseAway, DatabaseFailed
from login_server.refusal import Refusal
from login_server.schema import SchemaMismatch

__all__ = [
    "Account",
    "AccountOffice",
    "AccountRecord",
    "AccountStore",
    "AccountsChanged",
    "Attempts",
    "Authenticator",
    "DatabaseAway",
    "DatabaseFailed",
    "NoSuchAccount",
    "Passwords",
    "Refusal",
    "SchemaMismatch",
    "check_name",
    "check_new_password",
    "fold",
]
