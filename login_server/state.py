"""All that the login server knows. Only its central task touches it."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import msgspec

from login_server.gameclienthandler import PlayerPeer
from login_server.gameserverlauncherhandler import LauncherPeer
from login_server.matches import MatchBook
from login_server.matchmaking import Matchmaker
from login_server.results import RecordedMatch
from login_server.servers import ServerDirectory


class State:
    """Shared by the desks.

    Attributes:
        players: who is logged in, by name.
        launchers: which launchers are logged in, by name.
        directory: the game servers.
        matchmaker: who waits for whom.
        matches: those that go on, and the last that ended.
        counters: how often each thing has happened, refusals by their code.
    """

    def __init__(self, recorded: Sequence[RecordedMatch] = ()) -> None:
        self.players: dict[str, PlayerPeer] = {}
        self.launchers: dict[str, LauncherPeer] = {}
        self.directory = ServerDirectory()
        self.matchmaker = Matchmaker()
        self.matches = MatchBook(recorded)
        self.counters: Counter[str] = Counter()

    def plain(self) -> dict[str, Any]:
        """The same as values that JSON knows."""
        plain: dict[str, Any] = msgspec.to_builtins(
            {
                "players": {name: peer.name for name, peer in self.players.items()},
                "launchers": {name: peer.name for name, peer in self.launchers.items()},
                "servers": self.directory.servers,
                "seats": self.directory.seats,
                "wishes": self.matchmaker.wishes,
                "running": self.matches.running,
                "ended": self.matches.ended,
                "counters": self.counters,
            }
        )
        return plain
