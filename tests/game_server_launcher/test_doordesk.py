"""Day passes at the launcher: which are void, and who gets in with one."""

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from connhandler.testing import run_work
from game_server_launcher import doordesk
from login_server.protocol import PassesRevoked

if TYPE_CHECKING:
    from tests.game_server_launcher.conftest import World


def revoked(world: "World", fake: Any, *, whole: bool = False, **players: float) -> dict[str, float]:
    """What is known to be void once the login server has said this."""
    fake.receives(world.launcher, PassesRevoked(revoked=players, whole=whole))
    run_work(world.launcher)
    known: dict[str, float] = world.launcher.state()["revoked"]
    return known


def test_void_passes_are_remembered_by_the_next_launcher(make_world: Callable[..., "World"]) -> None:
    world = make_world()
    fake = world.login_server()
    assert revoked(world, fake, whole=True, alice=5.0, bob=6.0) == {"alice": 5.0, "bob": 6.0}
    assert revoked(world, fake, alice=7.0, carol=8.0) == {"alice": 7.0, "bob": 6.0, "carol": 8.0}
    world = make_world()
    assert world.launcher.state()["revoked"] == {"alice": 7.0, "bob": 6.0, "carol": 8.0}
    assert revoked(world, world.login_server(), whole=True, carol=8.0) == {"carol": 8.0}
    world = make_world()
    assert world.launcher.state()["revoked"] == {"carol": 8.0}


def test_of_too_many_void_passes_the_latest_are_kept(world: "World", monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doordesk, "MAX_REVOKED", 2)
    fake = world.login_server()
    assert revoked(world, fake, alice=5.0, bob=6.0, carol=4.0) == {"alice": 5.0, "bob": 6.0}


def test_a_list_that_cannot_be_written_is_said(world: "World", caplog: pytest.LogCaptureFixture) -> None:
    fake = world.login_server()
    (world.folder.path / "launcher.revoked.new").mkdir()
    assert revoked(world, fake, alice=5.0) == {"alice": 5.0}
    assert "the list of void day passes cannot be written" in caplog.text
    assert caplog.records[-1].levelno == logging.ERROR
