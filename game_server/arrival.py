"""Taking all games of a predecessor over: the side that goes on."""

import logging
from typing import TYPE_CHECKING

from game_server.handover import Context, ContextError, Parts, import_context
from game_server.launcherhandler import LauncherPeer
from game_server.server import GameServer
from game_server_launcher.protocol import TakeOver, TakeOverFailed, TookOver

if TYPE_CHECKING:
    from game_server.listener import GameListener

logger = logging.getLogger(__name__)

PASS_SECONDS = 60.0
"""So long somebody without a seat can come with a pass of the predecessor."""


class Arrival:
    """From the first part of the predecessor's context to the games that wait for their players here. The central task
    calls all of it.

    Args:
        central: whose games they become.
    """

    def __init__(self, central: "GameListener") -> None:
        self._central = central
        self._parts = Parts()

    def take_over(self, peer: LauncherPeer, message: TakeOver) -> None:
        try:
            self._parts.add(message.part, message.data)
        except ContextError as error:
            self._fail(error)
            return
        if message.last:
            text = self._parts.text()
            self._parts.clear()
            self._central.perform(self._central.pool, import_context, text, then=self._imported)

    def _imported(self, context: Context, error: BaseException | None) -> None:
        if error is not None:
            self._fail(error)
            return
        try:
            games = self._have_games(context)
        except ContextError as refusal:
            self._fail(refusal)
            return
        logger.info("took %d games over", len(games))
        self._central.launcher.use_tickets(context.used_tickets)
        self._central.launcher.reporter.send(TookOver())
        for game in games:
            self._central.launcher.reporter.game_came(game)
            self._central.settle(game)
        self._central.call_later(PASS_SECONDS, self._central.games.forget_passes)

    def _have_games(self, context: Context) -> list[GameServer]:
        """Raises:
        ContextError: the games cannot go on here; nothing has changed.
        """
        if self._central.closing:
            raise ContextError("this server is about to stop")
        with self._central.lock:
            return self._central.games.restore(context)

    def _fail(self, error: BaseException) -> None:
        self._parts.clear()
        logger.warning("nothing is taken over: %s", error)
        self._central.launcher.reporter.send(TakeOverFailed(reason=str(error)[:1024]))
