"""Which revision of its tables a database has, and how it comes to the one that this version needs.

Runs before a program serves, or in a command. The revisions are in `login_server/migrations/versions`.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from msgspec import Struct
from sqlalchemy import Connection, inspect, text

from login_server.database import Database, DatabaseFailed

logger = logging.getLogger(__name__)
logging.getLogger("alembic").setLevel(logging.WARNING)  # It says at every start what is no news to anybody.

UPGRADE_COMMAND = "login-server database upgrade"

UNNUMBERED = "0001"
"""The revision of a database that was made before there were any."""

LOCK_SECONDS = 60
"""How long to wait for another process that changes the tables."""

_LOCK_NUMBER = 0x6C6F67696E736376
"""PostgreSQL's advisory locks have 64-bit numbers; this one is `loginscv` in ASCII."""


class SchemaMismatch(Exception):
    """The database is of another revision than this version needs. The text is a sentence that says what to do."""


class Step(Struct, frozen=True):
    """One revision, and in a sentence what it changed."""

    revision: str
    text: str


class Status(Struct, frozen=True):
    """Attributes:
    revision: what the database has; None when it is empty.
    newest: what this version needs.
    pending: what an upgrade would apply, in order.
    known: whether this version knows the database's revision.
    """

    revision: str | None
    newest: str
    pending: list[Step]
    known: bool = True


def status(database: Database) -> Status:
    """Raises:
    DatabaseFailed: it cannot be read.
    """
    with database.transaction() as connection:
        return _status(connection)


def prepare(database: Database) -> None:
    """Make sure that a program can work with the database: one that is empty is set up.

    Raises:
        SchemaMismatch: it is older, or newer.
        DatabaseFailed: it cannot be reached or does not allow it.
    """
    found = status(database)
    if found.revision is None:
        upgrade(database)
        logger.info("set up the tables of an empty database, revision %s", found.newest)
    elif not found.known:
        raise SchemaMismatch(_newer(found))
    elif found.pending:
        raise SchemaMismatch(
            f"the database has revision {found.revision} of its tables and {found.newest} is needed: "
            f"make a copy of it, then run '{UPGRADE_COMMAND}'"
        )


def upgrade(database: Database) -> list[Step]:
    """Bring the database to the newest revision, whatever it has; return what was applied.

    Several processes may do so at once: one does it, the others wait for it.

    Raises:
        SchemaMismatch: it is newer than this version knows.
        DatabaseFailed: it cannot be reached or does not allow it; in SQLite and PostgreSQL nothing has changed then,
            in MySQL the same can be run again.
    """
    patient = database.patient(1.5 * LOCK_SECONDS)  # To wait for the lock is a statement, too.
    try:
        with patient.transaction() as connection, _locked(connection):
            before = _status(connection)
            if not before.known:
                raise SchemaMismatch(_newer(before))
            config = _config()
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
    finally:
        patient.close()
    return before.pending


def _status(connection: Connection) -> Status:
    script = ScriptDirectory.from_config(_config())
    newest = script.get_current_head() or ""
    numbered = MigrationContext.configure(connection).get_current_revision()
    revision = numbered or _unnumbered_revision(connection)
    if revision is not None and revision not in {one.revision for one in script.walk_revisions()}:
        return Status(revision, newest, [], known=False)
    missing = list(script.iterate_revisions(newest, revision or "base"))
    return Status(revision, newest, [Step(one.revision, one.doc) for one in reversed(missing)])


def _unnumbered_revision(connection: Connection) -> str | None:
    """A database with tables of ours and no number is of the version before numbers.

    Unless the table for the number is there without one: then MySQL was stopped in the middle of setting it up, and
    that begins again.
    """
    tables = inspect(connection).get_table_names()
    ours = SCHEMA_TABLES.intersection(tables)
    return UNNUMBERED if ours and "alembic_version" not in tables else None


SCHEMA_TABLES = {"accounts", "launchers", "matches"}


@contextmanager
def _locked(connection: Connection) -> Iterator[None]:
    """Only one process at a time, until the transaction ends.

    Raises:
        DatabaseFailed: another one takes too long.
    """
    match connection.dialect.name:
        case "sqlite":
            # Python's driver would begin a transaction only with the first row that is written, and leave tables out.
            connection.execute(text("BEGIN IMMEDIATE"))
            yield
        case "postgresql":
            connection.execute(text(f"SET LOCAL lock_timeout = '{LOCK_SECONDS}s'"))
            connection.execute(text(f"SELECT pg_advisory_xact_lock({_LOCK_NUMBER})"))
            yield
        case _:
            # The server's, for all its databases; a name has 64 characters at most.
            name = "concat('login-server-', md5(database()))"
            if connection.scalar(text(f"SELECT get_lock({name}, {LOCK_SECONDS})")) != 1:
                raise DatabaseFailed("another process is changing the tables and does not come to an end")
            try:
                yield
            finally:
                connection.execute(text(f"SELECT release_lock({name})"))


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    return config


def _newer(found: Status) -> str:
    return (
        f"the database has revision {found.revision} of its tables, which a newer version of this program has made; "
        f"this one knows {found.newest} at most"
    )
