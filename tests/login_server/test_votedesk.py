"""Votes for the next map, as the login server passes them on."""

from typing import TYPE_CHECKING

import pytest

from connhandler.jsonmessage import Refused
from login_server.protocol import MapVote, MapVoteCast, MapVoteChanged, MapVoteRefused, VoteMap

if TYPE_CHECKING:
    from tests.login_server.conftest import House

MAPS = ["small", "large"]


def test_a_vote_goes_to_the_launcher_and_how_it_stands_to_the_players(house: "House") -> None:
    launcher = house.launcher("home", house.info(maps=MAPS), version=2)
    ann, bob, eve = house.player("ann", version=3), house.player("bob", version=2), house.player("eve", version=3)
    assert house.tell(ann, VoteMap(server_id="home/one", map="large")) == []
    assert launcher.take() == [MapVoteCast(server_id="home/one", player="ann", map="large")]
    names = ["ann", "bob", "nobody"]
    changed = MapVoteChanged("home/one", names, {"large": 1}, needed=2, ends_at=99.0, outcome="")
    house.tell(launcher, changed)
    assert ann.take() == [MapVote("home/one", {"large": 1}, needed=2, ends_at=99.0)]
    assert (bob.take(), eve.take()) == ([], []), "one is too old, the other plays elsewhere"


@pytest.mark.parametrize(
    ("server_id", "name", "code"),
    [("home/none", "large", "no_such_server"), ("home/one", "moon", "no_such_map")],
)
def test_votes_that_are_refused_at_once(house: "House", server_id: str, name: str, code: str) -> None:
    house.launcher("home", house.info(maps=MAPS), version=2)
    answers = house.tell(house.player("ann"), VoteMap(server_id=server_id, map=name))
    house.refused(code, "vote_map", answers)


def test_a_launcher_that_does_not_know_of_votes(house: "House") -> None:
    launcher = house.launcher("home", house.info(maps=MAPS))
    answers = house.tell(house.player("ann"), VoteMap(server_id="home/one", map="large"))
    house.refused("vote_refused", "vote_map", answers)
    assert launcher.take() == []


def test_the_launchers_no_reaches_the_player(house: "House") -> None:
    launcher = house.launcher("home", house.info(maps=MAPS), version=2)
    ann = house.player("ann")
    house.tell(launcher, MapVoteRefused(player="ann", reason="only who plays there can vote"))
    assert ann.take() == [Refused("vote_refused", "only who plays there can vote", "vote_map")]
    house.tell(launcher, MapVoteRefused(player="nobody", reason="too late"))


def test_a_launcher_speaks_for_its_own_servers_alone(house: "House") -> None:
    launcher = house.launcher("home", house.info(maps=MAPS), version=2)
    ann = house.player("ann", version=3)
    answers = house.tell(launcher, MapVoteChanged("away/one", ["ann"], {}, needed=1, ends_at=0.0))
    house.refused("not_your_server", "map_vote_changed", answers)
    assert ann.take() == []
