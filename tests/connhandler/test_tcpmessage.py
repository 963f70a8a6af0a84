"""The chunk reader and writer on real sockets: subclass with `decode` alone, with `encode` alone."""

from collections.abc import Iterator
from typing import Any

import gevent.socket
import pytest

from connhandler import (
    ConnectionClosed,
    Limits,
    ProtocolError,
    TcpMessageConnectionReader,
    TcpMessageConnectionWriter,
    tasks,
)
from connhandler.framing.chunks import ByteOrder, encode_chunks
from connhandler.testing import loopback_pair
from tests.connhandler.support import Data, DataReader, DataWriter, Server, within

Pair = tuple[gevent.socket.socket, gevent.socket.socket]


@pytest.fixture
def pair() -> Iterator[Pair]:
    here, there = loopback_pair()
    with here, there:
        yield here, there


class SmallReader(DataReader):
    max_message_size = 8


class SmallWriter(DataWriter):
    max_message_size = 8


class PlainReader(SmallReader):
    separate_chunks = True


class PlainWriter(SmallWriter):
    separate_chunks = True


def receive_exactly(sock: gevent.socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count:
        more = within(sock.recv, count - len(data))
        assert more
        data += more
    return data


@pytest.mark.parametrize("length", [1, 7, 8, 9, 15, 16, 17, 80])
@pytest.mark.parametrize("separate", [False, True])
@pytest.mark.parametrize("byte_order", ["little", "big"])
def test_send_is_what_encode_chunks_says(pair: Pair, length: int, separate: bool, byte_order: ByteOrder) -> None:
    here, there = pair
    message = bytes(range(length))
    wire = encode_chunks(message, 8, byte_order, separate)
    DataWriter(here, 8, byte_order=byte_order, separate_chunks=separate).send(message)
    assert receive_exactly(there, len(wire)) == wire


@pytest.mark.parametrize("length", [1, 7, 8, 9, 15, 16, 17, 80])
@pytest.mark.parametrize("byte_order", ["little", "big"])
def test_receive_joins_the_chunks(pair: Pair, length: int, byte_order: ByteOrder) -> None:
    here, there = pair
    message = bytes(range(length))
    writer = DataWriter(here, 8, byte_order=byte_order)
    reader = DataReader(there, 8, byte_order=byte_order)
    writer.send(message)
    writer.send(b"next")
    assert within(reader.receive) == message
    assert within(reader.receive) == b"next"


def test_receive_returns_each_chunk_by_the_plain_rule(pair: Pair) -> None:
    here, there = pair
    SmallWriter(here, separate_chunks=True).send(b"12345678abcdefgh!")
    reader = PlainReader(there)
    assert [within(reader.receive) for _ in range(3)] == [b"12345678", b"abcdefgh", b"!"]


def test_class_attributes_are_the_defaults_and_arguments_win(pair: Pair) -> None:
    assert SmallReader(pair[0]).max_message_size == 8
    assert SmallReader(pair[0], 5).max_message_size == 5
    assert PlainWriter(pair[0]).separate_chunks is True
    assert PlainWriter(pair[0], separate_chunks=False).separate_chunks is False
    assert DataReader(pair[0]).max_message_size == 0xFFFF
    assert DataReader(pair[0]).byte_order == "little"


@pytest.mark.parametrize("kind", [DataReader, DataWriter])
def test_formats_that_are_none(pair: Pair, kind: Any) -> None:
    with pytest.raises(ValueError, match="max_message_size must be 1 to 65535, not 65536"):
        kind(pair[0], 65536)
    with pytest.raises(ValueError, match="byte_order must be"):
        kind(pair[0], byte_order="network")


def test_decode_and_encode_must_be_implemented(pair: Pair) -> None:
    with pytest.raises(TypeError, match="decode"):
        TcpMessageConnectionReader(pair[0])  # type: ignore[abstract]
    with pytest.raises(TypeError, match="encode"):
        TcpMessageConnectionWriter(pair[0])  # type: ignore[abstract]


def test_an_empty_message_is_the_senders_error(pair: Pair) -> None:
    with pytest.raises(ValueError, match="empty"):
        DataWriter(pair[0]).send(b"")


def test_what_is_too_long_is_the_far_ends_error(pair: Pair) -> None:
    here, there = pair
    reader = DataReader(there)
    reader.limits = Limits(max_message_bytes=10)
    here.sendall(encode_chunks(b"0123456789") + encode_chunks(b"0123456789a"))
    assert within(reader.receive) == b"0123456789"
    with pytest.raises(ProtocolError, match="more than 10 bytes"):
        within(reader.receive)


@pytest.mark.parametrize("sent", [b"\4", b"\4\0ab", b"\0\0" + bytes(8)])
def test_a_close_in_the_middle_of_a_message(pair: Pair, sent: bytes) -> None:
    here, there = pair
    here.sendall(sent)
    here.shutdown(gevent.socket.SHUT_WR)
    with pytest.raises(ConnectionClosed) as caught:
        within(SmallReader(there).receive)
    assert caught.value.mid_message


def test_a_close_between_messages(pair: Pair) -> None:
    here, there = pair
    here.sendall(encode_chunks(b"all"))
    here.shutdown(gevent.socket.SHUT_WR)
    reader = DataReader(there)
    assert within(reader.receive) == b"all"
    with pytest.raises(ConnectionClosed) as caught:
        within(reader.receive)
    assert not caught.value.mid_message


def test_a_burst_is_all_that_one_recv_gave(pair: Pair) -> None:
    here, there = pair
    here.sendall(encode_chunks(b"one") + encode_chunks(b"two") + b"\5\0th")
    reader = DataReader(there)
    assert within(reader.receive_burst) == [b"one", b"two"]
    assert reader.begun_at is not None
    here.sendall(b"ree")
    assert within(reader.receive_burst) == [b"three"]
    assert reader.begun_at is None


@pytest.mark.parametrize(
    ("reader_class", "writer_class"), [(SmallReader, SmallWriter), (DataReader, DataWriter), (PlainReader, PlainWriter)]
)
def test_both_ends_through_a_handler(serve: Any, reader_class: Any, writer_class: Any) -> None:
    server: Server = serve(reader_class=reader_class, writer_class=writer_class)
    client, peer = server.connect()
    there = writer_class(client.sock), reader_class(client.sock)
    for length in (1, 7, 8):
        there[0].send(b"x" * length)
        assert server.next_data() == b"x" * length
        peer.send(Data(b"y" * length))
        assert within(there[1].receive) == b"y" * length


def test_sending_an_empty_message_to_a_peer_raises_at_the_sender(serve: Any) -> None:
    server: Server = serve()
    client, peer = server.connect()
    with pytest.raises(ValueError, match="empty"):
        peer.send(Data(b""))
    peer.send(Data(b"still there"))
    assert client.receive() == b"still there"


def test_sending_more_than_the_bound_raises_at_the_sender(serve: Any) -> None:
    server: Server = serve(Limits(max_message_bytes=100))
    client, peer = server.connect()
    with pytest.raises(ValueError, match="a message of 101 bytes, where max_message_bytes is 100"):
        peer.send(Data(bytes(101)))
    peer.send(Data(bytes(100)))
    assert client.receive() == bytes(100)


class OverridingWriter(DataWriter):
    """Does more with each message than to send it, and leaves the sending to its base."""

    sent: list[bytes]

    def send(self, data: bytes) -> None:
        OverridingWriter.sent.append(data)
        super().send(data)


def test_an_overridden_send_of_a_ready_made_writer_is_honoured(serve: Any) -> None:
    OverridingWriter.sent = []
    server: Server = serve(writer_class=OverridingWriter)
    client, peer = server.connect()
    peer.send(Data(b"one"))
    peer.send(Data(b"two"))
    assert client.receive() == b"one"
    assert client.receive() == b"two"
    assert OverridingWriter.sent == [b"one", b"two"]


class OverridingReader(DataReader):
    def receive(self) -> bytes:
        return super().receive().upper()


class Shouting:
    """A mix-in that overrides `receive`, whatever reader it is mixed into."""

    def receive(self) -> bytes:
        data: bytes = super().receive()  # type: ignore[misc]
        return data.upper()


class MixedReader(Shouting, DataReader):
    pass


class MixedFurther(MixedReader):
    pass


@pytest.mark.parametrize("reader_class", [OverridingReader, MixedReader, MixedFurther])
def test_an_overridden_receive_of_a_ready_made_reader_is_honoured(serve: Any, reader_class: Any) -> None:
    server: Server = serve(reader_class=reader_class)
    client, _ = server.connect()
    client.send(b"one", b"two", b"three")
    assert [server.next_data() for _ in range(3)] == [b"ONE", b"TWO", b"THREE"]


def test_readers_that_do_not_override_receive_keep_their_bursts() -> None:
    assert SmallReader.receive_burst is TcpMessageConnectionReader.receive_burst
    assert OverridingReader.receive_burst is not TcpMessageConnectionReader.receive_burst


def test_large_messages_both_ways(serve: Any) -> None:
    server: Server = serve(
        Limits(max_message_bytes=8 << 20, outgoing_hard_bytes=64 << 20, outgoing_soft_bytes=64 << 20)
    )
    client, peer = server.connect()
    large = bytes(range(256)) * (4 << 12)
    sending = tasks.spawn("sending", client.send, large, b"small")
    peer.send(Data(large))
    peer.send(Data(b"small"))
    assert within(client.receive) == large
    assert within(client.receive) == b"small"
    assert server.next_data() == large
    assert server.next_data() == b"small"
    within(sending.get)
