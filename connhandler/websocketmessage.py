"""What both sides of a WebSocket have in common: messages, reader, writer, peer.

    socket → Reader.receive (Framing) → Reader.decode → incoming queue → CentralTask.handle
    socket ← outgoing queue ← (Framing) ← Writer.encode ← Peer.send

One `WebSocketLink` for each connection holds the framing that both directions go through: what is received decides
what may still be sent. The side that listens is `connhandler.websocket`, the one that connects
`connhandler.websocketclient`.
"""

import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Sequence
from typing import Any

import gevent.socket
import msgspec

from connhandler.connection import ConnectionReader, Peer, StreamConnectionWriter
from connhandler.errors import ConnectionClosed, DisconnectReason
from connhandler.framing.httprequest import HttpRequest
from connhandler.framing.websocket import Text, WebSocketFraming
from connhandler.framing.websocketside import is_close_code
from connhandler.handler import Instances

RECEIVE_BYTES = 4 * 1024
"""At a time: of the smallest frames, these are several milliseconds' work before anybody else has a turn."""
NO_REQUEST = HttpRequest(method="", path="")
"""Stands for the request of a peer that has none yet."""


class CloseCode:
    """Why a WebSocket is closed (RFC 6455, 7.4.1). Programs have 4000 to 4999 for reasons of their own."""

    NORMAL = 1000
    GOING_AWAY = 1001
    PROTOCOL_ERROR = 1002
    ABNORMAL = 1006
    """Never sent: the connection ended, and nobody had said why."""
    INVALID_DATA = 1007
    POLICY_VIOLATION = 1008
    MESSAGE_TOO_BIG = 1009
    INTERNAL_ERROR = 1011


CODES = {
    DisconnectReason.SHUTTING_DOWN: CloseCode.GOING_AWAY,
    DisconnectReason.PROTOCOL_ERROR: CloseCode.PROTOCOL_ERROR,
    DisconnectReason.INTERNAL_ERROR: CloseCode.INTERNAL_ERROR,
}
"""What the far end is told; for the other reasons, the deadlines above all, that it did not keep to the rules here."""


class WebSocketMessage(msgspec.Struct, dict=True):
    """One whole message: a `str` was sent as text, `bytes` as binary."""

    data: str | bytes


class Frames(bytes):
    """Whole frames, which go out as they are: what a writer makes that is not a data message."""


class WebSocketLink(ABC):
    """What reader, writer and peer of one connection share.

    Attributes:
        framing: what is received and sent goes through it.
        opened: whether the opening handshake is done.
        code: the close code that the far end is told when the program disconnects it.
        close_code: the close code for `PeerDisconnected`.
    """

    framing: WebSocketFraming

    def __init__(self) -> None:
        self.opened = False
        self.code = CloseCode.NORMAL
        self.close_code: int | None = None

    @abstractmethod
    def open(self, reader: "WebSocketReader") -> list[bytes]:
        """Do the opening handshake; return the messages that came with it. Called by the connection's own task.

        Raises:
            Exception: as `ConnectionReader.open`.
        """

    def encode_refusal(self, reason: DisconnectReason, detail: str, exception: BaseException | None) -> bytes:
        """Return what tells the far end why its handshake failed, if that is still to be told."""
        return b""


class WebSocketReader(ConnectionReader):
    """Receives messages. `decode` gives `WebSocketMessage`s; override it for others.

    Attributes:
        link: shared with the writer and the peer of the connection.
        peer: of the connection; set before `open`.
    """

    peer: "WebSocketPeer"

    def __init__(self, sock: gevent.socket.socket, link: WebSocketLink) -> None:
        super().__init__(sock)
        self.link = link
        self._received: deque[bytes] = deque()

    @property
    def close_code(self) -> int | None:
        return self.link.close_code

    @close_code.setter
    def close_code(self, code: int | None) -> None:
        self.link.close_code = code

    def open(self) -> None:
        self._received.extend(self.link.open(self))
        self.link.opened = True
        self.link.close_code = CloseCode.ABNORMAL

    def receive(self) -> bytes:
        while not self._received:
            self._received.extend(WebSocketReader.receive_burst(self))
        return self._received.popleft()

    def receive_burst(self) -> Sequence[bytes]:
        if self._received:
            burst = list(self._received)
            self._received.clear()
            return burst
        framing = self.link.framing
        if framing.error is not None:
            raise framing.error
        if framing.closed_by_peer:
            self.close_code = framing.close_code
            raise ConnectionClosed(detail=framing.close_reason)
        messages = self.receive_more()
        if not framing.mid_message:
            self.begun_at = None
        elif messages or self.begun_at is None:
            self.begun_at = time.monotonic()
        return messages

    def receive_more(self) -> list[bytes]:
        """Take what the socket has, waiting for it, and reply to pings in it; return the messages that are whole now.

        Raises:
            ConnectionClosed: the stream ended without a Close.
            OSError: the connection was lost.
        """
        data = self.sock.recv(RECEIVE_BYTES)
        framing = self.link.framing
        if not data:
            mid_message = framing.mid_message
            framing.receive_eof()
            raise ConnectionClosed(mid_message)
        return self.take(data)

    def take(self, data: bytes) -> list[bytes]:
        """Take bytes of the stream; reply to pings in them, and return the messages that are whole now."""
        messages = self.link.framing.receive_data(data)
        self.reply_what_is_due()
        return messages

    def reply_what_is_due(self) -> None:
        """Send what the protocol asks for."""
        output = self.link.framing.output()
        if output:
            self.reply(output)

    def decode(self, data: bytes) -> Any:
        return WebSocketMessage(data.decode() if type(data) is Text else data)


class WebSocketWriter(StreamConnectionWriter):
    """Sends messages: a `str` as text, `bytes` as binary, and `WebSocketMessage`s of these.

    A subclass that overrides `encode` returns `Text`, or `bytes` for a binary message.
    """

    answers_close = True

    def __init__(self, sock: gevent.socket.socket, link: WebSocketLink) -> None:
        super().__init__(sock)
        self.link = link

    def encode(self, message: WebSocketMessage | str | bytes) -> bytes:
        """Raises:
        TypeError: it is none of these.
        """
        data = message.data if isinstance(message, WebSocketMessage) else message
        if isinstance(data, str):
            return Text(data.encode())
        if isinstance(data, bytes):
            return data
        raise TypeError(f"a message is a str, bytes, or a WebSocketMessage of one, not {type(data).__name__}")

    def frame(self, data: bytes) -> bytes:
        return data if type(data) is Frames else self.link.framing.encode_message(data)

    def encode_heartbeat(self) -> bytes:
        return Frames(self.link.framing.encode_ping())

    def encode_goodbye(self, reason: DisconnectReason, detail: str, exception: BaseException | None) -> bytes:
        """The Close frame, or the answer to a handshake that failed."""
        link = self.link
        if not link.opened:
            return Frames(link.encode_refusal(reason, detail, exception))
        code = link.code if reason is DisconnectReason.CLOSED_BY_US else close_code_for(reason, exception)
        close = link.framing.encode_close(code, detail.encode(errors="replace").decode())
        link.close_code = link.framing.close_code
        return Frames(close)


class WebSocketPeer(Peer):
    """The far end of a WebSocket.

    Attributes:
        request: the opening handshake: `path`, `query`, `headers`.
        subprotocol: what both sides agreed to speak, or None.
        disconnect_code: the code that it was disconnected with, or None.
    """

    request: HttpRequest = NO_REQUEST
    subprotocol: str | None = None
    disconnect_code: int | None = None
    _link: WebSocketLink | None = None

    def disconnect(self, detail: str = "", code: int = CloseCode.NORMAL) -> None:
        """Send what is queued, then close. `detail` and `code` come back in `PeerDisconnected`.

        Args:
            detail: the far end is told it, as far as it fits into 123 bytes.
            code: 1000, or one of 4000 to 4999, which are the program's own.

        Raises:
            ValueError: the code is not one that may be sent.
        """
        if not is_close_code(code):
            raise ValueError(f"{code} is not a close code that may be sent (RFC 6455, 7.4)")
        if not self.dismissed:
            self.disconnect_code = code
            if self._link is not None:
                self._link.code = code
        super().disconnect(detail)


def close_code_for(reason: DisconnectReason, exception: BaseException | None) -> int:
    """Return the code that tells the far end why this side closes; an exception may have one of its own."""
    if reason is DisconnectReason.PROTOCOL_ERROR:
        if isinstance(exception, UnicodeDecodeError):
            return CloseCode.INVALID_DATA
        code = getattr(exception, "close_code", None)
        if code is not None:
            return int(code)
    return CODES.get(reason, CloseCode.POLICY_VIOLATION)


def join(instances: Instances) -> Instances:
    """Let the reader, the writer and the peer of one connection know what they share.

    Raises:
        TypeError: they are not those of a WebSocket, or not of the same one.
    """
    reader, writer, peer = instances
    if not (isinstance(reader, WebSocketReader) and isinstance(writer, WebSocketWriter)) or not isinstance(
        peer, WebSocketPeer
    ):
        raise TypeError(
            "create_connection_instances must return a WebSocketReader, a WebSocketWriter and a WebSocketPeer, not "
            f"{type(reader).__name__}, {type(writer).__name__} and {type(peer).__name__}"
        )
    if reader.link is not writer.link:
        raise TypeError("the reader and the writer of a connection must be made with the same link")
    reader.peer = peer
    peer._link = reader.link
    return instances
