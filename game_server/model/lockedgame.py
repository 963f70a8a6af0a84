"""The model in a wrapper that has its interface, and adds what many tasks at one game need: a lock, and word of what
has happened."""

from collections.abc import Callable
from contextlib import AbstractContextManager

import msgspec

from game_server.model.events import Cell, ModelEvent
from game_server.model.fourinarow import FourInARow


class LockedGame:
    """`FourInARow` for many tasks: each call has the game to itself, and every event that it gives is published before
    the next one is made, so that the events' order is that of the moves.

    With threads the lock would be needed. Tasks of gevent switch only where they wait, and no method here waits: for
    them it holds what is true already, and keeps holding it whatever a later method does.

    Args:
        game: nobody else changes it from now on.
        lock: held during every call; one that the same task may take again.
        publish: called with every event, while the lock is held; returns at once.
    """

    def __init__(
        self, game: FourInARow, lock: AbstractContextManager[object], publish: Callable[[ModelEvent], None]
    ) -> None:
        self._game = game
        self._lock = lock
        self._publish = publish

    # --- how the game stands ------------------------------------------------------------------------

    @property
    def players(self) -> list[str]:
        with self._lock:
            return list(self._game.players)

    @property
    def beginner(self) -> int:
        with self._lock:
            return self._game.beginner

    @property
    def width(self) -> int:
        with self._lock:
            return self._game.width

    @property
    def height(self) -> int:
        with self._lock:
            return self._game.height

    @property
    def moves(self) -> list[int]:
        with self._lock:
            return list(self._game.moves)

    @property
    def winner(self) -> str:
        with self._lock:
            return self._game.winner

    @property
    def reason(self) -> str:
        with self._lock:
            return self._game.reason

    @property
    def line(self) -> list[Cell]:
        with self._lock:
            return list(self._game.line)

    @property
    def over(self) -> bool:
        with self._lock:
            return self._game.over

    @property
    def turn(self) -> str:
        with self._lock:
            return self._game.turn

    @property
    def columns(self) -> list[list[int]]:
        with self._lock:
            return self._game.columns

    @property
    def last_cell(self) -> Cell | None:
        with self._lock:
            return self._game.last_cell

    def longest_line(self, player: str) -> int:
        with self._lock:
            return self._game.longest_line(player)

    def opponent_of(self, player: str) -> str:
        with self._lock:
            return self._game.opponent_of(player)

    def copy(self) -> FourInARow:
        """The game as it stands now, for whoever sends or keeps it."""
        with self._lock:
            game = self._game
            return msgspec.structs.replace(
                game, players=list(game.players), moves=list(game.moves), line=list(game.line)
            )

    # --- what changes it: each publishes what has happened ------------------------------------------

    def drop(self, player: str, column: int) -> list[ModelEvent]:
        """Raises:
        IllegalMove: as for `FourInARow.drop`; nothing is published.
        """
        with self._lock:
            return self._published(self._game.drop(player, column))

    def resign(self, player: str) -> list[ModelEvent]:
        """Raises:
        IllegalMove: as for `FourInARow.resign`; nothing is published.
        """
        with self._lock:
            return self._published(self._game.resign(player))

    def forfeit(self, player: str) -> list[ModelEvent]:
        """Raises:
        IllegalMove: as for `FourInARow.forfeit`; nothing is published.
        """
        with self._lock:
            return self._published(self._game.forfeit(player))

    def break_off(self, reason: str) -> list[ModelEvent]:
        """Raises:
        IllegalMove: as for `FourInARow.break_off`; nothing is published.
        """
        with self._lock:
            return self._published(self._game.break_off(reason))

    def _published(self, events: list[ModelEvent]) -> list[ModelEvent]:
        for event in events:
            self._publish(event)
        return events
