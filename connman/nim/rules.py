"""Nim: heaps of matches; in turn, each player takes one or more from one heap. Who takes the last match wins."""

from typing import Any, Final

HEAPS: Final = (3, 4, 5)


class IllegalMove(Exception):
    """The text says to the player why it is none."""


class Nim:
    """Args:
    players: two ids; the first begins.
    heaps: how many matches each heap has.

    Attributes:
        turn: the id of the player who moves next.
    """

    def __init__(self, players: list[int], heaps: tuple[int, ...] = HEAPS) -> None:
        self.players = players
        self.heaps = list(heaps)
        self.turn = players[0]

    def take(self, player: int, heap: Any, count: Any) -> None:
        """Take matches.

        Args:
            player: who does.
            heap: which one, from 1.
            count: how many.

        Raises:
            IllegalMove: it is not the player's turn, or there are not so many.
        """
        if player != self.turn:
            raise IllegalMove("it is not your turn")
        if type(heap) is not int or not 1 <= heap <= len(self.heaps):
            raise IllegalMove(f"there are the heaps 1 to {len(self.heaps)}")
        left = self.heaps[heap - 1]
        if type(count) is not int or not 1 <= count <= left:
            raise IllegalMove(f"heap {heap} is empty" if not left else f"from heap {heap} you can take 1 to {left}")
        self.heaps[heap - 1] -= count
        if any(self.heaps):
            self.turn = self.opponent(player)

    @property
    def winner(self) -> int | None:
        """Who has taken the last match."""
        return None if any(self.heaps) else self.turn

    def opponent(self, player: int) -> int:
        return self.players[1 - self.players.index(player)]
