"""Who is in the games, as their consoles show it, and who of them may stay. Part of the central task.

A console tells at once that somebody entered, but not who: that is in its `status`, which is asked for then and every
now and then.
"""

import logging
from collections.abc import Callable

from connhandler import CentralTask, ProtocolError
from game_server_launcher import gameconsolehandler as console
from game_server_launcher.admission import Status, decide, host_of
from game_server_launcher.events import printable, record
from game_server_launcher.gameconsolehandler import ConsolePeer
from game_server_launcher.listing import Listing
from game_server_launcher.servers import Client, GameServer
from game_server_launcher.statefiles import StateFiles

logger = logging.getLogger(__name__)

MAX_CLIENTS = 1000
"""Whom one console may show; Teeworlds takes 64 clients."""

WHISPERED = 3
"""The mode of `Said` that is for one player alone."""


class ConsolePlayers:
    """What becomes of the players that consoles show; the methods that take a peer are rows of the dispatch table.

    A seat may be known here only after its player has entered if the login server's words take longer to come here
    than to the player, who must start the game and shake hands with it before. The login server tells us first, so no
    time is granted here to those who have no seat: it would be granted to everybody.

    Args:
        central: whose task this runs in.
        server_of: the server of a console that has let us in; a `ProtocolError` for any other.
        listing: what the login server is told.
        state_files: of the servers.

    Attributes:
        votes: called with what a player says to everybody: a server, the player's name and the text.
    """

    def __init__(
        self,
        central: CentralTask,
        server_of: Callable[[ConsolePeer], GameServer],
        listing: Listing,
        state_files: StateFiles,
    ) -> None:
        self.votes: Callable[[GameServer, str, str], None] = lambda server, player, text: None
        self._central = central
        self._server_of = server_of
        self._listing = listing
        self._state_files = state_files

    def ask(self, peer: ConsolePeer) -> None:
        """Ask who is there, unless that has been asked for and everybody who is there now will be in the answer."""
        if not peer.status_asked:
            peer.status_asked = True
            peer.send(console.ShowStatus())
            peer.send(console.ShowMap())  # Its echo ends the status.

    def command_echoed(self, peer: ConsolePeer, message: console.CommandEchoed) -> None:
        """What was shown as the answer to the command before is complete, and that to this one follows."""
        server = self._server_of(peer)
        if peer.status is not None:
            self._take_stock(peer, server, peer.status)
        peer.status = None
        peer.last_command = message.command
        if message.command == console.SHOW_STATUS:
            peer.status = Status()
            peer.status_asked = False

    def player_listed(self, peer: ConsolePeer, message: console.PlayerListed) -> None:
        if peer.status is not None:
            peer.status.playing[message.client_id] = Client(message.address, message.name)
            _check_number(peer.status)

    def client_listed(self, peer: ConsolePeer, message: console.ClientListed) -> None:
        if peer.status is not None:
            peer.status.connecting[message.client_id] = message.address
            _check_number(peer.status)

    def player_entered(self, peer: ConsolePeer, message: console.PlayerEntered) -> None:
        self._server_of(peer)
        self.ask(peer)

    def player_left(self, peer: ConsolePeer, message: console.PlayerLeft) -> None:
        server = self._server_of(peer)
        if peer.status is not None:
            peer.status.playing.pop(message.client_id, None)
            peer.status.connecting.pop(message.client_id, None)
        peer.kicked.pop(message.client_id, None)
        client = server.clients.pop(message.client_id, None)
        if client is not None:
            self._tell(server, f"{client.name} left" + (f": {message.reason}" if message.reason else ""))
            self._changed(server)

    def said(self, peer: ConsolePeer, message: console.Said) -> None:
        """What one player whispers to another is no news for anybody else."""
        server = self._server_of(peer)
        if message.mode != WHISPERED:
            client = server.clients.get(message.client_id)
            name = client.name if client is not None else message.name or "***"
            self._tell(server, f"{name}: {message.text}", logging.DEBUG)
            if client is not None:
                self.votes(server, client.name, message.text)

    def _take_stock(self, peer: ConsolePeer, server: GameServer, status: Status) -> None:
        before = server.clients
        after, refused = decide(before, status, server.seats, server.game.admission, self._central.now)
        for number, reason in refused.items():
            client = status.playing[number]
            if peer.kicked.get(number) == client:
                continue
            peer.kicked[number] = client
            peer.send(console.Kick(number, reason))
            self._tell(server, f"{client.name} ({host_of(client.address)}) was kicked: {reason}")
        for number, client in before.items():
            if after.get(number) != client:
                self._tell(server, f"{client.name} left")
        for number, client in after.items():
            if before.get(number) != client:
                self._tell(server, f"{client.name} joined")
        if after != before:
            server.clients = after
            self._changed(server)

    def _changed(self, server: GameServer) -> None:
        server.players = len(server.clients)
        self._listing.changed(server)
        self._state_files.save_soon(server)

    def _tell(self, server: GameServer, text: str, level: int = logging.INFO) -> None:
        record(server.events, self._central.now, text)
        logger.log(level, "%s: %s", server.shown_name, printable(text))


def _check_number(status: Status) -> None:
    if len(status.playing) + len(status.connecting) > MAX_CLIENTS:
        raise ProtocolError(f"more than {MAX_CLIENTS} clients")
