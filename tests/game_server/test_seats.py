"""Coming back with a seat: as often as needed, to a new process too, and to no match that is over."""

from typing import TYPE_CHECKING, Any

from connhandler.websocketmessage import WebSocketPeer
from game_server.protocol import CloseCode, Joined, PlayerReturned, Resign
from game_server_launcher.protocol import PlayersExpected, TicketUsed
from login_server.tickets import SeatIssuer, generate_key_pair
from tests.game_server.conftest import ISSUER, SERVER_ID

if TYPE_CHECKING:
    from tests.game_server.conftest import Hall

LAUNCHER_PRIVATE, LAUNCHER_PUBLIC = generate_key_pair()
OWN = {"seat_key": LAUNCHER_PUBLIC, "seat_issuer": "launcher/home"}


def seat(hall: "Hall", player: str, game_id: str = "m1", **other: Any) -> str:
    """By the login server."""
    issuer = SeatIssuer(hall.private_key, ISSUER)
    return hall.ticket(player, game_id, **{"issuer": issuer, **other})


def seat_of_launcher(hall: "Hall", player: str, game_id: str = "m1", **other: Any) -> str:
    return seat(hall, player, game_id, issuer=SeatIssuer(LAUNCHER_PRIVATE, "launcher/home"), **other)


def test_a_seat_takes_its_player_back_again_and_again(hall: "Hall") -> None:
    first, second = hall.pair()
    player = first.peer.admission.player
    text = seat(hall, player)
    for _ in range(3):
        hall.lose(first)
        second.take()
        first = hall.open("m1", token=text)
        joined = first.sent[0]
        assert isinstance(joined, Joined)
        assert joined.player == player
        assert joined.seat is not None
        assert any(getattr(event, "event", None) == PlayerReturned(player=player) for event in second.take())
    hall.clock.advance(30)
    newer = hall.open("m1", {"authorization": f"Bearer {text}"})
    assert isinstance(newer.sent[0], Joined)
    assert first.disconnected
    assert isinstance(first.peer, WebSocketPeer)
    assert first.peer.disconnect_code == CloseCode.REPLACED


def test_a_seat_is_not_told_to_be_used(launched: "Hall") -> None:
    launcher = launched.launcher(**OWN)
    launched.pair()
    used = [message for message in launcher.take() if isinstance(message, TicketUsed)]
    assert len(used) == 2
    launched.open("m1", token=seat(launched, "alice"))
    launched.open("m1", token=seat_of_launcher(launched, "alice"))
    assert not [message for message in launcher.take() if isinstance(message, TicketUsed)]


def test_a_seat_without_a_match_leads_to_an_open_game_again_and_again(hall: "Hall") -> None:
    text = seat(hall, "alice", "*")
    first = hall.open("*", token=text)
    hall.lose(first)
    again = hall.open("*", token=text)
    assert again.sent[0].game_id == first.sent[0].game_id
    assert len(hall.listener.games) == 1


def test_a_seat_in_a_match_that_is_over_begins_no_new_one(hall: "Hall") -> None:
    first, _ = hall.pair()
    text = seat(hall, first.peer.admission.player)
    hall.say(first, Resign())
    assert isinstance(hall.open("m1", token=text).sent[0], Joined), "it can still be looked at"
    hall.pass_seconds(121)
    assert hall.refusal("m1", token=text) == (403, "match_gone")
    assert len(hall.listener.games) == 0


def test_a_new_process_takes_the_seats_that_the_old_one_took(launched: "Hall") -> None:
    """Those in an open game or in a match that is to begin; one that ended with the old process is no more."""
    launched.launcher(**OWN)
    assert launched.refusal("m1", token=seat(launched, "alice")) == (403, "match_gone")
    assert isinstance(launched.open("*", token=seat(launched, "alice", "*")).sent[0], Joined)
    soon = launched.clock() + 60
    expected = PlayersExpected(server_id=SERVER_ID, match_id="m2", players=["alice", "bob"], expires_at=soon)
    launched.say(launched.launcher(**OWN), expected)
    assert isinstance(launched.open("m2", token=seat(launched, "alice", "m2")).sent[0], Joined)


def test_the_launchers_seats_are_as_good_as_the_login_servers(launched: "Hall") -> None:
    launched.launcher(**OWN)
    launched.pair()
    for text in (seat_of_launcher(launched, "alice"), seat(launched, "alice")):
        assert isinstance(launched.open("m1", token=text).sent[0], Joined)
    assert isinstance(launched.open("*", token=seat_of_launcher(launched, "carol", "*")).sent[0], Joined)


def test_whose_seats_are_not_good(launched: "Hall") -> None:
    launched.launcher(**OWN)
    launched.pair()
    forger = SeatIssuer(generate_key_pair()[0], "launcher/home")
    assumed = SeatIssuer(LAUNCHER_PRIVATE, ISSUER)
    for text, code in (
        (seat(launched, "alice", issuer=forger), "ticket_forged"),
        (seat(launched, "alice", issuer=assumed), "ticket_forged"),
        (seat_of_launcher(launched, "alice", server_id="home/other"), "ticket_wrong_server"),
        (seat_of_launcher(launched, "alice", "m2"), "ticket_wrong_game"),
    ):
        assert launched.refusal("m1", token=text) == (401, code)
    old = seat_of_launcher(launched, "alice")
    launched.clock.advance(1803)
    assert launched.refusal("m1", token=old) == (401, "ticket_expired")


def test_a_launcher_that_gives_away_no_seats_has_none(launched: "Hall") -> None:
    launched.launcher()
    assert launched.refusal("*", token=seat_of_launcher(launched, "alice", "*")) == (401, "ticket_forged")
    launched.launcher(seat_key="no key", seat_issuer="launcher/home")
    assert launched.refusal("*", token=seat_of_launcher(launched, "alice", "*")) == (401, "ticket_forged")
