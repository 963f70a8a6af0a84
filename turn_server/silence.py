"""Who has not been heard for too long: one timer a player, which looks when that is due and is set anew."""

from collections.abc import Callable

from connhandler import CentralTask
from turn_server.player import Player

EXACT_ENOUGH_SECONDS = 0.001
"""Less than this before its time, a player is dropped too: sums of times are not exact."""


class SilenceWatch:
    """Watches players. A request costs nothing here: it sets `Player.heard`, and the timer looks at that.

    Args:
        central: whose clock and timers.
        long_seconds: the wait of patient players, whatever they are told to be watched for.
        on_silence: called with a player who has not been heard for `Player.wait`.
    """

    def __init__(self, central: CentralTask, long_seconds: float, on_silence: Callable[[Player], None]) -> None:
        self._central = central
        self._long_seconds = long_seconds
        self._on_silence = on_silence

    def watch(self, player: Player, seconds: float) -> None:
        """From now on, so many seconds may lie between two requests."""
        player.wait = self._long_seconds if player.patient else seconds
        self.forget(player)
        self._set_timer(player)

    def forget(self, player: Player) -> None:
        if player.timer is not None:
            player.timer.cancel()
            player.timer = None

    def _set_timer(self, player: Player) -> None:
        left = player.heard + player.wait - self._central.now
        player.timer = self._central.call_later(left, self._look, player)

    def _look(self, player: Player) -> None:
        if player.heard + player.wait - self._central.now > EXACT_ENOUGH_SECONDS:
            self._set_timer(player)
        else:
            player.timer = None
            self._on_silence(player)
