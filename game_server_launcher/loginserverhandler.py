"""The connection to the login server: one, made again for ever."""

from typing import Any

import gevent.socket

from connhandler import Limits, OutgoingConnectionHandler, Peer
from connhandler.connection import Address
from connhandler.jsonmessage import JsonMessageReader, JsonMessageWriter
from login_server.protocol import ToLauncher

LIMITS = Limits(max_retry_seconds=4)
"""Players see none of our servers until the login server has us back, and launchers are no crowd."""


class LoginServerPeer(Peer):
    """The login server; `logged_in` is set once it has accepted our key."""


class LoginServerReader(JsonMessageReader):
    message_type = ToLauncher


class LoginServerWriter(JsonMessageWriter):
    pass


class LoginServerHandler(OutgoingConnectionHandler):
    """Arguments as for the base; the limits are `LIMITS` unless others are given."""

    def __init__(self, *args: Any, limits: Limits = LIMITS, **kwargs: Any) -> None:
        super().__init__(*args, limits=limits, **kwargs)

    def create_connection_instances(
        self, sock: gevent.socket.socket, address: Address
    ) -> tuple[LoginServerReader, LoginServerWriter, LoginServerPeer]:
        return LoginServerReader(sock), LoginServerWriter(sock), LoginServerPeer()
