"""The accounts in the database. Runs in a worker pool, or in a command that serves nobody."""

from collections.abc import Iterator, Sequence
from typing import Annotated

from msgspec import Meta, Struct
from sqlalchemy import (
    Boolean,
    Column,
    ColumnElement,
    Connection,
    Float,
    Integer,
    Table,
    Text,
    Update,
    false,
    func,
    insert,
    select,
    update,
)
from sqlalchemy.exc import IntegrityError

from login_server.accounts.revocations import revoke
from login_server.accounts.rules import NAME, check_name, fold
from login_server.columns import key_text
from login_server.database import SCHEMA, Database
from login_server.refusal import Refusal

MAX_ACCOUNTS = 1_000_000
"""Anybody may register, so there is an end to it."""

MAX_RANK = 2**31 - 1
"""What an integer column holds in each of the databases; the least is `-MAX_RANK`."""

MAX_HASH_LENGTH = 1_000
"""In characters, all of them ASCII; an argon2id hash has about 100."""

ROWS_AT_A_TIME = 1_000

END_OF_TIME = 253_402_300_800.0
"""The first second of the year 10000, since 1970: a `datetime` knows no such date."""

_accounts = Table(
    "accounts",
    SCHEMA,
    Column("id", Integer, primary_key=True),
    Column("name", key_text(24), nullable=False),
    # Unique in any case, and in any database, whatever its collation.
    Column("folded_name", key_text(24), nullable=False, unique=True),
    Column("password_hash", Text, nullable=False),
    Column("created_at", Float(53), nullable=False),
    Column("disabled", Boolean, nullable=False, server_default=false()),
    Column("rank", Integer, nullable=False, server_default="0"),
)


class Account(Struct, frozen=True):
    """Attributes:
    name: spelled as it was registered.
    password_hash: in the PHC string format.
    disabled: whether nobody can log in with it.
    rank: for games; this program gives it no meaning.
    """

    account_id: int
    name: str
    password_hash: str
    disabled: bool = False
    rank: int = 0


class AccountRecord(Struct, frozen=True, forbid_unknown_fields=True):
    """An account as it is moved from one database to another: without the id, which is another there."""

    name: str
    password_hash: str
    created_at: Annotated[float, Meta(ge=0, lt=END_OF_TIME)]
    disabled: bool = False
    rank: int = 0


class NoSuchAccount(Exception):
    """There is no account of that name. The text is a sentence for people."""


class AccountsChanged(Exception):
    """Somebody else added an account of the same name at the same moment. The text is a sentence for people."""


_ACCOUNT = [_accounts.c[name] for name in ("id", *Account.__struct_fields__[1:])]
_RECORD = [_accounts.c[name] for name in AccountRecord.__struct_fields__]


class AccountStore:
    """The accounts of one database. Safe to call from several threads at once.

    Every method raises `DatabaseFailed` when the database fails. Accounts are never deleted.
    """

    def __init__(self, database: Database, max_accounts: int = MAX_ACCOUNTS) -> None:
        self._database = database
        self._max_accounts = max_accounts

    def add(self, name: str, password_hash: str, now: float, rank: int = 0) -> int:
        """Create an account and return its id.

        Args:
            now: when that is, in seconds since 1970.

        Raises:
            Refusal: `name_invalid`, `name_taken` in whatever case, or `accounts_full`.
            ValueError: the hash or the rank cannot be stored.
        """
        check_name(name)
        check_hash(password_hash)
        check_rank(rank)
        taken = Refusal("name_taken", f"the name {name} is taken")
        try:
            with self._database.transaction() as connection:
                # Asked before, since an insert that fails uses up an id in PostgreSQL and MySQL.
                if connection.scalar(select(_accounts.c.id).where(_accounts.c.folded_name == fold(name))) is not None:
                    raise taken
                self._check_room(connection, 1)
                record = AccountRecord(name, password_hash, now, rank=rank)
                result = connection.execute(insert(_accounts).values(_row(record)))
                assert result.inserted_primary_key is not None
                return int(result.inserted_primary_key[0])
        except IntegrityError as error:
            raise taken from error

    def find(self, name: str) -> Account | None:
        """The account of that name, in whatever case."""
        if not NAME.fullmatch(name):
            return None  # What is no name may not even be a text to the database.
        with self._database.transaction() as connection:
            row = connection.execute(select(*_ACCOUNT).where(_accounts.c.folded_name == fold(name))).first()
        return Account(*row) if row else None

    def set_password_hash(self, account_id: int, password_hash: str, now: float) -> None:
        """Change a password; day passes issued before now are void.

        Raises:
            NoSuchAccount: there is none with this id.
            ValueError: the hash cannot be stored.
        """
        check_hash(password_hash)
        which = _accounts.c.id == account_id
        changed = update(_accounts).where(which).values(password_hash=password_hash)
        self._change_and_revoke(changed, which, now, f"there is no account {account_id}")

    def set_disabled(self, name: str, disabled: bool, now: float) -> None:
        """Disable an account, which makes day passes void that were issued before now, or enable it.

        Raises:
            NoSuchAccount: there is none of this name, in whatever case.
        """
        changed = _update(name).values(disabled=disabled)
        if disabled:
            self._change_and_revoke(changed, _is_called(name), now, f"there is no account {name}")
        else:
            self._change_one(changed, f"there is no account {name}")

    def revoke_passes(self, name: str, now: float) -> None:
        """Make day passes void that were issued before now.

        Raises:
            NoSuchAccount: there is none of this name, in whatever case.
        """
        self._change_and_revoke(None, _is_called(name), now, f"there is no account {name}")

    def set_rank(self, name: str, rank: int) -> None:
        """Raises:
        NoSuchAccount: there is none of this name, in whatever case.
        ValueError: it is out of bounds.
        """
        check_rank(rank)
        self._change_one(_update(name).values(rank=rank), f"there is no account {name}")

    def count(self) -> int:
        with self._database.transaction() as connection:
            return _count(connection)

    def all(self) -> Iterator[AccountRecord]:
        """Every account, oldest first, read some at a time: what is added meanwhile may be among them or not."""
        last_id = 0
        while True:
            some = select(_accounts.c.id, *_RECORD).where(_accounts.c.id > last_id).order_by(_accounts.c.id)
            with self._database.transaction() as connection:
                rows = connection.execute(some.limit(ROWS_AT_A_TIME)).all()
            if not rows:
                return
            last_id = rows[-1][0]
            for _, *values in rows:
                yield AccountRecord(*values)

    def find_records(self, names: Sequence[str]) -> dict[str, AccountRecord]:
        """The accounts of these names that there are, by folded name.

        Args:
            names: in whatever case, each a name that an account can have; `ROWS_AT_A_TIME` at most.
        """
        folded = [fold(name) for name in names]
        with self._database.transaction() as connection:
            rows = connection.execute(select(*_RECORD).where(_accounts.c.folded_name.in_(folded))).all()
        return {fold(row[0]): AccountRecord(*row) for row in rows}

    def add_all(self, records: Sequence[AccountRecord]) -> Iterator[int]:
        """Create many accounts, all of them or, if anything fails or the iteration is given up, none.

        Args:
            records: each with a name, hash and rank that have been checked; no two names are the same in whatever case.

        Yields:
            how many were written so far; when the iteration is over, they are safe on disk.

        Raises:
            Refusal: `accounts_full`.
            AccountsChanged: one of the names is taken.
        """
        try:
            with self._database.transaction() as connection:
                self._check_room(connection, len(records))
                for begin in range(0, len(records), ROWS_AT_A_TIME):
                    some = records[begin : begin + ROWS_AT_A_TIME]
                    connection.execute(insert(_accounts), [_row(record) for record in some])
                    yield begin + len(some)
        except IntegrityError as error:
            raise AccountsChanged("one of these names was taken at the same moment, try again") from error

    def _check_room(self, connection: Connection, wanted: int) -> None:
        # Ids may have gaps but are never used again: the highest is at least the number of accounts, and found without
        # counting.
        highest = connection.scalar(select(func.max(_accounts.c.id))) or 0
        if highest + wanted > self._max_accounts and _count(connection) + wanted > self._max_accounts:
            raise Refusal("accounts_full", "no more accounts can be created here")

    def _change_and_revoke(
        self, statement: Update | None, which: ColumnElement[bool], now: float, otherwise: str
    ) -> None:
        def change() -> None:
            with self._database.transaction() as connection:
                if statement is not None:
                    connection.execute(statement)
                player = connection.scalar(select(_accounts.c.name).where(which))
                if player is None:
                    raise NoSuchAccount(otherwise)
                revoke(connection, player, now)

        try:
            change()
        except IntegrityError:  # Somebody else revoked this player's passes at the same moment.
            change()

    def _change_one(self, statement: Update, otherwise: str) -> None:
        with self._database.transaction() as connection:
            if not connection.execute(statement).rowcount:
                raise NoSuchAccount(otherwise)


def check_hash(password_hash: str) -> None:
    """MySQL may cut off what is too long without a word, so it is checked here.

    Raises:
        ValueError: it cannot be stored.
    """
    if not (password_hash.isascii() and password_hash.isprintable() and 0 < len(password_hash) <= MAX_HASH_LENGTH):
        raise ValueError("a password hash is printable ASCII text of at most 1000 characters")


def check_rank(rank: int) -> None:
    """Raises:
    ValueError: it cannot be stored.
    """
    if not -MAX_RANK <= rank <= MAX_RANK:
        raise ValueError(f"a rank is a whole number from {-MAX_RANK} to {MAX_RANK}")


def _count(connection: Connection) -> int:
    return connection.scalar(select(func.count()).select_from(_accounts)) or 0


def _update(name: str) -> Update:
    return update(_accounts).where(_is_called(name))


def _is_called(name: str) -> ColumnElement[bool]:
    # What is no name may not even be a text to the database; no account has an empty one.
    return _accounts.c.folded_name == (fold(name) if NAME.fullmatch(name) else "")


def _row(record: AccountRecord) -> dict[str, object]:
    return {
        "name": record.name,
        "folded_name": fold(record.name),
        "password_hash": record.password_hash,
        "created_at": record.created_at,
        "disabled": record.disabled,
        "rank": record.rank,
    }
