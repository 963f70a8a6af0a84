"""The turn server's central task. Start reading at its two tables: what arrives, and what a request asks."""

import logging
import time
from collections.abc import Callable
from typing import Any, Final

from connhandler import CentralTask
from connhandler.http import HttpRequest, HttpResponse
from turn_server.clienthandler import ClientPeer
from turn_server.gamedesk import GameDesk
from turn_server.pairing import PairingDesk
from turn_server.player import Player
from turn_server.protocol import (
    BAD_CONTENT_LENGTH,
    BAD_SYMBOL,
    NO_ADDRESS,
    NO_DATA,
    TOO_LONG,
    parse_request,
)
from turn_server.rules import Rules
from turn_server.silence import SilenceWatch
from turn_server.state import State
from turn_server.symbols import ERROR_TEXTS, ErrorSymbol, IncomingSymbol

logger = logging.getLogger(__name__)

Answer = Callable[[bytes, bytes, bytes, bytes], HttpResponse]
"""`answer(data, key, player, counter)`; returns at once."""

OK: Final = 200
MAX_SHOWN_BYTES: Final = 20
SYMBOL_NAMES: Final = {b"%d" % symbol: symbol.name for symbol in IncomingSymbol}


class TurnServer(CentralTask):
    """Pairs players and passes on what they send each other. Every request is answered at once.

    Args:
        rules: how long it waits, and how much it keeps.
        clock: of the players' silence; a corrected wall clock must not drop anybody.
        stopwatch: what measures how long a request takes.
        central: as `CentralTask` takes them.
    """

    def __init__(
        self,
        rules: Rules | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
        stopwatch: Callable[[], float] = time.perf_counter,
        **central: Any,
    ) -> None:
        super().__init__("turn_server", clock=clock, **central)
        self._rules = rules or Rules()
        self._stopwatch = stopwatch
        self._seconds = 0.0
        self._state = state = State(self._rules, self.random)
        watch = SilenceWatch(self, self._rules.long_seconds, self._drop)
        self._game_desk = games = GameDesk(self, state, watch)
        self._pairing_desk = pairing = PairingDesk(self, state, watch, games)
        self.dispatch = {(ClientPeer, HttpRequest): self._requested}
        self._answers: dict[bytes, Answer] = {
            symbol_text(IncomingSymbol.NOTIFY_REGISTER): pairing.register,
            symbol_text(IncomingSymbol.NOTIFY_UNREGISTER): pairing.unregister,
            symbol_text(IncomingSymbol.NOTIFY_REQUEST_PAIR): pairing.request_pair,
            symbol_text(IncomingSymbol.NOTIFY_MAP_INIT): pairing.map_init,
            symbol_text(IncomingSymbol.NOTIFY_MAP_READY): pairing.map_ready,
            symbol_text(IncomingSymbol.NOTIFY_GAME_QUIT): games.quit,
            symbol_text(IncomingSymbol.NOTIFY_GAME_UPDATE): games.update,
        }

    def state(self) -> dict[str, Any]:
        """All state, as values that JSON knows."""
        return self._state.plain()

    def _requested(self, peer: ClientPeer, request: HttpRequest) -> None:
        """A POST is a request of the protocol; a GET asks how long the last one took."""
        if request.method != "POST":
            peer.send(HttpResponse(OK, b"%.9f" % self._seconds))
            return
        began = self._stopwatch()
        reply = self._answer(peer, request)
        self._seconds = self._stopwatch() - began
        if reply.status != OK and logger.isEnabledFor(logging.DEBUG):
            log_refusal(peer, request.body, reply)
        peer.send(reply)

    def _answer(self, peer: ClientPeer, request: HttpRequest) -> HttpResponse:
        body = request.body
        if not peer.address:
            return NO_ADDRESS
        if not body:
            counted = "content-length" in request.headers or "transfer-encoding" in request.headers
            return NO_DATA if counted else BAD_CONTENT_LENGTH
        if len(body) > self._rules.max_body_bytes:
            return TOO_LONG
        fields = parse_request(body)
        if fields is None:
            return BAD_SYMBOL
        symbol, data, key, player, counter = fields
        answer = self._answers.get(symbol)
        return answer(data, key, player, counter) if answer is not None else BAD_SYMBOL

    def _drop(self, player: Player) -> None:
        logger.debug("%s is dropped: not heard for %g s (%s)", player, player.wait, player.stage.value)
        if player.game is not None:
            self._game_desk.drop(player.game, player)
        else:
            self._pairing_desk.drop(player)


def symbol_text(symbol: IncomingSymbol) -> bytes:
    """Return what stands for a symbol in a request."""
    return b"%d" % symbol


def log_refusal(peer: ClientPeer, body: bytes, reply: HttpResponse) -> None:
    """Say what was asked and what was wrong with it, but no key, nor what players say to each other."""
    symbol = body.partition(b",")[0]
    asked = SYMBOL_NAMES.get(symbol) or repr(symbol[:MAX_SHOWN_BYTES])
    error = ErrorSymbol(int(reply.body.partition(b"/")[0]))
    logger.debug("%s: %s is refused: %d %s", peer.name, asked, error, ERROR_TEXTS[error])
