"""This project's client against other people's servers, each in a process of its own."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gevent
import pytest

from connhandler import DisconnectReason, IncomingQueue, Limits, PeerConnected
from connhandler.testing import check_leaks
from connhandler.websocketclient import OutgoingWebSocketHandler, WebSocketPeer

ROOT = Path(__file__).parents[3]
WAIT_SECONDS = 20
LARGE = "größer " * 20_000


class ServerPeer(WebSocketPeer):
    pass


class ServerHandler(OutgoingWebSocketHandler):
    peer_class = ServerPeer
    refused: list[tuple[int, str]]

    def on_refused(self, status: int, text: str) -> None:
        self.refused.append((status, text))
        self.stop_accepting()


@pytest.fixture(scope="module", params=["sync", "asyncio", "aiohttp"])
def port(request: pytest.FixtureRequest) -> Iterator[int]:
    command = [sys.executable, "-m", "tests.conformance.websocket_clients.far_servers", request.param]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line, process.communicate()[1]
    yield int(line)
    process.kill()
    process.communicate()


def take(queue: Any) -> Any:
    with gevent.Timeout(WAIT_SECONDS, AssertionError("no message came")):
        return queue.get()


@pytest.mark.parametrize("compressed", [False, True], ids=["plain", "compressed"])
def test_a_conversation(port: int, compressed: bool) -> None:
    queue = IncomingQueue()
    limits = Limits(heartbeat_seconds=0.3, idle_seconds=10)
    handler = ServerHandler("server", "127.0.0.1", port, queue, limits=limits, path="/echo", subprotocols=["echo"])
    handler.compression = compressed
    with check_leaks():
        handler.start()
        connected = take(queue)
        assert isinstance(connected, PeerConnected)
        peer: Any = connected.peer
        assert peer.subprotocol == "echo"
        assert bool(peer._link.framing._core.extensions) is compressed
        for message in ("", "grüß dich", LARGE, b"", bytes(range(256)), b"x" * 900_000):
            peer.send(message)
            assert take(queue).data == message
        for number in range(300):
            peer.send(str(number))
        assert [take(queue).data for _ in range(300)] == [str(number) for number in range(300)]
        gevent.sleep(1.2)  # The far end pings, and this one does.
        peer.send("close 4001 as asked")
        last = take(queue)
        assert (last.reason, last.code, last.detail) == (DisconnectReason.CLOSED_BY_PEER, 4001, "as asked")
        again = take(queue).peer
        again.disconnect("enough", code=4002)
        last = take(queue)
        assert (last.reason, last.code, last.detail) == (DisconnectReason.CLOSED_BY_US, 4002, "enough")
        handler.stop()


def test_a_refusal(port: int) -> None:
    handler = ServerHandler("server", "127.0.0.1", port, IncomingQueue(), path="/refuse")
    handler.refused = []
    with gevent.Timeout(WAIT_SECONDS):
        handler.run()
    assert handler.refused == [(403, "not here")]
    handler.stop()
