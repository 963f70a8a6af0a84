"""What players are told of matches without having asked. Part of the central task.

Only those are told who speak version 2 of the protocol.
"""

from itertools import islice

from connhandler import CentralTask
from login_server.gameclienthandler import PlayerPeer
from login_server.matches import Match
from login_server.protocol import MatchOver, MatchRequest, MatchRequests, MatchRunning, PlayerNews
from login_server.state import State

NEWS_SECONDS = 0.2
"""Requests wait so long for further ones, so that who asks and takes it back without end costs the other one little."""

MAX_REQUESTS = 20
"""So many of those who want to play one player are told at a time, those who came first."""

VERSION = 2
"""From which on players understand these messages."""


class MatchNews:
    """Tells players of the matches that they are missed in, and of those who want to play them."""

    def __init__(self, central: CentralTask, state: State) -> None:
        self._central = central
        self._state = state
        self._waiting = False

    def player_came(self, peer: PlayerPeer) -> None:
        """Somebody has logged in, and may have been in a match before."""
        match = self._state.matches.current(peer.player)
        if match is not None:
            self._tell_running(peer, match)
        self._tell_requests(peer)

    def player_left_match(self, player: str, match: Match) -> None:
        """A player's connection to the game server has ended."""
        peer = self._state.find_player(player)
        if peer is not None and player in match.players:
            self._tell_running(peer, match)

    def match_over(self, match: Match) -> None:
        """A match has ended, or is lost."""
        for player in match.players:
            peer = self._state.find_player(player)
            if peer is not None and peer.told_match == match.match_id:
                peer.told_match = ""
                _tell(peer, MatchOver(match_id=match.match_id))

    def requests_changed(self) -> None:
        """There may be something new in the matchmaker about who wants whom."""
        if self._state.matchmaker.wanted_changed and not self._waiting:
            self._waiting = True
            self._central.call_later(NEWS_SECONDS, self._tell_all_requests)

    def _tell_all_requests(self) -> None:
        self._waiting = False
        for name in self._state.matchmaker.take_wanted_changes():
            peer = self._state.find_player(name)
            if peer is not None:
                self._tell_requests(peer)

    def _tell_requests(self, peer: PlayerPeer) -> None:
        wishes = islice(self._state.matchmaker.wanting(peer.player), MAX_REQUESTS)
        requests = [MatchRequest(player=wish.player, game=wish.queue.game) for wish in wishes]
        if requests != peer.told_requests:
            peer.told_requests = requests
            _tell(peer, MatchRequests(requests=requests))

    def _tell_running(self, peer: PlayerPeer, match: Match) -> None:
        if match.server_id in self._state.directory.servers and peer.told_match != match.match_id:
            peer.told_match = match.match_id
            where = MatchRunning(
                match_id=match.match_id, game=match.game, players=match.players, server_id=match.server_id
            )
            _tell(peer, where)


def _tell(peer: PlayerPeer, news: PlayerNews) -> None:
    if peer.version >= VERSION:
        peer.send(news)
