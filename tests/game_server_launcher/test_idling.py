"""Servers that nobody uses are frozen or put to sleep, and wake when somebody wants in; no process is real here."""

import signal
from collections.abc import Callable

import pytest

from connhandler.jsonmessage import Welcome
from connhandler.testing import FakeConnection
from game_server_launcher.gamecontrollerhandler import ControllerPeer
from game_server_launcher.gamefile import GameFile
from game_server_launcher.gametables import Console, Idle, ReadyByOutput, Status, StopByInput
from game_server_launcher.idling import TICKET_SECONDS
from game_server_launcher.loginserverhandler import LoginServerPeer
from game_server_launcher.protocol import PlayerCountChanged, ServerReady
from game_server_launcher.servers import State
from game_server_launcher.sleeping import DOZE_SECONDS
from login_server.protocol import (
    LauncherAccepted,
    MatchEnded,
    MatchResult,
    MatchStarted,
    PlayersExpected,
    RegisterServer,
    SeatReserved,
    ServerInfo,
    UnregisterServer,
    UpdateServer,
    WakeProgress,
    WakeServer,
)
from tests.game_server_launcher.conftest import PID, World, chess

SECONDS = 100.0
LOOK = 5.0
FREEZE = chess(idle=Idle(action="freeze", after_seconds=SECONDS))
STOP = chess(idle=Idle(action="stop", after_seconds=SECONDS), stop=StopByInput(text="quit"))

MakeWorld = Callable[..., World]


def pass_time(world: World, seconds: float) -> None:
    """So slowly that every look happens."""
    for _ in range(int(seconds / LOOK)):
        world.advance(LOOK)


def seat(world: World, login_server: "FakeConnection[LoginServerPeer]", server: str = "four") -> None:
    """A player was given a ticket."""
    reserved = SeatReserved(f"home/{server}", "anna", "127.0.0.1", "*", world.clock.now + 1800.0)
    login_server.receives(world.launcher, reserved)
    world.settle()


def told(login_server: "FakeConnection[LoginServerPeer]") -> list[ServerInfo]:
    sent = login_server.take()
    return [message.server for message in sent if isinstance(message, RegisterServer | UpdateServer)]


def frozen(world: World) -> "FakeConnection[ControllerPeer]":
    controller = world.ready()
    pass_time(world, SECONDS + LOOK)
    assert world.state()["state"] == State.FROZEN
    return controller


def falls_asleep(world: World) -> "FakeConnection[ControllerPeer]":
    controller = world.ready()
    pass_time(world, SECONDS)
    assert world.state()["state"] == State.DROWSY
    world.advance(DOZE_SECONDS)
    assert world.state()["state"] == State.STOPPING
    world.runner.take()
    return controller


def ends(world: World, controller: "FakeConnection[ControllerPeer]") -> None:
    world.process_exited(0)
    controller.disconnects(world.launcher)
    world.settle()


def asleep(world: World) -> None:
    ends(world, falls_asleep(world))
    assert world.state()["state"] == State.ASLEEP
    world.runner.take()


# --- when ----------------------------------------------------------------------------------------------


def test_a_server_runs_on_for_ever_unless_its_game_file_says_otherwise(world: World) -> None:
    world.ready()
    pass_time(world, 1000.0)
    assert world.state()["state"] == State.READY


def test_a_server_in_which_nobody_has_been_for_so_long_is_frozen(make_world: MakeWorld) -> None:
    world = make_world(FREEZE)
    world.ready()
    pass_time(world, SECONDS - LOOK)
    assert world.state()["state"] == State.READY
    pass_time(world, 2 * LOOK)
    assert world.state()["state"] == State.FROZEN
    assert world.runner.take()[-1] == ("signal", "four", signal.SIGSTOP)
    assert world.saved()["state"] == "frozen"


def test_it_is_written_down_before_it_happens(make_world: MakeWorld) -> None:
    world = make_world(FREEZE)
    world.ready()
    pass_time(world, SECONDS - LOOK)
    world.runner.take()
    world.clock.advance(2 * LOOK)
    world.launcher.fire_timers()
    while world.launcher.queue.qsize():
        world.launcher.handle_burst(*world.launcher.queue.get_burst())
    assert world.state()["state"] == State.FROZEN
    assert world.runner.take() == []
    world.settle()
    assert world.runner.take() == [("signal", "four", signal.SIGSTOP)]


@pytest.mark.parametrize("used", ["player", "match", "expected"])
def test_a_server_that_somebody_uses_is_not(make_world: MakeWorld, used: str) -> None:
    world = make_world(FREEZE)
    login_server = world.login_server()
    controller = world.ready()
    if used == "player":
        controller.receives(world.launcher, PlayerCountChanged(players=1))
    elif used == "match":
        controller.receives(world.launcher, MatchStarted(match_id="m", players=["anna", "bert"]))
    else:
        until = world.clock.now + 2 * SECONDS
        login_server.receives(world.launcher, PlayersExpected("home/four", "m", ["anna", "bert"], until))
    pass_time(world, 2 * SECONDS - LOOK)
    assert world.state()["state"] == State.READY
    if used == "player":
        controller.receives(world.launcher, PlayerCountChanged(players=0))
    elif used == "match":
        result = MatchResult("anna", {}, "won", world.clock.now)
        controller.receives(world.launcher, MatchEnded("m", ["anna", "bert"], result))
    world.settle()
    pass_time(world, SECONDS - LOOK)
    assert world.state()["state"] == State.READY
    pass_time(world, 3 * LOOK)
    assert world.state()["state"] == State.FROZEN


def test_who_has_a_ticket_is_waited_for_however_short_the_time_is(make_world: MakeWorld) -> None:
    world = make_world(chess(idle=Idle(action="freeze", after_seconds=10.0)))
    login_server = world.login_server()
    world.ready()
    seat(world, login_server)
    for _ in range(int(TICKET_SECONDS) - 2):
        world.advance(1.0)
    assert world.state()["state"] == State.READY
    for _ in range(4):
        world.advance(1.0)
    assert world.state()["state"] == State.FROZEN


def test_one_that_is_not_ready_is_left_alone(make_world: MakeWorld) -> None:
    world = make_world(FREEZE)
    controller = world.ready()
    controller.disconnects(world.launcher)
    pass_time(world, 2 * SECONDS)
    assert world.state()["state"] == State.SILENT
    back = world.controller()
    back.receives(world.launcher, ServerReady(port=7000))
    world.settle()
    pass_time(world, SECONDS - LOOK)
    assert world.state()["state"] == State.READY


# --- frozen --------------------------------------------------------------------------------------------


def test_a_ticket_thaws_a_frozen_server_at_once(make_world: MakeWorld) -> None:
    world = make_world(FREEZE)
    login_server = world.login_server()
    frozen(world)
    assert [(info.state, info.port) for info in told(login_server)][-1] == ("sleeping", 7000)
    world.runner.take()
    seat(world, login_server)
    assert world.runner.take() == [("signal", "four", signal.SIGCONT)]
    assert world.state()["state"] == State.READY
    assert world.saved()["state"] == "ready"
    world.advance(0.2)
    assert [(info.state, info.port) for info in told(login_server)] == [("ready", 7000)]
    pass_time(world, SECONDS - LOOK)
    assert world.state()["state"] == State.READY


def test_players_expected_in_a_match_thaw_it_too(make_world: MakeWorld) -> None:
    world = make_world(FREEZE)
    login_server = world.login_server()
    controller = frozen(world)
    controller.take()
    expected = PlayersExpected("home/four", "m", ["anna", "bert"], world.clock.now + 60.0)
    login_server.receives(world.launcher, expected)
    assert world.state()["state"] == State.READY
    assert controller.take() == [expected]


def test_losing_the_controller_of_a_frozen_server_means_nothing(make_world: MakeWorld) -> None:
    world = make_world(FREEZE)
    login_server = world.login_server()
    frozen(world).disconnects(world.launcher)
    pass_time(world, 100.0)
    assert world.state()["state"] == State.FROZEN
    seat(world, login_server)
    assert world.state()["state"] == State.AWAY
    world.advance(0.2)
    assert told(login_server)[-1].state == "ready"
    back = world.controller()
    back.receives(world.launcher, ServerReady(port=7000))
    assert world.state()["state"] == State.READY


def test_somebody_who_came_while_it_was_decided_thaws_it(make_world: MakeWorld) -> None:
    world = make_world(FREEZE)
    controller = frozen(world)
    controller.receives(world.launcher, PlayerCountChanged(players=1))
    world.advance(LOOK)
    assert world.state()["state"] == State.READY


def test_a_server_that_was_wanted_while_the_disk_was_slow_is_not_stopped_where_it_is(make_world: MakeWorld) -> None:
    world = make_world(FREEZE)
    world.ready()
    server = world.launcher.servers["four"]
    world.runner.take()
    world.launcher._supervision.sleeper.freeze(server)
    world.launcher._idling.wake(server)
    world.settle()
    assert world.runner.take() == [("signal", "four", signal.SIGCONT)]
    assert world.state()["state"] == State.READY


def test_the_crash_of_a_frozen_server_is_one(make_world: MakeWorld) -> None:
    world = make_world(FREEZE)
    frozen(world)
    world.process_exited(-9)
    assert world.state()["state"] == State.WAITING
    world.runner.take()
    world.advance(1.0)
    assert world.runner.take() == [("start", "four", 2)]


def test_a_frozen_server_can_be_stopped(make_world: MakeWorld) -> None:
    world = make_world(chess(idle=FREEZE.idle, stop=StopByInput(text="quit")))
    controller = frozen(world)
    world.runner.take()
    world.launcher.on_shutdown()
    assert world.runner.take() == [("signal", "four", signal.SIGCONT), ("input", "four", "quit")]
    ends(world, controller)
    assert world.state()["state"] == State.STOPPED


def test_the_next_launcher_takes_a_frozen_server_up_as_one(make_world: MakeWorld) -> None:
    frozen(make_world(FREEZE))
    world = make_world(FREEZE)
    assert world.runner.take() == [("adopt", "four", PID)]
    assert world.runner.found["four"].was_frozen
    world.process_started()
    world.happens("process_frozen", "four", 1)
    login_server = world.login_server()
    assert [(info.state, info.port) for info in told(login_server)] == [("sleeping", 7000)]
    pass_time(world, 200.0)
    assert world.state()["state"] == State.FROZEN
    seat(world, login_server)
    assert world.runner.take() == [("signal", "four", signal.SIGCONT)]
    assert world.state()["state"] == State.AWAY


def test_one_that_was_thawed_meanwhile_is_taken_up_as_ready(make_world: MakeWorld) -> None:
    game = chess(idle=FREEZE.idle, ready=ReadyByOutput(pattern="up"))
    world = make_world(game)
    world.process_started()
    world.happens("process_ready", "four", 1)
    pass_time(world, SECONDS + LOOK)
    assert world.saved()["state"] == "frozen"
    world = make_world(game)
    found = world.runner.found["four"]
    assert found.was_ready
    assert found.was_frozen


# --- asleep --------------------------------------------------------------------------------------------


def test_an_idle_server_is_stopped_in_its_own_way_and_sleeps(make_world: MakeWorld) -> None:
    world = make_world(STOP)
    login_server = world.login_server()
    controller = world.ready()
    pass_time(world, SECONDS - LOOK)
    told(login_server)
    pass_time(world, LOOK)
    assert world.state()["state"] == State.DROWSY
    world.runner.take()
    world.advance(0.2)
    assert [(info.state, info.port, info.ping_address) for info in told(login_server)] == [("sleeping", 0, "")]
    assert world.runner.take() == []
    world.advance(DOZE_SECONDS)
    assert world.runner.take() == [("input", "four", "quit")]
    assert world.state()["state"] == State.STOPPING
    ends(world, controller)
    assert world.state()["state"] == State.ASLEEP
    assert world.saved()["state"] == "asleep"
    assert told(login_server) == []
    pass_time(world, 1000.0)
    assert world.runner.take() == []


def test_a_ticket_keeps_a_drowsy_server_awake(make_world: MakeWorld) -> None:
    world = make_world(STOP)
    login_server = world.login_server()
    world.ready()
    pass_time(world, SECONDS)
    assert world.state()["state"] == State.DROWSY
    world.runner.take()
    seat(world, login_server)
    assert world.state()["state"] == State.READY
    world.advance(DOZE_SECONDS)
    assert world.runner.take() == []
    assert told(login_server)[-1].state == "ready"


def test_a_server_that_sleeps_is_started_when_somebody_wants_in(make_world: MakeWorld) -> None:
    world = make_world(STOP)
    login_server = world.login_server()
    asleep(world)
    seat(world, login_server)
    assert world.runner.take() == [("start", "four", 2)]
    told(login_server)
    world.ready(pid=1001, port=7001)
    world.advance(0.2)
    assert [(info.state, info.port) for info in told(login_server)][-1] == ("ready", 7001)
    pass_time(world, SECONDS - LOOK)
    assert world.state()["state"] == State.READY


def test_one_that_is_wanted_while_it_ends_is_started_then(make_world: MakeWorld) -> None:
    world = make_world(STOP)
    login_server = world.login_server()
    controller = falls_asleep(world)
    seat(world, login_server)
    seat(world, login_server)
    assert world.runner.take() == []
    ends(world, controller)
    assert world.runner.take() == [("start", "four", 2)]
    world.ready(pid=1001)
    assert world.state()["state"] == State.READY
    assert not world.state()["falls_asleep"]
    assert not world.state()["restarting"]


def test_one_that_falls_asleep_is_stopped_for_good_when_all_are(make_world: MakeWorld) -> None:
    world = make_world(STOP)
    controller = falls_asleep(world)
    stopped = world.launcher.on_shutdown()
    ends(world, controller)
    assert world.state()["state"] == State.STOPPED
    assert stopped.is_set()


def test_one_that_sleeps_holds_up_nothing_at_the_end(make_world: MakeWorld) -> None:
    world = make_world(STOP)
    asleep(world)
    stopped = world.launcher.on_shutdown()
    world.settle()
    assert stopped.is_set()
    assert world.saved()["state"] == "stopped"


@pytest.mark.parametrize(("action", "asleep_again"), [("stop", True), ("run", False)])
def test_the_next_launcher_lets_a_server_sleep_on(make_world: MakeWorld, action: str, asleep_again: bool) -> None:
    asleep(make_world(STOP))
    world = make_world(chess(idle=Idle(action=action)))  # type: ignore[arg-type]
    assert world.runner.take() == ([] if asleep_again else [("start", "four", 1)])
    assert world.state()["state"] == (State.ASLEEP if asleep_again else State.STARTING)


def test_a_server_may_be_asleep_from_the_start(make_world: MakeWorld) -> None:
    world = make_world(chess(idle=Idle(start="on-demand"), map="plain"))
    login_server = world.login_server()
    assert [(info.state, info.port, info.map, info.capacity) for info in told(login_server)] == [
        ("sleeping", 0, "plain", 10)
    ]
    assert world.runner.take() == []
    seat(world, login_server)
    assert world.runner.take() == [("start", "four", 1)]
    world.ready()
    pass_time(world, 1000.0)
    assert world.state()["state"] == State.READY


def test_one_on_demand_that_ends_by_itself_sleeps(make_world: MakeWorld) -> None:
    world = make_world(chess(idle=Idle(start="on-demand")))
    login_server = world.login_server()
    seat(world, login_server)
    controller = world.ready()
    ends(world, controller)
    assert world.state()["state"] == State.ASLEEP


def test_players_see_one_on_demand_while_it_starts(make_world: MakeWorld) -> None:
    world = make_world(STOP)
    login_server = world.login_server()
    assert [info.state for info in told(login_server)] == ["starting"]
    world.ready()
    world.advance(0.2)
    assert [info.state for info in told(login_server)] == ["ready"]


@pytest.mark.parametrize("game", [FREEZE, STOP])
def test_an_operator_wakes_a_server(make_world: MakeWorld, game: GameFile) -> None:
    world = make_world(game)
    if game is FREEZE:
        frozen(world)
    else:
        asleep(world)
    world.launcher.operations.start("four")
    world.settle()
    assert world.state()["state"] == (State.READY if game is FREEZE else State.STARTING)


def test_an_operator_restarts_a_frozen_server(make_world: MakeWorld) -> None:
    world = make_world(chess(idle=FREEZE.idle, stop=StopByInput(text="quit")))
    controller = frozen(world)
    world.runner.take()
    world.launcher.operations.restart("four")
    assert world.runner.take() == [("signal", "four", signal.SIGCONT), ("input", "four", "quit")]
    ends(world, controller)
    assert world.runner.take() == [("start", "four", 2)]


def test_the_console_and_the_questions_of_a_frozen_server_rest(make_world: MakeWorld) -> None:
    keys = {"console": Console(kind="econ"), "status": Status(kind="teeworlds"), "ready": ReadyByOutput(pattern="up")}
    world = make_world(chess(idle=FREEZE.idle, **keys))
    login_server = world.login_server()
    world.process_started(console_port=8000)
    world.happens("process_ready", "four", 1)
    assert world.consoles.opened == {"four": (1, 8000)}
    pass_time(world, SECONDS)
    assert world.state()["state"] == State.FROZEN
    assert world.consoles.opened == {}
    assert world.queries.opened == {}
    seat(world, login_server)
    assert world.state()["state"] == State.READY
    assert world.consoles.opened == {"four": (1, 8000)}
    assert list(world.queries.opened) == ["four"]


def progress(login_server: "FakeConnection[LoginServerPeer]") -> list[str]:
    return [message.text for message in login_server.take() if isinstance(message, WakeProgress)]


def test_the_login_server_wakes_a_server_and_is_told_how_far_it_is(make_world: MakeWorld) -> None:
    world = make_world(STOP)
    login_server = world.login_server()
    controller = falls_asleep(world)
    login_server.take()
    login_server.receives(world.launcher, WakeServer("home/four"), WakeServer("home/four"))
    assert progress(login_server) == ["it has to end before it can be started again"]
    ends(world, controller)
    assert progress(login_server) == ["its process is being started"]
    world.process_started()
    assert progress(login_server) == ["its process runs and gets ready"]
    world.process_exited(1)
    assert progress(login_server) == ["it is started once more: ended with exit status 1"]
    world.advance(1.0)
    assert progress(login_server) == ["its process is being started"]
    world.happens("process_not_started", "four", 3, "no such file", True)
    sent = login_server.take()
    assert sent == [WakeProgress("home/four", "it cannot be started: no such file"), UnregisterServer("home/four")]


def test_an_older_login_server_is_told_nothing_of_it(make_world: MakeWorld) -> None:
    world = make_world(STOP)
    login_server = FakeConnection(LoginServerPeer(), ("127.0.0.1", 9001))
    login_server.connected(world.launcher)
    login_server.receives(world.launcher, Welcome(version=1), LauncherAccepted("home", "login", "PEM"))
    world.settle()
    login_server.take()
    world.process_started()
    assert progress(login_server) == []


def test_no_progress_is_told_of_servers_that_do_not_sleep(make_world: MakeWorld) -> None:
    world = make_world(FREEZE)
    login_server = world.login_server()
    world.ready()
    assert progress(login_server) == []


def test_a_game_file(chess_with: Callable[..., GameFile]) -> None:
    assert not chess_with().idle.on_demand
    assert not FREEZE.idle.on_demand
    assert STOP.idle.on_demand
    assert Idle(start="on-demand").on_demand
