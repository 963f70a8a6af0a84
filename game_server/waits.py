"""The timers of all games: one for each that waits for somebody."""

from collections.abc import Callable

from connhandler import CentralTask, Timer
from game_server.server import GameServer


class Waits:
    """Sees to it that `due` is called with a game when its time has come. The central task calls all of it.

    Args:
        central: whose timers they are.
        due: called as a message.
    """

    def __init__(self, central: CentralTask, due: Callable[[GameServer], None]) -> None:
        self._central = central
        self._due = due
        self._timers: dict[str, tuple[float, Timer]] = {}

    def set(self, game: GameServer, due_at: float | None) -> None:
        """Args:
        game: what its wait was before is forgotten.
        due_at: in Unix time; None while it waits for nobody.
        """
        wait = self._timers.get(game.game_id)
        if wait is not None and wait[0] == due_at:
            return
        if wait is not None:
            wait[1].cancel()
            del self._timers[game.game_id]
        if due_at is not None:
            timer = self._central.call_later(due_at - self._central.now, self._pass, game)
            self._timers[game.game_id] = (due_at, timer)

    def clear(self) -> None:
        """No game waits any more."""
        for _, timer in self._timers.values():
            timer.cancel()
        self._timers.clear()

    def _pass(self, game: GameServer) -> None:
        del self._timers[game.game_id]
        self._due(game)
