"""Where players vote for the next map: through the login server, or by a word in the chat of a game. Part of the
central task."""

import logging
from collections.abc import Callable

from connhandler import CentralTask
from game_server_launcher.events import record
from game_server_launcher.mapchange import MapChanger, check_map
from game_server_launcher.servers import GameServer, Role
from game_server_launcher.votes import Ballot, voices_needed
from login_server.protocol import MapVoteChanged

logger = logging.getLogger(__name__)

CHAT_COMMAND = "!map"
MAX_TOLD = 64
"""Players who are told of one vote by name: as many as a message may name."""


class VoteDesk:
    """The votes on all servers of a launcher.

    Args:
        central: whose task this runs in.
        maps: changes the map that was chosen.
        tell: sends to the login server, if it is there.
        say: shows a text to everybody in a game, if there is a way.
    """

    def __init__(
        self,
        central: CentralTask,
        maps: MapChanger,
        tell: Callable[[MapVoteChanged], None],
        say: Callable[[GameServer, str], None],
    ) -> None:
        self._central = central
        self._maps = maps
        self._tell = tell
        self._say = say
        self._ballots: dict[str, Ballot] = {}
        self._quiet_until: dict[str, float] = {}

    def cast(self, server: GameServer, player: str, name: str) -> None:
        """A player of a server wants a map.

        Raises:
            ValueError: that does not count; the text says why.
        """
        if not server.game.maps:
            raise ValueError("this server's map is not voted for")
        check_map(server, name)
        if player not in players_of(server, self._central.now):
            raise ValueError("only who plays there can vote")
        key = server.public_name
        ballot = self._ballots.get(key)
        if ballot is None:
            quiet = self._quiet_until.get(key, 0.0) - self._central.now
            if quiet > 0:
                raise ValueError(f"the last vote has just ended; the next may begin in {quiet:.0f} s")
            if name == server.map:
                raise ValueError(f"{name} is being played already")
            ballot = self._ballots[key] = Ballot(self._central.now + server.game.vote.seconds)
            self._central.call_later(server.game.vote.seconds, self._time_is_up, server, ballot)
        ballot.cast(player, name)
        record(server.events, self._central.now, f"{player} votes for map {name}")
        chosen = ballot.chosen(self._needed(server))
        if chosen:
            self._choose(server, ballot, chosen)
        else:
            self._announce(server, ballot, "")
            voices = ", ".join(f"{one} {count}" for one, count in ballot.counts.items())
            how = f". Say '{CHAT_COMMAND} NAME'" if hears_chat(server) else ""
            self._say(server, f"vote for the map: {voices}; {self._needed(server)} needed{how}")

    def said(self, server: GameServer, player: str, text: str) -> None:
        """A player has said something in a game's chat, which may be a vote."""
        words = text.split()
        if len(words) != 2 or words[0] != CHAT_COMMAND or not server.game.maps:
            return
        try:
            self.cast(server, player, words[1])
        except ValueError as error:
            self._say(server, f"{player}: {error}")

    def _choose(self, server: GameServer, ballot: Ballot, name: str) -> None:
        if name == server.map:
            self._end(server, ballot, f"{name} stays")
            return
        try:
            self._maps.change(server, name)
        except ValueError as error:
            logger.warning("%s: the players chose map %s, but %s", server.public_name, name, error)
            self._end(server, ballot, f"{name} was chosen, but {error}")
        else:
            logger.info("%s: the players chose map %s", server.public_name, name)
            self._end(server, ballot, f"{name} was chosen")

    def _time_is_up(self, server: GameServer, ballot: Ballot) -> None:
        if self._ballots.get(server.public_name) is ballot:
            self._end(server, ballot, "no map has enough votes")

    def _end(self, server: GameServer, ballot: Ballot, outcome: str) -> None:
        key = server.public_name
        self._ballots.pop(key, None)
        self._quiet_until[key] = self._central.now + server.game.vote.pause_seconds
        record(server.events, self._central.now, f"the vote has ended: {outcome}")
        self._announce(server, ballot, outcome)
        self._say(server, f"the vote has ended: {outcome}")

    def _announce(self, server: GameServer, ballot: Ballot, outcome: str) -> None:
        players = [*ballot.voices, *players_of(server, self._central.now)]
        self._tell(
            MapVoteChanged(
                server_id=server.server_id,
                players=list(dict.fromkeys(players))[:MAX_TOLD],
                votes=ballot.counts,
                needed=self._needed(server),
                ends_at=ballot.ends_at,
                outcome=outcome,
            )
        )

    def _needed(self, server: GameServer) -> int:
        return voices_needed(server.game.vote.share, server.players)


def players_of(server: GameServer, now: float) -> list[str]:
    """Who plays on a server, by name, as far as that is known here: by its console, its matches, or else its seats."""
    if server.role is not Role.CURRENT:
        return []
    if server.names:
        return server.names
    return [player for player, seat in server.seats.items() if seat.expires_at > now]


def hears_chat(server: GameServer) -> bool:
    """Whether what players say in the game comes here."""
    log = server.game.log
    return server.game.console is not None or (log is not None and log.chat != "")
