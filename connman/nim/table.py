"""One game of Nim from its beginning to its end, as a plain loop in a thread of its own."""

import time
from typing import Any

import connman
from connman.nim.rules import IllegalMove, Nim


class Table:
    """Args:
    game_id: the game's id.
    players: the ids of two clients; the first begins.
    turn_seconds: how long a player may think.
    """

    def __init__(self, game_id: int, players: list[int], turn_seconds: float) -> None:
        self.game_id = game_id
        self.players = players
        self._nim = Nim(players)
        self._turn_seconds = turn_seconds

    def play(self) -> tuple[int, str] | None:
        """Play until somebody has won.

        Returns:
            who, and why: `last_match`, `left`, `gave_up` or `too_slow`; None when ConnMan has ended before that.
        """
        names = connman.clients()
        for player in self.players:
            opponent = names.get(self._nim.opponent(player), "somebody who has just left")
            self._tell(player, "START", opponent=opponent, seconds=self._turn_seconds, **self._position())
        deadline = time.monotonic() + self._turn_seconds
        while self._nim.winner is None:
            seconds = deadline - time.monotonic()
            message = connman.get_game_message(self.game_id, blocking=True, timeout=max(seconds, 0))
            if message is None:
                timed_out = time.monotonic() >= deadline
                return (self._nim.opponent(self._nim.turn), "too_slow") if timed_out else None
            player, packet = message
            if packet.get("subtype") == "DC":
                return self._nim.opponent(player), "left"
            if packet.get("resign") is True:
                return self._nim.opponent(player), "gave_up"
            try:
                self._nim.take(player, packet.get("heap"), packet.get("count"))
            except IllegalMove as error:
                self._tell(player, "ILLEGAL", message=str(error), **self._position())
                continue
            self._tell_all("MOVED", player_id=player, heap=packet["heap"], count=packet["count"], **self._position())
            deadline = time.monotonic() + self._turn_seconds
        return self._nim.winner, "last_match"

    def tell_result(self, winner: int, reason: str, ranks: dict[int, int]) -> None:
        for player in self.players:
            self._tell(player, "ENDED", winner=winner, reason=reason, rank=ranks[player])

    def _position(self) -> dict[str, Any]:
        return {"heaps": self._nim.heaps, "turn": self._nim.turn}

    def _tell(self, player: int, event: str, **more: Any) -> None:
        connman.send_message(player, {"type": "GAME", "game_id": self.game_id, "event": event, **more})

    def _tell_all(self, event: str, **more: Any) -> None:
        connman.send_message(0, {"type": "BROADCAST", "game_id": self.game_id, "event": event, **more})
