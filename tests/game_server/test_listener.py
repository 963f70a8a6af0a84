"""Scripted conversations of players with the game server: this message in, those messages out."""

from typing import TYPE_CHECKING, Any

import pytest

from connhandler import ProtocolError, testing
from connhandler.jsonmessage import Hello, Refused, ShuttingDown
from game_server.config import Configuration
from game_server.listener import GameListener
from game_server.model import CELLS, GameBegan, GameEnded, PieceDropped
from game_server.playerhandler import PlayerPeer
from game_server.protocol import (
    Drop,
    Events,
    GameEvent,
    Joined,
    JoinGame,
    PlayerGone,
    PlayerReturned,
    PlayerSeated,
    Resign,
    Resume,
)
from login_server.tickets import TicketIssuer, generate_key_pair

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.game_server.conftest import Connection, Hall


def events(messages: list[Any]) -> list[Any]:
    return [message.event for message in messages if isinstance(message, GameEvent)]


def joined(connection: "Connection") -> Joined:
    message = connection.sent[0]
    assert isinstance(message, Joined)
    return message


def refusal(connection: "Connection") -> tuple[str, str]:
    (message,) = connection.take()
    assert isinstance(message, Refused)
    assert message.message
    return message.code, message.about


def player_of(connection: "Connection", hall: "Hall") -> str:
    return hall.listener._controllers[connection.peer].player


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
    names = [player_of(connection, hall) for connection in order]
    for connection in order:
        connection.take()
    for turn, column in enumerate([0, 1, 0, 1, 0, 1, 0]):
        hall.say(order[turn % 2], Drop(column=column))
    end = GameEnded(winner=names[0], reason="won", line=[(0, 0), (0, 1), (0, 2), (0, 3)], turns=7)
    for connection in order:
        assert events(connection.sent)[-1] == end
        assert [message.sequence for message in connection.sent] == list(range(4, 12))
    assert events(alice.sent) == events(bob.sent)
    assert events(alice.sent)[0] == PieceDropped(player=names[0], column=0, row=0, next_player=names[1])


def test_versions_are_exchanged_first(hall: "Hall") -> None:
    connection = testing.FakeConnection(PlayerPeer())
    connection.connected(hall.listener)
    hall.say(connection, JoinGame(ticket=hall.ticket("alice")))
    assert isinstance(connection.failure, ProtocolError)
    other = testing.FakeConnection(PlayerPeer())
    other.connected(hall.listener)
    hall.say(other, Hello(versions=[7, 9]))
    assert other.take()[0].message == "game-server speaks versions [1] of this protocol, not [7, 9]"
    assert other.disconnected


def test_without_a_match_one_is_seated_in_the_first_game_that_lacks_a_player(hall: "Hall") -> None:
    alice, bob, carol = (hall.join(name, "*") for name in ("alice", "bob", "carol"))
    assert joined(alice).game_id == joined(bob).game_id != joined(carol).game_id
    assert joined(alice).game_id.startswith("open-")
    assert joined(alice).state.game is None
    assert isinstance(events(alice.sent)[-1], GameBegan)
    assert joined(carol).state.players == ["carol"]
    hall.say(carol, Resign())
    assert carol.take()[-1].code == "game_not_begun"


def test_nobody_is_seated_beside_a_player_who_has_left(hall: "Hall") -> None:
    alice = hall.join("alice", "*")
    alice.disconnects(hall.listener)
    assert joined(hall.join("bob", "*")).state.players == ["bob"]
    hall.pass_seconds(60)
    assert len(hall.listener.games) == 1


def test_a_player_who_joins_the_server_again_comes_back_to_the_game_that_goes_on(hall: "Hall") -> None:
    alice, bob = hall.join("alice", "*"), hall.join("bob", "*")
    again = hall.join("alice", "*")
    assert joined(again).game_id == joined(bob).game_id
    assert alice.sent[-1].code == "replaced"
    assert alice.disconnected
    alice.disconnects(hall.listener)
    game = hall.listener.games.get(joined(bob).game_id)
    assert game is not None
    assert game.present == ["alice", "bob"]


# --- tickets ----------------------------------------------------------------------------------------


def test_a_ticket_that_is_not_good_is_refused_and_ends_the_connection(hall: "Hall") -> None:
    forger = TicketIssuer(generate_key_pair()[0], hall.issuer.issuer)
    used = hall.ticket("alice")
    hall.say(hall.connection(), JoinGame(ticket=used))
    old = hall.ticket("bob")
    hall.clock.advance(63)
    for text, code in (
        ("what is this", "ticket_malformed"),
        (hall.ticket("bob", issuer=forger), "ticket_forged"),
        (old, "ticket_expired"),
        (used, "ticket_expired"),
        (hall.ticket("bob", server_id="there/four"), "ticket_wrong_server"),
    ):
        connection = hall.connection()
        hall.say(connection, JoinGame(ticket=text))
        assert refusal(connection) == (code, "join_game")
        assert connection.disconnected
    hall.clock.advance(-63)
    connection = hall.connection()
    hall.say(connection, JoinGame(ticket=used))
    assert refusal(connection) == ("ticket_reused", "join_game")


def test_a_ticket_for_a_game_of_others_or_of_too_many_is_refused(hall: "Hall") -> None:
    hall.join("alice")
    for name, game_id, players, code in (
        ("carol", "m1", ("carol", "dave"), "not_in_game"),
        ("carol", "m2", ("carol", "dave", "eve"), "players_invalid"),
        ("carol", "m3", ("carol", "carol"), "players_invalid"),
    ):
        connection = hall.connection()
        hall.say(connection, JoinGame(ticket=hall.ticket(name, game_id, players)))
        assert refusal(connection)[0] == code
        assert connection.disconnected
    assert len(hall.listener.games) == 1


def test_without_a_key_to_check_tickets_with_nobody_is_let_in() -> None:
    listener = GameListener(Configuration())
    connection = testing.FakeConnection(PlayerPeer())
    connection.receives(listener, Hello(versions=[1]))
    connection.take()
    connection.receives(listener, JoinGame(ticket="any"))
    assert refusal(connection) == ("not_ready", "join_game")
    assert connection.disconnected


def test_a_server_takes_so_many_games_and_no_more(open_hall: "Callable[..., Hall]") -> None:
    hall = open_hall(max_games=1)
    hall.join("alice")
    connection = hall.connection()
    hall.say(connection, JoinGame(ticket=hall.ticket("carol", "m2", ("carol", "dave"))))
    assert refusal(connection) == ("server_full", "join_game")
    assert isinstance(hall.join("bob").sent[0], Joined)


# --- commands ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", [Drop(column=1), Resign(), Events(from_sequence=1)])
def test_a_command_without_a_seat_is_refused_and_the_connection_stays(hall: "Hall", command: Any) -> None:
    connection = hall.connection()
    hall.say(connection, command)
    assert refusal(connection) == ("not_seated", type(command).__name__.lower())
    assert not connection.disconnected


def test_a_second_seat_for_one_connection_is_refused_and_the_connection_stays(hall: "Hall") -> None:
    alice = hall.join("alice")
    key = joined(alice).resume_key
    alice.take()
    hall.say(alice, JoinGame(ticket=hall.ticket("alice")))
    assert refusal(alice) == ("already_seated", "join_game")
    hall.say(alice, Resume(resume_key=key))
    assert refusal(alice) == ("already_seated", "resume")
    assert not alice.disconnected


def test_wrong_moves_are_refused_one_by_one_and_nobody_else_hears_of_them(hall: "Hall") -> None:
    alice = hall.join("alice")
    alice.take()
    hall.say(alice, Drop(column=3))
    assert refusal(alice) == ("game_not_begun", "drop")
    hall.listener.games.forget(next(iter(hall.listener.games)))

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
    winner = player_of(first, hall)
    hall.say(second, Resign())
    assert events(first.take()) == [GameEnded(winner=winner, reason="resigned", line=[], turns=0)]


def test_events_can_be_asked_for_from_any_number_on(hall: "Hall") -> None:
    first, second = hall.pair()
    hall.say(first, Drop(column=2))
    (dropped,) = first.take()
    hall.say(first, Events(from_sequence=1))
    messages = first.take()
    assert [message.sequence for message in messages] == [1, 2, 3, 4]
    assert messages[-1] == dropped
    hall.say(first, Events(from_sequence=4), Events(from_sequence=5), Events(from_sequence=900))
    assert first.take() == [dropped]
    assert len(second.take()) == 1


def test_events_that_are_not_kept_any_more_are_refused(hall: "Hall") -> None:
    first, second = hall.pair()
    for _ in range(300):
        second.disconnects(hall.listener)
        second = hall.join("bob" if player_of(first, hall) == "alice" else "alice")
    game = hall.listener.games.get("m1")
    assert game is not None
    first.take()
    hall.say(first, Events(from_sequence=1))
    assert refusal(first) == ("events_gone", "events")
    hall.say(first, Events(from_sequence=game.publisher.oldest))
    assert len(first.take()) == 500


# --- leaving and coming back ------------------------------------------------------------------------


def test_a_lost_player_comes_back_with_the_resume_key_and_gets_the_game_as_it_stands(hall: "Hall") -> None:
    alice, bob = hall.join("alice"), hall.join("bob")
    key = joined(alice).resume_key
    first, second = (alice, bob) if events(bob.sent)[-1].beginner == "alice" else (bob, alice)
    hall.say(first, Drop(column=3))
    hall.say(second, Drop(column=4))
    bob.take()
    alice.disconnects(hall.listener)
    assert events(bob.take()) == [PlayerGone(player="alice", until=hall.clock.now + 60)]
    hall.pass_seconds(59)
    again = hall.connection()
    hall.say(again, Resume(resume_key=key))
    assert events(bob.take()) == [PlayerReturned(player="alice")]
    answer = joined(again)
    assert (answer.game_id, answer.player, answer.seat, answer.resume_key) == ("m1", "alice", 0, key)
    assert answer.state.sequence == 7
    assert answer.state.game is not None
    assert answer.state.game.moves == [3, 4]
    again.take()
    hall.say(again if first is alice else bob, Drop(column=3))
    assert [message.sequence for message in again.take()] == [8]
    hall.pass_seconds(100)
    assert not hall.listener.games.get("m1").over  # type: ignore[union-attr]


def test_a_resume_key_that_nobody_has_is_refused_and_ends_the_connection(hall: "Hall") -> None:
    hall.pair()
    connection = hall.connection()
    hall.say(connection, Resume(resume_key="guess"))
    assert refusal(connection) == ("resume_key_unknown", "resume")
    assert connection.disconnected


def test_a_new_connection_takes_the_seat_from_the_old_one(hall: "Hall") -> None:
    alice, bob = hall.join("alice"), hall.join("bob")
    bob.take()
    again = hall.connection()
    hall.say(again, Resume(resume_key=joined(alice).resume_key))
    assert alice.sent[-1].code == "replaced"
    assert alice.disconnected
    alice.take()
    hall.say(alice, Drop(column=0))
    assert alice.take() == []
    alice.disconnects(hall.listener)
    assert bob.take() == []
    assert joined(again).state.present == ["alice", "bob"]
    hall.pass_seconds(600)
    assert hall.listener.games.going_on == 1


def test_a_fresh_ticket_to_the_same_match_gives_the_seat_back_too(hall: "Hall") -> None:
    alice, bob = hall.join("alice"), hall.join("bob")
    alice.disconnects(hall.listener)
    assert joined(hall.join("alice")).seat == 0
    assert events(bob.sent)[-1] == PlayerReturned(player="alice")


def test_who_is_gone_for_too_long_loses(hall: "Hall") -> None:
    first, second = hall.pair()
    winner = player_of(second, hall)
    first.disconnects(hall.listener)
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
    assert late.sent[-1].code == "game_over"


def test_a_game_without_any_player_is_abandoned(hall: "Hall") -> None:
    first, second = hall.pair()
    first.disconnects(hall.listener)
    hall.pass_seconds(50)
    second.disconnects(hall.listener)
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
        connection.disconnects(hall.listener)
    hall.pass_seconds(50)
    again = hall.connection()
    hall.say(again, Resume(resume_key=joined(bob).resume_key))
    hall.pass_seconds(50)
    assert hall.listener.games.going_on == 1
    hall.pass_seconds(10)
    assert events(again.sent)[-1].reason == "forfeit"


def test_a_game_that_is_over_can_be_looked_at_for_a_while_and_is_then_forgotten(hall: "Hall") -> None:
    first, second = hall.pair()
    hall.say(first, Resign())
    second.disconnects(hall.listener)
    hall.pass_seconds(119)
    late = hall.join(next(iter({"alice", "bob"} - {player_of(first, hall)})))
    assert joined(late).state.game is not None
    key = joined(late).resume_key
    late.take()
    hall.say(late, Events(from_sequence=3))
    assert isinstance(events(late.take())[1], GameEnded)
    hall.pass_seconds(1)
    assert len(hall.listener.games) == 0
    for connection in (first, late):
        assert connection.sent[-1].code == "game_closed"
        assert connection.disconnected
        connection.disconnects(hall.listener)
    connection = hall.connection()
    hall.say(connection, Resume(resume_key=key))
    assert refusal(connection)[0] == "resume_key_unknown"


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
    assert hall.listener.on_shutdown() is None
    for connection in (first, second):
        ended, farewell = connection.take()
        assert ended.event == GameEnded(winner="", reason="server_stopped", line=[], turns=0)
        assert isinstance(farewell, ShuttingDown)
    assert isinstance(waiting.sent[-1], ShuttingDown)
    late = hall.connection()
    hall.say(late, JoinGame(ticket=hall.ticket("dave", "*")))
    assert refusal(late) == ("server_stopping", "join_game")


def test_the_same_messages_in_the_same_order_give_the_same_state(open_hall: "Callable[..., Hall]") -> None:
    def play() -> list[Any]:
        hall = open_hall()
        first, second = hall.pair()
        for turn in range(CELLS):
            hall.say((first, second)[turn % 2], Drop(column=turn * 3 % 7))
        third, fourth = hall.join("carol", "*"), hall.join("dave", "*")
        hall.say(third, Drop(column=0))
        hall.say(fourth, Drop(column=0))
        return [connection.sent for connection in (first, second, third, fourth)]

    assert play() == play()
