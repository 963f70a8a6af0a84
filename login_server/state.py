"""All that the login server knows. Only its central task touches it."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import Struct

from login_server.accounts import fold
from login_server.gameclienthandler import PlayerPeer
from login_server.gameserverlauncherhandler import LauncherPeer
from login_server.matches import MatchBook
from login_server.matchmaking import Matchmaker
from login_server.results import RecordedMatch
from login_server.servers import ServerDirectory


class Wait(Struct):
    """A player's wait for a server that sleeps. `told` is what the player was told last of how far it is."""

    server_id: str
    told: str = ""


class Woken(Struct):
    """A server that is on its way to being ready: since when that is known, and how far it is, in words."""

    at: float
    progress: str = ""


class State:
    """Shared by the desks.

    Attributes:
        players: who is logged in, by name; changed by `enter` and `leave` alone.
        launchers: which launchers are logged in, by name.
        directory: the game servers.
        matchmaker: who waits for whom.
        waits: by player, for a server that sleeps.
        woken: by id, the servers that sleep no more and are not ready yet.
        revoked: by player, before when day passes were issued that are void.
        matches: those that go on, and the last that ended.
        counters: how often each thing has happened, refusals by their code.
    """

    def __init__(self, recorded: Sequence[RecordedMatch] = ()) -> None:
        self.players: dict[str, PlayerPeer] = {}
        self._by_folded_name: dict[str, PlayerPeer] = {}
        self.launchers: dict[str, LauncherPeer] = {}
        self.directory = ServerDirectory()
        self.matchmaker = Matchmaker()
        self.matches = MatchBook(recorded)
        self.waits: dict[str, Wait] = {}
        self.woken: dict[str, Woken] = {}
        self.revoked: dict[str, float] = {}
        self.counters: Counter[str] = Counter()

    def enter(self, peer: PlayerPeer) -> None:
        """This player is logged in."""
        self.players[peer.player] = self._by_folded_name[fold(peer.player)] = peer

    def leave(self, peer: PlayerPeer) -> None:
        """This player is gone."""
        del self.players[peer.player], self._by_folded_name[fold(peer.player)]

    def find_player(self, name: str) -> PlayerPeer | None:
        """Who is logged in with this name, in whatever case."""
        return self._by_folded_name.get(fold(name))

    def plain(self) -> dict[str, Any]:
        """The same as values that JSON knows."""
        plain: dict[str, Any] = msgspec.to_builtins(
            {
                "players": {name: peer.name for name, peer in self.players.items()},
                "launchers": {name: peer.name for name, peer in self.launchers.items()},
                "servers": self.directory.servers,
                "seats": self.directory.seats,
                "waits": self.waits,
                "woken": self.woken,
                "revoked": self.revoked,
                "wishes": self.matchmaker.wishes,
                "running": self.matches.running,
                "ended": self.matches.ended,
                "counters": self.counters,
            }
        )
        return plain
