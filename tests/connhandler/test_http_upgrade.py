"""A connection that leaves HTTP for the protocol of another handler."""

from typing import Any

import gevent
import gevent.socket
import pytest
from gevent.event import Event
from gevent.queue import Queue

from connhandler import (
    ConnectionReader,
    DisconnectReason,
    IncomingConnectionHandler,
    IncomingQueue,
    Limits,
    Peer,
    PeerConnected,
    PeerDisconnected,
    tasks,
)
from connhandler.connection import StreamConnectionWriter
from connhandler.http import HttpResponse
from connhandler.outbox import Outbox
from tests.connhandler.httppages import WAIT_SECONDS, FormHandler, Serve, Site, serve_pages
from tests.connhandler.support import Data

serve = pytest.fixture(serve_pages)

UPGRADE = b"GET /raw HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n\r\n"


class RawReader(ConnectionReader):
    def receive(self) -> bytes:
        data, self.already_received = self.already_received, b""
        return data or self.sock.recv(1000)

    def decode(self, data: bytes) -> Data:
        return Data(data)


class RawWriter(StreamConnectionWriter):
    def encode(self, message: Data) -> bytes:
        return message.data

    def frame(self, data: bytes) -> bytes:
        return data

    def encode_goodbye(self, reason: DisconnectReason, detail: str, exception: BaseException | None) -> bytes:
        return b"goodbye: " + reason.value.encode()


class RawPeer(Peer):
    pass


class RawHandler(IncomingConnectionHandler):
    def create_connection_instances(self, sock: gevent.socket.socket, address: Any) -> Any:
        return RawReader(sock), RawWriter(sock), RawPeer()


class Upgraded:
    """A site, the handler of what it upgrades to, and what that has heard."""

    def __init__(self, serve: Serve) -> None:
        self.heard: Queue[Any] = Queue()
        queue = IncomingQueue()
        self.raw = RawHandler("raw", "127.0.0.1", 0, queue, limits=Limits(linger_seconds=1))
        self.site: Site = serve(FormHandler, {"/raw": self.raw, "/also raw": self.raw})
        # One queue and one central task for both.
        self.raw.incoming_queue = self.site.pages.queue
        self.site.pages.dispatch = {
            **self.site.pages.dispatch,
            **{(RawPeer, kind): self._hear for kind in (PeerConnected, Data, PeerDisconnected)},
        }

    def _hear(self, peer: RawPeer, message: Any) -> None:
        self.heard.put(message)

    def next_heard(self) -> Any:
        with gevent.Timeout(WAIT_SECONDS):
            return self.heard.get()


@pytest.fixture
def upgraded(serve: Serve) -> Upgraded:
    return Upgraded(serve)


def test_the_connection_goes_on_with_the_other_handler(upgraded: Upgraded) -> None:
    client = upgraded.site.connect()
    client.send(UPGRADE + b"more")
    assert upgraded.site.pages.next_gone().reason is DisconnectReason.SWITCHED_PROTOCOLS
    connected, data = upgraded.next_heard(), upgraded.next_heard()
    assert isinstance(connected, PeerConnected)
    assert data.data == UPGRADE + b"more"
    data.peer.send(Data(b"HELLO"))
    assert client.file.read(5) == b"HELLO"
    client.send(b"again")
    assert upgraded.next_heard().data == b"again"
    assert (upgraded.site.handler.connections, upgraded.raw.connections) == (0, 1)
    client.close()
    assert upgraded.next_heard().reason is DisconnectReason.CLOSED_BY_PEER


def test_a_head_in_pieces(upgraded: Upgraded) -> None:
    client = upgraded.site.connect()
    for byte in UPGRADE:
        client.send(bytes([byte]))
    upgraded.next_heard()
    assert upgraded.next_heard().data.startswith(UPGRADE)


def test_any_path_and_case(upgraded: Upgraded) -> None:
    client = upgraded.site.connect()
    client.send(UPGRADE.replace(b"/raw", b"/also%20raw?token=x").replace(b"websocket", b"h2c, WebSocket"))
    upgraded.next_heard()
    assert b"token=x" in upgraded.next_heard().data


def test_requests_before_it_are_answered_first(upgraded: Upgraded) -> None:
    client = upgraded.site.connect()
    client.get("/1")
    assert client.response()[2] == b"/1"
    client.send(b"GET /later HTTP/1.1\r\nHost: a\r\n\r\n" + UPGRADE + b"more")
    peer, _ = upgraded.site.pages.next_later()
    assert upgraded.heard.empty()
    peer.send(HttpResponse(body=b"late"))
    assert client.response()[2] == b"late"
    upgraded.next_heard()
    assert upgraded.next_heard().data == UPGRADE + b"more"


@pytest.mark.parametrize(
    "data",
    [
        UPGRADE.replace(b"/raw", b"/other"),
        UPGRADE.replace(b"websocket", b"h2c"),
        UPGRADE.replace(b"websocket", b"websockets"),
        UPGRADE.replace(b"websocket", b""),
        UPGRADE.replace(b"Upgrade: websocket\r\n", b""),
        UPGRADE.replace(b", Upgrade", b""),
        UPGRADE.replace(b"HTTP/1.1", b"HTTP/1.0"),
        UPGRADE.replace(b"GET", b"POST"),
        UPGRADE.replace(b"GET", b"HEAD"),
        UPGRADE.replace(b"\r\n\r\n", b"\r\nContent-Length: 3\r\n\r\n") + b"abc",
    ],
    ids=lambda data: data[:-4].decode().replace("\r\n", " ").removesuffix(" Host: a"),
)
def test_anything_else_is_an_ordinary_request(upgraded: Upgraded, data: bytes) -> None:
    client = upgraded.site.connect()
    client.send(data)
    status, headers, _ = client.response(body=not data.startswith(b"HEAD"))
    assert status == 200
    assert "upgrade" not in headers
    client.get("/next")
    assert client.response()[2] == b"/next"
    assert upgraded.heard.empty()


def test_in_chunks_it_is_refused(upgraded: Upgraded) -> None:
    client = upgraded.site.connect()
    client.send(UPGRADE.replace(b"\r\n\r\n", b"\r\nTransfer-Encoding: chunked\r\n\r\n") + b"0\r\n\r\n")
    assert client.response()[0] == 400
    assert upgraded.heard.empty()


def test_it_goes_on_after_an_ordinary_request_with_the_same_head(upgraded: Upgraded) -> None:
    client = upgraded.site.connect()
    for _ in range(2):
        client.send(UPGRADE.replace(b"/raw", b"/other"))
        assert client.response()[2] == b"/other"
    client.send(UPGRADE)
    upgraded.next_heard()
    assert upgraded.next_heard().data == UPGRADE


def test_the_page_is_told_apart_from_the_socket_on_the_same_path(upgraded: Upgraded) -> None:
    client = upgraded.site.connect()
    client.get("/raw")
    assert client.response()[2] == b"/raw"


def test_stopping_ends_upgraded_connections_too(upgraded: Upgraded) -> None:
    client = upgraded.site.connect()
    client.send(UPGRADE)
    upgraded.next_heard()
    upgraded.next_heard()
    stopping = tasks.spawn("stopping", upgraded.site.handler.stop)
    assert client.rest() == b"goodbye: shutting down"
    client.close()
    assert upgraded.next_heard().reason is DisconnectReason.SHUTTING_DOWN
    stopping.get(timeout=WAIT_SECONDS)
    assert upgraded.raw.connections == 0


def test_disconnecting_all_and_waiting_includes_them(upgraded: Upgraded) -> None:
    client = upgraded.site.connect()
    client.send(UPGRADE)
    upgraded.next_heard()
    upgraded.next_heard()
    upgraded.site.handler.disconnect_all()
    waiting = tasks.spawn("waiting", upgraded.site.handler.wait_closed, WAIT_SECONDS)
    assert client.rest() == b"goodbye: shutting down"
    assert not waiting.ready()
    client.close()
    waiting.get(timeout=WAIT_SECONDS)
    assert upgraded.raw.connections == 0


def test_waiting_is_bounded(upgraded: Upgraded) -> None:
    client = upgraded.site.connect()
    client.send(UPGRADE)
    upgraded.next_heard()
    upgraded.next_heard()
    upgraded.site.handler.disconnect_all()
    with gevent.Timeout(WAIT_SECONDS):
        upgraded.site.handler.wait_closed(0)  # The client does not close.
    assert upgraded.raw.connections == 0


def test_one_that_is_on_its_way_when_all_are_ended_is_ended_too(
    upgraded: Upgraded, monkeypatch: pytest.MonkeyPatch
) -> None:
    draining, go_on, drain = Event(), Event(), Outbox.drain

    def drain_later(self: Outbox, seconds: float) -> bool:
        draining.set()
        go_on.wait()
        return drain(self, seconds)

    monkeypatch.setattr(Outbox, "drain", drain_later)
    client = upgraded.site.connect()
    client.send(UPGRADE)
    assert draining.wait(WAIT_SECONDS)
    handler = upgraded.site.handler
    handler.disconnect_all()
    waiting = tasks.spawn("waiting", handler.wait_closed, WAIT_SECONDS)
    go_on.set()
    assert client.rest() == b"goodbye: shutting down"
    client.close()
    waiting.get(timeout=WAIT_SECONDS)
    assert (handler.connections, upgraded.raw.connections) == (0, 0)
