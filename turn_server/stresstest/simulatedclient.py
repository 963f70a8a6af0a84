"""The client of a simulated player: the example client, made cheap enough for thousands, and forgetful if asked to."""

import random
from typing import Any, Final

import gevent
import gevent.socket

from turn_server.client import RECEIVE_BYTES, Reply, TurnClient
from turn_server.symbols import ANY, IncomingSymbol

READ_EVENT: Final = 1
"""As libev has it."""

REPEATABLE: Final = {
    IncomingSymbol.NOTIFY_REQUEST_PAIR,
    IncomingSymbol.NOTIFY_MAP_INIT,
    IncomingSymbol.NOTIFY_MAP_READY,
    IncomingSymbol.NOTIFY_GAME_UPDATE,
}
"""Requests whose replies may be thrown away: sent again, they are to have the same effect as once."""


class SimulatedClient(TurnClient):
    """Throws some replies away together with their connections, and sends the request again, as if they got lost.

    Args:
        lose: which share of them.
        generator: decides which.
        options: those of `TurnClient`.
    """

    def __init__(self, address: str, port: int, lose: float, generator: random.Random, **options: Any) -> None:
        super().__init__(address, port, watched=True, **options)
        self.thrown_away = 0
        self._lose = lose
        self._random = generator
        self._readable: Any = None

    def _request(self, symbol: IncomingSymbol, data: str, key: str, player: str = ANY, counter: str = ANY) -> Reply:
        if self._lose and symbol in REPEATABLE and self._random.random() < self._lose:
            super()._request(symbol, data, key, player, counter)
            self.close()
            self.thrown_away += 1
            self.repeats += 1
        return super()._request(symbol, data, key, player, counter)

    def close(self) -> None:
        if self._readable is not None:
            self._readable.close()
            self._readable = None
        super().close()

    def _connect(self) -> gevent.socket.socket:
        sock = super()._connect()
        self._readable = gevent.get_hub().loop.io(sock.fileno(), READ_EVENT)
        return sock

    def _receive_some(self, sock: gevent.socket.socket) -> bytes:
        # A reply is never here already. `recv` would try, fail and wait; to fail costs a tenth of the whole request.
        gevent.get_hub().wait(self._readable)
        return sock.recv(RECEIVE_BYTES)
