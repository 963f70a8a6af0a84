"""The central task as a whole: its table, its state, its end."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import pytest

from connhandler import PeerConnected, PeerDisconnected
from connhandler.jsonmessage import ShuttingDown
from connhandler.testing import FakeConnection
from login_server import protocol
from login_server.gameclienthandler import PlayerPeer
from login_server.gameserverlauncherhandler import LauncherPeer
from login_server.protocol import (
    CancelMatch,
    FindMatch,
    JoinServer,
    MatchEnded,
    MatchResult,
    MatchStarted,
    UpdateServer,
)

if TYPE_CHECKING:
    from tests.login_server.conftest import House


@pytest.mark.parametrize(
    ("peer_class", "union"), [(PlayerPeer, protocol.FromPlayer), (LauncherPeer, protocol.FromLauncher)]
)
def test_every_message_of_the_protocol_has_its_row(house: "House", peer_class: type, union: Any) -> None:
    rows = {message for peer, message in house.server.dispatch if peer is peer_class}
    assert rows == {*get_args(union), PeerConnected, PeerDisconnected}


def play(house: "House") -> list[Any]:
    """A conversation that touches everything that has a time, an id or an order; return all that was sent."""
    launcher = house.launcher("home", house.info(), house.info("home/two"))
    players = [house.player(name) for name in ("alice", "bob", "carol", "dave", "eve")]
    for player in players:
        house.tell(player, FindMatch(game="fourinarow"))
    house.tell(players[0], JoinServer(server_id="home/two"))
    (match_id, *_) = house.server.state()["running"]
    house.tell(launcher, MatchStarted(match_id=match_id, players=["alice", "bob"], server_id="home/one"))
    result = MatchResult(winner="bob", scores={"bob": 2}, reason="won", ended_at=house.clock())
    house.tell(launcher, UpdateServer(server=house.info(players=2)))
    house.settle()
    launcher.receives(
        house.server,
        MatchEnded(match_id=match_id, players=["alice", "bob"], result=result, server_id="home/one"),
    )
    house.settle()
    house.tell(players[4], CancelMatch())
    players[3].disconnects(house.server)
    house.pass_time(100)
    far_ends: list[FakeConnection[Any]] = [launcher, *players]
    return [message for far_end in far_ends for message in far_end.take()]


def test_invariant_the_same_messages_in_the_same_order_give_the_same_state(make_house: Any, tmp_path: Path) -> None:
    outcomes = []
    for name, seed in (("first", 7), ("second", 7), ("other", 8)):
        house = make_house(tmp_path / name, seed)
        sent = play(house)
        state = house.server.state()
        for names in (state["players"], state["launchers"]):
            names.update(dict.fromkeys(names, "a number that counts on through all tests"))
        outcomes.append((state, sent))
    assert outcomes[0] == outcomes[1]
    assert outcomes[0] != outcomes[2], "another seed gives other ids"


def test_the_state_is_plain(house: "House") -> None:
    play(house)
    state = house.server.state()
    assert json.loads(json.dumps(state)) == state


def test_everybody_is_told_of_the_end(house: "House") -> None:
    gone = house.player("bob")
    gone.disconnects(house.server)
    players = house.stranger(), house.visitor(), house.player("alice")
    far_ends: list[FakeConnection[Any]] = [*players, house.program(), house.launcher()]
    house.server.on_shutdown()
    for far_end in far_ends:
        assert [type(message) for message in far_end.take()] == [ShuttingDown]
    assert gone.take() == []
