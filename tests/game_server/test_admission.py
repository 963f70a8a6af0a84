"""Who is let in to which game: before the upgrade, and between it and the first message."""

from typing import TYPE_CHECKING, Any

import pytest

from connhandler import testing
from connhandler.framing.httprequest import HttpRequest
from game_server.admission import Presented, read_request
from game_server.model import GameBegan
from game_server.playerhandler import PlayerPeer
from game_server.protocol import CloseCode, Drop, GameEvent, Joined, Resign, State
from login_server.tickets import TicketIssuer, generate_key_pair
from tests.game_server.conftest import response

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.game_server.conftest import Hall


def read(path: str, query: dict[str, str] | None = None, **headers: str) -> Presented:
    return read_request(HttpRequest(method="GET", path=path, query=query or {}, headers=headers))


# --- what a request says ----------------------------------------------------------------------------


def test_the_game_is_the_last_segment_of_the_path() -> None:
    assert read("/m1").game_id == read("/games/four/m1").game_id == "m1"
    assert read("/*").game_id == "*"


@pytest.mark.parametrize("path", ["/", "/games/", "/" + "x" * 129])
def test_without_a_game_it_is_a_bad_request(hall: "Hall", path: str) -> None:
    assert hall.refusal(path[1:], token=hall.ticket("alice")) == (400, "no_game_id")


def test_a_token_comes_in_the_header_or_in_the_query() -> None:
    assert read("/m", authorization="Bearer abc").token == "abc"
    assert read("/m", authorization="bearer  abc ").token == "abc"
    assert read("/m", {"token": "abc"}).token == "abc"
    assert read("/m", {"token": "other"}, authorization="Bearer abc").token == "abc"
    assert read("/m", authorization="Basic abc").token == ""
    assert read("/m", authorization="Bearer").token == ""


def test_a_ticket_in_the_header_lets_in(hall: "Hall") -> None:
    connection = hall.open("m1", {"authorization": f"Bearer {hall.ticket('alice')}"})
    assert isinstance(connection.sent[0], Joined)


# --- tickets ----------------------------------------------------------------------------------------


def test_without_a_ticket_nobody_is_let_in(hall: "Hall") -> None:
    assert hall.refusal("m1") == (401, "no_ticket")
    assert hall.refusal("m1", player="alice") == (401, "no_ticket")
    assert hall.refusal("m1", token="") == (401, "no_ticket")


def test_a_ticket_that_is_not_good_does_not_let_in(hall: "Hall") -> None:
    forger = TicketIssuer(generate_key_pair()[0], hall.issuer.issuer)
    used = hall.ticket("alice")
    hall.open("m1", token=used)
    old = hall.ticket("bob")
    assert hall.refusal("m1", token=used) == (401, "ticket_reused")
    hall.clock.advance(63)
    for text, code in (
        ("what is this", "ticket_malformed"),
        (hall.ticket("bob", issuer=forger), "ticket_forged"),
        (old, "ticket_expired"),
        (used, "ticket_expired"),
        (hall.ticket("bob", server_id="there/four"), "ticket_wrong_server"),
        (hall.ticket("bob", "m2"), "ticket_wrong_game"),
        (hall.ticket("bob", "*"), "ticket_wrong_game"),
    ):
        assert hall.refusal("m1", token=text) == (401, code)


def test_the_log_says_which_issuer_was_expected(hall: "Hall", caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "game_server.door")
    private = generate_key_pair()[0]
    other = TicketIssuer(private, "\x1b" + "x" * 100)
    other._key = hall.issuer._key
    assert hall.refusal("m1", token=hall.ticket("alice", issuer=other)) == (401, "ticket_forged")
    wanted = f"a ticket is not good, ticket_forged: its iss is '\\x1b{'x' * 75}, expected is {hall.issuer.issuer!r}"
    assert caplog.messages == [wanted]


def test_a_ticket_for_a_game_of_others_or_of_too_many_is_refused(hall: "Hall") -> None:
    hall.join("alice")
    for game_id, players, code in (
        ("m1", ("carol", "dave"), "not_in_game"),
        ("m2", ("carol", "dave", "eve"), "players_invalid"),
        ("m3", ("carol", "carol"), "players_invalid"),
    ):
        assert hall.refusal(game_id, token=hall.ticket("carol", game_id, players)) == (403, code)
    assert len(hall.listener.games) == 1


@pytest.mark.parametrize("name", ["x" * 129, "a\nb", "\x1b[2J", " "])
def test_a_token_of_any_issuer_names_nobody_whom_nobody_can_be_called(
    open_hall: "Callable[..., Hall]", name: str
) -> None:
    hall = open_hall(server_id="")
    assert hall.refusal("m1", token=hall.ticket(name, players=(name, "bob"))) == (401, "name_invalid")
    assert hall.refusal("m1", token=hall.ticket("bob", players=(name, "bob"))) == (401, "name_invalid")
    assert hall.refusal("*", token=hall.ticket(name, "*")) == (401, "name_invalid")
    assert len(hall.listener.games) == 0


def test_without_a_key_to_check_tickets_with_nobody_is_let_in(launched: "Hall") -> None:
    ticket = launched.ticket("alice")
    assert launched.refusal("m1", token=ticket) == (503, "not_ready")
    launched.launcher()
    assert isinstance(launched.open("m1", token=ticket).sent[0], Joined)


def test_a_server_takes_so_many_games_and_no_more(open_hall: "Callable[..., Hall]") -> None:
    hall = open_hall(max_games=1)
    hall.join("alice")
    ticket = hall.ticket("carol", "m2", ("carol", "dave"))
    assert hall.refusal("m2", token=ticket) == (503, "server_full")
    assert isinstance(hall.join("bob").sent[0], Joined)


def test_a_token_of_any_issuer_is_for_the_game_in_its_audience(open_hall: "Callable[..., Hall]") -> None:
    hall = open_hall(server_id="")
    assert hall.refusal("m2", token=hall.ticket("alice")) == (401, "ticket_wrong_server")
    assert isinstance(hall.open("m1", token=hall.ticket("alice")).sent[0], Joined)


# --- resume keys ------------------------------------------------------------------------------------


def test_a_resume_key_is_for_its_own_game_alone(hall: "Hall") -> None:
    key = hall.join("alice").sent[0].resume_key
    assert hall.closed_at_once("m1", resume="guess") == (CloseCode.NOT_LET_IN, "resume_key_unknown")
    assert hall.closed_at_once("m2", resume=key) == (CloseCode.NOT_LET_IN, "resume_key_unknown")
    assert hall.closed_at_once("*", resume=key) == (CloseCode.NOT_LET_IN, "resume_key_unknown")
    again = hall.open("m1", resume=key, token="what was used at first")
    assert again.sent[0].player == "alice"


# --- between the upgrade and the first message ------------------------------------------------------


def test_what_is_so_no_more_when_the_connection_begins_closes_it(open_hall: "Callable[..., Hall]") -> None:
    hall = open_hall(max_games=1)
    connections = []
    for player, game_id in (("alice", "m1"), ("carol", "m2")):
        connection = testing.FakeConnection(PlayerPeer())
        token = hall.ticket(player, game_id, (player, "dave"))
        request = HttpRequest(method="GET", path=f"/{game_id}", query={"token": token})
        hall.listener.authenticate(connection.peer, request)
        connections.append(connection)
    for connection in connections:
        connection.connected(hall.listener)
    alice, carol = connections
    assert isinstance(alice.sent[0], Joined)
    assert (carol.sent, carol.disconnected, carol.peer.disconnect_code) == ([], True, CloseCode.NOT_LET_IN)
    assert carol.disconnect_detail.startswith("server_full: ")
    carol.disconnects(hall.listener)


# --- a server that checks nobody --------------------------------------------------------------------


def test_the_first_two_names_get_the_seats_and_others_watch(open_house: "Hall") -> None:
    alice, bob, carol = (open_house.open("den", player=name) for name in ("alice", "bob", "carol"))
    assert [one.sent[0].seat for one in (alice, bob, carol)] == [0, 1, None]
    late = carol.take()[0]
    assert (late.player, late.resume_key) == ("carol", "")
    assert (late.state.begun, late.state.players, late.state.present) == (True, ["alice", "bob"], ["alice", "bob"])
    first = alice if late.state.game.beginner == 0 else bob
    open_house.say(first, Drop(column=3))
    assert [message.event.column for message in carol.take()] == [3]
    for command in (Drop(column=0), Resign()):
        open_house.say(carol, command)
        answer = response(carol)
        assert answer.error is not None
        assert (answer.status, answer.error.code) == ("error", "not_seated")
    open_house.say(carol, State())
    state = response(carol).state
    assert state is not None
    assert state.game is not None
    assert state.game.moves == [3]
    for one in (alice, bob):
        one.take()
    open_house.lose(carol)
    assert alice.take() == bob.take() == []


def test_who_gives_no_name_gets_one(open_house: "Hall") -> None:
    names = [open_house.open("den").sent[0].player for _ in range(3)]
    assert names == ["guest-1", "guest-2", "guest-3"]


def test_a_name_that_comes_again_takes_its_seat_back(open_house: "Hall") -> None:
    alice = open_house.open("den", player="alice")
    open_house.lose(alice)
    bob = open_house.open("den", player="bob")
    again = open_house.open("den", player="alice")
    assert (bob.sent[0].seat, again.sent[0].seat) == (1, 0)
    assert isinstance(bob.sent[-1].event, GameBegan)
    resumed = open_house.open("den", resume=again.sent[0].resume_key)
    assert (resumed.sent[0].player, again.peer.disconnect_code) == ("alice", CloseCode.REPLACED)


def test_the_star_leads_to_whoever_waits(open_house: "Hall") -> None:
    alice, bob = open_house.open("*", player="alice"), open_house.open("*", player="bob")
    assert alice.sent[0].game_id == bob.sent[0].game_id != "*"
    assert isinstance(bob.sent[-1].event, GameBegan)


@pytest.mark.parametrize("name", ["x" * 129, "a\nb", " ", "\x00"])
def test_a_name_that_nobody_can_have(open_house: "Hall", name: str) -> None:
    assert open_house.refusal("den", player=name) == (400, "name_invalid")


def test_events_reach_everybody_in_their_own_game_and_nobody_else(open_house: "Hall") -> None:
    rooms: dict[str, list[Any]] = {
        room: [open_house.open(room, player=f"{room}-{number}") for number in range(4)] for room in ("a", "b")
    }
    for connections in rooms.values():
        for connection in connections:
            connection.take()
    game = open_house.listener.games.get("a")
    assert game is not None
    assert game.model is not None
    first = rooms["a"][game.model.beginner]
    open_house.say(first, Drop(column=3))
    for connection in rooms["a"]:
        assert [type(message) for message in connection.take() if isinstance(message, GameEvent)] == [GameEvent]
    assert all(connection.take() == [] for connection in rooms["b"])
