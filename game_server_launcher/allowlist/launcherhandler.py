"""Connections from launchers on this machine: framed JSON on a Unix socket."""

import gevent.socket

from connhandler import IncomingConnectionHandler, Peer
from connhandler.connection import Address
from connhandler.jsonmessage import JsonMessageReader, JsonServerMessageWriter
from game_server_launcher.allowlist.protocol import FromLauncher


class LauncherPeer(Peer):
    """One launcher; the mode and the group of the socket say who can be one. Saying hello is its log-in."""

    requires_login = True


class LauncherReader(JsonMessageReader):
    message_type = FromLauncher


class LauncherWriter(JsonServerMessageWriter):
    pass


class LauncherHandler(IncomingConnectionHandler):
    def create_connection_instances(
        self, sock: gevent.socket.socket, address: Address
    ) -> tuple[LauncherReader, LauncherWriter, LauncherPeer]:
        return LauncherReader(sock), LauncherWriter(sock), LauncherPeer()
