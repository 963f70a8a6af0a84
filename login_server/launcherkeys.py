"""The launchers that may log in, each by name and a key. Runs in a worker pool, or in `login-server launcher …`."""

import hashlib
import hmac
import re
import secrets

from msgspec import Struct
from sqlalchemy import Column, Float, Integer, Table, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from login_server.columns import key_text
from login_server.database import SCHEMA, Database
from login_server.refusal import Refusal

_NAME = re.compile(r"[A-Za-z0-9_.-]{1,32}")

_launchers = Table(
    "launchers",
    SCHEMA,
    Column("id", Integer, primary_key=True),
    Column("name", key_text(32), nullable=False, unique=True),
    Column("key_hash", key_text(64), nullable=False),
    Column("created_at", Float(53), nullable=False),
)


class LauncherEntry(Struct, frozen=True):
    name: str
    created_at: float


class LauncherKeys:
    """The launchers' key hashes in the database. Every method raises `DatabaseFailed` when the database fails.

    A key is 256 random bits, not something a person made up: nobody can guess it from its hash however
    fast the hash is, so plain SHA-256 is right where a password needs argon2id.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, name: str, now: float) -> str:
        """Let a launcher in from now on, and return its key: the only time that it is known here.

        Raises:
            Refusal: `name_invalid` or `name_taken`.
        """
        if not _NAME.fullmatch(name):
            raise Refusal(
                "name_invalid", "a launcher's name has 1 to 32 letters (a to z), digits or the characters _ . -"
            )
        key = secrets.token_urlsafe(32)
        try:
            with self._database.transaction() as connection:
                connection.execute(insert(_launchers).values(name=name, key_hash=_hash(key), created_at=now))
        except IntegrityError as error:
            raise Refusal("name_taken", f"there is a launcher {name} already") from error
        return key

    def rotate(self, name: str) -> str:
        """Give a launcher a new key, and return it; the old one is worth nothing any more.

        Raises:
            Refusal: `no_such_launcher`.
        """
        key = secrets.token_urlsafe(32)
        statement = update(_launchers).where(_launchers.c.name == name).values(key_hash=_hash(key))
        with self._database.transaction() as connection:
            if not connection.execute(statement).rowcount:
                raise Refusal("no_such_launcher", f"there is no launcher {name}")
        return key

    def remove(self, name: str) -> None:
        """Raises:
        Refusal: `no_such_launcher`.
        """
        with self._database.transaction() as connection:
            if not connection.execute(delete(_launchers).where(_launchers.c.name == name)).rowcount:
                raise Refusal("no_such_launcher", f"there is no launcher {name}")

    def all(self) -> list[LauncherEntry]:
        """By name."""
        columns = _launchers.c.name, _launchers.c.created_at
        with self._database.transaction() as connection:
            return [LauncherEntry(*row) for row in connection.execute(select(*columns).order_by(columns[0]))]

    def check(self, name: str, key: str) -> bool:
        """Whether that launcher may log in with that key."""
        with self._database.transaction() as connection:
            key_hash = connection.scalar(select(_launchers.c.key_hash).where(_launchers.c.name == name))
        return hmac.compare_digest(key_hash or "", _hash(key))


def _hash(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()
