"""The player without a person: what it tells, what it does, and how it ends."""

import random
from typing import TYPE_CHECKING

import pytest

from connhandler import DisconnectReason
from connhandler.jsonmessage import Refused
from game_server import protocol
from game_server.client.story import Story
from game_server.model import GameEnded, PieceDropped
from login_server.protocol import FindMatch, JoinPending, MatchPending

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.game_server.client.conftest import Desk, Made


class Teller:
    """A story, and everything that it told."""

    def __init__(self, open_desk: "Callable[..., Desk]") -> None:
        self.lines: list[str] = []
        self.story = Story("alice", self.lines.append, self._wish, random.Random(3), pace_seconds=0.5)
        self.desk = open_desk(self.story)

    def _wish(self) -> None:
        self.desk.client.find_match("four_in_a_row")

    def take(self) -> list[str]:
        lines, self.lines[:] = list(self.lines), []
        return lines


@pytest.fixture
def teller(open_desk: "Callable[..., Desk]") -> Teller:
    return Teller(open_desk)


def test_servers_are_counted(teller: Teller) -> None:
    teller.desk.logged_in("a/one", "b/two")
    assert "alice: sees 2 servers: a/one, b/two" in teller.take()


def test_a_server_that_sleeps_is_waited_for(teller: Teller) -> None:
    login_server = teller.desk.logged_in()
    teller.take()
    login_server.receives(teller.desk.client, JoinPending("here/four", "the server is being woken"))
    assert teller.take() == ["alice: waits for here/four (the server is being woken)"]


def test_a_whole_story(teller: Teller, made: "type[Made]") -> None:
    desk = teller.desk
    login_server = desk.logged_in()
    assert login_server.take() == [FindMatch(game="four_in_a_row")]
    pending = MatchPending(game="four_in_a_row", players=2, waiting=1, reason="no server")
    login_server.receives(desk.client, pending, made.match_found())
    assert teller.take() == [
        "alice: logged in as alice",
        "alice: sees 1 server: here/four",
        "alice: waits for a match of four_in_a_row, 1 of 2 are here (no server)",
        "alice: matched with bob",
        "alice: goes to here/four at 127.0.0.1:7000 with a ticket",
    ]
    game_server = desk.game_server()
    game_server.take()
    game_server.receives(desk.client, made.joined(moves=(0, 1, 0, 1, 0, 1)))
    desk.sequence = 9
    assert game_server.take() == []
    desk.pass_seconds(0.5)
    assert game_server.take() == [protocol.Drop(column=0)]
    desk.happens(game_server, PieceDropped(player="alice", column=0, row=3, next_player=""))
    assert teller.take() == [
        "alice: has a seat: red",
        "alice: drops into column 1",
        "alice: game over: You win with four in a row after 7 turns.",
    ]
    assert teller.story.finished
    assert desk.ends == ["the game is over"]


def test_it_thinks_of_a_move_once_however_much_happens_meanwhile(teller: Teller) -> None:
    game_server = teller.desk.playing()
    gone, back = protocol.PlayerGone(player="bob", until=1.0), protocol.PlayerReturned(player="bob")
    teller.desk.happens(game_server, gone, back, gone, back)
    teller.desk.pass_seconds(5)
    assert len(game_server.take()) == 1
    assert teller.take()[-4:] == ["alice: sees bob go", "alice: sees bob return"] * 2


def test_a_move_that_may_be_lost_with_its_connection_is_made_again(teller: Teller, made: "type[Made]") -> None:
    game_server = teller.desk.playing()
    teller.desk.pass_seconds(1)
    assert len(game_server.take()) == 1
    game_server.disconnects(teller.desk.client, DisconnectReason.CONNECTION_LOST)
    again = teller.desk.game_server()
    again.take()
    again.receives(teller.desk.client, made.joined())
    teller.desk.pass_seconds(1)
    assert len(again.take()) == 1


def test_a_move_is_made_once_when_the_game_moves(teller: Teller, made: "type[Made]") -> None:
    """Thought of before and said on the way, or said before and not answered: both go along."""
    moved = protocol.Moved(address="127.0.0.1", port=7001, game_id="m1", resume_key="key")
    here = teller.desk.playing()
    here.receives(teller.desk.client, moved)
    teller.desk.pass_seconds(1)
    there = teller.desk.game_server()
    there.receives(teller.desk.client, made.joined())
    assert len(there.take()) == 1
    there.receives(teller.desk.client, moved)
    again = teller.desk.game_server()
    again.receives(teller.desk.client, made.joined())
    teller.desk.pass_seconds(5)
    assert len(again.take()) == 1
    assert teller.take()[-1] == "alice: goes on at 127.0.0.1:7001"


def test_it_does_not_move_when_it_is_not_its_turn(teller: Teller) -> None:
    game_server = teller.desk.playing("bob")
    teller.desk.pass_seconds(5)
    assert game_server.take() == []
    teller.desk.happens(game_server, GameEnded(winner="bob", reason="forfeit", line=[], turns=0))
    assert teller.take()[-1] == "alice: game over: bob wins because you stayed away after 0 turns."


def test_a_wish_that_leads_to_no_game_ends_the_story_with_the_reason(teller: Teller) -> None:
    login_server = teller.desk.logged_in()
    refusal = Refused(code="bad_partner", message="you cannot be your own partner", about="find_match")
    login_server.receives(teller.desk.client, refusal)
    assert teller.desk.ends == ["you cannot be your own partner"]
    assert not teller.story.finished


def test_whom_the_door_does_not_let_in_either_plays_no_game(teller: Teller) -> None:
    teller.desk.client.ask_door = lambda day_pass, server_id: None
    teller.desk.client.day_pass = "the pass"
    teller.desk.pass_seconds(3)
    assert teller.take() == ["alice: the login server is away; asking at the door"]
    teller.desk.client.door_closed("this day pass has expired")
    assert teller.take() == ["alice: this day pass has expired"]
    assert teller.desk.ends == ["this day pass has expired"]
