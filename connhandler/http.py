"""HTTP as a connection type: a request is a message, and what the central task sends is the response to it.

    class PagePeer(HttpPeer):
        pass

    class PageHandler(HttpConnectionHandler):
        peer_class = PagePeer

    # in the central task, with the row (PagePeer, HttpRequest): self.page_requested
    def page_requested(self, peer: PagePeer, request: HttpRequest) -> None:
        peer.send(HttpResponse.html("<h1>hello</h1>"))  # or .text, .json, .error, or any HttpResponse(...)

Each request is answered exactly once, now or later. The next one of the same connection is received when that is
done, so that pipelined requests are answered in order. GET and HEAD are served, or whatever `methods` says; a HEAD is
answered like a GET, and the body stays here. A handler that raises `HttpError(404, "no such page")` answers with that
and closes the connection; an `HttpResponse` of any status leaves it open. A client that expects `100 Continue` before
it sends a body hears it, unless the request is refused at once.

How long a request may take to arrive is bounded by `Limits.first_message_seconds` and `message_seconds` (408), how
long the central task may take to answer it (503), and the pause between two requests, by `idle_seconds`. The parser
with its own bounds is `connhandler.framing.http`. Needs the extra `http`.

With `upgrades={"/players": handler}`, a client that asks for WebSocket on that path leaves HTTP: its connection goes on
as one of that handler (any incoming one, which does not listen itself), beginning with the bytes of that request. Such
handlers belong to this one: whoever stops it, or ends its connections, does the same to theirs.
"""

import logging
import ssl
import time
from collections.abc import Mapping, Sequence, Set
from typing import ClassVar

import gevent
import gevent.socket
import gevent.ssl

from connhandler.connection import Address, Connection, ConnectionReader, Peer, ProtocolSwitch, StreamConnectionWriter
from connhandler.errors import ConnectionClosed, DisconnectReason, ProtocolError, RefusalReason
from connhandler.framing.http import RequestParser
from connhandler.framing.httprequest import HttpError, HttpRequest
from connhandler.framing.httpresponse import HttpResponse, encode_response, http_date
from connhandler.gate import Gate
from connhandler.handler import ConnectionHandler, Instances, MessageQueue
from connhandler.incoming import IncomingConnectionHandler
from connhandler.limits import Limits
from connhandler.sockets import Inflow

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
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
TIMEOUTS = {DisconnectReason.FIRST_MESSAGE_TIMEOUT, DisconnectReason.MESSAGE_TIMEOUT}
ORDINARY = range(401, 500)
"""Answers that are no more than that, such as 404. Behind a 400 is a client that is broken, or no client at all."""

UNREADABLE = HttpRequest(method="", path="")
"""Stands for a request before the first."""


class Exchange:
    """The request that waits for its response, if there is one: what a connection's reader, writer and peer share."""

    __slots__ = ("_answered", "request")

    def __init__(self) -> None:
        self.request: HttpRequest | None = None
        self._answered = Gate()

    def begin(self, request: HttpRequest) -> None:
        self.request = request

    def end(self) -> None:
        self.request = None
        self._answered.open()

    def wait(self) -> None:
        """Wait until no request waits for its response."""
        while self.request is not None:
            self._answered.wait()


class HttpReader(ConnectionReader):
    """Receives one request after the other, each when the one before it has been answered.

    Args:
        sock: the connection's socket.
        exchange: shared with the writer and the peer.
        parser: a new one.
        upgrades: who lives a connection on, by the path where it asked for that.
    """

    def __init__(
        self,
        sock: gevent.socket.socket,
        exchange: Exchange,
        parser: RequestParser,
        upgrades: Mapping[str, ConnectionHandler],
    ) -> None:
        super().__init__(sock)
        self._inflow = Inflow(sock)
        self._exchange = exchange
        self._parser = parser
        self._upgrades = upgrades
        self._request = UNREADABLE

    def receive(self) -> bytes:
        """Return the head of the next request; `decode` has the rest."""
        return self.receive_burst()[0]

    def receive_burst(self) -> Sequence[bytes]:
        """Wait for the next whole request and return its head."""
        parser, exchange = self._parser, self._exchange
        if not parser.idle:
            exchange.wait()
        while (request := parser.next_request()) is None:
            self._look_at_what_else_was_read()
            # While the request before is not answered yet, this looks ahead, so far as to notice that the client has
            # gone. What came is read when its turn has come.
            data = self.already_received or self._inflow.receive(RECEIVE_BYTES)
            self.already_received = b""
            if exchange.request is not None:
                exchange.wait()
            if not data:
                raise ConnectionClosed(parser.mid_message)
            parser.feed(data)
            if parser.closing:
                gevent.sleep(0)  # It is ignored, however much comes: it must not hold the hub.
        self.begun_at = None
        self._request = request
        return (request.head,)

    def decode(self, data: bytes) -> HttpRequest:
        """Return the request with this head: it was parsed while its end was looked for."""
        self._exchange.begin(self._request)
        return self._request

    def _look_at_what_else_was_read(self) -> None:
        """Raises:
        HttpError: it is no request.
        ProtocolSwitch: the client goes on in another protocol.
        """
        parser = self._parser
        if parser.error is not None:
            # It is answered with what is wrong with it.
            self._exchange.begin(HttpRequest(method=parser.method, path=""))
            raise parser.error
        if parser.switched is not None:
            request = parser.switched
            raise ProtocolSwitch(self._upgrades[request.path], request.head + parser.rest)
        if parser.mid_message and self.begun_at is None:
            self.begun_at = time.monotonic()
        if parser.awaits_continue:
            parser.awaits_continue = False
            self.reply(CONTINUE)


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
        return encode_response(
            message,
            head_only=request.method == "HEAD",
            keep_alive=request.keep_alive,
            http_version=request.http_version,
            date=http_date(int(time.time())),
        )

    def frame(self, data: bytes) -> bytes:
        return data

    def encode_goodbye(self, reason: DisconnectReason, detail: str, exception: BaseException | None) -> bytes | None:
        request = self._exchange.request
        if reason in TIMEOUTS:
            response = HttpResponse.error(408, detail)
        elif request is None:
            return None
        elif isinstance(exception, HttpError):
            response = HttpResponse.error(exception.status, exception.text, exception.headers)
        elif isinstance(exception, ProtocolError):
            response = HttpResponse.error(400, str(exception))
        elif reason is DisconnectReason.INTERNAL_ERROR:
            response = HttpResponse.error(500, "this request could not be answered")
        else:
            response = HttpResponse.error(503, f"this request was not answered: {reason.value}")
        return encode_last(response, head_only=request is not None and request.method == "HEAD")


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
    """Listens for HTTP clients; set `peer_class` in a subclass.

    Args:
        upgrades: whose connection it becomes when a client asks for WebSocket, by path. These handlers have port 0 and
            are never started themselves, nor given to a `Service`.

    The others are as for every incoming handler.
    """

    peer_class: ClassVar[type[HttpPeer]] = HttpPeer
    methods: ClassVar[Sequence[str]] = ("GET", "HEAD")
    """The methods that are served; another one is refused (405)."""
    max_body_bytes: ClassVar[int] = 64 * 1024
    """Of a request; a longer one is refused (413)."""

    def __init__(
        self,
        task_name: str,
        address: str,
        port: int,
        incoming_queue: MessageQueue,
        *,
        limits: Limits | None = None,
        ssl_context: ssl.SSLContext | None = None,
        upgrades: Mapping[str, ConnectionHandler] | None = None,
    ) -> None:
        super().__init__(task_name, address, port, incoming_queue, limits=limits, ssl_context=ssl_context)
        self.upgrades = dict(upgrades or {})

    def create_connection_instances(self, sock: gevent.socket.socket, address: Address) -> Instances:
        exchange = Exchange()
        peer = self.peer_class()
        peer.exchange = exchange
        parser = RequestParser(self.max_body_bytes, self.methods, self.upgrades.keys())
        return HttpReader(sock, exchange, parser, self.upgrades), HttpWriter(sock, exchange), peer

    def refusal_bytes(self, reason: RefusalReason) -> bytes:
        return encode_last(HttpResponse.error(503, reason.value))

    def disconnect_all(self, politely: bool = True) -> None:
        super().disconnect_all(politely)
        for handler in self.successors:
            handler.disconnect_all(politely)

    def stop(self, seconds: float | None = None) -> None:
        super().stop(seconds)
        for handler in self.successors:
            handler.stop(0)

    def _wait_until_closed(self) -> None:
        super()._wait_until_closed()
        for handler in self.successors:
            handler.disconnect_all()  # One may have been on its way to it when all were asked to end.
            handler._wait_until_closed()

    @property
    def successors(self) -> Set[ConnectionHandler]:
        return set(self.upgrades.values())

    def _level_of(self, connection: Connection, reason: DisconnectReason) -> int:
        """What browsers and wrong links do all day is not worth a line at INFO."""
        if isinstance(connection.exception, HttpError):
            ordinary = connection.exception.status in ORDINARY
        elif reason is DisconnectReason.FIRST_MESSAGE_TIMEOUT:
            ordinary = connection.reader.begun_at is None  # browsers keep a connection to spare
        else:
            peer = connection.peer
            waits = isinstance(peer, HttpPeer) and peer.exchange is not None and peer.exchange.request is not None
            ordinary = reason is DisconnectReason.IDLE_TIMEOUT and not waits
        return logging.DEBUG if ordinary else super()._level_of(connection, reason)


def encode_last(response: HttpResponse, *, head_only: bool = False) -> bytes:
    """Return the bytes of the response after which the connection is closed."""
    return encode_response(response, head_only=head_only, keep_alive=False, date=http_date(int(time.time())))
