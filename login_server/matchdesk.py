"""Where players ask for a server or a match, and get their tickets. Part of the central task."""

import logging
from typing import NamedTuple

from connhandler import CentralTask, PeerDisconnected
from login_server.gameclienthandler import PlayerPeer
from login_server.matches import Match
from login_server.matchmaking import Queue
from login_server.matchnews import MatchNews
from login_server.protocol import (
    CancelMatch,
    FindMatch,
    JoinGranted,
    JoinServer,
    MatchCancelled,
    MatchFound,
    MatchPending,
    PlayersExpected,
    SeatReserved,
    ServerInfo,
)
from login_server.refusal import Refusal
from login_server.servers import is_awake, owner
from login_server.state import State
from login_server.tickets import ANY_GAME, SeatIssuer, TicketIssuer
from login_server.wakedesk import WakeDesk

logger = logging.getLogger(__name__)

GRACE_SECONDS = 10
"""How long after its tickets' end a match may still begin: the last player may just have come."""


class Papers(NamedTuple):
    """What a player gets who may join a server: a ticket, which is good once, and a seat, to come back with."""

    ticket: str
    expires_at: float
    seat: str
    seat_expires_at: float


class MatchDesk:
    def __init__(
        self,
        central: CentralTask,
        state: State,
        issuer: TicketIssuer,
        seats: SeatIssuer,
        news: MatchNews,
        wakes: WakeDesk,
    ) -> None:
        self._central = central
        self._news = news
        self._state = state
        self._issuer = issuer
        self._seats = seats
        self._wakes = wakes
        wakes.grant = self._join

    def join_server(self, peer: PlayerPeer, message: JoinServer) -> None:
        self._wakes.forget(peer.player)
        self._join(peer, message.server_id)

    def _join(self, peer: PlayerPeer, server_id: str) -> None:
        """Who belongs to a match there gets a ticket to that match, and so can come back after a lost connection."""
        match = self._state.matches.find(peer.player, server_id)
        server = self._state.directory.joinable(server_id, peer.player, match is not None, self._central.now)
        if not is_awake(server):
            self._wakes.wait(peer, server)
            return
        game_id, players = (match.match_id, match.players) if match else (ANY_GAME, [peer.player])
        papers = self._issue(peer.player, server, game_id, players)
        logger.info("player %s may join %s, match %s", peer.player, server.server_id, game_id)
        peer.send(
            JoinGranted(
                server_id=server.server_id,
                address=server.address,
                port=server.port,
                match_id=match.match_id if match else "",
                **papers._asdict(),
            )
        )

    def find_match(self, peer: PlayerPeer, message: FindMatch) -> None:
        self._check_not_missed(peer.player)
        self._state.directory.check_match_players(message.game, message.players)
        queue = self._state.matchmaker.add(peer.player, message.game, message.players, message.partner)
        logger.info(
            "player %s looks for a match of %s with %s",
            peer.player,
            message.game,
            message.partner or ("another" if message.players == 2 else f"{message.players - 1} others"),
        )
        self._start_or_tell(queue, {})

    def cancel_match(self, peer: PlayerPeer, message: CancelMatch) -> None:
        queue, left_alone = self._state.matchmaker.cancel(peer.player)
        logger.info("player %s looks for a match no more", peer.player)
        peer.send(MatchCancelled(reason="you cancelled"))
        self._cancel(left_alone, f"{peer.player} cancelled")
        self._start_or_tell(queue, {})

    def player_came(self, peer: PlayerPeer) -> None:
        """Who logs in is told what there is to know, and so is everybody who waits for that."""
        self._news.player_came(peer)
        for wish in list(self._state.matchmaker.wanting(peer.player)):
            self._start_or_tell(wish.queue, {})

    def player_disconnected(self, peer: PlayerPeer, message: PeerDisconnected) -> None:
        if peer.player:
            self._wakes.forget(peer.player)
            queue, left_alone = self._state.matchmaker.drop(peer.player)
            self._cancel(left_alone, f"{peer.player} is gone")
            if queue:
                self._start_or_tell(queue, {})
            self._news.requests_changed()

    def drop_expired(self) -> None:
        """Give up the seats and matches to which nobody came in time."""
        self._state.directory.drop_expired_seats(self._central.now)
        for match in self._state.matches.drop_expired(self._central.now):
            logger.info("%s is lost: nobody came to %s", match.match_id, match.server_id)
            self._news.match_over(match)

    def start_waiting(self) -> None:
        """Servers or seats may have become free: let all groups that can begin do so."""
        hopeless: dict[tuple[str, int], str] = {}
        for queue in self._state.matchmaker.complete():
            self._start_or_tell(queue, hopeless)

    def _start_or_tell(self, queue: Queue, hopeless: dict[tuple[str, int], str]) -> None:
        """Begin matches of a queue while there are players and servers; tell the others what they wait for.

        Args:
            hopeless: the games and numbers of players that no server has been found for in this turn, and why.
        """
        kind = queue.game, queue.players
        while len(group := self._state.matchmaker.first_group(queue)) == queue.players and kind not in hopeless:
            try:
                server = self._awake_server(*kind)
            except Refusal as refusal:
                hopeless[kind] = refusal.message
            else:
                self._state.matchmaker.take(group)
                self._begin(group, server)
        news = self._state.matchmaker.news(queue, hopeless.get(kind, ""), self._who_is_lacking(queue, group))
        for player, waiting, reason in news:
            pending = MatchPending(game=queue.game, players=queue.players, waiting=waiting, reason=reason)
            self._state.players[player].send(pending)
        self._news.requests_changed()

    def _awake_server(self, game: str, players: int) -> ServerInfo:
        """A server for a match; one that sleeps is woken instead.

        Raises:
            Refusal: there is none now; its message says what a waiting player waits for.
        """
        server = self._state.directory.choose(game, players, self._central.now, self._wakes.too_slow)
        if not is_awake(server):
            self._wakes.wake(server)
            raise Refusal("no_server", self._wakes.progress(server.server_id))
        return server

    def _who_is_lacking(self, queue: Queue, group: list[str]) -> str:
        if not queue.pair or len(group) != 1:
            return ""
        wish = self._state.matchmaker.wishes[group[0]]
        return "" if self._state.find_player(wish.partner) else f"{wish.asked} is not online"

    def _check_not_missed(self, player: str) -> None:
        """Who is connected to the game server may ask: that a game has just ended there may not be known here yet.

        Raises:
            Refusal: `in_match`: the player's match goes on without the player, who can go back to it.
        """
        match = self._state.matches.current(player)
        if match is None or match.state != "running" or player in match.present:
            return
        server = self._state.directory.servers.get(match.server_id)
        if server is not None and server.state == "ready":
            words = f"you are in {_in_words(match, player)}: join {server.server_id} to go back to it"
            raise Refusal("in_match", words)

    def _begin(self, players: list[str], server: ServerInfo) -> None:
        match_id = self._central.new_id("match-")
        papers = {player: self._issue(player, server, match_id, players) for player in players}
        expires_at = max(one.expires_at for one in papers.values())
        self._state.matches.expect(match_id, server.game, server.server_id, players, expires_at + GRACE_SECONDS)
        self._state.counters["matches_found"] += 1
        logger.info("%s: %s on %s for %s", match_id, server.game, server.server_id, ", ".join(players))
        # The launcher first, so that the game server is likely to know of them before they come.
        self._state.launchers[owner(server.server_id)].send(
            PlayersExpected(server_id=server.server_id, match_id=match_id, players=players, expires_at=expires_at)
        )
        for player, one in papers.items():
            self._state.players[player].send(
                MatchFound(
                    match_id=match_id,
                    game=server.game,
                    players=players,
                    server_id=server.server_id,
                    address=server.address,
                    port=server.port,
                    **one._asdict(),
                )
            )

    def _issue(self, player: str, server: ServerInfo, game_id: str, players: list[str]) -> Papers:
        now = self._central.now
        what = player, server.server_id, game_id, players, now
        ticket, expires_at = self._issuer.issue(*what, self._central.new_id("ticket-"))
        seat, seat_expires_at = self._seats.issue(*what, self._central.new_id("seat-"))
        self._state.directory.keep_seat(player, server.server_id, expires_at)
        self._reserve(player, server, game_id, seat_expires_at)
        self._state.counters["tickets"] += 1
        return Papers(ticket, expires_at, seat, seat_expires_at)

    def _reserve(self, player: str, server: ServerInfo, game_id: str, until: float) -> None:
        """Before the player has the ticket: whoever comes with it is known there."""
        launcher = self._state.launchers[owner(server.server_id)]
        if launcher.version >= 2:
            address = self._state.players[player].address[0]
            launcher.send(SeatReserved(server.server_id, player, address, game_id, until))

    def _cancel(self, players: list[str], reason: str) -> None:
        for player in players:
            self._state.players[player].send(MatchCancelled(reason=reason))


def _in_words(match: Match, player: str) -> str:
    others = " and ".join(other for other in match.players if other != player)
    return f"a match with {others}" if others else "a match"
