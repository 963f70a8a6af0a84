"""The line reader and writer on real sockets."""

from collections.abc import Callable, Iterator

import gevent.socket
import pytest

from connhandler import ConnectionClosed, Limits, ProtocolError
from connhandler.lines import LineConnectionReader, LineConnectionWriter
from connhandler.testing import loopback_pair
from tests.connhandler.support import Data, Server, within

Pair = tuple[gevent.socket.socket, gevent.socket.socket]


class Reader(LineConnectionReader):
    def decode(self, data: bytes) -> Data:
        return Data(data)


class Writer(LineConnectionWriter):
    def encode(self, message: Data) -> bytes:
        return message.data


class ConsoleReader(Reader):
    terminator = b"\n\0\0"


class ConsoleWriter(Writer):
    terminator = b"\n\0\0"


@pytest.fixture
def pair() -> Iterator[Pair]:
    here, there = loopback_pair()
    with here, there:
        yield here, there


def test_lines_there_and_back(pair: Pair) -> None:
    here, there = pair
    reader = Reader(there)
    Writer(here).send(b"one")
    here.sendall(b"\n\r\ntwo\r\nthr")
    assert within(reader.receive) == b"one"
    assert within(reader.receive) == b"two"
    here.shutdown(gevent.socket.SHUT_WR)
    with pytest.raises(ConnectionClosed, match="closed in the middle of a message"):
        within(reader.receive)


def test_the_terminator_is_a_setting_of_class_or_instance(pair: Pair) -> None:
    here, there = pair
    ConsoleWriter(here).send(b"a\nb")
    Writer(here, terminator=b"\n\0\0").send(b"c")
    assert within(there.recv, 10, gevent.socket.MSG_WAITALL) == b"a\nb\n\0\0c\n\0\0"
    assert ConsoleReader(there).terminator == b"\n\0\0"
    assert ConsoleReader(there, terminator=b"\n").terminator == b"\n"
    for kind in (Reader, Writer):
        with pytest.raises(ValueError, match="at least one byte"):
            kind(here, terminator=b"")


def test_a_line_that_is_too_long_is_the_far_ends_error(pair: Pair) -> None:
    here, there = pair
    reader = Reader(there)
    reader.limits = Limits(max_message_bytes=4)
    here.sendall(b"1234\n12345\n")
    assert within(reader.receive) == b"1234"
    with pytest.raises(ProtocolError, match="a line of more than 4 bytes"):
        within(reader.receive)


def test_what_is_no_line_is_the_senders_error(pair: Pair) -> None:
    with pytest.raises(ValueError, match="an empty line"):
        Writer(pair[0]).send(b"")


def test_a_whole_connection_of_lines(serve: Callable[..., Server]) -> None:
    server = serve(reader_class=ConsoleReader, writer_class=ConsoleWriter)
    client, peer = server.connect()
    client.sock.sendall(b"status\n\0\0say \n hello\n\0\0")
    assert [server.next_data(), server.next_data()] == [b"status", b"say \n hello"]
    peer.send(Data(b"ok"))
    assert within(client.sock.recv, 100) == b"ok\n\0\0"
