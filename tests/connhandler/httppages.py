"""A program with pages, its HTTP port, and a plain client that reads one response after the other."""

import json
import socket
import struct
from collections.abc import Callable, Iterator, Sequence
from typing import Any, BinaryIO, ClassVar, NamedTuple

import gevent
from gevent.queue import Queue

from connhandler import CentralTask, Limits, PeerDisconnected, tasks
from connhandler.connection import Connection
from connhandler.http import HttpConnectionHandler, HttpError, HttpPeer, HttpRequest, HttpResponse
from connhandler.testing import check_leaks

WAIT_SECONDS = 5.0


class PagePeer(HttpPeer):
    pass


class PageHandler(HttpConnectionHandler):
    peer_class = PagePeer


class FormHandler(PageHandler):
    """Takes what is sent to it, too."""

    methods: ClassVar[Sequence[str]] = ("GET", "HEAD", "POST")
    max_body_bytes = 1000


class Pages(CentralTask):
    """A program with one page for each thing that can happen to a request.

    Attributes:
        paths: of all requests.
        later: the peers and requests that wait for an answer.
        gone: the peers' last messages.
    """

    def __init__(self) -> None:
        super().__init__("pages")
        self.dispatch = {(PagePeer, HttpRequest): self.requested, (PagePeer, PeerDisconnected): self.left}
        self.paths: list[str] = []
        self.later: Queue[tuple[PagePeer, HttpRequest]] = Queue()
        self.gone: Queue[PeerDisconnected] = Queue()

    def requested(self, peer: PagePeer, request: HttpRequest) -> None:
        self.paths.append(request.path)
        if request.path == "/later":
            self.later.put((peer, request))
        elif request.path == "/fails":
            raise ZeroDivisionError
        elif request.path == "/missing":
            raise HttpError(404, "no such page", {"X-Hint": "none"})
        elif request.path == "/injected":
            peer.send(HttpResponse(headers={"X": "a\r\nSet-Cookie: b"}))
        elif request.path == "/twice":
            peer.send(HttpResponse(body=b"once"))
            peer.send(HttpResponse(body=b"twice"))
        elif request.path == "/hangs-up":
            peer.disconnect()
        elif request.path.startswith("/long/"):
            peer.send(HttpResponse(body=b"x" * int(request.path.removeprefix("/long/"))))
        elif request.path == "/body":
            peer.send(HttpResponse(body=request.body, content_type="application/octet-stream"))
        elif request.path == "/echo":
            shown = {"method": request.method, "query": request.query, "headers": request.headers}
            peer.send(HttpResponse(201, json.dumps(shown).encode(), "application/json", {"X-Extra": "yes"}))
        else:
            peer.send(HttpResponse(body=request.path.encode()))

    def left(self, peer: PagePeer, message: PeerDisconnected) -> None:
        self.gone.put(message)

    def next_gone(self) -> PeerDisconnected:
        with gevent.Timeout(WAIT_SECONDS):
            message: PeerDisconnected = self.gone.get()
            return message

    def next_later(self) -> tuple[PagePeer, HttpRequest]:
        with gevent.Timeout(WAIT_SECONDS):
            waiting: tuple[PagePeer, HttpRequest] = self.later.get()
            return waiting


class Site(NamedTuple):
    pages: Pages
    handler: PageHandler
    clients: "list[Client]"

    def connect(self) -> "Client":
        self.clients.append(Client(self.handler.port))
        return self.clients[-1]

    @property
    def connection(self) -> Connection:
        """The server's side of the only connection."""
        (connection,) = self.handler._connections
        return connection

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.handler.port}"


class Client:
    """A socket that writes what it is told and reads one response after the other."""

    def __init__(self, port: int) -> None:
        self.sock = socket.create_connection(("127.0.0.1", port), timeout=WAIT_SECONDS)
        self.file: BinaryIO = self.sock.makefile("rb")

    def send(self, data: bytes) -> None:
        self.sock.sendall(data)

    def get(self, path: str, *, method: str = "GET", version: str = "1.1", headers: str = "") -> None:
        self.send(f"{method} {path} HTTP/{version}\r\nHost: a\r\n{headers}\r\n".encode())

    def response(self, *, body: bool = True) -> tuple[int, dict[str, str], bytes]:
        status = int(self.file.readline().split()[1])
        headers = {}
        while (line := self.file.readline().decode("latin-1").rstrip("\r\n")) != "":
            name, _, value = line.partition(": ")
            headers[name.lower()] = value
        return status, headers, self.file.read(int(headers["content-length"])) if body else b""

    def rest(self) -> bytes:
        """What comes until the server closes."""
        return self.file.read()

    def reset(self) -> None:
        """Close so that the server hears of a lost connection."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close()

    def close(self) -> None:
        self.file.close()
        self.sock.close()


Serve = Callable[..., Site]


def serve_pages() -> Iterator[Serve]:
    """Make it a fixture: gives a function that serves pages, by a class of handlers and with these limits, until the
    test is over. What is left behind then fails the test."""
    running: list[tuple[Site, tasks.Task]] = []

    def start(
        handler_class: type[PageHandler] = PageHandler, upgrades: dict[str, Any] | None = None, **limits: Any
    ) -> Site:
        pages = Pages()
        handler = handler_class("pages", "127.0.0.1", 0, pages.queue, limits=Limits(**limits), upgrades=upgrades)
        handler.start()
        running.append((Site(pages, handler, []), tasks.spawn("pages", pages.run)))
        return running[-1][0]

    with check_leaks():
        yield start
        for site, central in running:
            for client in site.clients:
                client.close()
            site.handler.stop(0)
            site.pages.stop()
            central.get(timeout=WAIT_SECONDS)
        running.clear()
