"""The player's connection to a game server, for one game."""

from typing import Any

import gevent.socket

from connhandler import OutgoingConnectionHandler, Peer, tasks
from connhandler.connection import Address
from connhandler.jsonmessage import JsonMessageReader, JsonMessageWriter
from game_server.protocol import ToPlayer


class GameServerPeer(Peer):
    """A game server.

    Attributes:
        visit: which of the games that this client has come to, one after the other, the connection is for.
    """

    def __init__(self, visit: int) -> None:
        self.visit = visit


class GameServerReader(JsonMessageReader):
    message_type = ToPlayer


class GameServerHandler(OutgoingConnectionHandler):
    """One connection at a time; a lost one is made again. Arguments as for the base.

    Args:
        visit: handed to every peer.
    """

    def __init__(self, *args: Any, visit: int, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.visit = visit

    def close(self) -> None:
        """End the connection and make no new one. Returns at once."""
        self.stop_accepting()
        tasks.spawn(f"{self.task_name}.stop", self.stop)

    def create_connection_instances(
        self, sock: gevent.socket.socket, address: Address
    ) -> tuple[GameServerReader, JsonMessageWriter, GameServerPeer]:
        return GameServerReader(sock), JsonMessageWriter(sock), GameServerPeer(self.visit)
