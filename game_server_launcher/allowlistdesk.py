"""What the allow-list helper is told: which ports to protect, and who may come to them. Part of the central task.

A launcher without a helper works the same: nothing here is needed by anything else.
"""

import logging
from collections.abc import Iterable

from connhandler import CentralTask, PeerConnected, PeerDisconnected, ProtocolError
from connhandler.jsonmessage import Hello, Ping, Pong, Refused, ShuttingDown, Welcome
from game_server_launcher.allowlist.protocol import MAX_SECONDS, VERSIONS, AllowAddress, ProtectPort, UnprotectPort
from game_server_launcher.allowlisthandler import AllowlistPeer
from game_server_launcher.gamefile import GameFile
from game_server_launcher.servers import GameServer, Seat, State

logger = logging.getLogger(__name__)


def warn_without_helper(games: Iterable[GameFile]) -> None:
    """For a launcher that was told of no helper: say which games everybody can reach who should not."""
    for game in games:
        if game.allowlist:
            logger.warning("%s: everybody can reach its port: allowlist = true needs --allowlist SOCKET", game.name)


class AllowlistDesk:
    """Everything about the helper; the methods named for messages are rows of the launcher's dispatch table.

    Args:
        program: this one's name, for `Hello`.
        central: whose task this runs in.
        servers: by name; owned by the program.
    """

    def __init__(self, program: str, central: CentralTask, servers: dict[str, GameServer]) -> None:
        self._program = program
        self._central = central
        self._servers = servers
        self._peer: AllowlistPeer | None = None
        self._protected: dict[str, int] = {}
        """The ports that the helper was told to protect, by server."""
        self._opened: dict[str, int] = {}
        """Those that it was told to leave open."""

    # --- what the helper says ------------------------------------------------------------------------

    def connected(self, peer: AllowlistPeer, message: PeerConnected) -> None:
        peer.send(Hello(versions=list(VERSIONS), program=self._program))

    def welcome(self, peer: AllowlistPeer, message: Welcome) -> None:
        """Nothing of what was said to it before holds: tell everything anew."""
        if message.version not in VERSIONS:
            raise ProtocolError(f"version {message.version} is none of {list(VERSIONS)}")
        logger.info("the allow-list helper is here")
        peer.logged_in = True
        self._peer = peer
        self._protected.clear()
        self._opened.clear()
        for server in self._servers.values():
            self.server_changed(server)

    def ping(self, peer: AllowlistPeer, message: Ping) -> None:
        peer.send(Pong())

    def refused(self, peer: AllowlistPeer, message: Refused) -> None:
        logger.error("the allow-list helper refused %s: %s (%s)", message.about, message.message, message.code)
        if not peer.logged_in:
            peer.disconnect("refused")

    def shutting_down(self, peer: AllowlistPeer, message: ShuttingDown) -> None:
        logger.warning("the allow-list helper ends: everybody may come to every port")

    def disconnected(self, peer: AllowlistPeer, message: PeerDisconnected) -> None:
        if peer is self._peer:
            self._peer = None
            logger.warning("the allow-list helper is away (%s)", message.detail or message.reason.value)

    # --- what it is told -----------------------------------------------------------------------------

    def server_changed(self, server: GameServer) -> None:
        """Its state or its port may be another one."""
        if self._peer is None:
            return
        port = server.port if server.running and server.state is not State.STARTING else 0
        protected, opened = (port, 0) if server.game.is_guarded else (0, port)
        before = self._protected.get(server.name, 0)
        if before != protected:
            if before:
                self._peer.send(UnprotectPort(port=before))
            self._protected[server.name] = protected
            if protected:
                self._peer.send(ProtectPort(port=protected))
                self.seats_changed(server)
        if self._opened.get(server.name, 0) != opened:
            self._opened[server.name] = opened
            if opened:  # A guarded server may have had it, under a launcher that was killed.
                self._peer.send(UnprotectPort(port=opened))

    def seat_reserved(self, server: GameServer, seat: Seat) -> None:
        """Somebody may come."""
        port = self._protected.get(server.name, 0)
        if self._peer is not None and port:
            self._allow(self._peer, port, seat)

    def seats_changed(self, server: GameServer) -> None:
        """It has the seats of another one now."""
        for seat in server.seats.values():
            self.seat_reserved(server, seat)

    def _allow(self, peer: AllowlistPeer, port: int, seat: Seat) -> None:
        seconds = min(seat.expires_at - self._central.now, MAX_SECONDS)
        if seat.address and seconds > 0:
            peer.send(AllowAddress(port=port, address=seat.address, seconds=seconds))
