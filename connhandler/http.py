"""HTTP as a connection type: a request is a message, and what the central task sends is the response to it.

    class PagePeer(HttpPeer):
        pass

    class PageHandler(HttpConnectionHandler):
        peer_class = PagePeer

    # in the central task, with the row (PagePeer, HttpRequest): self.page_requested
    def page_requested(self, peer: PagePeer, request: HttpRequest) -> None:
        peer.send(HttpResponse(body=b"hello"))

Each request is answered exactly once, now or later. The next one of the same connection is received when that is
done, so that pipelined requests are answered in order. GET and HEAD are served; a HEAD is answered like a GET, and
the body stays here. A handler that raises `HttpError(404, "no such page")` answers with that and closes.

How long a request may take to arrive is bounded by `Limits.first_message_seconds` and `message_seconds` (408), how
long the central task may take to answer it, and the pause between two requests, by `idle_seconds`. The parser with
its own bounds is `connhandler.framing.http`. Needs the extra `http`.
"""

import time
from collections import deque
from email.utils import formatdate
from functools import lru_cache
from http import HTTPStatus
from typing import ClassVar

import gevent.socket
import msgspec
from gevent.event import Event

from connhandler.connection import Address, ConnectionReader, Peer, StreamConnectionWriter
from connhandler.errors import ConnectionClosed, DisconnectReason, ProtocolError, RefusalReason
from connhandler.framing.http import RequestParser, encode_response
from connhandler.framing.httprequest import HttpError, HttpRequest
from connhandler.handler import Instances
from connhandler.incoming import IncomingConnectionHandler

__all__ = [
    "Exchange",
    "HttpConnectionHandler",
    "HttpError",
    "HttpPeer",
    "HttpReader",
    "HttpRequest",
    "HttpResponse",
    "HttpWriter",
]

RECEIVE_BYTES = 16 * 1024
"""At a time: several hundred small pipelined requests, all parsed before anybody else has a turn."""
PLAIN_TEXT = "text/plain; charset=utf-8"
METHODS = ("GET", "HEAD")
UNREADABLE = HttpRequest(method="", path="")
"""Stands for a request that is answered with what is wrong with it."""
TIMEOUTS = {DisconnectReason.FIRST_MESSAGE_TIMEOUT, DisconnectReason.MESSAGE_TIMEOUT}


class HttpResponse(msgspec.Struct):
    """The answer to one request. `Content-Length`, `Connection` and `Date` are added when it is sent."""

    status: int = 200
    body: bytes = b""
    content_type: str = PLAIN_TEXT
    headers: dict[str, str] = {}


class Exchange:
    """The request that waits for its response, if there is one: what a connection's reader, writer and peer share."""

    def __init__(self) -> None:
        self.request: HttpRequest | None = None
        self.answered = Event()
        self.answered.set()

    def begin(self, request: HttpRequest) -> None:
        self.request = request
        self.answered.clear()

    def end(self) -> None:
        self.request = None
        self.answered.set()


class HttpReader(ConnectionReader):
    """Receives one request after the other, each when the one before it has been answered."""

    max_body_bytes: ClassVar[int] = 64 * 1024
    """Of a request; a longer one is refused (413)."""

    def __init__(self, sock: gevent.socket.socket, exchange: Exchange) -> None:
        super().__init__(sock)
        self._exchange = exchange
        self._parser = RequestParser(self.max_body_bytes)
        self._received: deque[HttpRequest] = deque()

    def receive(self) -> bytes:
        """Wait for the next whole request and return its head; `decode` has the rest."""
        self._exchange.answered.wait()
        parser = self._parser
        while not self._received:
            if parser.error is not None:
                self._exchange.begin(UNREADABLE)
                raise parser.error
            if parser.mid_message and self.begun_at is None:
                self.begun_at = time.monotonic()
            data = self.sock.recv(RECEIVE_BYTES)
            if not data:
                raise ConnectionClosed(parser.mid_message)
            self._received.extend(parser.receive_data(data))
        self.begun_at = None
        return self._received[0].head

    def decode(self, data: bytes) -> HttpRequest:
        """Return the request with this head: it was parsed while its end was looked for.

        Raises:
            HttpError: its method is not served.
        """
        request = self._received.popleft()
        self._exchange.begin(request)
        if request.method not in METHODS:
            raise HttpError(405, f"{request.method} is not served here", {"Allow": ", ".join(METHODS)})
        return request


class HttpWriter(StreamConnectionWriter):
    """Sends responses, and says in HTTP why a connection ends with a request unanswered."""

    def __init__(self, sock: gevent.socket.socket, exchange: Exchange) -> None:
        super().__init__(sock)
        self._exchange = exchange

    def encode(self, message: HttpResponse) -> bytes:
        """Raises:
        RuntimeError: there is no request to answer.
        ValueError: the response cannot be sent as it is.
        """
        request = self._exchange.request
        if request is None:
            raise RuntimeError("there is no request to answer: each is answered exactly once")
        return encode_for(request, message, keep_alive=request.keep_alive)

    def frame(self, data: bytes) -> bytes:
        return data

    def encode_goodbye(self, reason: DisconnectReason, detail: str, exception: BaseException | None) -> bytes | None:
        request = self._exchange.request
        if reason in TIMEOUTS:
            response = error_response(408, detail)
        elif request is None:
            return None
        elif isinstance(exception, HttpError):
            response = error_response(exception.status, exception.text, exception.headers)
        elif isinstance(exception, ProtocolError):
            response = error_response(400, str(exception))
        elif reason is DisconnectReason.INTERNAL_ERROR:
            response = error_response(500, "this request could not be answered")
        else:
            response = error_response(503, f"this request was not answered: {reason.value}")
        return encode_for(request, response, keep_alive=False)


class HttpPeer(Peer):
    """A client. Send it one `HttpResponse` for each `HttpRequest`."""

    exchange: Exchange | None = None

    def send(self, message: HttpResponse) -> None:
        """Answer the request; then close, if the client wants no other. Never waits.

        Raises:
            RuntimeError: there is no request to answer.
            ValueError: a header cannot be sent as it is, or the response is longer than `Limits.max_message_bytes`.
        """
        request = self.exchange.request if self.exchange is not None else None
        super().send(message)
        if self.exchange is None or request is None:
            return
        self.exchange.end()
        if not request.keep_alive:
            self.disconnect("answered the last request")


class HttpConnectionHandler(IncomingConnectionHandler):
    """Listens for HTTP clients. Arguments as for every incoming handler; set `peer_class` in a subclass."""

    peer_class: ClassVar[type[HttpPeer]] = HttpPeer

    def create_connection_instances(self, sock: gevent.socket.socket, address: Address) -> Instances:
        exchange = Exchange()
        peer = self.peer_class()
        peer.exchange = exchange
        return HttpReader(sock, exchange), HttpWriter(sock, exchange), peer

    def refusal_bytes(self, reason: RefusalReason) -> bytes:
        return encode_for(None, error_response(503, reason.value), keep_alive=False)


def error_response(status: int, text: str, headers: dict[str, str] | None = None) -> HttpResponse:
    """Return a response that says in plain text what was wrong."""
    return HttpResponse(status, f"{status} {HTTPStatus(status).phrase}: {text}\n".encode(), headers=headers or {})


def encode_for(request: HttpRequest | None, response: HttpResponse, *, keep_alive: bool) -> bytes:
    """Return the bytes of the response to `request`, or to one that could not be understood.

    Raises:
        ValueError: the response cannot be sent as it is.
    """
    headers = dict(response.headers)
    if response.body:
        headers["Content-Type"] = response.content_type
    return encode_response(
        response.status,
        headers,
        response.body,
        head_only=request is not None and request.method == "HEAD",
        keep_alive=keep_alive,
        http_version="1.1" if request is None else request.http_version,
        date=http_date(int(time.time())),
    )


@lru_cache(maxsize=1)
def http_date(now: int) -> str:
    """Return a time, in seconds since 1970, as HTTP writes it (RFC 9110, 5.6.7)."""
    return formatdate(now, usegmt=True)
