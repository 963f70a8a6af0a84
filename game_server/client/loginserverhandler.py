"""The player's connection to the login server."""

import gevent.socket

from connhandler import OutgoingConnectionHandler, Peer
from connhandler.connection import Address
from connhandler.jsonmessage import JsonMessageReader, JsonMessageWriter
from login_server.protocol import ToPlayer


class LoginServerPeer(Peer):
    """The login server."""


class LoginServerReader(JsonMessageReader):
    message_type = ToPlayer


class LoginServerHandler(OutgoingConnectionHandler):
    """One connection, for as long as the client runs."""

    def create_connection_instances(
        self, sock: gevent.socket.socket, address: Address
    ) -> tuple[LoginServerReader, JsonMessageWriter, LoginServerPeer]:
        return LoginServerReader(sock), JsonMessageWriter(sock), LoginServerPeer()
