"""What the desks have done for them because it takes time: the database and password hashing, each in its pool."""

from msgspec import Struct

from connhandler import WorkerPool
from login_server.accounts import AccountStore, Attempts, Passwords
from login_server.accounts.revocations import Revocations
from login_server.database import Database
from login_server.launcherkeys import LauncherKeys
from login_server.results import Results


class BackOffice(Struct, frozen=True):
    """The passwords are used in `password_pool` only, the stores in `database_pool`, by way of `DatabaseCalls`; the
    attempts belong to the central task."""

    accounts: AccountStore
    launcher_keys: LauncherKeys
    results: Results
    revocations: Revocations
    database: Database
    database_pool: WorkerPool
    passwords: Passwords
    password_pool: WorkerPool
    attempts: Attempts
