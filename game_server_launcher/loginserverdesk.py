"""The launcher's side of the connection to the login server: logs in, hears of players, and says what it is asked to.
Part of the central task.

What is told of servers and matches goes through `listing.py` and `delivery.py`, which this desk says when it can go.
"""

import logging
from collections.abc import Callable
from typing import Any

import msgspec

from connhandler import Busy, CentralTask, DisconnectReason, PeerConnected, PeerDisconnected, ProtocolError, WorkerPool
from connhandler.jsonmessage import Hello, Ping, Pong, Refused, ShuttingDown, Welcome
from game_server_launcher.allowlistdesk import AllowlistDesk
from game_server_launcher.controllerdesk import ControllerDesk
from game_server_launcher.delivery import Delivery
from game_server_launcher.doordesk import DoorDesk
from game_server_launcher.idling import Idling
from game_server_launcher.listing import Listing
from game_server_launcher.loginserverhandler import LoginServerPeer
from game_server_launcher.runfolder import Issuer, RunFolder
from game_server_launcher.servers import GameServer, Seat, find
from game_server_launcher.statefiles import StateFiles
from game_server_launcher.votedesk import VoteDesk
from login_server.protocol import (
    VERSIONS,
    LauncherAccepted,
    LauncherLogIn,
    MapVoteCast,
    MapVoteChanged,
    MapVoteRefused,
    MatchRecorded,
    PassesRevoked,
    PlayersExpected,
    SeatReserved,
    WakeServer,
)

logger = logging.getLogger(__name__)

VOTES_VERSION = 2
"""The version from which on the login server knows of votes."""


class Keeping(msgspec.Struct, frozen=True):
    """Where what the login server says is kept: the run folder, the pool of one thread for it, and the state files."""

    folder: RunFolder
    pool: WorkerPool
    state_files: StateFiles


class Welcoming(msgspec.Struct, frozen=True):
    """Whoever has to hear that a player may come, may not, or wants another map."""

    idling: Idling
    allowlist: AllowlistDesk
    door: DoorDesk
    votes: VoteDesk


class LoginServerDesk:
    """Everything that the login server says.

    Args:
        program: its name, for `Hello`.
        central: whose task this runs in.
        name: that the launcher logs in with; the ids of its servers begin with it.
        key: that it logs in with.
        servers: by name; owned by the program.
        keeping: where it is kept.
        controllers: of the games.
        listing: what the login server is told of the servers.
        delivery: of the results of matches.
        welcoming: who hears of players.
    """

    def __init__(
        self,
        program: str,
        central: CentralTask,
        name: str,
        key: str,
        servers: dict[str, GameServer],
        keeping: Keeping,
        controllers: ControllerDesk,
        listing: Listing,
        delivery: Delivery,
        welcoming: Welcoming,
    ) -> None:
        self._program = program
        self._central = central
        self._name = name
        self._key = key
        self._servers = servers
        self._keeping = keeping
        self._controllers = controllers
        self._listing = listing
        self._delivery = delivery
        self._welcoming = welcoming
        self._peer: LoginServerPeer | None = None
        self._version = 0
        self._last_refusal = ""

    def rows(self) -> dict[tuple[type, type], Callable[[Any, Any], None]]:
        """Its rows of the program's dispatch table."""
        return {
            (LoginServerPeer, PeerConnected): self.peer_connected,
            (LoginServerPeer, Welcome): self.welcomed,
            (LoginServerPeer, Ping): self.ping,
            (LoginServerPeer, Refused): self.refused,
            (LoginServerPeer, ShuttingDown): self.shutting_down,
            (LoginServerPeer, LauncherAccepted): self.accepted,
            (LoginServerPeer, PlayersExpected): self.players_expected,
            (LoginServerPeer, SeatReserved): self.seat_reserved,
            (LoginServerPeer, WakeServer): self.wake_server,
            (LoginServerPeer, PassesRevoked): self.passes_revoked,
            (LoginServerPeer, MapVoteCast): self.map_vote_cast,
            (LoginServerPeer, MatchRecorded): self.match_recorded,
            (LoginServerPeer, PeerDisconnected): self.disconnected,
        }

    @property
    def connected(self) -> bool:
        """Whether the login server has let us in."""
        return self._peer is not None

    def tell(self, message: MapVoteChanged) -> None:
        """Say how a vote stands, if somebody is there to hear it."""
        if self._peer is not None and self._version >= VOTES_VERSION:
            self._peer.send(message)

    def peer_connected(self, peer: LoginServerPeer, message: PeerConnected) -> None:
        peer.send(Hello(versions=list(VERSIONS), program=self._program))

    def welcomed(self, peer: LoginServerPeer, message: Welcome) -> None:
        if message.version not in VERSIONS:
            raise ProtocolError(f"version {message.version} is none of {list(VERSIONS)}")
        self._version = message.version
        peer.send(LauncherLogIn(name=self._name, key=self._key))

    def ping(self, peer: LoginServerPeer, message: Ping) -> None:
        peer.send(Pong())

    def accepted(self, peer: LoginServerPeer, message: LauncherAccepted) -> None:
        logger.info("logged in to the login server at %s as %s", _place(peer), message.name)
        peer.logged_in = True
        self._peer = peer
        self._last_refusal = ""
        self._learn_issuer(Issuer(message.issuer, message.public_key))
        self._listing.connected(peer, self._version)
        self._delivery.connected(peer)

    def refused(self, peer: LoginServerPeer, message: Refused) -> None:
        if peer.logged_in:
            logger.warning(
                "the login server refused %s: %s (%s)", message.about or "something", message.message, message.code
            )
            return
        if message.message != self._last_refusal:
            self._last_refusal = message.message
            logger.error(
                "the login server at %s does not let launcher %s in: %s (%s). Matches go on; it is asked again",
                _place(peer),
                self._name,
                message.message,
                message.code,
            )
        peer.disconnect("refused")

    def shutting_down(self, peer: LoginServerPeer, message: ShuttingDown) -> None:
        logger.info("the login server is shutting down. Matches go on")

    def players_expected(self, peer: LoginServerPeer, message: PlayersExpected) -> None:
        server = self._find(message.server_id)
        if server is not None:
            self._controllers.players_expected(server, message)
            self._welcoming.idling.wake(server)

    def seat_reserved(self, peer: LoginServerPeer, message: SeatReserved) -> None:
        server = self._find(message.server_id)
        if server is not None:
            seat = Seat(message.address, message.game_id, message.expires_at)
            server.reserve(message.player, seat, self._central.now)
            self._welcoming.allowlist.seat_reserved(server, seat)
            self._keeping.state_files.save_soon(server)
            self._welcoming.idling.wake(server)

    def wake_server(self, peer: LoginServerPeer, message: WakeServer) -> None:
        server = self._find(message.server_id)
        if server is not None:
            self._welcoming.idling.wake(server)

    def passes_revoked(self, peer: LoginServerPeer, message: PassesRevoked) -> None:
        self._welcoming.door.passes_revoked(message)

    def map_vote_cast(self, peer: LoginServerPeer, message: MapVoteCast) -> None:
        server = self._find(message.server_id)
        try:
            if server is None:
                raise ValueError(f"there is no server {message.server_id}")
            self._welcoming.votes.cast(server, message.player, message.map)
        except ValueError as error:
            peer.send(MapVoteRefused(player=message.player, reason=str(error)))

    def match_recorded(self, peer: LoginServerPeer, message: MatchRecorded) -> None:
        self._delivery.recorded(message.match_id)

    def disconnected(self, peer: LoginServerPeer, message: PeerDisconnected) -> None:
        if peer is self._peer:
            if message.reason is DisconnectReason.SHUTTING_DOWN:
                logger.info("logged out of the login server")
            else:
                logger.warning("the login server is away (%s). Matches go on", message.detail or message.reason.value)
            self._peer = None
            self._listing.disconnected()
            self._delivery.disconnected()

    def _find(self, server_id: str) -> GameServer | None:
        server = find(self._servers, server_id.removeprefix(f"{self._name}/"))
        if server is None or server.server_id != server_id:
            logger.warning("players are expected at %s, which is not here", server_id)
            return None
        return server

    def _learn_issuer(self, issuer: Issuer) -> None:
        if issuer == self._controllers.issuer:
            return
        self._controllers.issuer_changed(issuer)
        try:
            self._central.perform(self._keeping.pool, self._keeping.folder.save_issuer, issuer, then=self._issuer_saved)
        except Busy as error:
            self._issuer_saved(None, error)

    def _issuer_saved(self, _: None, error: BaseException | None) -> None:
        if error is not None:
            logger.error("the issuer of tickets cannot be written to the run folder: %s", error)


def _place(peer: LoginServerPeer) -> str:
    return ":".join(map(str, peer.address[:2])) if peer.address else "?"
