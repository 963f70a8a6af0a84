"""What the launcher makes of what a game's output says."""

from collections.abc import Callable
from typing import Any

from game_server_launcher import logdesk
from game_server_launcher.gametables import Log, StopBySignal
from game_server_launcher.logpatterns import Fact, Joined, Left, MapBegun, Said
from login_server.protocol import UpdateServer

KEYS: dict[str, Any] = {"log": Log(), "stop": StopBySignal()}


def says(world: Any, *facts: Fact) -> dict[str, Any]:
    world.happens("process_said", "four", world.runner.runs["four"].number, list(facts))
    state: dict[str, Any] = world.state()
    return state


def test_who_is_there_and_the_map_are_listed(make_world: Callable[..., Any], chess_with: Callable[..., Any]) -> None:
    world = make_world(chess_with(**KEYS))
    login_server = world.login_server()
    world.ready()
    login_server.take()
    state = says(world, Joined("alice"), Joined("bob", "7"), MapBegun("dm2"), Said("bob", "hi"))
    assert [event["text"] for event in state["events"]] == ["alice joined", "bob joined", "bob: hi"]
    assert (state["players"], state["here"], state["map"]) == (2, {"alice": "alice", "7": "bob"}, "dm2")
    world.advance(1)
    (update,) = login_server.take()
    assert isinstance(update, UpdateServer)
    assert (update.server.players, update.server.names, update.server.map) == (2, ["alice", "bob"], "dm2")
    assert world.saved()["map"] == "dm2"


def test_players_leave_by_name_or_by_connection(make_world: Callable[..., Any], chess_with: Callable[..., Any]) -> None:
    world = make_world(chess_with(**KEYS))
    world.ready()
    says(world, Joined("alice", "1"), Joined("alice", "2"), Joined("bob", "3"), Joined("carol", "4"))
    assert says(world, Left("bob"), Left("", "2"), Left("nobody"), Left("", "9"))["here"] == {
        "1": "alice",
        "4": "carol",
    }
    assert says(world, Left("alice"))["players"] == 1


def test_at_the_bound_the_one_who_joined_first_is_forgotten(
    make_world: Callable[..., Any], chess_with: Callable[..., Any]
) -> None:
    world = make_world(chess_with(**KEYS))
    world.ready()
    state = says(world, *(Joined(f"p{number}") for number in range(logdesk.MAX_PLAYERS + 1)))
    assert state["players"] == logdesk.MAX_PLAYERS
    assert "p0" not in state["here"]


def test_a_new_process_has_nobody(make_world: Callable[..., Any], chess_with: Callable[..., Any]) -> None:
    world = make_world(chess_with(**KEYS))
    world.process_started()
    assert says(world, Joined("alice"))["players"] == 1
    world.process_exited(1)
    world.advance(5)
    world.process_started()
    assert (world.state()["here"], world.state()["players"]) == ({}, 0)
    world.happens("process_said", "four", 1, [Joined("a late one")])
    assert world.state()["here"] == {}


def test_who_joined_in_the_same_breath_counts_in_a_vote(
    make_world: Callable[..., Any], chess_with: Callable[..., Any]
) -> None:
    world = make_world(chess_with(**KEYS, maps=["dm1", "dm2"]))
    world.ready()
    state = says(world, Joined("alice"), Joined("bob"), Joined("carl"), Said("alice", "!map dm2"))
    assert state["events"][-1]["text"] == "alice votes for map dm2", "one of three chooses nothing"
