"""All that a program needs to let people log in, in one piece."""

from collections.abc import Iterable

from connhandler import CentralTask, WorkerPool
from login_server.accounts.attempts import Attempts
from login_server.accounts.authenticator import Authenticator
from login_server.accounts.passwords import Passwords
from login_server.accounts.store import AccountStore
from login_server.database import Database
from login_server.databasecalls import DatabaseCalls
from login_server.schema import prepare

HASHING_NICENESS = 10
"""Of the threads that hash, so that a burst of log-ins leaves the processor to everybody else's messages."""


class AccountOffice:
    """Opens a database of accounts for a central task. An empty one gets its tables.

    Args:
        central: of the program.
        database_url: as `Database` takes it.
        database_threads: calls to the database at the same time.
        database_queue: calls that may wait for it.
        hashing_threads: passwords hashed at the same time.
        hashing_queue: passwords that may wait for that.
        proxies: as `Attempts` takes them.

    Attributes:
        authenticator: who somebody is.
        store: the accounts; for `database_calls` only.
        database_calls: whatever else the program wants of the database.
        passwords: for `password_pool` only.
        pools: for the program's `Service`, which closes them.

    Raises:
        ValueError: the URL is none, or its driver is not installed.
        OSError: the SQLite file or its folder cannot be made.
        DatabaseFailed: the database cannot be reached.
        SchemaMismatch: its tables are of another revision.
    """

    def __init__(
        self,
        central: CentralTask,
        database_url: str,
        *,
        database_threads: int = 2,
        database_queue: int = 2_000,
        hashing_threads: int = 2,
        hashing_queue: int = 500,
        proxies: Iterable[str] = (),
    ) -> None:
        self._database = Database(database_url, database_threads)
        try:
            prepare(self._database)
        except BaseException:
            self._database.close()
            raise
        self.store = AccountStore(self._database)
        self.passwords = Passwords()
        database_pool = WorkerPool("database", threads=database_threads, max_queued=database_queue)
        self.password_pool = WorkerPool(
            "passwords", threads=hashing_threads, max_queued=hashing_queue, niceness=HASHING_NICENESS
        )
        self.pools = [self.password_pool, database_pool]
        self.database_calls = DatabaseCalls(central, database_pool, self._database.check)
        self.authenticator = Authenticator(
            central, self.store, self.database_calls, self.passwords, self.password_pool, Attempts(proxies)
        )

    def close(self) -> None:
        """Close the database. Comes after the pools are closed."""
        self._database.close()
