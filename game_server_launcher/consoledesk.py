"""What the launcher makes of what the games' external consoles say, and what it says there. Part of the central task.

A game with a `[console]` needs no controller: it is ready when its console lets us in, its players are counted by what
the console shows, and it is stopped by a command.
"""

import logging
from typing import Protocol

from connhandler import CentralTask, PeerDisconnected, ProtocolError
from game_server_launcher import gameconsolehandler as console
from game_server_launcher.consoleplayers import ConsolePlayers
from game_server_launcher.gameconsolehandler import ConsolePeer
from game_server_launcher.listing import Listing
from game_server_launcher.servers import GameServer
from game_server_launcher.statefiles import StateFiles
from game_server_launcher.supervision import Supervision

logger = logging.getLogger(__name__)

STATUS_SECONDS = 20.0
"""Between two questions who is there: a console that does not answer is one of a game that hangs
(`gameconsolehandler.LIMITS.idle_seconds`)."""

MAX_MAP = 128
"""The longest name of a map that is believed, in characters: as the login server takes."""


class ConsoleConnections(Protocol):
    """What is asked of `GameConsoles`; see there."""

    def open(self, server: str, run: int, port: int) -> None: ...
    def close(self, server: str) -> None: ...


class ConsoleDesk:
    """Everything about consoles; the methods that take a peer are rows of the launcher's dispatch table.

    Args:
        central: whose task this runs in.
        servers: by name; owned by the program.
        connections: to the consoles.
        listing: what the login server is told.
        state_files: of the servers.
        supervision: told of consoles that come and go.

    Attributes:
        peers: the consoles that have let us in, by server name.
        players: of the games with consoles.
    """

    def __init__(
        self,
        central: CentralTask,
        servers: dict[str, GameServer],
        connections: ConsoleConnections,
        listing: Listing,
        state_files: StateFiles,
        supervision: Supervision,
    ) -> None:
        self.peers: dict[str, ConsolePeer] = {}
        self._central = central
        self._servers = servers
        self._connections = connections
        self._listing = listing
        self._state_files = state_files
        self._supervision = supervision
        self.players = ConsolePlayers(central, self._server_of, listing, state_files)

    # --- what is done and said -----------------------------------------------------------------------

    def open(self, server: GameServer) -> None:
        """A process runs, or goes on: connect to its console, if it has one."""
        if server.game.console and server.console_port:
            self._connections.open(server.name, server.run, server.console_port)

    def close(self, server: GameServer) -> None:
        """The process has ended, or is frozen."""
        peer = self.peers.pop(server.name, None)
        if peer is not None:
            peer.disconnect("its process answers no more")
        self._connections.close(server.name)

    def send(self, server: GameServer, command: console.Command) -> bool:
        """Give a server's console a command; return whether it is connected."""
        peer = self.peers.get(server.name)
        if peer is None:
            return False
        peer.send(command)
        return True

    # --- what consoles say ---------------------------------------------------------------------------

    def password_asked(self, peer: ConsolePeer, message: console.PasswordAsked) -> None:
        server = self._servers.get(peer.server)
        if server is None or server.run != peer.run or not server.console_password:
            peer.disconnect("its process has ended")
        else:
            peer.send(console.Password(server.console_password))

    def wrong_password(self, peer: ConsolePeer, message: console.WrongPassword) -> None:
        logger.error("%s: its console does not take the password that was made for it", peer.server)
        peer.disconnect("wrong password")

    def admitted(self, peer: ConsolePeer, message: console.Admitted) -> None:
        server = self._servers.get(peer.server)
        if server is None or server.run != peer.run or not server.running:
            peer.disconnect("its process has ended")
            return
        peer.logged_in = True
        self.peers[server.name] = peer
        logger.info("%s: its console is connected (port %d)", server.shown_name, server.console_port)
        self._ask_for_status(peer)
        self._supervision.controller_ready(server)

    def value_shown(self, peer: ConsolePeer, message: console.ValueShown) -> None:
        if peer.last_command == console.SHOW_MAP:
            self._learn_map(peer, message.value)

    def map_changed(self, peer: ConsolePeer, message: console.MapChanged) -> None:
        self._learn_map(peer, message.map)

    def map_not_changed(self, peer: ConsolePeer, message: console.MapNotChanged) -> None:
        logger.warning("%s: its map cannot be changed to %.*r", peer.server, MAX_MAP, message.map)
        self._server_of(peer).map_trouble = f"the game has no map {message.map[:MAX_MAP]!r}"

    def team_joined(self, peer: ConsolePeer, message: console.TeamJoined) -> None:
        """Teams are in the game's hands; it has written this to its output."""

    def disconnected(self, peer: ConsolePeer, message: PeerDisconnected) -> None:
        server = self._servers.get(peer.server)
        if server is None or self.peers.get(server.name) is not peer:
            return
        del self.peers[server.name]
        logger.info("%s: its console is gone (%s)", server.shown_name, message.detail or message.reason.value)
        self._supervision.controller_gone(server)

    def _ask_for_status(self, peer: ConsolePeer) -> None:
        if self.peers.get(peer.server) is peer:
            self.players.ask(peer)
            self._central.call_later(STATUS_SECONDS, self._ask_for_status, peer)

    def _learn_map(self, peer: ConsolePeer, name: str) -> None:
        server = self._server_of(peer)
        name = name[:MAX_MAP]
        if name != server.map:
            server.map = name
            self._listing.changed(server)
            self._state_files.save_soon(server)

    def _server_of(self, peer: ConsolePeer) -> GameServer:
        """Raises:
        ProtocolError: it has not let us in.
        """
        if self.peers.get(peer.server) is not peer:
            raise ProtocolError("it reports before it has let us in")
        return self._servers[peer.server]
