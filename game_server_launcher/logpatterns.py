"""What a line of a game's output means, by the regular expressions of the `[log]` in its game file. Pure.

Whoever plays can make a game print almost anything, so what is found here is believed about names and maps alone.
"""

import re
from collections.abc import Iterable

import msgspec

from game_server_launcher.gametables import Log

MAX_NAME = 128
"""The longest name of a player or a map that is believed, in characters: as the login server takes."""

MAX_TEXT = 300

NEEDED_GROUPS = {"joined": ("player",), "left": (), "map": ("map",), "chat": ("player", "text")}
OTHER_GROUPS = {"joined": ("id",), "left": ("player", "id"), "map": (), "chat": ()}
"""The named groups of each expression: those that it must have, and those that it may have."""


class Fact(msgspec.Struct, frozen=True):
    """Base of what a line says."""


class Joined(Fact, frozen=True):
    """`id` is what the game calls the player's connection; empty where it does not say."""

    player: str
    id: str = ""


class Left(Fact, frozen=True):
    """One of the two is empty."""

    player: str
    id: str = ""


class MapBegun(Fact, frozen=True):
    map: str


class Said(Fact, frozen=True):
    player: str
    text: str


_FACTS: dict[str, type[Fact]] = {"joined": Joined, "left": Left, "map": MapBegun, "chat": Said}


class LogPatterns:
    """The expressions of one game file.

    Args:
        log: checked by `check`.
    """

    def __init__(self, log: Log) -> None:
        self._patterns = [(re.compile(getattr(log, name)), kind) for name, kind in _FACTS.items() if getattr(log, name)]

    def facts(self, lines: Iterable[str]) -> list[Fact]:
        """Return what the lines say, in order; most say nothing. The first expression that is found in one counts."""
        return [fact for line in lines if (fact := self._fact(line)) is not None]

    def _fact(self, line: str) -> Fact | None:
        for pattern, kind in self._patterns:
            found = pattern.search(line)
            if found:
                groups = {name: _cut(name, text or "") for name, text in found.groupdict().items()}
                return kind(**{"player": "", **groups} if kind is Left else groups)
        return None


def check(log: Log) -> None:
    """See that the expressions are some, and have the groups that they need.

    Raises:
        ValueError: with the key and what was expected.
    """
    for name in _FACTS:
        text = getattr(log, name)
        try:
            groups = set(re.compile(text).groupindex)
        except re.error as error:
            raise ValueError(f"Expected a regular expression: {error} - at `log.{name}`") from error
        if not text:
            continue
        needed, other = NEEDED_GROUPS[name], OTHER_GROUPS[name]
        for group in groups:
            if group not in needed + other:
                known = ", ".join(f"(?P<{one}>…)" for one in needed + other)
                raise ValueError(f"unknown group {group!r}; Expected one of: {known} - at `log.{name}`")
        missing = [group for group in needed if group not in groups]
        if missing or not groups:
            wanted = " and ".join(f"(?P<{one}>…)" for one in missing) or " or ".join(f"(?P<{one}>…)" for one in other)
            raise ValueError(f"a group is missing; Expected {wanted} in it - at `log.{name}`")


def _cut(group: str, text: str) -> str:
    return text.strip()[: MAX_TEXT if group == "text" else MAX_NAME]
