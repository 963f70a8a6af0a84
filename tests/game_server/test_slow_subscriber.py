"""Whoever does not read is dropped alone: the others in the game are not held up."""

import socket
import time
from collections.abc import Iterator
from random import Random

import gevent
import gevent.socket
import msgspec
import pytest

from connhandler import tasks
from game_server import protocol
from game_server.config import Configuration
from game_server.listener import GameListener
from game_server.model import GameBegan, GameEnded, PieceDropped
from tests.game_server.gameclient import GameClient

HANDSHAKE = (
    b"GET /den?player=mute HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)


def frame(payload: bytes) -> bytes:
    """A text frame of a client, with a mask that changes nothing (RFC 6455, 5.2)."""
    assert len(payload) < 126
    return bytes([0x81, 0x80 | len(payload), 0, 0, 0, 0]) + payload


@pytest.fixture
def listener() -> Iterator[GameListener]:
    listener = GameListener(Configuration(port=0, enable_auth=False), random=Random(4))
    limits = listener.players.limits
    listener.players.limits = msgspec.structs.replace(
        limits, outgoing_soft_bytes=32 * 1024, outgoing_hard_bytes=limits.max_message_bytes
    )
    listener.players.start()
    central = tasks.spawn("game_listener", listener.run)
    yield listener
    listener.players.stop(0)
    listener.stop()
    central.get(timeout=10)


def test_a_subscriber_that_does_not_read_is_dropped_alone_and_holds_nobody_up(listener: GameListener) -> None:
    players = [GameClient(listener.players.port, "den", {"player": name}) for name in ("alice", "bob")]
    watcher = GameClient(listener.players.port, "den", {"player": "watcher"})
    if players[0].event(GameBegan).beginner == "bob":
        players.reverse()
    mute = gevent.socket.socket()
    mute.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    mute.connect(("127.0.0.1", listener.players.port))
    mute.sendall(HANDSHAKE)
    assert mute.recv(1).startswith(b"H")
    asking = tasks.spawn("asking", ask_for_ever, mute)
    longest = 0.0
    for turn, column in enumerate([0, 1, 0, 1, 0, 1, 0]):
        if turn == 4:
            wait_until_dropped(listener)
        began = time.monotonic()
        players[turn % 2].send(protocol.Drop(column=column))
        for client in (*players, watcher):
            assert client.event(PieceDropped).column == column
        longest = max(longest, time.monotonic() - began)
    for client in (*players, watcher):
        assert client.event(GameEnded).reason == "won"
        client.close()
    assert longest < 2, f"a move took {longest:.1f} s"
    assert listener.players.counters["slow reader"] == 1
    asking.get(timeout=10)
    mute.close()


def ask_for_ever(mute: gevent.socket.socket) -> None:
    """Ask for all events again and again, and read none."""
    ask = frame(b'{"command":"events","from_sequence":1}') * 10
    try:
        while True:
            mute.sendall(ask)
    except OSError:
        pass  # dropped


def wait_until_dropped(listener: GameListener) -> None:
    with gevent.Timeout(30, AssertionError("a reader that does not read was not dropped")):
        while not listener.players.counters["slow reader"]:
            gevent.sleep(0.01)
