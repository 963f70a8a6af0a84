"""Games that go from one process to its successor, as scripted conversations with both: what each tells the launcher,
and what each player sees."""

from collections.abc import Callable
from typing import Any

import pytest

from connhandler import DisconnectReason
from game_server import departure
from game_server.handover import Context, export_context, parts_of
from game_server.protocol import CloseCode, Drop, Events, GameEvent, Joined, Moved, PlayerGone, Resign, Response, State
from game_server_launcher.protocol import (
    CancelHandOver,
    HandOver,
    HandOverContext,
    HandOverFailed,
    MatchRecorded,
    MovePlayers,
    PlayersExpected,
    PlayersMoved,
    ServerReady,
    StopServer,
    TakeOver,
    TakeOverFailed,
    TookOver,
)
from login_server.protocol import MatchEnded, MatchStarted, PlayerJoined
from login_server.tickets import SeatIssuer
from tests.game_server.conftest import ISSUER, Connection, Hall

OpenHall = Callable[..., Hall]
MOVE = MovePlayers(address="127.0.0.1", port=7777)


def of(messages: list[Any], *classes: type) -> list[Any]:
    return [message for message in messages if isinstance(message, classes)]


class Two:
    """A game server and its successor, at the same clock and with a launcher each."""

    def __init__(self, open_hall: OpenHall, **settings: Any) -> None:
        self.old = open_hall(launcher_port=9002, server="four", token="secret")
        self.new = open_hall(launcher_port=9002, server="four", token="other", clock=self.old.clock, seed=8, **settings)
        self.to_old = self.old.launcher()
        self.to_new = self.new.launcher(public_key=self.old.public_key)

    def halt(self) -> list[HandOverContext]:
        """Let the old one stand still, and return what it hands over."""
        self.to_old.take()
        self.old.say(self.to_old, HandOver())
        return of(self.to_old.take(), HandOverContext)

    def take_over(self, parts: list[HandOverContext]) -> list[Any]:
        """Give the context to the new one, and return what it answers."""
        self.to_new.take()
        for one in parts:
            self.new.say(self.to_new, TakeOver(part=one.part, last=one.last, data=one.data))
        return self.to_new.take()

    def come(self, moved: Moved) -> Connection:
        """Who was moved comes to the new one."""
        return self.new.open(moved.game_id, resume=moved.resume_key)


@pytest.fixture
def two(open_hall: OpenHall) -> Two:
    return Two(open_hall)


def moved(connection: Connection) -> Moved:
    (message,) = connection.take()
    assert isinstance(message, Moved)
    return message


def test_a_game_goes_on_in_the_successor_with_the_commands_that_were_kept(two: Two) -> None:
    first, second = two.old.pair()
    two.old.say(first, Drop(column=3))
    *_, last = [message.sequence for message in first.take() if isinstance(message, GameEvent)]
    second.take()
    parts = two.halt()
    two.old.say(second, Drop(column=2, id=1))
    assert first.take() == second.take() == []
    answer, *facts = two.take_over(parts)
    assert answer == TookOver()
    assert of(facts, MatchStarted) == [MatchStarted(match_id="m1", players=["alice", "bob"])]
    assert {fact.player for fact in of(facts, PlayerJoined)} == {"alice", "bob"}

    two.old.say(two.to_old, MOVE)
    ways = [moved(first), moved(second)]
    assert {(way.address, way.port, way.game_id) for way in ways} == {("127.0.0.1", 7777, "m1")}
    assert of(two.to_old.take(), PlayersMoved) == []
    two.old.lose(first)
    two.old.lose(second)
    assert of(two.to_old.take(), PlayersMoved, MatchEnded) == [PlayersMoved()]

    for connection, way in ((first, ways[0]), (second, ways[1])):
        here = two.come(way)
        (joined,) = here.take()
        assert isinstance(joined, Joined)
        assert joined.player == connection.peer.admission.player
        assert joined.state.sequence == last
        assert joined.state.present == ["alice", "bob"]
        assert joined.state.game is not None
        assert joined.state.game.moves == [3]
    two.new.say(here, Drop(column=2, id=1))
    event, response = here.take()
    assert event.sequence == last + 1
    assert response == Response(status="ok", command="drop", id=1)
    two.new.say(here, Events(from_sequence=1))
    assert [message.sequence for message in of(here.take(), GameEvent)] == list(range(1, last + 2))


def test_the_old_one_ends_without_a_word_about_the_games_that_have_left(two: Two) -> None:
    first, second = two.old.pair()
    two.halt()
    two.old.say(two.to_old, MOVE)
    two.old.lose(first)
    two.old.lose(second)
    two.to_old.take()
    two.old.say(two.to_old, StopServer(grace_seconds=10))
    assert two.old.ends
    assert of(two.to_old.take(), MatchEnded) == []


def test_a_result_that_was_not_recorded_is_told_by_the_old_one_alone(two: Two) -> None:
    first, _ = two.old.pair()
    two.old.say(first, Resign())
    parts = two.halt()
    assert of(two.take_over(parts), MatchEnded, MatchStarted) == []
    two.old.say(two.to_old, MOVE)
    two.old.say(two.to_old, StopServer(grace_seconds=10))
    assert two.old.ends == []
    two.old.lose(two.to_old, DisconnectReason.CONNECTION_LOST)
    again = two.old.launcher()
    assert len(of(again.take(), MatchEnded)) == 1
    two.old.say(again, MatchRecorded(match_id="m1"))
    assert two.old.ends
    two.new.lose(two.to_new)
    assert of(two.new.launcher().take(), MatchEnded) == []


def test_a_result_that_is_told_while_the_games_come_to_a_stand_is_told_once(two: Two) -> None:
    """The command was carried out before; what comes of it is still on its way to the central task."""
    first, _ = two.old.pair()
    two.to_old.take()
    first.receives(two.old.listener, Resign())
    two.old.say(two.to_old, HandOver())
    told = two.to_old.take()
    ended = of(told, MatchEnded)
    parts = of(told, HandOverContext)
    taken = two.take_over(parts)
    assert taken[0] == TookOver()
    assert len(ended) + len(of(taken, MatchStarted)) == 1


def test_a_hand_over_that_is_cancelled_has_changed_nothing(two: Two) -> None:
    first, second = two.old.pair()
    two.halt()
    two.old.say(first, Drop(column=3, id=1))
    two.old.say(first, State(id=2))
    two.old.say(two.to_old, PlayersExpected("here/four", "m2", ["carol", "dave"], two.old.clock.now + 60))
    assert first.take() == []
    two.old.say(two.to_old, CancelHandOver())
    assert [message.id for message in first.take() if isinstance(message, Response)] == [1, 2]
    assert len(of(second.take(), GameEvent)) == 1
    assert two.old.listener.games.get("m2") is not None
    assert [part.part for part in two.halt()] == [1]


@pytest.mark.parametrize("way", ["the launcher is lost", "the launcher says nothing more"])
def test_without_a_word_from_the_launcher_the_games_go_on(two: Two, way: str) -> None:
    first, _ = two.old.pair()
    two.halt()
    two.old.say(first, Drop(column=3, id=1))
    if way == "the launcher is lost":
        two.old.lose(two.to_old, DisconnectReason.CONNECTION_LOST)
    else:
        two.old.pass_seconds(departure.HALT_SECONDS)
        assert len(of(two.to_old.take(), HandOverFailed)) == 1
    assert [message.id for message in first.take() if isinstance(message, Response)] == [1]
    to_old = two.old.launcher()
    two.old.say(to_old, MOVE)
    assert len(of(to_old.take(), HandOverFailed)) == 1
    assert not first.disconnected


def test_no_time_passes_while_the_games_stand_still(two: Two) -> None:
    first, second = two.old.pair()
    two.old.lose(second)
    two.old.pass_seconds(50)
    two.halt()
    two.old.pass_seconds(20)
    assert of(first.take(), Response) == []
    two.old.say(two.to_old, CancelHandOver())
    two.old.pass_seconds(9)
    game = two.old.listener.games.get("m1")
    assert game is not None
    assert not game.over
    two.old.pass_seconds(1)
    assert game.over


def test_a_connection_that_is_lost_while_the_games_stand_still(two: Two) -> None:
    """Cancelled: the loss is told then. Else: the successor waits for the player."""
    first, second = two.old.pair()
    two.halt()
    two.old.lose(second)
    assert first.take() == []
    two.old.say(two.to_old, CancelHandOver())
    assert [type(message.event) for message in first.take()] == [PlayerGone]

    back = two.old.join(second.peer.admission.player)
    first.take()
    parts = two.halt()
    two.old.lose(back)
    two.take_over(parts)
    two.old.say(two.to_old, MOVE)
    here = two.come(moved(first))
    name = back.peer.admission.player
    here.take()
    two.new.pass_seconds(10)
    (event,) = here.take()
    assert isinstance(event.event, PlayerGone)
    assert event.event.player == name
    assert event.event.until == two.new.clock.now + 50
    two.new.pass_seconds(50)
    assert here.sent[0].event.reason == "forfeit"


def test_nobody_new_is_let_in_and_a_resume_key_leads_on(two: Two) -> None:
    first, second = two.old.pair()
    key = two.old.listener.controllers[second.peer].resume_key
    two.old.lose(second)
    parts = two.halt()
    assert two.old.refusal("m1", token="whatever") == (503, "server_moving")
    assert two.old.refusal("m1", resume=key) == (503, "server_moving")
    two.take_over(parts)
    two.old.say(two.to_old, MOVE)
    assert two.old.refusal("m1", token="whatever") == (503, "server_moving")
    late = two.old.open("m1", resume=key)
    way = moved(late)
    assert two.come(way).sent[0].player == second.peer.admission.player
    two.old.pass_seconds(departure.CLOSE_SECONDS)
    assert late.peer.disconnect_code == first.peer.disconnect_code == CloseCode.MOVED


def test_who_had_been_let_in_already_comes_to_the_successor_with_a_pass(two: Two) -> None:
    """The ticket is used up; a pass is good in its place, once."""
    connection, ticket = two.old.arrive("alice")
    parts = two.halt()
    connection.connected(two.old.listener)
    two.old.say(connection, State(id=1))
    assert connection.take() == []
    two.take_over(parts)
    two.old.say(two.to_old, MOVE)
    way = moved(connection)
    (joined,) = two.come(way).take()
    assert (joined.player, joined.game_id, joined.seat) == ("alice", "m1", 0)
    assert two.new.closed_at_once("m1", resume=way.resume_key) == (CloseCode.NOT_LET_IN, "resume_key_unknown")
    assert two.new.refusal("m1", token=ticket) == (401, "ticket_reused")


def test_who_had_been_let_in_already_is_served_if_the_games_stay(two: Two) -> None:
    connection, _ = two.old.arrive("alice")
    gone, _ = two.old.arrive("bob")
    two.halt()
    for one in (connection, gone):
        one.connected(two.old.listener)
        two.old.say(one, State(id=1))
    two.old.lose(gone)
    two.old.say(two.to_old, CancelHandOver())
    messages = connection.take()
    assert isinstance(messages[0], Joined)
    assert [message.id for message in of(messages, Response)] == [1]
    assert two.old.listener.controllers.keys() == {connection.peer}


def test_who_does_not_go_is_cut_off_and_does_not_hold_the_others_up(two: Two) -> None:
    first, second = two.old.pair()
    two.halt()
    two.old.say(two.to_old, MOVE)
    two.old.lose(first)
    two.old.pass_seconds(departure.LEAVE_SECONDS - 1)
    assert of(two.to_old.take(), PlayersMoved) == []
    two.old.pass_seconds(1)
    assert of(two.to_old.take(), PlayersMoved) == [PlayersMoved()]
    assert second.disconnected
    two.old.lose(two.to_old, DisconnectReason.CONNECTION_LOST)
    assert of(two.old.launcher().take(), PlayersMoved, ServerReady) == [PlayersMoved()]


def test_who_watches_goes_along(open_hall: OpenHall) -> None:
    old, new = (open_hall(enable_auth=False, server_id="") for _ in range(2))
    to_old, to_new = old.launcher(), new.launcher()
    watcher = [old.open("den", player=name) for name in ("alice", "bob", "carol")][2]
    old.say(to_old, HandOver())
    for part in of(to_old.take(), HandOverContext):
        new.say(to_new, TakeOver(part.part, part.last, part.data))
    watcher.take()
    old.say(to_old, MOVE)
    way = moved(watcher)
    joined = new.open(way.game_id, resume=way.resume_key).sent[0]
    assert (joined.player, joined.seat, joined.resume_key) == ("carol", None, "")


@pytest.mark.parametrize(
    ("parts", "why"),
    [
        ([(1, True, "no context")], "cannot be read"),
        ([(2, True, "")], "part 1 was to come"),
        ([(1, False, ""), (3, True, "")], "part 2 was to come"),
    ],
)
def test_what_is_no_context_is_refused(two: Two, parts: list[tuple[int, bool, str]], why: str) -> None:
    answers = two.take_over([HandOverContext(*part) for part in parts])
    assert [type(answer) for answer in answers] == [TakeOverFailed]
    assert why in answers[0].reason
    assert two.take_over(two.halt())[0] == TookOver()


def test_a_server_with_games_of_its_own_takes_none_over(two: Two) -> None:
    two.old.pair()
    two.new.issuer = two.old.issuer
    two.new.join("carol", "m7", players=("carol", "dave"))
    (failed,) = two.take_over(two.halt())
    assert "1 games of its own" in failed.reason
    two.old.say(two.to_old, CancelHandOver())


def test_a_server_takes_no_more_games_over_than_it_may_have(open_hall: OpenHall) -> None:
    two = Two(open_hall)
    two.new.listener.games._max_games = 0
    two.old.pair()
    (failed,) = two.take_over(two.halt())
    assert "too many" in failed.reason


def test_a_context_that_is_too_long_is_not_handed_over(two: Two, monkeypatch: pytest.MonkeyPatch) -> None:
    first, _ = two.old.pair()
    monkeypatch.setattr("game_server.handover.MAX_CONTEXT_LENGTH", 10)
    two.to_old.take()
    two.old.say(two.to_old, HandOver())
    (failed,) = two.to_old.take()
    assert isinstance(failed, HandOverFailed)
    two.old.say(first, Drop(column=3))
    assert len(first.take()) == 2


def test_a_hand_over_while_one_is_under_way_is_refused(two: Two) -> None:
    two.halt()
    two.old.say(two.to_old, HandOver())
    (failed,) = of(two.to_old.take(), HandOverFailed)
    assert "under way" in failed.reason


def test_a_server_that_is_stopped_does_not_wait_for_a_successor(two: Two) -> None:
    two.old.pair()
    two.halt()
    two.old.say(two.to_old, StopServer(grace_seconds=10))
    two.old.pass_seconds(3)
    assert two.old.ends
    two.old.listener.on_shutdown()
    two.old.settle()
    assert len(of(two.to_old.take(), MatchEnded)) == 1


def test_an_empty_context_is_one_part() -> None:
    (part,) = parts_of(export_context(Context(games=[], used_tickets={}, passes=[])))
    assert part[:2] == (1, True)


def test_games_keep_their_board_and_new_ones_have_that_of_the_new_map(open_hall: OpenHall) -> None:
    two = Two(open_hall, map="9x7")
    assert of(two.to_new.take(), ServerReady)[0].map == "9x7"
    first, _ = two.old.pair()
    two.take_over(two.halt())
    two.old.say(two.to_old, MOVE)
    old_game = two.come(moved(first)).sent[0].state.game
    two.new.issuer = two.old.issuer
    two.new.tickets = 10
    new_game = two.new.join("carol", "m7", players=("carol", "dave")).sent[0].state.game
    assert [(game.width, game.height) for game in (old_game, new_game)] == [(7, 6), (9, 7)]
    dave = two.new.join("dave", "m7", players=("carol", "dave"))
    assert (dave.sent[1].event.width, dave.sent[1].event.height) == (9, 7)


def test_a_seat_leads_to_the_successor_too(two: Two) -> None:
    """After the map has changed, as before."""
    first, _ = two.old.pair()
    player = first.peer.admission.player
    seats = SeatIssuer(two.old.private_key, ISSUER)
    seat, other = two.old.ticket(player, issuer=seats), two.old.ticket(player, "m2", issuer=seats)
    two.take_over(two.halt())
    joined = two.new.open("m1", token=seat).sent[0]
    assert isinstance(joined, Joined)
    assert joined.player == player
    assert two.new.refusal("m2", token=other) == (403, "match_gone")
