"""The eight invariants of `docs/design.md`: each has tests here, whose names say which and what it promises.

Real sockets on loopback and real load. Times are bounded with a wide margin: where the protection is in place, what is
measured stays far below the bound; where it is taken away, far above.
"""

import contextlib
import random
import socket
import struct
import subprocess
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import gevent
import gevent.queue
import gevent.signal
import gevent.socket
import msgspec
import pytest
from gevent.event import Event

from connhandler import (
    CentralTask,
    DisconnectReason,
    IncomingConnectionHandler,
    IncomingQueue,
    Limits,
    Message,
    Peer,
    PeerConnected,
    PeerDisconnected,
    tasks,
    testing,
)
from connhandler.framing.chunks import ChunkDecoder, encode_chunks
from connhandler.handler import ConnectionHandler, Instances, MessageQueue
from connhandler.jsonmessage import JsonMessageReader, JsonMessageWriter, Ping, Pong, Refused, ShuttingDown

HERE = Path(__file__).parent
KIB = 1024
PROMPT_SECONDS = 0.3
"""What is answered within this was not held up by anybody: it takes a few milliseconds, some tens on a busy machine."""
PATIENCE_SECONDS = 20.0
"""Whatever a test waits for comes sooner, unless it never comes."""


# --- the server under test ---------------------------------------------------------------------------


class Ask(Message):
    """Answered with `Answer`, of so many characters."""

    number: int = 0
    size: int = 0


class Note(Message):
    """Not answered; costs the central task `Server.note_seconds`."""

    text: str = ""


class Spread(Message):
    """Everybody who is connected gets `News`."""

    number: int
    size: int


class Leave(Message):
    """Answered with `Farewell`, and a disconnect."""


class Abort(Message):
    """The server aborts the connection."""


class Kill(Message):
    """The task of the connection is killed."""


class Break(Message):
    """The handler fails, in the way that `BREAKS` has under that name."""

    way: str


class Enter(Message):
    """The peer is logged in from now on, or not any more."""

    logged_in: bool = True


class Unheard(Message):
    """No handler is there for it."""


class Promote(Message):
    """Staff may send it."""


class Answer(Message):
    number: int
    text: str = ""


class News(Message):
    number: int
    text: str = ""


class Farewell(Message):
    pass


FromClient = Ask | Note | Spread | Leave | Abort | Kill | Break | Enter | Unheard | Promote | Pong
ToClient = Answer | News | Farewell | Ping | Refused | ShuttingDown


class ClientPeer(Peer):
    pass


class GuestPeer(Peer):
    requires_login = True


class StaffPeer(Peer):
    pass


class ClientReader(JsonMessageReader):
    message_type = FromClient


class ClientHandler(IncomingConnectionHandler):
    peer_class: type[Peer] = ClientPeer

    def create_connection_instances(self, sock: Any, address: Any) -> Instances:
        # What a client does not read is to wait in the outbox, not in the kernel.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 16 * KIB)
        return ClientReader(sock), JsonMessageWriter(sock), self.peer_class()


class GuestHandler(ClientHandler):
    peer_class = GuestPeer


class StaffHandler(ClientHandler):
    peer_class = StaffPeer


class MeasuredQueue(IncomingQueue):
    """Keeps the most messages that were in it at a time: of all peers together, and of one peer."""

    most = 0
    most_of_one = 0

    def put_over_bound(self, peer: Any, messages: Any) -> None:
        super().put_over_bound(peer, messages)
        self.most = max(self.most, self.qsize())
        if peer is not None:
            self.most_of_one = max(self.most_of_one, peer.in_flight)


class Server(CentralTask):
    """Does what the messages above say.

    Attributes:
        lives: what has come from each peer, oldest first: `PeerConnected`, messages, `PeerDisconnected`.
        ends: by the far end's address, the last message.
    """

    def __init__(self, limits: Limits | None = None) -> None:
        self.measured = MeasuredQueue((limits or Limits()).incoming_queue_messages)
        super().__init__("server", limits=limits, queue=self.measured)
        self.note_seconds = 0.0
        self.notes = 0
        self.spread = 0
        self.peers: dict[Peer, None] = {}
        self.lives: defaultdict[Peer, list[Any]] = defaultdict(list)
        self.ends: dict[Any, PeerDisconnected] = {}
        self._handled = Event()
        self.dispatch = {
            (Peer, PeerConnected): self.connected,
            (Peer, Ask): self.answer,
            (Peer, Note): self.note,
            (Peer, Spread): self.spread_news,
            (Peer, Leave): self.leave,
            (Peer, Abort): self.abort,
            (Peer, Kill): self.kill,
            (Peer, Break): self.fail,
            (Peer, Enter): self.enter,
            (Peer, Pong): self.pong,
            (StaffPeer, Promote): self.promote,
            (Peer, PeerDisconnected): self.disconnected,
        }

    def handle_burst(self, peer: Any, messages: Any) -> None:
        super().handle_burst(peer, messages)
        self._handled.set()

    def wait_until(self, condition: Callable[[], object], seconds: float = PATIENCE_SECONDS) -> None:
        """Wait until a condition holds, looking again each time that messages have been handled."""
        with gevent.Timeout(seconds, AssertionError("what was waited for did not happen")):
            while not condition():
                self._handled.clear()
                self._handled.wait()

    def end_of(self, client: Any) -> PeerDisconnected:
        """Wait for a client's `PeerDisconnected`."""
        address = client.getsockname()
        self.wait_until(lambda: address in self.ends)
        return self.ends[address]

    def connected(self, peer: Peer, message: PeerConnected) -> None:
        self.lives[peer].append(message)
        self.peers[peer] = None

    def disconnected(self, peer: Peer, message: PeerDisconnected) -> None:
        self.lives[peer].append(message)
        self.ends[peer.address] = message
        del self.peers[peer]

    def answer(self, peer: Peer, message: Ask) -> None:
        self.lives[peer].append(message)
        peer.send(Answer(message.number, "x" * message.size))

    def note(self, peer: Peer, message: Note) -> None:
        self.notes += 1
        until = time.perf_counter() + self.note_seconds
        while time.perf_counter() < until:
            pass

    def spread_news(self, peer: Peer, message: Spread) -> None:
        self.spread += message.size
        news = News(message.number, "x" * message.size)
        for everybody in self.peers:
            everybody.send(news)

    def leave(self, peer: Peer, message: Leave) -> None:
        peer.send(Farewell())
        peer.disconnect("asked to")

    def abort(self, peer: Peer, message: Abort) -> None:
        peer.abort("asked to")

    def kill(self, peer: Peer, message: Kill) -> None:
        assert peer._connection is not None
        peer._connection.task.kill(block=False)

    def fail(self, peer: Peer, message: Break) -> None:
        raise AssertionError("broken")

    def enter(self, peer: Peer, message: Enter) -> None:
        peer.logged_in = message.logged_in

    def pong(self, peer: Peer, message: Pong) -> None:
        pass

    def promote(self, peer: StaffPeer, message: Promote) -> None:
        peer.send(Farewell())


@contextlib.contextmanager
def serving(central: CentralTask, *handlers: ConnectionHandler) -> Iterator[None]:
    """Run a server in a block; whatever happens there, the central task must be alive in the end."""
    with testing.check_leaks():
        running = tasks.spawn(central.name, central.run)
        for handler in handlers:
            handler.start()
        try:
            yield
            assert not running.ready(), "the central task has died"
        finally:
            with tasks.wait_at_most(PATIENCE_SECONDS):
                for handler in handlers:
                    handler.stop(0.5)
            central.stop()
            running.join(PATIENCE_SECONDS)
            running.kill()


# --- the clients -------------------------------------------------------------------------------------


def wire(*messages: Message) -> bytes:
    return b"".join(encode_chunks(msgspec.json.encode(message)) for message in messages)


def connect(port: int, receive_bytes: int | None = None, source: str = "127.0.0.1") -> gevent.socket.socket:
    sock = gevent.socket.socket()
    if receive_bytes is not None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
    sock.bind((source, 0))
    sock.connect(("127.0.0.1", port))
    return sock


def client_of(handler: ConnectionHandler) -> testing.JsonClient:
    return testing.JsonClient("127.0.0.1", handler.port, ToClient, timeout=PATIENCE_SECONDS)


def read_all(sock: gevent.socket.socket) -> list[Any]:
    """Read until the server ends the connection, which must be after a whole message.

    Raises:
        ConnectionError: the server reset the connection.
    """
    framing = ChunkDecoder(max_message_bytes=1 << 26)
    decoder = msgspec.json.Decoder(ToClient)
    messages = []
    with gevent.Timeout(PATIENCE_SECONDS, AssertionError("the server did not end the connection")):
        while data := sock.recv(64 * KIB):
            messages += [decoder.decode(part) for part in framing.receive_data(data)]
    assert not framing.mid_message, "the connection ended in the middle of a message"
    return messages


def seconds_to_answer(client: testing.JsonClient, number: int = 0) -> float:
    """How long the server takes to answer an `Ask`."""
    asked = time.monotonic()
    client.send(Ask(number))
    assert client.expect(Answer).number == number
    return time.monotonic() - asked


def reset(sock: gevent.socket.socket) -> None:
    """Close so that the far end gets a reset."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


@contextlib.contextmanager
def flood(port: int, block: bytes, connections: int = 1, seconds: float = PATIENCE_SECONDS) -> Iterator[None]:
    """Have another process write `block` again and again, as fast as it can."""
    command = [sys.executable, str(HERE / "flooding_client.py"), str(port), str(connections), str(seconds)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE)
    assert process.stdin is not None
    process.stdin.write(block)
    process.stdin.close()
    try:
        yield
    finally:
        process.kill()
        process.wait()


class Pulse:
    """The longest time in which the hub ran no timer: in a plain task that sleeps, and in one of a central task."""

    SECONDS = 0.01

    def __init__(self, central: CentralTask | None = None) -> None:
        self.longest_sleep = 0.0
        self.longest_timer = 0.0
        self.beats = 0
        self._slept_at = self._fired_at = time.monotonic()
        self._central = central
        self._task: tasks.Task | None = None
        self._beaten = Event()

    def __enter__(self) -> "Pulse":
        self._slept_at = self._fired_at = time.monotonic()
        self._task = tasks.spawn("pulse", self._sleep)
        if self._central is not None:
            self._central.post(self._fire)
        return self

    def __exit__(self, *exception: object) -> None:
        assert self._task is not None
        self._task.kill()
        self._task = None
        now = time.monotonic()
        self.longest_sleep = max(self.longest_sleep, now - self._slept_at)
        if self._central is not None:
            self.longest_timer = max(self.longest_timer, now - self._fired_at)

    def wait(self, beats: int) -> None:
        """Wait for so many more beats."""
        until = self.beats + beats
        with gevent.Timeout(PATIENCE_SECONDS, AssertionError("the hub stands still")):
            while self.beats < until:
                self._beaten.clear()
                self._beaten.wait()

    def _sleep(self) -> None:
        while True:
            gevent.sleep(self.SECONDS)
            now = time.monotonic()
            self.longest_sleep = max(self.longest_sleep, now - self._slept_at)
            self._slept_at = now
            self.beats += 1
            self._beaten.set()

    def _fire(self) -> None:
        now = time.monotonic()
        self.longest_timer = max(self.longest_timer, now - self._fired_at)
        self._fired_at = now
        if self._task is not None:
            assert self._central is not None
            self._central.call_later(self.SECONDS, self._fire)


# --- 1: the central task never waits for a peer ------------------------------------------------------


def test_1_the_central_task_never_waits_for_a_peer() -> None:
    """Of a hundred who get the news, one does not read: it alone is dropped, and nobody notices."""
    readers, rounds, size = 99, 100, 8 * KIB
    limits = Limits(outgoing_soft_bytes=32 * KIB, outgoing_hard_bytes=128 * KIB)
    server = Server()
    handler = ClientHandler("clients", "127.0.0.1", 0, server.queue, limits=limits)
    with serving(server, handler):
        deaf = connect(handler.port, receive_bytes=4 * KIB)
        deaf.sendall(wire(Ask()))
        dropped_after = []
        clients = [client_of(handler) for _ in range(readers)]
        for client in clients:
            seconds_to_answer(client)

        def read(client: testing.JsonClient) -> list[int]:
            return [client.expect(News).number for _ in range(rounds)]

        reading = [tasks.spawn("reader", read, client) for client in clients[1:]]
        slowest = 0.0
        for number in range(rounds):
            asked = time.monotonic()
            clients[0].send(Spread(number, size))
            assert clients[0].expect(News).number == number
            slowest = max(slowest, time.monotonic() - asked)
            if len(server.peers) == readers:
                dropped_after.append(server.spread)
        assert [task.get(timeout=PATIENCE_SECONDS) for task in reading] == [list(range(rounds))] * (readers - 1)
        assert server.end_of(deaf).reason is DisconnectReason.SLOW_READER
        assert list(server.ends) == [deaf.getsockname()], "others were dropped too"
        assert dropped_after[0] <= limits.outgoing_hard_bytes + 128 * KIB, "too much was kept for the one that is deaf"
        assert slowest < PROMPT_SECONDS
        for client in clients:
            client.close()
        deaf.close()


def test_1_a_peer_that_stays_behind_is_dropped_in_time() -> None:
    """Less than the hard bound waits for it, but for too long."""
    limits = Limits(outgoing_soft_bytes=32 * KIB, outgoing_soft_seconds=0.4)
    server = Server()
    handler = ClientHandler("clients", "127.0.0.1", 0, server.queue, limits=limits)
    with serving(server, handler), client_of(handler) as client:
        deaf = connect(handler.port, receive_bytes=4 * KIB)
        asked = time.monotonic()
        deaf.sendall(wire(Ask(0, 512 * KIB)))
        client.send(Ask(0, 512 * KIB))
        assert len(client.expect(Answer).text) == 512 * KIB
        assert server.end_of(deaf).reason is DisconnectReason.SLOW_READER
        assert 0.4 <= time.monotonic() - asked < 4
        seconds_to_answer(client)
        assert list(server.ends) == [deaf.getsockname()]
        deaf.close()


# --- 2: one flooding peer takes its share and no more, and the hub keeps running ---------------------


def test_2_a_flooding_peer_takes_its_share_and_no_more() -> None:
    """Another peer is answered at once, and timers fire, while one peer sends without end."""
    server = Server()
    server.note_seconds = 0.0005
    handler = ClientHandler("clients", "127.0.0.1", 0, server.queue)
    with serving(server, handler), client_of(handler) as client, flood(handler.port, wire(Note()) * 10_000):
        server.wait_until(lambda: server.notes > 1000)
        with Pulse(server) as pulse:
            slowest = max(seconds_to_answer(client, number) for number in range(20))
            pulse.wait(20)
        assert server.measured.most_of_one <= handler.limits.in_flight_messages
        assert server.measured.most <= handler.limits.in_flight_messages + 5  # the other peer, timers
        assert slowest < PROMPT_SECONDS
        assert pulse.longest_sleep < PROMPT_SECONDS
        assert pulse.longest_timer < PROMPT_SECONDS


def test_2_a_flooding_peer_has_no_more_bytes_in_the_queue_than_its_share() -> None:
    server = Server()
    server.note_seconds = 0.001
    limits = Limits(in_flight_bytes=64 * KIB)
    handler = ClientHandler("clients", "127.0.0.1", 0, server.queue, limits=limits)
    with serving(server, handler), flood(handler.port, wire(Note("x" * 10_000)) * 20):
        server.wait_until(lambda: server.notes > 100)
        assert server.measured.most_of_one <= 6


def test_2_the_hub_keeps_running_however_full_the_queue_is() -> None:
    """Timers fire while two hundred peers fill the queue, which keeps its bound."""
    limits = Limits(incoming_queue_messages=2000)
    server = Server(limits)
    server.note_seconds = 0.001
    handler = ClientHandler("clients", "127.0.0.1", 0, server.queue, limits=limits)
    with serving(server, handler), flood(handler.port, wire(Note()) * 1000, connections=200):
        server.wait_until(server.queue.full)
        with Pulse() as pulse:
            notes = server.notes
            pulse.wait(50)
        assert server.notes > notes
        server.note_seconds = 0
        server.wait_until(lambda: server.notes > notes + 10_000)
        assert server.measured.most < 2000 + limits.in_flight_messages
        assert pulse.longest_sleep < PROMPT_SECONDS


class DeafReader(ClientReader):
    """Nothing that it receives is of interest."""

    def decode(self, data: bytes) -> Any:
        return None


class DeafHandler(ClientHandler):
    def create_connection_instances(self, sock: Any, address: Any) -> Instances:
        return DeafReader(sock), JsonMessageWriter(sock), ClientPeer()


def test_2_a_flood_of_messages_that_mean_nothing_does_not_hold_the_hub() -> None:
    server = Server()
    handler = DeafHandler("clients", "127.0.0.1", 0, server.queue)
    with serving(server, handler), Pulse(server) as pulse:
        with flood(handler.port, wire(Note()) * 10_000, seconds=4):
            server.wait_until(lambda: server.peers)
            pulse.wait(100)
        assert pulse.longest_sleep < PROMPT_SECONDS
        assert pulse.longest_timer < PROMPT_SECONDS


def test_2_a_queue_of_gevents_own_does_not_hold_the_hub_either() -> None:
    """Handlers take any queue with `put`; a reader and whoever empties it take turns, and the hub gets its own."""
    queue: gevent.queue.Queue[Any] = gevent.queue.Queue(100)
    taken = Counter[str]()

    def consume() -> None:
        for message in queue:
            taken[type(message).__name__] += 1

    with testing.check_leaks():
        handler = ClientHandler("clients", "127.0.0.1", 0, queue)
        handler.start()
        consuming = tasks.spawn("consumer", consume)
        with Pulse() as pulse, flood(handler.port, wire(Note()) * 10_000, seconds=4):
            pulse.wait(100)
        handler.stop(0.5)
        consuming.kill()
    assert taken["Note"] > 1000
    assert pulse.longest_sleep < PROMPT_SECONDS
