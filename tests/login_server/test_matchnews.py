"""What players are told of matches without having asked, as conversations."""

from typing import TYPE_CHECKING, Any

import pytest

from login_server.matchnews import MAX_REQUESTS, NEWS_SECONDS
from login_server.protocol import (
    CancelMatch,
    FindMatch,
    JoinGranted,
    JoinServer,
    LoggedIn,
    LogIn,
    MatchEnded,
    MatchFound,
    MatchOver,
    MatchPending,
    MatchRequest,
    MatchRequests,
    MatchResult,
    MatchRunning,
    MatchStarted,
    PlayerJoined,
    PlayerLeft,
    ServerList,
    UnregisterServer,
    UpdateServer,
)
from tests.login_server.conftest import PASSWORD

if TYPE_CHECKING:
    from tests.login_server.conftest import House, Launcher, Player

GAME = "fourinarow"
PLAYERS = ["alice", "bob"]
MISSED = MatchRunning(match_id="m1", game=GAME, players=PLAYERS, server_id="home/one")
ENDED = MatchEnded(
    match_id="m1",
    players=PLAYERS,
    result=MatchResult(winner="bob", scores={}, reason="forfeit", ended_at=1.0),
    server_id="home/one",
)


def play(house: "House", launcher: "Launcher") -> None:
    """Let the match of alice and bob begin."""
    house.tell(launcher, MatchStarted(match_id="m1", players=PLAYERS, server_id="home/one"))
    for player in PLAYERS:
        house.tell(launcher, PlayerJoined(match_id="m1", player=player, server_id="home/one"))


def leave(house: "House", launcher: "Launcher", player: str) -> None:
    house.tell(launcher, PlayerLeft(match_id="m1", player=player, server_id="home/one"))


def requests(*names: str) -> MatchRequests:
    return MatchRequests(requests=[MatchRequest(player=name, game=GAME) for name in names])


def wants(partner: str) -> FindMatch:
    return FindMatch(game=GAME, partner=partner)


def log_in(house: "House", name: str, version: int = 2) -> "tuple[Player, list[Any]]":
    """Somebody who comes back, and what there is to know after the list of servers."""
    player = house.visitor(version)
    logged_in, servers, *news = house.tell(player, LogIn(name=name, password=PASSWORD))
    assert isinstance(logged_in, LoggedIn)
    assert isinstance(servers, ServerList)
    return player, news


# --- a match that goes on without a player ----------------------------------------------------------


def test_who_comes_back_in_the_middle_of_a_match_is_told(house: "House") -> None:
    launcher = house.launcher("home", house.info())
    alice, bob = house.player("alice", 2), house.player("bob", 2)
    play(house, launcher)
    alice.disconnects(house.server)
    leave(house, launcher, "alice")
    alice, news = log_in(house, "alice")
    assert news == [MISSED]
    words = house.refused("in_match", "find_match", house.tell(alice, FindMatch(game=GAME)))
    assert words == "you are in a match with bob: join home/one to go back to it"
    (granted,) = house.tell(alice, JoinServer(server_id="home/one"))
    assert isinstance(granted, JoinGranted)
    assert granted.match_id == "m1"
    launcher.receives(house.server, ENDED)
    assert alice.take() == [MatchOver(match_id="m1")]
    assert bob.take() == [], "who was not missed is told nothing"
    assert isinstance(house.tell(alice, FindMatch(game=GAME))[0], MatchPending)


def test_who_leaves_a_match_but_not_the_lobby_is_told_once(house: "House") -> None:
    launcher = house.launcher("home", house.info())
    alice = house.player("alice", 2)
    play(house, launcher)
    assert alice.take() == []
    for _ in range(2):
        leave(house, launcher, "alice")
        house.tell(launcher, PlayerJoined(match_id="m1", player="alice", server_id="home/one"))
    assert alice.take() == [MISSED]


def test_who_is_still_connected_to_a_game_may_look_for_the_next_one(house: "House") -> None:
    """Its end, which the player knows, may not have come here yet."""
    launcher = house.launcher("home", house.info())
    alice = house.player("alice", 2)
    play(house, launcher)
    assert isinstance(house.tell(alice, FindMatch(game=GAME))[0], MatchPending)


@pytest.mark.parametrize("has_new_process", [False, True])
def test_a_match_that_is_lost_is_over_too(house: "House", has_new_process: bool) -> None:
    launcher = house.launcher("home", house.info())
    alice = house.player("alice", 2)
    play(house, launcher)
    leave(house, launcher, "alice")
    if has_new_process:
        house.tell(launcher, UpdateServer(server=house.info(state="starting")))
    else:
        house.tell(launcher, UnregisterServer(server_id="home/one"))
    assert alice.take() == [MISSED, MatchOver(match_id="m1")]
    assert isinstance(house.tell(alice, FindMatch(game=GAME))[0], MatchPending)


def test_a_match_to_which_nobody_came_in_time_is_over(house: "House") -> None:
    house.launcher("home", house.info())
    alice, bob = house.player("alice", 2), house.player("bob", 2)
    house.tell(alice, FindMatch(game=GAME))
    (found,) = house.tell(bob, FindMatch(game=GAME))
    assert isinstance(found, MatchFound)
    alice.disconnects(house.server)
    alice, news = log_in(house, "alice")
    assert [type(message) for message in news] == [MatchRunning]
    house.pass_time(80)
    assert alice.take() == [MatchOver(match_id=found.match_id)]


def test_a_match_whose_server_is_away_cannot_be_gone_back_to(house: "House") -> None:
    launcher = house.launcher("home", house.info())
    house.player("alice", 2).disconnects(house.server)
    play(house, launcher)
    leave(house, launcher, "alice")
    launcher.disconnects(house.server)
    alice, news = log_in(house, "alice")
    assert news == []
    assert isinstance(house.tell(alice, FindMatch(game=GAME))[0], MatchPending)


# --- somebody who wants to play ---------------------------------------------------------------------


def test_who_is_wanted_is_told_and_told_again_when_that_changes(house: "House") -> None:
    house.launcher("home", house.info())
    alice, bob, carol = (house.player(name, 2) for name in ("alice", "bob", "carol"))
    house.tell(alice, wants("BOB"))
    assert bob.take() == []
    house.pass_time(NEWS_SECONDS)
    assert bob.take() == [requests("alice")]
    house.tell(carol, wants("bob"))
    house.pass_time(NEWS_SECONDS)
    assert bob.take() == [requests("alice", "carol")]
    house.tell(alice, CancelMatch())
    house.pass_time(NEWS_SECONDS)
    assert bob.take() == [requests("carol")]
    carol.disconnects(house.server)
    house.pass_time(NEWS_SECONDS)
    assert bob.take() == [requests()]


def test_saying_yes_begins_the_match(house: "House") -> None:
    house.launcher("home", house.info())
    alice, bob = house.player("alice", 2), house.player("bob", 2)
    house.tell(alice, wants("bob"))
    house.pass_time(NEWS_SECONDS)
    assert bob.take() == [requests("alice")]
    (found,) = house.tell(bob, wants("alice"))
    assert isinstance(found, MatchFound)
    house.pass_time(NEWS_SECONDS)
    assert bob.take() == [requests()]


def test_who_comes_later_is_told_and_so_is_who_waits(house: "House") -> None:
    alice = house.player("alice", 2)
    house.player("bob", 2).disconnects(house.server)
    lacking = MatchPending(game=GAME, players=2, waiting=1, reason="bob is not online")
    assert house.tell(alice, wants("bob")) == [lacking]
    _, news = log_in(house, "bob")
    assert news == [requests("alice")]
    assert alice.take() == [MatchPending(game=GAME, players=2, waiting=1)]


def test_asking_and_taking_back_without_end_costs_the_other_one_nothing(house: "House") -> None:
    alice, bob = house.player("alice", 2), house.player("bob", 2)
    for _ in range(100):
        house.tell(alice, wants("bob"), CancelMatch())
    house.pass_time(NEWS_SECONDS)
    assert bob.take() == []


def test_so_many_requests_are_told_and_no_more(house: "House") -> None:
    bob = house.player("bob", 2)
    names = [f"player{number}" for number in range(MAX_REQUESTS + 1)]
    for name in names:
        house.tell(house.player(name), wants("bob"))
    house.pass_time(NEWS_SECONDS)
    assert bob.take() == [requests(*names[:-1])]


def test_names_that_are_not_online_leave_nothing_behind(house: "House") -> None:
    alice = house.player("alice", 2)
    for number in range(50):
        house.tell(alice, wants(f"nobody{number}"), CancelMatch())
    house.pass_time(NEWS_SECONDS)
    assert not house.server._state.matchmaker.wanted_changed
    assert house.server.state()["wishes"] == {}


def test_an_old_client_is_told_nothing_that_it_does_not_know(house: "House") -> None:
    launcher = house.launcher("home", house.info())
    alice, bob = house.player("alice"), house.player("bob")
    play(house, launcher)
    leave(house, launcher, "alice")
    house.tell(bob, wants("alice"))
    house.pass_time(NEWS_SECONDS)
    assert alice.take() == []
    alice.disconnects(house.server)
    alice, news = log_in(house, "alice", version=1)
    assert news == []
    launcher.receives(house.server, ENDED)
    assert alice.take() == []
