"""Player accounts: who may log in, by name and password hash. Plain stores and rules; runs in a worker pool."""

import re

from msgspec import Struct
from sqlalchemy import Column, Float, Integer, String, Table, Text, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from login_server import passwords
from login_server.database import SCHEMA, Database
from login_server.refusal import Refusal

MAX_ACCOUNTS = 1_000_000
"""Anybody may register, so there is an end to it."""

_NAME = re.compile(r"[A-Za-z0-9_.-]{2,24}")

_accounts = Table(
    "accounts",
    SCHEMA,
    Column("id", Integer, primary_key=True),
    Column("name", String(24), nullable=False),
    # Unique in any case, and in any database, whatever its collation.
    Column("folded_name", String(24), nullable=False, unique=True),
    Column("password_hash", Text, nullable=False),
    Column("created_at", Float, nullable=False),
)


class Account(Struct, frozen=True):
    account_id: int
    name: str
    password_hash: str


def fold(name: str) -> str:
    """What two spellings of one name have in common."""
    return name.lower()


def check_name(name: str) -> None:
    """Raises:
    Refusal: `name_invalid`.
    """
    if not _NAME.fullmatch(name):
        raise Refusal("name_invalid", "a name has 2 to 24 letters (a to z), digits or the characters _ . -")


def check_new_password(password: str) -> None:
    """Raises:
    Refusal: `password_too_short` or `password_too_long`.
    """
    if len(password) < passwords.MIN_LENGTH:
        raise Refusal("password_too_short", f"a password has at least {passwords.MIN_LENGTH} characters")
    if len(password) > passwords.MAX_LENGTH:
        raise Refusal("password_too_long", f"a password has at most {passwords.MAX_LENGTH} characters")


class Accounts:
    """The accounts in the database. Every method raises `DatabaseFailed` when the database fails."""

    def __init__(self, database: Database, max_accounts: int = MAX_ACCOUNTS) -> None:
        self._database = database
        self._max_accounts = max_accounts

    def add(self, name: str, password_hash: str, now: float) -> int:
        """Create an account and return its id.

        Raises:
            Refusal: `name_invalid`, `name_taken` in whatever case, or `accounts_full`.
        """
        check_name(name)
        try:
            with self._database.transaction() as connection:
                # Accounts are never deleted, so the highest id is their number, and found without counting.
                if (connection.scalar(select(func.max(_accounts.c.id))) or 0) >= self._max_accounts:
                    raise Refusal("accounts_full", "no more accounts can be created here")
                result = connection.execute(
                    insert(_accounts).values(
                        name=name, folded_name=fold(name), password_hash=password_hash, created_at=now
                    )
                )
                assert result.inserted_primary_key is not None
                return int(result.inserted_primary_key[0])
        except IntegrityError as error:
            raise Refusal("name_taken", f"the name {name} is taken") from error

    def find(self, name: str) -> Account | None:
        """The account of that name, in whatever case."""
        if not _NAME.fullmatch(name):
            return None  # What is no name may not even be a text to the database.
        columns = _accounts.c.id, _accounts.c.name, _accounts.c.password_hash
        with self._database.transaction() as connection:
            row = connection.execute(select(*columns).where(_accounts.c.folded_name == fold(name))).first()
        return Account(*row) if row else None

    def set_password_hash(self, account_id: int, password_hash: str) -> None:
        with self._database.transaction() as connection:
            connection.execute(
                update(_accounts).where(_accounts.c.id == account_id).values(password_hash=password_hash)
            )
