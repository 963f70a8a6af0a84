"""The connections of players: framed JSON over TCP, many at a time."""

import gevent.socket

from connhandler import IncomingConnectionHandler, Peer
from connhandler.connection import Address
from connhandler.jsonmessage import JsonMessageReader, JsonServerMessageWriter
from game_server.protocol import FromPlayer


class PlayerPeer(Peer):
    """A player; `logged_in` once a ticket or a resume key was accepted.

    Attributes:
        version: of the protocol, agreed on by `Hello`; 0 before that.
    """

    requires_login = True

    version: int = 0


class PlayerReader(JsonMessageReader):
    message_type = FromPlayer


class PlayerHandler(IncomingConnectionHandler):
    """All players' connections."""

    def create_connection_instances(
        self, sock: gevent.socket.socket, address: Address
    ) -> tuple[PlayerReader, JsonServerMessageWriter, PlayerPeer]:
        return PlayerReader(sock), JsonServerMessageWriter(sock), PlayerPeer()
