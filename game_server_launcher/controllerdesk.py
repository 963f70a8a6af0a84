"""Where game controllers log in and tell what happens in their games. Part of the central task."""

import hmac
import logging
from collections.abc import Callable
from functools import partial

from connhandler import CentralTask, PeerDisconnected, ProtocolError
from connhandler.jsonmessage import Hello, Pong, Refused, agree_on_version
from game_server_launcher import protocol
from game_server_launcher.delivery import Delivery
from game_server_launcher.gamecontrollerhandler import ControllerPeer
from game_server_launcher.listing import Listing
from game_server_launcher.matchfacts import learn, retell_match
from game_server_launcher.runfolder import Issuer
from game_server_launcher.servers import GameServer
from game_server_launcher.statefiles import StateFiles
from game_server_launcher.succession import Succession
from game_server_launcher.supervision import Supervision
from login_server.protocol import MapChanged, MatchEnded, MatchFact, MatchRecorded, MatchStarted, PlayersExpected
from login_server.tickets import SeatIssuer

logger = logging.getLogger(__name__)


class ControllerDesk:
    """Everything about controllers; the methods named for messages are rows of the launcher's dispatch table.

    Args:
        program: its name, for `Welcome`.
        central: whose task this runs in.
        servers: by name; owned by the program.
        issuer: whose tickets are good, as far as is known.
        listing: what the login server is told.
        delivery: of match results.
        state_files: of the servers.
        seats: signs seats in this launcher's name.

    Attributes:
        issuer: kept up to date by `issuer_changed`.
        peers: the controllers that are logged in, by server name.
        supervision: set before the first message; it asks this desk in its turn.
        succession: likewise.
        match_is_over: called with the server of each match that has ended as it should.
    """

    supervision: Supervision
    succession: Succession
    match_is_over: Callable[[GameServer], None]

    def __init__(
        self,
        program: str,
        central: CentralTask,
        servers: dict[str, GameServer],
        issuer: Issuer,
        listing: Listing,
        delivery: Delivery,
        state_files: StateFiles,
        seats: SeatIssuer,
    ) -> None:
        self.issuer = issuer
        self.peers: dict[str, ControllerPeer] = {}
        self._program = program
        self._central = central
        self._servers = servers
        self._listing = listing
        self._delivery = delivery
        self._state_files = state_files
        self._seats = seats
        self._starting: set[str] = set()
        """Matches whose start is not in the state file yet."""

    # --- what controllers say ------------------------------------------------------------------------

    def hello(self, peer: ControllerPeer, message: Hello) -> None:
        answer = agree_on_version(message, protocol.VERSIONS, self._program)
        peer.send(answer)
        peer.said_hello = True
        if isinstance(answer, Refused):
            peer.disconnect(answer.message)

    def pong(self, peer: ControllerPeer, message: Pong) -> None:
        """A sign of life; the connection has noted it already."""

    def log_in(self, peer: ControllerPeer, message: protocol.ControllerLogIn) -> None:
        if peer.server or not peer.said_hello:
            raise ProtocolError("a connection begins with hello and logs in once")
        server = self._servers.get(message.server)
        token = server.token if server is not None else ""
        if server is None or not token or not hmac.compare_digest(token.encode(), message.token.encode()):
            logger.warning("%s: refused: server %r with a wrong token", peer.name, message.server)
            peer.send(Refused("wrong_token", "there is no such server with this token", "controller_log_in"))
            peer.disconnect("wrong token")
            return
        before = self.peers.get(server.name)
        if before is not None:
            before.server = ""
            before.disconnect("replaced by a newer connection")
        peer.server = server.name
        peer.logged_in = True
        self.peers[server.name] = peer
        logger.info("%s: its controller is connected (process %d, %s)", server.shown_name, message.pid, peer.name)
        self._tell_how_things_stand(peer, server)
        self.succession.adopted(server, message.handed_over)

    def server_ready(self, peer: ControllerPeer, message: protocol.ServerReady) -> None:
        server = self._server_of(peer)
        server.port = message.port or server.port
        server.version = message.version or server.version
        server.map = message.map or server.map
        server.capacity = message.capacity or server.game.capacity
        self.supervision.controller_ready(server)
        self._listing.changed(server)
        self._state_files.save_now(server)

    def player_count_changed(self, peer: ControllerPeer, message: protocol.PlayerCountChanged) -> None:
        server = self._server_of(peer)
        server.players = message.players
        self._listing.changed(server)

    def ticket_used(self, peer: ControllerPeer, message: protocol.TicketUsed) -> None:
        server = self._server_of(peer)
        server.use_ticket(message.ticket_id, message.expires_at, self._central.now)
        self._state_files.save_soon(server)

    def match_started(self, peer: ControllerPeer, message: MatchStarted) -> None:
        server = self._server_of(peer)
        is_known = message.match_id in server.matches
        if not is_known:
            logger.info("%s: match %s begins: %s", server.shown_name, message.match_id, ", ".join(message.players))
            learn(server, message)
        if is_known or message.match_id not in server.matches:
            self.match_fact(peer, message)
            return
        # Written first: the login server must not know of a match that nobody else does, when the game and this
        # launcher are killed together.
        self._starting.add(message.match_id)
        self._state_files.save_now(server, partial(self._start_written, server, message.match_id))

    def match_fact(self, peer: ControllerPeer, message: MatchFact) -> None:
        server = self._server_of(peer)
        learn(server, message)
        message.server_id = server.server_id
        if isinstance(message, MapChanged) or message.match_id not in self._starting:
            self._listing.tell(server, message)
        self._listing.changed(server)  # The map, and who is there, are in its description.
        self._state_files.save_soon(server)

    def _start_written(self, server: GameServer, match_id: str) -> None:
        self._starting.discard(match_id)
        for fact in retell_match(server, match_id):
            self._listing.tell(server, fact)

    def match_ended(self, peer: ControllerPeer, message: MatchEnded) -> None:
        server = self._server_of(peer)
        message.server_id = server.server_id
        match = server.matches.get(message.match_id)
        if match is not None and not match.ended:
            winner = message.result.winner or "nobody"
            reason = message.result.reason
            logger.info("%s: match %s ended: %s won (%s)", server.shown_name, message.match_id, winner, reason)
            self.match_is_over(server)
        learn(server, message)
        self._listing.changed(server)
        self._delivery.add([message])

    def hand_over_context(self, peer: ControllerPeer, message: protocol.HandOverContext) -> None:
        self.succession.context_part(self._server_of(peer), message)

    def hand_over_failed(self, peer: ControllerPeer, message: protocol.HandOverFailed) -> None:
        self.succession.hand_over_failed(self._server_of(peer), message.reason)

    def took_over(self, peer: ControllerPeer, message: protocol.TookOver) -> None:
        self.succession.took_over(self._server_of(peer))

    def take_over_failed(self, peer: ControllerPeer, message: protocol.TakeOverFailed) -> None:
        self.succession.take_over_failed(self._server_of(peer), message.reason)

    def players_moved(self, peer: ControllerPeer, message: protocol.PlayersMoved) -> None:
        self.succession.players_moved(self._server_of(peer))

    def disconnected(self, peer: ControllerPeer, message: PeerDisconnected) -> None:
        server = self._servers.get(peer.server)
        if server is None or self.peers.get(server.name) is not peer:
            return
        del self.peers[server.name]
        logger.info("%s: its controller is gone (%s)", server.shown_name, message.detail or message.reason.value)
        self.supervision.controller_gone(server)

    # --- what is said to them ------------------------------------------------------------------------

    def send(self, server: GameServer, message: object) -> bool:
        """Send to a server's controller; return whether there is one."""
        peer = self.peers.get(server.name)
        if peer is None:
            return False
        peer.send(message)
        return True

    def issuer_changed(self, issuer: Issuer) -> None:
        """Other tickets are good from now on."""
        self.issuer = issuer
        for peer in self.peers.values():
            peer.send(protocol.IssuerChanged(issuer=issuer.issuer, public_key=issuer.public_key))

    def players_expected(self, server: GameServer, expected: PlayersExpected) -> None:
        """Tell the controller, now and whenever it has been away."""
        server.expect(expected, self._central.now)
        self.send(server, expected)

    def result_is_safe(self, server: GameServer, result: MatchEnded) -> None:
        """The controller may forget a result, and so may we."""
        if server.matches.pop(result.match_id, None) is not None:
            self._state_files.save_now(server)
        self.send(server, MatchRecorded(match_id=result.match_id))

    def dismiss(self, server: GameServer) -> None:
        """The server's process has ended: a connection that says it is its controller is not."""
        peer = self.peers.pop(server.name, None)
        if peer is not None:
            peer.server = ""
            peer.disconnect("its process has ended")

    def _tell_how_things_stand(self, peer: ControllerPeer, server: GameServer) -> None:
        now = self._central.now
        server.forget_tickets(now)
        server.forget_expected(now)
        peer.send(
            protocol.ControllerAccepted(
                server_id=server.server_id,
                issuer=self.issuer.issuer,
                public_key=self.issuer.public_key,
                used_tickets=[protocol.TicketUsed(*used) for used in server.used_tickets.items()],
                seat_key=self._seats.public_key_pem,
                seat_issuer=self._seats.issuer,
            )
        )
        for expected in server.expected.values():
            peer.send(expected)

    def _server_of(self, peer: ControllerPeer) -> GameServer:
        """Raises:
        ProtocolError: the controller has not logged in.
        """
        if not peer.server:
            raise ProtocolError("log in first")
        return self._servers[peer.server]
