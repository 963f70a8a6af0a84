"""The accounts, in each kind of database; and the rules for names and passwords."""

import threading
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from login_server.accounts import (
    Account,
    AccountRecord,
    AccountsChanged,
    AccountStore,
    NoSuchAccount,
    Refusal,
    check_name,
    check_new_password,
)
from login_server.accounts.revocations import Revocations
from login_server.accounts.store import MAX_HASH_LENGTH, MAX_RANK, ROWS_AT_A_TIME
from login_server.database import Database
from login_server.schema import prepare

NOW = 1_764_000_000.123456


@pytest.fixture
def each_database(database_url: str) -> Iterator[Database]:
    database = Database(database_url, connections=4, statement_seconds=20)
    prepare(database)
    yield database
    database.close()


@pytest.fixture
def accounts(each_database: Database) -> AccountStore:
    return AccountStore(each_database)


def test_an_account_is_found_in_any_case_under_the_name_it_was_given(accounts: AccountStore) -> None:
    assert accounts.add("Alice", "hash", 1.0) == 1
    assert accounts.add("bob", "other", 2.0, rank=-7) == 2
    for spelling in ("Alice", "alice", "ALICE"):
        assert accounts.find(spelling) == Account(1, "Alice", "hash", disabled=False, rank=0)
    assert accounts.find("BOB") == Account(2, "bob", "other", disabled=False, rank=-7)
    assert accounts.find("carol") is None
    for nothing in ("no name\0'; DROP TABLE accounts; --", "", "x" * 100_000, "álice", "alice ", "%", "ali_e"):
        assert accounts.find(nothing) is None


@pytest.mark.parametrize("name", ["alice", "ALICE", "aLiCe"])
def test_a_taken_name(accounts: AccountStore, name: str) -> None:
    accounts.add("alice", "hash", 1.0)
    with pytest.raises(Refusal) as caught:
        accounts.add(name, "other", 2.0)
    assert caught.value.code == "name_taken"
    assert accounts.find("alice") == Account(1, "alice", "hash")
    assert accounts.add("bob", "hash", 1.0) == 2


def test_names_that_are_nearly_the_same_are_two(accounts: AccountStore) -> None:
    """A collation may take a dash for a dot, or leave out a last one."""
    names = ["a-b", "a.b", "a_b", "ab", "ab.", "ab-", "ab_", "a-b-", "strasse"]
    for name in names:
        accounts.add(name, f"hash of {name}", 1.0)
    for name in names:
        found = accounts.find(name)
        assert found is not None
        assert (found.name, found.password_hash) == (name, f"hash of {name}")


def test_many_who_want_one_name_at_the_same_moment(accounts: AccountStore) -> None:
    outcomes: list[str] = []
    ready = threading.Barrier(4)

    def add(number: int) -> None:
        ready.wait()
        try:
            outcomes.append(f"account {accounts.add('alice', f'hash {number}', 1.0)}")
        except Refusal as refusal:
            outcomes.append(refusal.code)

    threads = [threading.Thread(target=add, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(outcomes)[1:] == ["name_taken"] * 3
    assert sorted(outcomes)[0].startswith("account ")


def test_there_is_an_end_to_accounts(each_database: Database) -> None:
    accounts = AccountStore(each_database, max_accounts=2)
    accounts.add("alice", "hash", 1.0)
    with pytest.raises(Refusal) as caught:
        list(accounts.add_all([AccountRecord(name, "hash", 1.0) for name in ("bob", "carol")]))
    assert caught.value.code == "accounts_full"
    accounts.add("bob", "hash", 1.0)
    with pytest.raises(Refusal) as caught:
        accounts.add("carol", "hash", 1.0)
    assert caught.value.code == "accounts_full"
    assert accounts.count() == 2


def test_a_new_password_hash(accounts: AccountStore) -> None:
    accounts.add("alice", "hash", 1.0)
    accounts.add("bob", "hash", 1.0)
    accounts.set_password_hash(1, "new", NOW)
    accounts.set_password_hash(1, "new", NOW)  # MySQL counts what it has changed only, unless it is told otherwise
    assert accounts.find("alice") == Account(1, "alice", "new")
    assert accounts.find("bob") == Account(2, "bob", "hash")
    with pytest.raises(NoSuchAccount, match="there is no account 3"):
        accounts.set_password_hash(3, "new", NOW)


def test_disabled_and_enabled(accounts: AccountStore) -> None:
    accounts.add("Alice", "hash", 1.0)
    for disabled in (True, True, False):
        accounts.set_disabled("alice", disabled, NOW)
        assert accounts.find("alice") == Account(1, "Alice", "hash", disabled=disabled)
    with pytest.raises(NoSuchAccount, match="there is no account no name"):
        accounts.set_disabled("no name", True, NOW)


def test_what_makes_day_passes_void(each_database: Database) -> None:
    accounts, revocations = AccountStore(each_database), Revocations(each_database)
    for name in ("Alice", "bob", "carol", "dora"):
        accounts.add(name, "hash", 1.0)
    accounts.set_password_hash(1, "new", NOW)
    accounts.set_disabled("BOB", True, NOW + 0.25)
    accounts.set_disabled("carol", False, NOW)
    accounts.revoke_passes("dora", NOW + 1)
    assert revocations.since(0.0, 10) == {"dora": NOW + 1, "bob": NOW + 0.25, "Alice": NOW}
    accounts.revoke_passes("alice", NOW + 2)
    assert revocations.since(NOW + 1, 10) == {"Alice": NOW + 2, "dora": NOW + 1}
    assert revocations.since(0.0, 1) == {"Alice": NOW + 2}
    with pytest.raises(NoSuchAccount, match="there is no account eve"):
        accounts.revoke_passes("eve", NOW)
    with pytest.raises(NoSuchAccount):
        accounts.set_disabled("no name", True, NOW)
    with pytest.raises(NoSuchAccount):
        accounts.set_password_hash(5, "new", NOW)
    assert len(revocations.since(0.0, 10)) == 3


@pytest.mark.parametrize("rank", [MAX_RANK, -MAX_RANK, 0])
def test_ranks(accounts: AccountStore, rank: int) -> None:
    accounts.add("alice", "hash", 1.0)
    accounts.set_rank("ALICE", rank)
    found = accounts.find("alice")
    assert found is not None
    assert found.rank == rank
    with pytest.raises(NoSuchAccount):
        accounts.set_rank("bob", rank)
    for wrong in (MAX_RANK + 1, -MAX_RANK - 1):
        with pytest.raises(ValueError, match="a rank is a whole number"):
            accounts.set_rank("alice", wrong)


def test_what_cannot_be_stored_is_said_and_not_cut_off(accounts: AccountStore) -> None:
    longest = "x" * MAX_HASH_LENGTH
    accounts.add("alice", longest, 1.0)
    found = accounts.find("alice")
    assert found is not None
    assert found.password_hash == longest
    for wrong in ("", longest + "x", "häsh", "two\nlines"):
        with pytest.raises(ValueError, match="a password hash is printable ASCII"):
            accounts.add("bob", wrong, 1.0)
        with pytest.raises(ValueError, match="a password hash is printable ASCII"):
            accounts.set_password_hash(1, wrong, NOW)
    assert accounts.count() == 1


def test_all_of_many_come_and_go(accounts: AccountStore) -> None:
    """More than are written and read at a time."""
    many = [AccountRecord(f"player{n}", f"hash {n}", NOW + n, n % 3 == 0, n) for n in range(2 * ROWS_AT_A_TIME + 5)]
    assert list(accounts.add_all(many)) == [ROWS_AT_A_TIME, 2 * ROWS_AT_A_TIME, len(many)]
    assert list(accounts.all()) == many
    found = accounts.find_records(["PLAYER7", "nobody", "player2004"])
    assert found == {"player7": many[7], "player2004": many[2004]}


def test_all_or_none(accounts: AccountStore) -> None:
    accounts.add("alice", "hash", 1.0)
    many = [AccountRecord(f"player{n}", "hash", 1.0) for n in range(ROWS_AT_A_TIME)]
    with pytest.raises(AccountsChanged, match="one of these names was taken"):
        list(accounts.add_all([*many, AccountRecord("ALICE", "hash", 1.0)]))
    for count in accounts.add_all(many):
        assert count == ROWS_AT_A_TIME
        break  # given up
    assert accounts.count() == 1


@given(st.from_regex(r"[A-Za-z0-9_.-]{2,24}", fullmatch=True))
def test_good_names(name: str) -> None:
    check_name(name)


@pytest.mark.parametrize("name", ["", "a", "a" * 25, "two words", "älice", "alice\n", "a/b", "*", "<b>", "\u0430lice"])
def test_bad_names(database: Database, name: str) -> None:
    for refuse in (check_name, lambda name: AccountStore(database).add(name, "hash", 1.0)):
        with pytest.raises(Refusal) as caught:
            refuse(name)
        assert caught.value.code == "name_invalid"


@pytest.mark.parametrize(
    ("length", "code"),
    [(0, "password_too_short"), (7, "password_too_short"), (8, ""), (1024, ""), (1025, "password_too_long")],
)
def test_lengths_of_passwords(length: int, code: str) -> None:
    if not code:
        check_new_password("ä" * length)
        return
    with pytest.raises(Refusal) as caught:
        check_new_password("ä" * length)
    assert caught.value.code == code
