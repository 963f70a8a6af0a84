"""Servers that sleep: who wants in waits until they are awake, and is told how far that is."""

from typing import TYPE_CHECKING, Any

import pytest

from login_server.protocol import (
    FindMatch,
    JoinGranted,
    JoinPending,
    JoinServer,
    MatchFound,
    MatchPending,
    PlayersExpected,
    SeatReserved,
    ServerInfo,
    UnregisterServer,
    UpdateServer,
    WakeProgress,
    WakeServer,
)
from login_server.wakedesk import BEGINNING, WAKE_SECONDS

if TYPE_CHECKING:
    from tests.login_server.conftest import House, Launcher, Player

ONE = "home/one"


def asleep(house: "House", server_id: str = ONE, **changes: Any) -> ServerInfo:
    return house.info(server_id, **{"state": "sleeping", "port": 0, "ping_address": ""} | changes)


def site(house: "House", **changes: Any) -> "tuple[Launcher, Player]":
    """A launcher with one server that sleeps, and a player who wants in."""
    launcher = house.launcher("home", asleep(house, **changes), version=2)
    ann = house.player("ann", version=3)
    assert house.tell(ann, JoinServer(server_id=ONE)) == [JoinPending(ONE, BEGINNING)]
    assert launcher.take() == [WakeServer(ONE)]
    return launcher, ann


def types(messages: list[Any]) -> list[type]:
    return [type(message) for message in messages]


def test_who_wants_into_a_server_that_sleeps_gets_in_once_it_is_awake(house: "House") -> None:
    launcher, ann = site(house)
    house.tell(launcher, WakeProgress(ONE, "its process is being started"))
    assert JoinPending(ONE, f"{BEGINNING}: its process is being started") in ann.take()
    house.tell(launcher, UpdateServer(asleep(house, state="starting")))
    assert ann.take() == []
    house.tell(launcher, WakeProgress(ONE, "its process runs"), WakeProgress(ONE, "its process runs"))
    assert ann.take() == [JoinPending(ONE, f"{BEGINNING}: its process runs")]
    reserved = house.tell(launcher, UpdateServer(house.info(port=10021)))
    assert types(reserved) == [SeatReserved]
    (granted,) = ann.take()
    assert isinstance(granted, JoinGranted)
    assert (granted.server_id, granted.port) == (ONE, 10021)
    assert house.checker().check(granted.ticket, house.clock()).player == "ann"
    house.pass_time(WAKE_SECONDS)
    assert JoinPending not in types(ann.take())


def test_a_server_with_a_port_is_joined_at_once(house: "House") -> None:
    launcher = house.launcher("home", house.info(state="sleeping"), version=2)
    ann = house.player("ann", version=3)
    (granted,) = house.tell(ann, JoinServer(server_id=ONE))
    assert isinstance(granted, JoinGranted)
    assert granted.port == 10020
    assert types(launcher.take()) == [SeatReserved]


def test_one_that_starts_is_waited_for_too(house: "House") -> None:
    site(house, state="starting")


def test_an_old_client_just_waits(house: "House") -> None:
    launcher = house.launcher("home", asleep(house), version=2)
    ann = house.player("ann", version=2)
    assert house.tell(ann, JoinServer(server_id=ONE)) == []
    house.tell(launcher, WakeProgress(ONE, "its process runs"))
    house.tell(launcher, UpdateServer(house.info()))
    assert types(ann.take()) == [JoinGranted]


def test_an_old_launcher_is_not_asked(house: "House") -> None:
    launcher = house.launcher("home", asleep(house), version=1)
    answers = house.tell(house.player("ann", version=3), JoinServer(server_id=ONE))
    house.refused("server_not_ready", "join_server", answers)
    assert launcher.take() == []


def test_the_wait_has_an_end(house: "House") -> None:
    launcher, ann = site(house)
    house.tell(launcher, WakeProgress(ONE, "it is started once more: no such file"))
    ann.take()
    house.pass_time(WAKE_SECONDS)
    words = house.refused("server_not_woken", "join_server", ann.take())
    assert words == "home/one is not ready after 60 s: it is started once more: no such file"
    house.tell(launcher, UpdateServer(house.info()))
    assert ann.take() == []


def test_a_launcher_that_tells_nothing(house: "House") -> None:
    _, ann = site(house)
    house.pass_time(WAKE_SECONDS)
    assert "its launcher tells nothing of it" in house.refused("server_not_woken", "join_server", ann.take())


@pytest.mark.parametrize("end", ["given up", "without a word", "stopping", "launcher gone"])
def test_a_server_that_does_not_wake_is_waited_for_no_more(house: "House", end: str) -> None:
    launcher, ann = site(house)
    words = "there is no server home/one any more"
    if end == "given up":
        words = "it cannot be started: no such file"
        house.tell(launcher, WakeProgress(ONE, words))
        ann.take()
    if end == "launcher gone":
        launcher.disconnects(house.server)
    elif end == "stopping":
        words = "the server home/one is stopping"
        house.tell(launcher, UpdateServer(house.info(state="stopping")))
    else:
        house.tell(launcher, UnregisterServer(ONE))
    assert house.refused("server_not_woken", "join_server", ann.take()[:1]) == words


def test_who_is_gone_meanwhile_is_forgotten(house: "House") -> None:
    launcher, ann = site(house)
    bob = house.player("bob", version=3)
    house.tell(bob, JoinServer(server_id=ONE))
    ann.disconnects(house.server)
    launcher.take()
    (seat,) = house.tell(launcher, UpdateServer(house.info()))
    assert types(bob.take()) == [JoinGranted]
    assert seat.player == "bob"
    house.pass_time(WAKE_SECONDS)


def test_who_asks_for_another_server_waits_for_this_one_no_more(house: "House") -> None:
    launcher, ann = site(house)
    house.tell(launcher, UpdateServer(house.info("home/two")))
    assert types(house.tell(ann, JoinServer(server_id="home/two"))) == [JoinGranted]
    house.tell(launcher, UpdateServer(house.info()))
    house.pass_time(WAKE_SECONDS)
    assert JoinGranted not in types(ann.take())


def test_no_more_wait_than_there_are_seats(house: "House") -> None:
    launcher, ann = site(house, capacity=1)
    bob = house.player("bob", version=3)
    house.tell(bob, JoinServer(server_id=ONE))
    house.tell(launcher, UpdateServer(house.info(capacity=1)))
    assert types(ann.take()) == [JoinGranted]
    house.refused("server_full", "join_server", bob.take()[-1:])


def test_launchers_speak_of_their_own_servers(house: "House") -> None:
    launcher = house.launcher("home", asleep(house), version=2)
    house.refused("not_your_server", "wake_progress", house.tell(launcher, WakeProgress("away/one", "soon")))
    assert house.tell(launcher, WakeProgress("home/none", "soon")) == []


# --- matches -------------------------------------------------------------------------------------------


def pair(house: "House") -> "list[Player]":
    """Two players who look for a match."""
    players = [house.player("ann", version=3), house.player("bob", version=3)]
    for player in players:
        player.take()
        house.tell(player, FindMatch(game="fourinarow"))
    return players


def test_a_match_wakes_a_server_and_begins_once_it_is_awake(house: "House") -> None:
    launcher = house.launcher("home", asleep(house), version=2)
    ann, bob = pair(house)
    assert set(types(launcher.take())) == {WakeServer}
    assert ann.take()[-1] == MatchPending("fourinarow", players=2, waiting=2, reason=BEGINNING)
    house.tell(launcher, WakeProgress(ONE, "its process runs"))
    house.settle()
    assert MatchPending("fourinarow", 2, 2, f"{BEGINNING}: its process runs") in bob.take()
    house.tell(launcher, UpdateServer(house.info()))
    house.settle()
    assert MatchFound in types(ann.take())
    assert MatchFound in types(bob.take())


def test_a_frozen_server_has_a_match_at_once(house: "House") -> None:
    launcher = house.launcher("home", house.info(state="sleeping"), version=2)
    ann, _ = pair(house)
    assert MatchFound in types(ann.take())
    assert types(launcher.take()) == [SeatReserved, SeatReserved, PlayersExpected]


@pytest.mark.parametrize(
    ("states", "chosen"),
    [
        ({"a": ("sleeping", 0), "b": ("starting", 0), "c": ("sleeping", 7), "d": ("ready", 7)}, "d"),
        ({"a": ("sleeping", 0), "b": ("starting", 0), "c": ("sleeping", 7), "d": ("stopping", 7)}, "c"),
        ({"a": ("sleeping", 0), "b": ("starting", 0)}, "b"),
        ({"a": ("sleeping", 0), "b": ("stopping", 0)}, "a"),
    ],
)
def test_which_server_has_a_match(house: "House", states: dict[str, tuple[str, int]], chosen: str) -> None:
    servers = [house.info(f"home/{name}", state=state, port=port) for name, (state, port) in states.items()]
    launcher = house.launcher("home", *servers, version=2)
    pair(house)
    assert {message.server_id for message in launcher.take()} == {f"home/{chosen}"}


def test_the_full_ones_are_passed_over_for_one_that_sleeps(house: "House") -> None:
    full = house.info("home/two", players=3)
    launcher = house.launcher("home", full, asleep(house), version=2)
    pair(house)
    assert WakeServer(ONE) in launcher.take()


def test_another_server_is_woken_when_one_takes_too_long(house: "House") -> None:
    launcher = house.launcher("home", asleep(house), asleep(house, "home/two"), version=2)
    ann, _ = pair(house)
    assert {message.server_id for message in launcher.take()} == {ONE}
    house.pass_time(WAKE_SECONDS)
    house.settle()
    assert WakeServer("home/two") in launcher.take()
    house.tell(launcher, UpdateServer(house.info("home/two")))
    house.settle()
    assert MatchFound in types(ann.take())
