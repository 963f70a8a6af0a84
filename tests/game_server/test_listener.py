"""Scripted conversations of players with the game server: this message in, those messages out."""

from typing import TYPE_CHECKING, Any

import pytest

from connhandler.jsonmessage import ShuttingDown
from game_server.model import CELLS, GameBegan, GameEnded, PieceDropped
from game_server.protocol import (
    CloseCode,
    Drop,
    Events,
    GameEvent,
    Joined,
    PlayerGone,
    PlayerReturned,
    PlayerSeated,
    Resign,
    Response,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.game_server.conftest import Connection, Hall


def events(messages: list[Any]) -> list[Any]:
    return [message.event for message in messages if isinstance(message, GameEvent)]


def joined(connection: "Connection") -> Joined:
    message = connection.sent[0]
    assert isinstance(message, Joined)
    return message


def player_of(connection: "Connection") -> str:
    return connection.peer.admission.player


def state_of(connection: "Connection") -> tuple[int | None, bool]:
    """The close code with which a connection was ended, and whether it was."""
    return connection.peer.disconnect_code, connection.disconnected


# --- coming -----------------------------------------------------------------------------------------


def test_a_match_from_the_first_ticket_to_the_last_piece(hall: "Hall") -> None:
    alice = hall.join("alice")
    state = joined(alice).state
    assert (joined(alice).game_id, joined(alice).player, joined(alice).seat) == ("m1", "alice", 0)
    assert (state.sequence, state.players, state.present, state.begun) == (1, ["alice", "bob"], ["alice"], False)
    assert alice.peer.logged_in
    resume_key = joined(alice).resume_key
    alice.take()

    bob = hall.join("bob")
    assert joined(bob).seat == 1
    assert joined(bob).state.sequence == 2
    assert joined(bob).resume_key != resume_key
    began = GameBegan(players=["alice", "bob"], beginner=events(bob.sent)[-1].beginner)
    assert events(bob.sent) == [began]
    assert events(alice.sent) == [PlayerSeated(player="bob", seat=1), began]

    order = (alice, bob) if began.beginner == "alice" else (bob, alice)
    names = [player_of(connection) for connection in order]
    for connection in order:
        connection.take()
    for turn, column in enumerate([0, 1, 0, 1, 0, 1, 0]):
        hall.say(order[turn % 2], Drop(column=column))
    end = GameEnded(winner=names[0], reason="won", line=[(0, 0), (0, 1), (0, 2), (0, 3)], turns=7)
    for connection in order:
        assert events(connection.sent)[-1] == end
        numbers = [message.sequence for message in connection.sent if isinstance(message, GameEvent)]
        assert numbers == list(range(4, 12))
    assert events(alice.sent) == events(bob.sent)
    assert events(alice.sent)[0] == PieceDropped(player=names[0], column=0, row=0, next_player=names[1])
    assert order[0].sent[-1] == Response(status="ok", command="drop")


def test_without_a_match_one_is_seated_in_the_first_game_that_lacks_a_player(hall: "Hall") -> None:
    alice, bob, carol = (hall.join(name, "*") for name in ("alice", "bob", "carol"))
    assert joined(alice).game_id == joined(bob).game_id != joined(carol).game_id
    assert joined(alice).game_id.startswith("open-")
    assert joined(alice).state.game is None
    assert isinstance(events(alice.sent)[-1], GameBegan)
    assert joined(carol).state.players == ["carol"]


def test_nobody_is_seated_beside_a_player_who_has_left(hall: "Hall") -> None:
    alice = hall.join("alice", "*")
    hall.lose(alice)
    assert joined(hall.join("bob", "*")).state.players == ["bob"]
    hall.pass_seconds(60)
    assert len(hall.listener.games) == 1


def test_a_player_who_joins_the_server_again_comes_back_to_the_game_that_goes_on(hall: "Hall") -> None:
    alice, bob = hall.join("alice", "*"), hall.join("bob", "*")
    again = hall.join("alice", "*")
    assert joined(again).game_id == joined(bob).game_id
    assert state_of(alice) == (CloseCode.REPLACED, True)
    hall.lose(alice)
    game = hall.listener.games.get(joined(bob).game_id)
    assert game is not None
    assert game.present == ["alice", "bob"]


# --- leaving and coming back ------------------------------------------------------------------------


def test_a_lost_player_comes_back_with_the_resume_key_and_gets_the_game_as_it_stands(hall: "Hall") -> None:
    alice, bob = hall.join("alice"), hall.join("bob")
    key = joined(alice).resume_key
    first, second = (alice, bob) if events(bob.sent)[-1].beginner == "alice" else (bob, alice)
    hall.say(first, Drop(column=3))
    hall.say(second, Drop(column=4))
    bob.take()
    hall.lose(alice)
    assert events(bob.take()) == [PlayerGone(player="alice", until=hall.clock.now + 60)]
    hall.pass_seconds(59)
    again = hall.open("m1", resume=key)
    assert events(bob.take()) == [PlayerReturned(player="alice")]
    answer = joined(again)
    assert (answer.game_id, answer.player, answer.seat, answer.resume_key) == ("m1", "alice", 0, key)
    assert answer.state.sequence == 7
    assert answer.state.game is not None
    assert answer.state.game.moves == [3, 4]
    again.take()
    hall.say(again if first is alice else bob, Drop(column=3))
    assert [message.sequence for message in again.take() if isinstance(message, GameEvent)] == [8]
    hall.pass_seconds(100)
    assert not hall.listener.games.get("m1").over  # type: ignore[union-attr]


def test_a_new_connection_takes_the_seat_from_the_old_one(hall: "Hall") -> None:
    alice, bob = hall.join("alice"), hall.join("bob")
    bob.take()
    again = hall.open("m1", resume=joined(alice).resume_key)
    assert state_of(alice) == (CloseCode.REPLACED, True)
    assert alice.disconnect_detail == "you came back with another connection"
    alice.take()
    hall.say(alice, Drop(column=0))
    assert alice.take() == []
    hall.lose(alice)
    assert bob.take() == []
    assert joined(again).state.present == ["alice", "bob"]
    hall.pass_seconds(600)
    assert hall.listener.games.going_on == 1


def test_what_a_replaced_connection_had_still_to_say_changes_nothing(hall: "Hall") -> None:
    first, second = hall.pair()
    key = hall.listener.games.get("m1").seats[0].resume_key  # type: ignore[union-attr]
    alice = first if player_of(first) == "alice" else second
    alice.receives(hall.listener, Resign(), Resign())  # Its controller has not come to them yet.
    hall.open("m1", resume=key)
    assert hall.listener.games.going_on == 1
    assert alice.peer._in_flight == 0


def test_a_fresh_ticket_to_the_same_match_gives_the_seat_back_too(hall: "Hall") -> None:
    alice, bob = hall.join("alice"), hall.join("bob")
    hall.lose(alice)
    assert joined(hall.join("alice")).seat == 0
    assert events(bob.sent)[-1] == PlayerReturned(player="alice")


def test_what_a_player_said_before_the_connection_was_lost_still_counts(hall: "Hall") -> None:
    first, second = hall.pair()
    first.receives(hall.listener, Drop(column=3))
    hall.lose(first)
    assert [type(event) for event in events(second.take())] == [PieceDropped, PlayerGone]


def test_who_is_gone_for_too_long_loses(hall: "Hall") -> None:
    first, second = hall.pair()
    winner = player_of(second)
    hall.lose(first)
    second.take()
    hall.pass_seconds(59.9)
    assert second.take() == []
    hall.pass_seconds(0.2)
    assert events(second.take()) == [GameEnded(winner=winner, reason="forfeit", line=[], turns=0)]


def test_who_never_comes_loses(hall: "Hall") -> None:
    alice = hall.join("alice")
    alice.take()
    hall.pass_seconds(60)
    assert events(alice.take()) == [GameEnded(winner="alice", reason="forfeit", line=[], turns=0)]
    late = hall.join("bob")
    state = joined(late).state
    assert (state.begun, state.game and state.game.winner) == (False, "alice")
    hall.say(late, Drop(column=0))
    assert late.sent[-1].error.code == "game_over"


def test_a_game_without_any_player_is_abandoned(hall: "Hall") -> None:
    first, second = hall.pair()
    hall.lose(first)
    hall.pass_seconds(50)
    hall.lose(second)
    hall.pass_seconds(59)
    game = hall.listener.games.get("m1")
    assert game is not None
    assert not game.over
    hall.pass_seconds(1)
    assert game.model is not None
    assert (game.model.reason, game.model.winner) == ("abandoned", "")


def test_whoever_comes_back_first_after_an_outage_waits_for_the_other_from_then_on(hall: "Hall") -> None:
    alice, bob = hall.join("alice"), hall.join("bob")
    for connection in (alice, bob):
        hall.lose(connection)
    hall.pass_seconds(50)
    again = hall.open("m1", resume=joined(bob).resume_key)
    hall.pass_seconds(50)
    assert hall.listener.games.going_on == 1
    hall.pass_seconds(10)
    assert events(again.sent)[-1].reason == "forfeit"


def test_who_replaces_a_connection_of_one_s_own_does_not_prolong_the_wait_for_the_other(hall: "Hall") -> None:
    alice, bob = hall.join("alice"), hall.join("bob")
    hall.lose(bob)
    until = events(alice.sent)[-1].until
    hall.pass_seconds(50)
    again = hall.open("m1", resume=joined(alice).resume_key)
    hall.lose(alice)
    hall.pass_seconds(10)
    assert hall.clock.now == until
    assert events(again.sent)[-1] == GameEnded(winner="alice", reason="forfeit", line=[], turns=0)


def test_a_game_that_is_over_can_be_looked_at_for_a_while_and_is_then_forgotten(hall: "Hall") -> None:
    first, second = hall.pair()
    hall.say(first, Resign())
    hall.lose(second)
    hall.pass_seconds(119)
    late = hall.join(next(iter({"alice", "bob"} - {player_of(first)})))
    assert joined(late).state.game is not None
    key = joined(late).resume_key
    late.take()
    hall.say(late, Events(from_sequence=3))
    assert isinstance(events(late.take())[1], GameEnded)
    hall.pass_seconds(1)
    assert len(hall.listener.games) == 0
    for connection in (first, late):
        assert state_of(connection) == (CloseCode.GAME_CLOSED, True)
        hall.lose(connection)
    assert hall.closed_at_once("m1", resume=key) == (CloseCode.NOT_LET_IN, "resume_key_unknown")
    assert hall.listener.controllers == {}
    assert hall.listener.waits._timers == {}


def test_what_a_player_repeats_in_a_game_that_waits_sets_no_further_timers(hall: "Hall") -> None:
    first, second = hall.pair()
    hall.say(first, Resign())
    timers = len(hall.listener._timers)
    hall.say(second, *[Drop(column=0) for _ in range(100)])
    assert len(hall.listener._timers) == timers


# --- the end of the server --------------------------------------------------------------------------


def test_at_the_end_games_are_broken_off_and_players_told(hall: "Hall") -> None:
    first, second = hall.pair()
    waiting = hall.join("carol", "*")
    finished = hall.listener.on_shutdown()
    hall.settle()
    assert finished.is_set()
    for connection in (first, second):
        ended, farewell = connection.take()
        assert ended.event == GameEnded(winner="", reason="server_stopped", line=[], turns=0)
        assert isinstance(farewell, ShuttingDown)
    assert isinstance(waiting.sent[-1], ShuttingDown)
    assert hall.refusal("*", token=hall.ticket("dave", "*")) == (503, "server_stopping")


def test_the_same_messages_in_the_same_order_give_the_same_state(open_hall: "Callable[..., Hall]") -> None:
    def play() -> list[Any]:
        hall = open_hall()
        first, second = hall.pair()
        for turn in range(CELLS):
            hall.say((first, second)[turn % 2], Drop(column=turn * 3 % 7))
        third, fourth = hall.join("carol", "*"), hall.join("dave", "*")
        for connection in (third, fourth):  # Both at once: their controllers take turns.
            connection.receives(hall.listener, Drop(column=0), Drop(column=1), Resign())
        hall.settle()
        return [connection.sent for connection in (first, second, third, fourth)]

    assert play() == play()


@pytest.mark.parametrize("crash", [RuntimeError("a mistake of ours"), ValueError("another")])
def test_a_mistake_in_a_controller_costs_its_connection_alone(
    hall: "Hall", crash: Exception, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    first, second = hall.pair()

    def fail(command: Any) -> None:
        raise crash

    monkeypatch.setattr(hall.listener.controllers[first.peer], "execute", fail)
    hall.say(first, Drop(column=0), Drop(column=0))
    assert first.failure is crash
    assert first.peer._in_flight == 0
    assert "task crashed" in caplog.text
    hall.lose(first)
    assert events(second.take()) == [PlayerGone(player=player_of(first), until=hall.clock.now + 60)]
    assert isinstance(hall.join(player_of(first)).sent[0], Joined)
