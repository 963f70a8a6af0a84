"""What games are told on their standard input, and that nobody can make it say something else."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from game_server_launcher.gametables import Commands, Log, ReadyByOutput, ReadyByStatus, Status
from game_server_launcher.logpatterns import Joined, Said
from game_server_launcher.operations import OperationRefused
from game_server_launcher.statusformats import GameStatus
from game_server_launcher.stdincommands import MAX_TEXT, harmless

READY = ReadyByOutput(pattern="x")
COMMANDS = Commands(say='say "{text}"', kick='kick "{player}" {reason}', map="map {map}")


@given(st.text())
def test_a_text_stays_one_text_on_one_line(text: str) -> None:
    said = harmless(text)
    assert said.isprintable()
    assert not set(said) & set('";\\')
    assert len(said) == min(len(text), MAX_TEXT)


def make(make_world: Callable[..., Any], chess_with: Callable[..., Any], commands: Commands, *names: str) -> Any:
    """A world with a server in which players of these names are."""
    world = make_world(chess_with(commands=commands, status=Status(kind="quake3"), ready=ReadyByStatus()))
    world.process_started()
    world.queries.tell("answered", "four", 1, GameStatus("", "", 0, list(names)))
    world.settle()
    world.runner.take()
    return world


def test_what_operators_say_is_written(make_world: Callable[..., Any], chess_with: Callable[..., Any]) -> None:
    world = make(make_world, chess_with, COMMANDS)
    operations = world.launcher.operations
    operations.say("four", 'hi"; quit\nquit \\')
    operations.change_map("four", "oa_dm2")
    assert world.runner.take() == [("input", "four", 'say "hi\', quit quit /"'), ("input", "four", "map oa_dm2")]
    with pytest.raises(OperationRefused, match="at most 250 characters, not 251"):
        operations.say("four", "x" * (MAX_TEXT + 1))
    with pytest.raises(OperationRefused, match="cannot be the name of a map"):
        operations.change_map("four", "x; quit")
    world.runner.refuses_input = True
    with pytest.raises(OperationRefused, match="four cannot be told: its standard input takes nothing: nobody reads"):
        operations.say("four", "hi")
    assert [event["text"] for event in world.state()["events"]] == [
        'the operator: say hi"; quit quit \\',
        "the operator: map oa_dm2",
    ]


def test_players_are_kicked_by_name(make_world: Callable[..., Any], chess_with: Callable[..., Any]) -> None:
    world = make(make_world, chess_with, COMMANDS, "alice", "big bob", 'x"; quit')
    operations = world.launcher.operations
    operations.kick("four", "alice", "too\nloud")
    operations.kick("four", "big bob")
    assert world.runner.take() == [("input", "four", 'kick "alice" too loud'), ("input", "four", 'kick "big bob" ')]
    with pytest.raises(OperationRefused, match=r"nobody there is called carol; there are alice, big bob, x"):
        operations.kick("four", "carol")
    with pytest.raises(OperationRefused, match="cannot be written on its standard input"):
        operations.kick("four", 'x"; quit')
    assert world.runner.take() == []


def test_a_name_with_a_space_needs_quotes(make_world: Callable[..., Any], chess_with: Callable[..., Any]) -> None:
    world = make(make_world, chess_with, Commands(kick="kick {player}"), "alice", "big bob")
    with pytest.raises(OperationRefused, match="cannot be written on its standard input"):
        world.launcher.operations.kick("four", "big bob")
    world.launcher.operations.kick("four", "alice")
    assert world.runner.take() == [("input", "four", "kick alice")]


def test_players_are_kicked_by_their_connection(make_world: Callable[..., Any], chess_with: Callable[..., Any]) -> None:
    world = make(make_world, chess_with, Commands(kick="clientkick {id}"), "alice", 'x"; quit', 'x"; quit')
    operations = world.launcher.operations
    with pytest.raises(OperationRefused, match="its output has not said what the connection of alice is called"):
        operations.kick("four", "alice")
    world.happens("process_said", "four", 1, [Joined('x"; quit', "0"), Joined("alice", "1"), Joined('x"; quit', "2")])
    operations.kick("four", 'x"; quit')
    assert world.runner.take() == [("input", "four", "clientkick 0"), ("input", "four", "clientkick 2")]


def test_what_the_game_file_has_no_command_for(make_world: Callable[..., Any], chess_with: Callable[..., Any]) -> None:
    world = make(make_world, chess_with, Commands())
    operations = world.launcher.operations
    with pytest.raises(OperationRefused, match=r"its game file has no command for that \(commands\.say\)"):
        operations.say("four", "hi")
    with pytest.raises(OperationRefused, match=r"its game file has no command for that \(commands\.kick\)"):
        operations.kick("four", "alice")
    with pytest.raises(OperationRefused, match="does not say how its map is changed"):
        operations.change_map("four", "dm1")


def test_players_vote_in_the_chat_that_the_output_shows(
    make_world: Callable[..., Any], chess_with: Callable[..., Any]
) -> None:
    game = chess_with(commands=COMMANDS, log=Log(joined="(?P<player>.+) joins"), maps=["dm1", "dm2"], ready=READY)
    world = make_world(game)
    world.process_started()
    world.happens("process_ready", "four", 1)
    world.runner.take()
    world.happens("process_said", "four", 1, [Joined("alice"), Said("mallory", "!map dm2"), Said("alice", "!map dm2")])
    assert ("input", "four", "map dm2") in world.runner.take()
    world.happens("process_said", "four", 1, [Said("alice", "!map nosuch")])
    ((_, _, told),) = world.runner.take()
    assert told.startswith('say "alice: ')


def test_who_can_vote_in_the_chat_is_told_how(make_world: Callable[..., Any], chess_with: Callable[..., Any]) -> None:
    log = Log(joined="(?P<player>.+) joins", chat="(?P<player>.+): (?P<text>.+)")
    world = make_world(chess_with(commands=COMMANDS, log=log, maps=["dm1", "dm2"], ready=READY))
    world.process_started()
    world.happens("process_ready", "four", 1)
    world.runner.take()
    world.happens("process_said", "four", 1, [Joined("alice"), Joined("bob")])
    world.happens("process_said", "four", 1, [Said("alice", "!map dm2")])
    ((_, _, told),) = world.runner.take()
    assert told.endswith("dm2 1, 2 needed. Say '!map NAME'\"")
