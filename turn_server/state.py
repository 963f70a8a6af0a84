"""All that the turn server knows: what its desks share."""

import random as random_module
from collections import Counter
from typing import Any, Final

from turn_server.departed import Departed
from turn_server.game import Game
from turn_server.player import Player
from turn_server.rules import Rules

KEY_BITS: Final = 53
"""Of a key: too many to guess, few enough to be exact for a client that keeps numbers as floating point."""


class State:
    """Plain data.

    Attributes:
        rules: that hold here.
        players: by pairing key; those in a game too, until they have shown that they know its key.
        waiting: those of them who have asked for a partner and have none, the first who asked first.
        names: how many of `players` have this name.
        wishes: of `players`, those who want nobody but the one of this name (or anybody, `*`), by their keys.
        games: by game key.
        departed: those who were here.
    """

    def __init__(self, rules: Rules, random: random_module.Random) -> None:
        self.rules = rules
        self.players: dict[bytes, Player] = {}
        self.waiting: dict[bytes, Player] = {}
        self.names: Counter[bytes] = Counter()
        self.wishes: dict[bytes, dict[bytes, Player]] = {}
        self.games: dict[bytes, Game] = {}
        self.departed = Departed(2 * rules.max_pairing_keys + 2 * rules.max_game_keys)
        self._random = random

    def new_key(self) -> bytes:
        """Return a decimal number that is no key and was none lately."""
        while True:
            key = b"%d" % self._random.getrandbits(KEY_BITS)
            if not (key in self.players or key in self.games or key in self.departed):
                return key

    def add(self, player: Player) -> None:
        """A player has registered."""
        self.players[player.key] = player
        self.names[player.name] += 1
        self.wishes.setdefault(player.wish, {})[player.key] = player

    def remove(self, player: Player) -> None:
        """A pairing key is free again."""
        del self.players[player.key]
        self.waiting.pop(player.key, None)
        self.names[player.name] -= 1
        if not self.names[player.name]:
            del self.names[player.name]
        wishers = self.wishes[player.wish]
        del wishers[player.key]
        if not wishers:
            del self.wishes[player.wish]

    def plain(self) -> dict[str, Any]:
        """All of it, as values that JSON knows."""
        return {
            "players": [player.plain() for player in self.players.values()],
            "waiting": [player.serial for player in self.waiting.values()],
            "games": [game.plain() for game in self.games.values()],
            "departed": self.departed.plain(),
        }
