"""WebSockets on the port of an `HttpConnectionHandler`: a page and its socket share one origin."""

from collections.abc import Iterator
from typing import Any

import pytest

from connhandler import DisconnectReason, IncomingQueue, Limits, PeerConnected, PeerDisconnected, tasks
from connhandler.http import HttpConnectionHandler, HttpPeer, HttpRequest, HttpResponse
from connhandler.testing import check_leaks
from connhandler.websocket import HttpError, WebSocketMessage
from tests.connhandler.support import wait_until, within
from tests.connhandler.websocketsupport import (
    TEXT,
    VisitorHandler,
    VisitorPeer,
    WebSocketClient,
    frame,
    handshake,
)


class PagePeer(HttpPeer):
    pass


class PageHandler(HttpConnectionHandler):
    peer_class = PagePeer


class GuardedHandler(VisitorHandler):
    def check_request(self, peer: VisitorPeer, request: HttpRequest) -> None:
        if request.query.get("token") != "secret":
            raise HttpError(401, "no valid token")


SHORT_LINGER = Limits(linger_seconds=0.5)
"""A connection that ends waits so long for the queue to be read, which these tests do only afterwards."""


class Site:
    """An HTTP handler with a WebSocket at `/players`, and the queue of both."""

    def __init__(self, limits: Limits = SHORT_LINGER, ssl_context: Any = None) -> None:
        self.queue = IncomingQueue()
        self.sockets = GuardedHandler("players", "127.0.0.1", 0, self.queue, limits=limits, origins=["same"])
        self.pages = PageHandler(
            "pages",
            "127.0.0.1",
            0,
            self.queue,
            limits=limits,
            ssl_context=ssl_context,
            upgrades={"/players": self.sockets},
        )
        self.pages.start()
        self.clients: list[WebSocketClient] = []

    def client(self, **how: Any) -> WebSocketClient:
        self.clients.append(WebSocketClient(self.pages.port, "/players?token=secret", **how))
        return self.clients[-1]

    def next(self, kind: type[Any]) -> Any:
        """The next message that is not about a connection that has switched, or begun, as HTTP."""
        while True:
            message = within(self.queue.get)
            if not isinstance(message.peer, PagePeer) or kind is HttpRequest:
                assert isinstance(message, kind), message
                return message

    def stop(self) -> None:
        for client in self.clients:
            client.close()
        taking = tasks.spawn("taking", self._take_the_rest)
        within(self.pages.stop)
        taking.kill()

    def _take_the_rest(self) -> None:
        while True:
            self.queue.get()


@pytest.fixture
def serve() -> Iterator[Any]:
    sites: list[Site] = []

    def start(*args: Any, **kwargs: Any) -> Site:
        sites.append(Site(*args, **kwargs))
        return sites[-1]

    with check_leaks():
        yield start
        while sites:
            sites.pop().stop()


def test_a_page_and_its_socket_on_one_port(serve: Any) -> None:
    site = serve()
    client = site.client(headers=f"Origin: http://localhost\r\nX: {'y' * 3000}\r\n")
    peer = site.next(PeerConnected).peer
    assert isinstance(peer, VisitorPeer)
    assert peer.name == "players[1]"
    assert peer.request.query == {"token": "secret"}
    client.send("hello")
    assert site.next(WebSocketMessage).data == "hello"
    peer.send("you too")
    assert client.receive() == "you too"
    client.send_close(4001, "bye")
    assert client.receive_close() == (4001, "bye")
    client.close()
    last = site.next(PeerDisconnected)
    assert (last.reason, last.code, last.detail) == (DisconnectReason.CLOSED_BY_PEER, 4001, "bye")


def test_over_tls(serve: Any, server_context: Any, any_context: Any) -> None:
    site = serve(ssl_context=server_context)
    client = site.client(ssl_context=any_context, headers="Origin: https://localhost\r\n")
    peer = site.next(PeerConnected).peer
    client.send(b"x" * 100_000)
    assert site.next(WebSocketMessage).data == b"x" * 100_000
    peer.send(b"y" * 100_000)
    assert client.receive() == b"y" * 100_000


def test_a_page_comes_first_on_the_same_connection(serve: Any) -> None:
    site = serve()
    client = site.client(shake=False)
    client.sock.sendall(b"GET /page HTTP/1.1\r\nHost: localhost\r\n\r\n" + handshake("/players?token=secret"))
    assert isinstance(within(site.queue.get), PeerConnected)
    request = within(site.queue.get)
    assert (request.peer.name, request.path) == ("pages[1]", "/page")
    request.peer.send(HttpResponse.text("a page"))
    assert client.read_response().body == b"a page"
    assert client.read_response().status == 101
    last = within(site.queue.get)
    assert (last.reason, last.peer.name) == (DisconnectReason.SWITCHED_PROTOCOLS, "pages[1]")
    assert isinstance(site.next(PeerConnected).peer, VisitorPeer)


def test_frames_that_come_with_the_request(serve: Any) -> None:
    """A client must wait for the answer (RFC 6455, 4.1): whoever does not may be trying to deceive a proxy between."""
    site = serve()
    client = site.client(shake=False)
    assert client.refused(handshake("/players?token=secret") + frame(TEXT, b"early")).status == 400


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        ("/players", "", 401),
        ("/players?token=secret", "Origin: https://evil.example\r\n", 403),
        ("/players?token=secret", "Host: another\r\n", 400),
    ],
)
def test_who_is_not_let_in(serve: Any, path: str, headers: str, status: int) -> None:
    site = serve()
    client = site.client(shake=False)
    assert client.refused(handshake(path, headers)).status == status
    client.close()
    wait_until(lambda: not site.sockets.connections and not site.pages.connections)
    assert not [m for m in iter_queue(site.queue) if isinstance(m.peer, VisitorPeer)]


def iter_queue(queue: IncomingQueue) -> Iterator[Any]:
    while not queue.empty():
        yield queue.get()


def test_another_path_has_no_socket(serve: Any) -> None:
    site = serve()
    client = site.client(shake=False)
    client.sock.sendall(handshake("/elsewhere"))
    assert isinstance(within(site.queue.get), PeerConnected)
    request = within(site.queue.get)
    assert request.path == "/elsewhere"
    request.peer.send(HttpResponse.text("no socket here", status=404))
    assert client.read_response().status == 404


def test_the_end_of_the_http_handler_is_the_end_of_the_sockets(serve: Any) -> None:
    site = serve()
    client = site.client()
    site.next(PeerConnected)
    stopping = tasks.spawn("stopping", site.pages.stop)
    assert client.receive_close() == (1001, "")
    client.close()
    last = site.next(PeerDisconnected)
    assert (last.reason, last.code) == (DisconnectReason.SHUTTING_DOWN, 1001)
    within(stopping.get)
    assert site.sockets.connections == 0
