"""This server as the game controller of its launcher: what is said on that connection, and when it is missed."""

import logging
import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from connhandler import PeerConnected, PeerDisconnected, Timer
from connhandler.jsonmessage import Hello, Ping, Pong, Refused, ShuttingDown, Welcome
from game_server import protocol
from game_server.admission import Denial
from game_server.config import PROGRAM, Configuration
from game_server.launcherhandler import LauncherPeer
from game_server.reporter import MatchReporter
from game_server_launcher.protocol import (
    VERSIONS,
    ControllerAccepted,
    ControllerLogIn,
    IssuerChanged,
    MatchRecorded,
    PlayerCountChanged,
    ServerReady,
    TicketUsed,
)
from login_server.tickets import GameTokenChecker, SeatChecker, Ticket, TicketChecker, TicketError

if TYPE_CHECKING:
    from game_server.listener import GameListener

logger = logging.getLogger(__name__)

Checker = TicketChecker | GameTokenChecker
"""Of the login server's tickets to this server, or of anybody's tokens to single games."""


class LauncherLink:
    """Everything about the launcher but the games; the methods named for messages are rows of the dispatch table.

    Losing the launcher never touches a game: what it misses, it is told when it is back.

    Args:
        central: whose timers are used, and whose port players connect to.
        configuration: the program's settings.
        checker: what tickets are checked with; None to hear from the launcher whose tickets are taken.
        lock: guards the checker, which the tasks of the players' connections use.
        changed: called when `closing` or `forlorn` may have become true, or a match was recorded.

    Attributes:
        checker: None while it is not known whose tickets are taken.
        reporter: what it knows of the matches.
        refused: the launcher does not know this server.
        forlorn: no launcher has been here for `orphan_seconds`.
    """

    def __init__(
        self,
        central: "GameListener",
        configuration: Configuration,
        checker: Checker | None,
        lock: AbstractContextManager[object],
        changed: Callable[[], None],
    ) -> None:
        self.checker = checker
        self.reporter = MatchReporter()
        self.refused = False
        self.forlorn = False
        self._central = central
        self._configuration = configuration
        self._lock = lock
        self._changed = changed
        self._server_id = configuration.server_id
        self._seats: SeatChecker | None = None
        self._used: dict[str, float] = {}
        self._wait: Timer | None = None
        self._players = 0

    def start(self) -> None:
        if self._configuration.launcher_port:
            self._miss()

    def check(self, text: str, game_id: str, now: float) -> Ticket:
        """Take a ticket to a game. Called by the tasks of the players' connections.

        Raises:
            Denial: nobody has said yet whose tickets are good.
            TicketError: it is not good.
        """
        with self._lock:
            if self.checker is None:
                reason = "the server has not heard from the login server yet; try again soon"
                raise Denial("not_ready", reason, 503)
            if isinstance(self.checker, GameTokenChecker):
                return self.checker.check(text, game_id, now)
            ticket = self._check_ticket(self.checker, text, now)
            if ticket.game_id != game_id:
                raise TicketError("ticket_wrong_game", f"this ticket is for {ticket.game_id}, not for {game_id}")
            return ticket

    def _check_ticket(self, checker: TicketChecker, text: str, now: float) -> Ticket:
        """By the login server's key, or, for a seat that the launcher gave away, by the launcher's.

        Raises:
            TicketError: it is not good.
        """
        try:
            return checker.check(text, now)
        except TicketError as error:
            if error.code != "ticket_forged" or self._seats is None:
                raise
        return self._seats.check(text, now)

    # --- what the games tell ------------------------------------------------------------------------

    def players_counted(self, players: int) -> None:
        """So many players are connected."""
        if players != self._players:
            self._players = players
            self.reporter.send(PlayerCountChanged(players=players))

    def ticket_used(self, ticket: Ticket) -> None:
        self.reporter.send(TicketUsed(ticket_id=ticket.ticket_id, expires_at=ticket.expires_at))

    # --- what goes from one process to the next -----------------------------------------------------

    @property
    def used_tickets(self) -> dict[str, float]:
        """When each ticket that was taken expires, by its id."""
        with self._lock:
            return self._used | ({} if self.checker is None else self.checker.used)

    def use_tickets(self, tickets: dict[str, float]) -> None:
        """These were taken by the predecessor."""
        with self._lock:
            if self.checker is None:
                self._used |= tickets
            else:
                self.checker.used |= tickets

    # --- what the launcher says ---------------------------------------------------------------------

    def connected(self, peer: LauncherPeer, message: PeerConnected) -> None:
        peer.send(Hello(versions=list(VERSIONS), program=PROGRAM))

    def welcome(self, peer: LauncherPeer, message: Welcome) -> None:
        server, token = self._configuration.server, self._configuration.token
        departed = self._central.departure.departed
        peer.send(ControllerLogIn(server=server, token=token, pid=os.getpid(), handed_over=departed))

    def ping(self, peer: LauncherPeer, message: Ping) -> None:
        peer.send(Pong())

    def shutting_down(self, peer: LauncherPeer, message: ShuttingDown) -> None:
        logger.info("%s: the launcher ends: %s", peer.name, message.message)

    def refused_by_launcher(self, peer: LauncherPeer, message: Refused) -> None:
        """A launcher that does not know this server has begun anew: it starts another one in this one's place."""
        logger.warning("%s: refused: %s", peer.name, message.message)
        if not peer.logged_in and message.about in ("hello", "controller_log_in"):
            self.refused = True
            peer.disconnect("refused")
            self._changed()

    def controller_accepted(self, peer: LauncherPeer, message: ControllerAccepted) -> None:
        peer.logged_in = True
        self.refused = self.forlorn = False
        if self._wait is not None:
            self._wait.cancel()
            self._wait = None
        self._server_id = message.server_id
        known = {ticket.ticket_id: ticket.expires_at for ticket in message.used_tickets}
        own = {} if self.checker is None else self.checker.used
        self._trust(message.issuer, message.public_key, known)
        self._trust_launcher(message.seat_issuer, message.seat_key)
        if not self._central.departure.departed:
            port, board = self._central.players.port, self._configuration.map
            peer.send(ServerReady(port=port, version=protocol.VERSION, map=board))
            peer.send(PlayerCountChanged(players=self._players))
        for ticket_id in own.keys() - known.keys():
            peer.send(TicketUsed(ticket_id=ticket_id, expires_at=own[ticket_id]))
        self.reporter.launcher_accepted(peer, self._central.now)
        self._central.departure.tell_again()
        logger.info("%s: this server is %s", peer.name, message.server_id)

    def issuer_changed(self, peer: LauncherPeer, message: IssuerChanged) -> None:
        self._trust(message.issuer, message.public_key, {})

    def match_recorded(self, peer: LauncherPeer, message: MatchRecorded) -> None:
        self.reporter.match_recorded(message.match_id)
        self._changed()

    def disconnected(self, peer: LauncherPeer, message: PeerDisconnected) -> None:
        if peer.logged_in:
            self.reporter.launcher_lost()
            self._central.departure.go_on("the launcher is lost")
            self._miss()
            self._changed()

    def _trust(self, issuer: str, public_key: str, used: dict[str, float]) -> None:
        """Take the tickets of this issuer; those that were used, by whatever account, stay used."""
        with self._lock:
            self._used |= used
            if self.checker is not None:
                self._used |= self.checker.used
            if not public_key:
                return
            try:
                checker = TicketChecker(public_key, issuer, self._server_id)
            except ValueError as error:
                logger.error("the login server's public key cannot be used: %s", error)
                return
            checker.used = self._used
            self._used = {}
            self.checker = checker

    def _trust_launcher(self, issuer: str, public_key: str) -> None:
        """Take the seats that the launcher itself gives away, if it does."""
        with self._lock:
            self._seats = None
            if not public_key:
                return
            try:
                self._seats = SeatChecker(public_key, issuer, self._server_id)
            except ValueError as error:
                logger.error("the launcher's public key cannot be used: %s", error)

    def _miss(self) -> None:
        self._wait = self._central.call_later(self._configuration.orphan_seconds, self._give_up)

    def _give_up(self) -> None:
        self.forlorn = True
        logger.warning("no launcher for %g s: ending after the last game", self._configuration.orphan_seconds)
        self._changed()
