"""What each kind of database does when it is asked through `Database`: settings, limits, and how it comes back."""

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from gevent.threadpool import ThreadPool
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from login_server.database import Database, DatabaseAway, DatabaseFailed
from tests.databases import DatabaseServer, MariaDB, make_certificate

LIMIT = 0.3


@pytest.fixture(params=["postgresql", "mariadb"])
def server(request: pytest.FixtureRequest) -> DatabaseServer:
    found: DatabaseServer = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def open_database() -> Iterator[Callable[..., Database]]:
    made: list[Database] = []

    def open_it(url: str, connections: int = 1) -> Database:
        made.append(Database(url, connections, LIMIT))
        return made[-1]

    yield open_it
    for database in made:
        database.close()


@pytest.fixture
def threads() -> Iterator[ThreadPool]:
    """Real threads, as those of a `WorkerPool`."""
    pool = ThreadPool(2)
    yield pool
    pool.kill()


def ask(database: Database, question: str = "SELECT 1") -> Any:
    with database.transaction() as connection:
        return connection.scalar(text(question))


def away(database: Database, question: str = "SELECT 1") -> DatabaseAway:
    with pytest.raises(DatabaseAway) as caught:
        ask(database, question)
    return caught.value


@contextmanager
def at_most(seconds: float) -> Iterator[None]:
    begun = time.monotonic()
    yield
    assert time.monotonic() - begun < seconds


def test_connections_move_between_threads(
    database_url: str, open_database: Callable[..., Database], threads: ThreadPool
) -> None:
    """Made in the main thread at the start, used in any thread of the pool, and back again."""
    database = open_database(database_url)
    assert ask(database) == 1
    for _ in range(4):
        assert threads.spawn(ask, database).get() == 1
    assert ask(database) == 1


def test_text_of_all_the_world_and_nothing_cut_off(database_url: str, open_database: Callable[..., Database]) -> None:
    database = open_database(database_url)
    with database.transaction() as connection:
        charset = " CHARACTER SET utf8mb4" if database_url.startswith("mysql") else ""
        connection.execute(text(f"CREATE TABLE words (word varchar(4)){charset}"))
        connection.execute(text("INSERT INTO words VALUES (:word)"), {"word": "é漢😀"})
    assert ask(database, "SELECT word FROM words") == "é漢😀"
    if not database_url.startswith("sqlite"):
        with pytest.raises(DatabaseFailed, match="too long"):
            ask(database, "INSERT INTO words VALUES ('12345')")


def test_what_others_have_committed_meanwhile_is_seen(
    database_url: str, open_database: Callable[..., Database]
) -> None:
    database = open_database(database_url, 2)
    with database.transaction() as connection:
        connection.execute(text("CREATE TABLE words (word varchar(4))"))
    with database.transaction() as reader:
        assert reader.scalar(text("SELECT count(*) FROM words")) == 0
        with database.transaction() as writer:
            writer.execute(text("INSERT INTO words VALUES ('one')"))
        assert reader.scalar(text("SELECT count(*) FROM words")) == 1


def test_a_statement_that_takes_too_long_is_given_up_and_the_connection_stays(
    server: DatabaseServer, open_database: Callable[..., Database]
) -> None:
    database = open_database(server.new_database())
    number = "SELECT pg_backend_pid()" if "postgresql" in server.url else "SELECT connection_id()"
    connection = ask(database, number)
    with at_most(1.0):
        away(database, f"SELECT {'pg_sleep' if 'postgresql' in server.url else 'sleep'}(5)")
    assert ask(database, number) == connection


def test_a_lock_that_somebody_holds_is_not_waited_for_longer(
    database_url: str, open_database: Callable[..., Database]
) -> None:
    database = open_database(database_url, 2)
    with database.transaction() as connection:
        connection.execute(text("CREATE TABLE words (word varchar(4) PRIMARY KEY)"))
        connection.execute(text("INSERT INTO words VALUES ('one')"))
    with database.transaction() as connection:
        connection.execute(text("UPDATE words SET word = 'two'"))
        with at_most(1.6):
            assert not away(database, "UPDATE words SET word = 'six'").outcome_unknown
    assert ask(database, "SELECT word FROM words") == "two"


def test_a_frozen_server_holds_nobody_for_long(server: DatabaseServer, open_database: Callable[..., Database]) -> None:
    database = open_database(server.new_database())
    ask(database)
    server.freeze()
    with at_most(1.0):
        away(database)
    with at_most(3.0):  # a new connection
        away(database)
    server.thaw()
    with at_most(1.0):
        assert ask(database) == 1


def test_a_server_that_freezes_before_a_commit_leaves_it_unknown(
    server: DatabaseServer, open_database: Callable[..., Database]
) -> None:
    database = open_database(server.new_database())
    ask(database)
    with pytest.raises(DatabaseAway) as caught, database.transaction() as connection:
        connection.execute(text("CREATE TABLE words (word varchar(4))"))
        connection.execute(text("INSERT INTO words VALUES ('one')"))
        server.freeze()
    assert caught.value.outcome_unknown


def test_a_commit_that_fails_leaves_nothing_behind(
    postgresql: DatabaseServer, open_database: Callable[..., Database]
) -> None:
    database = open_database(postgresql.new_database())
    with database.transaction() as connection:
        connection.execute(text("CREATE TABLE words (word varchar(4) UNIQUE DEFERRABLE INITIALLY DEFERRED)"))
    with pytest.raises(IntegrityError), database.transaction() as connection:
        connection.execute(text("INSERT INTO words VALUES ('one'), ('one')"))
    assert ask(database, "SELECT count(*) FROM words") == 0


def test_a_server_that_was_stopped_is_used_again_when_it_is_back(
    server: DatabaseServer, open_database: Callable[..., Database]
) -> None:
    database = open_database(server.new_database(), 2)
    ask(database)
    server.stop()
    with at_most(0.5):
        assert "refused" in str(away(database))
    assert not away(database).outcome_unknown
    server.start()
    assert ask(database) == 1


def test_connections_that_the_server_has_ended_are_replaced(
    server: DatabaseServer, open_database: Callable[..., Database]
) -> None:
    """Each is found out before it is used: no call fails."""
    database = open_database(server.new_database(), 2)
    with database.transaction(), database.transaction():
        pass
    assert server.terminate_backends() == 2
    with database.transaction() as one, database.transaction() as two:
        assert (one.scalar(text("SELECT 1")), two.scalar(text("SELECT 1"))) == (1, 1)


def test_a_connection_that_is_ended_in_a_transaction_is_a_database_that_is_away(
    server: DatabaseServer, open_database: Callable[..., Database]
) -> None:
    database = open_database(server.new_database())
    with pytest.raises(DatabaseAway) as caught, database.transaction() as connection:
        connection.execute(text("SELECT 1"))
        server.terminate_backends()
        connection.execute(text("SELECT 1"))
    assert not caught.value.outcome_unknown
    assert ask(database) == 1


def test_no_more_connections_than_were_asked_for(database_url: str, open_database: Callable[..., Database]) -> None:
    database = open_database(database_url, 2)
    with database.transaction(), database.transaction(), at_most(1.0):
        assert "in use" in str(away(database))
    ask(database)


def test_a_check_of_sqlite_fails_when_nobody_can_write(tmp_path: Path, open_database: Callable[..., Database]) -> None:
    database = open_database(f"sqlite:///{tmp_path}/database.sqlite")
    database.check()
    other = sqlite3.connect(tmp_path / "database.sqlite", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(DatabaseAway, match="locked"):
        database.check()
    assert ask(database) == 1, "reading goes on"
    other.execute("ROLLBACK")
    database.check()
    other.close()


def test_a_check_of_a_server(server: DatabaseServer, open_database: Callable[..., Database]) -> None:
    database = open_database(server.new_database())
    database.check()
    server.stop()
    with pytest.raises(DatabaseAway):
        database.check()


@pytest.mark.parametrize("path", ["nosuch", "nosuch?connect_timeout=3"])
def test_a_database_that_is_not_there(
    server: DatabaseServer, open_database: Callable[..., Database], path: str
) -> None:
    url = server.url.rpartition("/")[0]
    assert "nosuch" in str(away(open_database(f"{url}/{path}")))


def test_mariadb_by_a_socket_in_the_file_system(mariadb: MariaDB, open_database: Callable[..., Database]) -> None:
    database = open_database(f"{mariadb.new_database()}?unix_socket={mariadb.socket_file}")
    assert "localhost" in ask(database, "SELECT user()")


CIPHER = "SELECT variable_value FROM information_schema.session_status WHERE variable_name = 'ssl_cipher'"


@pytest.mark.parametrize("options", ["", "?ssl_ca={certificate}"])
def test_mariadb_by_tls(
    mariadb: MariaDB, open_database: Callable[..., Database], threads: ThreadPool, options: str
) -> None:
    """Whenever the server can, or only then, by a URL that names its certificate; within the same limits."""
    database = open_database(mariadb.new_database() + options.format(certificate=mariadb.certificate_file))
    assert "TLS" in ask(database, CIPHER)
    assert "TLS" in str(threads.spawn(ask, database, CIPHER).get())
    long = "x" * 300_000  # More than one TLS record, both ways.
    assert ask(database, f"SELECT '{long}'") == long
    with at_most(1.0):
        away(database, "SELECT sleep(5)")
    mariadb.freeze()
    with at_most(1.0):
        away(database)
    mariadb.thaw()
    assert ask(database) == 1


def test_mariadb_with_a_certificate_that_is_not_trusted(
    mariadb: MariaDB, open_database: Callable[..., Database], tmp_path: Path
) -> None:
    make_certificate(tmp_path / "certificate.pem", tmp_path / "key.pem")
    database = open_database(f"{mariadb.new_database()}?ssl_ca={tmp_path}/certificate.pem")
    assert "CERTIFICATE_VERIFY_FAILED" in str(away(database))


def test_a_server_that_ends_the_connection_under_tls(mariadb: MariaDB, open_database: Callable[..., Database]) -> None:
    database = open_database(mariadb.new_database())
    with pytest.raises(DatabaseAway), database.transaction() as connection:
        mariadb.terminate_backends()
        connection.execute(text("SELECT 1"))
    assert ask(database) == 1
