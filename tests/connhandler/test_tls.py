"""TLS on both sides of a connection, with a certificate made for the test."""

import contextlib
import ssl
from pathlib import Path
from typing import Any

import gevent
import gevent.event
import gevent.monkey
import gevent.socket
import gevent.ssl
import pytest

from connhandler import (
    DisconnectReason,
    IncomingQueue,
    Limits,
    OutgoingConnectionHandler,
    PeerConnected,
    RefusalReason,
    tasks,
)
from connhandler.framing.chunks import encode_chunks
from connhandler.testing import check_leaks
from tests.connhandler.certificates import trusting
from tests.connhandler.support import (
    Client,
    Data,
    DataHandler,
    DataPeer,
    DataReader,
    DataWriter,
    LoginPeer,
    Server,
    within,
)

LARGE = bytes(range(256)) * (4 << 10)
ROOMY = Limits(max_message_bytes=64 << 20, outgoing_soft_bytes=64 << 20, outgoing_hard_bytes=64 << 20)


@pytest.fixture(params=[ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=["TLS 1.2", "TLS 1.3"])
def client_context(certificate: Path, request: pytest.FixtureRequest) -> gevent.ssl.SSLContext:
    return trusting(certificate, request.param)


# --- both ways --------------------------------------------------------------------------------------------------------


def test_messages_both_ways(serve: Any, server_context: Any, client_context: Any) -> None:
    server: Server = serve(ssl_context=server_context)
    client, peer = server.connect(ssl_context=client_context)
    client.send(b"secret")
    assert server.next_data() == b"secret"
    peer.send(Data(b"answer"))
    assert client.receive() == b"answer"
    client.close()
    assert server.next_reason() is DisconnectReason.CLOSED_BY_PEER


def test_large_messages_both_ways_at_once(serve: Any, server_context: Any, client_context: Any) -> None:
    server: Server = serve(ROOMY, ssl_context=server_context)
    client, peer = server.connect(ssl_context=client_context)
    sending = tasks.spawn("sending", client.send, *[LARGE] * 8)
    for number in range(8):
        peer.send(Data(LARGE + b"%d" % number))
    receiving = tasks.spawn("receiving", lambda: [client.receive() for _ in range(8)])
    for _ in range(8):
        assert server.next_data() == LARGE
    assert within(receiving.get) == [LARGE + b"%d" % number for number in range(8)]
    within(sending.get)


def test_many_small_messages_in_order(serve: Any, server_context: Any, client_context: Any) -> None:
    server: Server = serve(ROOMY, ssl_context=server_context)
    client, peer = server.connect(ssl_context=client_context, receive_buffer=4096)
    sent = [bytes([number % 256]) * (1 + number * 37 % 5000) for number in range(2000)]
    for number, message in enumerate(sent):
        peer.send(Data(message))
        if number % 50 == 0:
            gevent.sleep(0)
    assert [within(client.receive) for _ in sent] == sent


def test_an_outgoing_connection(serve: Any, server_context: Any, any_context: Any) -> None:
    server: Server = serve(ssl_context=server_context)
    handler = Outgoing("server", "localhost", server.handler.port, IncomingQueue(), ssl_context=any_context)
    queue: Any = handler.incoming_queue
    handler.start()
    here, there = within(queue.get).peer, server.next().peer
    here.send(Data(LARGE[:100_000]))
    assert server.next_data() == LARGE[:100_000]
    there.send(Data(b"thanks"))
    assert within(queue.get).data == b"thanks"
    within(handler.stop)
    assert within(queue.get).reason is DisconnectReason.SHUTTING_DOWN
    assert server.next_reason() is DisconnectReason.CLOSED_BY_PEER


class Outgoing(OutgoingConnectionHandler):
    def create_connection_instances(self, sock: Any, address: Any) -> Any:
        return DataReader(sock), DataWriter(sock), DataPeer()


# --- the end ----------------------------------------------------------------------------------------------------------


def test_replies_go_out_before_a_disconnect(serve: Any, server_context: Any, client_context: Any) -> None:
    server: Server = serve(ROOMY, ssl_context=server_context)
    client, peer = server.connect(ssl_context=client_context, receive_buffer=4096)
    peer.send(Data(LARGE))
    peer.send(Data(b"last"))
    peer.disconnect()
    assert client.messages() == [LARGE, b"last"]
    client.close()
    assert server.next_reason() is DisconnectReason.CLOSED_BY_US


def test_replies_reach_a_client_that_goes_on_talking(serve: Any, server_context: Any, client_context: Any) -> None:
    server: Server = serve(ROOMY, ssl_context=server_context)
    for _ in range(5):
        client, peer = server.connect(ssl_context=client_context, receive_buffer=4096)
        client.send(b"first")
        server.next_data()
        peer.send(Data(LARGE[:300_000]))
        peer.disconnect()
        client.send(*[b"chatter" * 1000] * 20)
        assert client.messages() == [LARGE[:300_000]]
        client.close()
        while isinstance(server.next(), Data):
            pass


def test_the_end_is_told_by_tls_too(serve: Any, server_context: Any, certificate: Path) -> None:
    """A far end that insists on a closure alert (RFC 8446, 6.1) gets one."""
    server: Server = serve(ssl_context=server_context)
    client = server.client()
    strict = trusting(certificate).wrap_socket(client.sock, server_hostname="localhost", suppress_ragged_eofs=False)
    client.sock = strict
    peer = server.next().peer
    peer.send(Data(b"bye"))
    peer.disconnect()
    assert client.messages() == [b"bye"]


def test_a_client_that_does_not_close_is_closed(serve: Any, server_context: Any, client_context: Any) -> None:
    server: Server = serve(Limits(linger_seconds=0.2), ssl_context=server_context)
    _, peer = server.connect(ssl_context=client_context)
    peer.disconnect()
    assert within(server.next_reason, seconds=5.0) is DisconnectReason.CLOSED_BY_US


def test_abort(serve: Any, server_context: Any, client_context: Any) -> None:
    server: Server = serve(ssl_context=server_context)
    client, peer = server.connect(ssl_context=client_context)
    peer.abort()
    assert within(server.next_reason, seconds=2.0) is DisconnectReason.CLOSED_BY_US
    with contextlib.suppress(ConnectionResetError):  # From Python 3.13 on, a reset is no end of file to TLS.
        assert within(client.rest) == b""


# --- who does not read ------------------------------------------------------------------------------------------------


def test_a_peer_that_does_not_read_is_dropped_alone(serve: Any, server_context: Any, client_context: Any) -> None:
    server: Server = serve(
        Limits(outgoing_soft_bytes=50_000, outgoing_hard_bytes=200_000, max_message_bytes=20_000),
        ssl_context=server_context,
    )
    reader, reader_peer = server.connect(ssl_context=client_context)
    _, peer = server.connect(ssl_context=client_context, receive_buffer=4096)
    sent = 0
    while peer.connected:
        peer.send(Data(bytes(20_000)))
        reader_peer.send(Data(b"broadcast"))
        assert reader.receive() == b"broadcast"
        sent += 1
        assert sent < 10_000
    message = server.next_disconnected()
    assert message.peer is peer
    assert message.reason is DisconnectReason.SLOW_READER


def test_a_peer_that_reads_later_gets_everything(serve: Any, server_context: Any, client_context: Any) -> None:
    server: Server = serve(ROOMY, ssl_context=server_context)
    client, peer = server.connect(ssl_context=client_context, receive_buffer=65536)
    messages = [bytes([number]) * (number * 397) for number in range(1, 200)]
    for message in messages:
        peer.send(Data(message))
        gevent.sleep(0)
    assert [within(client.receive) for _ in messages] == messages


# --- handshakes -------------------------------------------------------------------------------------------------------


def test_slow_handshakes_do_not_hold_up_others(serve: Any, server_context: Any, client_context: Any) -> None:
    server: Server = serve(Limits(handshake_seconds=20.0), ssl_context=server_context)
    for _ in range(20):
        server.client()
    client, _ = within(lambda: server.connect(ssl_context=client_context), seconds=5.0)
    client.send(b"at once")
    assert server.next_data() == b"at once"
    assert server.handler.connections == 1


def test_a_handshake_that_takes_too_long(serve: Any, server_context: Any) -> None:
    server: Server = serve(Limits(handshake_seconds=0.1), ssl_context=server_context)
    client = server.client()
    client.sock.sendall(b"\x16\x03\x01")
    assert client.rest() == b""
    assert server.counters == {"accepted": 1, "handshake failed": 1}
    assert server.queue.empty()


def test_a_plain_client_on_a_tls_port(
    serve: Any, server_context: Any, client_context: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    server: Server = serve(ssl_context=server_context)
    client = server.client()
    client.send(b"in plain text")
    try:
        client.rest()
    except ConnectionResetError:
        pass
    assert server.counters["handshake failed"] == 1
    assert "clients: refused" in caplog.text
    assert "Traceback" not in caplog.text
    server.connect(ssl_context=client_context)


@pytest.mark.parametrize("hello", [b"", b"\x16\x03\x01", b"plain text, and more of it"])
def test_clients_that_are_gone_before_their_handshake(
    serve: Any, server_context: Any, any_context: Any, caplog: pytest.LogCaptureFixture, hello: bytes
) -> None:
    server: Server = serve(ssl_context=server_context)
    for _ in range(20):
        client = server.client()
        client.sock.sendall(hello)
        client.reset()
    server.connect(ssl_context=any_context)
    while server.counters.get("handshake failed", 0) < 20:
        gevent.idle()
    assert "Traceback" not in caplog.text


def test_stop_ends_handshakes(server_context: Any) -> None:
    with check_leaks():
        server = Server(Limits(handshake_seconds=60.0), ssl_context=server_context)
        clients = [server.client() for _ in range(3)]
        while server.counters.get("accepted", 0) < 3:
            gevent.idle()
        within(server.handler.stop, seconds=5.0)
        for client in clients:
            assert client.rest() == b""
            client.close()
        assert server.handler._open == 0
        assert server.queue.empty()


def test_no_connection_opens_once_it_accepts_no_more(server_context: Any, any_context: Any) -> None:
    with check_leaks():
        server = Server(Limits(handshake_seconds=60.0), ssl_context=server_context)
        client = server.client()
        while not server.counters.get("accepted"):
            gevent.idle()
        server.handler.stop_accepting()
        secure = any_context.wrap_socket(client.sock, server_hostname="localhost", do_handshake_on_connect=False)
        with secure, pytest.raises(OSError):
            secure.do_handshake()
        assert server.queue.empty()
        server.stop()


def test_connections_not_logged_in_are_bounded_after_the_handshake(
    serve: Any, server_context: Any, any_context: Any
) -> None:
    server: Server = serve(Limits(max_not_logged_in=2), ssl_context=server_context, peer_class=LoginPeer)
    clients = [server.client() for _ in range(6)]
    while server.counters.get("accepted", 0) < 6:
        gevent.idle()
    for client in clients:
        client.sock = any_context.wrap_socket(client.sock, server_hostname="localhost")
    while server.counters.get("too many connections not logged in", 0) < 4:
        within(gevent.idle)
    assert server.handler.not_logged_in == 2
    assert server.handler.connections == 2


class ExplainingHandler(DataHandler):
    def refusal_bytes(self, reason: RefusalReason) -> bytes:
        return b"plain text"


def test_no_plain_text_is_sent_on_a_tls_port(serve: Any, server_context: Any, any_context: Any) -> None:
    server: Server = serve(Limits(max_connections=1), handler_class=ExplainingHandler, ssl_context=server_context)
    server.connect(ssl_context=any_context)
    assert server.client().rest() == b""


# --- an outgoing handler's handshake ----------------------------------------------------------------------------------


def test_a_failed_handshake_is_tried_again(server_context: Any, any_context: Any) -> None:
    """First the far end ends every handshake; then it takes part."""
    with check_leaks():
        silent = gevent.socket.socket()
        silent.bind(("127.0.0.1", 0))
        silent.listen(5)
        limits = Limits(retry_seconds=0.01, max_retry_seconds=0.01)
        port = silent.getsockname()[1]
        handler = Outgoing("server", "localhost", port, IncomingQueue(), limits=limits, ssl_context=any_context)
        queue: Any = handler.incoming_queue
        handler.start()
        for answer in (b"", b"no TLS here\r\n", b"\x15\x03\x03\0\2\2\x28"):
            sock, _ = within(silent.accept)
            sock.sendall(answer)
            sock.close()
        silent.close()
        secure = Server(ssl_context=server_context)
        handler.port = secure.handler.port
        assert isinstance(within(queue.get), PeerConnected)
        assert handler.counters["failed"] >= 3
        within(handler.stop, 0.1)
        secure.stop()


@pytest.mark.parametrize("server_hostname", ["127.0.0.1", "other.example"])
def test_the_certificate_must_be_the_far_ends(
    serve: Any, server_context: Any, any_context: Any, caplog: pytest.LogCaptureFixture, server_hostname: str
) -> None:
    caplog.set_level("INFO")
    server: Server = serve(ssl_context=server_context)
    handler = Outgoing(
        "server",
        "127.0.0.1",
        server.handler.port,
        IncomingQueue(),
        limits=Limits(retry_seconds=0.01),
        ssl_context=any_context,
        server_hostname=server_hostname,
    )
    queue: Any = handler.incoming_queue
    handler.start()
    if server_hostname == "127.0.0.1":
        assert isinstance(within(queue.get), PeerConnected)
    else:
        while handler.counters["failed"] < 2:
            within(gevent.sleep, 0.01)
        assert "certificate verify failed: Hostname mismatch" in caplog.text
        assert queue.empty()
    within(handler.stop, 0.5)


def test_a_handshake_that_nobody_answers(any_context: Any) -> None:
    with check_leaks(), gevent.socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(5)
        port = listener.getsockname()[1]
        limits = Limits(handshake_seconds=0.05, retry_seconds=0.01)
        handler = Outgoing("server", "127.0.0.1", port, IncomingQueue(), limits=limits, ssl_context=any_context)
        handler.start()
        socks = [within(listener.accept)[0] for _ in range(2)]
        within(handler.stop)
        assert handler.counters["failed"] >= 1
        for sock in socks:
            sock.close()


def test_no_connection_is_made_once_it_was_stopped_during_the_handshake(server_context: Any, any_context: Any) -> None:
    with check_leaks(), gevent.socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(5)
        port = listener.getsockname()[1]
        handler = Outgoing("server", "localhost", port, IncomingQueue(), ssl_context=any_context)
        running = tasks.spawn("running", handler.run)
        sock, _ = within(listener.accept)
        handler.stop_accepting()
        secure = server_context.wrap_socket(sock, server_side=True, do_handshake_on_connect=False)
        within(secure.do_handshake)
        assert within(secure.recv, 1) == b""
        secure.close()
        within(running.get)
        assert handler.counters["connected"] == 0
        assert handler.incoming_queue.empty()  # type: ignore[attr-defined]


# --- contexts ---------------------------------------------------------------------------------------------------------


def plain(context: Any, certificate: Path) -> Any:
    """The same made without gevent; both sides use one certificate."""
    made = gevent.monkey.get_original("ssl", "SSLContext")(context.protocol)
    if context.protocol == ssl.PROTOCOL_TLS_SERVER:
        made.load_cert_chain(certificate)
    else:
        made.load_verify_locations(certificate)
    return made


def test_a_context_made_without_gevent_holds_nobody_up(
    serve: Any, server_context: Any, any_context: Any, certificate: Path
) -> None:
    server: Server = serve(ssl_context=plain(server_context, certificate))
    silent = gevent.socket.create_connection(("127.0.0.1", server.handler.port))  # never shakes hands
    handler = Outgoing(
        "server", "localhost", server.handler.port, IncomingQueue(), ssl_context=plain(any_context, certificate)
    )
    queue: Any = handler.incoming_queue
    handler.start()
    here, there = within(queue.get).peer, server.next().peer
    here.send(Data(b"hello"))
    assert server.next_data() == b"hello"
    there.send(Data(b"thanks"))
    assert within(queue.get).data == b"thanks"
    within(handler.stop)
    silent.close()
    server.next_reason()


def test_after_patching_the_standard_names_are_gevents(certificate: Path) -> None:
    context: Any = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    DataHandler("clients", "127.0.0.1", 0, IncomingQueue(), ssl_context=context)
    assert isinstance(context, gevent.ssl.SSLContext)


def test_chunks_cut_anywhere_by_tls_records(serve: Any, server_context: Any, any_context: Any) -> None:
    server: Server = serve(ssl_context=server_context)
    client: Client = server.connect(ssl_context=any_context)[0]
    for byte in encode_chunks(b"one") + encode_chunks(b"two"):
        client.sock.sendall(bytes([byte]))
    assert [server.next_data(), server.next_data()] == [b"one", b"two"]
