"""Accounts: names that are unique in any case, and the rules for names and passwords."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from login_server.accounts import Account, AccountStore, check_name, check_new_password
from login_server.database import Database
from login_server.refusal import Refusal


@pytest.fixture
def accounts(database: Database) -> AccountStore:
    return AccountStore(database)


def test_an_account_is_found_in_any_case_under_the_name_it_was_given(accounts: AccountStore) -> None:
    assert accounts.add("Alice", "hash", 1.0) == 1
    assert accounts.add("bob", "other", 2.0) == 2
    for spelling in ("Alice", "alice", "ALICE"):
        assert accounts.find(spelling) == Account(1, "Alice", "hash")
    assert accounts.find("carol") is None
    assert accounts.find("no name\0'; DROP TABLE accounts; --") is None


@pytest.mark.parametrize("name", ["alice", "ALICE", "aLiCe"])
def test_a_taken_name(accounts: AccountStore, name: str) -> None:
    accounts.add("alice", "hash", 1.0)
    with pytest.raises(Refusal) as caught:
        accounts.add(name, "other", 2.0)
    assert caught.value.code == "name_taken"
    assert accounts.find("alice") == Account(1, "alice", "hash")


def test_there_is_an_end_to_accounts(database: Database) -> None:
    accounts = AccountStore(database, max_accounts=2)
    accounts.add("alice", "hash", 1.0)
    accounts.add("bob", "hash", 1.0)
    with pytest.raises(Refusal) as caught:
        accounts.add("carol", "hash", 1.0)
    assert caught.value.code == "accounts_full"


def test_a_new_password_hash(accounts: AccountStore) -> None:
    accounts.add("alice", "hash", 1.0)
    accounts.add("bob", "hash", 1.0)
    accounts.set_password_hash(1, "new")
    assert accounts.find("alice") == Account(1, "alice", "new")
    assert accounts.find("bob") == Account(2, "bob", "hash")


@given(st.from_regex(r"[A-Za-z0-9_.-]{2,24}", fullmatch=True))
def test_good_names(name: str) -> None:
    check_name(name)


@pytest.mark.parametrize("name", ["", "a", "a" * 25, "two words", "älice", "alice\n", "a/b", "*", "<b>", "\u0430lice"])
def test_bad_names(accounts: AccountStore, name: str) -> None:
    for refuse in (check_name, lambda name: accounts.add(name, "hash", 1.0)):
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
