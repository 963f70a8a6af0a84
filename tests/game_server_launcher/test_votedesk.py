"""Players vote for the next map of their server: scripted, without processes."""

from collections.abc import Callable
from typing import Any

import pytest

from game_server_launcher import gameconsolehandler as console
from game_server_launcher.gametables import Console, MapChange, Vote
from game_server_launcher.protocol import HandOver, PlayerCountChanged, Say
from game_server_launcher.servers import Client
from login_server.protocol import (
    MapVoteCast,
    MapVoteChanged,
    MapVoteRefused,
    MatchStarted,
    PlayerJoined,
    PlayerLeft,
)
from tests.game_server_launcher.consoles import connect, log_in

Make = Callable[..., Any]

PLAYERS = ["ann", "bob", "eve"]


class Place:
    """A server on which three play a match, and a login server."""

    def __init__(self, world: Any) -> None:
        self.world = world
        self.login_server = world.login_server()
        self.controller = world.ready()
        self.tell(MatchStarted(match_id="m", players=PLAYERS), PlayerCountChanged(players=3))
        self.tell(*(PlayerJoined(match_id="m", player=player) for player in PLAYERS))
        self.login_server.take()

    def tell(self, *facts: Any) -> None:
        self.controller.receives(self.world.launcher, *facts)
        self.world.settle()

    def vote(self, player: str, name: str) -> list[Any]:
        """What the login server hears of a vote."""
        cast = MapVoteCast(server_id="home/four", player=player, map=name)
        self.login_server.receives(self.world.launcher, cast)
        self.world.settle()
        return [one for one in self.login_server.take() if isinstance(one, MapVoteChanged | MapVoteRefused)]


@pytest.fixture
def place(make_world: Make, chess_with: Make) -> Place:
    game = chess_with(
        map="small", maps=["small", "large", "huge"], map_change=MapChange(by="successor"), vote=Vote(seconds=60)
    )
    return Place(make_world(game))


def test_more_than_half_choose_and_the_map_is_changed(place: Place) -> None:
    (first,) = place.vote("ann", "large")
    assert (first.server_id, first.players, first.votes, first.needed) == ("home/four", PLAYERS, {"large": 1}, 2)
    assert (first.ends_at, first.outcome) == (place.world.clock.now + 60, "")
    (changed_mind,) = place.vote("ann", "huge")
    assert changed_mind.votes == {"huge": 1}
    (last,) = place.vote("bob", "huge")
    assert (last.votes, last.outcome) == ({"huge": 2}, "huge was chosen")
    place.world.ready("four.2", pid=2000, port=7001)
    assert place.world.runner.runs["four.2"].game.map == "huge"
    assert HandOver() in place.controller.take()


def test_players_of_a_game_without_a_console_are_told_by_the_login_server_alone(place: Place) -> None:
    place.vote("ann", "large")
    assert not any(isinstance(one, Say) for one in place.controller.take())


def test_a_vote_that_finds_no_majority_ends(place: Place) -> None:
    place.vote("ann", "large")
    place.vote("bob", "huge")
    place.world.advance(60)
    (ended,) = (one for one in place.login_server.take() if isinstance(one, MapVoteChanged))
    assert ended.outcome == "no map has enough votes"
    assert "four.2" not in place.world.launcher.servers
    (refused,) = place.vote("ann", "large")
    assert refused == MapVoteRefused(player="ann", reason="the last vote has just ended; the next may begin in 60 s")
    place.world.advance(60)
    (again,) = place.vote("ann", "large")
    assert again.votes == {"large": 1}


def test_the_map_that_is_played_may_be_kept(place: Place) -> None:
    place.vote("ann", "large")
    place.vote("bob", "small")
    (last,) = place.vote("eve", "small")
    assert last.outcome == "small stays"
    assert "four.2" not in place.world.launcher.servers


@pytest.mark.parametrize(
    ("player", "name", "why"),
    [
        ("joe", "large", "only who plays there can vote"),
        ("ann", "moon", "there is no map 'moon'"),
        ("ann", "small", "small is being played already"),
    ],
)
def test_votes_that_do_not_count(place: Place, player: str, name: str, why: str) -> None:
    (refused,) = place.vote(player, name)
    assert refused.player == player
    assert refused.reason.startswith(why)


def test_who_has_left_cannot_vote(place: Place) -> None:
    place.tell(PlayerLeft(match_id="m", player="eve"))
    (refused,) = place.vote("eve", "large")
    assert isinstance(refused, MapVoteRefused)


def test_a_server_that_is_not_here(place: Place) -> None:
    cast = MapVoteCast(server_id="home/none", player="ann", map="large")
    place.login_server.receives(place.world.launcher, cast)
    assert place.login_server.take() == [MapVoteRefused(player="ann", reason="there is no server home/none")]


def test_a_map_that_cannot_be_changed_to_now(place: Place) -> None:
    place.vote("ann", "large")
    place.world.launcher.maps.change(place.world.launcher.servers["four"], "huge")
    (last,) = place.vote("bob", "large")
    assert last.outcome == "large was chosen, but its map is being changed already"


def test_a_word_in_the_chat_is_a_vote(make_world: Make, chess_with: Make) -> None:
    game = chess_with(map="dm1", maps=["dm1", "dm2"], console=Console(kind="econ"))
    world = make_world(game)
    fake = connect(world)
    log_in(world, fake)
    server = world.launcher.servers["four"]
    server.clients = {number: Client(f"127.0.0.1:{number}", name) for number, name in enumerate(["ann", "bob"])}
    server.players = 2
    fake.receives(world.launcher, console.Said(client_id=0, mode=1, name="ann", text="!map dm2"))
    (said,) = fake.take()
    assert isinstance(said, console.Say)
    assert said.text == "vote for the map: dm2 1; 2 needed. Say '!map NAME'"
    fake.receives(world.launcher, console.Said(client_id=1, mode=1, name="bob", text="!map moon"))
    assert fake.take() == [console.Say("bob: there is no map 'moon'; its maps are: dm1, dm2")]
    fake.receives(world.launcher, console.Said(client_id=1, mode=1, name="bob", text="!map dm2"))
    assert fake.take() == [console.ChangeMap("dm2"), console.Say("the vote has ended: dm2 was chosen")]
