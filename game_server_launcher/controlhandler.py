"""Connections from the commands of the person who runs this launcher, such as `status`, on a Unix socket."""

import os
from pathlib import Path

import gevent.socket

from connhandler import IncomingConnectionHandler, Limits, Peer
from connhandler.connection import Address
from connhandler.handler import MessageQueue
from connhandler.jsonmessage import JsonMessageReader, JsonServerMessageWriter
from game_server_launcher.control import FromOperator

SOCKET = "launcher.control"
MAX_PATH_BYTES = 107
"""Of a Unix socket (unix(7))."""

LIMITS = Limits(max_connections=64, max_message_bytes=8 * 1024 * 1024, outgoing_hard_bytes=16 * 1024 * 1024)
"""A status shows all servers."""


class OperatorPeer(Peer):
    """A command of the person who runs this launcher.

    Attributes:
        said_hello: and was told which version is spoken.
    """

    said_hello: bool = False


class OperatorReader(JsonMessageReader):
    message_type = FromOperator


class OperatorWriter(JsonServerMessageWriter):
    pass


class ControlHandler(IncomingConnectionHandler):
    """Listens in a run folder.

    Args:
        task_name: the name of this handler in every log line.
        folder: the run folder.
        incoming_queue: where all messages go.
    """

    def __init__(self, task_name: str, folder: Path, incoming_queue: MessageQueue) -> None:
        super().__init__(task_name, socket_path(folder), 0, incoming_queue, limits=LIMITS)

    def create_connection_instances(
        self, sock: gevent.socket.socket, address: Address
    ) -> tuple[OperatorReader, OperatorWriter, OperatorPeer]:
        return OperatorReader(sock), OperatorWriter(sock), OperatorPeer()


def socket_path(folder: Path) -> str:
    """Return a path of the socket in a run folder, short enough for the system however long the folder's own is.

    Raises:
        OSError: there is no such folder.
    """
    path = str(folder.absolute() / SOCKET)
    if len(os.fsencode(path)) <= MAX_PATH_BYTES:
        return path
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)  # For as long as this process lives.
    return f"/proc/self/fd/{descriptor}/{SOCKET}"
