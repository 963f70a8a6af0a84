"""The connecting side of WebSockets, against this project's server and against one that is written down by hand."""

import logging
from collections.abc import Iterator
from typing import Any

import gevent
import gevent.socket
import pytest

from connhandler import DisconnectReason, IncomingQueue, Limits, PeerConnected, PeerDisconnected
from connhandler.websocketclient import OutgoingWebSocketHandler, WebSocketPeer, WebSocketRequest
from tests.connhandler.support import TIMEOUT, wait_until, within
from tests.connhandler.websocketsupport import (
    BINARY,
    CLOSE,
    CONTINUATION,
    PING,
    PONG,
    TEXT,
    Frame,
    Serve,
    answer_to,
    close_payload,
    frame,
    read_frame,
    serving,
)

QUICK = Limits(retry_seconds=0.01, max_retry_seconds=0.02, linger_seconds=0.2)


class ServerPeer(WebSocketPeer):
    pass


class ServerHandler(OutgoingWebSocketHandler):
    peer_class = ServerPeer


class Client:
    """An outgoing handler and its queue, which the test reads."""

    def __init__(self, port: int, *, handler_class: type[OutgoingWebSocketHandler] = ServerHandler, **how: Any) -> None:
        self.queue = IncomingQueue()
        how.setdefault("limits", QUICK)
        address = how.pop("address", "127.0.0.1")
        self.handler = handler_class("server", address, port, self.queue, **how)

    def start(self) -> "Client":
        self.handler.start()
        return self

    def next(self) -> Any:
        return within(self.queue.get)

    def next_peer(self) -> Any:
        message = self.next()
        assert isinstance(message, PeerConnected), message
        return message.peer

    def next_data(self) -> Any:
        return self.next().data

    def next_disconnected(self) -> PeerDisconnected:
        message = self.next()
        assert isinstance(message, PeerDisconnected), message
        return message


class FarServer:
    """A listening socket; what it says is up to the test."""

    def __init__(self) -> None:
        self.listener = gevent.socket.socket()
        self.listener.bind(("127.0.0.1", 0))
        self.listener.listen(5)
        self.port = self.listener.getsockname()[1]
        self.accepted: list[gevent.socket.socket] = []

    def accept(self) -> tuple[gevent.socket.socket, bytes]:
        """Return the next connection and the head of its request."""
        sock, _ = within(self.listener.accept)
        sock.settimeout(TIMEOUT)
        self.accepted.append(sock)
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            piece = sock.recv(1)
            assert piece, head
            head += piece
        return sock, head

    def welcome(self, more: bytes = b"", headers: str = "") -> gevent.socket.socket:
        """Let the next connection in; `more` arrives together with the answer."""
        sock, head = self.accept()
        sock.sendall(answer_to(head, headers) + more)
        return sock

    def close(self) -> None:
        for sock in (*self.accepted, self.listener):
            sock.close()


@pytest.fixture
def serve() -> Iterator[Serve]:
    yield from serving()


@pytest.fixture
def connect(serve: Serve) -> Iterator[Any]:
    """Start a `Client`; arguments as for the class. `serve` looks for leaks."""
    clients: list[Client] = []

    def start(port: int, **how: Any) -> Client:
        clients.append(Client(port, **how).start())
        return clients[-1]

    yield start
    while clients:
        within(clients.pop().handler.stop)


@pytest.fixture
def far() -> Iterator[FarServer]:
    server = FarServer()
    yield server
    server.close()


# --- messages and handshakes ------------------------------------------------------------------------------------------


def test_messages_both_ways(serve: Serve, connect: Any) -> None:
    server = serve()
    client: Client = connect(server.handler.port, path="/grüße/ und", query={"a": "b&c", "d": "1 2"})
    here, there = client.next_peer(), server.next().peer
    assert (there.request.path, there.request.query) == ("/grüße/ und", {"a": "b&c", "d": "1 2"})
    assert (here.request.path, here.request.query) == ("/grüße/ und", {"a": "b&c", "d": "1 2"})
    for message in ("text", b"binary", "", b"x" * 100_000):
        here.send(message)
        assert server.next_data() == message
        there.send(message)
        assert client.next_data() == message


def test_over_tls(serve: Serve, connect: Any, server_context: Any, any_context: Any) -> None:
    server = serve(ssl_context=server_context)
    client: Client = connect(server.handler.port, address="localhost", ssl_context=any_context)
    here, there = client.next_peer(), server.next().peer
    assert there.request.headers["host"] == f"localhost:{server.handler.port}"
    here.send("x" * 300_000)
    assert server.next_data() == "x" * 300_000
    there.send(b"y" * 300_000)
    assert client.next_data() == b"y" * 300_000
    there.disconnect("enough", code=4000)
    message = client.next_disconnected()
    assert (message.reason, message.code, message.detail) == (DisconnectReason.CLOSED_BY_PEER, 4000, "enough")


def test_what_the_handshake_says(connect: Any, far: FarServer) -> None:
    client: Client = connect(
        far.port,
        path="/room",
        headers={"Authorization": "Bearer abc"},
        subprotocols=("chat.v2", "chat.v1"),
        origin="https://example.org",
    )
    sock, head = far.accept()
    lines = head.decode().split("\r\n")
    assert lines[0] == "GET /room HTTP/1.1"
    assert f"Host: 127.0.0.1:{far.port}" in lines
    assert "Authorization: Bearer abc" in lines
    assert "Sec-WebSocket-Protocol: chat.v2, chat.v1" in lines
    assert "Origin: https://example.org" in lines
    assert "permessage-deflate" not in head.decode()
    sock.sendall(answer_to(head, "Sec-WebSocket-Protocol: chat.v1\r\n"))
    peer = client.next_peer()
    assert peer.subprotocol == "chat.v1"


def test_messages_that_come_with_the_answer(connect: Any, far: FarServer) -> None:
    client: Client = connect(far.port)
    far.welcome(frame(TEXT, b"one", masked=False) + frame(BINARY, b"two", masked=False) + b"\x81")
    client.next_peer()
    assert [client.next_data(), client.next_data()] == ["one", b"two"]


def test_a_close_that_comes_with_the_answer(connect: Any, far: FarServer) -> None:
    client: Client = connect(far.port)
    last = frame(TEXT, b"one", masked=False) + frame(CLOSE, close_payload(4000, "not now"), masked=False)
    sock = far.welcome(last)
    client.next_peer()
    assert client.next_data() == "one"
    assert read_frame(sock) == Frame(CLOSE, close_payload(4000, "not now"))
    sock.close()
    message = client.next_disconnected()
    assert (message.reason, message.code, message.detail) == (DisconnectReason.CLOSED_BY_PEER, 4000, "not now")


def test_its_frames_are_masked_each_anew(connect: Any, far: FarServer) -> None:
    client: Client = connect(far.port)
    sock = far.welcome()
    peer = client.next_peer()
    peer.send("same")
    peer.send("same")
    wire = [sock.recv(10, gevent.socket.MSG_WAITALL) for _ in range(2)]
    assert all(part[:2] == b"\x81\x84" for part in wire)
    assert wire[0] != wire[1]


def test_pings_are_answered_and_fragments_put_together(connect: Any, far: FarServer) -> None:
    client: Client = connect(far.port)
    sock = far.welcome()
    client.next_peer()
    sock.sendall(
        frame(TEXT, b"o", fin=False, masked=False)
        + frame(PING, b"?", masked=False)
        + frame(CONTINUATION, b"ne", masked=False)
    )
    assert read_frame(sock) == Frame(PONG, b"?")
    assert client.next_data() == "one"


class TokenHandler(ServerHandler):
    """Asks for something else each time."""

    asked = 0

    def handshake_request(self) -> WebSocketRequest:
        self.asked += 1
        return WebSocketRequest(path="/game", query={"token": str(self.asked)}, headers={"X-Try": str(self.asked)})


def test_each_attempt_has_a_handshake_of_its_own(connect: Any, far: FarServer) -> None:
    connect(far.port, handler_class=TokenHandler)
    for number in range(1, 4):
        sock, head = far.accept()
        assert head.startswith(f"GET /game?token={number} HTTP/1.1\r\n".encode())
        assert f"X-Try: {number}".encode() in head
        sock.close()


def test_compression(serve: Serve, connect: Any) -> None:
    server = serve(compression=True)

    class CompressingHandler(ServerHandler):
        compression = True

    client: Client = connect(server.handler.port, handler_class=CompressingHandler)
    here, there = client.next_peer(), server.next().peer
    assert "permessage-deflate" in there.request.headers["sec-websocket-extensions"]
    here.send("again " * 10_000)
    assert server.next_data() == "again " * 10_000
    there.send(b"and " * 10_000)
    assert client.next_data() == b"and " * 10_000


# --- refused ----------------------------------------------------------------------------------------------------------


class ListeningHandler(ServerHandler):
    """Keeps what it is told of refusals."""

    refusals: Any

    def on_refused(self, status: int, text: str) -> None:
        self.refusals.append((status, text))


def refusal(status: str, body: bytes = b"because\n", headers: str = "") -> bytes:
    return (
        f"HTTP/1.1 {status}\r\nContent-Type: text/plain\r\nContent-Length: {len(body)}\r\n{headers}\r\n"
    ).encode() + body


def test_a_server_that_refuses(connect: Any, far: FarServer, caplog: pytest.LogCaptureFixture) -> None:
    """It is told to the program each time, logged loudly once, and tried again."""
    caplog.set_level(logging.INFO)
    ListeningHandler.refusals = []
    client: Client = connect(far.port, handler_class=ListeningHandler)
    for number in range(3):
        sock, _ = far.accept()
        sock.sendall(refusal("401 Unauthorized" if number else "429 Too Many Requests"))
        sock.close()
    far.welcome()
    client.next_peer()
    assert ListeningHandler.refusals == [(429, "because"), (401, "because"), (401, "because")]
    lines = [record.getMessage() for record in caplog.records if "[" in record.getMessage()]
    assert len(lines) == 1
    assert lines[0].startswith("server[1]: disconnected: protocol error (")
    assert "429" in lines[0]
    assert client.handler.counters["failed"] == 3
    assert client.queue.empty()


def test_a_refusal_counts_as_a_failure_however_long_it_took(connect: Any, far: FarServer) -> None:
    """The pause before the next attempt grows."""
    ceilings: list[float] = []

    class Random:
        def uniform(self, low: float, high: float) -> float:
            ceilings.append(high)
            return 0.0

    limits = Limits(retry_seconds=0.01, max_retry_seconds=10.0)
    connect(far.port, limits=limits, random=Random())
    for _ in range(4):
        sock, _ = far.accept()
        gevent.sleep(0.05)
        sock.sendall(refusal("503 Service Unavailable"))
        sock.close()
    wait_until(lambda: len(ceilings) == 4)
    assert ceilings == [0.01, 0.02, 0.04, 0.08]


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1/\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: AAAAAAAAAAAAAAAAAAAAAAAAAAA=\r\n\r\n",
        b"\x16\x03\x01\r\n\r\n",
        b"SSH-2.0-OpenSSH\r\n\r\n",
        b"HTTP/1.1 101 " + b"x" * 30_000,
        b"",
        b"HTTP/1.1 101 Switching",
    ],
    ids=lambda value: str(value)[:40],
)
def test_what_is_no_answer(connect: Any, far: FarServer, answer: bytes, caplog: pytest.LogCaptureFixture) -> None:
    """It is tried again, and nobody else notices."""
    client: Client = connect(far.port)
    sock, _ = far.accept()
    sock.sendall(answer)
    sock.shutdown(gevent.socket.SHUT_WR)
    far.welcome()
    assert isinstance(client.next_peer(), ServerPeer)
    assert client.handler.counters["failed"] == 1
    assert "Traceback" not in caplog.text


def test_a_subprotocol_that_was_not_offered(connect: Any, far: FarServer) -> None:
    client: Client = connect(far.port, subprotocols=("chat.v1",))
    far.welcome(headers="Sec-WebSocket-Protocol: chat.v9\r\n")
    far.welcome(headers="Sec-WebSocket-Protocol: chat.v1\r\n")
    assert client.next_peer().subprotocol == "chat.v1"
    assert client.handler.counters["failed"] == 1


def test_a_server_that_does_not_answer(connect: Any, far: FarServer) -> None:
    limits = Limits(handshake_seconds=0.1, retry_seconds=0.01, max_retry_seconds=0.02, linger_seconds=0.1)
    client: Client = connect(far.port, limits=limits)
    far.accept()
    far.welcome()
    client.next_peer()
    assert client.handler.counters["handshake timeout"] == 1


def test_stop_during_a_handshake(connect: Any, far: FarServer) -> None:
    client: Client = connect(far.port)
    far.accept()
    within(client.handler.stop, seconds=5)
    assert client.queue.empty()


@pytest.mark.parametrize(
    ("arguments", "told"),
    [({"headers": {"X": "a\r\nY: b"}}, "not a header"), ({"path": "1/x"}, "a path begins with a slash")],
)
def test_a_url_that_cannot_be_is_told_loudly(
    connect: Any, far: FarServer, caplog: pytest.LogCaptureFixture, arguments: dict[str, Any], told: str
) -> None:
    connect(far.port, **arguments)
    wait_until(lambda: told in caplog.text)
    assert "Traceback" in caplog.text


# --- the end ----------------------------------------------------------------------------------------------------------


def test_it_connects_again_after_a_close(serve: Serve, connect: Any) -> None:
    server = serve()
    client: Client = connect(server.handler.port)
    for _ in range(3):
        first, there = client.next_peer(), server.next().peer
        there.disconnect("again", code=4000)
        assert client.next_disconnected().peer is first
        assert server.next_disconnected().peer is there


def test_this_side_closes(connect: Any, far: FarServer) -> None:
    client: Client = connect(far.port)
    sock = far.welcome()
    peer = client.next_peer()
    peer.send("last")
    peer.disconnect("why", code=4002)
    assert read_frame(sock) == Frame(TEXT, b"last")
    assert read_frame(sock) == Frame(CLOSE, close_payload(4002, "why"))
    sock.close()
    message = client.next_disconnected()
    assert (message.reason, message.code, message.detail) == (DisconnectReason.CLOSED_BY_US, 4002, "why")


def test_the_program_ends(serve: Serve, connect: Any) -> None:
    server = serve()
    client: Client = connect(server.handler.port)
    client.next_peer()
    server.next()
    within(client.handler.stop)
    message = client.next_disconnected()
    assert (message.reason, message.code) == (DisconnectReason.SHUTTING_DOWN, 1001)
    message = server.next_disconnected()
    assert (message.reason, message.code) == (DisconnectReason.CLOSED_BY_PEER, 1001)


def test_a_server_that_is_gone(connect: Any, far: FarServer) -> None:
    client: Client = connect(far.port)
    far.welcome().close()
    client.next_peer()
    message = client.next_disconnected()
    assert (message.reason, message.code) == (DisconnectReason.CLOSED_BY_PEER, 1006)


@pytest.mark.parametrize(
    ("wire", "code"),
    [
        (frame(TEXT, b"masked"), 1002),
        (frame(TEXT, b"\xff", masked=False), 1007),
        (frame(BINARY, b"x" * 101, masked=False), 1009),
    ],
    ids=["masked", "no text", "too long"],
)
def test_mistakes_of_the_server(connect: Any, far: FarServer, wire: bytes, code: int) -> None:
    limits = Limits(max_message_bytes=100, retry_seconds=10, linger_seconds=0.2)
    client: Client = connect(far.port, limits=limits)
    sock = far.welcome()
    client.next_peer()
    sock.sendall(wire)
    last = read_frame(sock)
    assert (last.opcode, last.payload[:2]) == (CLOSE, code.to_bytes(2))
    sock.close()
    message = client.next_disconnected()
    assert (message.reason, message.code) == (DisconnectReason.PROTOCOL_ERROR, code)


def test_a_server_that_has_vanished_is_noticed(connect: Any, far: FarServer) -> None:
    """It says nothing any more, not even that it has gone; this side's heartbeats find out."""
    limits = Limits(heartbeat_seconds=0.2, missed_heartbeats=2, linger_seconds=0.1, retry_seconds=10)
    client: Client = connect(far.port, limits=limits)
    sock = far.welcome()
    client.next_peer()
    message = within(client.next_disconnected, seconds=0.2 * 3 + 2)
    assert (message.reason, message.code) == (DisconnectReason.HEARTBEAT_TIMEOUT, 1008)
    assert [read_frame(sock).opcode for _ in range(3)] == [PING, PING, CLOSE]


def test_two_silent_sides_keep_each_other(serve: Serve, connect: Any) -> None:
    """Each answers the other's pings; nobody says anything for many times what is allowed without."""
    limits = Limits(heartbeat_seconds=0.05, missed_heartbeats=2, idle_seconds=0.3, linger_seconds=0.2)
    server = serve(limits)
    client: Client = connect(server.handler.port, limits=limits)
    here, there = client.next_peer(), server.next().peer
    gevent.sleep(1.0)
    assert here.connected
    assert there.connected
    here.send("still")
    assert server.next_data() == "still"


def test_a_server_that_does_not_read_is_dropped(connect: Any, far: FarServer) -> None:
    limits = Limits(outgoing_soft_bytes=10_000, outgoing_hard_bytes=100_000, max_message_bytes=50_000, retry_seconds=10)
    client: Client = connect(far.port, limits=limits)
    far.welcome()
    peer = client.next_peer()

    def send() -> None:
        while peer.connected:
            peer.send(b"x" * 50_000)
            gevent.sleep(0)

    within(send)
    message = client.next_disconnected()
    assert (message.reason, message.code) == (DisconnectReason.SLOW_READER, 1006)
