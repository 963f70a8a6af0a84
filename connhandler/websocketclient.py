"""WebSocket as a connection type: the side that connects.

    class ChatPeer(WebSocketPeer):
        pass

    class ChatServerHandler(OutgoingWebSocketHandler):
        peer_class = ChatPeer

    handler = ChatServerHandler("chat", "chat.example.org", 443, queue, ssl_context=context, path="/room/7")

Messages, close codes and the rest are as on the other side, `connhandler.websocket`. Like every outgoing handler this
one connects again for ever, also to a server that refuses its handshake.
"""

import random
import ssl
from collections.abc import Mapping, Sequence
from typing import ClassVar
from urllib.parse import quote, urlencode

import gevent.socket
import gevent.ssl
import msgspec

from connhandler.connection import Address
from connhandler.errors import ConnectionClosed
from connhandler.framing.httprequest import HttpRequest
from connhandler.framing.websocket import ClientFraming
from connhandler.handler import Instances, MessageQueue
from connhandler.limits import Limits
from connhandler.outgoing import OutgoingConnectionHandler
from connhandler.websocketmessage import (
    WebSocketLink,
    WebSocketMessage,
    WebSocketPeer,
    WebSocketReader,
    WebSocketWriter,
    join,
)

__all__ = [
    "OutgoingWebSocketHandler",
    "WebSocketMessage",
    "WebSocketPeer",
    "WebSocketReader",
    "WebSocketRequest",
    "WebSocketWriter",
]


class WebSocketRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What an opening handshake asks for. The arguments of `OutgoingWebSocketHandler` have the same names."""

    path: str = "/"
    """Not encoded."""
    query: Mapping[str, str] = {}
    headers: Mapping[str, str] = {}
    """Besides those of the protocol, such as `Authorization`."""
    subprotocols: Sequence[str] = ()
    """Which sub-protocols this side speaks, the best first; none at all if it does not care."""
    origin: str | None = None


class ClientLink(WebSocketLink):
    """The link of a connection that this side made."""

    def __init__(self, handler: "OutgoingWebSocketHandler") -> None:
        super().__init__()
        self._handler = handler

    def open(self, reader: WebSocketReader) -> list[bytes]:
        handler = self._handler
        request = handler.handshake_request()
        framing = self.framing = ClientFraming(
            handler.url_of(request),
            origin=request.origin,
            subprotocols=request.subprotocols,
            headers=request.headers,
            compression=handler.compression,
            max_message_bytes=handler.limits.max_message_bytes,
        )
        reader.reply_what_is_due()
        messages: list[bytes] = []
        while not framing.opened:
            try:
                messages += reader.receive_more()
            except ConnectionClosed:
                if framing.error is None:
                    raise
            if framing.refusal is not None:
                handler.on_refused(*framing.refusal)
            # A fault right behind a good answer is dealt with after the messages that came between the two.
            if framing.error is not None and not framing.opened:
                raise framing.error
        reader.peer.request = HttpRequest(
            method="GET", path=request.path, query=dict(request.query), headers=dict(request.headers)
        )
        reader.peer.subprotocol = framing.subprotocol
        return messages


class OutgoingWebSocketHandler(OutgoingConnectionHandler):
    """Connects to a WebSocket server, and again after every failure; set `peer_class` in a subclass, and `reader_class`
    and `writer_class` for messages of another kind. Heartbeats are sent from here too, so that a server that has
    vanished is noticed.

    Args:
        task_name: the name of this handler in every log line.
        address: the remote host: a name or a numeric address.
        port: the remote port.
        incoming_queue: where all messages go.
        limits: the bounds of every connection.
        ssl_context: a `ssl.SSLContext` (or `gevent.ssl.SSLContext`) for TLS, or None.
        server_hostname: the name that the far end's certificate must have, and that it is asked for; default `address`.
        random: where the jitter comes from.
        path: of the server's URL, not encoded.
        query: the fields of the URL's query.
        headers: besides those of the protocol, such as `Authorization`.
        subprotocols: which sub-protocols this side speaks, the best first.
        origin: for servers that insist on it.
    """

    sends_heartbeats = True
    reader_class: ClassVar[type[WebSocketReader]] = WebSocketReader
    writer_class: ClassVar[type[WebSocketWriter]] = WebSocketWriter
    peer_class: ClassVar[type[WebSocketPeer]] = WebSocketPeer
    compression: bool = False
    """Whether to ask for compressed messages (permessage-deflate)."""

    def __init__(
        self,
        task_name: str,
        address: str,
        port: int,
        incoming_queue: MessageQueue,
        *,
        limits: Limits | None = None,
        ssl_context: ssl.SSLContext | None = None,
        server_hostname: str | None = None,
        random: random.Random = random.Random(),  # noqa: B008 - one shared source is what is meant
        path: str = "/",
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        subprotocols: Sequence[str] = (),
        origin: str | None = None,
    ) -> None:
        super().__init__(
            task_name,
            address,
            port,
            incoming_queue,
            limits=limits,
            ssl_context=ssl_context,
            server_hostname=server_hostname,
            random=random,
        )
        self.request = WebSocketRequest(
            path=path, query=query or {}, headers=headers or {}, subprotocols=subprotocols, origin=origin
        )

    def handshake_request(self) -> WebSocketRequest:
        """Return what to ask the server for. Override it where that changes, as a token does.

        Called for each attempt, by the connection's own task: it may wait, which counts into
        `Limits.handshake_seconds`.
        """
        return self.request

    def on_refused(self, status: int, text: str) -> None:
        """Told each time that the server refuses the handshake: override it where the program should know, since this
        handler tries for ever. Called by the connection's own task; hand it on with `CentralTask.post`.

        Args:
            status: the status code of the answer: 401, 403, 503, …
            text: what the server said about it, shortened.
        """

    def url_of(self, request: WebSocketRequest) -> str:
        """Return the URL that is asked for.

        Raises:
            ValueError: the path does not begin with a slash.
        """
        if not request.path.startswith("/"):
            raise ValueError(f"a path begins with a slash, not as {request.path!r} does")  # else it goes into the port
        scheme = "ws" if self.ssl_context is None else "wss"
        host = self.server_hostname or self.address
        if ":" in host:
            host = f"[{host}]"
        query = f"?{urlencode(request.query)}" if request.query else ""
        return f"{scheme}://{host}:{self.port}{quote(request.path)}{query}"

    def create_link(self, sock: gevent.socket.socket) -> WebSocketLink:
        """Return what the reader and the writer of one connection are made with."""
        return ClientLink(self)

    def create_connection_instances(self, sock: gevent.socket.socket, address: Address) -> Instances:
        link = self.create_link(sock)
        return self.reader_class(sock, link), self.writer_class(sock, link), self.peer_class()

    def create_instances(self, sock: gevent.socket.socket, address: Address) -> Instances:
        return join(super().create_instances(sock, address))
