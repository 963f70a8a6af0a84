"""Bytes over TCP as they come: one `recv`, one message. Subclass and implement only `decode`, only `encode`.

    socket → [ RawConnectionReader ] → incoming queue → CentralTask.handle
    socket ← [ RawConnectionWriter ] ← outgoing queue ← Peer.send

TCP keeps no boundaries between messages, so neither does this: what the far end sent at once may come in pieces, and
what it sent one after the other may come together. It is for protocols that live with that, and for central tasks that
do the framing themselves.
"""

from collections.abc import Sequence

import gevent.socket

from connhandler.connection import ConnectionReader, StreamConnectionWriter
from connhandler.errors import ConnectionClosed
from connhandler.sockets import Inflow


class RawConnectionReader(ConnectionReader):
    """Receives bytes. Subclasses implement `decode`.

    Attributes:
        receive_bytes: how many bytes one message can have.
    """

    receive_bytes: int = 64 * 1024

    def __init__(self, sock: gevent.socket.socket) -> None:
        super().__init__(sock)
        self._inflow = Inflow(sock)

    def receive(self) -> bytes:
        if self.already_received:
            data, self.already_received = self.already_received, b""
            return data
        data = self._inflow.receive(self.receive_bytes)
        if not data:
            raise ConnectionClosed
        return data

    def receive_burst(self) -> Sequence[bytes]:
        return (self.receive(),)


class RawConnectionWriter(StreamConnectionWriter):
    """Sends bytes. Subclasses implement `encode`; what several messages said at once goes out in one `send`."""

    def frame(self, data: bytes) -> bytes:
        return data
