"""Which build of a game a server starts: the accepted one, or a new one that it tries for all the others.

A build is what a game file says. When that changes, the new one is tried by one server, the canary, at its next start
or change of map, if the file asks for that (`upgrade.canary_matches`). After so many matches that ended there, all
others take it at their next start or change. If it crashes before that, or cannot take the games over, the canary goes
back to the accepted build, and the new one is not tried again until the file is another. Plain state: no clock, no
process.
"""

from collections.abc import Iterable

import msgspec

from game_server_launcher.gamefile import GameFile
from game_server_launcher.servers import GameServer


class Build(msgspec.Struct):
    """The builds of one game file.

    Attributes:
        accepted: what servers start.
        candidate: what is to be tried, or is.
        canary: the server that tries it; empty until one has begun to.
        matches: so many have ended there.
        rejected: what was tried in vain last.
    """

    accepted: GameFile
    candidate: GameFile | None = None
    canary: str = ""
    matches: int = 0
    rejected: GameFile | None = None


class BuildBook:
    """The builds of all game files, by the name in the file.

    Args:
        saved: what an earlier launcher knew.
        games: the game files as they are now.
    """

    def __init__(self, saved: dict[str, Build], games: Iterable[GameFile]) -> None:
        self.builds: dict[str, Build] = {}
        for game in games:
            known = saved.get(game.name)
            self.builds[game.name] = known or Build(game)
            if known is not None:
                self.offer(game)

    def offer(self, game: GameFile) -> str:
        """A game file may have changed.

        Returns:
            What comes of that, in a sentence; empty if nothing.
        """
        build = self.builds.get(game.name)
        if build is None:
            return f"{game.name} is new: a launcher takes up new game files when it is started"
        if game == build.accepted:
            withdrawn = build.candidate is not None
            build.candidate, build.canary = None, ""
            return f"{game.name}: the new build is withdrawn" if withdrawn else ""
        if game == build.candidate:
            return ""
        if not game.upgrade.canary_matches:
            build.accepted, build.candidate, build.canary = game, None, ""
            return f"{game.name}: each server takes the new build at its next start or change of map"
        if game == build.rejected:
            return f"{game.name}: this build was tried and did not do; servers stay on the one before"
        build.candidate, build.canary, build.matches = game, "", 0
        matches = game.upgrade.canary_matches
        return f"{game.name}: the first server to start or to change its map tries the new build for {matches} matches"

    def choose(self, server: GameServer) -> tuple[GameFile, bool]:
        """What a server is to start now, and whether that is on trial."""
        build = self.builds.get(server.game.name)
        if build is None:
            return server.game, False
        if build.candidate is not None and build.canary in ("", server.public_name):
            build.canary = server.public_name
            return build.candidate, True
        return build.accepted, False

    def running(self, server: GameServer) -> GameFile:
        """What a server runs that an earlier launcher started."""
        build = self.builds.get(server.game.name)
        if build is None:
            return server.game
        return build.candidate if server.on_trial and build.candidate is not None else build.accepted

    def match_ended(self, server: GameServer) -> bool:
        """A match has ended as it should; return whether that was the one that the new build is accepted with."""
        build = self._trial(server)
        if build is None or build.candidate is None:
            return False
        build.matches += 1
        if build.matches < build.candidate.upgrade.canary_matches:
            return False
        build.accepted, build.candidate, build.canary = build.candidate, None, ""
        server.on_trial = False
        return True

    def failed(self, server: GameServer) -> GameFile | None:
        """The process of a server has crashed, or could not take its games over.

        Returns:
            What it is to go back to, if it was on trial.
        """
        build = self._trial(server)
        if build is None:
            return None
        build.rejected, build.candidate, build.canary = build.candidate, None, ""
        server.on_trial = False
        return build.accepted

    def _trial(self, server: GameServer) -> Build | None:
        build = self.builds.get(server.game.name)
        if build is None or build.candidate is None or not server.on_trial or build.canary != server.public_name:
            return None
        return build
