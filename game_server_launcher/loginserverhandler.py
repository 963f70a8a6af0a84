"""The connection to the login server: one, made again for ever."""

import gevent.socket

from connhandler import OutgoingConnectionHandler, Peer
from connhandler.connection import Address
from connhandler.jsonmessage import JsonMessageReader, JsonMessageWriter
from login_server.protocol import ToLauncher


class LoginServerPeer(Peer):
    """The login server; `logged_in` is set once it has accepted our key."""


class LoginServerReader(JsonMessageReader):
    message_type = ToLauncher


class LoginServerWriter(JsonMessageWriter):
    pass


class LoginServerHandler(OutgoingConnectionHandler):
    def create_connection_instances(
        self, sock: gevent.socket.socket, address: Address
    ) -> tuple[LoginServerReader, LoginServerWriter, LoginServerPeer]:
        return LoginServerReader(sock), LoginServerWriter(sock), LoginServerPeer()
