"""What the launcher makes of what games say of themselves when they are asked by UDP. Part of the central task.

With a `[status]`, an answer is a sign of life: a game that does not answer takes nobody new, as one whose controller is
away. With `ready.by = "status"`, the first answer makes it ready.
"""

import logging
from collections.abc import Callable
from typing import Protocol

from connhandler import CentralTask
from game_server_launcher.events import printable, record
from game_server_launcher.gamefile import GameFile
from game_server_launcher.listing import Listing
from game_server_launcher.servers import GameServer
from game_server_launcher.statefiles import StateFiles
from game_server_launcher.statusformats import GameStatus
from game_server_launcher.statusquery import StatusEvents
from game_server_launcher.supervision import Supervision

logger = logging.getLogger(__name__)

MISSED = 3
"""So many questions in a row without an answer, and the game does not answer."""


class Queries(Protocol):
    """What is asked of `StatusQueries`; see there."""

    def report_to(self, post: Callable[..., None], events: StatusEvents) -> None: ...
    def open(self, server: str, run: int, game: GameFile, port: int) -> None: ...
    def close(self, server: str) -> None: ...


class StatusDesk:
    """Keeps what games say of themselves.

    Args:
        central: whose task this runs in.
        servers: by name; owned by the program.
        queries: to the games.
        listing: what the login server is told.
        state_files: of the servers.
        supervision: told of games that answer and that do not.
    """

    def __init__(
        self,
        central: CentralTask,
        servers: dict[str, GameServer],
        queries: Queries,
        listing: Listing,
        state_files: StateFiles,
        supervision: Supervision,
    ) -> None:
        queries.report_to(central.post, self)
        self._central = central
        self._servers = servers
        self._queries = queries
        self._listing = listing
        self._state_files = state_files
        self._supervision = supervision
        self._missed: dict[str, int] = {}

    def open(self, server: GameServer) -> None:
        """A process runs: ask it, if it can be asked."""
        if server.game.status is not None:
            self._missed[server.name] = 0
            self._queries.open(server.name, server.run, server.game, server.port)

    def close(self, server: GameServer) -> None:
        """The process has ended."""
        self._queries.close(server.name)

    def answered(self, name: str, run: int, status: GameStatus) -> None:
        server = self._servers.get(name)
        if server is None or server.run != run or not server.running:
            return
        self._missed[name] = 0
        before, map_before = server.everybody, server.map
        server.answer = status
        server.players = len(status.players)
        server.map = status.map or server.map
        server.capacity = status.capacity or server.capacity
        self._note(server, before)
        self._supervision.answered(server)
        self._listing.changed(server)
        if server.map != map_before:
            self._state_files.save_soon(server)

    def unanswered(self, name: str, run: int) -> None:
        server = self._servers.get(name)
        if server is None or server.run != run:
            return
        self._missed[name] += 1
        if self._missed[name] == MISSED:
            self._supervision.unanswered(server)

    def _note(self, server: GameServer, before: list[str]) -> None:
        """Where the game's output tells who comes and goes, that is noted as it happens."""
        if server.game.log is not None and server.game.log.joined:
            return
        now = server.everybody
        for verb, names in (("left", _without(before, now)), ("joined", _without(now, before))):
            for name in names:
                record(server.events, self._central.now, f"{name} {verb}")
                logger.info("%s: %s %s", server.shown_name, printable(name), verb)


def _without(names: list[str], others: list[str]) -> list[str]:
    """Names of the first list that are not in the second; one that is twice in it must be twice in the other."""
    rest = list(others)
    left_over = []
    for name in names:
        if name in rest:
            rest.remove(name)
        else:
            left_over.append(name)
    return left_over
