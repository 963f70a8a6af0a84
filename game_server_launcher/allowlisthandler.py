"""The connection to the allow-list helper on this machine, by a Unix socket: one, made again for ever."""

from typing import Any

import gevent.socket

from connhandler import Limits, OutgoingConnectionHandler, Peer
from connhandler.connection import Address
from connhandler.jsonmessage import JsonMessageReader, JsonMessageWriter
from game_server_launcher.allowlist.protocol import ToLauncher

LIMITS = Limits(retry_seconds=0.5, max_retry_seconds=2)
"""It is on the same machine, and players wait for what it does."""


class AllowlistPeer(Peer):
    """The helper; `logged_in` is set once it has answered."""


class AllowlistReader(JsonMessageReader):
    message_type = ToLauncher


class AllowlistWriter(JsonMessageWriter):
    pass


class AllowlistHandler(OutgoingConnectionHandler):
    """Arguments as for the base, with a path as the address; the limits are `LIMITS` unless others are given."""

    def __init__(self, *args: Any, limits: Limits = LIMITS, **kwargs: Any) -> None:
        super().__init__(*args, limits=limits, **kwargs)

    def create_connection_instances(
        self, sock: gevent.socket.socket, address: Address
    ) -> tuple[AllowlistReader, AllowlistWriter, AllowlistPeer]:
        return AllowlistReader(sock), AllowlistWriter(sock), AllowlistPeer()
