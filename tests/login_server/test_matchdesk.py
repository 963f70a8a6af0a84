"""Joining servers and finding matches, as conversations."""

from typing import TYPE_CHECKING, Any

import pytest

from login_server.protocol import (
    CancelMatch,
    FindMatch,
    JoinGranted,
    JoinServer,
    MatchCancelled,
    MatchFound,
    MatchPending,
    MatchStarted,
    PlayerJoined,
    PlayersExpected,
    RegisterServer,
    SeatReserved,
    ServersChanged,
    UpdateServer,
)
from login_server.tickets import TicketChecker, TicketError
from tests.login_server.conftest import PUBLIC_KEY

if TYPE_CHECKING:
    from tests.login_server.conftest import House

GAME = "fourinarow"
NO_SERVER = "no server for this game is running"
FULL = "all servers for this game are full"


def pending(waiting: int, players: int = 2, reason: str = "") -> MatchPending:
    return MatchPending(game=GAME, players=players, waiting=waiting, reason=reason)


def find(**fields: Any) -> FindMatch:
    return FindMatch(**{"game": GAME, **fields})


# --- joining a server -------------------------------------------------------------------------------


def test_a_ticket_to_a_server(house: "House") -> None:
    house.launcher("home", house.info())
    alice = house.player("alice")
    (granted,) = house.tell(alice, JoinServer(server_id="home/one"))
    assert isinstance(granted, JoinGranted)
    assert (granted.server_id, granted.address, granted.port) == ("home/one", "127.0.0.1", 10020)
    assert granted.expires_at == house.clock() + 60
    assert granted.match_id == ""
    with pytest.raises(TicketError):
        house.checker("home/two").check(granted.ticket, house.clock())
    ticket = house.checker().check(granted.ticket, house.clock())
    assert (ticket.player, ticket.game_id, ticket.players) == ("alice", "*", ["alice"])


def test_every_ticket_is_another(house: "House") -> None:
    house.launcher("home", house.info())
    alice, checker = house.player("alice"), house.checker()
    for _ in range(2):
        (granted,) = house.tell(alice, JoinServer(server_id="home/one"))
        checker.check(granted.ticket, house.clock())


def test_servers_that_cannot_be_joined(house: "House") -> None:
    house.launcher("home", house.info(players=4), house.info("home/two", state="starting"))
    alice = house.player("alice")
    for server_id, code in (
        ("home/none", "no_such_server"),
        ("home/two", "server_not_ready"),
        ("home/one", "server_full"),
    ):
        house.refused(code, "join_server", house.tell(alice, JoinServer(server_id=server_id)))


def test_a_seat_is_kept_until_the_ticket_expires(house: "House") -> None:
    house.launcher("home", house.info(capacity=1))
    alice, bob = house.player("alice"), house.player("bob")
    house.tell(alice, JoinServer(server_id="home/one"))
    house.refused("server_full", "join_server", house.tell(bob, JoinServer(server_id="home/one")))
    house.pass_time(60)
    (granted,) = house.tell(bob, JoinServer(server_id="home/one"))
    assert isinstance(granted, JoinGranted)


def test_who_lost_the_connection_comes_back_to_the_match(house: "House") -> None:
    launcher = house.launcher("home", house.info(capacity=2))
    alice = house.player("alice")
    house.tell(launcher, MatchStarted(match_id="m1", players=["alice", "bob"], server_id="home/one"))
    house.tell(launcher, UpdateServer(server=house.info(capacity=2, players=2)))
    (granted,) = house.tell(alice, JoinServer(server_id="home/one"))
    ticket = house.checker().check(granted.ticket, house.clock())
    assert (ticket.game_id, ticket.players) == ("m1", ["alice", "bob"])
    assert granted.match_id == "m1"


# --- finding a match --------------------------------------------------------------------------------


def test_two_who_want_to_play_are_matched(house: "House") -> None:
    launcher = house.launcher("home", house.info())
    alice, bob = house.player("alice"), house.player("bob")
    assert house.tell(alice, find()) == [pending(1)]
    (for_bob,) = house.tell(bob, find())
    (for_alice,) = alice.take()
    assert isinstance(for_alice, MatchFound)
    assert isinstance(for_bob, MatchFound)
    assert for_alice.match_id == for_bob.match_id
    assert for_alice.ticket != for_bob.ticket
    checker = house.checker()
    for name, found in (("alice", for_alice), ("bob", for_bob)):
        assert (found.game, found.players) == (GAME, ["alice", "bob"])
        assert (found.server_id, found.address, found.port) == ("home/one", "127.0.0.1", 10020)
        ticket = checker.check(found.ticket, house.clock())
        assert (ticket.player, ticket.game_id, ticket.players) == (name, found.match_id, ["alice", "bob"])
        assert found.expires_at == ticket.expires_at == house.clock() + 60
    assert launcher.take() == [
        PlayersExpected(
            server_id="home/one",
            match_id=for_bob.match_id,
            players=["alice", "bob"],
            expires_at=for_bob.expires_at,
        )
    ]
    assert house.server.state()["running"][for_bob.match_id]["state"] == "expected"
    house.refused("not_waiting", "cancel_match", house.tell(alice, CancelMatch()))


def test_a_launcher_of_version_2_knows_of_a_seat_before_its_player(house: "House") -> None:
    launcher = house.launcher("home", house.info(), version=2)
    alice = house.player("alice")
    house.tell(alice, JoinServer(server_id="home/one"))
    alone = SeatReserved("home/one", "alice", alice.peer.address[0], "*", house.clock() + 1800)
    assert launcher.take() == [alone]
    bob = house.player("bob")
    house.tell(alice, find())
    (found,) = (one for one in house.tell(bob, find()) if isinstance(one, MatchFound))
    reserved = [one for one in launcher.take() if isinstance(one, SeatReserved)]
    assert [(one.player, one.game_id) for one in reserved] == [("alice", found.match_id), ("bob", found.match_id)]


def test_a_match_of_three_tells_everybody_who_is_there(house: "House") -> None:
    house.launcher("home", house.info(match_players=3))
    alice, bob, carol = (house.player(name) for name in ("alice", "bob", "carol"))
    assert house.tell(alice, find(players=3)) == [pending(1, 3)]
    assert house.tell(bob, find(players=3)) == [pending(2, 3)]
    assert alice.take() == [pending(2, 3)]
    (found,) = house.tell(carol, find(players=3))
    assert found.players == ["alice", "bob", "carol"]
    assert [type(message) for message in (*alice.take(), *bob.take())] == [MatchFound, MatchFound]


def test_named_partners_find_each_other_past_all_others(house: "House") -> None:
    house.launcher("home", house.info())
    alice, bob, carol = (house.player(name) for name in ("Alice", "bob", "carol"))
    assert house.tell(carol, find()) == [pending(1)]
    assert house.tell(alice, find(partner="BOB")) == [pending(1)]
    (found,) = house.tell(bob, find(partner="alice"))
    assert found.players == ["Alice", "bob"]
    assert carol.take() == []


@pytest.mark.parametrize("wish", [{"partner": "alice"}, {"partner": "no name!"}, {"partner": "bob", "players": 3}])
def test_partners_that_cannot_be(house: "House", wish: dict[str, Any]) -> None:
    alice = house.player("alice")
    house.refused("bad_partner", "find_match", house.tell(alice, find(**wish)))
    assert house.tell(alice, find()) == [pending(1)]


def test_one_match_is_wanted_at_a_time(house: "House") -> None:
    alice = house.player("alice")
    house.tell(alice, find())
    house.refused("match_already_wanted", "find_match", house.tell(alice, find(game="go")))
    assert house.tell(alice, CancelMatch()) == [MatchCancelled(reason="you cancelled")]
    house.refused("not_waiting", "cancel_match", house.tell(alice, CancelMatch()))


def test_who_cancels_or_drops_is_missed(house: "House") -> None:
    alice, bob, carol = (house.player(name) for name in ("alice", "bob", "carol"))
    for player in (alice, bob, carol):
        house.tell(player, find(players=4))
    for player in (alice, bob, carol):
        player.take()
    house.tell(bob, CancelMatch())
    assert alice.take() == carol.take() == [pending(2, 4)]
    carol.disconnects(house.server)
    assert alice.take() == [pending(1, 4)]
    assert bob.take() == []


def test_a_named_partner_who_cancels(house: "House") -> None:
    alice, bob = house.player("alice"), house.player("bob")
    house.tell(alice, find(partner="bob"))
    assert house.tell(bob, find(partner="alice")) == [pending(2, reason=NO_SERVER)]
    assert alice.take() == [pending(2, reason=NO_SERVER)]
    assert house.tell(bob, CancelMatch()) == [MatchCancelled(reason="you cancelled")]
    assert alice.take() == [MatchCancelled(reason="bob cancelled")]
    house.refused("not_waiting", "cancel_match", house.tell(alice, CancelMatch()))


@pytest.mark.parametrize("partner_waits", [True, False])
def test_a_named_partner_who_is_gone(house: "House", partner_waits: bool) -> None:
    alice, bob = house.player("alice"), house.player("bob")
    house.tell(alice, find(partner="bob"))
    if partner_waits:
        house.tell(bob, find())
    bob.disconnects(house.server)
    assert alice.take() == [MatchCancelled(reason="bob is gone")]
    assert house.server.state()["wishes"] == {}


def test_who_is_waited_for_may_come_later(house: "House") -> None:
    house.launcher("home", house.info())
    alice = house.player("alice")
    assert house.tell(alice, find(partner="Bob")) == [pending(1, reason="Bob is not online")]
    bob = house.player("bob")
    assert alice.take() == [pending(1)]
    (found,) = house.tell(bob, find(partner="alice"))
    assert isinstance(found, MatchFound)


def test_a_match_waits_for_a_server_and_goes_on_when_one_appears(house: "House") -> None:
    alice, bob = house.player("alice"), house.player("bob")
    house.tell(alice, find())
    assert house.tell(bob, find()) == [pending(2, reason=NO_SERVER)]
    assert alice.take() == [pending(2, reason=NO_SERVER)]
    launcher = house.launcher("home", house.info("home/other", game="go"), house.info(state="stopping"))
    for player in (alice, bob):
        assert [type(message) for message in player.take()] == [ServersChanged]
    house.tell(launcher, UpdateServer(server=house.info()))
    house.settle()
    for player in (alice, bob):
        assert [type(message) for message in player.take()] == [ServersChanged, MatchFound]
    assert [type(message) for message in launcher.take()] == [PlayersExpected]


def test_a_match_of_a_number_that_no_server_has_is_refused(house: "House") -> None:
    launcher = house.launcher("home", house.info(), house.info("home/go", game="go", match_players=3))
    alice = house.player("alice")
    words = house.refused("players_invalid", "find_match", house.tell(alice, find(players=3)))
    assert words == "a match of fourinarow here is for 2 players, not for 3"
    house.tell(launcher, RegisterServer(server=house.info("home/three", match_players=3, state="starting")))
    words = house.refused("players_invalid", "find_match", house.tell(alice, find(players=4)))
    assert words == "a match of fourinarow here is for 2 or 3 players, not for 4"
    alice.take()
    assert house.tell(alice, find(players=3)) == [pending(1, players=3)]


def test_a_match_is_made_on_a_server_for_so_many(house: "House") -> None:
    players = [house.player(name) for name in ("alice", "bob", "carol")]
    for player in players:
        house.tell(player, find(players=3))
    launcher = house.launcher("home", house.info())
    no_match = "no server for this game has matches of 3"
    assert players[0].take()[-1] == pending(3, players=3, reason=no_match)
    house.tell(launcher, RegisterServer(server=house.info("home/three", capacity=3, match_players=3)))
    house.settle()
    for player in players:
        found = player.take()[-1]
        assert isinstance(found, MatchFound)
        assert found.server_id == "home/three"


def test_a_match_waits_for_seats(house: "House") -> None:
    launcher = house.launcher("home", house.info(capacity=2, players=1))
    alice, bob = house.player("alice"), house.player("bob")
    house.tell(alice, find())
    assert house.tell(bob, find()) == [pending(2, reason=FULL)]
    house.tell(launcher, UpdateServer(server=house.info(capacity=2)))
    house.settle()
    assert isinstance(bob.take()[-1], MatchFound)


def test_seats_of_players_who_never_come_are_free_again(house: "House") -> None:
    house.launcher("home", house.info(capacity=2))
    players = [house.player(name) for name in ("alice", "bob", "carol", "dave")]
    for player in players:
        house.tell(player, find())
    assert players[3].take() == []
    assert house.server.state()["wishes"].keys() == {"carol", "dave"}
    house.pass_time(65)
    found = [message for message in players[3].take() if isinstance(message, MatchFound)]
    assert [message.players for message in found] == [["carol", "dave"]]
    house.pass_time(6)
    assert [match["state"] for match in house.server.state()["ended"].values()] == ["lost"]


def test_players_who_have_come_are_counted_once(house: "House") -> None:
    launcher = house.launcher("home", house.info(capacity=4))
    players = [house.player(name) for name in ("alice", "bob", "carol", "dave")]
    (found,) = [house.tell(player, find()) for player in players[:2]][1]
    for name in ("alice", "bob"):
        house.tell(launcher, PlayerJoined(match_id=found.match_id, player=name, server_id="home/one"))
    house.tell(launcher, UpdateServer(server=house.info(capacity=4, players=2)))
    house.tell(players[2], find())
    (found,) = house.tell(players[3], find())
    assert isinstance(found, MatchFound)


def test_the_emptiest_server_is_taken(house: "House") -> None:
    house.launcher("home", house.info(players=2))
    house.launcher("away", house.info("away/one", players=1))
    alice, bob = house.player("alice"), house.player("bob")
    house.tell(alice, find())
    (found,) = house.tell(bob, find())
    assert found.server_id == "away/one"


def test_many_groups_wait_in_their_order(house: "House") -> None:
    players = [house.player(f"player{number}") for number in range(7)]
    for player in players:
        house.tell(player, find())
    launcher = house.launcher("home", house.info(capacity=4))
    assert [message.players for message in launcher.take() if isinstance(message, PlayersExpected)] == [
        ["player0", "player1"],
        ["player2", "player3"],
    ]
    assert players[4].take()[-1] == pending(2, reason=FULL)
    assert [type(message) for message in players[6].take()] == [ServersChanged], "nothing new for the seventh"
    house.tell(launcher, RegisterServer(server=house.info("home/two")))
    house.settle()
    assert isinstance(players[5].take()[-1], MatchFound)
    assert house.server.state()["wishes"].keys() == {"player6"}


def test_with_each_ticket_comes_a_seat_to_come_back_with(house: "House") -> None:
    launcher = house.launcher("home", house.info(), version=2)
    alice, bob = house.player("alice"), house.player("bob")
    (granted,) = house.tell(alice, JoinServer(server_id="home/one"))
    checker = TicketChecker(PUBLIC_KEY, "login-server", "home/one")
    seat = checker.check(granted.seat, house.clock())
    assert (seat.player, seat.game_id, seat.once) == ("alice", "*", False)
    assert seat.expires_at == granted.seat_expires_at == house.clock() + 1800
    launcher.take()
    house.tell(alice, find())
    found = [message for message in house.tell(bob, find()) if isinstance(message, MatchFound)]
    seat = checker.check(found[0].seat, house.clock())
    assert (seat.player, seat.game_id, seat.players) == ("bob", found[0].match_id, ["alice", "bob"])
    reserved = [message for message in launcher.take() if isinstance(message, SeatReserved)]
    assert {(one.player, one.expires_at) for one in reserved} == {(name, seat.expires_at) for name in ("alice", "bob")}
