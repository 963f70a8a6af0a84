"""What the launcher makes of what games say of themselves."""

from collections.abc import Callable
from typing import Any

import pytest

from game_server_launcher.gametables import Log, ReadyByOutput, ReadyByStatus, Status
from game_server_launcher.logpatterns import Joined
from game_server_launcher.statusdesk import MISSED
from game_server_launcher.statusformats import GameStatus
from game_server_launcher.supervision import AWAY_SECONDS
from login_server.protocol import RegisterServer, UpdateServer

ANSWER = GameStatus("house", "dm2", 8, ["alice", "bob", "bob"])
ASKED: dict[str, Any] = {"status": Status(kind="quake3"), "ready": ReadyByStatus()}


@pytest.fixture
def world(make_world: Callable[..., Any], chess_with: Callable[..., Any]) -> Any:
    """A launcher, and a process that is asked and has not answered."""
    world = make_world(chess_with(**ASKED))
    world.process_started()
    return world


def answers(world: Any, status: GameStatus = ANSWER, run: int = 1) -> dict[str, Any]:
    world.queries.tell("answered", "four", run, status)
    world.settle()
    state: dict[str, Any] = world.state()
    return state


def is_silent(world: Any, times: int = MISSED) -> str:
    for _ in range(times):
        world.queries.tell("unanswered", "four", world.runner.runs["four"].number)
    world.settle()
    return str(world.state()["state"])


def test_an_answer_makes_a_game_ready_and_lists_what_it_says(world: Any) -> None:
    login_server = world.login_server()
    assert world.queries.opened == {"four": (1, 7000)}
    assert world.state()["state"] == "starting"
    assert answers(world)["state"] == "ready"
    (registered,) = login_server.take()
    assert isinstance(registered, RegisterServer)
    info = registered.server
    assert (info.map, info.players, info.capacity, info.names) == ("dm2", 3, 8, ["alice", "bob", "bob"])
    answers(world, GameStatus("house", "", 0, ["bob"]))
    world.advance(1)
    (update,) = login_server.take()
    assert isinstance(update, UpdateServer)
    info = update.server
    assert (info.map, info.players, info.capacity, info.names) == ("dm2", 1, 8, ["bob"])
    assert [event["text"] for event in world.state()["events"]] == [
        "alice joined",
        "bob joined",
        "bob joined",
        "alice left",
        "bob left",
    ]
    assert world.saved()["map"] == "dm2"


def test_a_game_that_does_not_answer_is_away_then_silent_then_ready_again(world: Any) -> None:
    answers(world)
    assert is_silent(world, MISSED - 1) == "ready"
    answers(world)
    assert is_silent(world, MISSED - 1) == "ready", "an answer in between"
    assert is_silent(world, 1) == "away"
    assert world.state()["reason"] == "it does not answer"
    world.advance(AWAY_SECONDS + 1)
    assert (world.state()["state"], world.state()["reason"]) == ("silent", "it does not answer")
    assert answers(world)["state"] == "ready"


def test_a_game_that_never_answers_is_not_ready_in_time(world: Any) -> None:
    assert is_silent(world, 5) == "starting"
    world.runner.take()
    world.advance(31)
    assert world.runner.take() == [("signal", "four", 15)]


def test_answers_of_earlier_processes_do_not_count(world: Any) -> None:
    answers(world)
    world.process_exited(1)
    assert world.queries.opened == {}
    assert answers(world)["answer"] is None
    world.advance(5)
    world.process_started()
    assert world.queries.opened == {"four": (2, 7000)}
    assert answers(world, run=1)["state"] == "starting"
    world.queries.tell("unanswered", "four", 1)
    assert answers(world, run=2)["state"] == "ready"


def test_one_that_is_ready_by_its_output_can_be_away_too(
    make_world: Callable[..., Any], chess_with: Callable[..., Any]
) -> None:
    world = make_world(chess_with(status=Status(kind="quake3"), ready=ReadyByOutput(pattern="x")))
    world.process_started()
    assert answers(world)["state"] == "starting"
    world.happens("process_ready", "four", 1)
    assert is_silent(world) == "away"
    assert answers(world)["state"] == "ready"


def test_one_with_a_controller_is_in_its_hands(make_world: Callable[..., Any], chess_with: Callable[..., Any]) -> None:
    world = make_world(chess_with(status=Status(kind="quake3")))
    controller = world.ready()
    assert is_silent(world) == "ready"
    controller.disconnects(world.launcher)
    assert world.state()["state"] == "away"
    assert answers(world)["state"] == "away"


def test_where_output_and_answers_tell_who_is_there_the_answers_count(
    make_world: Callable[..., Any], chess_with: Callable[..., Any]
) -> None:
    world = make_world(chess_with(**ASKED, log=Log(joined="(?P<player>.+) joined")))
    world.process_started()
    world.happens("process_said", "four", 1, [Joined("alice", "0")])
    assert world.state()["players"] == 1
    assert answers(world)["players"] == 3
    world.happens("process_said", "four", 1, [Joined("carol", "1")])
    state = world.state()
    assert (state["players"], state["here"]) == (3, {"0": "alice", "1": "carol"})
    assert [event["text"] for event in state["events"]] == ["alice joined", "carol joined"]


def test_a_game_that_is_adopted_answers_once_more(
    make_world: Callable[..., Any], chess_with: Callable[..., Any]
) -> None:
    world = make_world(chess_with(**ASKED))
    world.process_started()
    answers(world)
    world = make_world(chess_with(**ASKED))
    assert not world.runner.found["four"].was_ready
    world.process_started()
    assert world.state()["state"] == "starting"
    assert answers(world, run=world.runner.runs["four"].number)["state"] == "ready"
