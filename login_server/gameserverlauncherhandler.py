"""Connections from game server launchers: framed JSON on TCP, port 9001."""

from typing import Any

from connhandler import IncomingConnectionHandler
from connhandler.jsonmessage import JsonMessageReader, JsonServerMessageWriter
from login_server.protocol import VERSIONS, FromLauncher
from login_server.reception import Guest


class LauncherPeer(Guest):
    """One launcher: a program that we know, so that it has no business here before it has logged in.

    Attributes:
        launcher: the name that it is logged in with, or nothing.
    """

    versions = VERSIONS
    may_ask_before_login = False

    def __init__(self) -> None:
        super().__init__()
        self.launcher = ""


class LauncherReader(JsonMessageReader):
    message_type = FromLauncher


class LauncherWriter(JsonServerMessageWriter):
    pass


class GameServerLauncherHandler(IncomingConnectionHandler):
    def create_connection_instances(
        self, sock: Any, address: Any
    ) -> tuple[LauncherReader, LauncherWriter, LauncherPeer]:
        return LauncherReader(sock), LauncherWriter(sock), LauncherPeer()
