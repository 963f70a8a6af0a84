"""Votes of the players of a server for its next map. Plain state: no clock, no timer, no message.

The first vote for any map opens a vote; each player has one voice, the last one counts. A map that more than the share
of those who are there want is chosen at once; when the time is up without one, nothing changes.
"""

import math
from collections import Counter

import msgspec

MAX_VOTERS = 1000


class Ballot(msgspec.Struct):
    """One vote that is open.

    Attributes:
        ends_at: unix time.
        voices: the map that each player wants.
    """

    ends_at: float
    voices: dict[str, str] = {}

    @property
    def counts(self) -> dict[str, int]:
        """How many want each map, the most wanted first."""
        return dict(Counter(self.voices.values()).most_common())

    def cast(self, player: str, name: str) -> None:
        """A player wants a map.

        Raises:
            ValueError: too many take part.
        """
        if player not in self.voices and len(self.voices) >= MAX_VOTERS:
            raise ValueError(f"{MAX_VOTERS} players have voted, which is the most")
        self.voices[player] = name

    def drop(self, player: str) -> None:
        """A player is gone, and the player's voice too."""
        self.voices.pop(player, None)

    def chosen(self, needed: int) -> str:
        """The map that enough want, or nothing."""
        return next((name for name, count in self.counts.items() if count >= needed), "")


def voices_needed(share: float, players: int) -> int:
    """How many voices choose a map: more than `share` of the players, and at least one."""
    return max(math.floor(share * players) + 1, 1) if share < 1 else max(players, 1)
