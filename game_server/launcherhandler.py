"""The connection to the launcher that started this process: this side is its game controller.

The launcher listens on 127.0.0.1; this side reconnects for ever and tells each time how things stand.
"""

import gevent.socket

from connhandler import OutgoingConnectionHandler, Peer
from connhandler.connection import Address
from connhandler.jsonmessage import JsonMessageReader, JsonMessageWriter
from game_server_launcher.protocol import ToController


class LauncherPeer(Peer):
    """The launcher."""


class LauncherReader(JsonMessageReader):
    message_type = ToController


class LauncherHandler(OutgoingConnectionHandler):
    """The one outgoing connection of a game server that has a launcher."""

    def create_connection_instances(
        self, sock: gevent.socket.socket, address: Address
    ) -> tuple[LauncherReader, JsonMessageWriter, LauncherPeer]:
        return LauncherReader(sock), JsonMessageWriter(sock), LauncherPeer()
