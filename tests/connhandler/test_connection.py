"""The life of a connection on real sockets: what comes first, what comes last, and every way to end."""

import gc
import logging
import os
import time
import weakref
from typing import Any

import gevent
import gevent.event
import gevent.monkey
import gevent.queue
import gevent.socket
import pytest

from connhandler import (
    ConnectionClosed,
    ConnectionReader,
    ConnectionWriter,
    DisconnectReason,
    FramedConnectionReader,
    IncomingQueue,
    Limits,
    Peer,
    PeerConnected,
    PeerDisconnected,
    ProtocolError,
    tasks,
)
from connhandler.framing.chunks import encode_chunks
from tests.connhandler.support import (
    Client,
    Data,
    DataPeer,
    DataReader,
    DataWriter,
    LoginPeer,
    Server,
    wait_until,
    within,
)

QUICK = Limits(linger_seconds=0.2)


# --- first and last ---------------------------------------------------------------------------------------------------


def test_connected_data_disconnected_in_this_order(serve: Any) -> None:
    server: Server = serve()
    client = server.client()
    client.send(b"one", b"two")
    client.send(b"three")
    client.close()
    messages = [server.next() for _ in range(5)]
    assert [type(message) for message in messages] == [PeerConnected, Data, Data, Data, PeerDisconnected]
    assert [message.data for message in messages[1:4]] == [b"one", b"two", b"three"]
    assert len({message.peer for message in messages}) == 1
    assert isinstance(messages[0].peer, DataPeer)
    assert messages[4].reason is DisconnectReason.CLOSED_BY_PEER
    assert messages[4].detail == ""
    assert messages[4].exception is None
    within(server.handler.wait_closed, 5.0)
    assert server.queue.empty()


def test_a_connection_without_a_message(serve: Any) -> None:
    server: Server = serve()
    client, peer = server.connect()
    assert peer.connected
    client.close()
    message = server.next_disconnected()
    assert message.peer is peer
    assert not peer.connected
    assert repr(message) == f"PeerDisconnected(<DataPeer {peer.name}>, 'closed by peer', '')"


def test_the_socket_is_closed_when_disconnected_is_told(serve: Any) -> None:
    server: Server = serve()
    client, peer = server.connect()
    peer.disconnect()
    client.close()
    server.next_disconnected()
    assert server.handler.connections == 0
    peer.send(Data(b"ignored"))
    peer.disconnect()
    peer.abort()
    gevent.idle()
    assert server.queue.empty()


def test_a_close_in_the_middle_of_a_message(serve: Any) -> None:
    server: Server = serve()
    client, _ = server.connect()
    client.sock.sendall(encode_chunks(b"whole") + b"\x09\0half")
    client.close()
    assert server.next_data() == b"whole"
    message = server.next_disconnected()
    assert message.reason is DisconnectReason.CLOSED_BY_PEER
    assert message.detail == "closed in the middle of a message"


def test_a_reset(serve: Any) -> None:
    server: Server = serve()
    client, _ = server.connect()
    client.reset()
    message = server.next_disconnected()
    assert message.reason is DisconnectReason.CONNECTION_LOST
    assert isinstance(message.exception, ConnectionResetError)


def test_connections_do_not_mix(serve: Any) -> None:
    server: Server = serve()
    clients = [server.connect() for _ in range(5)]
    for number, (client, _) in enumerate(clients):
        client.send(b"%d" % number)
    for _ in clients:
        message = server.next()
        assert message.peer is clients[int(message.data)][1]
        message.peer.send(Data(b"to " + message.data))
    for number, (client, _) in enumerate(clients):
        assert client.receive() == b"to %d" % number


def test_whoever_is_not_announced_is_not_disconnected_either(serve: Any) -> None:
    queue = IncomingQueue(1)
    server: Server = serve(QUICK, queue=queue)
    queue.put("full")
    clients = [server.client() for _ in range(3)]
    for client in clients:
        client.send(b"x")
    while server.handler.connections < 3:
        gevent.idle()
    within(server.handler.stop)
    assert queue.get() == "full"
    assert queue.empty()
    assert [client.rest() for client in clients] == [b"", b"", b""]


# --- replies ----------------------------------------------------------------------------------------------------------


def test_replies_queued_before_a_disconnect_go_out(serve: Any) -> None:
    server: Server = serve()
    client, peer = server.connect()
    replies = [b"%d" % number * 1000 for number in range(100)]
    for reply in replies:
        peer.send(Data(reply))
    peer.disconnect("enough")
    peer.send(Data(b"too late"))
    assert not peer.connected
    assert client.messages() == replies
    client.close()
    message = server.next_disconnected()
    assert message.reason is DisconnectReason.CLOSED_BY_US
    assert message.detail == "enough"


def test_replies_larger_than_the_sockets_buffers_go_out_before_a_disconnect(serve: Any) -> None:
    server: Server = serve(Limits(outgoing_hard_bytes=64 << 20, max_message_bytes=32 << 20))
    client, peer = server.connect(receive_buffer=4096)
    peer.send(Data(b"large" * (4 << 20)))
    peer.disconnect()
    assert within(client.receive) == b"large" * (4 << 20)
    client.close()
    assert server.next_reason() is DisconnectReason.CLOSED_BY_US


def test_replies_reach_a_client_that_goes_on_talking(serve: Any) -> None:
    server: Server = serve()
    client, peer = server.connect()
    chatter = tasks.spawn("chatter", talk, client)
    assert server.next_data()
    peer.send(Data(b"goodbye"))
    peer.disconnect()
    taking = tasks.spawn("taking", take_until_disconnected, server)
    assert client.messages() == [b"goodbye"]
    client.close()
    within(taking.get)
    within(chatter.join)


def take_until_disconnected(server: Server) -> None:
    while isinstance(server.next(), Data):
        pass


def talk(client: Client) -> None:
    """Send until the connection is gone."""
    try:
        while True:
            client.send(b"chatter" * 100)
            gevent.sleep(0)
    except OSError:
        pass


def test_a_half_close_and_replies_afterwards(serve: Any) -> None:
    server: Server = serve()
    client = server.client()
    client.send(*[b"%d" % number for number in range(40)])
    client.end()
    peer = server.next().peer
    for number in range(40):
        assert server.next_data() == b"%d" % number
        peer.send(Data(b"re: %d" % number))
    assert client.messages() == [b"re: %d" % number for number in range(40)]
    assert server.next_reason() is DisconnectReason.CLOSED_BY_PEER


def test_a_message_may_be_changed_after_it_was_sent(serve: Any) -> None:
    server: Server = serve()
    client, peer = server.connect()
    message = Data(b"as it was")
    peer.send(message)
    message.data = b"changed"
    assert client.receive() == b"as it was"


def test_a_disconnect_does_not_wait_longer_than_the_linger_time(serve: Any) -> None:
    server: Server = serve(QUICK)
    _, peer = server.connect()
    peer.disconnect("the client does not close")
    assert within(server.next_reason, seconds=5.0) is DisconnectReason.CLOSED_BY_US


def test_a_disconnect_waits_no_longer_for_a_client_that_does_not_read(serve: Any) -> None:
    server: Server = serve(Limits(linger_seconds=0.2, outgoing_hard_bytes=64 << 20, max_message_bytes=64 << 20))
    _, peer = server.connect(receive_buffer=4096)
    peer.send(Data(bytes(32 << 20)))
    peer.disconnect()
    assert within(server.next_reason, seconds=5.0) is DisconnectReason.CLOSED_BY_US


def test_messages_that_were_received_are_told_before_a_disconnect_of_ours(serve: Any) -> None:
    server: Server = serve()
    client, peer = server.connect()
    client.send(b"one")
    assert server.next_data() == b"one"
    client.send(b"two")
    while not peer._in_flight:
        gevent.idle()
    peer.disconnect()
    assert server.next_data() == b"two"
    client.close()
    assert server.next_reason() is DisconnectReason.CLOSED_BY_US


# --- abort ------------------------------------------------------------------------------------------------------------


def test_abort_closes_at_once(serve: Any) -> None:
    server: Server = serve()
    client, peer = server.connect()
    peer.abort("out!")
    message = within(server.next_disconnected, seconds=2.0)
    assert (message.reason, message.detail) == (DisconnectReason.CLOSED_BY_US, "out!")
    with pytest.raises(ConnectionResetError):
        client.sock.recv(1)


def test_abort_loses_what_is_queued(serve: Any) -> None:
    server: Server = serve(Limits(outgoing_hard_bytes=64 << 20, max_message_bytes=64 << 20))
    client, peer = server.connect(receive_buffer=4096)
    peer.send(Data(bytes(32 << 20)))
    gevent.idle()
    peer.abort()
    assert within(server.next_reason, seconds=2.0) is DisconnectReason.CLOSED_BY_US
    with pytest.raises(ConnectionResetError):
        client.rest()


@pytest.mark.parametrize("queued", [0, 32 << 20], ids=["while it lingers", "while it sends"])
def test_abort_hurries_a_disconnect(serve: Any, queued: int) -> None:
    server: Server = serve(Limits(linger_seconds=60.0, outgoing_hard_bytes=64 << 20, max_message_bytes=64 << 20))
    client, peer = server.connect(receive_buffer=4096)
    if queued:
        peer.send(Data(bytes(queued)))
    peer.disconnect("politely")
    if not queued:
        assert client.rest() == b""
    gevent.idle()
    peer.abort("now")
    message = within(server.next_disconnected, seconds=5.0)
    assert (message.reason, message.detail) == (DisconnectReason.CLOSED_BY_US, "politely")


def test_abort_hurries_a_disconnect_that_waits_for_the_central_task(serve: Any) -> None:
    server: Server = serve(Limits(linger_seconds=60.0))
    client, peer = server.connect()
    client.send(b"not taken yet")
    while not peer._in_flight:
        gevent.idle()
    peer.disconnect()
    gevent.idle()
    peer.abort()
    while server.handler.connections:
        within(gevent.idle)
    assert server.next_data() == b"not taken yet"
    assert server.next_reason() is DisconnectReason.CLOSED_BY_US


def test_the_first_reason_stays(serve: Any) -> None:
    server: Server = serve()
    client, peer = server.connect()
    peer.disconnect("first")
    peer.disconnect("second")
    peer.fail(ProtocolError("third"))
    client.close()
    message = server.next_disconnected()
    assert (message.reason, message.detail) == (DisconnectReason.CLOSED_BY_US, "first")


def test_a_flood_does_not_prolong_the_linger(serve: Any) -> None:
    server: Server = serve(Limits(linger_seconds=0.5))
    client, peer = server.connect()
    pool = gevent.get_hub().threadpool
    sock = gevent.monkey.get_original("socket", "socket")(fileno=os.dup(client.sock.fileno()))
    sock.setblocking(True)

    def flood() -> None:
        data = bytes(1 << 20)
        try:
            while True:
                sock.sendall(data)
        except OSError:
            sock.close()

    flooding = pool.spawn(flood)
    peer.disconnect()
    assert within(server.next_reason, seconds=5.0) is DisconnectReason.CLOSED_BY_US
    within(flooding.get)


# --- exceptions and odd results ---------------------------------------------------------------------------------------


class PickyReader(DataReader):
    """Raises, or returns, what the message says."""

    def decode(self, data: bytes) -> Any:
        match data:
            case b"protocol":
                raise ProtocolError("no such thing")
            case b"unicode":
                return data + b"\xff".decode()  # type: ignore[operator]
            case b"bug":
                raise ZeroDivisionError("a bug")
            case b"timeout":
                raise gevent.Timeout(3)
            case b"nothing":
                return None
            case b"no attributes":
                return "takes no peer"
        return Data(data)


def test_a_protocol_error_in_decode(serve: Any, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    server: Server = serve(reader_class=PickyReader)
    client, peer = server.connect()
    client.send(b"fine", b"protocol", b"never seen")
    assert server.next_data() == b"fine"
    client.close()
    message = server.next_disconnected()
    assert message.reason is DisconnectReason.PROTOCOL_ERROR
    assert message.detail == "no such thing"
    assert isinstance(message.exception, ProtocolError)
    assert f"{peer.name}: disconnected: protocol error (no such thing)" in caplog.text
    assert "Traceback" not in caplog.text


def test_bad_utf_8_is_a_protocol_error(serve: Any) -> None:
    server: Server = serve(reader_class=PickyReader)
    client, _ = server.connect()
    client.send(b"unicode")
    client.close()
    message = server.next_disconnected()
    assert message.reason is DisconnectReason.PROTOCOL_ERROR
    assert isinstance(message.exception, UnicodeDecodeError)


def test_a_broken_format_is_a_protocol_error_after_the_messages_before_it(serve: Any) -> None:
    server: Server = serve(Limits(max_message_bytes=100))
    client, _ = server.connect()
    client.sock.sendall(encode_chunks(b"one") + encode_chunks(b"two") + b"\xff\xff" + bytes(1000))
    assert [server.next_data(), server.next_data()] == [b"one", b"two"]
    client.close()
    message = server.next_disconnected()
    assert message.reason is DisconnectReason.PROTOCOL_ERROR
    assert message.detail == "a message of more than 100 bytes"


@pytest.mark.parametrize(
    ("sent", "detail"),
    [
        (b"bug", "ZeroDivisionError: a bug"),
        (b"timeout", "Timeout: 3 seconds"),
        (b"no attributes", "AttributeError: 'str' object has no attribute 'peer'"),
    ],
)
def test_a_mistake_in_decode_is_logged_and_costs_the_one_connection(
    serve: Any, caplog: pytest.LogCaptureFixture, sent: bytes, detail: str
) -> None:
    server: Server = serve(reader_class=PickyReader)
    other, _ = server.connect()
    client, peer = server.connect()
    client.send(b"before", sent, b"after")
    assert server.next_data() == b"before"
    client.close()
    message = server.next_disconnected()
    assert message.reason is DisconnectReason.INTERNAL_ERROR
    assert message.detail.startswith(detail)  # Python 3.13 says more
    assert f"{peer.name}: failed while receiving" in caplog.text
    assert "Traceback" in caplog.text
    other.send(b"undisturbed")
    assert server.next_data() == b"undisturbed"


def test_decode_may_return_none(serve: Any) -> None:
    server: Server = serve(reader_class=PickyReader)
    client, _ = server.connect()
    client.send(b"nothing", b"one", b"nothing", b"nothing", b"two", b"nothing")
    assert [server.next_data(), server.next_data()] == [b"one", b"two"]


def test_a_flood_of_nothing_does_not_hold_the_hub(serve: Any) -> None:
    server: Server = serve(reader_class=PickyReader)
    client, peer = server.connect()
    chatter = tasks.spawn("chatter", flood_with, client, encode_chunks(b"nothing") * 10_000)
    began = time.monotonic()
    for _ in range(50):
        gevent.sleep(0.001)
    assert time.monotonic() - began < 5.0
    peer.abort()
    assert server.next_reason() is DisconnectReason.CLOSED_BY_US
    within(chatter.join)


def flood_with(client: Client, data: bytes) -> None:
    try:
        while True:
            client.sock.sendall(data)
    except OSError:
        pass


class PickyWriter(DataWriter):
    def encode(self, message: Data) -> bytes:
        if message.data == b"bug":
            raise ZeroDivisionError
        return super().encode(message)


def test_a_mistake_in_encode_is_the_senders_exception(serve: Any) -> None:
    server: Server = serve(writer_class=PickyWriter)
    client, peer = server.connect()
    with pytest.raises(ZeroDivisionError):
        peer.send(Data(b"bug"))
    with pytest.raises(AttributeError):
        peer.send("not a message")
    peer.send(Data(b"fine"))
    assert client.receive() == b"fine"


class GoodbyeWriter(DataWriter):
    def encode_goodbye(self, reason: DisconnectReason, detail: str, exception: BaseException | None) -> bytes | None:
        if detail == "bug":
            raise ZeroDivisionError
        return f"{reason.value}/{detail}/{type(exception).__name__}".encode()


def test_the_goodbye_comes_after_all_replies(serve: Any) -> None:
    server: Server = serve(reader_class=PickyReader, writer_class=GoodbyeWriter)
    client, peer = server.connect()
    peer.send(Data(b"reply"))
    client.send(b"asks", b"protocol")
    assert server.next_data() == b"asks"
    peer.send(Data(b"answer"))
    assert client.messages() == [b"reply", b"answer", b"protocol error/no such thing/ProtocolError"]
    client.close()
    assert server.next_reason() is DisconnectReason.PROTOCOL_ERROR


@pytest.mark.parametrize(
    ("end", "goodbye"),
    [
        (lambda peer: peer.disconnect("enough"), b"closed by us/enough/NoneType"),
        (lambda peer: peer.fail(ProtocolError("what?")), b"protocol error/what?/ProtocolError"),
        (lambda peer: peer.fail(KeyError("secret")), b"internal error/internal error/KeyError"),
    ],
)
def test_the_goodbye_says_why(serve: Any, end: Any, goodbye: bytes) -> None:
    server: Server = serve(writer_class=GoodbyeWriter)
    client, peer = server.connect()
    end(peer)
    assert client.messages() == [goodbye]


def test_there_is_no_goodbye_for_who_has_closed_or_was_aborted(serve: Any) -> None:
    server: Server = serve(writer_class=GoodbyeWriter)
    client, _ = server.connect()
    client.end()
    assert client.messages() == []
    assert server.next_reason() is DisconnectReason.CLOSED_BY_PEER
    client, peer = server.connect()
    peer.abort()
    with pytest.raises(ConnectionResetError):
        client.rest()


def test_a_mistake_in_the_goodbye_is_logged(serve: Any, caplog: pytest.LogCaptureFixture) -> None:
    server: Server = serve(writer_class=GoodbyeWriter)
    client, peer = server.connect()
    peer.send(Data(b"reply"))
    peer.disconnect("bug")
    assert client.messages() == [b"reply"]
    client.close()
    assert server.next_reason() is DisconnectReason.CLOSED_BY_US
    assert "failed to encode the goodbye" in caplog.text


# --- readers and writers of one's own ---------------------------------------------------------------------------------


class LineReader(ConnectionReader):
    """`receive` and `decode`, as the seed has it: lines."""

    def __init__(self, sock: gevent.socket.socket) -> None:
        super().__init__(sock)
        self._file = sock.makefile("rb")

    def receive(self) -> bytes:
        line: bytes = self._file.readline()
        if line == b"raise\n":
            raise ZeroDivisionError("in receive")
        if line == b"lost\n":
            raise OSError("as if lost")
        if line == b"wait\n":
            raise gevent.Timeout(3)
        if line == b"closed\n":
            raise ConnectionClosed(mid_message=True)
        if line == b"wrong\n":
            raise ProtocolError("a wrong line")
        return line

    def decode(self, data: bytes) -> Data:
        return Data(data.rstrip(b"\n"))


class LineWriter(ConnectionWriter):
    """`encode` and `send`, as the seed has it."""

    def encode(self, message: Data) -> bytes:
        return message.data + b"\n"

    def send(self, data: bytes) -> None:
        if data == b"raise\n":
            raise ZeroDivisionError("in send")
        if data == b"lost\n":
            raise OSError("as if lost")
        if data == b"wait\n":
            raise gevent.Timeout(3)
        self.sock.sendall(data)


def lines(serve: Any, limits: Limits | None = None, **classes: Any) -> Server:
    server: Server = serve(limits, reader_class=LineReader, writer_class=classes.get("writer_class", LineWriter))
    return server


def test_a_reader_and_writer_of_ones_own(serve: Any) -> None:
    server = lines(serve)
    client, peer = server.connect()
    client.sock.sendall(b"one\ntwo\n")
    assert [server.next_data(), server.next_data()] == [b"one", b"two"]
    peer.send(Data(b"answer 1"))
    peer.send(Data(b"answer 2"))
    peer.disconnect("done")
    assert client.rest() == b"answer 1\nanswer 2\n"
    client.close()
    assert server.next_reason() is DisconnectReason.CLOSED_BY_US


def test_receive_returning_nothing_means_closed(serve: Any) -> None:
    server = lines(serve)
    client, _ = server.connect()
    client.sock.sendall(b"last\n")
    client.end()
    assert server.next_data() == b"last"
    assert client.rest() == b""
    message = server.next_disconnected()
    assert (message.reason, message.detail) == (DisconnectReason.CLOSED_BY_PEER, "")


@pytest.mark.parametrize(
    ("sent", "reason", "detail", "logged"),
    [
        (b"raise\n", DisconnectReason.INTERNAL_ERROR, "ZeroDivisionError: in receive", True),
        (b"wait\n", DisconnectReason.INTERNAL_ERROR, "Timeout: 3 seconds", True),
        (b"lost\n", DisconnectReason.CONNECTION_LOST, "as if lost", False),
        (b"closed\n", DisconnectReason.CLOSED_BY_PEER, "closed in the middle of a message", False),
        (b"wrong\n", DisconnectReason.PROTOCOL_ERROR, "a wrong line", False),
    ],
)
def test_what_receive_raises(
    serve: Any,
    caplog: pytest.LogCaptureFixture,
    sent: bytes,
    reason: DisconnectReason,
    detail: str,
    logged: bool,
) -> None:
    server = lines(serve)
    client, _ = server.connect()
    client.sock.sendall(b"before\n" + sent)
    assert server.next_data() == b"before"
    client.close()
    message = server.next_disconnected()
    assert (message.reason, message.detail) == (reason, detail)
    assert ("failed while receiving" in caplog.text) == logged


@pytest.mark.parametrize(
    ("sent", "detail", "logged"),
    [
        (b"raise", "in send", True),
        (b"wait", "3 seconds", True),
        (b"lost", "as if lost", False),
    ],
)
def test_what_send_raises(serve: Any, caplog: pytest.LogCaptureFixture, sent: bytes, detail: str, logged: bool) -> None:
    server = lines(serve)
    _, peer = server.connect()
    other, other_peer = server.connect()
    peer.send(Data(b"before"))
    peer.send(Data(sent))
    message = server.next_disconnected()
    assert message.peer is peer
    assert message.reason is DisconnectReason.CONNECTION_LOST
    assert message.detail == detail
    assert ("failed while sending" in caplog.text) == logged
    other_peer.send(Data(b"undisturbed"))
    assert other.sock.recv(100) == b"undisturbed\n"


class WaitingWriter(LineWriter):
    """Its `send` waits until the test lets it on."""

    let_on = gevent.event.Event()
    sending = gevent.event.Event()

    def send(self, data: bytes) -> None:
        WaitingWriter.sending.set()
        WaitingWriter.let_on.wait()
        super().send(data)


def test_a_send_that_waits_holds_nobody_up(serve: Any) -> None:
    WaitingWriter.let_on.clear()
    server = lines(serve, writer_class=WaitingWriter)
    client, peer = server.connect()
    peer.send(Data(b"one"))
    peer.send(Data(b"two"))
    client.sock.sendall(b"still read\n")
    assert server.next_data() == b"still read"
    peer.disconnect()
    gevent.idle()
    WaitingWriter.let_on.set()
    assert client.rest() == b"one\ntwo\n"
    client.close()
    assert server.next_reason() is DisconnectReason.CLOSED_BY_US


def test_a_send_that_waits_for_ever_ends_with_the_connection(serve: Any) -> None:
    WaitingWriter.let_on.clear()
    WaitingWriter.sending.clear()
    server = lines(serve, QUICK, writer_class=WaitingWriter)
    client, peer = server.connect()
    peer.send(Data(b"one"))
    within(WaitingWriter.sending.wait)
    client.close()
    assert within(server.next_reason, seconds=5.0) is DisconnectReason.CLOSED_BY_PEER


# --- a plain queue, and a central task of one's own -------------------------------------------------------------------


def test_a_hand_written_central_loop_on_a_plain_queue(serve: Any) -> None:
    """Seed 001: "a central task that waits until a message is put in its gevent queue, processes the message and
    waits for the next message"."""
    queue: gevent.queue.Queue[Any] = gevent.queue.Queue()
    server: Server = serve(queue=queue)
    told: list[str] = []

    def central_task() -> None:
        while True:
            message = queue.get()
            match message:
                case PeerConnected():
                    told.append(f"{message.peer.name} came")
                case PeerDisconnected():
                    told.append(f"{message.peer.name} went: {message.reason.value}")
                    return
                case Data():
                    message.peer.send(Data(message.data.upper()))
                    if message.data == b"quit":
                        message.peer.disconnect()

    central = tasks.spawn("central", central_task)
    client = server.client()
    client.send(b"hello", b"again")
    assert [client.receive(), client.receive()] == [b"HELLO", b"AGAIN"]
    client.send(b"quit")
    assert client.messages() == [b"QUIT"]
    client.close()
    within(central.get)
    assert told == ["clients[1] came", "clients[1] went: closed by us"]


def test_a_plain_queue_with_a_bound_stops_the_reader(serve: Any) -> None:
    queue: gevent.queue.Queue[Any] = gevent.queue.Queue(2)
    server: Server = serve(queue=queue)
    client = server.client()
    client.send(*[b"%d" % number for number in range(10)])
    client.end()
    assert isinstance(server.next(), PeerConnected)
    assert [server.next_data() for _ in range(10)] == [b"%d" % number for number in range(10)]
    assert server.next_reason() is DisconnectReason.CLOSED_BY_PEER


# --- who is logged in -------------------------------------------------------------------------------------------------


def test_how_many_are_not_logged_in(serve: Any) -> None:
    server: Server = serve(peer_class=LoginPeer)
    handler = server.handler
    clients = [server.connect() for _ in range(3)]
    assert handler.not_logged_in == 3
    clients[0][1].logged_in = True
    clients[0][1].logged_in = True
    assert handler.not_logged_in == 2
    clients[0][1].logged_in = False
    assert handler.not_logged_in == 3
    clients[0][1].logged_in = True
    for client, _ in clients:
        client.close()
        server.next_disconnected()
    assert handler.not_logged_in == 0


@pytest.mark.parametrize("logged_in", [[True], [True, False], [False]])
def test_logging_in_while_the_connection_ends_is_counted_once(serve: Any, logged_in: list[bool]) -> None:
    server: Server = serve(peer_class=LoginPeer)
    client = server.client()
    client.send(b"log me in")
    client.end()
    peer = server.next().peer
    while peer.connected:
        gevent.idle()
    assert server.next_data() == b"log me in"
    peer.logged_in = logged_in[0]
    client.close()
    server.next_disconnected()
    for value in logged_in:
        peer.logged_in = value
    assert server.handler.not_logged_in == 0


def test_peers_that_need_no_login_do_not_count(serve: Any) -> None:
    server: Server = serve()
    _, peer = server.connect()
    peer.logged_in = False
    assert server.handler.not_logged_in == 0


# --- what a program's own classes may do ------------------------------------------------------------------------


class RoomPeer(Peer):
    """Has attributes of the words that a chat or a game would take."""

    def __init__(self) -> None:
        self.room = "lobby"
        self.in_flight = "a pigeon"


def test_a_peer_may_have_attributes_of_its_own(serve: Any) -> None:
    server: Server = serve(peer_class=RoomPeer)
    client, peer = server.connect()
    client.send(*[b"hello"] * 100)
    assert [server.next_data() for _ in range(100)] == [b"hello"] * 100
    assert (peer.room, peer.in_flight) == ("lobby", "a pigeon")
    peer.disconnect()
    client.close()
    assert server.next_reason() is DisconnectReason.CLOSED_BY_US


class EmptyLinesReader(FramedConnectionReader):
    """Lines, of which some are empty: messages like any other."""

    class Lines:
        error = None
        mid_message = False

        def receive_data(self, data: bytes) -> list[bytes]:
            return data.split(b"\n")[:-1]

    def create_framing(self) -> Any:
        return self.Lines()

    def decode(self, data: bytes) -> Data:
        return Data(data)


def test_an_empty_message_of_a_framing_is_a_message(serve: Any) -> None:
    server: Server = serve(reader_class=EmptyLinesReader)
    client, _ = server.connect()
    client.sock.sendall(b"one\n\ntwo\n")
    assert [server.next_data() for _ in range(3)] == [b"one", b"", b"two"]


class ExplainingWriter(DataWriter):
    def encode_goodbye(self, reason: DisconnectReason, detail: str, exception: BaseException | None) -> bytes | None:
        return f"{reason.value}: {detail}".encode()


class SecretReader(DataReader):
    def decode(self, data: bytes) -> Data:
        raise KeyError("/etc/secret/path")


def test_the_far_end_does_not_hear_what_went_wrong_here(serve: Any) -> None:
    server: Server = serve(reader_class=SecretReader, writer_class=ExplainingWriter)
    client, _ = server.connect()
    client.send(b"anything")
    assert client.messages() == [b"internal error: internal error"]
    client.close()
    message = server.next_disconnected()
    assert (message.reason, message.detail) == (DisconnectReason.INTERNAL_ERROR, "KeyError: '/etc/secret/path'")


# --- memory -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("last_words", [b"", b"\x01\x00\xff"], ids=["closed", "protocol error"])
def test_what_a_connection_was_made_of_is_freed_with_it(serve: Any, last_words: bytes) -> None:
    """Not only when the garbage collector comes to it, which with many connections holds up everybody."""

    class TextReader(DataReader):
        def decode(self, data: bytes) -> Any:
            return Data(data.decode().encode())

    server: Server = serve(reader_class=TextReader)
    gc.collect()
    gc.disable()
    try:
        client, peer = server.connect()
        reader = weakref.ref(peer._connection.reader)
        del peer
        client.send(b"hello")
        assert server.next_data() == b"hello"
        if last_words:
            client.sock.sendall(last_words)
        client.close()
        assert (server.next_reason() is DisconnectReason.PROTOCOL_ERROR) == bool(last_words)
        wait_until(lambda: reader() is None)
    finally:
        gc.enable()
