"""Scripted conversations of the client with a login server and a game server."""

from typing import TYPE_CHECKING, Any

import pytest

from connhandler import DisconnectReason, PeerDisconnected, ProtocolError
from connhandler.jsonmessage import Ping, Pong, Refused, ShuttingDown
from game_server import protocol
from game_server.model import GameBegan, GameEnded, PieceDropped
from login_server.protocol import (
    CancelMatch,
    FindMatch,
    JoinPending,
    JoinServer,
    LogIn,
    MatchCancelled,
    MatchOver,
    MatchPending,
    MatchRequest,
    MatchRequests,
    MatchRunning,
    Register,
    Registered,
    ServersChanged,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.game_server.client.conftest import Desk, Diary, Made


def diary(desk: "Desk") -> list[Any]:
    view: Diary = desk.view  # type: ignore[assignment]
    return view.take()


WON = GameEnded(winner="alice", reason="won", line=[(0, 0), (0, 1), (0, 2), (0, 3)], turns=7)


# --- the login server -------------------------------------------------------------------------------


def test_logging_in_shows_the_servers_and_then_the_lobby(desk: "Desk") -> None:
    login_server = desk.login_server()
    assert login_server.take() == [LogIn(name="alice", password="secret")]
    again = desk.logged_in("b/two", "a/one")
    again.receives(desk.client, Ping())
    assert again.take() == [Pong()]
    assert diary(desk) == ["logged in as alice", ["a/one", "b/two"], "in_lobby"]


def test_registering_comes_before_logging_in(open_desk: "Callable[..., Desk]") -> None:
    desk = open_desk(register=True)
    login_server = desk.login_server()
    assert login_server.take() == [Register(name="alice", password="secret")]
    login_server.receives(desk.client, Registered(name="alice"))
    assert login_server.take() == [LogIn(name="alice", password="secret")]
    assert desk.login_server().take() == [LogIn(name="alice", password="secret")]


def test_a_name_that_is_taken_may_be_ones_own(open_desk: "Callable[..., Desk]") -> None:
    desk = open_desk(register=True)
    login_server = desk.login_server()
    login_server.take()
    login_server.receives(desk.client, Refused(code="name_taken", message="the name alice is taken", about="register"))
    assert login_server.take() == [LogIn(name="alice", password="secret")]
    assert diary(desk) == ["the name alice is taken; logging in with it"]
    login_server.receives(desk.client, Refused(code="wrong_login", message="wrong password", about="log_in"))
    assert desk.client.rejected == "wrong password"
    assert desk.ends == ["wrong password"]


def test_who_is_logged_in_elsewhere_is_told_at_first_and_waits_later(desk: "Desk") -> None:
    refusal = Refused(code="already_logged_in", message="alice is logged in on another connection", about="log_in")
    desk.login_server().receives(desk.client, refusal)
    assert desk.ends == [refusal.message]
    desk.ends.clear()
    desk.logged_in().disconnects(desk.client)
    again = desk.login_server()
    again.receives(desk.client, refusal)
    assert desk.ends == []
    assert again.disconnected


def test_a_server_list_that_changes_is_shown(desk: "Desk", made: "type[Made]") -> None:
    login_server = desk.logged_in("a/one", "b/two")
    diary(desk)
    login_server.receives(desk.client, ServersChanged(changed=[made.server("c/three")], removed=["a/one", "x"]))
    assert diary(desk) == [["b/two", "c/three"]]


def test_a_login_server_that_does_not_answer_is_worth_a_word(desk: "Desk") -> None:
    desk.pass_seconds(3)
    assert diary(desk) == ["trouble: the login server does not answer; still trying"]


def test_a_login_server_that_is_lost_and_back_hears_the_wish_again(desk: "Desk") -> None:
    login_server = desk.logged_in()
    desk.client.find_match("four_in_a_row", "bob")
    assert login_server.take() == [FindMatch(game="four_in_a_row", players=2, partner="bob")]
    login_server.disconnects(desk.client, DisconnectReason.CONNECTION_LOST)
    diary(desk)
    again = desk.logged_in()
    assert again.take() == [FindMatch(game="four_in_a_row", players=2, partner="bob")]
    assert "in_lobby" not in diary(desk)


def test_what_others_do_is_told_and_forgotten_with_the_connection(desk: "Desk") -> None:
    login_server = desk.logged_in()
    diary(desk)
    running = MatchRunning(match_id="m1", game="four_in_a_row", players=["alice", "bob"], server_id="here/four")
    requests = MatchRequests(requests=[MatchRequest(player="bob", game="four_in_a_row")])
    login_server.receives(desk.client, running, requests)
    assert diary(desk) == ["missed: m1", "wanted by ['bob']"]
    login_server.receives(desk.client, MatchOver(match_id="m1"), MatchRequests(requests=[]))
    assert diary(desk) == ["missed: None", "wanted by []"]
    login_server.receives(desk.client, running, requests)
    login_server.disconnects(desk.client, DisconnectReason.CONNECTION_LOST)
    diary(desk)
    desk.logged_in()
    assert diary(desk)[:2] == ["missed: None", "wanted by []"]


def test_waiting_for_a_match_and_cancelling(desk: "Desk") -> None:
    login_server = desk.logged_in()
    desk.client.find_match("four_in_a_row")
    pending = MatchPending(game="four_in_a_row", players=2, waiting=1)
    login_server.receives(desk.client, pending)
    diary(desk)
    desk.client.cancel_wish()
    assert login_server.take()[-1:] == [CancelMatch()]
    login_server.receives(desk.client, MatchCancelled(reason="you cancelled"))
    assert diary(desk) == ["no match: you cancelled", "in_lobby"]


def test_waiting_for_a_server_that_sleeps(desk: "Desk", made: "type[Made]") -> None:
    login_server = desk.logged_in()
    desk.client.join_server("here/four")
    diary(desk)
    login_server.receives(desk.client, JoinPending("here/four", "the server is being woken"))
    assert diary(desk) == ["waking: here/four, the server is being woken"]


def test_a_wish_that_is_refused_leads_back_to_the_lobby(desk: "Desk") -> None:
    login_server = desk.logged_in()
    diary(desk)
    desk.client.join_server("nowhere")
    assert login_server.take() == [JoinServer(server_id="nowhere")]
    login_server.receives(desk.client, Refused(code="no_such_server", message="there is none", about="join_server"))
    assert diary(desk) == ["trouble: there is none", "in_lobby"]


# --- the game server --------------------------------------------------------------------------------


def test_a_match_from_the_ticket_to_the_end(desk: "Desk", made: "type[Made]") -> None:
    desk.logged_in().receives(desk.client, made.match_found())
    assert diary(desk)[-2:] == ["matched with bob", "joining here/four"]
    (connection,) = desk.connections
    assert (connection.visit.address, connection.visit.port) == ("127.0.0.1", 7000)
    game_server = desk.game_server()
    assert (connection.visit.game_id, connection.visit.ticket, connection.visit.resume_key) == ("m1", "ticket", "")
    game_server.receives(desk.client, made.joined(moves=(0, 1, 0, 1, 0, 1)))
    desk.sequence = 9
    assert diary(desk) == [None]
    visit = desk.client.visit
    assert visit is not None
    assert visit.my_turn
    desk.client.drop(0)
    assert game_server.take() == [protocol.Drop(column=0)]
    desk.happens(game_server, PieceDropped(player="alice", column=0, row=3, next_player=""))
    assert connection.closed
    assert desk.client.visit is None
    assert diary(desk)[1:] == ["game_over", "in_lobby"]
    desk.happens(game_server, WON)
    game_server.disconnects(desk.client)
    assert diary(desk) == []


def test_an_open_game_begins_when_somebody_comes(desk: "Desk", made: "type[Made]") -> None:
    desk.logged_in().receives(desk.client, made.join_granted())
    assert desk.connections[0].visit.game_id == "*"
    game_server = desk.game_server()
    state = protocol.GameState(sequence=1, players=["alice"], present=["alice"], begun=False, game=None)
    game_server.receives(
        desk.client, protocol.Joined(game_id="open-1", player="alice", seat=0, state=state, resume_key="key")
    )
    visit = desk.client.visit
    assert visit is not None
    assert (visit.game_id, visit.opponent, visit.my_turn) == ("open-1", "", False)
    desk.sequence = 1
    desk.happens(
        game_server,
        protocol.PlayerSeated(player="bob", seat=1),
        GameBegan(players=["alice", "bob"], beginner="bob"),
        PieceDropped(player="bob", column=3, row=0, next_player="alice"),
        protocol.PlayerGone(player="bob", until=60.0),
    )
    assert (visit.opponent, visit.my_turn, visit.present) == ("bob", True, ["alice"])
    desk.happens(game_server, protocol.PlayerReturned(player="bob"))
    assert visit.present == ["alice", "bob"]
    desk.client.resign()
    assert game_server.take()[-1] == protocol.Resign()
    desk.happens(game_server, GameEnded(winner="bob", reason="resigned", line=[], turns=1))
    assert diary(desk)[-2:] == ["game_over", "in_lobby"]
    assert (visit.game and visit.game.winner) == "bob"


def test_who_joins_the_server_of_a_match_that_goes_on_comes_back_to_that_match(
    desk: "Desk", made: "type[Made]"
) -> None:
    granted = made.join_granted()
    granted.match_id = "m1"
    desk.logged_in().receives(desk.client, granted)
    assert desk.connections[0].visit.game_id == "m1"


def test_a_lost_connection_is_made_again_with_the_resume_key(desk: "Desk", made: "type[Made]") -> None:
    game_server = desk.playing()
    diary(desk)
    game_server.disconnects(desk.client, DisconnectReason.CONNECTION_LOST)
    assert diary(desk) == ["trouble: the connection to the game is lost; connecting again"]
    desk.client.drop(3)
    assert diary(desk) == ["trouble: there is no connection to the game right now"]
    assert desk.connections[0].visit.resume_key == "key"
    again = desk.game_server()
    again.receives(desk.client, made.joined(moves=(3, 4)))
    visit = desk.client.visit
    assert visit is not None
    assert visit.game is not None
    assert visit.game.moves == [3, 4]
    assert not desk.connections[0].closed
    desk.pass_seconds(1000)
    assert desk.client.visit is visit


def test_a_game_that_cannot_be_reached_again_is_given_up(desk: "Desk") -> None:
    game_server = desk.playing()
    game_server.disconnects(desk.client, DisconnectReason.CONNECTION_LOST)
    diary(desk)
    desk.pass_seconds(90)
    assert diary(desk) == ["trouble: the game server cannot be reached", "in_lobby"]
    assert desk.connections[0].closed


def test_a_game_whose_server_is_somewhere_else_now_is_looked_for_there(desk: "Desk", made: "type[Made]") -> None:
    game_server = desk.playing()
    moved = ServersChanged(changed=[made.server("here/four", port=7001)], removed=[])
    login_server = desk.logged_in()
    login_server.receives(desk.client, moved)
    assert desk.client.visit is not None
    game_server.disconnects(desk.client, DisconnectReason.CONNECTION_LOST)
    login_server.receives(desk.client, ServersChanged(changed=[made.server("here/four")], removed=["x"]))
    assert desk.client.visit is not None
    diary(desk)
    login_server.receives(desk.client, moved)
    assert diary(desk) == [["here/four"]]
    assert [connection.closed for connection in desk.connections] == [True, False]
    visit = desk.connections[1].visit
    assert (visit.port, visit.resume_key) == (7001, "key")
    there = desk.game_server()
    refused = protocol.CloseCode.NOT_LET_IN
    desk.client.handle(PeerDisconnected(there.peer, DisconnectReason.CLOSED_BY_PEER, "no such key", code=refused))
    assert diary(desk) == ["trouble: the game server does not let you in: no such key", "in_lobby"]


def test_a_game_that_cannot_be_reached_at_all_is_given_up_sooner(desk: "Desk", made: "type[Made]") -> None:
    desk.logged_in().receives(desk.client, made.match_found())
    diary(desk)
    desk.pass_seconds(20)
    assert diary(desk) == ["trouble: the game server cannot be reached", "in_lobby"]


@pytest.mark.parametrize("code", sorted(set(protocol.CloseCode) - {protocol.CloseCode.MOVED}))
def test_a_close_for_good_ends_the_visit(desk: "Desk", code: protocol.CloseCode) -> None:
    game_server = desk.playing()
    diary(desk)
    closed = PeerDisconnected(game_server.peer, DisconnectReason.CLOSED_BY_PEER, "you came back", code=code)
    desk.client.handle(closed)
    assert diary(desk) == ["trouble: the game server does not let you in: you came back", "in_lobby"]
    assert desk.connections[0].closed


def moved() -> protocol.Moved:
    return protocol.Moved(address="127.0.0.1", port=7001, game_id="m1", resume_key="key")


def test_a_game_that_moves_is_followed_and_what_had_no_answer_is_said_again(desk: "Desk", made: "type[Made]") -> None:
    first = desk.playing()
    desk.client.drop(3)
    desk.happens(first, PieceDropped(player="alice", column=3, row=0, next_player="bob"))
    first.receives(desk.client, protocol.Response(status="ok", command="drop"))
    desk.happens(first, PieceDropped(player="bob", column=3, row=1, next_player="alice"))
    desk.client.drop(4)
    assert first.take() == [protocol.Drop(column=3), protocol.Drop(column=4)]
    diary(desk)
    first.receives(desk.client, moved())
    desk.client.resign()
    assert diary(desk) == ["the game moves to another server"]
    assert [connection.closed for connection in desk.connections] == [True, False]
    visit = desk.client.visit
    assert visit is not None
    assert (visit.address, visit.port, visit.game_id, visit.resume_key) == ("127.0.0.1", 7001, "m1", "key")
    desk.logged_in().receives(desk.client, ServersChanged(changed=[made.server("here/four")], removed=[]))
    assert len(desk.connections) == 2

    first.disconnects(desk.client, DisconnectReason.CLOSED_BY_US)
    diary(desk)
    second = desk.game_server()
    second.receives(desk.client, made.joined(moves=(3, 3)))
    assert second.take() == [protocol.Drop(column=4), protocol.Resign()]
    assert diary(desk) == ["came_along"]
    desk.happens(second, PieceDropped(player="alice", column=4, row=0, next_player="bob"))
    second.receives(desk.client, protocol.Response(status="ok", command="drop"))
    second.receives(desk.client, moved())
    third = desk.game_server()
    third.receives(desk.client, made.joined(moves=(3, 3, 4)))
    assert third.take() == [protocol.Resign()]
    assert desk.client.visit is visit


def test_a_game_that_has_ended_meanwhile_is_over_when_its_player_comes(desk: "Desk", made: "type[Made]") -> None:
    desk.playing().receives(desk.client, moved())
    diary(desk)
    over = made.joined()
    assert over.state.game is not None
    over.state.game.reason = "resigned"
    desk.game_server().receives(desk.client, over)
    assert diary(desk) == ["came_along", "game_over", "in_lobby"]


def test_a_successor_that_cannot_be_reached_is_given_up(desk: "Desk") -> None:
    desk.playing().receives(desk.client, moved())
    diary(desk)
    desk.pass_seconds(90)
    assert diary(desk) == ["trouble: the game server cannot be reached", "in_lobby"]
    assert all(connection.closed for connection in desk.connections)


def test_a_close_because_the_server_stops_does_not_end_the_visit(desk: "Desk") -> None:
    game_server = desk.playing()
    desk.client.handle(PeerDisconnected(game_server.peer, DisconnectReason.CLOSED_BY_PEER, "", code=1001))
    assert desk.client.visit is not None


@pytest.mark.parametrize("status", [400, 401, 403])
def test_a_game_server_that_does_not_let_in_ends_the_visit(desk: "Desk", made: "type[Made]", status: int) -> None:
    desk.logged_in().receives(desk.client, made.match_found())
    diary(desk)
    desk.client.game_server_refused(1, status, "no")
    assert diary(desk) == ["trouble: the game server does not let you in: no", "in_lobby"]
    assert desk.connections[0].closed
    desk.client.game_server_refused(1, status, "no")
    assert diary(desk) == []


def test_a_game_server_that_is_not_ready_yet_is_tried_again(desk: "Desk", made: "type[Made]") -> None:
    desk.logged_in().receives(desk.client, made.match_found())
    diary(desk)
    desk.client.game_server_refused(1, 503, "not_ready: try again soon")
    assert diary(desk) == ["trouble: not_ready: try again soon"]
    assert not desk.connections[0].closed


def test_a_wrong_move_is_shown_and_nothing_else_happens(desk: "Desk") -> None:
    game_server = desk.playing()
    diary(desk)
    problem = protocol.Problem(code="column_full", message="column 3 is full")
    game_server.receives(desk.client, protocol.Response(status="error", command="drop", error=problem))
    assert diary(desk) == ["trouble: column 3 is full"]
    game_server.receives(desk.client, protocol.Response(status="ok", command="drop"))
    assert diary(desk) == []
    assert desk.client.visit is not None


def test_missing_events_are_asked_for_once_and_those_seen_before_are_passed_over(desk: "Desk") -> None:
    game_server = desk.playing()
    diary(desk)
    desk.sequence = 5
    desk.happens(game_server, PieceDropped(player="alice", column=1, row=0, next_player="bob"))
    desk.happens(game_server, PieceDropped(player="bob", column=1, row=0, next_player="alice"))
    assert game_server.take() == [protocol.Events(from_sequence=4)]
    assert diary(desk) == []
    desk.sequence = 3
    moves = [("alice", 0), ("bob", 2), ("alice", 1)]
    for player, column in moves:
        desk.happens(game_server, PieceDropped(player=player, column=column, row=0, next_player=""))
    desk.sequence = 4
    desk.happens(game_server, PieceDropped(player="bob", column=6, row=0, next_player=""))
    assert desk.client.visit is not None
    assert desk.client.visit.game is not None
    assert desk.client.visit.game.moves == [0, 2, 1]
    assert game_server.take() == []


def test_a_game_server_that_tells_of_an_impossible_move_is_cut_off(desk: "Desk") -> None:
    game_server = desk.playing("alice")
    desk.happens(game_server, PieceDropped(player="bob", column=1, row=0, next_player="alice"))
    assert isinstance(game_server.failure, ProtocolError)


def test_what_the_operator_of_the_server_says_is_shown(desk: "Desk") -> None:
    game_server = desk.playing()
    diary(desk)
    game_server.receives(desk.client, protocol.Notice(text="a restart at ten"))
    assert diary(desk) == ["the game server says: a restart at ten"]


def test_what_a_former_game_server_says_is_not_heard(desk: "Desk", made: "type[Made]") -> None:
    old = desk.playing()
    desk.client.leave_game()
    desk.logged_in().receives(desk.client, made.match_found())
    diary(desk)
    error = protocol.Problem(code="x", message="y")
    old.receives(
        desk.client,
        made.joined(),
        ShuttingDown(message="bye"),
        protocol.Notice(text="bye"),
        protocol.Response(status="error", command="drop", error=error),
    )
    desk.client.game_server_refused(old.peer.visit, 401, "no")
    desk.happens(old, WON)
    old.disconnects(desk.client)
    assert diary(desk) == []
    assert old.take() == []


def test_without_a_connection_nothing_is_sent_and_at_the_end_the_visit_ends(desk: "Desk") -> None:
    desk.client.drop(1)
    desk.client.resign()
    desk.client.leave_game()
    desk.client.cancel_wish()
    desk.playing()
    desk.client.on_shutdown()
    assert desk.connections[0].closed


def test_a_certificate_that_is_not_trusted_ends_the_client_unless_it_was_logged_in(
    open_desk: "Callable[..., Desk]",
) -> None:
    before, later = open_desk(), open_desk()
    before.client.certificate_not_trusted("who is that?")
    assert (before.client.untrusted, before.ends) == ("who is that?", ["who is that?"])
    later.logged_in()
    later.client.certificate_not_trusted("who is that?")
    assert (later.client.untrusted, later.ends) == ("", [])
