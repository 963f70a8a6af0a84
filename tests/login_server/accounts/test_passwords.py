"""Password hashes: the parameters, and that an account that does not exist is no faster."""

import time
from statistics import median

import pytest

from login_server.accounts.passwords import Passwords


@pytest.fixture(scope="module")
def passwords() -> Passwords:
    return Passwords()


@pytest.fixture(scope="module")
def hashed(passwords: Passwords) -> str:
    return passwords.hash("correct horse")


def test_the_parameters_are_those_of_owasp(hashed: str) -> None:
    assert hashed.startswith("$argon2id$v=19$m=19456,t=2,p=1$")


def test_right_and_wrong(passwords: Passwords, hashed: str) -> None:
    assert passwords.verify(hashed, "correct horse")
    assert not passwords.verify(hashed, "Correct horse")
    assert not passwords.verify(hashed, "")


def test_nobody_has_no_password(passwords: Passwords) -> None:
    assert not passwords.verify(None, "a password that nobody has")


def test_each_hash_has_its_own_salt(passwords: Passwords, hashed: str) -> None:
    assert passwords.hash("correct horse") != hashed


def test_the_same_letters_composed_differently_are_the_same_password(passwords: Passwords) -> None:
    assert passwords.verify(passwords.hash("pässword"), "pa\u0308ssword")


def test_an_account_that_does_not_exist_costs_what_a_wrong_password_costs(passwords: Passwords, hashed: str) -> None:
    def seconds(password_hash: str | None) -> float:
        begun = time.thread_time()
        passwords.verify(password_hash, "wrong")
        return time.thread_time() - begun

    wrong = median(seconds(hashed) for _ in range(9))
    nobody = median(seconds(None) for _ in range(9))
    assert 0.5 < nobody / wrong < 2
