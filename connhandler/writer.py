"""What every connection type's writer is: messages in, bytes of one socket out.

socket ← [ Writer.send ] ← outgoing queue ← [ (Framing) ← Writer.encode ] ← Peer.send
"""

from abc import ABC, abstractmethod
from typing import Any, ClassVar

import gevent.socket

from connhandler.errors import DisconnectReason
from connhandler.limits import Limits


class ConnectionWriter(ABC):
    """Turns messages into what is sent on one socket.

    Subclass it and implement `encode` and `send`; or take `TcpMessageConnectionWriter` and implement `encode`.

    Attributes:
        sock: the connection's gevent socket.
        limits: the handler's bounds; set before the first message.
    """

    limits: Limits = Limits()

    answers_close: ClassVar[bool] = False
    """Whether the protocol has an answer to the far end's close: then `encode_goodbye` is asked for it as well."""

    def __init__(self, sock: gevent.socket.socket) -> None:
        self.sock = sock

    @abstractmethod
    def encode(self, message: Any) -> bytes:
        """Return the message's bytes. Called by `Peer.send`, so it must not wait.

        It runs at once, not in the writer task, so that what waits for a peer is counted in bytes, a message may
        be changed after it was sent, and a message that cannot be encoded is the sender's exception.
        """

    @abstractmethod
    def send(self, data: bytes) -> None:
        """Send the bytes of one message. Called by the connection's writer task: it may wait.

        Raises:
            OSError: the connection was lost.
        """

    def encode_heartbeat(self) -> bytes | None:
        """Return the bytes of the message that asks for a sign of life, or None if this protocol has none."""
        return None

    def encode_goodbye(self, reason: DisconnectReason, detail: str, exception: BaseException | None) -> bytes | None:
        """Return the bytes of the last message, which tells the far end why it ends, or None to say nothing.

        Called when this side ends the connection: bad input, a deadline, a disconnect, a shutdown. When the reason is
        an error of this side, `detail` says no more than that.
        """
        return None


class StreamConnectionWriter(ConnectionWriter):
    """A writer whose messages are bytes of one stream, so that many go out in one `send`.

    Subclasses implement `encode` and `frame`.
    """

    @abstractmethod
    def frame(self, data: bytes) -> bytes:
        """Return the bytes on the wire of one encoded message."""

    def send(self, data: bytes) -> None:
        self.sock.sendall(self.frame(data))
