"""Seats: as often as wanted until they expire, for one server; by the login server, or by a launcher."""

import jwt
import pytest

from login_server.tickets import (
    ANY_GAME,
    GameTokenChecker,
    SeatChecker,
    SeatIssuer,
    Ticket,
    TicketChecker,
    TicketError,
    TicketIssuer,
    generate_key_pair,
)

NOW = 1_700_000_000.25
PRIVATE, PUBLIC = generate_key_pair()
ISSUER = SeatIssuer(PRIVATE, "login-server")
PLAYERS = ["alice", "bob"]


def issue(server_id: str = "home/one", game_id: str = "match-1") -> str:
    text, expires_at = ISSUER.issue("alice", server_id, game_id, PLAYERS, NOW, "seat-1")
    assert expires_at == NOW + 1800
    return text


def checkers() -> list[SeatChecker]:
    return [checker(PUBLIC, "login-server", "home/one") for checker in (TicketChecker, SeatChecker)]


def refusal(checker: SeatChecker, text: str, now: float = NOW) -> str:
    with pytest.raises(TicketError) as caught:
        checker.check(text, now)
    return caught.value.code


@pytest.mark.parametrize("number", [0, 1])
def test_a_seat_is_good_again_and_again_until_it_expires(number: int) -> None:
    checker = checkers()[number]
    for later in (-1.9, 0, 0, 60, 1799, 1801.9):
        seat = checker.check(issue(), NOW + later)
        assert seat == Ticket("alice", "match-1", PLAYERS, "seat-1", NOW + 1800, once=False)
    assert checker.used == {}
    assert refusal(checker, issue(), NOW + 1802) == "ticket_expired"
    assert refusal(checker, issue(), NOW - 3) == "ticket_expired"


@pytest.mark.parametrize("number", [0, 1])
def test_a_seat_is_for_one_server_and_of_one_issuer(number: int) -> None:
    checker = checkers()[number]
    assert refusal(checker, issue("home/two")) == "ticket_wrong_server"
    other, _ = SeatIssuer(PRIVATE, "somebody").issue("alice", "home/one", ANY_GAME, ["alice"], NOW, "seat-1")
    assert refusal(checker, other) == "ticket_forged"
    forged, _ = SeatIssuer(generate_key_pair()[0], "login-server").issue("alice", "home/one", "*", ["alice"], NOW, "1")
    assert refusal(checker, forged) == "ticket_forged"


def test_who_gives_away_seats_alone_gives_away_no_tickets() -> None:
    """A launcher's key is good for seats; a token that says to be a ticket is none."""
    ticket, _ = TicketIssuer(PRIVATE, "login-server").issue("alice", "home/one", "*", ["alice"], NOW, "ticket-1")
    tickets, seats = checkers()
    assert refusal(seats, ticket) == "ticket_malformed"
    assert tickets.check(ticket, NOW).once
    assert refusal(tickets, ticket) == "ticket_reused"


def test_a_seat_is_no_game_token_and_no_other_token_is_a_seat() -> None:
    with pytest.raises(TicketError, match="another kind"):
        GameTokenChecker(PUBLIC, "login-server").check(issue(), "match-1", NOW)
    claims = jwt.decode(issue(), options={"verify_signature": False})
    for kind in ("day-pass+jwt", "JWT", "seat"):
        text = jwt.encode(claims, PRIVATE, algorithm="EdDSA", headers={"typ": kind})
        assert [refusal(checker, text) for checker in checkers()] == ["ticket_malformed"] * 2
