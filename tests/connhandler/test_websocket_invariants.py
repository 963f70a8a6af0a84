"""The invariants of `docs/design.md`, where a WebSocket has its own ways to break them."""

import contextlib
import gc
import itertools
import random
import socket
import statistics
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

import gevent
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connhandler import DisconnectReason, Limits, Message, PeerConnected, PeerDisconnected, tasks, testing
from connhandler.handler import Instances
from connhandler.websocket import WebSocketConnectionHandler, WebSocketPeer
from connhandler.websocketjson import WebSocketJsonReader, WebSocketJsonServerWriter
from tests.connhandler.askserver import (
    KIB,
    PATIENCE_SECONDS,
    Abort,
    Ask,
    Break,
    FromClient,
    Kill,
    Leave,
    Note,
    Server,
    Spread,
)
from tests.connhandler.load import PROMPT_SECONDS, Pulse, flood, serving
from tests.connhandler.websocketsupport import (
    BINARY,
    CLOSE,
    CONTINUATION,
    PING,
    TEXT,
    WebSocketClient,
    close_payload,
    frame,
    handshake,
)


@pytest.fixture(autouse=True, scope="module")
def few_objects() -> Iterator[None]:
    """What all modules hold need not be looked through each time that a test looks for leaks."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


class PagePeer(WebSocketPeer):
    pass


class PageReader(WebSocketJsonReader):
    message_type = FromClient


class PageHandler(WebSocketConnectionHandler):
    reader_class = PageReader
    writer_class = WebSocketJsonServerWriter
    peer_class = PagePeer

    def create_connection_instances(self, sock: Any, address: Any) -> Instances:
        # What a client does not read is to wait in the outbox, not in the kernel.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 16 * KIB)
        return super().create_connection_instances(sock, address)


def made(server: Server, **limits: Any) -> PageHandler:
    return PageHandler("pages", "127.0.0.1", 0, server.queue, limits=Limits(**limits))


def text_of(*messages: Message) -> bytes:
    return b"".join(frame(TEXT, msgspec.json.encode(message)) for message in messages)


@contextlib.contextmanager
def client_of(handler: PageHandler, **how: Any) -> Iterator[WebSocketClient]:
    client = WebSocketClient(handler.port, **how)
    try:
        yield client
    finally:
        client.close()


def ask(client: WebSocketClient, number: int = 0) -> float:
    """How long the server takes to answer."""
    asked = time.monotonic()
    client.sock.sendall(text_of(Ask(number)))
    assert msgspec.json.decode(client.receive())["number"] == number
    return time.monotonic() - asked


# --- 1: the central task never waits for a peer -----------------------------------------------------------------------


def test_1_a_peer_that_does_not_read_is_dropped_alone() -> None:
    """Of thirty who get the news, one does not read."""
    readers, rounds, size = 29, 100, 8 * KIB
    server = Server()
    handler = made(server, max_message_bytes=64 * KIB, outgoing_soft_bytes=32 * KIB, outgoing_hard_bytes=128 * KIB)
    with serving(server, handler), contextlib.ExitStack() as stack:
        deaf = stack.enter_context(client_of(handler, receive_buffer=4 * KIB))
        clients = [stack.enter_context(client_of(handler)) for _ in range(readers)]
        for client in clients:
            ask(client)

        def read(client: WebSocketClient) -> list[int]:
            return [msgspec.json.decode(client.receive())["number"] for _ in range(rounds)]

        reading = [tasks.spawn("reader", read, client) for client in clients[1:]]
        slowest = 0.0
        for number in range(rounds):
            asked = time.monotonic()
            clients[0].sock.sendall(text_of(Spread(number, size)))
            assert msgspec.json.decode(clients[0].receive())["number"] == number
            slowest = max(slowest, time.monotonic() - asked)
        assert [task.get(timeout=PATIENCE_SECONDS) for task in reading] == [list(range(rounds))] * (readers - 1)
        end = server.end_of(deaf.sock.getsockname())
        assert (end.reason, end.code) == (DisconnectReason.SLOW_READER, 1006)
        assert list(server.ends) == [deaf.sock.getsockname()], "others were dropped too"
        assert slowest < 2


# --- 2: one flooding peer takes its share and no more, and the hub keeps running --------------------------------------

LOOP_SECONDS = 0.15
"""Of this thread's work between two turns of the event loop, where it is a twentieth of that."""
FLOODS = {
    "messages": text_of(*[Note()] * 1000),
    "long messages": text_of(*[Note("x" * 10_000)] * 20),
    "pings": frame(PING) * 10_000,
    "long pings": frame(PING, b"x" * 125) * 1000,
    "fragments": b"".join(
        frame(TEXT if not position else CONTINUATION, byte, fin=position == 14)
        for position, byte in enumerate(bytes([value]) for value in b'{"type":"note"}')
    )
    * 500,
    "empty fragments": frame(TEXT, fin=False) + frame(CONTINUATION, fin=False) * 10_000,
    "bad UTF-8": frame(TEXT, b"\xff" * 100) * 1000,
    "bad frames": b"\xff" * 100_000,
    "closes": frame(CLOSE, close_payload(1000)) * 10_000,
}


@pytest.mark.parametrize("kind", FLOODS)
def test_2_a_flood_does_not_hold_the_hub_or_another_peer(kind: str) -> None:
    """It goes on even after the server has ended the connection, whose client never reads why."""
    server = Server()
    handler = made(server, heartbeat_seconds=0, linger_seconds=1.0)
    with serving(server, handler), client_of(handler) as client:
        ask(client)
        with flood(handler.port, FLOODS[kind], seconds=6, handshake=handshake()):
            server.wait_until(lambda: len(server.lives) == 2)
            with Pulse(server, time.thread_time) as pulse:
                usual = statistics.median(ask(client, number) for number in range(20))
                pulse.wait(30)
        assert server.measured.most_of_one <= handler.limits.in_flight_messages
        assert usual < PROMPT_SECONDS
        assert pulse.longest_sleep < LOOP_SECONDS
        assert pulse.longest_timer < LOOP_SECONDS


def test_2_pongs_that_are_not_read_are_bounded() -> None:
    server = Server()
    handler = made(
        server,
        max_message_bytes=64 * KIB,
        outgoing_soft_bytes=32 * KIB,
        outgoing_hard_bytes=64 * KIB,
        heartbeat_seconds=0,
    )
    with serving(server, handler), client_of(handler) as client:
        ask(client)
        with flood(handler.port, frame(PING, b"x" * 125) * 1000, handshake=handshake()):
            server.wait_until(lambda: len(server.ends) == 1)
        (end,) = server.ends.values()
        assert end.reason is DisconnectReason.SLOW_READER
        ask(client)


def test_2_many_handshakes_that_never_end_keep_nobody_out() -> None:
    server = Server()
    handler = made(server, handshake_seconds=1.0, linger_seconds=0.5)
    with serving(server, handler), contextlib.ExitStack() as stack:
        waiting = [stack.enter_context(client_of(handler, shake=False)) for _ in range(150)]
        for number, client in enumerate(waiting):
            client.sock.sendall(handshake()[: min(number, 100)])
        began = time.monotonic()
        for _ in range(20):
            with client_of(handler) as good:
                ask(good)
        answers = [client.read_response().status for client in waiting]
        assert time.monotonic() - began < 1.0 + 4
        assert answers == [408] * len(waiting)


# --- 3: PeerConnected first, PeerDisconnected last, each exactly once, with the reason --------------------------------

WAYS: dict[str, tuple[bytes, DisconnectReason, int]] = {
    # How a connection ends: what the client says last, the reason that the server sees, and the close code.
    "close": (frame(CLOSE, close_payload(4001)), DisconnectReason.CLOSED_BY_PEER, 4001),
    "bare close": (frame(CLOSE) + text_of(Ask()) * 100, DisconnectReason.CLOSED_BY_PEER, 1005),
    "half close": (b"", DisconnectReason.CLOSED_BY_PEER, 1006),
    "half frame": (text_of(Ask())[:-1], DisconnectReason.CLOSED_BY_PEER, 1006),
    "half message": (frame(TEXT, b"{", fin=False), DisconnectReason.CLOSED_BY_PEER, 1006),
    "leave": (text_of(Leave()) + text_of(Ask()) * 100, DisconnectReason.CLOSED_BY_US, 1000),
    "garbage": (frame(TEXT, b"garbage") + text_of(Ask()) * 100, DisconnectReason.PROTOCOL_ERROR, 1002),
    "no text": (frame(TEXT, b"\xff") + text_of(Ask()) * 100, DisconnectReason.PROTOCOL_ERROR, 1007),
    "not masked": (frame(TEXT, b"{}", masked=False), DisconnectReason.PROTOCOL_ERROR, 1002),
    "break": (text_of(Break("division")) + text_of(Ask()) * 100, DisconnectReason.INTERNAL_ERROR, 1011),
    "abort": (text_of(Abort()), DisconnectReason.CLOSED_BY_US, 1006),
    "kill": (text_of(Kill()), DisconnectReason.CLOSED_BY_US, 1006),
    "stay": (b"", DisconnectReason.SHUTTING_DOWN, 1001),
}


class Visit:
    """One client's connection, and how it is to end."""

    def __init__(self, generator: random.Random) -> None:
        self.way = generator.choice(list(WAYS))
        self.asks = generator.randrange(30)
        self.cuts = generator.randrange(4)
        self.address: Any = None
        self._generator = generator

    def run(self, handler: PageHandler) -> None:
        last, reason, code = WAYS[self.way]
        with client_of(handler) as client:
            self.address = client.sock.getsockname()
            asks = text_of(*(Ask(number) for number in range(self.asks)))
            self._send(client, asks + last)
            if self.way.startswith("half"):
                client.end()
            if self.way in ("abort", "kill"):
                with contextlib.suppress(ConnectionError, EOFError):
                    while True:
                        client.receive_frame()
            answers = []
            with contextlib.suppress(EOFError):
                while self.way not in ("abort", "kill"):
                    answers.append(client.receive_frame())
            self._check(answers, reason, code)

    def _check(self, answers: list[Any], reason: DisconnectReason, code: int) -> None:
        """Every question was answered, in order, and then the end was told."""
        if self.way in ("abort", "kill"):
            return
        told = [msgspec.json.decode(answer.payload).get("number") for answer in answers[: self.asks]]
        assert told == list(range(self.asks)), self.way
        if code == 1006:
            assert len(answers) == self.asks, self.way
        else:
            assert answers[-1].opcode == CLOSE
            assert answers[-1].payload[:2] == (b"" if code == 1005 else code.to_bytes(2)), self.way

    def _send(self, client: WebSocketClient, data: bytes) -> None:
        """In pieces, so that other connections come in between."""
        cuts = sorted(self._generator.randrange(len(data) + 1) for _ in range(self.cuts))
        with contextlib.suppress(ConnectionError):  # The server may end the connection first.
            for start, end in zip([0, *cuts], [*cuts, len(data)], strict=True):
                client.sock.sendall(data[start:end])
                gevent.sleep(0)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_3_peer_connected_first_and_peer_disconnected_last_each_exactly_once(seed: int) -> None:
    """A hundred connections end at the same time, in every way that there is, at random moments."""
    generator = random.Random(seed)
    server = Server()
    handler = made(server)
    visits = [Visit(generator) for _ in range(100)]
    with serving(server, handler):
        running = {visit: tasks.spawn("visit", visit.run, handler) for visit in visits}
        staying = [visit for visit in visits if visit.way == "stay"]
        for visit in visits:
            if visit.way != "stay":
                running[visit].get(timeout=PATIENCE_SECONDS)
        server.wait_until(lambda: len(server.ends) == len(visits) - len(staying))
        asked = sum(visit.asks for visit in staying)
        server.wait_until(lambda: sum(map(len, map(server.lives.__getitem__, server.peers))) == len(staying) + asked)
        handler.stop()
        gevent.joinall(list(running.values()), timeout=PATIENCE_SECONDS, raise_error=True)
        server.wait_until(lambda: not server.peers)
    for first, *messages, last in server.lives.values():
        assert isinstance(first, PeerConnected)
        assert [message.number for message in messages] == list(range(len(messages)))
        assert isinstance(last, PeerDisconnected)
    assert len(server.lives) == len(visits)
    for visit in visits:
        end = server.ends[visit.address]
        assert (end.reason, end.code) == WAYS[visit.way][1:], visit.way
    assert Counter(end.reason.value for end in server.ends.values()) + Counter(accepted=len(visits)) == handler.counters


# --- 4: bad bytes cost that peer only ---------------------------------------------------------------------------------

pieces = st.lists(
    st.one_of(
        st.binary(max_size=40),
        st.builds(
            frame,
            st.integers(0, 15),
            st.binary(max_size=200),
            fin=st.booleans(),
            masked=st.booleans(),
            reserved=st.sampled_from([0, 0, 0, 4, 1]),
        ),
        st.sampled_from([text_of(Ask(1)), text_of(Note()), frame(PING), frame(BINARY, b"{}")]),
    ),
    max_size=12,
)


def test_4_whatever_a_client_sends_it_costs_that_client_only() -> None:
    server = Server()
    handler = made(server, linger_seconds=0.5, heartbeat_seconds=0)
    serial = itertools.count(1)
    with serving(server, handler), client_of(handler) as good:
        ask(good)

        @settings(max_examples=150)
        @given(pieces)
        def send(sent: list[bytes]) -> None:
            with client_of(handler) as bad:
                address = bad.sock.getsockname()
                with contextlib.suppress(ConnectionError):
                    bad.sock.sendall(b"".join(sent))
                    bad.end()
                    bad.rest()
            end = server.end_of(address)
            assert end.reason in (
                DisconnectReason.CLOSED_BY_PEER,
                DisconnectReason.PROTOCOL_ERROR,
                DisconnectReason.CONNECTION_LOST,
            ), end
            ask(good, next(serial))

        send()


# --- 8: shutdown in order ---------------------------------------------------------------------------------------------


def test_8_everybody_is_told_1001_and_those_who_do_not_listen_do_not_keep_the_server() -> None:
    server = Server()
    handler = made(server, drain_seconds=1.0, linger_seconds=30)
    with serving(server, handler), contextlib.ExitStack() as stack:
        clients = [stack.enter_context(client_of(handler)) for _ in range(20)]
        for client in clients:
            ask(client)
        deaf = stack.enter_context(client_of(handler, receive_buffer=4 * KIB))
        deaf.sock.sendall(text_of(Ask(0, 900 * KIB)))
        stack.enter_context(client_of(handler, shake=False))
        flooding = flood(handler.port, text_of(Note()) * 1000, handshake=handshake())
        with flooding:
            server.wait_until(lambda: server.notes > 100)
            asked = itertools.count()

            def say_goodbye(client: WebSocketClient) -> tuple[int, str]:
                client.sock.sendall(text_of(Ask(next(asked))))
                closed = client.receive_close()
                client.close()
                return closed

            leaving = [tasks.spawn("leaving", say_goodbye, client) for client in clients]
            gevent.sleep(0)
            began = time.monotonic()
            handler.stop()
            assert time.monotonic() - began < 1.0 + 2
            assert [task.get(timeout=PATIENCE_SECONDS)[0] for task in leaving] == [1001] * len(clients)
            with pytest.raises(ConnectionRefusedError):
                WebSocketClient(handler.port)
        server.wait_until(lambda: not server.peers)
        assert {end.reason for end in server.ends.values()} == {DisconnectReason.SHUTTING_DOWN}


def test_nothing_is_left_behind_by_those_who_were_not_let_in() -> None:
    server = Server()
    handler = made(server, max_connections=3)
    with testing.check_leaks(), serving(server, handler):
        for _ in range(50):
            with client_of(handler, shake=False) as client:
                client.sock.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
                assert client.read_response().status == 426
        with client_of(handler) as client:
            ask(client)
