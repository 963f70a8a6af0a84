"""Listening, accepting, refusing, and every bound that an incoming connection has."""

import errno
import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gevent
import gevent.queue
import gevent.socket
import pytest

from connhandler import DisconnectReason, IncomingQueue, Limits, PeerConnected, RefusalReason, tasks
from connhandler.framing.chunks import encode_chunks
from connhandler.testing import check_leaks, loopback_pair
from tests.connhandler.support import (
    Client,
    Data,
    DataHandler,
    DataWriter,
    LoginPeer,
    Server,
    within,
)

ROOT = Path(__file__).parents[2]

# --- listening --------------------------------------------------------------------------------------------------------


def test_a_port_in_use_is_a_clear_error(serve: Any) -> None:
    server: Server = serve()
    port = server.handler.port
    for name in ("listen", "start", "run"):
        handler = DataHandler("others", "127.0.0.1", port, IncomingQueue())
        with pytest.raises(OSError) as caught:
            within(getattr(handler, name))
        assert caught.value.errno == errno.EADDRINUSE
        assert caught.value.strerror == f"others: cannot listen on 127.0.0.1:{port}: Address already in use"


def test_an_address_that_is_not_ours_is_a_clear_error() -> None:
    handler = DataHandler("clients", "192.0.2.1", 0, IncomingQueue())
    with pytest.raises(OSError, match=r"clients: cannot listen on 192\.0\.2\.1:0: Cannot assign requested address"):
        handler.listen()


def test_a_name_that_is_none_is_a_clear_error() -> None:
    handler = DataHandler("clients", "no.such.host.invalid", 0, IncomingQueue())
    with pytest.raises(OSError, match=r"clients: cannot listen on no\.such\.host\.invalid:0: "):
        within(handler.listen)


def test_port_0_takes_a_free_port_and_tells_which() -> None:
    with check_leaks():
        handler = DataHandler("clients", "127.0.0.1", 0, IncomingQueue())
        handler.listen()
        port = handler.port
        assert port > 0
        handler.listen()
        assert handler.port == port
        handler.stop()


def test_where_it_listens_is_logged(serve: Any, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    server: Server = serve()
    assert f"clients: listening on 127.0.0.1:{server.handler.port}" in caplog.text


def test_ipv6(serve: Any) -> None:
    server: Server = serve(address="::1")
    client, peer = server.connect()
    assert peer.address[:2] == client.sock.getsockname()[:2]
    client.send(b"six")
    assert server.next_data() == b"six"


def test_run_serves_until_it_is_stopped() -> None:
    with check_leaks():
        queue = IncomingQueue()
        handler = DataHandler("clients", "127.0.0.1", 0, queue)
        handler.listen()
        running = tasks.spawn("running", handler.run)
        client = Client(handler.port)
        assert isinstance(within(queue.get), PeerConnected)
        client.close()
        handler.stop()
        within(running.get)


def test_start_after_stop(serve: Any) -> None:
    server: Server = serve()
    port = server.handler.port
    client, _ = server.connect()
    stopping = tasks.spawn("stopping", server.handler.stop)
    assert client.rest() == b""
    client.close()
    assert server.next_reason() is DisconnectReason.SHUTTING_DOWN
    within(stopping.get)
    with pytest.raises(ConnectionRefusedError):
        Client(port)
    server.handler.start()
    assert server.handler.port == port
    client, peer = server.connect()
    assert peer.serial == 2
    client.send(b"again")
    assert server.next_data() == b"again"


def test_stop_accepting_leaves_open_connections_alone(serve: Any) -> None:
    server: Server = serve()
    client, peer = server.connect()
    server.handler.stop_accepting()
    server.handler.stop_accepting()
    with pytest.raises(ConnectionRefusedError):
        Client(server.handler.port)
    client.send(b"still here")
    assert server.next_data() == b"still here"
    peer.send(Data(b"so I see"))
    assert client.receive() == b"so I see"


def test_stop_ends_what_does_not_close(serve: Any) -> None:
    server: Server = serve()
    server.connect()
    within(server.handler.stop, 0.1, seconds=5.0)
    assert server.handler.connections == 0
    assert server.next_reason() is DisconnectReason.SHUTTING_DOWN


def test_stop_ends_what_has_only_just_been_accepted() -> None:
    """The connection's task has not begun when `stop` is called."""
    with check_leaks():
        queue = IncomingQueue()
        handler = DataHandler("clients", "127.0.0.1", 0, queue)
        there, here = loopback_pair()
        handler._accepted(here, there.getsockname())
        within(handler.stop, 0.0)
        assert handler.connections == handler._open == 0
        kinds = [type(queue.get()).__name__ for _ in range(queue.qsize())]
        assert kinds in ([], ["PeerConnected", "PeerDisconnected"])
        gevent.idle()
        assert queue.empty()
        there.close()


def test_a_storm_of_connections(serve: Any) -> None:
    server: Server = serve(Limits(max_connections_per_address=1000))
    clients = [server.client() for _ in range(300)]
    for number, client in enumerate(clients):
        client.send(b"%d" % number)
    heard: set[int] = set()
    while len(heard) < 300:
        message = server.next()
        if isinstance(message, Data):
            heard.add(int(message.data))
    assert server.counters == {"accepted": 300}
    for client in clients:
        client.close()
    assert {server.next_reason() for _ in clients} == {DisconnectReason.CLOSED_BY_PEER}
    assert server.counters == {"accepted": 300, "closed by peer": 300}


def assert_ended(client: Client) -> None:
    """Wait until the server has ended its side without another word, and close."""
    assert client.rest() == b""
    client.close()


# --- how many ---------------------------------------------------------------------------------------------------------


def from_address(server: Server, address: str) -> Client:
    """Connect from a certain address of this machine."""
    client = Client.__new__(Client)
    sock = gevent.socket.create_connection(("127.0.0.1", server.handler.port), source_address=(address, 0))
    sock.settimeout(20.0)
    client.sock = sock
    server.clients.append(client)
    return client


def test_connections_in_all(serve: Any) -> None:
    server: Server = serve(Limits(max_connections=2))
    first, _ = server.connect()
    server.connect()
    assert server.client().rest() == b""
    assert from_address(server, "127.0.0.2").rest() == b""
    assert server.counters == {"accepted": 2, "too many connections": 2}
    first.close()
    server.next_disconnected()
    server.connect()
    assert server.handler.connections == 2


def test_connections_from_one_address(serve: Any) -> None:
    server: Server = serve(Limits(max_connections_per_address=2))
    first, _ = server.connect()
    server.connect()
    assert server.client().rest() == b""
    assert server.counters["too many connections from one address"] == 1
    from_address(server, "127.0.0.2")
    assert server.next().peer.address[0] == "127.0.0.2"
    first.close()
    server.next_disconnected()
    server.connect()
    assert server.handler.connections == 3


def test_nothing_is_remembered_of_an_address_that_left(serve: Any) -> None:
    server: Server = serve()
    clients = [from_address(server, f"127.0.0.{number}") for number in range(1, 20)]
    for _ in clients:
        server.next()
    for client in clients:
        client.close()
        server.next_disconnected()
    assert server.handler._open_from == {}
    assert server.handler._open == 0


def test_connections_not_logged_in(serve: Any) -> None:
    server: Server = serve(Limits(max_not_logged_in=2), peer_class=LoginPeer)
    _, first = server.connect()
    second, _ = server.connect()
    assert server.client().rest() == b""
    assert server.counters["too many connections not logged in"] == 1
    first.logged_in = True
    server.connect()
    assert server.client().rest() == b""
    second.close()
    server.next_disconnected()
    server.connect()
    assert server.handler.not_logged_in == 2


def test_connections_that_need_no_login_are_not_counted_as_not_logged_in(serve: Any) -> None:
    server: Server = serve(Limits(max_not_logged_in=1))
    for _ in range(5):
        server.connect()


class ExplainingHandler(DataHandler):
    def refusal_bytes(self, reason: RefusalReason) -> bytes:
        return encode_chunks(reason.value.encode())


@pytest.mark.parametrize(
    ("limits", "text"),
    [
        (Limits(max_connections=1), b"too many connections"),
        (Limits(max_connections_per_address=1), b"too many connections from one address"),
        (Limits(max_not_logged_in=1), b"too many connections not logged in"),
    ],
)
def test_who_is_refused_may_be_told_why(serve: Any, limits: Limits, text: bytes) -> None:
    server: Server = serve(limits, handler_class=ExplainingHandler, peer_class=LoginPeer)
    server.connect()
    client = server.client()
    assert client.messages() == [text]
    assert server.counters[text.decode()] == 1
    assert server.queue.empty()


def test_who_is_refused_hears_why_although_it_has_said_something(serve: Any) -> None:
    server: Server = serve(Limits(max_connections=1), handler_class=ExplainingHandler)
    server.connect()
    for _ in range(20):
        client = server.client()
        client.send(b"hello")
        assert client.receive() == b"too many connections"


def test_a_flood_of_refusals_is_not_a_flood_of_log_lines(serve: Any, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    server: Server = serve(Limits(max_connections=1))
    server.connect()
    for _ in range(50):
        assert server.client().rest() == b""
    assert server.counters == {"accepted": 1, "too many connections": 50}
    lines = [record.message for record in caplog.records if "refused" in record.message]
    assert 1 <= len(lines) <= 5
    assert lines[0].startswith("clients: refused ('127.0.0.1', ")
    assert lines[0].endswith(": too many connections")


# --- how long ---------------------------------------------------------------------------------------------------------


def test_time_for_the_first_message(serve: Any, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    server: Server = serve(Limits(first_message_seconds=0.15))
    talker, _ = server.connect()
    talker.send(b"in time")
    server.next_data()
    silent, peer = server.connect()
    assert_ended(silent)
    message = server.next_disconnected()
    assert message.peer is peer
    assert message.reason is DisconnectReason.FIRST_MESSAGE_TIMEOUT
    assert message.detail == "first message timeout after 0.15 s"
    assert f"{peer.name}: disconnected: first message timeout" in caplog.text
    assert server.counters["first message timeout"] == 1
    talker.send(b"still here")
    assert server.next_data() == b"still here"


def test_time_for_the_first_message_can_be_turned_off(serve: Any) -> None:
    server: Server = serve(Limits(first_message_seconds=0, idle_seconds=0.3))
    assert_ended(server.connect()[0])
    assert server.next_reason() is DisconnectReason.IDLE_TIMEOUT


@pytest.mark.parametrize("first", [True, False])
def test_time_for_a_whole_message_that_comes_byte_by_byte(serve: Any, first: bool) -> None:
    server: Server = serve(Limits(first_message_seconds=5, message_seconds=0.3))
    client, _ = server.connect()
    if not first:
        client.send(b"a whole one before")
        server.next_data()
    dripping = tasks.spawn("dripping", drip, client, encode_chunks(b"x" * 10_000))
    message = server.next_disconnected()
    assert message.reason is DisconnectReason.MESSAGE_TIMEOUT
    assert message.detail == "message timeout after 0.3 s"
    within(dripping.join)


def drip(client: Client, data: bytes) -> None:
    """A slow loris: a byte from time to time, until the connection is gone."""
    try:
        for byte in data:
            client.sock.sendall(bytes([byte]))
            with tasks.wait_at_most(0.01):
                assert client.sock.recv(1) == b""
                break
    except OSError:
        pass
    finally:
        client.close()


def test_a_pause_between_messages_is_no_slow_message(serve: Any) -> None:
    server: Server = serve(Limits(message_seconds=0.1))
    client, _ = server.connect()
    for number in range(5):
        client.send(b"%d" % number)
        assert server.next_data() == b"%d" % number
        gevent.sleep(0.06)


def test_a_message_that_came_in_two_pieces_is_over(serve: Any) -> None:
    server: Server = serve(Limits(message_seconds=0.1))
    client, _ = server.connect()
    client.sock.sendall(b"\3\0t")
    while server.handler._connections and not any(c.reader.begun_at for c in server.handler._connections):
        gevent.idle()
    client.sock.sendall(b"wo" + encode_chunks(b"three"))
    assert [server.next_data(), server.next_data()] == [b"two", b"three"]
    gevent.sleep(0.25)
    client.send(b"four")
    assert server.next_data() == b"four"


def test_a_message_that_begins_behind_another_is_timed(serve: Any) -> None:
    server: Server = serve(Limits(message_seconds=0.1))
    client, _ = server.connect()
    client.sock.sendall(encode_chunks(b"one") + b"\3\0t")
    assert server.next_data() == b"one"
    assert_ended(client)
    assert server.next_reason() is DisconnectReason.MESSAGE_TIMEOUT


def test_a_message_that_takes_long_is_not_idle(serve: Any) -> None:
    server: Server = serve(Limits(message_seconds=30.0, first_message_seconds=30.0, idle_seconds=0.25))
    client, _ = server.connect()
    for byte in encode_chunks(b"x" * 30):
        client.sock.sendall(bytes([byte]))
        gevent.sleep(0.02)
    assert server.next_data() == b"x" * 30


def test_time_to_log_in(serve: Any) -> None:
    server: Server = serve(Limits(login_seconds=0.2), peer_class=LoginPeer)
    honest, honest_peer = server.connect()
    honest_peer.logged_in = True
    slow, peer = server.connect()
    for _ in range(3):
        slow.send(b"is not the same as logging in")
        server.next_data()
    assert_ended(slow)
    message = server.next_disconnected()
    assert message.peer is peer
    assert message.reason is DisconnectReason.LOGIN_TIMEOUT
    honest.send(b"still here")
    assert server.next_data() == b"still here"


def test_peers_that_need_no_login_have_all_the_time(serve: Any) -> None:
    server: Server = serve(Limits(login_seconds=0.05, idle_seconds=0.3))
    client, _ = server.connect()
    client.send(b"hello")
    server.next_data()
    assert_ended(client)
    assert server.next_reason() is DisconnectReason.IDLE_TIMEOUT


def test_idle_time(serve: Any) -> None:
    server: Server = serve(Limits(idle_seconds=0.2))
    client, _ = server.connect()
    for _ in range(4):
        client.send(b"here")
        server.next_data()
        gevent.sleep(0.1)
    assert_ended(client)
    message = server.next_disconnected()
    assert (message.reason, message.detail) == (DisconnectReason.IDLE_TIMEOUT, "idle timeout after 0.2 s")


class BeatingWriter(DataWriter):
    def encode_heartbeat(self) -> bytes | None:
        return b"beat"


def test_heartbeats_that_are_answered(serve: Any) -> None:
    server: Server = serve(Limits(heartbeat_seconds=0.05, idle_seconds=1.0), writer_class=BeatingWriter)
    client, _ = server.connect()
    client.send(b"hello")
    server.next_data()
    for _ in range(5):
        assert client.receive() == b"beat"
        client.send(b"alive")
        assert server.next_data() == b"alive"


def test_heartbeats_that_are_missed(serve: Any) -> None:
    server: Server = serve(Limits(heartbeat_seconds=0.1, missed_heartbeats=3), writer_class=BeatingWriter)
    client, _ = server.connect()
    client.send(b"hello")
    server.next_data()
    assert client.messages() == [b"beat"] * 3
    client.close()
    assert server.next_reason() is DisconnectReason.HEARTBEAT_TIMEOUT


def test_heartbeats_take_the_place_of_the_idle_bound(serve: Any) -> None:
    server: Server = serve(
        Limits(heartbeat_seconds=0.1, missed_heartbeats=4, idle_seconds=0.3), writer_class=BeatingWriter
    )
    client, _ = server.connect()
    client.send(b"hello")
    server.next_data()
    assert client.messages() == [b"beat"] * 4
    client.close()
    assert server.next_reason() is DisconnectReason.HEARTBEAT_TIMEOUT


def test_who_talks_and_is_answered_gets_no_heartbeats(serve: Any) -> None:
    server: Server = serve(Limits(heartbeat_seconds=0.3), writer_class=BeatingWriter)
    client, peer = server.connect()
    for _ in range(8):
        client.send(b"talk")
        server.next_data()
        peer.send(Data(b"answer"))
        assert client.receive() == b"answer"
        gevent.sleep(0.05)
    peer.disconnect()
    assert client.messages() == []


def test_who_talks_and_is_not_answered_gets_heartbeats_and_is_not_dropped(serve: Any) -> None:
    """It has an idle time-out of its own: it must hear that this side is alive."""
    server: Server = serve(Limits(heartbeat_seconds=0.1, missed_heartbeats=1), writer_class=BeatingWriter)
    client, peer = server.connect()
    for _ in range(12):
        client.send(b"talk")
        server.next_data()
        gevent.sleep(0.05)
    peer.disconnect()
    beats = client.messages()
    client.close()
    assert len(beats) >= 2
    assert set(beats) == {b"beat"}
    assert server.next_reason() is DisconnectReason.CLOSED_BY_US


class BrokenBeatingWriter(DataWriter):
    broken = True

    def encode_heartbeat(self) -> bytes | None:
        if self.broken:
            raise ZeroDivisionError("in encode_heartbeat")
        return b"beat"


class OneBrokenHandler(DataHandler):
    """The first connection's writer has a bug."""

    def create_connection_instances(self, sock: Any, address: Any) -> Any:
        reader, _, peer = super().create_connection_instances(sock, address)
        writer = BrokenBeatingWriter(sock)
        writer.broken = self._serial == 0
        return reader, writer, peer


def test_a_mistake_in_a_heartbeat_costs_the_one_connection(serve: Any, caplog: pytest.LogCaptureFixture) -> None:
    server: Server = serve(Limits(heartbeat_seconds=0.1), handler_class=OneBrokenHandler)
    first, peer = server.connect()
    second, _ = server.connect()
    first.send(b"hello")
    second.send(b"hello")
    assert server.next_data() == server.next_data() == b"hello"
    assert_ended(first)
    message = server.next_disconnected()
    assert message.peer is peer
    assert message.reason is DisconnectReason.INTERNAL_ERROR
    assert "Traceback" in caplog.text
    assert second.messages() == [b"beat", b"beat"]
    second.close()
    assert server.next_reason() is DisconnectReason.HEARTBEAT_TIMEOUT


def test_silence_that_is_ours_is_not_the_far_ends(serve: Any) -> None:
    """A full queue stops the reader; what it does not read must not count against the far end."""
    queue = IncomingQueue(1)
    limits = Limits(first_message_seconds=0.2, idle_seconds=0.2, message_seconds=0.2, login_seconds=5)
    server: Server = serve(limits, queue=queue)
    client = server.client()
    client.send(b"one")
    client.sock.sendall(b"\3\0t")
    while not queue.full():
        gevent.sleep(0)
    gevent.sleep(0.6)
    client.sock.sendall(b"wo")
    assert isinstance(server.next(), PeerConnected)
    assert [server.next_data(), server.next_data()] == [b"one", b"two"]


@pytest.mark.parametrize("first", [True, False])
def test_time_begins_anew_when_we_listen_again(serve: Any, first: bool) -> None:
    queue = IncomingQueue(1)
    limits = Limits(first_message_seconds=0.2, idle_seconds=0.2, login_seconds=5)
    server: Server = serve(limits, queue=queue)
    client: Client | None = None
    if first:
        queue.put("full")
        client = server.client()
    else:
        client = server.connect()[0]
        queue.put("full")
        client.send(b"early")
    gevent.sleep(0.6)
    assert queue.get() == "full"
    if first:
        assert isinstance(server.next(), PeerConnected)
    else:
        assert server.next_data() == b"early"
    gevent.sleep(0.1)
    client.send(b"as early as it could")
    assert server.next_data() == b"as early as it could"


# --- who does not read ------------------------------------------------------------------------------------------------


def test_more_than_the_hard_bound_waits(serve: Any) -> None:
    server: Server = serve(Limits(outgoing_hard_bytes=100_000, outgoing_soft_bytes=50_000, max_message_bytes=10_000))
    reader, reader_peer = server.connect()
    _, peer = server.connect(receive_buffer=4096)
    sent = 0
    while peer.connected:
        peer.send(Data(bytes(10_000)))
        reader_peer.send(Data(b"broadcast"))
        assert reader.receive() == b"broadcast"
        sent += 1
        assert sent < 10_000
    message = server.next_disconnected()
    assert message.peer is peer
    assert message.reason is DisconnectReason.SLOW_READER
    assert message.detail.endswith("bytes waited to be read")
    assert server.counters["slow reader"] == 1
    reader_peer.send(Data(b"still here"))
    assert reader.receive() == b"still here"


def test_more_than_the_soft_bound_waits_for_too_long(serve: Any) -> None:
    server: Server = serve(Limits(outgoing_soft_bytes=50_000, outgoing_soft_seconds=0.2, outgoing_hard_bytes=1 << 26))
    _, peer = server.connect(receive_buffer=4096)
    for _ in range(10):
        peer.send(Data(bytes(1 << 20)))
    assert peer.connected
    assert server.next_reason() is DisconnectReason.SLOW_READER


def test_who_reads_in_time_after_the_soft_bound_stays(serve: Any) -> None:
    server: Server = serve(Limits(outgoing_soft_bytes=50_000, outgoing_soft_seconds=0.4, outgoing_hard_bytes=1 << 26))
    client, peer = server.connect(receive_buffer=4096)
    for _ in range(3):
        for _ in range(5):
            peer.send(Data(bytes(1 << 20)))
        for _ in range(5):
            assert len(client.receive()) == 1 << 20
        gevent.sleep(0.1)
    assert peer.connected


# --- without patching -------------------------------------------------------------------------------------------------

UNPATCHED = """
import gevent.monkey, sys
from tests.connhandler.support import Data, Server
server = Server()
client, peer = server.connect()
client.send(b"hello")
peer.send(Data(server.next_data() + b" yourself"))
print(client.receive().decode(), gevent.monkey.saved)
client.close()
server.next_disconnected()
server.stop()
"""


def test_the_framework_itself_needs_no_patching() -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", UNPATCHED],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    assert done.stdout == "hello yourself {}\n"


# --- out of files -----------------------------------------------------------------------------------------------------

FEW_FILES = """
from gevent import monkey; monkey.patch_all()
import resource
from tests.connhandler.support import Data, Server
server = Server()
resource.setrlimit(resource.RLIMIT_NOFILE, (40, 40))
print(server.handler.port, flush=True)
while True:
    message = server.next()
    if isinstance(message, Data):
        message.peer.send(Data(b"%d" % server.counters.get("out of resources", 0)))
"""


@pytest.fixture
def few_files() -> Iterator[int]:
    """The port of a server, a process of its own, that may open 40 files."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        [sys.executable, "-c", FEW_FILES], stdout=subprocess.PIPE, text=True, cwd=ROOT, env=environment
    ) as process:
        assert process.stdout is not None
        yield int(within(process.stdout.readline))
        process.kill()


def test_out_of_files_it_accepts_again_when_some_are_free(few_files: int) -> None:
    first = Client(few_files)
    first.send(b"hello")
    assert first.receive() == b"0"
    many = [Client(few_files) for _ in range(60)]
    refused = 0
    while not refused:
        first.send(b"how often?")
        refused = int(first.receive())
    for client in many[:30]:
        client.close()
    for client in many[30:]:
        client.send(b"hello")
        assert int(client.receive()) < 200
    for client in [first, *many]:
        client.close()
