"""What an operator may do to servers, what comes of it, and what is refused with which sentence."""

import signal
from collections.abc import Callable
from typing import Any

import pytest

from game_server_launcher import gameconsolehandler as console
from game_server_launcher.gametables import Console, Restart
from game_server_launcher.operations import OperationRefused
from game_server_launcher.protocol import KickPlayer, Say, StopServer
from game_server_launcher.servers import Client
from tests.game_server_launcher.conftest import World
from tests.game_server_launcher.consoles import connect, log_in

MakeWorld = Callable[..., World]


def refusal(operation: Callable[..., None], *args: str) -> str:
    with pytest.raises(OperationRefused) as raised:
        operation(*args)
    return str(raised.value)


def test_a_restart_stops_in_the_servers_own_way_and_starts_at_once(world: World) -> None:
    controller = world.ready()
    controller.take()
    world.runner.take()
    world.launcher.operations.restart("four")
    assert [type(message) for message in controller.take()] == [StopServer]
    assert (world.state()["state"], world.state()["reason"]) == ("stopping", "asked to restart")
    controller.disconnects(world.launcher)
    world.process_exited(0)
    assert world.runner.take() == [("start", "four", 2)]
    world.ready(pid=1001, port=7001)
    state = world.state()
    assert (state["state"], state["pid"], state["restarts"], state["crashes"]) == ("ready", 1001, 1, [])
    assert not state["restarting"]


def test_a_restart_during_a_stop_starts_again_and_a_stop_during_a_restart_does_not(world: World) -> None:
    operations = world.launcher.operations
    world.ready().disconnects(world.launcher)
    operations.stop("four")
    operations.restart("four")
    world.process_exited(0)
    assert ("start", "four", 2) in world.runner.take()
    world.ready().disconnects(world.launcher)
    operations.restart("four")
    operations.stop("four")
    world.process_exited(0)
    assert world.state()["state"] == "stopped"
    assert not [asked for asked in world.runner.take() if asked[0] == "start"]


def test_a_server_that_starts_can_be_restarted_once_it_has_a_process(world: World) -> None:
    operations = world.launcher.operations
    assert refusal(operations.restart, "four") == "four is being started right now"
    world.process_started()
    operations.restart("four")
    assert ("signal", "four", int(signal.SIGTERM)) in world.runner.take()
    world.process_exited(-15)
    assert ("start", "four", 2) in world.runner.take()


def test_a_server_that_was_given_up_begins_anew(make_world: MakeWorld, chess_with: Callable[..., Any]) -> None:
    world = make_world(chess_with(restart=Restart(crashes=1)))
    world.process_started()
    world.process_exited(1)
    assert world.state()["state"] == "failed"
    assert refusal(world.launcher.operations.stop, "four") == "four is failed already"
    world.launcher.operations.restart("four")
    world.settle()
    assert (world.state()["state"], world.state()["crashes"], world.state()["backoffs"]) == ("starting", [], 0)


def test_one_that_waits_to_be_restarted_is_started_at_once_and_only_once(world: World) -> None:
    world.process_started()
    world.process_exited(1)
    world.runner.take()
    world.launcher.operations.start("four")
    world.settle()
    world.advance(100)
    assert world.runner.take() == [("start", "four", 2)]


def test_a_stopped_server_is_started(world: World) -> None:
    operations = world.launcher.operations
    world.ready().disconnects(world.launcher)
    operations.stop("four")
    assert refusal(operations.start, "four") == "four is stopping; to start it anew, restart it"
    world.process_exited(0)
    assert refusal(operations.stop, "four") == "four is stopped already"
    operations.start("four")
    world.settle()
    assert world.state()["state"] == "starting"
    world.ready()
    assert refusal(operations.start, "four") == "four is ready; to start it anew, restart it"


def test_controllers_are_told_what_to_say_and_whom_to_kick(world: World) -> None:
    controller = world.ready()
    controller.take()
    world.launcher.operations.say("four", "a restart at ten")
    world.launcher.operations.kick("four", "alice", "language")
    assert controller.take() == [Say(text="a restart at ten"), KickPlayer(player="alice", reason="language")]
    events = [event["text"] for event in world.state()["events"]]
    assert [event for event in events if "operator" in event] == [
        "the operator: say a restart at ten",
        "the operator: kick alice",
    ]


def test_consoles_are_told_what_to_say_whom_to_kick_and_which_map_to_play(
    make_world: MakeWorld, chess_with: Callable[..., Any]
) -> None:
    world = make_world(chess_with(console=Console(kind="econ")))
    operations = world.launcher.operations
    fake = connect(world)
    assert refusal(operations.say, "four", "hi") == "the console of four is not connected: it cannot be told"
    log_in(world, fake)
    world.launcher.servers["four"].clients = {3: Client("192.0.2.1:5000", "alice"), 4: Client("192.0.2.1:5001", "bob")}
    operations.say("four", "hi")
    operations.kick("four", "alice", "language")
    operations.change_map("four", "dm2")
    assert fake.take() == [console.Say("hi"), console.Kick(3, "language"), console.ChangeMap("dm2")]
    assert refusal(operations.kick, "four", "carol") == "nobody on four is called carol; there are alice, bob"
    assert refusal(operations.say, "four", "x" * 251) == "four takes texts of at most 250 characters, not 251"
    world.launcher.servers["four"].clients = {}
    assert refusal(operations.kick, "four", "carol") == "nobody on four is called carol; it is empty"


def test_what_cannot_be_done_is_refused_with_a_sentence(world: World) -> None:
    operations = world.launcher.operations
    assert refusal(operations.restart, "fore") == "there is no server fore; did you mean four?"
    assert refusal(operations.stop, "x") == "there is no server x; there are four"
    assert refusal(operations.say, "four", "hello") == "four is starting: nobody is there"
    assert refusal(operations.change_map, "four", "8x8") == "four is starting: its map cannot be changed now"
    controller = world.ready()
    assert refusal(operations.say, "four", " ") == "there is nothing to say"
    assert refusal(operations.say, "four", "x" * 1025) == "four takes texts of at most 1024 characters, not 1025"
    assert refusal(operations.kick, "four", "alice", "x" * 251) == "a reason has at most 250 characters, not 251"
    assert "cannot change its map: its game file does not say how" in refusal(operations.change_map, "four", "8x8")
    assert "cannot change its map: '' cannot be the name of a map" in refusal(operations.change_map, "four", "")
    controller.disconnects(world.launcher)
    assert refusal(operations.say, "four", "hi") == "the controller of four is not connected: it cannot be told"


def test_nothing_is_begun_while_the_launcher_ends(world: World) -> None:
    world.ready()
    world.launcher.on_shutdown()
    assert refusal(world.launcher.operations.restart, "four") == "the launcher is ending"
    world.process_exited(0)
    assert not [asked for asked in world.runner.take() if asked[0] == "start" and asked[2] == 2]


def test_a_restart_that_is_overtaken_by_the_end_starts_nothing(world: World) -> None:
    world.ready().disconnects(world.launcher)
    world.launcher.operations.restart("four")
    finished = world.launcher.on_shutdown()
    world.process_exited(0)
    assert finished.is_set()
    assert world.state()["state"] == "stopped"
