"""The database behind accounts, launcher keys and match results: any of three kinds, a SQLite file by default.

Everything here waits for the disk or the network, so it runs in a worker pool, or in a command that serves nobody.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from queue import Empty
from typing import Any

from gevent.monkey import get_original
from sqlalchemy import Connection, MetaData, make_url
from sqlalchemy.exc import ArgumentError, IntegrityError, SQLAlchemyError

from login_server.drivers import is_away, make_engine

SCHEMA = MetaData()
"""The tables of all stores; each store's module adds its own. `login_server.schema` brings a database to them."""

STATEMENT_SECONDS = 1.0
"""How long a program that serves lets one statement take; it is refused within the second after."""


class DatabaseFailed(Exception):
    """The database did not do it. The text is one line for the log; it never carries the statement's values."""


class DatabaseAway(DatabaseFailed):
    """The database cannot be reached, broke off or took too long; in another moment it may do it.

    Attributes:
        outcome_unknown: whether it may have been done all the same.
    """

    def __init__(self, text: str, outcome_unknown: bool = False) -> None:
        super().__init__(text)
        self.outcome_unknown = outcome_unknown


class Database:
    """The connections to one database. Safe to call from several threads at once.

    They are kept here and not in a pool of SQLAlchemy's, whose locks belong to the hub in a monkey-patched program:
    a queue that is not patched holds one place for each, with its connection or, before it is needed, with None.
    A connection that was kept is asked for a sign of life before it is used again: the database may have been restarted
    meanwhile, or have closed what was idle for long.

    SQLite runs with a write-ahead log, so that readers do not wait for the writer, and with `synchronous=FULL`: a
    launcher forgets a match result once it is told that it is recorded, so a commit must outlive a power cut,
    which in this mode `NORMAL` does not promise.

    Args:
        url: as SQLAlchemy wants it: `sqlite:///FILE`, `postgresql+psycopg://…`, `mysql+pymysql://…`.
        connections: how many at most; one for each thread of the worker pool that calls. Who wants one more waits for
            `statement_seconds`.
        statement_seconds: after which one statement, or waiting for one lock, is given up. Commands that
            serve nobody may be patient.

    Raises:
        ValueError: the URL is none, or its driver is not installed.
        OSError: the SQLite file's folder or the file cannot be created.
    """

    def __init__(self, url: str, connections: int = 2, statement_seconds: float = STATEMENT_SECONDS) -> None:
        try:
            parsed = make_url(url)
            self._engine = make_engine(parsed, statement_seconds)
        except (ArgumentError, ImportError, SQLAlchemyError) as error:
            raise ValueError(f"cannot use this database URL: {_one_line(error)}") from error
        self._url = url
        self._is_file = parsed.get_backend_name() == "sqlite"
        self._statement_seconds = statement_seconds
        self._places: Any = get_original("queue", "SimpleQueue")()
        for _ in range(connections):
            self._places.put(None)

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """Committed when the block ends, rolled back when it raises.

        Raises:
            IntegrityError: a unique key is taken; for the store that knows what that means.
            DatabaseAway: it cannot be reached, broke off, or took too long.
            DatabaseFailed: anything else that goes wrong in the database.
        """
        connection = self._take()
        is_committing = False
        try:
            with connection.begin() as transaction:
                yield connection
                is_committing = True
                transaction.commit()
        except IntegrityError:
            raise
        except SQLAlchemyError as error:
            raise self._failure(error, is_committing) from error
        finally:
            self._give_back(connection)

    def check(self) -> None:
        """Find out whether it does its work.

        Raises:
            DatabaseFailed: it does not.
        """
        with self.transaction() as connection:
            # In SQLite, reading may still work when nobody can write.
            connection.exec_driver_sql("BEGIN IMMEDIATE" if self._is_file else "SELECT 1")

    def patient(self, statement_seconds: float) -> "Database":
        """The same database with one connection and another limit, for work that takes long; close it afterwards."""
        return Database(self._url, 1, statement_seconds)

    def close(self) -> None:
        """Close the connections that are not in use; a later call opens new ones."""
        free = 0
        while not self._places.empty():
            try:
                connection = self._places.get_nowait()
            except Empty:  # Another thread was quicker.
                break
            free += 1
            if connection is not None:
                connection.close()
        for _ in range(free):
            self._places.put(None)

    def _take(self) -> Connection:
        """Raises:
        DatabaseFailed: there is none.
        """
        try:
            kept = self._places.get(timeout=self._statement_seconds)
        except Empty as empty:
            raise DatabaseAway("all connections to the database are in use") from empty
        connection = None
        try:
            connection = kept if kept is not None and self._is_alive(kept) else self._engine.connect()
            return connection
        except SQLAlchemyError as error:
            # Whatever it is: without a connection, nothing was done.
            raise DatabaseAway(_one_line(error)) from error
        finally:
            if connection is None:
                self._places.put(None)

    def _is_alive(self, connection: Connection) -> bool:
        """Whether a kept connection can be used; else it is closed.

        Raises:
            DatabaseAway: it did not answer in time; a new one would not either.
        """
        if self._is_file:
            return True
        dialect = self._engine.dialect
        begun = time.monotonic()
        try:
            dialect.do_ping(connection.connection.dbapi_connection)  # type: ignore[arg-type]
            return True
        except dialect.loaded_dbapi.Error as error:
            connection.invalidate()
            connection.close()
            if time.monotonic() - begun > self._statement_seconds / 2:
                raise DatabaseAway(_one_line(error)) from error
            return False

    def _give_back(self, connection: Connection) -> None:
        # After a commit that failed there is still a transaction, and nothing can begin.
        is_usable = not (connection.closed or connection.invalidated or connection.get_transaction())
        if not is_usable:
            connection.close()
        self._places.put(connection if is_usable else None)

    @staticmethod
    def _failure(error: SQLAlchemyError, is_committing: bool) -> DatabaseFailed:
        text = _one_line(error)
        return DatabaseAway(text, outcome_unknown=is_committing) if is_away(error) else DatabaseFailed(text)


def _one_line(error: Exception) -> str:
    """The driver's own words: SQLAlchemy's text adds the statement and its values, a password hash among them."""
    cause = getattr(error, "orig", None) or error
    return f"{type(cause).__name__}: {' '.join(str(cause).split())}"
