"""What each kind of database needs so that no call waits for ever: limits on both sides, and sockets that really block.

The programs are monkey-patched, and these connections are used in threads, not in tasks. A patched socket belongs to
the hub of the thread that made it: used in another one, it fails with "Cannot switch to a different thread", and each
thread needs a hub of its own. So the sockets here are the system's own kind, which block their thread alone, and
a connection may move from thread to thread. (psycopg's come from libpq and were never patched; only how it
waits for them is. `_wait` replaces that, except while it connects: that waits in a hub of the thread's own, and ends
within `CONNECT_SECONDS`.)
"""

import errno
import os
import select
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from gevent.monkey import get_original
from sqlalchemy import Engine, create_engine, event
from sqlalchemy.engine import URL
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError
from sqlalchemy.pool import NullPool

from login_server.blockingtls import TlsContext

CONNECT_SECONDS = 2
"""Whole seconds; for PostgreSQL, 2 is the least."""

IDLE_IN_TRANSACTION_SECONDS = 30
"""After which a server undoes what a program began that has been cut off, and others need not wait for its locks."""

_AWAY_SQLSTATES = {
    "57014",  # query_canceled: statement_timeout
    "55P03",  # lock_not_available: lock_timeout
    "53300",  # too_many_connections
    "57P01",  # admin_shutdown
    "57P02",  # crash_shutdown
    "57P03",  # cannot_connect_now
}
_AWAY_SQLITE = {5, 6, 14, 15}  # BUSY, LOCKED, CANTOPEN, PROTOCOL
_AWAY_MYSQL = {
    1040,  # ER_CON_COUNT_ERROR
    1053,  # ER_SERVER_SHUTDOWN
    1205,  # ER_LOCK_WAIT_TIMEOUT
    1317,  # ER_QUERY_INTERRUPTED
    1927,  # ER_CONNECTION_KILLED
    1969,  # ER_STATEMENT_TIMEOUT of MariaDB
    3024,  # ER_QUERY_TIMEOUT of MySQL
}


def make_engine(url: URL, statement_seconds: float) -> Engine:
    """An engine without a pool, whose connections give up on a statement that takes longer.

    Raises:
        ArgumentError: this URL cannot be used.
        ImportError: its driver is not installed.
        OSError: the SQLite file's folder or the file cannot be created.
    """
    match url.get_backend_name():
        case "sqlite":
            return _sqlite_engine(url, statement_seconds)
        case "postgresql" if url.get_driver_name() == "psycopg":
            return _postgresql_engine(url, statement_seconds)
        case "mysql" | "mariadb" if url.get_driver_name() == "pymysql":
            return _mysql_engine(url, statement_seconds)
    raise ArgumentError("it begins with sqlite:///, postgresql+psycopg:// or mysql+pymysql://")


def is_away(error: SQLAlchemyError) -> bool:
    """Whether the database could not be reached, broke off, or did not do it in time: another moment, it may."""
    if not isinstance(error, DBAPIError) or error.orig is None:
        return False
    cause = error.orig
    if error.connection_invalidated or getattr(cause, "sqlstate", None) in _AWAY_SQLSTATES:
        return True
    code = getattr(cause, "sqlite_errorcode", None)
    if code is not None:
        return code & 0xFF in _AWAY_SQLITE  # The higher bits are details.
    return bool(cause.args) and cause.args[0] in _AWAY_MYSQL


def _sqlite_engine(url: URL, statement_seconds: float) -> Engine:
    if not url.database or url.database == ":memory:":
        raise ArgumentError("a SQLite database must be a file here, as in sqlite:///login_server.sqlite")
    file = Path(url.database)
    file.parent.mkdir(parents=True, exist_ok=True)
    if file.is_dir():
        raise IsADirectoryError(errno.EISDIR, "it is a folder", str(file))
    if file.exists() and not os.access(file, os.R_OK | os.W_OK):
        raise PermissionError(errno.EACCES, "it may not be read and written by this user", str(file))
    if not file.exists():
        # Created here because SQLite would let everybody read it; its log files take over the mode. One that is there
        # is not touched: to close it would take away the locks that SQLite may hold on it in this process (fcntl(2)),
        # and then another process, when it is done, deletes the log that this one goes on writing to.
        os.close(os.open(file, os.O_RDWR | os.O_CREAT, 0o600))
    busy_timeout = {"timeout": statement_seconds, "check_same_thread": False}
    engine = create_engine(url, poolclass=NullPool, connect_args=busy_timeout)

    @event.listens_for(engine, "connect")
    def set_pragmas(connection: Any, _record: Any) -> None:
        cursor = connection.cursor()
        cursor.execute("PRAGMA journal_mode=WAL")
        cursor.execute("PRAGMA synchronous=FULL")
        cursor.close()

    return engine


def _engine(url: URL, connect: Callable[..., Any]) -> Engine:
    engine = create_engine(url, poolclass=NullPool)

    @event.listens_for(engine, "do_connect")
    def do_connect(_dialect: Any, _record: Any, args: list[Any], parameters: dict[str, Any]) -> Any:
        return connect(*args, **parameters)

    return engine


def _postgresql_engine(url: URL, statement_seconds: float) -> Engine:
    import psycopg

    class Connection(psycopg.Connection[Any]):
        """Gives up on a server that says nothing: against a frozen one, none of the server's own limits helps."""

        def wait(self, gen: Any, interval: float = 0.0, timeout: float | None = None) -> Any:
            try:
                return _wait(gen, self.pgconn.socket, statement_seconds)
            except TimeoutError as error:
                self.pgconn.finish()
                raise psycopg.OperationalError(str(error)) from None

    def connect(*args: Any, **parameters: Any) -> Any:
        settings = {"connect_timeout": CONNECT_SECONDS, "application_name": "login-server", **parameters}
        connection = Connection.connect(*args, autocommit=True, **settings)
        # A little less than the client's limit, so that a slow statement does not cost the connection.
        milliseconds = int(statement_seconds * 900)
        try:
            connection.execute(
                f"SET statement_timeout = {milliseconds}; SET lock_timeout = {milliseconds}; "
                f"SET idle_in_transaction_session_timeout = '{IDLE_IN_TRANSACTION_SECONDS}s'".encode()
            )
            connection.autocommit = False
        except psycopg.Error:
            connection.close()
            raise
        return connection

    return _engine(url, connect)


def _wait(generator: Any, descriptor: int, seconds: float) -> Any:
    """Do for a psycopg generator what it waits for, and return what it returns.

    Raises:
        TimeoutError: it is not done after `seconds`.
    """
    # The flags of psycopg's `Wait` and `Ready`: 1 to read, 2 to write.
    deadline = time.monotonic() + seconds
    poll = get_original("select", "poll")()
    try:
        wanted = next(generator)
        while True:
            poll.register(descriptor, (select.POLLIN if wanted & 1 else 0) | (select.POLLOUT if wanted & 2 else 0))
            found = poll.poll(max(deadline - time.monotonic(), 0) * 1000)
            if not found:
                raise TimeoutError(f"no answer within {seconds:g} s")
            events = found[0][1]
            broken = events & ~(select.POLLIN | select.POLLOUT)  # Whoever reads or writes will find out how.
            ready = (1 if events & select.POLLIN else 0) | (2 if events & select.POLLOUT else 0)
            wanted = generator.send(wanted if broken else ready)
    except StopIteration as end:
        return end.value


def _mysql_engine(url: URL, statement_seconds: float) -> Engine:
    import pymysql

    contexts: dict[str, TlsContext] = {}

    class Connection(pymysql.Connection):
        def _create_ssl_ctx(self, options: Any) -> TlsContext:
            # Once for all: to read the certificates that are trusted takes 20 to 40 ms in which no other thread runs.
            key = repr(options)
            if key not in contexts:
                contexts[key] = TlsContext(super()._create_ssl_ctx(options))  # type: ignore[misc]
            return contexts[key]

    def connect(*args: Any, **parameters: Any) -> Any:
        return _mysql_connect(Connection, statement_seconds, *args, **parameters)

    return _engine(url, connect)


def _mysql_connect(connection_class: Any, statement_seconds: float, *args: Any, **parameters: Any) -> Any:
    import pymysql

    settings = {
        "connect_timeout": CONNECT_SECONDS,
        "read_timeout": statement_seconds,
        "write_timeout": statement_seconds,
        "charset": "utf8mb4",
        **parameters,
    }
    connection = connection_class(*args, **settings, defer_connect=True)
    address = connection.unix_socket or (connection.host, connection.port)
    try:
        sock = _connect(address, settings["connect_timeout"])
    except OSError as error:
        raise pymysql.OperationalError(2003, f"cannot connect to {address}: {error}") from error
    # A server that accepts and then says nothing is noticed by the same limits as in a statement.
    connection.connect(sock)
    try:
        _set_up_mysql(connection, statement_seconds)
    except pymysql.Error:
        connection.close()
        raise
    return connection


def _set_up_mysql(connection: Any, statement_seconds: float) -> None:
    """Values that do not fit are errors, and what others have committed is seen, as in the other databases."""
    lock_seconds = max(int(statement_seconds), 1)
    settings = {
        "sql_mode": "CONCAT(@@sql_mode, ',STRICT_ALL_TABLES')",
        "innodb_lock_wait_timeout": lock_seconds,
        "lock_wait_timeout": lock_seconds,
    }
    if "MariaDB" in connection.get_server_info():
        # A little less than the client's limit, so that a slow statement does not cost the connection.
        settings["max_statement_time"] = statement_seconds * 0.9
        settings["idle_transaction_timeout"] = IDLE_IN_TRANSACTION_SECONDS
    else:
        settings["max_execution_time"] = int(statement_seconds * 900)
    with connection.cursor() as cursor:
        cursor.execute("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED")
        cursor.execute("SET SESSION " + ", ".join(f"{name} = {value}" for name, value in settings.items()))


def _connect(address: str | tuple[str, int], seconds: float) -> socket.socket:
    """A connected socket of the system's own kind: of a file, or of a host and a port.

    Raises:
        OSError: none of the host's addresses can be reached.
    """
    plain_socket: type[socket.socket] = get_original("socket", "socket")
    if isinstance(address, str):
        places: list[Any] = [(socket.AF_UNIX, socket.SOCK_STREAM, 0, "", address)]
    else:
        places = get_original("socket", "getaddrinfo")(*address, 0, socket.SOCK_STREAM)
    failure = OSError(f"no address: {address}")
    for family, kind, protocol, _, place in places:
        sock = plain_socket(family, kind, protocol)
        try:
            sock.settimeout(seconds)
            sock.connect(place)
            if family != socket.AF_UNIX:
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            return sock
        except OSError as error:
            sock.close()
            failure = error
    raise failure
