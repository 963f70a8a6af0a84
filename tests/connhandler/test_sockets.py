"""Receiving without asking an empty socket for more."""

from pathlib import Path

import gevent.socket
import pytest

from connhandler import tasks
from connhandler.sockets import Inflow
from connhandler.testing import loopback_pair
from tests.connhandler.certificates import make_certificate, presenting, trusting
from tests.connhandler.support import within


class CountingSocket(gevent.socket.socket):
    """Counts the attempts to receive."""

    attempts = 0

    def recv(self, *args: int) -> bytes:
        self.attempts += 1
        return super().recv(*args)


def test_an_emptied_socket_is_waited_for_before_it_is_asked_again() -> None:
    ours, theirs = loopback_pair()
    counting = CountingSocket(fileno=ours.detach())
    with counting, theirs:
        inflow = Inflow(counting)
        for number in range(3):
            theirs.sendall(b"ping")
            assert within(inflow.receive, 100) == b"ping"
            assert counting.attempts == number + 1


def test_what_did_not_fit_is_received_at_once() -> None:
    ours, theirs = loopback_pair()
    with ours, theirs:
        theirs.sendall(b"123456789")
        inflow = Inflow(ours)
        assert [within(inflow.receive, 4) for _ in range(3)] == [b"1234", b"5678", b"9"]


def test_the_end_is_noticed_while_waiting() -> None:
    ours, theirs = loopback_pair()
    with ours:
        inflow = Inflow(ours)
        theirs.sendall(b"last")
        assert within(inflow.receive, 100) == b"last"
        waiting = tasks.spawn("waiting", inflow.receive, 100)
        theirs.close()
        assert waiting.get(timeout=10) == b""


def test_a_lost_connection_is_noticed_while_waiting() -> None:
    ours, theirs = loopback_pair()
    with ours:
        inflow = Inflow(ours)
        theirs.sendall(b"last")
        assert within(inflow.receive, 100) == b"last"
        ours.sendall(b"never read")  # so that the close is a reset
        theirs.close()
        with pytest.raises(ConnectionResetError):
            within(inflow.receive, 100)


@pytest.mark.parametrize("size", [100, 64 * 1024])
def test_tls_keeps_nothing_back(tmp_path: Path, size: int) -> None:
    """A record may be larger than what is asked for, and what was asked for larger than a record."""
    certificate = make_certificate(tmp_path)
    ours, theirs = loopback_pair()
    server = presenting(certificate).wrap_socket(ours, server_side=True, do_handshake_on_connect=False)
    shaking = tasks.spawn("shaking", server.do_handshake)
    with server, trusting(certificate).wrap_socket(theirs, server_hostname="localhost") as client:
        shaking.get(timeout=10)
        sending = tasks.spawn("sending", client.sendall, b"x" * 50_000)
        inflow = Inflow(server)
        received = 0
        while received < 50_000:
            received += len(within(inflow.receive, size))
        sending.get(timeout=10)
        assert received == 50_000
