"""The database behind accounts, launcher keys and match results: any that SQLAlchemy speaks, a SQLite file by default.

Everything here waits for the disk or the network, so it runs in a worker pool, or in a command that serves nobody.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, MetaData, create_engine, event, make_url
from sqlalchemy.engine import URL
from sqlalchemy.exc import ArgumentError, IntegrityError, SQLAlchemyError

SCHEMA = MetaData()
"""The tables of all stores; each store's module adds its own."""

BUSY_SECONDS = 5.0
"""How long one statement waits for another process's write lock, and for a free connection."""


class DatabaseFailed(Exception):
    """The database did not do it. The text is one line for the log; it never carries the statement's values."""


class Database:
    """The connections to one database. Safe to call from several threads at once.

    SQLite runs with a write-ahead log, so that readers do not wait for the writer, and with `synchronous=FULL`: a
    launcher forgets a match result once it is told that it is recorded, so a commit must outlive a power cut,
    which in this mode `NORMAL` does not promise.

    Args:
        url: as SQLAlchemy wants it: `sqlite:///FILE`, `postgresql+psycopg://…`, `mysql+pymysql://…`.
        connections: how many at most; one for each thread of the worker pool that calls.

    Raises:
        ValueError: the URL is none, or its driver is not installed.
        OSError: the SQLite file's folder or the file cannot be created.
    """

    def __init__(self, url: str, connections: int = 2) -> None:
        try:
            parsed = make_url(url)
            if parsed.get_backend_name() == "sqlite":
                self.engine = _sqlite_engine(parsed, connections)
            else:
                self.engine = create_engine(
                    parsed,
                    pool_size=connections,
                    max_overflow=0,
                    pool_timeout=BUSY_SECONDS,
                    pool_pre_ping=True,
                )
        except (ArgumentError, ImportError, SQLAlchemyError) as error:
            raise ValueError(f"cannot use this database URL: {_one_line(error)}") from error

    def make_schema(self) -> None:
        """Create the tables that are not there yet.

        Raises:
            DatabaseFailed: it cannot be reached or does not allow it.
        """
        with self.transaction() as connection:
            SCHEMA.create_all(connection)

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """Committed when the block ends, rolled back when it raises.

        Raises:
            IntegrityError: a unique key is taken; for the store that knows what that means.
            DatabaseFailed: anything else that goes wrong in the database.
        """
        try:
            with self.engine.begin() as connection:
                yield connection
        except IntegrityError:
            raise
        except SQLAlchemyError as error:
            raise DatabaseFailed(_one_line(error)) from error

    def close(self) -> None:
        """Close the connections; a later call opens new ones."""
        self.engine.dispose()


def _sqlite_engine(url: URL, connections: int) -> Engine:
    if not url.database or url.database == ":memory:":
        raise ArgumentError("a SQLite database must be a file here, as in sqlite:///login_server.sqlite")
    file = Path(url.database)
    file.parent.mkdir(parents=True, exist_ok=True)
    # Created here because SQLite would let everybody read it; its log files take over the mode.
    os.close(os.open(file, os.O_RDWR | os.O_CREAT, 0o600))
    engine = create_engine(
        url,
        pool_size=connections,
        max_overflow=0,
        pool_timeout=BUSY_SECONDS,
        connect_args={"timeout": BUSY_SECONDS},  # PRAGMA busy_timeout
    )

    @event.listens_for(engine, "connect")
    def set_pragmas(connection: Any, _record: Any) -> None:
        cursor = connection.cursor()
        cursor.execute("PRAGMA journal_mode=WAL")
        cursor.execute("PRAGMA synchronous=FULL")
        cursor.close()

    return engine


def _one_line(error: Exception) -> str:
    """The driver's own words: SQLAlchemy's text adds the statement and its values, a password hash among them."""
    cause = getattr(error, "orig", None) or error
    return f"{type(cause).__name__}: {' '.join(str(cause).split())}"
