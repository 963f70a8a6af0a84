"""A connection that is made again for ever: after a refusal, a failed look-up, a drop, a bad handshake."""

import logging
import random
from collections.abc import Callable, Iterator
from typing import Any

import gevent
import gevent.event
import gevent.socket
import pytest

from connhandler import (
    DisconnectReason,
    IncomingQueue,
    Limits,
    OutgoingConnectionHandler,
    Peer,
    PeerConnected,
    PeerDisconnected,
    tasks,
)
from connhandler.framing.chunks import encode_chunks
from connhandler.testing import check_leaks
from tests.connhandler.support import Data, DataPeer, DataReader, DataWriter, within

AT_ONCE = Limits(retry_seconds=0.01, max_retry_seconds=0.02)


class ServerPeer(Peer):
    pass


class ServerHandler(OutgoingConnectionHandler):
    made = 0

    def create_connection_instances(self, sock: Any, address: Any) -> Any:
        self.made += 1
        return DataReader(sock), DataWriter(sock), ServerPeer()


class Jitter(random.Random):
    """Draws the longest wait, and remembers what it was asked for; or waits not at all.

    Attributes:
        ceilings: of every wait.
        asked: is set when one was asked for.
    """

    def __init__(self, wait: float = 0.0) -> None:
        super().__init__(1)
        self.wait = wait
        self.ceilings: list[float] = []
        self.asked = gevent.event.Event()

    def uniform(self, a: float, b: float) -> float:
        assert a == 0
        self.ceilings.append(b)
        self.asked.set()
        return self.wait


class FarEnd:
    """A listening socket that accepts when the test says so."""

    def __init__(self, port: int = 0) -> None:
        self.listener = gevent.socket.socket()
        self.listener.setsockopt(gevent.socket.SOL_SOCKET, gevent.socket.SO_REUSEADDR, 1)
        self.listener.bind(("127.0.0.1", port))
        self.listener.listen(10)
        self.port: int = self.listener.getsockname()[1]
        self.accepted: list[gevent.socket.socket] = []

    def accept(self) -> gevent.socket.socket:
        sock, _ = within(self.listener.accept)
        sock.settimeout(20.0)
        self.accepted.append(sock)
        return sock

    def close(self) -> None:
        for sock in [*self.accepted, self.listener]:
            sock.close()


Start = Callable[..., ServerHandler]


@pytest.fixture
def far_end() -> Iterator[FarEnd]:
    end = FarEnd()
    yield end
    end.close()


@pytest.fixture
def start() -> Iterator[Start]:
    """Start an outgoing handler to a port; it is stopped, and looked after for leaks, when the test is over."""
    started: list[ServerHandler] = []

    def begin(port: int, address: str = "127.0.0.1", limits: Limits = AT_ONCE, **arguments: Any) -> ServerHandler:
        retry_time = arguments.pop("retry_time", None)
        handler = ServerHandler("server", address, port, IncomingQueue(), limits=limits, **arguments)
        started.append(handler)
        handler.start(retry_time)
        return handler

    with check_leaks():
        yield begin
        for handler in started:
            within(handler.stop, 1.0)


def take(handler: ServerHandler) -> Any:
    queue: Any = handler.incoming_queue
    return within(queue.get)


@pytest.fixture
def free_port() -> int:
    """A port where nobody listens."""
    with gevent.socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


@pytest.fixture
def silent_port() -> Iterator[int]:
    """A port that does not answer: its backlog is full."""
    with gevent.socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        waiting = [gevent.socket.socket() for _ in range(4)]
        for sock in waiting:
            sock.setblocking(False)
            sock.connect_ex(listener.getsockname())
        yield listener.getsockname()[1]
        for sock in waiting:
            sock.close()


# --- one connection ---------------------------------------------------------------------------------------------------


def test_it_connects_and_talks(start: Start, far_end: FarEnd) -> None:
    handler = start(far_end.port)
    there = far_end.accept()
    message = take(handler)
    assert isinstance(message, PeerConnected)
    peer = message.peer
    assert isinstance(peer, ServerPeer)
    assert (peer.name, peer.serial, peer.address) == ("server[1]", 1, ("127.0.0.1", far_end.port))
    there.sendall(encode_chunks(b"welcome"))
    assert take(handler).data == b"welcome"
    peer.send(Data(b"thanks"))
    assert within(there.recv, 100) == encode_chunks(b"thanks")
    assert handler.connections == 1


def test_it_needs_no_first_message_and_sends_no_heartbeats(start: Start, far_end: FarEnd) -> None:
    limits = Limits(first_message_seconds=0.02, login_seconds=0.02, heartbeat_seconds=0.02, idle_seconds=0.3)
    handler = start(far_end.port, limits=limits)
    there = far_end.accept()
    take(handler)
    assert there.recv(1) == b""
    there.close()
    assert take(handler).reason is DisconnectReason.IDLE_TIMEOUT


def test_a_name_is_looked_up(start: Start, far_end: FarEnd) -> None:
    handler = start(far_end.port, "localhost")
    far_end.accept()
    assert take(handler).peer.address == ("localhost", far_end.port)


# --- again and again --------------------------------------------------------------------------------------------------


def test_after_a_drop_it_connects_again_with_a_new_peer(start: Start, far_end: FarEnd) -> None:
    handler = start(far_end.port)
    peers = []
    for number in range(3):
        there = far_end.accept()
        message = take(handler)
        assert isinstance(message, PeerConnected)
        peers.append(message.peer)
        there.sendall(encode_chunks(b"%d" % number))
        assert take(handler).data == b"%d" % number
        there.close()
        message = take(handler)
        assert isinstance(message, PeerDisconnected)
        assert message.peer is peers[-1]
    assert len(set(peers)) == 3
    assert [peer.serial for peer in peers] == [1, 2, 3]
    assert handler.made >= 3


def test_after_our_own_disconnect_it_connects_again(start: Start, far_end: FarEnd) -> None:
    handler = start(far_end.port)
    there = far_end.accept()
    peer = take(handler).peer
    peer.disconnect("try again")
    assert there.recv(1) == b""
    there.close()
    assert take(handler).detail == "try again"
    far_end.accept()
    assert take(handler).peer is not peer


def test_after_bad_bytes_it_connects_again(start: Start, far_end: FarEnd) -> None:
    handler = start(far_end.port, limits=Limits(retry_seconds=0.01, max_message_bytes=10))
    far_end.accept().sendall(b"\xff\xff")
    assert isinstance(take(handler), PeerConnected)
    far_end.accepted[0].close()
    assert take(handler).reason is DisconnectReason.PROTOCOL_ERROR
    far_end.accept()
    assert isinstance(take(handler), PeerConnected)


def test_refusals_until_somebody_listens(start: Start, free_port: int, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    jitter = Jitter(0.001)
    handler = start(free_port, random=jitter)
    ceilings(jitter, 5)
    assert handler.counters["failed"] >= 5
    lines = [record.message for record in caplog.records if "no connection" in record.message]
    assert lines == [f"server: no connection to 127.0.0.1:{free_port}: [Errno 111] Connection refused"]
    far_end = FarEnd(free_port)
    far_end.accept()
    assert isinstance(take(handler), PeerConnected)
    handler.stop(0.5)
    far_end.close()


@pytest.mark.parametrize(
    "address",
    [
        "no-such-host.invalid",
        "a" * 64 + ".invalid",
        "two..dots",
        ".",
        "with space.invalid",
        "256.256.256.256",
        "fe80::1%no-such-interface",
        "",
    ],
)
def test_names_that_lead_nowhere(start: Start, free_port: int, address: str) -> None:
    jitter = Jitter()
    handler = start(free_port, address, random=jitter)
    ceilings(jitter, 2)
    assert handler.counters["failed"] >= 2
    assert handler.made == 0


def test_a_connect_that_hangs(silent_port: int, start: Start) -> None:
    jitter = Jitter()
    handler = start(silent_port, limits=Limits(connect_seconds=0.05), random=jitter)
    ceilings(jitter, 2)
    assert handler.counters["failed"] >= 2
    assert handler.made == 0


# --- how long it waits ------------------------------------------------------------------------------------------------


def ceilings(jitter: Jitter, count: int) -> list[float]:
    """The first ceilings, when so many have been asked for."""
    while len(jitter.ceilings) < count:
        jitter.asked.clear()
        within(jitter.asked.wait)
    return jitter.ceilings[:count]


def test_the_wait_doubles_up_to_the_longest(start: Start, free_port: int) -> None:
    jitter = Jitter()
    start(free_port, limits=Limits(), random=jitter)
    assert ceilings(jitter, 8) == [1, 2, 4, 8, 16, 30, 30, 30]


def test_the_first_wait_can_be_given(start: Start, free_port: int) -> None:
    jitter = Jitter()
    start(free_port, limits=Limits(), random=jitter, retry_time=5)
    assert ceilings(jitter, 5) == [5, 10, 20, 30, 30]


def test_a_first_wait_longer_than_the_longest_stays(start: Start, free_port: int) -> None:
    jitter = Jitter()
    start(free_port, limits=Limits(), random=jitter, retry_time=60)
    assert ceilings(jitter, 3) == [60, 60, 60]


def test_waits_are_a_random_part_of_the_ceiling(start: Start, free_port: int) -> None:
    class Recording(random.Random):
        def uniform(self, a: float, b: float) -> float:
            wait = super().uniform(a, b)
            waits.append((wait, b))
            enough.set() if len(waits) >= 20 else None
            return wait / 1000

    waits: list[tuple[float, float]] = []
    enough = gevent.event.Event()
    start(free_port, limits=Limits(), random=Recording(7))
    within(enough.wait)
    assert all(0 <= wait <= ceiling for wait, ceiling in waits)
    assert len({wait for wait, _ in waits}) == len(waits)
    reference = random.Random(7)
    assert [wait for wait, _ in waits] == [reference.uniform(0, ceiling) for _, ceiling in waits]


def test_a_connection_that_lasted_starts_the_waits_anew(start: Start, far_end: FarEnd) -> None:
    jitter = Jitter()
    handler = start(far_end.port, limits=Limits(retry_seconds=0.05, max_retry_seconds=10), random=jitter)
    for _ in range(3):
        far_end.accept().close()
        assert [type(take(handler)), type(take(handler))] == [PeerConnected, PeerDisconnected]
    assert ceilings(jitter, 3) == [0.05, 0.1, 0.2]
    there = far_end.accept()
    assert isinstance(take(handler), PeerConnected)
    gevent.sleep(0.5)  # longer than the ceiling of 0.4 s
    there.close()
    assert isinstance(take(handler), PeerDisconnected)
    far_end.accept()
    assert ceilings(jitter, 4)[3] == 0.05


def test_an_attempt_that_took_long_is_no_connection_that_lasted(silent_port: int, start: Start) -> None:
    jitter = Jitter()
    start(silent_port, limits=Limits(connect_seconds=0.05, retry_seconds=0.01), random=jitter)
    assert ceilings(jitter, 4) == [0.01, 0.02, 0.04, 0.08]


# --- the end ----------------------------------------------------------------------------------------------------------


def test_stop_while_it_waits(start: Start, free_port: int) -> None:
    jitter = Jitter(3600.0)
    handler = start(free_port, random=jitter)
    ceilings(jitter, 1)
    within(handler.stop, seconds=2.0)


def test_stop_while_it_connects(silent_port: int, start: Start) -> None:
    handler = start(silent_port, limits=Limits(connect_seconds=60))
    gevent.idle()
    within(handler.stop, seconds=2.0)


def test_stop_while_it_is_connected(start: Start, far_end: FarEnd) -> None:
    handler = start(far_end.port)
    there = far_end.accept()
    take(handler).peer.send(Data(b"last words"))
    stopping = tasks.spawn("stopping", handler.stop)
    assert there.recv(100) == encode_chunks(b"last words")
    assert there.recv(100) == b""
    there.close()
    within(stopping.get)
    assert take(handler).reason is DisconnectReason.SHUTTING_DOWN


def test_stop_accepting_makes_no_new_connection_and_leaves_the_open_one(start: Start, far_end: FarEnd) -> None:
    jitter = Jitter()
    handler = start(far_end.port, random=jitter)
    there = far_end.accept()
    take(handler)
    handler.stop_accepting()
    there.sendall(encode_chunks(b"still here"))
    assert take(handler).data == b"still here"
    there.close()
    assert take(handler).reason is DisconnectReason.CLOSED_BY_PEER
    gevent.idle()
    assert handler.connections == 0
    assert handler.made == 1


@pytest.mark.parametrize("own_task", [True, False])
def test_no_connection_is_made_once_it_was_stopped_while_connecting(far_end: FarEnd, own_task: bool) -> None:
    """The far end answers only after `stop_accepting`."""
    with check_leaks():
        handler = ServerHandler("server", "127.0.0.1", far_end.port, IncomingQueue(), limits=AT_ONCE)
        running = tasks.spawn("running", handler.run) if not own_task else None
        if own_task:
            handler.start()
        gevent.sleep(0)  # It has begun to connect; the answer comes with the next turn of the event loop.
        assert handler.made == 0
        handler.stop_accepting()
        if running is not None:
            within(running.get)
        within(handler.stop)
        assert handler.made == 0
        assert handler.incoming_queue.empty()  # type: ignore[attr-defined]


def test_run_returns_when_it_is_stopped(far_end: FarEnd) -> None:
    with check_leaks():
        handler = ServerHandler("server", "127.0.0.1", far_end.port, IncomingQueue(), limits=AT_ONCE)
        running = tasks.spawn("running", handler.run)
        there = far_end.accept()
        take(handler)
        stopping = tasks.spawn("stopping", handler.stop)
        assert there.recv(1) == b""
        there.close()
        within(stopping.get)
        within(running.get)


def test_stop_when_it_runs_in_no_task_of_ours(far_end: FarEnd) -> None:
    """`run` may be called in the program's main greenlet, which nobody can kill."""
    with check_leaks():
        queue = IncomingQueue()
        handler = ServerHandler("server", "127.0.0.1", far_end.port, queue, limits=AT_ONCE)
        running = gevent.spawn_raw(handler.run)
        far_end.accept()
        take(handler)
        within(handler.stop, 0.05, seconds=5.0)
        assert take(handler).reason is DisconnectReason.SHUTTING_DOWN
        while not running.dead:
            within(gevent.idle)
        far_end.close()


def test_start_after_stop(start: Start, far_end: FarEnd) -> None:
    handler = start(far_end.port)
    far_end.accept().close()
    first = take(handler).peer
    handler.stop(0.0)
    while isinstance(take(handler), PeerConnected):
        pass
    handler.start()
    while far_end.accept() and (second := take(handler).peer) is first:
        pass
    assert second.serial > first.serial


# --- mistakes ---------------------------------------------------------------------------------------------------------


class WrongHandler(OutgoingConnectionHandler):
    def create_connection_instances(self, sock: Any, address: Any) -> Any:
        return DataWriter(sock), DataReader(sock), DataPeer()


def test_wrong_instances_are_raised_out_of_run(far_end: FarEnd) -> None:
    with check_leaks():
        handler = WrongHandler("server", "127.0.0.1", far_end.port, IncomingQueue(), limits=AT_ONCE)
        with pytest.raises(TypeError, match="item 0 must be a ConnectionReader, not DataWriter"):
            within(handler.run)
    assert far_end.accept().recv(1) == b""


class ClumsyHandler(ServerHandler):
    def create_connection_instances(self, sock: Any, address: Any) -> Any:
        if self.made < 2:
            self.made += 1
            raise KeyError("a mistake of the program's own")
        return super().create_connection_instances(sock, address)


def test_an_exception_while_beginning_is_logged_and_tried_again(
    far_end: FarEnd, caplog: pytest.LogCaptureFixture
) -> None:
    with check_leaks():
        handler = ClumsyHandler("server", "127.0.0.1", far_end.port, IncomingQueue(), limits=AT_ONCE)
        handler.start()
        assert isinstance(take(handler), PeerConnected)
        handler.stop(0.0)
    assert handler.counters["failed"] == 2
    assert handler.counters["connected"] == 1
    assert caplog.text.count("KeyError") >= 2


def test_a_stop_before_the_first_step_counts(far_end: FarEnd) -> None:
    """`start` has only spawned the task when `stop_accepting` is called: no connection is made any more."""
    with check_leaks():
        handler = ServerHandler("server", "127.0.0.1", far_end.port, IncomingQueue(), limits=AT_ONCE)
        handler.start()
        handler.stop_accepting()
        assert handler._run is not None
        within(handler._run.get)
        handler.stop()
        assert not handler.counters
