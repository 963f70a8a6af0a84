"""WebSocket as a connection type (RFC 6455): the side that listens, and what both sides share.

    class ChatPeer(WebSocketPeer):
        pass

    class ChatHandler(WebSocketConnectionHandler):
        peer_class = ChatPeer

        def check_request(self, peer: ChatPeer, request: HttpRequest) -> None:
            if request.query.get("token") != "secret":
                raise HttpError(401, "no valid token")

    # in the central task, with the row (ChatPeer, WebSocketMessage): self.said
    def said(self, peer: ChatPeer, message: WebSocketMessage) -> None:
        peer.send(message)  # or a str, or bytes

A text message has a `str` as its data, a binary one `bytes`. The opening handshake comes before `PeerConnected`, within
`Limits.handshake_seconds`; pings are answered by the reader, and heartbeats are pings. `PeerDisconnected.code` is the
close code: the far end's when that closed, else the one that it was told, and 1006 where nobody said one.

The parser with its own bounds is `connhandler.framing.websocket`, the side that connects
`connhandler.websocketclient`. Needs the extra `websocket`.
"""

import ssl
from collections.abc import Sequence
from typing import Any, ClassVar

import gevent.socket
import gevent.ssl

from connhandler.connection import Address
from connhandler.errors import DisconnectReason, RefusalReason
from connhandler.framing.httprequest import HttpError, HttpRequest
from connhandler.framing.websocket import ServerFraming, Text
from connhandler.handler import Instances, MessageQueue
from connhandler.incoming import IncomingConnectionHandler
from connhandler.limits import Limits
from connhandler.websocketmessage import (
    CloseCode,
    WebSocketLink,
    WebSocketMessage,
    WebSocketPeer,
    WebSocketReader,
    WebSocketWriter,
    join,
)

__all__ = [
    "CloseCode",
    "HttpError",
    "HttpRequest",
    "Text",
    "WebSocketConnectionHandler",
    "WebSocketLink",
    "WebSocketMessage",
    "WebSocketPeer",
    "WebSocketReader",
    "WebSocketWriter",
]


class ServerLink(WebSocketLink):
    """The link of a connection that the far end made.

    Args:
        handler: whose connection it is.
    """

    framing: ServerFraming

    def __init__(self, handler: "WebSocketConnectionHandler") -> None:
        super().__init__()
        self._handler = handler
        self.framing = ServerFraming(
            max_message_bytes=handler.limits.max_message_bytes,
            subprotocols=handler.subprotocols,
            compression=handler.compression,
            origins=handler.origins,
        )

    def open(self, reader: WebSocketReader) -> list[bytes]:
        framing = self.framing
        reader.take(reader.already_received)
        while framing.request is None and framing.error is None:
            reader.receive_more()
        if framing.error is not None:
            raise framing.error
        assert framing.request is not None
        reader.peer.request = framing.request
        self._handler.check_room()
        try:
            self._handler.check_request(reader.peer, framing.request)
        except OSError as error:
            # Of a database, say; that one of this connection's own socket is lost is another matter.
            raise RuntimeError(f"check_request failed: {error}") from error
        framing.accept()
        reader.peer.subprotocol = framing.subprotocol
        return reader.take(b"")

    def encode_refusal(self, reason: DisconnectReason, detail: str, exception: BaseException | None) -> bytes:
        if self.framing.error is not None or reason is DisconnectReason.CLOSED_BY_PEER:
            return b""  # the framing has said so itself
        if isinstance(exception, HttpError):
            self.framing.reject(exception.status, exception.text, exception.headers)
        elif reason is DisconnectReason.PROTOCOL_ERROR:
            self.framing.reject(400, detail)
        elif reason is DisconnectReason.HANDSHAKE_TIMEOUT:
            self.framing.reject(408, detail)
        elif reason is DisconnectReason.INTERNAL_ERROR:
            self.framing.reject(500, "this request could not be answered")
        else:
            self.framing.reject(503, f"this request was not answered: {reason.value}")
        return self.framing.output()


class WebSocketConnectionHandler(IncomingConnectionHandler):
    """Listens for WebSocket clients; set `peer_class` in a subclass, and `reader_class` and `writer_class` for messages
    of another kind. It can also be given to an `HttpConnectionHandler`, which then does the listening.

    Args:
        task_name: the name of this handler in every log line.
        address: the local interface.
        port: the local port; 0 takes a free one.
        incoming_queue: where all messages go.
        limits: the bounds of every connection.
        ssl_context: a `ssl.SSLContext` (or `gevent.ssl.SSLContext`) for TLS, or None.
        origins: which web pages may connect: the values that a browser's `Origin` header may have, such as
            `"https://example.org"`; `"same"` stands for pages of the host that is asked. None for all. Other programs
            than browsers send no such header, and are not held up.
    """

    reader_class: ClassVar[type[WebSocketReader]] = WebSocketReader
    writer_class: ClassVar[type[WebSocketWriter]] = WebSocketWriter
    peer_class: ClassVar[type[WebSocketPeer]] = WebSocketPeer
    subprotocols: Sequence[str] = ()
    """Which sub-protocols are spoken, the best first."""
    compression: bool = False
    """Whether messages are compressed (permessage-deflate) where the client asks for it: that costs time and, for each
    connection, memory."""

    def __init__(
        self,
        task_name: str,
        address: str,
        port: int,
        incoming_queue: MessageQueue,
        *,
        limits: Limits | None = None,
        ssl_context: ssl.SSLContext | None = None,
        origins: Sequence[str] | None = None,
    ) -> None:
        if isinstance(origins, str):
            raise TypeError(f"origins must be a list of strings, such as [{origins!r}]")  # any part of it would match
        super().__init__(task_name, address, port, incoming_queue, limits=limits, ssl_context=ssl_context)
        self.origins = origins

    def check_request(self, peer: Any, request: HttpRequest) -> None:
        """Let a client in, or not: override it. Called by the connection's own task; it may wait, which counts into
        `Limits.handshake_seconds`. What is found out about the client can be kept in attributes of the peer.

        Args:
            peer: of the new connection; not announced yet.
            request: the opening handshake.

        Raises:
            HttpError: the client is not let in, and gets this answer: 401 when it did not say who it is, 403 when it
                may not, 429 when it comes too often.
        """

    def create_link(self, sock: gevent.socket.socket) -> WebSocketLink:
        """Return what the reader and the writer of one connection are made with."""
        return ServerLink(self)

    def create_connection_instances(self, sock: gevent.socket.socket, address: Address) -> Instances:
        link = self.create_link(sock)
        return self.reader_class(sock, link), self.writer_class(sock, link), self.peer_class()

    def create_instances(self, sock: gevent.socket.socket, address: Address) -> Instances:
        return join(super().create_instances(sock, address))

    def check_room(self) -> None:
        """Keep the bounds of a handler whose connections another one accepts.

        Raises:
            HttpError: there are too many connections.
        """
        if self.connections > self.limits.max_connections:
            raise HttpError(503, RefusalReason.TOO_MANY_CONNECTIONS.value)
        if self.not_logged_in > self.limits.max_not_logged_in:
            raise HttpError(503, RefusalReason.TOO_MANY_NOT_LOGGED_IN.value)

    def refusal_bytes(self, reason: RefusalReason) -> bytes:
        body = f"503 Service Unavailable: {reason.value}\n"
        return (
            "HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/plain; charset=utf-8\r\n"
            f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n{body}"
        ).encode()
