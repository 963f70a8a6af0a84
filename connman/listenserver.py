"""Accepts connections from clients and hands each to a `ClientHandle`; nothing else (seed document 000).

Two framings: JSON objects one after another, which is the default, or one object a line.
"""

import socket
from typing import TYPE_CHECKING, Any, Final, Literal

import gevent.socket

from connhandler import (
    DisconnectReason,
    FramedConnectionReader,
    IncomingConnectionHandler,
    Limits,
    ProtocolError,
    RefusalReason,
    StreamConnectionWriter,
)
from connhandler.framing import Framing
from connhandler.framing.jsonstream import JsonObjectDecoder
from connhandler.framing.lines import LineDecoder
from connman import protocol
from connman.clienthandle import ClientHandle, Received
from connman.protocol import Packet

if TYPE_CHECKING:
    from connman.switchboard import Switchboard

PORT: Final = 3001
BACKLOG: Final = 4_096
"""The original's 128 is too short for clients that all connect at the same instant: those that find no place are kept
waiting by their own systems, for seconds or for good."""

LIMITS: Final = Limits(
    first_message_seconds=0,
    login_seconds=120.0,  # Whoever connects may have to type a name and a password now.
    linger_seconds=2.0,
    idle_seconds=0,  # Clients may be silent, and know no heartbeat.
    max_connections_per_address=4_000,
    accept_backlog=BACKLOG,
)

SILENCE_OPTIONS: Final = ((socket.TCP_KEEPIDLE, 60), (socket.TCP_KEEPINTVL, 15), (socket.TCP_KEEPCNT, 4))
"""A machine that is gone without a word is noticed by TCP itself, after two minutes."""

SAID_BEFORE: Final = {DisconnectReason.CLOSED_BY_US, DisconnectReason.CLOSED_BY_PEER}
"""Ends after which no more is to be said than that it is the end."""

EndOfPacket = Literal["objects", "lines"]


class ClientReader(FramedConnectionReader):
    """Args:
    sock: of the connection.
    framing: what tells where a packet ends.
    """

    def __init__(self, sock: gevent.socket.socket, framing: EndOfPacket) -> None:
        super().__init__(sock)
        self._kind = framing

    def create_framing(self) -> Framing:
        size = self.limits.max_message_bytes
        return LineDecoder(max_message_bytes=size) if self._kind == "lines" else JsonObjectDecoder(size)

    def decode(self, data: bytes) -> Received:
        try:
            received = Received(data)
        except ValueError as error:
            raise ProtocolError(f"a message that is no JSON: {error}") from error
        if self._kind == "lines":
            protocol.check_depth(data)
        return received


class ClientWriter(StreamConnectionWriter):
    """Sends packets, or what `protocol.encode` has made of one."""

    answers_close = True

    def __init__(self, sock: gevent.socket.socket, framing: EndOfPacket, client: ClientHandle) -> None:
        super().__init__(sock)
        self._end = b"\n" if framing == "lines" else b""
        self._client = client

    def encode(self, message: bytes | Packet) -> bytes:
        return message if isinstance(message, bytes) else protocol.encode(message)

    def frame(self, data: bytes) -> bytes:
        return data + self._end

    def encode_goodbye(self, reason: DisconnectReason, detail: str, exception: BaseException | None) -> bytes | None:
        """What was wrong, if something was; and to one who was logged in, that this is the end."""
        client_id = self._client.client_id
        packets = []
        if reason not in SAID_BEFORE:
            words = "the server shuts down" if reason is DisconnectReason.SHUTTING_DOWN else detail
            packets.append(protocol.error(reason.name.lower(), words, client_id))
        if client_id is not None:
            packets.append(protocol.farewell(client_id))
        return self._end.join(map(protocol.encode, packets)) or None


class ListenServer(IncomingConnectionHandler):
    """Args:
    switchboard: whose clients these are.
    framing: what tells where a packet ends, in both directions.
    options: as `IncomingConnectionHandler` takes them.
    """

    def __init__(
        self, switchboard: "Switchboard", address: str, port: int, framing: EndOfPacket = "objects", **options: Any
    ) -> None:
        super().__init__("clients", address, port, switchboard.queue, **options)
        self._switchboard = switchboard
        self._framing = framing

    def create_connection_instances(
        self, sock: gevent.socket.socket, address: Any
    ) -> tuple[ClientReader, ClientWriter, ClientHandle]:
        for option, value in SILENCE_OPTIONS:
            sock.setsockopt(socket.IPPROTO_TCP, option, value)
        client = ClientHandle(self._switchboard)
        return ClientReader(sock, self._framing), ClientWriter(sock, self._framing, client), client

    def refusal_bytes(self, reason: RefusalReason) -> bytes:
        return protocol.encode(protocol.login_deny(reason.name.lower(), reason.value))
