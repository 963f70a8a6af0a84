"""What a person sees and types, screen by screen."""

import io
from typing import TYPE_CHECKING, Any

import pytest
from msgspec import structs

from connhandler import DisconnectReason
from connhandler.jsonmessage import Refused
from game_server import protocol
from game_server.client.screen import Screen
from game_server.client.style import Style
from game_server.client.terminal import Terminal
from game_server.model import GameEnded, PieceDropped
from game_server.protocol import Problem, Response
from login_server.protocol import (
    CancelMatch,
    FindMatch,
    JoinPending,
    JoinServer,
    MapVote,
    MatchCancelled,
    MatchOver,
    MatchPending,
    MatchRequest,
    MatchRequests,
    MatchRunning,
    ServersChanged,
    VoteMap,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.game_server.client.conftest import Desk, LoginServer, Made


class Person:
    """Somebody at a terminal: types lines, and looks at what was printed since the last look."""

    def __init__(self, open_desk: "Callable[..., Desk]") -> None:
        self._stream = io.StringIO()
        self.terminal = Terminal(Screen(self._stream, Style(), replace=False), "four_in_a_row", "alice at here:9000")
        self.desk = open_desk(self.terminal)

    def types(self, *lines: str) -> None:
        for line in lines:
            self.terminal.line_typed(line)

    def sees(self) -> str:
        text = self._stream.getvalue()
        self._stream.truncate(0)
        self._stream.seek(0)
        assert max((len(line) for line in text.splitlines()), default=0) <= 80
        return text


@pytest.fixture
def person(open_desk: "Callable[..., Desk]") -> Person:
    return Person(open_desk)


def in_lobby(person: Person) -> "LoginServer":
    login_server = person.desk.logged_in("a/one", "b/two")
    person.sees()
    return login_server


def playing(person: Person, beginner: str = "alice") -> Any:
    game_server = person.desk.playing(beginner)
    person.sees()
    return game_server


# --- the lobby --------------------------------------------------------------------------------------


def test_first_it_connects_then_there_is_a_table_of_servers_and_what_to_type(person: Person) -> None:
    assert "Connecting ..." in person.sees()
    person.desk.logged_in("a/one", "b/two")
    text = person.sees()
    assert "alice at here:9000" in text
    assert "1   a/one                  four_in_a_row   7x6      0/10      eu       ready" in text
    assert "NUMBER: join   m: be matched   p NAME: match with NAME   r: refresh   q: quit" in text


def test_the_table_changes_by_itself(person: Person, made: "type[Made]") -> None:
    login_server = in_lobby(person)
    login_server.receives(person.desk.client, ServersChanged(changed=[made.server("c/new")], removed=["a/one"]))
    text = person.sees()
    assert "2   c/new" in text
    assert "a/one" not in text


def wanted(*names: str, game: str = "four_in_a_row") -> MatchRequests:
    return MatchRequests(requests=[MatchRequest(player=name, game=game) for name in names])


def test_a_game_that_goes_on_is_gone_back_to(person: Person) -> None:
    login_server = in_lobby(person)
    person.types("b")
    assert "there is no game that you could go back to" in person.sees()
    running = MatchRunning(match_id="m1", game="four_in_a_row", players=["bob", "alice"], server_id="b/two")
    login_server.receives(person.desk.client, running)
    assert "You are in a game with bob. Type b to go back." in person.sees()
    person.types("b")
    assert login_server.take() == [JoinServer(server_id="b/two")]
    login_server.receives(person.desk.client, Refused(code="server_full", message="no", about="join_server"))
    person.sees()
    login_server.receives(person.desk.client, MatchOver(match_id="m1"))
    assert "You are in a game" not in person.sees()


def test_who_wants_to_play_is_shown_before_during_and_after_a_wait(person: Person) -> None:
    login_server = in_lobby(person)
    login_server.receives(person.desk.client, wanted("bob", "carol", "dave", "eve", "\x1bfrank"))
    text = person.sees()
    assert "bob wants to play you. Type p bob" in text
    assert "dave wants to play you" in text
    assert "and 2 more" in text
    assert "eve" not in text
    person.types("m")
    assert "Cancel first, to play somebody who wants to play you:\n bob wants" in person.sees()
    person.types("c")
    login_server.receives(person.desk.client, MatchCancelled(reason="you cancelled"), wanted())
    person.sees()
    login_server.receives(person.desk.client, wanted("bob", game="go"))
    assert "wants to play" not in person.sees(), "another game"


def test_who_wants_another_round_is_shown_after_the_game(person: Person) -> None:
    game_server = playing(person)
    login_server = person.desk.logged_in()
    login_server.receives(person.desk.client, wanted("bob"))
    assert "wants to play you" not in person.sees()
    person.desk.happens(game_server, GameEnded(winner="alice", reason="resigned", line=[], turns=0))
    assert "bob wants to play you. Type p bob" in person.sees()
    person.types("p bob")
    assert login_server.take() == [FindMatch(game="four_in_a_row", partner="bob")]


def test_a_long_answer_is_wrapped(person: Person) -> None:
    login_server = in_lobby(person)
    words = " ".join(f"word{number}" for number in range(30))
    login_server.receives(person.desk.client, Refused(code="no", message=words, about="find_match"))
    text = person.sees()
    assert all(f"word{number}" in text for number in range(30))
    login_server.receives(person.desk.client, Refused(code="no", message="x" * 1024, about="find_match"))
    text = person.sees()
    assert text.count("x" * 75) == 4
    assert "x~\n" in text


@pytest.mark.parametrize(
    ("line", "sent"),
    [
        ("2", JoinServer(server_id="b/two")),
        (" m ", FindMatch(game="four_in_a_row")),
        ("p bob", FindMatch(game="four_in_a_row", partner="bob")),
    ],
)
def test_what_can_be_wished_for(person: Person, line: str, sent: Any) -> None:
    login_server = in_lobby(person)
    person.types(line)
    assert login_server.take() == [sent]
    assert "c: cancel" in person.sees()


@pytest.mark.parametrize(
    ("line", "answer"),
    [
        ("3", "there is no server 3 in the list"),
        ("0", "there is no server 0 in the list"),
        ("²", "is none of these"),
        ("p", "say with whom: p NAME"),
        ("what", "'what' is none of these"),
    ],
)
def test_what_cannot_be_wished_for_is_answered(person: Person, line: str, answer: str) -> None:
    login_server = in_lobby(person)
    person.types(line)
    assert answer in person.sees()
    assert login_server.take() == []
    person.types("r")
    assert answer not in person.sees()


def test_a_server_that_sleeps_is_waited_for(person: Person) -> None:
    login_server = in_lobby(person)
    login_server.receives(person.desk.client, JoinPending("here/four", "the server is being woken: its process runs"))
    assert "waiting for here/four: the server is being woken: its process runs" in person.sees()


def test_waiting_can_be_cancelled(person: Person) -> None:
    login_server = in_lobby(person)
    person.types("m")
    pending = MatchPending(game="four_in_a_row", players=2, waiting=1, reason="no server is free")
    login_server.receives(person.desk.client, pending)
    assert "waiting for a match: 1 of 2 players are here; no server is free" in person.sees()
    person.types("what", "c")
    assert login_server.take()[-1] == CancelMatch()
    login_server.receives(person.desk.client, MatchCancelled(reason="you cancelled"))
    text = person.sees()
    assert "no match: you cancelled" in text
    assert "NUMBER: join" in text


@pytest.mark.parametrize("line", ["m", "1"])
def test_while_the_login_server_is_away_a_wish_waits_for_it_and_can_be_cancelled(person: Person, line: str) -> None:
    login_server = in_lobby(person)
    login_server.disconnects(person.desk.client, DisconnectReason.CONNECTION_LOST)
    person.sees()
    person.types(line)
    text = person.sees()
    assert "the login server is away; it is asked as soon as it is back" in text
    assert "c: cancel" in text
    person.types("c")
    text = person.sees()
    assert "the login server is still away" in text
    assert "NUMBER: join" in text


def test_a_server_of_another_game_is_not_joined(person: Person, made: "type[Made]") -> None:
    login_server = in_lobby(person)
    other = structs.replace(made.server("c/dust"), game="teeworlds")
    login_server.receives(person.desk.client, ServersChanged(changed=[other], removed=[]))
    person.sees()
    person.types("3")
    text = person.sees()
    assert "c/dust is a server of teeworlds, which is not played here" in text
    assert "NUMBER: join" in text
    assert login_server.take() == []


def test_a_wish_that_is_refused_is_explained_in_the_lobby(person: Person) -> None:
    login_server = in_lobby(person)
    person.types("1")
    refusal = Refused(code="server_full", message="the server a/one is full", about="join_server")
    login_server.receives(person.desk.client, refusal)
    text = person.sees()
    assert "the server a/one is full" in text
    assert "NUMBER: join" in text


@pytest.mark.parametrize("lines", [("q",), ("m", "q"), (None,)])
def test_quitting(person: Person, lines: tuple[Any, ...]) -> None:
    in_lobby(person)
    person.types(*lines)
    assert person.desk.ends == ["the player quits"]


def test_quitting_before_anything_answers(person: Person) -> None:
    person.types("what", "q")
    assert person.desk.ends == ["the player quits"]


# --- the game ---------------------------------------------------------------------------------------


def test_a_game_on_the_screen(person: Person) -> None:
    game_server = person.desk.playing()
    text = person.sees()
    assert "here/four" in text
    assert "X alice (you)    O bob" in text
    assert "It is your turn." in text
    person.types("4")
    assert game_server.take() == [protocol.Drop(column=3)]
    person.desk.happens(game_server, PieceDropped(player="alice", column=3, row=0, next_player="bob"))
    text = person.sees()
    assert "|   |   |   |[X]|   |   |   |" in text
    assert "You dropped into column 4." in text
    assert "It is bob's turn." in text
    person.desk.happens(game_server, PieceDropped(player="bob", column=3, row=1, next_player="alice"))
    assert "bob dropped into column 4." in person.sees()
    person.desk.happens(game_server, protocol.PlayerGone(player="bob", until=60.0))
    text = person.sees()
    assert "O bob (not here)" in text
    assert "bob is gone; the game waits a while." in text
    person.desk.happens(game_server, protocol.PlayerReturned(player="bob"))
    assert "bob is back." in person.sees()


@pytest.mark.parametrize("line", ["8", "0", "x", "-1", "44"])
def test_what_is_no_column_is_answered_and_not_sent(person: Person, line: str) -> None:
    game_server = playing(person)
    person.types(line)
    assert "type a column from 1 to 7, or q" in person.sees()
    assert game_server.take() == []


def test_a_wrong_move_is_explained(person: Person) -> None:
    game_server = playing(person, "bob")
    person.types("1", "")
    problem = Problem(code="not_your_turn", message="it is the turn of bob")
    game_server.receives(person.desk.client, Response(status="error", command="drop", error=problem))
    assert "it is the turn of bob" in person.sees()


def test_giving_up_is_asked_for_twice(person: Person) -> None:
    game_server = playing(person)
    person.types("q")
    assert "Really give up?" in person.sees()
    person.desk.happens(game_server, protocol.PlayerGone(player="bob", until=60.0))
    assert "Really give up?" in person.sees()
    person.types("n")
    assert "q: give up" in person.sees()
    assert game_server.take() == []
    person.types("q", "y")
    assert game_server.take() == [protocol.Resign()]


def test_voting_for_the_next_map(person: Person, made: "type[Made]") -> None:
    login_server = in_lobby(person)
    here = structs.replace(made.server("here/four"), maps=["7x6", "8x7"])
    login_server.receives(person.desk.client, ServersChanged(changed=[here], removed=[]), made.match_found())
    person.desk.game_server().receives(person.desk.client, made.joined())
    login_server.take()
    person.sees()
    person.types("v")
    assert "v MAP, one of 7x6, 8x7" in person.sees()
    person.types("v 8x7")
    assert login_server.take() == [VoteMap(server_id="here/four", map="8x7")]
    stands = MapVote("here/four", {"8x7": 1}, needed=2, ends_at=60.0)
    login_server.receives(person.desk.client, stands)
    assert "Vote for the next map: 8x7 1; 2 needed. Type v MAP." in person.sees()
    login_server.receives(person.desk.client, structs.replace(stands, outcome="8x7 was chosen"))
    assert "The vote for the map has ended: 8x7 was chosen." in person.sees()
    login_server.receives(person.desk.client, Refused("vote_refused", "the next may begin in 60 s", "vote_map"))
    assert "the next may begin in 60 s" in person.sees()


def test_no_vote_where_there_is_none(person: Person) -> None:
    playing(person)
    person.types("v 8x7", "v")
    assert "not voted for" in person.sees()


def test_giving_up_before_the_other_one_is_there_leaves_the_game(person: Person, made: "type[Made]") -> None:
    in_lobby(person).receives(person.desk.client, made.join_granted())
    person.desk.game_server()
    person.types("q", "yes")
    assert "NUMBER: join" in person.sees()
    assert person.desk.connections[0].closed


@pytest.mark.parametrize("door", [False, True])
def test_leaving_while_the_login_server_is_away_leads_to_the_lobby(
    person: Person, made: "type[Made]", door: bool
) -> None:
    login_server = in_lobby(person)
    login_server.receives(person.desk.client, made.join_granted())
    if door:
        person.desk.client.ask_door = lambda day_pass, server_id: None
    login_server.disconnects(person.desk.client, DisconnectReason.CONNECTION_LOST)
    person.types("q", "y")
    assert "NUMBER: join" in person.sees().splitlines()[-2]


def test_the_result_stays_until_the_player_has_seen_it(person: Person) -> None:
    game_server = playing(person)
    person.desk.happens(game_server, GameEnded(winner="alice", reason="resigned", line=[], turns=0))
    text = person.sees()
    assert "You win because bob gave up after 0 turns." in text
    assert "m: another match   p NAME: match with NAME   Enter: back to servers   q: quit" in text
    assert person.terminal.last_words == "You win because bob gave up after 0 turns."
    person.types("")
    assert "NUMBER: join" in person.sees()


def test_a_new_game_makes_the_last_result_forgotten(person: Person, made: "type[Made]") -> None:
    game_server = playing(person)
    person.desk.happens(game_server, GameEnded(winner="alice", reason="resigned", line=[], turns=0))
    person.types("")
    assert person.terminal.last_words
    person.types("m")
    person.desk.logged_in().receives(person.desk.client, made.match_found())
    assert person.terminal.last_words == ""


def test_another_match_is_one_key_away(person: Person, made: "type[Made]") -> None:
    login_server = person.desk.logged_in()
    login_server.receives(person.desk.client, made.match_found())
    game_server = person.desk.game_server()
    game_server.receives(person.desk.client, made.joined())
    person.desk.sequence = 3
    person.desk.happens(game_server, GameEnded(winner="", reason="abandoned", line=[], turns=0))
    login_server.take()
    person.types("m")
    assert login_server.take() == [FindMatch(game="four_in_a_row")]
    assert "c: cancel" in person.sees()
    person.types("c")


def test_quitting_after_the_game(person: Person) -> None:
    game_server = playing(person)
    person.desk.happens(game_server, GameEnded(winner="", reason="draw", line=[], turns=42))
    person.types("q")
    assert person.desk.ends == ["the player quits"]


def test_what_is_typed_is_drawn_with_every_change() -> None:
    stream = io.StringIO()
    screen = Screen(stream, Style(colours=True, unicode=True), replace=True)
    screen.show(["one"], "> ", "4")
    screen.show(["two"], "> ", "45\x1b")
    screen.finish("bye")
    assert stream.getvalue() == (
        "\x1b[?1049h\x1b[Hone\x1b[K\n> 4\x1b[K\x1b[J\x1b[Htwo\x1b[K\n> 45?\x1b[K\x1b[J\x1b[?1049lbye\n"
    )


def test_where_nothing_can_be_replaced_nothing_is_printed_twice() -> None:
    stream = io.StringIO()
    screen = Screen(stream, Style(), replace=False)
    for typed in ("", "4", ""):
        screen.show(["one"], "> ", typed)
    screen.finish()
    assert stream.getvalue() == "one\n> \n"


def test_a_game_that_moves_stays_on_the_screen(person: Person, made: "type[Made]") -> None:
    game_server = playing(person)
    moved = protocol.Moved(address="127.0.0.1", port=7001, game_id="m1", resume_key="key")
    game_server.receives(person.desk.client, moved)
    screen = person.sees()
    assert "the game moves to another server" in screen
    assert "It is your turn." in screen
    person.types("3")
    there = person.desk.game_server()
    there.receives(person.desk.client, made.joined())
    assert there.take() == [protocol.Drop(column=2)]
    assert "The game goes on there." in person.sees()


def test_a_larger_board_has_more_columns_to_type(person: Person, made: "type[Made]") -> None:
    game_server = playing(person)
    larger = made.joined()
    assert larger.state.game is not None
    larger.state.game.width = 9
    game_server.receives(person.desk.client, larger)
    assert "1-9: drop a piece" in person.sees()
    person.types("9", "10")
    assert game_server.take() == [protocol.Drop(column=8)]
    assert "type a column from 1 to 9" in person.sees()
