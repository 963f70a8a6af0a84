"""Reads what one game process prints, as far as its game file wants to know: that it is ready, and its `[log]`.

The file is the buffer: what is not read yet waits there, so that a game that prints without end costs nobody else
more than one look at a time. Everything here reads files: call it from a worker pool, one call at a time.
"""

import re

import msgspec

from game_server_launcher.gamefile import GameFile
from game_server_launcher.gametables import ReadyByOutput
from game_server_launcher.logpatterns import Fact, LogPatterns, Said
from game_server_launcher.output import OutputLog

MAX_FACTS = 200
"""That are told to the central task after one look; the next ones come after the next look."""


class Seen(msgspec.Struct, frozen=True):
    """What came of a look. `ready`: the line that says so is among those that were read."""

    ready: bool
    facts: list[Fact]


class OutputReader:
    """Reads one process's output.

    Args:
        game: what to look for.
        log: where it is.
        ready: whether the process is known to be ready.

    Attributes:
        waits: for the line that says that the game is ready.
        follows: the output for as long as the process runs.
    """

    def __init__(self, game: GameFile, log: OutputLog, ready: bool) -> None:
        by_output = isinstance(game.ready, ReadyByOutput) and not ready
        self._ready = re.compile(game.ready.pattern) if isinstance(game.ready, ReadyByOutput) else None
        self._patterns = LogPatterns(game.log) if game.log else None
        self._log = log
        self._waiting: list[Fact] = []
        self._catching_up = True
        self.waits = by_output
        self.follows = game.log is not None

    def look(self) -> Seen:
        """Read on, unless there is still something to tell.

        Raises:
            OSError: the file cannot be read.
        """
        ready = False
        if not self._waiting:
            lines = self._log.new_lines()
            if self.waits and self._ready and any(map(self._ready.search, lines)):
                ready = True
                self.waits = False
            if self._patterns:
                self._waiting = self._heard(self._patterns.facts(lines))
        facts, self._waiting = self._waiting[:MAX_FACTS], self._waiting[MAX_FACTS:]
        return Seen(ready, facts)

    def _heard(self, facts: list[Fact]) -> list[Fact]:
        """Who is there follows from all that was printed; what players said before this launcher came is past."""
        if not self._catching_up:
            return facts
        self._catching_up = self._log.behind
        return [fact for fact in facts if not isinstance(fact, Said)]
