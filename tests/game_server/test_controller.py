"""Commands: each has one answer, in order, after the events that it caused."""

from typing import TYPE_CHECKING, Any

import pytest

from connhandler.framing.websocket import Text
from connhandler.testing import loopback_pair
from game_server.model import GameEnded, PieceDropped
from game_server.playerhandler import Misunderstood, PlayerHandler, PlayerReader
from game_server.protocol import Drop, Events, GameEvent, Problem, Resign, Response, State
from tests.game_server.conftest import response

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.game_server.conftest import Connection, Hall


def refusal(connection: "Connection") -> tuple[str, str]:
    """The code and the command of the only response since the last look, an error."""
    answer = response(connection)
    assert answer.status == "error"
    assert answer.error is not None
    assert answer.error.message
    return answer.error.code, answer.command


def test_the_answer_comes_after_the_events_with_the_id_of_the_command(hall: "Hall") -> None:
    first, second = hall.pair()
    hall.say(first, Drop(column=3, id=7))
    event, answer = first.take()
    assert isinstance(event.event, PieceDropped)
    assert answer == Response(status="ok", command="drop", id=7)
    assert [type(message) for message in second.take()] == [GameEvent]
    hall.say(second, Drop(column=9, id="again"))
    problem = Problem(code="column_invalid", message="column 9 is none of 0 to 6")
    assert second.take() == [Response(status="error", command="drop", id="again", error=problem)]


def test_wrong_moves_are_refused_one_by_one_and_nobody_else_hears_of_them(hall: "Hall") -> None:
    alice = hall.join("alice", "m0", players=("alice", "dave"))
    alice.take()
    for command in (Drop(column=3), Resign()):
        hall.say(alice, command)
        assert refusal(alice)[0] == "game_not_begun"

    first, second = hall.pair()
    hall.say(second, Drop(column=0))
    assert refusal(second) == ("not_your_turn", "drop")
    for column in (-1, 7):
        hall.say(first, Drop(column=column))
        assert refusal(first) == ("column_invalid", "drop")
    for turn in range(6):
        hall.say((first, second)[turn % 2], Drop(column=3))
    first.take()
    second.take()
    hall.say(first, Drop(column=3))
    assert refusal(first) == ("column_full", "drop")
    hall.say(second, Resign())
    first.take()
    second.take()
    for connection, command in ((first, Drop(column=0)), (second, Resign())):
        hall.say(connection, command)
        assert refusal(connection)[0] == "game_over"
        assert not connection.disconnected
    assert first.take() == second.take() == []


def test_a_player_may_resign_at_any_moment(hall: "Hall") -> None:
    first, second = hall.pair()
    hall.say(second, Resign())
    (event,) = first.take()
    assert event.event == GameEnded(winner=first.peer.admission.player, reason="resigned", line=[], turns=0)
    assert second.take() == [event, Response(status="ok", command="resign")]


def test_events_can_be_asked_for_from_any_number_on(hall: "Hall") -> None:
    first, second = hall.pair()
    hall.say(first, Drop(column=2))
    dropped, _ = first.take()
    hall.say(first, Events(from_sequence=1))
    *messages, done = first.take()
    assert [message.sequence for message in messages] == [1, 2, 3, 4]
    assert messages[-1] == dropped
    assert done == Response(status="ok", command="events")
    hall.say(first, Events(from_sequence=4), Events(from_sequence=5), Events(from_sequence=900))
    assert first.take() == [dropped, done, done, done]
    assert len(second.take()) == 1


def test_events_that_are_not_kept_any_more_are_refused(hall: "Hall") -> None:
    first, second = hall.pair()
    for _ in range(300):
        hall.lose(second)
        second = hall.join(second.peer.admission.player)
    game = hall.listener.games.get("m1")
    assert game is not None
    first.take()
    hall.say(first, Events(from_sequence=1))
    assert refusal(first) == ("events_gone", "events")
    hall.say(first, Events(from_sequence=game.publisher.oldest))
    assert len(first.take()) == 500 + 1


def test_how_the_game_stands_can_be_asked_for(hall: "Hall") -> None:
    first, _ = hall.pair()
    hall.say(first, Drop(column=2), State(id=1))
    answer = first.take()[-1]
    assert (answer.status, answer.command, answer.id) == ("ok", "state", 1)
    assert (answer.state.sequence, answer.state.begun, answer.state.game.moves) == (4, True, [2])
    hall.say(first, Resign())
    assert answer.state.game.reason == ""  # What was told is how it stood then.


# --- what is no command -----------------------------------------------------------------------------


@pytest.fixture
def reader(hall: "Hall") -> "Iterator[PlayerReader]":
    sock, other = loopback_pair()
    reader, _, _ = hall.listener.players.create_connection_instances(sock, None)
    assert isinstance(hall.listener.players, PlayerHandler)
    assert isinstance(reader, PlayerReader)
    yield reader
    sock.close()
    other.close()


@pytest.mark.parametrize(
    ("data", "command"),
    [
        (b'{"command":"drop","column":3}', Drop(column=3)),
        (b'{"id":"x","command":"drop","column":3,"more":1}', Drop(column=3, id="x")),
        (b'{"command":"resign","id":12}', Resign(id=12)),
        (b'{"command":"events","from_sequence":1}', Events(from_sequence=1)),
        (b'{"command":"state"}', State()),
    ],
)
def test_commands(reader: PlayerReader, data: bytes, command: Any) -> None:
    assert reader.decode(Text(data)) == command


@pytest.mark.parametrize(
    ("data", "code", "command", "number"),
    [
        (Text(b"hello"), "malformed_command", "", None),
        (Text(b""), "malformed_command", "", None),
        (Text(b"[]"), "malformed_command", "", None),
        (Text(b"{}"), "malformed_command", "", None),
        (Text(b'{"id":5}'), "malformed_command", "", 5),
        (Text(b'{"command":"fly","id":5}'), "unknown_command", "fly", 5),
        (Text(b'{"command":"' + b"x" * 1000 + b'"}'), "unknown_command", "x" * 64, None),
        (Text(b'{"command":"drop","id":"a"}'), "malformed_command", "drop", "a"),
        (Text(b'{"command":"drop","column":"3"}'), "malformed_command", "drop", None),
        (Text(b'{"command":"drop","column":1e9}'), "malformed_command", "drop", None),
        (Text(b'{"command":"drop","column":3,"id":{}}'), "malformed_command", "", None),
        (Text(b'{"command":"events","from_sequence":0}'), "malformed_command", "events", None),
        (Text(b"[" * 60_000), "malformed_command", "", None),
        (b'{"command":"drop","column":3}', "binary_frame", "", None),
        (b"", "binary_frame", "", None),
    ],
)
def test_what_is_no_command_is_answered_with_what_is_wrong(
    hall: "Hall", reader: PlayerReader, data: bytes, code: str, command: str, number: Any
) -> None:
    message = reader.decode(data)
    assert isinstance(message, Misunderstood)
    alice = hall.join("alice")
    alice.take()
    hall.say(alice, message)
    answer = response(alice)
    assert answer.error is not None
    assert (answer.status, answer.error.code, answer.command, answer.id) == ("error", code, command, number)
    assert 0 < len(answer.error.message) <= 1024
    assert not alice.disconnected
    hall.say(alice, State())
    assert response(alice).status == "ok"


def test_answers_come_in_the_order_of_what_was_sent(hall: "Hall", reader: PlayerReader) -> None:
    first, _ = hall.pair()
    frames = [b'{"command":"state","id":1}', b"what", b'{"command":"fly","id":3}', b'{"command":"state","id":4}']
    hall.say(first, *[reader.decode(Text(frame)) for frame in frames])
    assert [message.id for message in first.take()] == [1, None, 3, 4]
