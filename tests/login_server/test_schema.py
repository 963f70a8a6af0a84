"""Revisions of the tables, in each kind of database: set up, recognised, brought up to date, refused."""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Float, text
from sqlalchemy.dialects.mysql import DOUBLE

from login_server import schema
from login_server.accounts import Account, AccountStore
from login_server.database import SCHEMA, Database, DatabaseFailed
from login_server.launcherkeys import LauncherKeys
from login_server.results import Results

NEWEST = "0004"

FIRST_TABLES = {
    "sqlite": [
        "CREATE TABLE accounts (id INTEGER NOT NULL, name VARCHAR(24) NOT NULL, folded_name VARCHAR(24) NOT NULL, "
        "password_hash TEXT NOT NULL, created_at FLOAT NOT NULL, PRIMARY KEY (id), UNIQUE (folded_name))",
        "CREATE TABLE launchers (id INTEGER NOT NULL, name VARCHAR(32) NOT NULL, key_hash VARCHAR(64) NOT NULL, "
        "created_at FLOAT NOT NULL, PRIMARY KEY (id), UNIQUE (name))",
        "CREATE TABLE matches (match_id VARCHAR(128) NOT NULL, game VARCHAR(128) NOT NULL, server_id VARCHAR(128) NOT "
        "NULL, players JSON NOT NULL, result JSON NOT NULL, recorded_at FLOAT NOT NULL, PRIMARY KEY (match_id))",
        "CREATE INDEX ix_matches_recorded_at ON matches (recorded_at)",
    ]
}
"""As the version before revisions made them; the other databases take the same but for how an id counts."""
FIRST_TABLES["postgresql"] = [one.replace("id INTEGER", "id SERIAL", 1) for one in FIRST_TABLES["sqlite"]]
FIRST_TABLES["mysql"] = [
    one.replace("id INTEGER NOT NULL", "id INTEGER NOT NULL AUTO_INCREMENT", 1) for one in FIRST_TABLES["sqlite"]
]


@pytest.fixture
def empty(database_url: str) -> Iterator[Database]:
    database = Database(database_url, statement_seconds=20)
    yield database
    database.close()


def execute(database: Database, *statements: str) -> None:
    with database.transaction() as connection:
        for statement in statements:
            connection.execute(text(statement))


def kind(database: Database) -> str:
    with database.transaction() as connection:
        return connection.dialect.name.replace("mariadb", "mysql")


def make_first_tables(database: Database) -> None:
    """With an account, a launcher and a match in them."""
    execute(
        database,
        *FIRST_TABLES[kind(database)],
        "INSERT INTO accounts (name, folded_name, password_hash, created_at) VALUES ('Alice', 'alice', 'hash', 12.5)",
        "INSERT INTO launchers (name, key_hash, created_at) VALUES ('home', 'hash', 12.5)",
        "INSERT INTO matches VALUES ('one/1', 'four', 'home/one', '[\"alice\", \"bob\"]', "
        """'{"winner": "", "scores": {}, "reason": "draw", "ended_at": 12.5}', 12.5)""",
    )


def compare_type(_context: Any, _in_database: Any, _column: Any, found: Any, expected: Any) -> bool | None:
    """Alembic does not know that MySQL's name for a FLOAT of 53 bits is DOUBLE; the rest it compares itself (None)."""
    return False if isinstance(found, DOUBLE) and isinstance(expected, Float) and expected.precision == 53 else None


def differences(database: Database) -> list[Any]:
    """What the stores expect and the revisions have not made."""
    with database.transaction() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": compare_type})
        found = compare_metadata(context, SCHEMA)
    return [one for one in found if not (one[0] == "remove_table" and one[1].name == "alembic_version")]


def test_an_empty_database_is_set_up_as_the_stores_expect(empty: Database) -> None:
    assert schema.status(empty) == schema.Status(None, NEWEST, schema.status(empty).pending)
    assert [step.revision for step in schema.status(empty).pending] == ["0001", "0002", "0003", NEWEST]
    schema.prepare(empty)
    assert schema.status(empty) == schema.Status(NEWEST, NEWEST, [])
    assert differences(empty) == []
    schema.prepare(empty)
    accounts = AccountStore(empty)
    assert accounts.add("Alice", "hash", 1_764_000_000.25) == 1
    assert accounts.find("alice") == Account(1, "Alice", "hash")


def test_a_database_from_before_revisions_loses_nothing(empty: Database) -> None:
    make_first_tables(empty)
    assert schema.status(empty).revision == "0001"
    wanted = "has revision 0001 of its tables and 0004 is needed: make a copy of it, then run 'login-server database up"
    with pytest.raises(schema.SchemaMismatch, match=wanted):
        schema.prepare(empty)
    assert [step.revision for step in schema.upgrade(empty)] == ["0002", "0003", NEWEST]
    schema.prepare(empty)
    assert differences(empty) == []
    accounts = AccountStore(empty)
    assert accounts.find("ALICE") == Account(1, "Alice", "hash", disabled=False, rank=0)
    assert [record.created_at for record in accounts.all()] == [12.5]
    assert [entry.name for entry in LauncherKeys(empty).all()] == ["home"]
    assert [match.match_id for match in Results(empty).recent(5)] == ["one/1"]
    assert accounts.add("bob", "hash", 1.0) == 2
    assert schema.upgrade(empty) == []


def test_one_of_a_newer_version_is_left_alone(empty: Database) -> None:
    schema.prepare(empty)
    execute(empty, "UPDATE alembic_version SET version_num = '9999'")
    assert not schema.status(empty).known
    for refused in (schema.prepare, schema.upgrade):
        with pytest.raises(schema.SchemaMismatch, match="revision 9999 of its tables, which a newer version"):
            refused(empty)


def test_what_an_upgrade_in_mysql_left_half_done_is_gone_over_again(empty: Database) -> None:
    """Elsewhere an upgrade that was killed has done nothing; the same steps must do no harm there either."""
    make_first_tables(empty)
    execute(empty, "ALTER TABLE accounts ADD COLUMN disabled BOOLEAN DEFAULT false NOT NULL")
    schema.upgrade(empty)
    assert differences(empty) == []


def test_many_programs_may_begin_at_once_on_an_empty_database(empty: Database) -> None:
    """In threads of their own, each with a connection of its own, as processes have it."""
    failures: list[Exception] = []
    ready = threading.Barrier(6)

    def begin() -> None:
        database = empty.patient(20)
        try:
            ready.wait()
            schema.prepare(database)
        except (DatabaseFailed, schema.SchemaMismatch) as error:
            failures.append(error)
        finally:
            database.close()

    threads = [threading.Thread(target=begin) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
        assert not thread.is_alive()
    assert failures == []
    assert differences(empty) == []


def test_whoever_waits_for_too_long_is_told_for_what(empty: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schema, "LOCK_SECONDS", 1)
    words = {"sqlite": "database is locked", "postgresql": "lock timeout", "mysql": "another process is changing"}
    expected = words[kind(empty)]
    with (
        empty.transaction() as connection,
        schema._locked(connection),
        pytest.raises(DatabaseFailed, match=expected),
    ):
        schema.upgrade(empty)


def test_a_path_may_have_anything_in_it(tmp_path: Path) -> None:
    folder = tmp_path / "100% of it"
    database = Database(f"sqlite:///{folder}/a b.sqlite")
    schema.prepare(database)
    assert schema.status(database).revision == NEWEST
    database.close()
