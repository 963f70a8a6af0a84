"""Registering, logging in and changing passwords, as conversations."""

import logging
from typing import TYPE_CHECKING

import msgspec
import pytest

from connhandler.testing import run_work
from login_server.accounts.attempts import FORGET_SECONDS
from login_server.passes import PassChecker
from login_server.protocol import (
    ChangePassword,
    LoggedIn,
    LogIn,
    PasswordChanged,
    Register,
    Registered,
    ServerList,
)
from tests.login_server.conftest import PUBLIC_KEY

if TYPE_CHECKING:
    from tests.login_server.conftest import House

PASSWORD = "correct horse"


def test_register_and_log_in(house: "House") -> None:
    player = house.visitor()
    assert house.tell(player, Register(name="Alice", password=PASSWORD)) == [Registered(name="Alice")]
    assert not player.peer.logged_in
    logged_in, servers = house.tell(player, LogIn(name="alice", password=PASSWORD))
    assert isinstance(logged_in, LoggedIn)
    assert (logged_in.name, servers) == ("Alice", ServerList(servers=[]))
    assert player.peer.logged_in
    assert house.server.state()["players"] == {"Alice": player.peer.name}


def test_the_log_tells_the_story(house: "House", caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "login_server")
    player = house.player("alice")
    player.disconnects(house.server)
    where = f"({player.peer.name}, 127.0.0.1:50000)"
    assert [record.getMessage() for record in caplog.records] == [
        f"player alice registered, account 1 {where}",
        f"player alice logged in {where}",
        f"player alice is gone: closed by peer {where}",
    ]


def test_a_name_that_is_taken_in_any_case(house: "House") -> None:
    house.player("alice")
    player = house.visitor()
    answers = house.tell(player, Register(name="ALICE", password=PASSWORD))
    assert house.refused("name_taken", "register", answers) == "the name ALICE is taken"
    assert not player.disconnected
    assert house.tell(player, Register(name="alice2", password=PASSWORD)) == [Registered(name="alice2")]


def test_two_who_want_the_same_name_at_the_same_moment(house: "House") -> None:
    first, second = house.visitor(), house.visitor()
    for player in (first, second):
        player.receives(house.server, Register(name="alice", password=PASSWORD))
    run_work(house.server)
    answers = [*first.take(), *second.take()]
    assert sorted(getattr(answer, "code", "registered") for answer in answers) == ["name_taken", "registered"]


@pytest.mark.parametrize(
    ("name", "password", "code"),
    [
        ("a", PASSWORD, "name_invalid"),
        ("two words", PASSWORD, "name_invalid"),
        ("a" * 25, PASSWORD, "name_invalid"),
        ("alice", "seven77", "password_too_short"),
    ],
)
def test_what_cannot_be_registered(house: "House", name: str, password: str, code: str) -> None:
    player = house.visitor()
    house.refused(code, "register", house.tell(player, Register(name=name, password=password)))
    assert not player.disconnected


def test_an_unknown_name_and_a_wrong_password_get_the_same_answer(house: "House") -> None:
    house.player("alice").disconnects(house.server)
    for name, password in (("alice", "wrong horse"), ("nobody", PASSWORD), ("no name!", PASSWORD), ("alice", "")):
        player = house.visitor()
        words = house.refused("wrong_login", "log_in", house.tell(player, LogIn(name=name, password=password)))
        assert words == "wrong name or password"
        assert not player.disconnected
        assert not player.peer.logged_in


def test_an_unknown_name_is_hashed_all_the_same(house: "House", monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str | None, str]] = []

    def verify(password_hash: str | None, password: str) -> bool:
        asked.append((password_hash, password))
        return False

    monkeypatch.setattr(house.passwords, "verify", verify)
    house.tell(house.visitor(), LogIn(name="nobody", password=PASSWORD))
    assert asked == [(None, PASSWORD)]


def test_guessing_has_an_end(house: "House") -> None:
    house.player("alice").disconnects(house.server)
    player = house.visitor()
    for number in range(5):
        assert not player.disconnected, number
        answers = house.tell(player, LogIn(name="alice", password=f"guess number {number}"))
        house.refused("wrong_login", "log_in", answers)
    assert player.disconnected
    assert player.disconnect_detail == "too many wrong passwords"


def test_a_second_log_in_of_the_same_name(house: "House") -> None:
    first = house.player("alice")
    second = house.visitor()
    answers = house.tell(second, LogIn(name="Alice", password=PASSWORD))
    house.refused("already_logged_in", "log_in", answers)
    assert not second.disconnected
    # Somebody without the password does not even learn that much.
    house.refused("wrong_login", "log_in", house.tell(second, LogIn(name="alice", password="wrong horse")))
    first.disconnects(house.server)
    house.log_in("alice", second)


def test_a_player_who_is_logged_in_already(house: "House") -> None:
    player = house.player("alice")
    for message in (LogIn(name="alice", password=PASSWORD), Register(name="bob", password=PASSWORD)):
        words = house.refused("already_logged_in", message.__struct_config__.tag, house.tell(player, message))
        assert words == "you are logged in as alice"


def test_a_lost_connection_logs_out(house: "House") -> None:
    house.player("alice").disconnects(house.server)
    assert house.server.state()["players"] == {}
    house.log_in("alice")


def test_a_connection_lost_while_the_password_is_checked(house: "House") -> None:
    house.player("alice").disconnects(house.server)
    player = house.visitor()
    player.receives(house.server, LogIn(name="alice", password=PASSWORD))
    player.disconnects(house.server)
    run_work(house.server)
    assert house.server.state()["players"] == {}
    house.log_in("alice")


def test_a_new_password(house: "House") -> None:
    player = house.player("alice")
    house.player("bob")
    change = ChangePassword(old_password=PASSWORD, new_password="battery staple")
    (changed,) = house.tell(player, change)
    assert isinstance(changed, PasswordChanged)
    player.disconnects(house.server)
    visitor = house.visitor()
    house.refused("wrong_login", "log_in", house.tell(visitor, LogIn(name="alice", password=PASSWORD)))
    answers = house.tell(visitor, LogIn(name="alice", password="battery staple"))
    assert isinstance(answers[0], LoggedIn)


def test_a_new_password_that_is_refused(house: "House") -> None:
    player = house.player("alice")
    too_short = ChangePassword(old_password=PASSWORD, new_password="short")
    house.refused("password_too_short", "change_password", house.tell(player, too_short))
    wrong = ChangePassword(old_password="wrong horse", new_password="battery staple")
    house.refused("wrong_login", "change_password", house.tell(player, wrong))
    player.disconnects(house.server)
    house.log_in("alice")


def test_guessing_the_old_password_has_an_end_too(house: "House") -> None:
    player = house.player("alice")
    for _ in range(5):
        house.tell(player, ChangePassword(old_password="wrong horse", new_password="battery staple"))
    assert player.disconnected


def test_too_many_attempts_reach_the_player_and_end_no_connection(house: "House") -> None:
    assert house.tell(house.visitor(), Register(name="alice", password=PASSWORD)) == [Registered(name="alice")]
    guesser = house.visitor()
    for number in range(5):
        house.tell(guesser, LogIn(name="alice", password=f"guess number {number}"))
    player = house.visitor()
    for _ in range(10):
        words = house.refused("too_many_attempts", "log_in", house.tell(player, LogIn(name="alice", password=PASSWORD)))
        assert words == "too many wrong names or passwords, try again in 2 seconds"
    assert not player.disconnected
    house.pass_time(2)
    house.log_in("alice", player)


def test_wrong_old_passwords_count_as_wrong_log_ins_do(house: "House") -> None:
    player = house.player("alice")
    for _ in range(4):
        wrong = ChangePassword(old_password="wrong horse", new_password="battery staple")
        house.refused("wrong_login", "change_password", house.tell(player, wrong))
    house.refused("wrong_login", "log_in", house.tell(house.visitor(), LogIn(name="alice", password="wrong horse")))
    change = ChangePassword(old_password=PASSWORD, new_password="battery staple")
    house.refused("too_many_attempts", "change_password", house.tell(player, change))
    assert not player.disconnected
    house.pass_time(2)
    assert [type(answer) for answer in house.tell(player, change)] == [PasswordChanged]


def test_who_logs_in_or_changes_the_password_gets_a_day_pass(house: "House") -> None:
    house.player("Alice").disconnects(house.server)
    player = house.visitor()
    logged_in, _ = house.tell(player, LogIn(name="alice", password=PASSWORD))
    (changed,) = house.tell(player, ChangePassword(old_password=PASSWORD, new_password="battery staple"))
    checker = PassChecker(PUBLIC_KEY, "login-server")
    for answer in (logged_in, changed):
        day_pass = checker.check(answer.day_pass, {}, house.clock())
        assert day_pass.player == "Alice"
        assert day_pass.expires_at == answer.day_pass_expires_at == house.clock() + 24 * 3600
    assert changed.day_pass != logged_in.day_pass


def test_nobody_learns_from_the_answers_which_names_are_taken(house: "House") -> None:
    """Nor which accounts are disabled: on the wire, not a byte is different, however often it is tried."""
    for name in ("alice", "dora"):
        house.tell(house.visitor(), Register(name=name, password=PASSWORD))
    house.accounts.set_disabled("dora", True, 1.0)
    answers = []
    for name in ("alice", "dora", "nobody"):
        house.pass_time(FORGET_SECONDS)
        guesser, other = house.visitor(), house.visitor()
        log_in = LogIn(name=name, password="wrong horse")
        said = [house.tell(who, log_in) for who in (guesser,) * 5 + (other,) * 3]
        answers.append(([msgspec.json.encode(messages) for messages in said], guesser.disconnect_detail))
    assert answers[0] == answers[1] == answers[2]
    assert [b"too_many_attempts" in data for data in answers[0][0]] == [False] * 5 + [True] * 3


def test_a_disabled_account_says_so_to_who_knows_its_password(house: "House") -> None:
    house.tell(house.visitor(), Register(name="dora", password=PASSWORD))
    house.accounts.set_disabled("dora", True, 1.0)
    player = house.visitor()
    words = house.refused("account_disabled", "log_in", house.tell(player, LogIn(name="dora", password=PASSWORD)))
    assert words == "this account is disabled"
    assert not player.peer.logged_in
