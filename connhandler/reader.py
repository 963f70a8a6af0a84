"""What every connection type's reader is: bytes of one socket in, messages out.

socket → [ Reader.receive (Framing) → Reader.decode ] → incoming queue → CentralTask.handle
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any

import gevent.socket

from connhandler.errors import ConnectionClosed
from connhandler.limits import Limits


class ConnectionReader(ABC):
    """Turns what arrives on one socket into messages. Called by the connection's own task only.

    Subclass it and implement `receive` and `decode`; or take `TcpMessageConnectionReader` and implement `decode`.

    Attributes:
        sock: the connection's gevent socket: `recv` waits without holding anybody up.
        limits: the handler's bounds; set before the first `receive`.
        begun_at: `time.monotonic()` of the first byte of a message that is not whole yet, else None. A reader
            that keeps it up to date has `Limits.message_seconds` enforced.
        already_received: bytes of the stream that were read before there was this reader; to be taken before those of
            the socket. Set before `open`.
        close_code: what the far end gave as the reason for its close, if the protocol has such codes. The reader keeps
            it up to date, and `PeerDisconnected` carries it.
        reply: queues bytes of the stream, in order with what is sent: for answers that the protocol asks for and the
            central task need not know of. Bounded like all output. Set before `open`, where the writer is a
            `StreamConnectionWriter`.
    """

    limits: Limits = Limits()
    begun_at: float | None = None
    already_received: bytes = b""
    close_code: int | None = None
    reply: Callable[[bytes], None]

    def __init__(self, sock: gevent.socket.socket) -> None:
        self.sock = sock

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        nearest = next(base.__dict__ for base in cls.__mro__ if {"receive", "receive_burst"} & base.__dict__.keys())
        if "receive_burst" not in nearest:
            # Whoever overrides `receive` of a ready-made reader means it to be used.
            cls.receive_burst = ConnectionReader.receive_burst  # type: ignore[method-assign]

    def open(self) -> None:
        """Do the protocol's opening handshake, if it has one, within `Limits.handshake_seconds`.

        Called once, before `PeerConnected`. If it raises, the peer is never announced; what it gave to `reply` before
        still goes out.

        Raises:
            Exception: as `receive`.
        """
        return

    @abstractmethod
    def receive(self) -> bytes:
        """Wait for one whole message and return its bytes; `b""` means that the far end closed.

        Raises:
            ConnectionClosed: the far end closed; says whether in the middle of a message.
            ProtocolError: the far end broke the format.
            ProtocolSwitch: the far end goes on in another protocol.
            OSError: the connection was lost.
        """

    @abstractmethod
    def decode(self, data: bytes) -> Any:
        """Return the message that these bytes are: any object that takes an attribute `peer`.

        None means that there is nothing to tell the central task.

        Raises:
            ProtocolError: the bytes mean nothing; UnicodeDecodeError and msgspec's errors count as that.
        """

    def receive_burst(self) -> Sequence[bytes]:
        """Wait for at least one whole message and return all that are here. Ready-made readers override it.

        None at all means that something was heard which is not for the central task: a sign of life.

        Raises:
            Exception: as `receive`.
        """
        data = self.receive()
        if not data:
            raise ConnectionClosed
        return [data]
