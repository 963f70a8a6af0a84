"""Connections by a Unix socket: the same handlers, with a path in place of an address."""

import errno
import socket
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gevent.socket
import pytest

from connhandler import IncomingQueue, Limits, OutgoingConnectionHandler, PeerConnected
from connhandler.testing import check_leaks
from tests.connhandler.support import Data, DataHandler, DataPeer, DataReader, DataWriter, wait_until, within

AT_ONCE = Limits(retry_seconds=0.01, max_retry_seconds=0.02)


class ServerHandler(OutgoingConnectionHandler):
    def create_connection_instances(self, sock: Any, address: Any) -> Any:
        return DataReader(sock), DataWriter(sock), DataPeer()


@pytest.fixture
def path(tmp_path: Path) -> Iterator[Path]:
    with check_leaks():
        yield tmp_path / "s"


def test_messages_go_both_ways(path: Path) -> None:
    near, far = IncomingQueue(), IncomingQueue()
    client = ServerHandler("server", str(path), 0, near, limits=AT_ONCE)
    client.start()
    wait_until(lambda: client.counters["failed"] > 2)  # It comes before there is anybody.
    server = DataHandler("clients", str(path), 0, far)
    server.start()
    assert isinstance(within(near.get), PeerConnected)
    peer = within(far.get).peer
    assert peer.address == (str(path), 0)
    peer.send(Data(b"there"))
    received = within(near.get)
    received.peer.send(Data(b"and back"))
    assert (received.data, within(far.get).data) == (b"there", b"and back")
    client.stop()
    server.stop()
    assert not path.exists()


def test_this_user_alone_may_connect(path: Path) -> None:
    server = DataHandler("clients", str(path), 0, IncomingQueue())
    server.listen()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    server.stop()


def test_a_socket_on_which_nobody_listens_any_more_is_replaced(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as abandoned:
        abandoned.bind(str(path))
    server = DataHandler("clients", str(path), 0, IncomingQueue())
    server.start()
    with gevent.socket.socket(socket.AF_UNIX) as sock:
        within(sock.connect, str(path))
    server.stop()


def test_a_socket_in_use_is_a_clear_error(path: Path) -> None:
    server = DataHandler("clients", str(path), 0, IncomingQueue())
    server.start()
    with pytest.raises(OSError, match=f"others: cannot listen on {path}: Address already in use") as caught:
        DataHandler("others", str(path), 0, IncomingQueue()).listen()
    assert caught.value.errno == errno.EADDRINUSE
    server.stop()


def test_a_file_that_is_no_socket_stays(path: Path) -> None:
    path.write_text("mine")
    with pytest.raises(OSError, match="there is a file that is no socket"):
        DataHandler("clients", str(path), 0, IncomingQueue()).listen()
    assert path.read_text() == "mine"
