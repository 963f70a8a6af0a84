"""The matchmaking: who wants to play waits here for the next who does. A plain loop in a thread."""

import logging
import threading
from typing import Any, Final

import connman
from connman.nim.table import Table

logger = logging.getLogger(__name__)

QUEUE: Final = "Nim"
FIRST_RANK: Final = 1000
RANK_STEP: Final = 24
"""The most that one game can change a rank (K of the Elo rating system)."""


class Matchmaker:
    """Args:
    turn_seconds: how long a player may think.
    """

    def __init__(self, turn_seconds: float) -> None:
        self._turn_seconds = turn_seconds
        self._lock = threading.Lock()
        self._ranks: dict[int, int] = {}
        self._waiting: int | None = None
        self._playing: set[int] = set()
        self._games: dict[int, threading.Thread] = {}
        self._last_game_id = 0

    def run(self) -> None:
        """Make games until ConnMan ends."""
        while (message := connman.get_match_message(blocking=True)) is not None:
            addr, packet = message
            with self._lock:
                if packet.get("subtype") == "C":
                    self._ranks[addr] = packet["rank"]
                    self._tell(addr, "HELLO", rank=packet["rank"])
                elif packet.get("subtype") == "DC":
                    self._left(addr)
                else:
                    self._asked(addr, packet["Queue"])
        for game in list(self._games.values()):
            game.join()

    def _left(self, addr: int) -> None:
        if self._waiting == addr:
            self._waiting = None
        if addr not in self._playing:
            self._ranks.pop(addr, None)

    def _asked(self, addr: int, queue: Any) -> None:
        if queue != QUEUE:
            self._tell(addr, "REFUSED", message=f"there is only the queue {QUEUE!r} here")
        elif addr in self._playing:
            self._tell(addr, "REFUSED", message="you are playing already")
        elif self._waiting is None or self._waiting == addr:
            self._waiting = addr
            self._tell(addr, "WAITING")
        else:
            players, self._waiting = [self._waiting, addr], None
            self._last_game_id += 1
            game_id = self._last_game_id
            self._playing.update(players)
            self._games[game_id] = threading.Thread(target=self._play, args=(game_id, players), name=f"game {game_id}")
            self._games[game_id].start()

    def _play(self, game_id: int, players: list[int]) -> None:
        """The thread of one game."""
        logger.info("game %d: %s", game_id, players)
        table = Table(game_id, players, self._turn_seconds)
        try:
            connman.start_game(game_id, players)
            result = table.play()
            connman.end_game(game_id, players)
            if result is not None:
                winner, reason = result
                logger.info("game %d: %d has won (%s)", game_id, winner, reason)
                ranks = self._change_ranks(winner, next(player for player in players if player != winner))
                self._over(game_id, players)
                table.tell_result(winner, reason, ranks)
        except connman.ServiceEnded:
            pass  # ConnMan was stopped in the middle of it.
        finally:
            self._over(game_id, players)

    def _over(self, game_id: int, players: list[int]) -> None:
        """Whoever played may play again; from before they know the result on."""
        with self._lock:
            if self._games.pop(game_id, None) is not None:
                self._playing.difference_update(players)

    def _change_ranks(self, winner: int, loser: int) -> dict[int, int]:
        """Return the ranks after a game."""
        with self._lock:
            step = rank_step(self._ranks[winner], self._ranks[loser])
            self._ranks[winner] += step
            self._ranks[loser] -= step
            ranks = {winner: self._ranks[winner], loser: self._ranks[loser]}
        for player, rank in ranks.items():
            try:
                connman.set_rank(player, rank)
            except Exception as error:  # noqa: BLE001 - the database may be away: they play on, with what is known here
                logger.warning("the rank of %d was not written down: %s", player, error)
        return ranks

    def _tell(self, addr: int, event: str, **more: Any) -> None:
        connman.send_message(addr, {"type": "MATCH", "event": event, **more})


def rank_step(winner: int, loser: int) -> int:
    """How much the winner's rank goes up and the loser's down: the more, the less it was to be expected (Elo)."""
    expected = 1 / (1 + 10 ** ((loser - winner) / 400))
    return round(RANK_STEP * (1 - expected))
