"""Clients of an `askserver.Server` whose connections end in every way that there is."""

import contextlib
import random
import socket
from typing import Any

import gevent
import gevent.socket

from connhandler import DisconnectReason
from connhandler.framing.chunks import encode_chunks
from connhandler.jsonmessage import Refused, ShuttingDown
from tests.connhandler.askserver import KIB, Abort, Ask, Break, Farewell, Kill, Leave
from tests.connhandler.load import connect, read_all, reset, wire

ORDERLY = {
    # How a connection ends: what the client says last, the reason that the server sees, and what it says last.
    "half_close": (b"", DisconnectReason.CLOSED_BY_PEER, []),
    "half_frame": (wire(Ask())[:-1], DisconnectReason.CLOSED_BY_PEER, []),
    "leave": (wire(Leave()) + wire(Ask()) * 500, DisconnectReason.CLOSED_BY_US, [Farewell()]),
    "garbage": (encode_chunks(b"garbage") + wire(Ask()) * 500, DisconnectReason.PROTOCOL_ERROR, ["protocol_error"]),
    "break": (wire(Break("division")) + wire(Ask()) * 500, DisconnectReason.INTERNAL_ERROR, ["internal_error"]),
}
ROUGH = {
    "close": (b"", {DisconnectReason.CLOSED_BY_PEER, DisconnectReason.CONNECTION_LOST}),
    "reset": (b"", {DisconnectReason.CLOSED_BY_PEER, DisconnectReason.CONNECTION_LOST}),
    "abort": (wire(Abort()), {DisconnectReason.CLOSED_BY_US}),
    "kill": (wire(Kill()), {DisconnectReason.CLOSED_BY_US}),
}


class Visit:
    """One client's connection, and how it is to end.

    Attributes:
        way: a key of `ORDERLY` or `ROUGH`, or `stay`: the server's stop ends it.
        asks: so many messages before.
    """

    def __init__(self, generator: random.Random) -> None:
        self.way = generator.choice([*ORDERLY, *ROUGH, "stay"])
        self.asks = generator.randrange(40)
        self.size = generator.choice([0, 10, 5000])
        self.cuts = generator.randrange(4)
        self.address: Any = None
        self.reasons: set[DisconnectReason] = set()
        self._generator = generator

    def run(self, port: int) -> None:
        with connect(port) as sock:
            self.address = sock.getsockname()
            asks = wire(*(Ask(number, self.size) for number in range(self.asks)))
            if self.way in ORDERLY:
                self._end_orderly(sock, asks)
            elif self.way in ROUGH:
                self._end_roughly(sock, asks)
            else:
                self._stay(sock, asks)

    def _end_orderly(self, sock: gevent.socket.socket, asks: bytes) -> None:
        last, reason, goodbye = ORDERLY[self.way]
        self.reasons = {reason}
        self._send(sock, asks + last)
        if reason is DisconnectReason.CLOSED_BY_PEER:
            sock.shutdown(socket.SHUT_WR)
        answers = read_all(sock)
        codes = [one.code if isinstance(one, Refused) else one for one in answers[self.asks :]]
        assert [getattr(one, "number", one) for one in answers[: self.asks]] == list(range(self.asks)), self.way
        assert codes == goodbye, self.way

    def _end_roughly(self, sock: gevent.socket.socket, asks: bytes) -> None:
        last, self.reasons = ROUGH[self.way]
        self._send(sock, asks + last)
        if self.way == "reset":
            reset(sock)
        elif self.way != "close":
            with contextlib.suppress(ConnectionError):
                while sock.recv(64 * KIB):
                    pass

    def _stay(self, sock: gevent.socket.socket, asks: bytes) -> None:
        self.reasons = {DisconnectReason.SHUTTING_DOWN}
        self._send(sock, asks)
        answers = read_all(sock)
        assert [getattr(one, "number", one) for one in answers[:-1]] == list(range(self.asks))
        assert isinstance(answers[-1], ShuttingDown)

    def _send(self, sock: gevent.socket.socket, data: bytes) -> None:
        """In pieces, so that other connections come in between."""
        cuts = sorted(self._generator.randrange(len(data) + 1) for _ in range(self.cuts))
        with contextlib.suppress(ConnectionError):  # The server may end the connection first.
            for start, end in zip([0, *cuts], [*cuts, len(data)], strict=True):
                sock.sendall(data[start:end])
                gevent.sleep(0)
