"""An ordinary program, which never heard of gevent, with a service of ours beside its own work.

    python -m tests.connhandler.ordinaryprogram SCENARIO

Prints what happened, a line for each thing; `test_background.py` says what it should be.
"""

import socket
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

from connhandler import CentralTask, PeerConnected, Service, WorkerPool
from connhandler.background import BackgroundService, ServiceEnded
from connhandler.framing.chunks import encode_chunks
from tests.connhandler.support import Data, DataHandler, DataPeer


class Counting(CentralTask):
    """Echoes, says farewell, and counts for whoever calls."""

    def __init__(self) -> None:
        super().__init__("counting")
        self.count = 0
        self.thread_ids: set[int] = set()
        self.peers: list[DataPeer] = []
        self.pool = WorkerPool("work", threads=2, max_queued=2)
        self.handler = DataHandler("clients", "127.0.0.1", 0, self.queue)
        self.dispatch = {
            (DataPeer, PeerConnected): lambda peer, message: self.peers.append(peer),
            (DataPeer, Data): lambda peer, message: peer.send(message),
        }

    def on_shutdown(self) -> None:
        for peer in self.peers:
            peer.send(Data(b"farewell"))

    def add(self, number: int) -> int:
        self.thread_ids.add(threading.get_ident())
        self.count += number
        return self.count

    def work(self, function: Callable[[], Any]) -> None:
        self.perform(self.pool, function, then=lambda result, error: None)


class Background:
    def __init__(self) -> None:
        self.service = BackgroundService("counting", self._make)
        self.service.start()

    def _make(self) -> Service:
        self.central = Counting()
        return Service(self.central, [self.central.handler], [self.central.pool], owns_process=False)

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.central.handler.port), timeout=10)


def threads() -> None:
    """Many threads call at once, while clients talk."""
    background = Background()
    client = background.connect()

    def call() -> None:
        for _ in range(200):
            background.service.call(background.central.add, 1)

    callers = [threading.Thread(target=call) for _ in range(8)]
    for caller in callers:
        caller.start()
    client.sendall(encode_chunks(b"hello"))
    print("echo", receive(client, 7))
    for caller in callers:
        caller.join()
    print("count", background.service.call(background.central.add, 0))
    print("threads", len(background.central.thread_ids), threading.get_ident() in background.central.thread_ids)
    print("own thread", background.service.own_thread)
    closing = threading.Thread(target=lambda: print("closed", background.service.close(10)))
    closing.start()
    print("goodbye", receive(client, 10), client.recv(1))
    client.close()
    closing.join()


def errors() -> None:
    """What the caller gets to hear."""
    background = Background()

    def fail() -> None:
        raise KeyError("no such thing")

    def call_from_within() -> None:
        background.service.call(background.central.add, 1)

    for function in (fail, call_from_within):
        try:
            background.service.call(function)
        except (KeyError, RuntimeError) as error:
            print(type(error).__name__, error)
    promise = background.service.promise()
    print("closed", background.service.close(10), background.service.close(10))
    asking: list[Callable[[], Any]] = [promise.result, lambda: background.service.call(background.central.add, 1)]
    for asked in asking:
        try:
            asked()
        except ServiceEnded as error:
            print(type(error).__name__, error)
    try:
        background.service.start()
    except RuntimeError as error:
        print(type(error).__name__, error)


def port_taken() -> None:
    """`start` raises what is in the way, and the program goes on."""
    with socket.create_server(("127.0.0.1", 0)) as taken:

        def make() -> Service:
            central = Counting()
            central.handler.port = taken.getsockname()[1]
            return Service(central, [central.handler], owns_process=False)

        service = BackgroundService("counting", make)
        try:
            service.start()
        except OSError as error:
            print("OSError", "Address already in use" in str(error))
        print("closed", service.close(10))


def hanging_worker() -> None:
    """A thread of the program that does not end holds up neither the close nor, when it does end, anything else."""
    background = Background()
    begun, let_go, ended = threading.Event(), threading.Event(), threading.Event()

    def hang() -> None:
        begun.set()
        let_go.wait()
        ended.set()

    background.service.call(background.central.work, hang)
    begun.wait()
    background.central.limits = type(background.central.limits)(drain_seconds=0.2)
    background.service._service._patience_seconds = 0.2  # type: ignore[union-attr]
    print("closed", background.service.close(10))
    let_go.set()
    print("ended", ended.wait(10))
    for _ in range(100):
        time.sleep(0)  # the worker thread reports now


def forgotten_close() -> None:
    """A program that ends without `close` still ends in order."""
    background = Background()
    client = background.connect()
    client.sendall(encode_chunks(b"hello"))
    print("echo", receive(client, 7))

    def listen() -> None:
        print("goodbye", receive(client, 10), flush=True)
        client.close()

    threading.Thread(target=listen, daemon=True).start()


def impatient_close() -> None:
    """A program that does not wait for the end of `close` still ends in order."""
    background = Background()
    background.service.promise().add_done_callback(lambda _: print("ended", flush=True))
    working = threading.Event()

    def work() -> None:
        working.set()
        threading.Event().wait(0.3)

    background.service.call(background.central.work, work)
    working.wait(10)
    print("closed", background.service.close(0))


def end_from_within() -> None:
    """A function of the program that runs in a pool of the service asks for the end; and so does the service itself."""
    background, asked = Background(), threading.Event()

    def close() -> None:
        print("closed from a worker", background.service.close(0))
        asked.set()

    background.service.call(background.central.work, close)
    asked.wait()
    print("closed", background.service.close(10))
    another = Background()

    def close_other() -> None:
        another.service.close()

    another.service.post(close_other)
    print("closed", another.service.close(10))


def receive(client: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size and (more := client.recv(size - len(data))):
        data += more
    return data


if __name__ == "__main__":
    scenarios = (threads, errors, port_taken, hanging_worker, forgotten_close, impatient_close, end_from_within)
    {f.__name__: f for f in scenarios}[sys.argv[1]]()
