"""The database itself: durable, private, and its failures in one line."""

import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from login_server.accounts import AccountStore
from login_server.database import Database, DatabaseFailed
from login_server.schema import prepare


def test_sqlite_keeps_what_it_has_promised(database: Database) -> None:
    with database.transaction() as connection:
        assert connection.scalar(text("PRAGMA journal_mode")) == "wal"
        assert connection.scalar(text("PRAGMA synchronous")) == 2  # FULL
        assert connection.scalar(text("PRAGMA busy_timeout")) == 1000


def test_the_file_and_its_logs_are_private(database: Database, tmp_path: Path) -> None:
    AccountStore(database).add("alice", "hash", 1.0)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    assert set(modes) == {"login_server.sqlite", "login_server.sqlite-wal", "login_server.sqlite-shm"}
    assert set(modes.values()) == {0o600}


def test_another_program_that_comes_and_goes_does_not_take_the_log_away(tmp_path: Path) -> None:
    """As `login-server launcher add` does, beside a server that has just set up its tables."""
    file = tmp_path / "login_server.sqlite"
    database = Database(f"sqlite:///{file}", connections=1)
    prepare(database)
    accounts_seen_by_another_process(file)
    AccountStore(database).add("alice", "hash", 1.0)
    # What another one sees is what is there after `kill -9` of this one.
    assert accounts_seen_by_another_process(file) == 1
    database.close()


def accounts_seen_by_another_process(file: Path) -> int:
    program = (
        "import sqlite3, sys; connection = sqlite3.connect(sys.argv[1]); "
        "print(connection.execute('SELECT count(*) FROM accounts').fetchone()[0]); connection.close()"
    )
    return int(subprocess.check_output([sys.executable, "-c", program, file]))


def test_the_folder_is_made(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path}/a/b/file.sqlite")
    prepare(database)
    database.close()
    assert (tmp_path / "a" / "b" / "file.sqlite").exists()


def test_the_schema_is_made_once(database: Database) -> None:
    AccountStore(database).add("alice", "hash", 1.0)
    prepare(database)
    assert AccountStore(database).find("alice")


@pytest.mark.parametrize(
    "url", ["", "nonsense", "sqlite://", "sqlite:///:memory:", "nosuch://x", "postgresql+nosuch://h/d"]
)
def test_a_wrong_url_is_a_value_error(url: str) -> None:
    with pytest.raises(ValueError, match="cannot use this database URL"):
        Database(url)


def test_a_database_that_is_none(tmp_path: Path) -> None:
    file = tmp_path / "list.sqlite"
    file.write_text("my shopping list, long enough to be read as a header" * 50)
    database = Database(f"sqlite:///{file}")
    with pytest.raises(DatabaseFailed, match="file is not a database"):
        prepare(database)
    database.close()


def test_a_failure_is_one_line_without_the_values(database: Database) -> None:
    with database.transaction() as connection:
        connection.execute(text("DROP TABLE accounts"))
    with pytest.raises(DatabaseFailed) as caught:
        AccountStore(database).add("alice", "the-secret-hash", 1.0)
    assert str(caught.value) == "OperationalError: no such table: accounts"


def test_a_transaction_that_fails_leaves_nothing(database: Database) -> None:
    with pytest.raises(IntegrityError), database.transaction() as connection:
        insert = text("INSERT INTO launchers (name, key_hash, created_at) VALUES ('one', 'hash', 1)")
        connection.execute(insert)
        connection.execute(insert)
    with database.transaction() as connection:
        assert connection.scalar(text("SELECT count(*) FROM launchers")) == 0


def test_many_threads_at_once(database: Database) -> None:
    accounts = AccountStore(database)
    with ThreadPoolExecutor(8) as threads:
        ids = list(threads.map(lambda n: accounts.add(f"player{n}", "hash", 1.0), range(200)))
    assert sorted(ids) == list(range(1, 201))
