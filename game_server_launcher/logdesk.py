"""What the launcher makes of what a game's output says about players: the `[log]` of its game file. Part of the central
task.

Who is there is what has been read since the process was started: the next launcher reads that again. What a rotation of
the output took away before, nobody knows any more.
"""

import logging
from collections.abc import Callable

from connhandler import CentralTask
from game_server_launcher.events import printable, record
from game_server_launcher.listing import Listing
from game_server_launcher.logpatterns import Fact, Joined, Left, MapBegun, Said
from game_server_launcher.servers import GameServer
from game_server_launcher.statefiles import StateFiles

logger = logging.getLogger(__name__)

MAX_PLAYERS = 1000
"""Whom one game's output may say to be there; of more, the one who joined first is forgotten."""


class LogDesk:
    """Keeps `players`, `names`, `map` and `events` of servers with a `[log]` up to date.

    Args:
        central: whose task this runs in.
        listing: what the login server is told.
        state_files: of the servers.

    Attributes:
        votes: called with what a player says: a server, the player's name and the text.
    """

    def __init__(self, central: CentralTask, listing: Listing, state_files: StateFiles) -> None:
        self.votes: Callable[[GameServer, str, str], None] = lambda server, player, text: None
        self._central = central
        self._listing = listing
        self._state_files = state_files

    def said(self, server: GameServer, facts: list[Fact]) -> None:
        """A game's output says so."""
        map_before = server.map
        for fact in facts:
            if isinstance(fact, Joined | Left):
                self._came_or_went(server, fact)
            elif isinstance(fact, MapBegun):
                server.map = fact.map
            elif isinstance(fact, Said):
                self._tell(server, f"{fact.player}: {fact.text}", logging.DEBUG)
                if fact.player in server.everybody:
                    self.votes(server, fact.player, fact.text)
        self._listing.changed(server)
        if server.map != map_before:
            self._state_files.save_soon(server)

    def _came_or_went(self, server: GameServer, fact: Joined | Left) -> None:
        if isinstance(fact, Joined):
            self._joined(server, fact)
        else:
            self._left(server, fact)
        if server.answer is None:  # Else that is what counts.
            server.players = len(server.here)

    def _joined(self, server: GameServer, joined: Joined) -> None:
        client = joined.id or joined.player
        if server.here.get(client) == joined.player:
            return
        server.here[client] = joined.player
        self._tell(server, f"{joined.player} joined")
        if len(server.here) > MAX_PLAYERS:
            del server.here[next(iter(server.here))]

    def _left(self, server: GameServer, left: Left) -> None:
        client = left.id or next((client for client, name in server.here.items() if name == left.player), "")
        if client in server.here:
            self._tell(server, f"{server.here.pop(client)} left")

    def _tell(self, server: GameServer, text: str, level: int = logging.INFO) -> None:
        record(server.events, self._central.now, text)
        logger.log(level, "%s: %s", server.shown_name, printable(text))
