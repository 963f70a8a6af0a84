"""A whole program: how it begins, and how it ends in order, by a signal or by itself."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gevent
import gevent.monkey
import pytest
from gevent.event import Event

from connhandler import (
    CentralTask,
    Limits,
    PeerConnected,
    PeerDisconnected,
    Service,
    WorkerPool,
    tasks,
)
from connhandler.http import HttpConnectionHandler
from connhandler.testing import check_leaks
from connhandler.websocket import WebSocketConnectionHandler
from tests.connhandler.support import Client, Data, DataHandler, DataPeer, within

ROOT = Path(__file__).parents[2]
SIGNALS = (signal.SIGTERM, signal.SIGINT)


class Echo(CentralTask):
    """Echoes, tells the peers when it ends, and notes what happens to it."""

    def __init__(self, **arguments: Any) -> None:
        super().__init__("echo", **arguments)
        self.noted: list[str] = []
        self.peers: set[DataPeer] = set()
        self.finished: Event | None = None
        self.dispatch = {
            (DataPeer, PeerConnected): self.came,
            (DataPeer, Data): self.echo,
            (DataPeer, PeerDisconnected): self.went,
        }

    def came(self, peer: DataPeer, message: PeerConnected) -> None:
        self.noted.append("came")
        self.peers.add(peer)

    def echo(self, peer: DataPeer, message: Data) -> None:
        peer.send(message)

    def went(self, peer: DataPeer, message: PeerDisconnected) -> None:
        self.noted.append(f"went: {message.reason.value}")
        self.peers.discard(peer)

    def on_start(self) -> None:
        self.noted.append("on_start")

    def on_shutdown(self) -> Event | None:
        self.noted.append("on_shutdown")
        for peer in self.peers:
            peer.send(Data(b"going down"))
        return self.finished

    def on_stopped(self) -> None:
        self.noted.append("on_stopped")


class Program:
    """A service that runs in this process."""

    def __init__(self, limits: Limits | None = None, pools: tuple[WorkerPool, ...] = ()) -> None:
        self.central = Echo(limits=limits)
        self.handler = DataHandler("clients", "127.0.0.1", 0, self.central.queue, limits=limits)
        self.handler.listen()
        self.service = Service(self.central, [self.handler], pools)
        self.task = tasks.spawn("service", self.service.run)
        self.clients: list[Client] = []

    def client(self) -> Client:
        client = Client(self.handler.port)
        client.send(b"hello")
        assert client.receive() == b"hello"
        self.clients.append(client)
        return client

    def status(self) -> int:
        status: int = within(self.task.get)
        return status


@pytest.fixture(autouse=True)
def signals_as_before() -> Iterator[None]:
    handlers = {number: signal.getsignal(number) for number in SIGNALS}
    with check_leaks():
        yield
    for number, handler in handlers.items():
        signal.signal(number, handler)


# --- in this process --------------------------------------------------------------------------------------------------


def test_the_end_in_order() -> None:
    program = Program()
    client = program.client()
    program.service.end("the test is over")
    assert client.messages() == [b"going down"]
    client.close()
    assert program.status() == 0
    assert program.central.noted == ["on_start", "came", "on_shutdown", "went: shutting down", "on_stopped"]
    with pytest.raises(ConnectionRefusedError):
        Client(program.handler.port)


def test_a_client_that_does_not_close_is_waited_for_and_no_longer() -> None:
    program = Program(Limits(linger_seconds=60, drain_seconds=0.2))
    client = program.client()
    program.service.end("the test is over")
    assert program.status() == 0
    assert program.central.noted[-2:] == ["went: shutting down", "on_stopped"]
    client.close()


def test_connections_stay_open_until_the_central_task_has_finished() -> None:
    program = Program()
    program.central.finished = Event()
    client = program.client()
    program.service.end("the test is over")
    assert client.receive() == b"going down"
    client.send(b"one more")
    assert client.receive() == b"one more"
    program.central.finished.set()
    assert client.messages() == []
    client.close()
    assert program.status() == 0


def test_a_central_task_that_does_not_finish_is_not_waited_for_for_ever() -> None:
    program = Program(Limits(drain_seconds=0.2))
    program.central.finished = Event()
    program.service.end("the test is over")
    assert program.status() == 0
    assert program.central.noted[-1] == "on_stopped"


def test_a_mistake_in_on_shutdown_does_not_stop_the_end(caplog: pytest.LogCaptureFixture) -> None:
    program = Program()
    client = program.client()

    def fail() -> None:
        raise ZeroDivisionError

    program.central.on_shutdown = fail  # type: ignore[method-assign]
    program.service.end("the test is over")
    assert client.messages() == []
    client.close()
    assert program.status() == 0
    assert "ZeroDivisionError" in caplog.text


def test_a_central_task_that_stops_by_itself_ends_the_program() -> None:
    program = Program()
    client = program.client()
    program.central.stop()
    assert program.status() == 0
    assert within(client.rest) == b""
    client.close()


def test_a_central_task_that_crashes_ends_the_program_with_status_1(caplog: pytest.LogCaptureFixture) -> None:
    program = Program()

    program.central.on_start = lambda: 1 // 0  # type: ignore[assignment, method-assign]
    assert program.status() == 1
    assert "ZeroDivisionError" in caplog.text


def test_pools_are_closed_after_their_work() -> None:
    pool = WorkerPool("pool", threads=1, max_queued=10)
    program = Program(pools=(pool,))
    done: list[int] = []
    sleep: Any = gevent.monkey.get_original("time", "sleep")
    pool.submit(lambda: sleep(0.1) or 7, done=lambda result, error: done.append(result))
    program.service.end("the test is over")
    assert program.status() == 0
    assert done == [7]
    assert pool.outstanding == 0


def test_a_port_in_use_starts_nothing_and_leaves_nothing() -> None:
    program = Program()
    central = Echo()
    free = DataHandler("free", "127.0.0.1", 0, central.queue)
    taken = DataHandler("taken", "127.0.0.1", program.handler.port, central.queue)
    with pytest.raises(OSError, match=f"taken: cannot listen on 127.0.0.1:{program.handler.port}: Address already"):
        Service(central, [free, taken]).run()
    assert central.noted == []
    with pytest.raises(ConnectionRefusedError):
        Client(free.port)
    program.service.end("the test is over")
    assert program.status() == 0


def test_an_upgrade_of_another_handler_is_not_for_the_service() -> None:
    central = Echo()
    sockets = WebSocketConnectionHandler("sockets", "127.0.0.1", 0, central.queue)
    pages = HttpConnectionHandler("pages", "127.0.0.1", 0, central.queue, upgrades={"/socket": sockets})
    for handlers in ([pages, sockets], [sockets, pages]):
        with pytest.raises(ValueError, match="sockets is an upgrade of pages, which listens for it: leave it out"):
            Service(central, handlers)
    assert Service(central, [pages]).handlers == [pages]


def test_two_services_one_after_the_other_on_one_port() -> None:
    first = Program()
    port = first.handler.port
    client = first.client()
    first.service.end("make room")
    assert client.messages() == [b"going down"]
    client.close()
    assert first.status() == 0
    central = Echo()
    handler = DataHandler("clients", "127.0.0.1", port, central.queue)
    service = Service(central, [handler])
    task = tasks.spawn("service", service.run)
    while handler._run is None:
        gevent.idle()
    Client(port).close()
    service.end("the test is over")
    assert within(task.get) == 0


# --- signals ----------------------------------------------------------------------------------------------------------

PROGRAM = """
from gevent import monkey; monkey.patch_all()
import logging, sys, time
from gevent.event import Event
from connhandler import Limits, Service, WorkerPool
from tests.connhandler.support import Data, DataHandler, DataPeer
from tests.connhandler.test_service import Echo

class Server(Echo):
    def echo(self, peer, message):
        if message.data == b"large":
            for number in range(64):
                peer.send(Data(bytes([number]) * 10_000))
        elif message.data == b"work":
            self.perform(pool, time.sleep, 60, then=print)
            peer.send(Data(b"at work"))
        else:
            peer.send(message)

    def on_shutdown(self):
        super().on_shutdown()
        return Event() if "never finished" in sys.argv else None

logging.basicConfig(level=logging.INFO)
limits = Limits(linger_seconds=50, drain_seconds=50)
pool = WorkerPool("pool", threads=1, max_queued=1)
server = Server(limits=limits)
handler = DataHandler("clients", "127.0.0.1", 0, server.queue, limits=limits)
status = Service(server, [handler], [pool]).run()
print(server.noted[-1])
sys.exit(status)
"""


class Process:
    """The program above in a process of its own.

    Attributes:
        port: where it listens.
    """

    def __init__(self, *arguments: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        assert self.process.stderr is not None
        self.port = int(within(self.process.stderr.readline).rpartition(":")[2])

    def __enter__(self) -> "Process":
        return self

    def __exit__(self, *exception: object) -> None:
        self.process.kill()
        self.process.communicate()

    def client(self, **arguments: Any) -> Client:
        client = Client(self.port, **arguments)
        client.send(b"hello")
        assert client.receive() == b"hello"
        return client

    def wait_for(self, words: str) -> None:
        """Wait until it logs this."""
        assert self.process.stderr is not None
        while words not in within(self.process.stderr.readline):
            assert self.process.poll() is None, f"it ended without saying {words!r}"

    def end(self, seconds: float = 10.0) -> tuple[int, str, str]:
        """Wait for its end; return status, output and log."""
        output, errors = within(self.process.communicate, seconds=seconds)
        return self.process.returncode, output, errors


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_ends_it_in_order(number: signal.Signals) -> None:
    with Process() as process:
        slow = process.client(receive_buffer=4096)
        slow.send(b"large")
        first = slow.receive()
        clients = [process.client() for _ in range(3)]
        process.process.send_signal(number)
        for client in clients:
            assert client.messages() == [b"going down"]
            client.close()
        large = [bytes([n]) * 10_000 for n in range(64)]
        assert [first, *slow.messages()] == [*large, b"going down"]
        slow.close()
        status, output, errors = process.end()
    assert status == 0, errors
    assert output == "on_stopped\n"
    assert f"echo: ending ({number.name})" in errors
    assert "Traceback" not in errors


@pytest.mark.parametrize("case", ["lingers", "never finished", "work"])
def test_a_second_signal_ends_it_at_once(case: str) -> None:
    with Process(case) as process:
        client = process.client()
        if case == "work":
            client.send(b"work")
            assert client.receive() == b"at work"
        process.process.send_signal(signal.SIGTERM)
        process.wait_for("ending (SIGTERM)")
        if case == "work":
            assert client.messages() == [b"going down"]
            client.close()
        process.process.send_signal(signal.SIGINT)
        status, _, errors = process.end(seconds=5.0)
        client.close()
    assert status == 0, errors
    assert "echo: ending at once (SIGINT again)" in errors
    assert "Traceback" not in errors
