"""The eight invariants of `docs/design.md`: each has tests here, whose names say which and what it promises.

Real sockets on loopback and real load. Times are bounded with a wide margin: where the protection is in place, what is
measured stays far below the bound; where it is taken away, far above.
"""

import contextlib
import gc
import itertools
import json
import os
import random
import signal
import socket
import sqlite3
import statistics
import struct
import subprocess
import sys
import time
import tracemalloc
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import gevent
import gevent.queue
import gevent.socket
import gevent.ssl
import msgspec
import pytest

from connhandler import (
    CentralTask,
    DisconnectReason,
    IncomingQueue,
    Limits,
    Message,
    Peer,
    PeerConnected,
    PeerDisconnected,
    ProtocolError,
    RefusalReason,
    tasks,
    testing,
)
from connhandler.central import SLICE_SECONDS
from connhandler.framing.chunks import encode_chunks
from connhandler.handler import ConnectionHandler, Instances
from connhandler.jsonmessage import JsonServerMessageWriter, Refused, ShuttingDown
from connhandler.sockets import end_politely
from login_server import protocol as login
from tests.connhandler.askserver import (
    BREAKS,
    KIB,
    PATIENCE_SECONDS,
    Answer,
    Ask,
    Break,
    ClientHandler,
    ClientPeer,
    ClientReader,
    Enter,
    Farewell,
    GuestHandler,
    Leave,
    News,
    Note,
    Promote,
    Server,
    Spread,
    StaffHandler,
    Unheard,
)
from tests.connhandler.load import (
    PROMPT_SECONDS,
    Pulse,
    client_of,
    connect,
    flood,
    read_all,
    seconds_to_answer,
    serving,
    wire,
)
from tests.connhandler.loginoffice import LoginOffice
from tests.connhandler.signalled_server import FAREWELL, Settings, Work
from tests.connhandler.signalledprogram import Program
from tests.connhandler.source import ROOT, called, imported, program_modules
from tests.connhandler.visit import Visit


@pytest.fixture(autouse=True, scope="module")
def few_objects() -> Iterator[None]:
    """The functions and classes of all modules need not be looked through each time that a test looks for leaks."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


# --- 1: the central task never waits for a peer ------------------------------------------------------


def test_1_the_central_task_never_waits_for_a_peer() -> None:
    """Of a hundred who get the news, one does not read: it alone is dropped, and nobody notices."""
    readers, rounds, size = 99, 100, 8 * KIB
    limits = Limits(max_message_bytes=64 * KIB, outgoing_soft_bytes=32 * KIB, outgoing_hard_bytes=128 * KIB)
    server = Server()
    handler = ClientHandler("clients", "127.0.0.1", 0, server.queue, limits=limits)
    with serving(server, handler), contextlib.ExitStack() as stack:
        deaf = stack.enter_context(connect(handler.port, receive_bytes=4 * KIB))
        deaf.sendall(wire(Ask()))
        dropped_after = []
        clients = [stack.enter_context(client_of(handler)) for _ in range(readers)]
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
        assert server.end_of(deaf.getsockname()).reason is DisconnectReason.SLOW_READER
        assert list(server.ends) == [deaf.getsockname()], "others were dropped too"
        assert dropped_after, "the deaf one was not dropped"
        assert dropped_after[0] <= limits.outgoing_hard_bytes + 128 * KIB, "too much was kept for it"
        assert slowest < 2, "to send to a hundred, and for all of them to read, takes some 20 ms"


def test_1_a_peer_that_stays_behind_is_dropped_in_time() -> None:
    """Less than the hard bound waits for it, but for too long."""
    limits = Limits(outgoing_soft_bytes=32 * KIB, outgoing_soft_seconds=0.4)
    server = Server()
    handler = ClientHandler("clients", "127.0.0.1", 0, server.queue, limits=limits)
    with serving(server, handler), client_of(handler) as client, connect(handler.port, receive_bytes=4 * KIB) as deaf:
        asked = time.monotonic()
        deaf.sendall(wire(Ask(0, 512 * KIB)))
        client.send(Ask(0, 512 * KIB))
        assert len(client.expect(Answer).text) == 512 * KIB
        assert server.end_of(deaf.getsockname()).reason is DisconnectReason.SLOW_READER
        assert 0.4 <= time.monotonic() - asked < 4
        seconds_to_answer(client)
        assert list(server.ends) == [deaf.getsockname()]


# --- 2: one flooding peer takes its share and no more, and the hub keeps running ---------------------


def test_2_a_flooding_peer_takes_its_share_and_no_more() -> None:
    """Another peer is answered at once, and timers fire, while one peer sends without end."""
    server = Server()
    server.note_seconds = 0.001
    handler = ClientHandler("clients", "127.0.0.1", 0, server.queue)
    with serving(server, handler), client_of(handler) as client, flood(handler.port, wire(Note()) * 10_000):
        server.wait_until(lambda: server.notes > 500)
        with Pulse(server, time.thread_time) as pulse:
            usual = statistics.median(seconds_to_answer(client, number) for number in range(20))
            pulse.wait(20)
        assert server.measured.most_of_one <= handler.limits.in_flight_messages
        assert server.measured.most <= handler.limits.in_flight_messages + 5  # the other peer, timers
        assert usual < PROMPT_SECONDS
        assert pulse.longest_sleep < PROMPT_SECONDS
        assert pulse.longest_timer < PROMPT_SECONDS


@pytest.mark.parametrize("note_seconds", [0.0003, 0.01])
def test_2_the_central_task_gives_way_on_a_clock(note_seconds: float) -> None:
    """Within a burst of one peer; and however often its queue is empty in between: a reader that fills it again takes
    turns with this task, and both together must not keep the event loop from turning."""
    server = Server()
    server.note_seconds = note_seconds
    handler = ClientHandler("clients", "127.0.0.1", 0, server.queue)
    notes = [0]
    loop_turned = gevent.get_hub().loop.check()
    loop_turned.start(lambda: notes.append(server.notes))
    try:
        with serving(server, handler), flood(handler.port, wire(Note()) * 10_000):
            server.wait_until(lambda: server.notes * note_seconds > 1)
    finally:
        loop_turned.stop()
        loop_turned.close()
    most_in_a_turn = max(after - before for before, after in itertools.pairwise(notes))
    assert most_in_a_turn * note_seconds < 8 * SLICE_SECONDS


def test_2_a_flooding_peer_has_no_more_bytes_in_the_queue_than_its_share() -> None:
    server = Server()
    server.note_seconds = 0.001
    limits = Limits(in_flight_bytes=64 * KIB)
    handler = ClientHandler("clients", "127.0.0.1", 0, server.queue, limits=limits)
    with serving(server, handler), flood(handler.port, wire(Note("x" * 10_000)) * 20):
        server.wait_until(lambda: server.notes > 100)
        assert server.measured.most_of_one <= 1 + 6  # `PeerConnected` may be one of them


def test_2_the_hub_keeps_running_however_full_the_queue_is() -> None:
    """Timers fire while two hundred peers fill the queue, which keeps its bound."""
    limits = Limits(incoming_queue_messages=2000)
    server = Server(limits)
    server.note_seconds = 0.001
    handler = ClientHandler("clients", "127.0.0.1", 0, server.queue, limits=limits)
    with serving(server, handler), flood(handler.port, wire(Note()) * 1000, connections=200):
        server.wait_until(lambda: server.measured.most >= 2000)
        with Pulse(clock=time.thread_time) as pulse:
            notes = server.notes
            pulse.wait(50)
        assert server.notes > notes
        server.note_seconds = 0
        server.wait_until(lambda: server.notes > notes + 10_000)
        assert server.measured.most < 2000 + limits.in_flight_messages
        assert pulse.longest_sleep < PROMPT_SECONDS


def test_2_sigterm_is_answered_however_full_the_queue_is() -> None:
    """The signal comes when the queue has just become full."""
    settings = Settings(limits=Limits(incoming_queue_messages=3500), note_seconds=0.001, report_queued=3400)
    with Program(settings) as program, flood(program.port, wire(Note()) * 1000, connections=250):
        assert program.output.readline() == b"queued\n"
        program.signal(signal.SIGTERM)
        assert program.seconds_to_line("ending (SIGTERM)") < 1


def test_2_a_flooding_peer_that_is_being_dropped_does_not_hold_the_hub() -> None:
    """While its connection lingers, so that it can read why, it goes on sending."""
    server = Server()
    handler = ClientHandler("clients", "127.0.0.1", 0, server.queue)
    with serving(server, handler), Pulse(server, time.thread_time) as pulse:
        with flood(handler.port, encode_chunks(b"garbage") * 10_000, seconds=4):
            server.wait_until(lambda: server.peers)
            pulse.wait(100)
            assert handler.connections == 1
        assert pulse.longest_sleep < PROMPT_SECONDS
        assert pulse.longest_timer < PROMPT_SECONDS


class EndlessSocket(gevent.socket.socket):
    """The far end always sends faster than is read: `recv` never has to wait, and so never lets the hub run."""

    SECONDS = 4

    def shutdown(self, how: int) -> None:
        self.ends_at = time.monotonic() + self.SECONDS

    def recv(self, size: int, flags: int = 0) -> bytes:
        return b"x" if time.monotonic() < self.ends_at else b""


def test_2_nor_does_one_that_sends_faster_than_is_read() -> None:
    with EndlessSocket() as sock, Pulse(clock=time.thread_time) as pulse:
        pulse.wait(1)
        began = time.monotonic()
        end_politely(sock, 0.3)
        assert 0.3 <= time.monotonic() - began < 2
        pulse.wait(1)
    assert pulse.longest_sleep < PROMPT_SECONDS


class DeafReader(ClientReader):
    """Nothing that it receives is of interest."""

    def decode(self, data: bytes) -> Any:
        return None


class DeafHandler(ClientHandler):
    def create_connection_instances(self, sock: Any, address: Any) -> Instances:
        return DeafReader(sock), JsonServerMessageWriter(sock), ClientPeer()


def test_2_a_flood_of_messages_that_mean_nothing_does_not_hold_the_hub() -> None:
    server = Server()
    handler = DeafHandler("clients", "127.0.0.1", 0, server.queue)
    with serving(server, handler), Pulse(server, time.thread_time) as pulse:
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
        with Pulse(clock=time.thread_time) as pulse, flood(handler.port, wire(Note()) * 10_000, seconds=4):
            pulse.wait(100)
        handler.stop(0.5)
        consuming.kill()
    assert taken["Note"] > 1000
    assert pulse.longest_sleep < PROMPT_SECONDS


# --- 3: PeerConnected first, PeerDisconnected last, each exactly once, with the reason ---------------


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_3_peer_connected_first_and_peer_disconnected_last_each_exactly_once(seed: int) -> None:
    """Some hundred connections end at the same time, in every way that there is, at random moments."""
    generator = random.Random(seed)
    server = Server()
    handler = ClientHandler("clients", "127.0.0.1", 0, server.queue)
    visits = [Visit(generator) for _ in range(150)]
    with serving(server, handler):
        running = {visit: tasks.spawn("visit", visit.run, handler.port) for visit in visits}
        for visit, task in running.items():
            if visit.way != "stay":
                task.get(timeout=PATIENCE_SECONDS)
        staying = sum(visit.way == "stay" for visit in visits)
        server.wait_until(lambda: len(server.ends) == len(visits) - staying)
        asked = sum(visit.asks for visit in visits if visit.way == "stay")
        server.wait_until(lambda: sum(map(len, map(server.lives.__getitem__, server.peers))) == staying + asked)
        handler.stop()
        gevent.joinall(list(running.values()), timeout=PATIENCE_SECONDS, raise_error=True)
        server.wait_until(lambda: not server.peers)
    check_lives(server)
    assert len(server.lives) == len(visits)
    for visit in visits:
        assert server.ends[visit.address].reason in visit.reasons, visit.way
    assert Counter(end.reason.value for end in server.ends.values()) + Counter(accepted=len(visits)) == handler.counters


def check_lives(server: Server) -> None:
    """`PeerConnected`, the messages in order, `PeerDisconnected`: for every peer."""
    for first, *messages, last in server.lives.values():
        assert isinstance(first, PeerConnected)
        assert [message.number for message in messages] == list(range(len(messages)))
        assert isinstance(last, PeerDisconnected)


@pytest.mark.parametrize("seed", [1, 2])
def test_3_it_holds_when_the_handler_stops_in_the_middle(seed: int) -> None:
    """Connections of which no message has come yet, and those that are ending by themselves, among them."""
    generator = random.Random(seed)
    server = Server()
    handler = ClientHandler("clients", "127.0.0.1", 0, server.queue)
    visits = [Visit(generator) for _ in range(150)]

    def visit_whatever_happens(visit: Visit) -> None:
        with contextlib.suppress(ConnectionError, AssertionError):
            visit.run(handler.port)

    with serving(server, handler):
        running = [tasks.spawn("visit", visit_whatever_happens, visit) for visit in visits]
        server.wait_until(lambda: len(server.lives) > 100)
        handler.stop(0.1)
        gevent.joinall(running, timeout=PATIENCE_SECONDS, raise_error=True)
        server.wait_until(lambda: not server.peers)
    check_lives(server)
    assert len(server.lives) == len(server.ends) >= 100


def test_3_replies_queued_before_a_disconnect_arrive() -> None:
    """However slowly they are read, and although the client goes on talking."""
    server = Server()
    handler = ClientHandler("clients", "127.0.0.1", 0, server.queue)
    with serving(server, handler), connect(handler.port, receive_bytes=4 * KIB) as sock:
        sock.sendall(wire(*(Ask(number, 50_000) for number in range(10)), Leave()))
        server.wait_until(lambda: any(peer.dismissed for peer in server.peers))
        sock.sendall(wire(Ask()) * 1000)
        *answers, last = read_all(sock)
        assert [(one.number, len(one.text)) for one in answers] == [(number, 50_000) for number in range(10)]
        assert isinstance(last, Farewell)
        address = sock.getsockname()
        sock.close()
        end = server.end_of(address)
        assert (end.reason, end.detail) == (DisconnectReason.CLOSED_BY_US, "asked to"), "the first reason stays"


def test_3_a_connection_that_never_came_into_the_queue_is_not_heard_of() -> None:
    """The queue is full, and the handler stops: what was not announced is not taken back."""
    queue = IncomingQueue(1)
    queue.put(PeerConnected(ClientPeer()))
    with testing.check_leaks():
        handler = ClientHandler("clients", "127.0.0.1", 0, queue)
        handler.start()
        with connect(handler.port), gevent.Timeout(PATIENCE_SECONDS):
            while not handler.connections:
                gevent.sleep(0)
            handler.stop(0.1)
    assert queue.qsize() == 1


def test_3_what_was_sent_before_a_half_close_is_answered() -> None:
    """Although the central task comes to it only long after the client has ended its side."""
    server = Server()
    server.note_seconds = 0.01
    handler = ClientHandler("clients", "127.0.0.1", 0, server.queue)
    with serving(server, handler), connect(handler.port) as sock:
        sock.sendall(wire(*[Note()] * 10, *map(Ask, range(5))))
        sock.shutdown(socket.SHUT_WR)
        assert [one.number for one in read_all(sock)] == list(range(5))
        assert server.end_of(sock.getsockname()).reason is DisconnectReason.CLOSED_BY_PEER


# --- 4: what one peer does wrong costs that peer alone -----------------------------------------------

BAD_INPUT = {
    "not JSON": encode_chunks(b"garbage"),
    "not an object": encode_chunks(b"[1, 2]"),
    "not UTF-8": encode_chunks(b'{"type": "break", "way": "\xff"}'),
    "nested without end": encode_chunks(b"[" * 100_000),
    "unknown type": encode_chunks(b'{"type": "no_such_type"}'),
    "no type": encode_chunks(b"{}"),
    "wrong type of a field": encode_chunks(b'{"type": "ask", "number": "one"}'),
    "a number that is too large": encode_chunks(b'{"type": "ask", "number": 1e400}'),
    "no handler for the message": wire(Unheard()),
    "a message of another kind of connection": wire(Promote()),
}


@contextlib.contextmanager
def nobody_else_notices(server: Server, *handlers: ConnectionHandler) -> Iterator[None]:
    """Two more clients of each handler, one of them there before, are served as if nothing happened in the block."""
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(client_of(handler)) for handler in handlers]
        for client in clients:
            seconds_to_answer(client)
        ended = len(server.ends)
        yield
        clients += [stack.enter_context(client_of(handler)) for handler in handlers]
        for client in clients:
            seconds_to_answer(client)
        assert len(server.ends) == ended + 1


@pytest.mark.parametrize("bad", BAD_INPUT)
def test_4_bad_input_costs_that_peer_alone(bad: str) -> None:
    """It is told what was wrong, after the answers to what it said before."""
    server = Server()
    clients = ClientHandler("clients", "127.0.0.1", 0, server.queue)
    staff = StaffHandler("staff", "127.0.0.1", 0, server.queue)
    with serving(server, clients, staff), nobody_else_notices(server, clients, staff):
        with connect(clients.port) as sock:
            address = sock.getsockname()
            sock.sendall(wire(Ask(7)) + BAD_INPUT[bad] + wire(Ask(8)))
            answer, refused = read_all(sock)
        assert answer == Answer(7)
        assert refused.code == "protocol_error"
        end = server.end_of(address)
        assert end.reason is DisconnectReason.PROTOCOL_ERROR
        assert end.detail == refused.message


def test_4_a_message_that_is_right_elsewhere_is_taken_there() -> None:
    """What costs a client its connection, staff may say: the same message, the same queue, another kind of peer."""
    server = Server()
    staff = StaffHandler("staff", "127.0.0.1", 0, server.queue)
    with serving(server, staff), client_of(staff) as client:
        client.send(Promote())
        client.expect(Farewell)


@pytest.mark.parametrize("way", BREAKS)
def test_4_an_exception_in_a_handler_costs_that_peer_alone(way: str, caplog: pytest.LogCaptureFixture) -> None:
    """It is told that it was not its fault, and the log says whose."""
    server = Server()
    handler = ClientHandler("clients", "127.0.0.1", 0, server.queue)
    with serving(server, handler), nobody_else_notices(server, handler):
        with connect(handler.port) as sock:
            address = sock.getsockname()
            sock.sendall(wire(Ask(7), Break(way), Ask(8)))
            answer, refused = read_all(sock)
        assert answer == Answer(7)
        assert refused.code == "internal_error"
        assert server.end_of(address).reason is DisconnectReason.INTERNAL_ERROR
    (record,) = [record for record in caplog.records if record.exc_info]
    assert "Break" in record.getMessage()
    assert "clients[2]" in record.getMessage()


class FragileServer(Server):
    """Fails where no message of a peer is being handled."""

    def connected(self, peer: Peer, message: PeerConnected) -> None:
        super().connected(peer, message)
        if peer.serial == 1:
            raise ValueError("no such greeting")

    def disconnected(self, peer: Peer, message: PeerDisconnected) -> None:
        super().disconnected(peer, message)
        raise ValueError("no such farewell")

    def answer(self, peer: Peer, message: Ask) -> None:
        super().answer(peer, message)
        self.call_later(0, self.answer_later)

    def answer_later(self) -> None:
        raise ProtocolError("no such timer")


def test_4_an_exception_anywhere_else_in_the_central_task_costs_at_most_that_peer(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """In the handlers of `PeerConnected` and `PeerDisconnected`, and in a timer; none goes unseen."""
    server = FragileServer()
    handler = ClientHandler("clients", "127.0.0.1", 0, server.queue)
    with serving(server, handler):
        with connect(handler.port) as sock:
            (refused,) = read_all(sock)
            assert refused.code == "internal_error"
        with client_of(handler) as client:
            for number in range(3):
                seconds_to_answer(client, number)
        with client_of(handler) as client:
            seconds_to_answer(client)
    failures = {str(record.exc_info[1]) for record in caplog.records if record.exc_info}
    assert failures == {"no such greeting", "no such farewell", "no such timer"}


class FragileReader(ClientReader):
    def decode(self, data: bytes) -> Message:
        message = super().decode(data)
        if isinstance(message, Break):
            raise KeyError(message.way)
        return message


class FragileWriter(JsonServerMessageWriter):
    """Sends each message by itself, and fails at those that break it."""

    def send(self, data: bytes) -> None:
        if b"7" in data:
            raise KeyError("seven")
        super().send(data)

    def encode_goodbye(self, reason: DisconnectReason, detail: str, exception: BaseException | None) -> bytes:
        raise KeyError("goodbye")


class FragileHandler(ClientHandler):
    def create_connection_instances(self, sock: Any, address: Any) -> Instances:
        return FragileReader(sock), FragileWriter(sock), ClientPeer()


@pytest.mark.parametrize(
    ("message", "reason"),
    [(Break("reader"), DisconnectReason.INTERNAL_ERROR), (Ask(7), DisconnectReason.CONNECTION_LOST)],
    ids=["decode", "send"],
)
def test_4_an_exception_in_a_reader_or_writer_costs_that_peer_alone(message: Message, reason: DisconnectReason) -> None:
    """The bug is that connection type's; neither the central task nor another connection has to do with it."""
    server = Server()
    handler = FragileHandler("clients", "127.0.0.1", 0, server.queue)
    with serving(server, handler), nobody_else_notices(server, handler):
        with connect(handler.port) as sock:
            sock.sendall(wire(message))
            address = sock.getsockname()
            with contextlib.suppress(ConnectionError):
                assert read_all(sock) == []
        assert server.end_of(address).reason is reason


# --- 5: everything that a remote end can make grow has a bound ---------------------------------------


def test_5_a_message_that_is_too_large_is_refused_before_it_is_stored() -> None:
    """Its announcement is enough: not a byte of what is over the bound was sent."""
    server = Server()
    limits = Limits(max_message_bytes=100_000)
    handler = ClientHandler("clients", "127.0.0.1", 0, server.queue, limits=limits)
    full_chunk = struct.pack("<H", 0) + b" " * 0xFFFF
    with serving(server, handler):
        for announced in (struct.pack("<H", 0), struct.pack("<H", 100_001 - 0xFFFF)):
            with connect(handler.port) as sock:
                sock.sendall(full_chunk + announced)
                (refused,) = read_all(sock)
                assert refused.code == "protocol_error"
                assert "more than 100000 bytes" in refused.message
        with connect(handler.port) as sock:
            sock.sendall(full_chunk + struct.pack("<H", 100_000 - 0xFFFF) + wire(Ask())[2:].ljust(100_000 - 0xFFFF))
            sock.shutdown(socket.SHUT_WR)
            assert read_all(sock) == [Answer(0)]


def ended(sock: gevent.socket.socket, seconds: float | None = None) -> bool:
    """Read for so long, or until something comes; return whether that was the end of the connection."""
    sock.settimeout(seconds)
    try:
        return sock.recv(KIB) == b""
    except TimeoutError:
        return False
    except ConnectionError:
        return True


class Deadline(NamedTuple):
    """A client that does not keep its time.

    Attributes:
        says: what it sends at once.
        drips: what it sends after that, one after the other, until it is dropped.
        limits: of which one passes.
        seconds: that one.
        reason: why it is dropped.
    """

    says: bytes
    drips: Iterable[bytes]
    limits: Limits
    seconds: float
    reason: DisconnectReason
    handler_class: type[ClientHandler] = ClientHandler


DRIP_SECONDS = 0.03
LONG_ASK = encode_chunks(msgspec.json.encode(Ask()) + b" " * 1000)
DEADLINES = {
    "says nothing": Deadline(b"", (), Limits(first_message_seconds=0.3), 0.3, DisconnectReason.FIRST_MESSAGE_TIMEOUT),
    "drips its first message": Deadline(
        b"", map(bytes, zip(LONG_ASK)), Limits(message_seconds=0.3), 0.3, DisconnectReason.MESSAGE_TIMEOUT
    ),
    "drips a later message": Deadline(
        wire(Ask()), map(bytes, zip(LONG_ASK)), Limits(message_seconds=0.3), 0.3, DisconnectReason.MESSAGE_TIMEOUT
    ),
    "stops in the middle of a message": Deadline(
        wire(Ask(), Ask())[:-5], (), Limits(message_seconds=0.3), 0.3, DisconnectReason.MESSAGE_TIMEOUT
    ),
    "talks but does not log in": Deadline(
        b"", itertools.repeat(wire(Ask())), Limits(login_seconds=0.4), 0.4, DisconnectReason.LOGIN_TIMEOUT, GuestHandler
    ),
    "does not answer heartbeats": Deadline(
        wire(Ask()),
        (),
        Limits(heartbeat_seconds=0.15, missed_heartbeats=2),
        0.45,
        DisconnectReason.HEARTBEAT_TIMEOUT,
    ),
    "goes silent": Deadline(
        wire(Ask()), (), Limits(heartbeat_seconds=0, idle_seconds=0.3), 0.3, DisconnectReason.IDLE_TIMEOUT
    ),
}


@pytest.mark.parametrize("name", DEADLINES)
def test_5_what_a_peer_may_take_in_time_is_bounded(name: str) -> None:
    says, drips, limits, seconds, reason, handler_class = DEADLINES[name]
    server = Server()
    handler = handler_class("clients", "127.0.0.1", 0, server.queue, limits=limits)
    with serving(server, handler), connect(handler.port) as sock:
        began = time.monotonic()
        sock.sendall(says)
        with gevent.Timeout(PATIENCE_SECONDS, AssertionError("it was not dropped")):
            for drop in drips:
                sock.sendall(drop)
                if ended(sock, DRIP_SECONDS):
                    break
            while not ended(sock):
                pass
        address = sock.getsockname()
        sock.close()
        assert server.end_of(address).reason is reason
        assert seconds <= time.monotonic() - began < 10 * seconds


def test_5_a_peer_that_answers_heartbeats_may_be_silent_for_ever() -> None:
    """So that the bounds above are seen to be about those that do not answer."""
    limits = Limits(heartbeat_seconds=0.05, missed_heartbeats=2)
    server = Server()
    handler = ClientHandler("clients", "127.0.0.1", 0, server.queue, limits=limits)
    with serving(server, handler), client_of(handler) as client:
        client.send(Ask())
        client.expect(Answer)
        with pytest.raises(TimeoutError):
            client.receive(timeout=1.0)
        seconds_to_answer(client)


def test_5_a_tls_handshake_is_bounded_in_time_and_holds_nobody_up() -> None:
    server = Server()
    handler = ClientHandler(
        "clients",
        "127.0.0.1",
        0,
        server.queue,
        limits=Limits(handshake_seconds=0.3),
        ssl_context=gevent.ssl.SSLContext(gevent.ssl.PROTOCOL_TLS_SERVER),
    )
    with serving(server, handler):
        began = time.monotonic()
        silent = [connect(handler.port) for _ in range(20)]
        for sock in silent:
            assert sock.recv(1) == b""
            sock.close()
        assert 0.3 <= time.monotonic() - began < 3
        assert handler.counters == {"accepted": 20, RefusalReason.HANDSHAKE_FAILED.value: 20}
        assert not server.lives


@pytest.mark.parametrize(
    ("limits", "reason"),
    [
        (Limits(max_connections=5), RefusalReason.TOO_MANY_CONNECTIONS),
        (Limits(max_connections_per_address=5), RefusalReason.TOO_MANY_FROM_ADDRESS),
        (Limits(max_not_logged_in=5), RefusalReason.TOO_MANY_NOT_LOGGED_IN),
    ],
    ids=["in all", "from one address", "not logged in"],
)
def test_5_connections_are_bounded(limits: Limits, reason: RefusalReason, caplog: pytest.LogCaptureFixture) -> None:
    """In all, from one address, and not logged in; as soon as there is room again, the next one is served.

    A storm of refusals is counted, but it is not a storm of log lines.
    """
    caplog.set_level("INFO")
    server = Server()
    handler = GuestHandler("guests", "127.0.0.1", 0, server.queue, limits=limits)
    with serving(server, handler), contextlib.ExitStack() as stack:
        guests = [stack.enter_context(client_of(handler)) for _ in range(5)]
        for guest in guests:
            seconds_to_answer(guest)
        for _ in range(100):
            with connect(handler.port) as refused, contextlib.suppress(ConnectionResetError):
                assert refused.recv(1) == b""
        assert handler.counters == {"accepted": 105 if "logged" in reason else 5, reason.value: 100}
        assert len([record for record in caplog.records if reason.value in record.getMessage()]) <= 5
        with connect(handler.port, source="127.0.0.2") as elsewhere:
            elsewhere.sendall(wire(Ask(), Leave()))
            with contextlib.suppress(ConnectionResetError):
                answered = elsewhere.recv(KIB) != b""
                assert answered == (reason is RefusalReason.TOO_MANY_FROM_ADDRESS)
        if reason is RefusalReason.TOO_MANY_NOT_LOGGED_IN:
            guests[0].send(Enter())
            seconds_to_answer(guests[0])
        else:
            address = guests[0].sock.getsockname()
            guests.pop(0).close()
            server.end_of(address)
        guests.append(stack.enter_context(client_of(handler)))
        for guest in guests:
            seconds_to_answer(guest)


class LateServer(Server):
    """Logs its guests in and out at the worst moments."""

    def enter(self, peer: Peer, message: Enter) -> None:
        peer.disconnect("too late")
        peer.logged_in = message.logged_in

    def disconnected(self, peer: Peer, message: PeerDisconnected) -> None:
        super().disconnected(peer, message)
        peer.logged_in = not peer.logged_in


def test_5_the_count_of_those_not_logged_in_comes_back_to_zero() -> None:
    """Else a peer that logs in just when its connection ends takes a place for ever, and in time all of them."""
    server = LateServer()
    handler = GuestHandler("guests", "127.0.0.1", 0, server.queue)
    with serving(server, handler):
        for logged_in in (True, False, True, False):
            with connect(handler.port) as sock:
                sock.sendall(wire(Enter(logged_in)))
                assert read_all(sock) == []
        server.wait_until(lambda: len(server.ends) == 4)
        assert handler.not_logged_in == 0


@pytest.mark.parametrize("reads", [True, False], ids=["reads but does not close", "does not read"])
def test_5_the_linger_of_a_peer_that_never_closes_is_bounded(reads: bool) -> None:
    """It is being disconnected, and has time to read what was said to it, but not for ever."""
    server = Server()
    handler = ClientHandler("clients", "127.0.0.1", 0, server.queue, limits=Limits(linger_seconds=0.4))
    with serving(server, handler), connect(handler.port, receive_bytes=4 * KIB) as sock:
        began = time.monotonic()
        sock.sendall(wire(Ask(0, 512 * KIB), Leave()))
        if reads:
            assert read_all(sock) == [Answer(0, "x" * 512 * KIB), Farewell()]
        assert server.end_of(sock.getsockname()).reason is DisconnectReason.CLOSED_BY_US
        assert 0.4 <= time.monotonic() - began < 4


@pytest.mark.parametrize("reads", [True, False], ids=["reads but does not close", "does not read"])
def test_5_an_abort_ends_a_linger_at_once(reads: bool) -> None:
    """Whoever has no more patience need not wait for the bound; what was the reason stays the reason."""
    server = Server()
    handler = ClientHandler("clients", "127.0.0.1", 0, server.queue, limits=Limits(linger_seconds=60))
    with serving(server, handler), connect(handler.port, receive_bytes=4 * KIB) as sock:
        sock.sendall(wire(Ask(0, 512 * KIB), Leave()))
        server.wait_until(lambda: any(peer.dismissed for peer in server.peers))
        if reads:
            read_all(sock)
        (peer,) = server.peers
        began = time.monotonic()
        peer.abort("no more patience")
        end = server.end_of(sock.getsockname())
        assert (end.reason, end.detail) == (DisconnectReason.CLOSED_BY_US, "asked to")
        assert time.monotonic() - began < PROMPT_SECONDS


def test_5_the_memory_of_a_flood_does_not_grow() -> None:
    """Twenty connections send some hundred megabytes a second, and the central task is slow."""
    limits = Limits(in_flight_bytes=64 * KIB)
    server = Server()
    server.note_seconds = 0.005
    handler = ClientHandler("clients", "127.0.0.1", 0, server.queue, limits=limits)
    with serving(server, handler), flood(handler.port, wire(Note("x" * 10_000)) * 100, connections=20):
        server.wait_until(lambda: len(server.peers) == 20)
        tracemalloc.start()
        try:
            server.wait_until(lambda: server.notes > 200)
            _, most = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        # In the queue, in the burst that was read, and in the socket's last `recv`.
        assert most < 20 * (limits.in_flight_bytes + 3 * 64 * KIB)


def test_5_cancelled_timers_do_not_pile_up() -> None:
    """A timer that a peer's messages set and cancel again and again is forgotten long before it is due."""
    central = Server()
    tracemalloc.start()
    try:
        for _ in range(30_000):
            central.call_later(3600, print).cancel()
        now, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    central._stop()
    assert now < KIB * KIB


# --- 6: nothing blocks the hub -----------------------------------------------------------------------


def test_6_password_hashing_does_not_block_the_hub(tmp_path: Path) -> None:
    """Eighty players register at the same moment, with the parameters that hashing really has."""
    office = LoginOffice(tmp_path)

    def enter(number: int) -> None:
        with office.visit() as client:
            client.send(login.Register(name=f"player{number}", password="correct horse"))
            client.expect(login.Registered)
            if number % 20 == 0:
                client.send(login.LogIn(name=f"player{number}", password="correct horse"))
                client.expect(login.LoggedIn)

    with office.open():
        entering = [tasks.spawn("player", enter, number) for number in range(80)]
        office.watch(lambda: all(task.ready() for task in entering))
        for task in entering:
            task.get()
        assert office.back_office.password_pool.counters["submitted"] == 84


def test_6_the_database_does_not_block_the_hub(tmp_path: Path) -> None:
    """Somebody else holds its lock, and one player waits for it."""
    office = LoginOffice(tmp_path)
    with office.open(), office.visit() as client, contextlib.closing(sqlite3.connect(office.file)) as other:
        other.execute("BEGIN IMMEDIATE")
        client.send(login.Register(name="alice", password="correct horse"))
        office.watch(lambda: office.back_office.database_pool.outstanding)
        turns = iter(range(50))
        office.watch(lambda: next(turns, None) is None)
        assert office.back_office.database_pool.outstanding, "it was not the lock that was waited for"
        other.rollback()
        client.expect(login.Registered)


def test_6_the_queue_in_front_of_the_threads_is_bounded(tmp_path: Path) -> None:
    """Who comes when it is full is told so at once, and can try again."""
    office = LoginOffice(tmp_path, hashing_queue=4)
    with office.open(), contextlib.ExitStack() as stack:
        clients = [stack.enter_context(office.visit()) for _ in range(30)]
        for number, client in enumerate(clients):
            client.send(login.Register(name=f"player{number}", password="correct horse"))
        answers = [client.receive() for client in clients]
        busy = [client for client, answer in zip(clients, answers, strict=True) if isinstance(answer, Refused)]
        assert {answer.code for answer in answers if isinstance(answer, Refused)} == {"busy"}
        assert len(clients) - len(busy) >= 4
        busy[0].send(login.Register(name="again", password="correct horse"))
        busy[0].expect(login.Registered)


STORES = (
    "accounts/revocations",
    "accounts/store",
    "columns",
    "database",
    "drivers",
    "launcherkeys",
    "migrations/",
    "results",
    "schema",
)
"""Of the login server: they wait for the database, and run in its pool, or before there is anybody to wait for it."""
BLOCKING_IMPORTS = {
    "argon2": ("accounts/passwords",),
    "sqlalchemy": STORES,
    "alembic": STORES,
    "sqlite3": (),
    "requests": (),
}
BLOCKING_CALLS = {"time.sleep", "os.system", "os.wait", "os.waitpid", "urllib.request.urlopen", "select.select"}
IN_THREADS = ("connman/nim/", "game_server_launcher/commands.py")
"""Ordinary programs: over a library, which has a hub of its own, and commands that a person runs."""
HANDLERS = ("desk.py", "server.py", "reception.py")
"""Of the login server: where messages are handled; so end the names of these modules."""
STORE_ATTRIBUTES = {"_accounts", "_passwords", "_keys", "_results", "_revocations", "_database"}


def test_6_no_module_of_a_central_task_calls_what_blocks() -> None:
    """Hashing and databases are imported by the modules that run in pools alone; a desk hands their methods on, and
    calls none."""
    for path, tree in program_modules():
        assert not called(tree) & BLOCKING_CALLS or str(path).startswith(IN_THREADS), path
        for name in imported(tree).values():
            allowed = BLOCKING_IMPORTS.get(name.partition(".")[0])
            places = tuple(f"login_server/{place}" for place in allowed or ())
            assert allowed is None or str(path).startswith(places), f"{path}: {name}"
        if path.parent.name == "login_server" and path.name.endswith(HANDLERS):
            calls = {name for name in called(tree) if STORE_ATTRIBUTES & set(name.split(".")[:-1])}
            assert not calls, f"{path}: to be given to a pool instead"


# --- 7: the same messages in the same order always give the same state -------------------------------


def test_7_the_same_conversation_gives_the_same_state(tmp_path: Path) -> None:
    """Of every program, at every step; in two processes, whose sets and dictionaries of texts are ordered differently.
    With another seed the ids are others: they come from nowhere else."""

    def talk(number: int, seed: int) -> dict[str, list[Any]]:
        folder = tmp_path / str(number)
        folder.mkdir()
        command = [sys.executable, "-m", "tests.connhandler.scripted_conversations", str(seed), str(folder)]
        environment = {**os.environ, "PYTHONHASHSEED": str(number)}
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        output, errors = process.communicate()
        assert process.returncode == 0, errors.decode()
        assert b"Traceback" not in errors, errors.decode()
        states: dict[str, list[Any]] = json.loads(output)
        return states

    talking = [tasks.spawn("talk", talk, number, seed) for number, seed in enumerate((1, 1, 2))]
    first, second, other = [task.get(timeout=3 * PATIENCE_SECONDS) for task in talking]
    for program, states in first.items():
        for step, (state, again) in enumerate(zip(states, second[program], strict=True)):
            assert state == again, f"{program}, step {step}"
        assert len({json.dumps(state) for state in states}) > len(states) / 3, "next to nothing was changed"
    assert first["login_server"] != other["login_server"]


class Lottery(CentralTask):
    """Uses everything that a handler may take from the central task."""

    def __init__(self, seed: int, clock: Callable[[], float]) -> None:
        super().__init__("lottery", clock=clock, random=random.Random(seed))
        self.state: list[Any] = []
        self.dispatch = {(ClientPeer, Ask): self.draw}

    def draw(self, peer: ClientPeer, message: Ask) -> None:
        self.state.append([self.now, self.new_id("prize-"), self.random.random()])
        for name in "first", "second", "third":
            self.call_later(message.number, self.tell, name, message.number)
        if message.number % 3 == 0:
            self.call_later(message.number, self.tell, "never", 0).cancel()

    def tell(self, name: str, number: int) -> None:
        self.state.append([self.now, name, number])


def test_7_time_randomness_ids_and_timers_come_from_what_was_handed_in() -> None:
    def play(seed: int) -> list[Any]:
        clock = testing.ManualClock()
        lottery = Lottery(seed, clock)
        fake = testing.FakeConnection(ClientPeer())
        for number in (5, 3, 5, 0, 9, 3, 1):
            fake.receives(lottery, Ask(number))
            clock.advance(1)
            testing.run_timers(lottery)
        clock.advance(10)
        testing.run_timers(lottery)
        lottery._stop()
        return lottery.state

    state = play(1)
    assert json.loads(json.dumps(state)) == state
    assert state == play(1)
    assert state != play(2)
    assert [entry[1] for entry in state if entry[2] == 5] == ["first", "second", "third"] * 2
    assert {entry[0] for entry in state} <= {1_000_000.0 + seconds for seconds in range(20)}


SOURCES_OF_CHANCE = {"time", "random", "uuid", "secrets", "datetime"}
OUTSIDE_THE_CENTRAL_TASK = {
    "game_server_launcher/crashes.py",
    # Commands and clients that a person runs, what runs in a pool, and what runs in the threads of a library's caller.
    "login_server/accountcommands.py",
    "login_server/launchercommands.py",
    "login_server/database.py",
    "login_server/drivers.py",
    "login_server/launcherkeys.py",
    "game_server/play.py",
    "game_server_launcher/commands.py",
    "game_server_launcher/controlclient.py",
    "game_server_launcher/statusquery.py",
    "game_server_launcher/embed.py",
    "connman/users.py",
    "connman/nim/table.py",
    "iot_manager/client.py",
    "iot_manager/console.py",
    "iot_manager/socketlink.py",
    "iot_manager/simulate/__main__.py",
    "iot_manager/simulate/fleet.py",
}


def test_7_no_module_of_a_central_task_asks_a_clock_or_draws_by_itself() -> None:
    """A class of these modules may be named for a type; nothing of them is called."""
    for path, tree in program_modules():
        if str(path) not in OUTSIDE_THE_CENTRAL_TASK:
            assert not {name for name in called(tree) if name.partition(".")[0] in SOURCES_OF_CHANCE}, path
            assert not called(tree) & {"os.urandom", "os.getrandom"}, path


# --- 8: shutdown in order: stop accepting, tell the peers, drain, close, exit 0 ----------------------


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_8_shutdown_in_order(number: signal.Signals) -> None:
    """During load, with a flood, and with a peer that never reads."""
    drain_seconds = 1.5
    settings = Settings(limits=Limits(drain_seconds=drain_seconds, linger_seconds=30), note_seconds=0.0005)
    with Program(settings) as program, flood(program.port, wire(Note()) * 10_000), contextlib.ExitStack() as stack:

        def chat(client: testing.JsonClient) -> int:
            """Ask and be answered until the server ends; return how many answers there were."""
            for asked in itertools.count():
                client.send(Ask(asked))
                answer = client.receive()
                if isinstance(answer, ShuttingDown):
                    assert answer.message == FAREWELL
                    with pytest.raises(ConnectionRefusedError):
                        connect(program.port)
                    assert program.process.poll() is None, "too late to see whether it still accepts"
                    return asked
                assert answer == Answer(asked)
            raise AssertionError

        chatting = [stack.enter_context(program.client()) for _ in range(20)]
        running = [tasks.spawn("chat", chat, client) for client in chatting]
        deaf = stack.enter_context(connect(program.port, receive_bytes=4 * KIB))
        deaf.sendall(wire(Ask(0, 900 * KIB)))
        late = stack.enter_context(connect(program.port, receive_bytes=4 * KIB))
        late.sendall(wire(*(Ask(number, 80 * KIB) for number in range(10))))
        begun = late.recv(2)
        program.signal(number)
        assert all(task.get(timeout=PATIENCE_SECONDS) > 0 for task in running)
        for client in chatting:
            client.close()
        *answers, told, goodbye = read_all(late, begun)
        late.close()
        assert [(answer.number, len(answer.text)) for answer in answers] == [(n, 80 * KIB) for n in range(10)]
        assert isinstance(told, ShuttingDown)
        assert isinstance(goodbye, ShuttingDown)
        assert program.seconds_to_exit() < drain_seconds + 2


def test_8_work_that_does_not_end_does_not_keep_the_program() -> None:
    settings = Settings(limits=Limits(drain_seconds=0.5))
    with Program(settings) as program, program.client() as client:
        client.send(Work(seconds=60))
        assert program.output.readline() == b"working\n"
        program.signal(signal.SIGTERM)
        client.expect(ShuttingDown)
        client.close()
        assert program.seconds_to_exit() < 5


class StubbornReader(ClientReader):
    """Catches everything, even what is to end its task, until it `lets_go`."""

    lets_go = False

    def receive(self) -> bytes:
        while True:
            try:
                return super().receive()
            except BaseException:
                if self.lets_go:
                    raise


class StubbornHandler(ClientHandler):
    def create_connection_instances(self, sock: Any, address: Any) -> Instances:
        return StubbornReader(sock), JsonServerMessageWriter(sock), ClientPeer()


def test_8_a_reader_that_does_not_let_go_does_not_keep_the_handler(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    server = Server()
    handler = StubbornHandler("clients", "127.0.0.1", 0, server.queue)
    with serving(server, handler), client_of(handler) as client:
        seconds_to_answer(client)
        with gevent.Timeout(PATIENCE_SECONDS, AssertionError("the handler does not stop")):
            handler.stop(0)
        assert any("clients[1]: does not end" in record.getMessage() for record in caplog.records)
        monkeypatch.setattr(StubbornReader, "lets_go", True)


def test_8_a_second_signal_ends_it_at_once() -> None:
    """Somebody who presses Ctrl-C twice does not want to wait for a peer that does not read."""
    settings = Settings(limits=Limits(drain_seconds=60, linger_seconds=60))
    with Program(settings) as program, connect(program.port, receive_bytes=4 * KIB) as deaf:
        deaf.sendall(wire(Ask(0, 900 * KIB)))
        assert deaf.recv(1) != b""
        program.signal(signal.SIGINT)
        program.seconds_to_line("ending (SIGINT)")
        program.signal(signal.SIGINT)
        assert program.seconds_to_exit() < 5
