"""What comes of orders, and when that is told."""

from collections.abc import Callable
from typing import Any

import pytest

from connhandler.testing import FakeConnection
from game_server_launcher import control
from game_server_launcher.gametables import Console
from game_server_launcher.operations import OperationRefused
from game_server_launcher.orders import MAX_UNDER_WAY, Orders
from game_server_launcher.servers import RunningMatch
from game_server_launcher.supervision import LAST_WORDS_SECONDS
from tests.game_server_launcher.conftest import World
from tests.game_server_launcher.consoles import connect, log_in, says

MakeWorld = Callable[..., World]


class Desk:
    """Orders that are given to a world, and what is said of them."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.said: list[tuple[bool, str]] = []
        self.orders = Orders(world.launcher, world.launcher.servers, world.launcher.operations)

    def give(self, order: control.Order, **options: Any) -> None:
        self.orders.carry_out(order, lambda succeeded, text: self.said.append((succeeded, text)), **options)

    def after(self, seconds: float = 0.2) -> list[tuple[bool, str]]:
        self.world.advance(seconds)
        said, self.said = self.said, []
        return said


@pytest.fixture
def desk(world: World) -> Desk:
    return Desk(world)


def exits(world: World, controller: "FakeConnection[Any]", status: int = 0) -> None:
    controller.disconnects(world.launcher)
    world.process_exited(status)


def test_a_restart_is_done_when_the_next_process_is_ready(desk: Desk) -> None:
    controller = desk.world.ready()
    desk.give(control.Restart("four"))
    assert desk.after(1.0) == []
    exits(desk.world, controller)
    desk.world.ready(port=7001)
    assert desk.after() == [(True, "four: ready again on port 7001 after 1.2 s")]
    assert desk.after() == []


def test_a_restart_that_crashes_is_told_so(desk: Desk) -> None:
    controller = desk.world.ready()
    desk.give(control.Restart("four"))
    exits(desk.world, controller)
    desk.world.process_started()
    desk.world.process_exited(1)
    assert desk.after() == [(False, "four: waiting to be restarted: ended with exit status 1")]


def test_a_restart_that_takes_too_long_is_told_so(desk: Desk) -> None:
    desk.world.ready()
    desk.give(control.Restart("four"), most_seconds=3)
    assert desk.after(2.9) == []
    assert desk.after() == [(False, "four: still stopping (asked to restart) after 3 s")]


def test_a_stop_overtakes_a_restart(desk: Desk) -> None:
    controller = desk.world.ready()
    desk.give(control.Restart("four"))
    desk.give(control.Stop("four"))
    exits(desk.world, controller)
    assert desk.after() == [
        (False, "four: stopped: ended with exit status 0"),
        (True, "four: stopped after 0.2 s (ended with exit status 0)"),
    ]


def test_a_restart_overtakes_a_stop(desk: Desk) -> None:
    controller = desk.world.ready()
    desk.give(control.Stop("four"))
    desk.give(control.Restart("four"))
    exits(desk.world, controller)
    assert desk.after() == [(False, "four: was started again meanwhile")]
    desk.world.ready()
    assert desk.after() == [(True, "four: ready again on port 7000 after 0.4 s")]


def test_a_start_is_done_when_it_is_ready(desk: Desk) -> None:
    controller = desk.world.ready()
    desk.give(control.Stop("four"))
    exits(desk.world, controller)
    desk.after()
    desk.give(control.Start("four"))
    desk.world.settle()
    desk.world.ready()
    assert desk.after() == [(True, "four: ready on port 7000 after 0.2 s")]


def test_words_are_said_at_once(desk: Desk) -> None:
    desk.world.ready()
    desk.give(control.Say("four", "hello"))
    desk.give(control.Kick("four", "alice"))
    desk.world.launcher.servers["four"].matches["m1"] = RunningMatch(players=["alice"], here={"alice": True})
    desk.give(control.Kick("four", "alice"))
    assert [text for succeeded, text in desk.said if succeeded] == [
        "four: said",
        "four: alice is sent away, if there is anybody of that name",
        "four: alice is sent away",
    ]


def test_a_map_is_changed_when_it_is_played(make_world: MakeWorld, chess_with: Callable[..., Any]) -> None:
    world = make_world(chess_with(console=Console(kind="econ")))
    desk, fake = Desk(world), connect(world)
    log_in(world, fake)
    desk.give(control.ChangeMap("four", "dm2"))
    assert desk.after() == []
    says(world, fake, "[21:13:46][server]: maps/dm2.map sha256 is fd97366eedd89c254db464bcd3ce355a")
    assert desk.after() == [(True, "four: plays dm2 after 0.4 s")]
    desk.give(control.ChangeMap("four", "nosuch"))
    says(world, fake, "[21:11:29][server]: failed to load map. mapname='nosuch'")
    assert desk.after() == [(False, "four: the map is not changed: the game has no map 'nosuch'")]
    desk.give(control.ChangeMap("four", "dm3"))
    assert desk.after(15.1) == [(False, "four: has not said within 15 s that it plays dm3")]
    desk.give(control.ChangeMap("four", "dm3"))
    world.process_exited(1)
    world.advance(LAST_WORDS_SECONDS)
    assert desk.after() == [(False, "four: waiting to be restarted: ended with exit status 1")]


def test_no_more_than_so_many_are_under_way(desk: Desk) -> None:
    desk.world.ready()
    for _ in range(MAX_UNDER_WAY):
        desk.give(control.Stop("four"))
    with pytest.raises(OperationRefused, match="200 orders are under way"):
        desk.give(control.Stop("four"))
    desk.world.launcher.servers.clear()
    assert desk.after() == [(False, "four is no more")] * MAX_UNDER_WAY
