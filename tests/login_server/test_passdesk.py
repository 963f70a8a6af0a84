"""Whose day passes are void: what launchers are told of it, whoever has revoked them."""

from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import text

from connhandler.testing import FakeConnection, run_work
from login_server import passdesk
from login_server.gameserverlauncherhandler import LauncherPeer
from login_server.passdesk import LOOK_SECONDS
from login_server.protocol import ChangePassword, LauncherLogIn, PassesRevoked

if TYPE_CHECKING:
    from tests.login_server.conftest import House

DAY = 24 * 3600


def log_in(house: "House", version: int = 2) -> tuple[FakeConnection[LauncherPeer], list[Any]]:
    """A launcher that has just logged in, and what it was told after `LauncherAccepted`."""
    if "home" not in house.keys:
        house.keys["home"] = house.launcher_keys.add("home", house.clock())
    run_work(house.server)
    launcher = house.program(version)
    _, *told = house.tell(launcher, LauncherLogIn(name="home", key=house.keys["home"]))
    return launcher, told


def look(house: "House") -> None:
    house.pass_time(LOOK_SECONDS)
    run_work(house.server)


def test_a_launcher_that_comes_is_told_everything_that_still_matters(house: "House") -> None:
    for name in ("alice", "bob", "carol"):
        house.accounts.add(name, "hash", 1.0)
    now = house.clock()
    house.accounts.revoke_passes("ALICE", now - DAY + 1)
    house.accounts.set_disabled("bob", True, now - 10)
    house.accounts.revoke_passes("carol", now - DAY - 1)
    house.server = house.start()
    _, told = log_in(house)
    assert told == [PassesRevoked(revoked={"alice": now - DAY + 1, "bob": now - 10}, whole=True)]
    house.pass_time(2)
    assert log_in(house)[1] == [PassesRevoked(revoked={"bob": now - 10}, whole=True)]


def test_a_launcher_of_version_1_is_told_nothing(house: "House") -> None:
    house.accounts.add("alice", "hash", 1.0)
    launcher, told = log_in(house, version=1)
    house.accounts.revoke_passes("alice", house.clock())
    look(house)
    assert told == launcher.take() == []


def test_a_new_password_is_told_at_once(house: "House") -> None:
    launcher, told = log_in(house)
    assert told == [PassesRevoked(revoked={}, whole=True)]
    player = house.player("Alice")
    house.pass_time(1)
    launcher.take()
    house.tell(player, ChangePassword(old_password="correct horse", new_password="battery staple"))
    assert launcher.take() == [PassesRevoked(revoked={"Alice": house.clock()}, whole=False)]
    look(house)
    assert launcher.take() == []


def test_what_a_command_has_revoked_is_told_soon_and_once(house: "House") -> None:
    house.accounts.add("alice", "hash", 1.0)
    launcher, _ = log_in(house)
    look(house)
    revoked_at = house.clock() - 3
    house.accounts.revoke_passes("alice", revoked_at)
    look(house)
    assert launcher.take() == [PassesRevoked(revoked={"alice": revoked_at}, whole=False)]
    house.accounts.revoke_passes("alice", house.clock())
    look(house)
    assert launcher.take() == [PassesRevoked(revoked={"alice": house.clock() - LOOK_SECONDS}, whole=False)]
    look(house)
    assert launcher.take() == []


def test_a_database_that_fails_is_asked_again(house: "House") -> None:
    house.accounts.add("alice", "hash", 1.0)
    with house.database.transaction() as connection:
        connection.execute(text("ALTER TABLE revoked_passes RENAME TO elsewhere"))
    house.server = house.start()
    launcher, told = log_in(house)
    assert told == []
    look(house)
    with house.database.transaction() as connection:
        connection.execute(text("ALTER TABLE elsewhere RENAME TO revoked_passes"))
    look(house)
    assert launcher.take() == [PassesRevoked(revoked={}, whole=True)]


def test_of_too_many_the_latest_are_kept(house: "House", monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passdesk, "MAX_REVOKED", 3)
    now = house.clock()
    for number in range(5):
        house.accounts.add(f"player{number}", "hash", 1.0)
        house.accounts.revoke_passes(f"player{number}", now + number)
    house.server = house.start()
    latest = {f"player{number}": now + number for number in (2, 3, 4)}
    assert log_in(house)[1] == [PassesRevoked(revoked=latest, whole=True)]
    for _ in range(4):
        house.accounts.revoke_passes("player0", house.clock() + 10)
        house.accounts.revoke_passes("player1", house.clock() + 20)
        look(house)
    assert len(log_in(house)[1][0].revoked) == 3
