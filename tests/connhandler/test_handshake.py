"""Protocols that begin with a handshake, answer by themselves, close with a code, or go on as another protocol."""

import gc
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import gevent
import pytest

from connhandler import (
    ConnectionClosed,
    DisconnectReason,
    IncomingQueue,
    Limits,
    PeerConnected,
    PeerDisconnected,
    tasks,
)
from connhandler.connection import ConnectionReader, ConnectionWriter, Peer, ProtocolSwitch
from connhandler.errors import ProtocolError
from connhandler.framing.chunks import encode_chunks
from connhandler.handler import ConnectionHandler
from tests.connhandler.support import Client, Data, DataHandler, DataPeer, DataReader, DataWriter, within

SWITCH = b"switch"


class PoliteReader(DataReader):
    """Wants `hello` first and answers it; answers `ping` by itself; `bye` is a close with the code 7."""

    def open(self) -> None:
        if self.receive() != b"hello":
            self.reply(encode_chunks(b"rude"))
            raise ProtocolError("no hello")
        self.reply(encode_chunks(b"welcome"))

    def receive_burst(self) -> Sequence[bytes]:
        message = self.receive()
        if message == b"ping":
            self.reply(encode_chunks(b"pong"))
            return ()
        if message == b"bye":
            self.close_code = 7
            raise ConnectionClosed(detail="said bye")
        return [message]


class PoliteHandler(DataHandler):
    reader_class = PoliteReader


@pytest.fixture
def queue() -> IncomingQueue:
    return IncomingQueue()


Connect = Callable[[ConnectionHandler], Client]


@pytest.fixture
def connect() -> Iterator[Connect]:
    """Makes clients of a handler, and closes them."""
    clients = []

    def make(handler: ConnectionHandler) -> Client:
        clients.append(Client(handler.port))
        return clients[-1]

    yield make
    for client in clients:
        client.sock.close()


def started(handler: ConnectionHandler) -> ConnectionHandler:
    handler.start()
    return handler


def polite(queue: IncomingQueue, **limits: Any) -> ConnectionHandler:
    return started(PoliteHandler("polite", "127.0.0.1", 0, queue, limits=Limits(**{"linger_seconds": 0.2} | limits)))


def test_peer_connected_comes_after_the_handshake(queue: IncomingQueue, connect: Connect) -> None:
    handler = polite(queue)
    client = connect(handler)
    client.send(b"hello", b"first")
    assert client.receive() == b"welcome"
    assert isinstance(within(queue.get), PeerConnected)
    assert within(queue.get).data == b"first"
    handler.stop(0)


def test_a_connection_that_fails_its_handshake_is_never_announced(queue: IncomingQueue, connect: Connect) -> None:
    handler = polite(queue)
    client = connect(handler)
    client.send(b"what?")
    assert client.messages() == [b"rude"]
    client.sock.close()
    handler.stop()
    assert queue.empty()
    assert handler.counters[DisconnectReason.PROTOCOL_ERROR.value] == 1


def test_a_handshake_has_a_deadline(queue: IncomingQueue, connect: Connect) -> None:
    handler = polite(queue, handshake_seconds=0.05)
    client = connect(handler)
    assert within(client.rest, seconds=5) == b""
    client.sock.close()
    handler.stop()
    assert queue.empty()
    assert handler.counters[DisconnectReason.HANDSHAKE_TIMEOUT.value] == 1


def test_a_handshake_counts_as_first_message(queue: IncomingQueue, connect: Connect) -> None:
    handler = polite(queue, first_message_seconds=0.1, idle_seconds=0.5, heartbeat_seconds=0)
    client = connect(handler)
    client.send(b"hello")
    assert isinstance(within(queue.get), PeerConnected)
    assert within(queue.get).reason is DisconnectReason.IDLE_TIMEOUT
    client.sock.close()
    handler.stop()


def test_a_kill_during_the_handshake_closes_the_socket(queue: IncomingQueue, connect: Connect) -> None:
    handler = polite(queue)
    client = connect(handler)
    client.send(b"h")
    while not handler.connections:
        gevent.sleep(0)
    handler.stop(0)
    assert within(client.rest) == b""
    assert queue.empty()


def test_what_a_reader_answers_by_itself_keeps_its_place(queue: IncomingQueue, connect: Connect) -> None:
    handler = polite(queue)
    client = connect(handler)
    client.send(b"hello")
    peer = within(queue.get).peer
    peer.send(Data(b"before"))
    client.send(b"ping")
    assert [client.receive() for _ in range(3)] == [b"welcome", b"before", b"pong"]
    peer.send(Data(b"after"))
    assert client.receive() == b"after"
    handler.stop(0)


def test_what_is_heard_but_not_told_is_a_sign_of_life(queue: IncomingQueue, connect: Connect) -> None:
    """A peer that only ever pings is not idle."""
    handler = polite(queue, idle_seconds=0.4, heartbeat_seconds=0)
    client = connect(handler)
    client.send(b"hello")
    assert client.receive() == b"welcome"
    assert isinstance(within(queue.get), PeerConnected)
    for _ in range(8):
        with pytest.raises(gevent.queue.Empty):
            queue.get(timeout=0.1)
        client.send(b"ping")
        assert client.receive() == b"pong"
    assert within(queue.get).reason is DisconnectReason.IDLE_TIMEOUT
    handler.stop(0)


def test_a_flood_of_what_is_not_told_does_not_hold_the_hub(queue: IncomingQueue, connect: Connect) -> None:
    handler = polite(queue)
    client = connect(handler)
    client.send(b"hello")
    pings = encode_chunks(b"ping") * 5_000
    flood = tasks.spawn("flood", client.sock.sendall, pings)
    other = connect(handler)
    other.send(b"hello")
    assert within(other.receive) == b"welcome"
    assert client.receive() == b"welcome"
    assert [client.receive() for _ in range(5_000)] == [b"pong"] * 5_000
    flood.get()
    handler.stop(0)


def test_the_close_code_comes_with_peer_disconnected(queue: IncomingQueue, connect: Connect) -> None:
    handler = polite(queue)
    client = connect(handler)
    client.send(b"hello", b"bye")
    client.end()
    within(queue.get)
    last = within(queue.get)
    assert (last.reason, last.code, last.detail) == (DisconnectReason.CLOSED_BY_PEER, 7, "said bye")
    handler.stop(0)


# --- going on as another protocol -------------------------------------------------------------------


class LinePeer(Peer):
    pass


class LineReader(ConnectionReader):
    """Lines, beginning with those that the reader before it had read already."""

    def open(self) -> None:
        self._buffer = self.already_received

    def receive(self) -> bytes:
        while b"\n" not in self._buffer:
            data = self.sock.recv(100)
            if not data:
                raise ConnectionClosed
            self._buffer += data
        line, self._buffer = self._buffer.split(b"\n", 1)
        return line

    def decode(self, data: bytes) -> Data:
        return Data(data)


class LineWriter(ConnectionWriter):
    def encode(self, message: Data) -> bytes:
        return message.data + b"\n"

    def send(self, data: bytes) -> None:
        self.sock.sendall(data)


class LineHandler(DataHandler):
    reader_class = LineReader
    writer_class = LineWriter
    peer_class = LinePeer


class SwitchingReader(DataReader):
    successor: ConnectionHandler

    def receive_burst(self) -> Sequence[bytes]:
        messages = list(super().receive_burst())
        if SWITCH not in messages:
            return messages
        rest = messages[messages.index(SWITCH) + 1 :]
        raise ProtocolSwitch(self.successor, b"".join(rest))


@pytest.fixture
def switching(queue: IncomingQueue) -> tuple[ConnectionHandler, ConnectionHandler]:
    """A handler of chunks that go on as lines, and the handler of the lines, which listens nowhere."""
    lines = LineHandler("lines", "127.0.0.1", 0, queue)

    class Reader(SwitchingReader):
        successor = lines

    class Handler(DataHandler):
        reader_class = Reader

    return started(Handler("chunks", "127.0.0.1", 0, queue)), lines


def switched(chunks: ConnectionHandler, queue: IncomingQueue, connect: Connect) -> tuple[Client, Peer]:
    """A client that has sent `hello` in chunks, was answered, and goes on with the line `one`."""
    client = connect(chunks)
    client.send(b"hello")
    first, hello = within(queue.get), within(queue.get)
    assert isinstance(first, PeerConnected) and isinstance(first.peer, DataPeer)
    hello.peer.send(Data(b"answer"))
    client.send(SWITCH, b"one\n")
    last = within(queue.get)
    assert (type(last), last.peer, last.reason) == (
        PeerDisconnected,
        hello.peer,
        DisconnectReason.SWITCHED_PROTOCOLS,
    )
    second = within(queue.get)
    assert isinstance(second, PeerConnected) and isinstance(second.peer, LinePeer)
    assert second.peer.address == hello.peer.address
    assert within(queue.get).data == b"one"
    assert client.receive() == b"answer"
    return client, second.peer


def test_a_connection_goes_on_as_another_protocol(
    queue: IncomingQueue, connect: Connect, switching: tuple[ConnectionHandler, ConnectionHandler]
) -> None:
    chunks, lines = switching
    client, peer = switched(chunks, queue, connect)
    assert (chunks.connections, lines.connections) == (0, 1)
    assert lines.counters["accepted"] == 1
    peer.send(Data(b"line"))
    client.sock.sendall(b"two\n")
    assert within(queue.get).data == b"two"
    assert client.sock.recv(100) == b"line\n"
    client.end()
    last = within(queue.get)
    assert (last.peer, last.reason) == (peer, DisconnectReason.CLOSED_BY_PEER)
    assert client.rest() == b""
    assert queue.empty()
    chunks.stop(0)


def test_nothing_is_kept_of_the_protocol_before(
    queue: IncomingQueue, connect: Connect, switching: tuple[ConnectionHandler, ConnectionHandler]
) -> None:
    """A connection may go on for days after it left, say, HTTP."""
    chunks, lines = switching
    client, peer = switched(chunks, queue, connect)
    gc.collect()
    assert not [one for one in gc.get_objects() if isinstance(one, SwitchingReader | ProtocolSwitch)]
    peer.disconnect()
    assert client.rest() == b""
    client.sock.close()
    lines.wait_closed(5)
    chunks.stop(0)


def test_a_connection_that_went_on_still_counts_where_it_was_accepted(queue: IncomingQueue, connect: Connect) -> None:
    lines = LineHandler("lines", "127.0.0.1", 0, queue)

    class Reader(SwitchingReader):
        successor = lines

    class Handler(DataHandler):
        reader_class = Reader

    chunks = started(Handler("chunks", "127.0.0.1", 0, queue, limits=Limits(max_connections=1)))
    client, _ = switched(chunks, queue, connect)
    assert connect(chunks).rest() == b""
    assert chunks.counters["too many connections"] == 1
    lines.disconnect_all()
    assert client.rest() == b""
    client.sock.close()
    lines.wait_closed(5)
    chunks.stop(0)


def test_a_successor_that_cannot_begin_closes_the_socket(queue: IncomingQueue, connect: Connect) -> None:
    class FailingHandler(DataHandler):
        def create_connection_instances(self, sock: Any, address: Any) -> Any:
            raise OSError("no")

    class Reader(SwitchingReader):
        successor = FailingHandler("failing", "127.0.0.1", 0, queue)

    class Handler(DataHandler):
        reader_class = Reader
        writer_class = DataWriter

    chunks = started(Handler("chunks", "127.0.0.1", 0, queue))
    client = connect(chunks)
    client.send(SWITCH)
    assert [type(within(queue.get)) for _ in range(2)] == [PeerConnected, PeerDisconnected]
    assert within(client.rest) == b""
    chunks.stop(0)
