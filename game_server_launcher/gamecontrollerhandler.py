"""Connections from the game controllers inside our game processes: one for each game server."""

import gevent.socket

from connhandler import IncomingConnectionHandler, Limits
from connhandler.connection import Address
from connhandler.jsonmessage import JsonMessageReader, JsonServerMessageWriter
from game_server_launcher.protocol import MAX_CONTEXT_LENGTH, FromController
from game_server_launcher.talk import TalkingPeer

LIMITS = Limits(
    max_connections_per_address=Limits().max_connections,
    outgoing_soft_bytes=2 * MAX_CONTEXT_LENGTH,
    outgoing_hard_bytes=2 * MAX_CONTEXT_LENGTH,
)
"""All games are on this machine; and a successor is given a whole context, as fast as its predecessor tells it."""


class ControllerPeer(TalkingPeer):
    """The controller inside one game process.

    Attributes:
        said_hello: and was told which version is spoken.
        server: the name of its game server; empty until it has logged in.
    """

    requires_login = True
    said_hello: bool = False


class ControllerReader(JsonMessageReader):
    message_type = FromController


class ControllerWriter(JsonServerMessageWriter):
    pass


class GameControllerHandler(IncomingConnectionHandler):
    def create_connection_instances(
        self, sock: gevent.socket.socket, address: Address
    ) -> tuple[ControllerReader, ControllerWriter, ControllerPeer]:
        return ControllerReader(sock), ControllerWriter(sock), ControllerPeer()
