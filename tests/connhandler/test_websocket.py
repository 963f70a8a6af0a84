"""WebSockets on real sockets: handshakes, messages, every way to close, and what a far end may not do."""

import logging
import zlib
from collections.abc import Iterator
from typing import Any

import gevent
import pytest
from gevent.event import Event

from connhandler import (
    DisconnectReason,
    IncomingQueue,
    Limits,
    Message,
    PeerConnected,
    ProtocolError,
    tasks,
)
from connhandler.testing import FakeConnection
from connhandler.websocket import (
    HttpError,
    HttpRequest,
    WebSocketConnectionHandler,
    WebSocketMessage,
    WebSocketReader,
    WebSocketWriter,
)
from connhandler.websocketjson import WebSocketJsonReader, WebSocketJsonServerWriter, WebSocketJsonWriter
from tests.connhandler.support import wait_until, within
from tests.connhandler.websocketsupport import (
    BINARY,
    CLOSE,
    CONTINUATION,
    KEY,
    PING,
    PONG,
    TEXT,
    Serve,
    VisitorHandler,
    VisitorPeer,
    accept_for,
    close_payload,
    frame,
    handshake,
    serving,
)

QUICK = Limits(linger_seconds=0.2)
DEFLATE = "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n"


@pytest.fixture
def serve() -> Iterator[Serve]:
    yield from serving()


# --- messages ---------------------------------------------------------------------------------------------------------


def test_text_and_binary_both_ways(serve: Serve) -> None:
    client, peer = (server := serve()).connect()
    client.send("Ånna", b"\xff\0", "", b"")
    assert [server.next_data() for _ in range(4)] == ["Ånna", b"\xff\0", "", b""]
    for message in ("grüß dich", b"\0\xff", "", b"", WebSocketMessage("as received"), WebSocketMessage(b"too")):
        peer.send(message)
    assert [client.receive() for _ in range(6)] == ["grüß dich", b"\0\xff", "", b"", "as received", b"too"]


@pytest.mark.parametrize("size", [125, 126, 65535, 65536, 1024 * 1024])
def test_every_form_of_length(serve: Serve, size: int) -> None:
    client, peer = (server := serve()).connect()
    sending = tasks.spawn("sending", client.send, b"x" * size)
    assert server.next_data() == b"x" * size
    sending.get()
    peer.send(b"y" * size)
    assert client.receive() == b"y" * size


def test_fragments_are_one_message_with_pings_between(serve: Serve) -> None:
    client, _ = (server := serve()).connect()
    euro = "€".encode()
    client.send_frame(TEXT, b"one" + euro[:1], fin=False)
    client.send_frame(PING, b"there?")
    assert client.receive_frame() == (PONG, b"there?", True, 0)
    client.send_frame(CONTINUATION, b"", fin=False)
    client.send_frame(CONTINUATION, euro[1:] + b"two")
    client.send("next")
    assert [server.next_data(), server.next_data()] == ["one€two", "next"]


def test_byte_by_byte(serve: Serve) -> None:
    server = serve()
    client = server.client(shake=False)
    for byte in handshake():
        client.sock.sendall(bytes([byte]))
    assert client.read_response().status == 101
    for byte in frame(TEXT, b"slowly") + frame(BINARY, b"x" * 200):
        client.sock.sendall(bytes([byte]))
    assert isinstance(server.next(), PeerConnected)
    assert [server.next_data(), server.next_data()] == ["slowly", b"x" * 200]


def test_many_messages_in_order(serve: Serve) -> None:
    client, peer = (server := serve()).connect()
    sending = tasks.spawn("sending", client.send, *(str(number) for number in range(5000)))
    for number in range(5000):
        assert server.next_data() == str(number)
        peer.send(b"%d" % number)
    assert [client.receive() for _ in range(5000)] == [b"%d" % number for number in range(5000)]
    sending.get()


def test_what_is_no_message_is_the_senders_mistake(serve: Serve) -> None:
    client, peer = serve().connect()
    with pytest.raises(TypeError, match="a str, bytes, or a WebSocketMessage"):
        peer.send({"a": 1})
    with pytest.raises(ValueError, match="max_message_bytes"):
        peer.send("x" * (1024 * 1024 + 1))
    peer.send("unharmed")
    assert client.receive() == "unharmed"


class WordReader(WebSocketReader):
    """Overrides the simple method: one message at a time."""

    def receive(self) -> bytes:
        return b"[" + super().receive() + b"]"


def test_a_reader_may_receive_one_message_at_a_time(serve: Serve) -> None:
    client, _ = (server := serve(reader_class=WordReader)).connect()
    client.send("a", "b", "")
    assert [server.next_data() for _ in range(3)] == [b"[a]", b"[b]", b"[]"]


# --- the opening handshake --------------------------------------------------------------------------------------------


def test_the_answer_to_a_handshake(serve: Serve) -> None:
    client, peer = serve().connect(path="/room%207?token=a%26b&x=", headers="X-Two: 1\r\nx-two: 2\r\n")
    assert client.response.headers["sec-websocket-accept"] == accept_for(KEY)
    assert "sec-websocket-protocol" not in client.response.headers
    assert "sec-websocket-extensions" not in client.response.headers
    assert peer.request.path == "/room 7"
    assert peer.request.query == {"token": "a&b", "x": ""}
    assert peer.request.headers["x-two"] == "1, 2"
    assert peer.request.headers["host"] == "localhost"
    assert peer.subprotocol is None


@pytest.mark.parametrize(
    ("offered", "chosen"), [("chat.v2, chat.v1", "chat.v1"), ("chat.v2", "chat.v2"), ("mail", None), (None, None)]
)
def test_the_best_common_subprotocol(serve: Serve, offered: str | None, chosen: str | None) -> None:
    headers = f"Sec-WebSocket-Protocol: {offered}\r\n" if offered else ""
    client, peer = serve(subprotocols=("chat.v1", "chat.v2")).connect(headers=headers)
    assert client.response.headers.get("sec-websocket-protocol") == chosen
    assert peer.subprotocol == chosen


class GuardedHandler(VisitorHandler):
    """What the path asks for."""

    def check_request(self, peer: VisitorPeer, request: HttpRequest) -> None:
        what = request.path.removeprefix("/")
        if what.isdigit():
            raise HttpError(int(what), "because", {"X-Hint": "none"})
        if what == "fails":
            raise ZeroDivisionError
        if what == "waits":
            with gevent.Timeout(0.01):
                gevent.sleep(60)
        if what == "database":
            raise ConnectionRefusedError("database is away")
        if what == "cookie":
            raise ProtocolError("the cookie is of another kitchen")
        peer.user = what  # type: ignore[attr-defined]


@pytest.mark.parametrize("status", [400, 401, 403, 404, 429, 503])
def test_a_client_that_is_not_let_in(serve: Serve, status: int, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    server = serve(handler_class=GuardedHandler)
    client = server.client(shake=False)
    response = client.refused(handshake(f"/{status}"))
    assert (response.status, response.body) == (status, b"because\n")
    assert response.headers["x-hint"] == "none"
    assert response.headers["connection"] == "close"
    client.close()
    within(server.handler.wait_closed, 5.0)
    assert server.queue.empty()
    assert server.counters == {"accepted": 1, "protocol error": 1}
    assert [record.getMessage() for record in caplog.records if "[1]" in record.getMessage()] == [
        f"clients[1]: disconnected: protocol error ({status} because)"
    ]


@pytest.mark.parametrize(("how", "told"), [("fails", "ZeroDivisionError"), ("waits", "gevent.timeout.Timeout")])
def test_a_hook_that_fails(serve: Serve, caplog: pytest.LogCaptureFixture, how: str, told: str) -> None:
    """A time limit of its own is not that of the handshake."""
    server = serve(handler_class=GuardedHandler)
    response = server.client(shake=False).refused(handshake(f"/{how}"))
    assert response.status == 500
    assert b"Zero" not in response.body
    assert caplog.text.count("Traceback") == 1
    assert told in caplog.text


def test_a_hook_whose_own_connection_is_lost(serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    """That is no loss of the client's, and no silence in the log."""
    server = serve(QUICK, handler_class=GuardedHandler)
    response = server.client(shake=False).refused(handshake("/database"))
    assert response.status == 500
    assert b"database" not in response.body
    assert caplog.text.count("Traceback") == 2
    assert "ConnectionRefusedError: database is away" in caplog.text
    within(server.handler.wait_closed, 5.0)
    assert server.counters["internal error"] == 1


def test_a_hook_that_finds_the_request_wrong(serve: Serve) -> None:
    response = serve(handler_class=GuardedHandler).client(shake=False).refused(handshake("/cookie"))
    assert (response.status, response.body) == (400, b"the cookie is of another kitchen\n")


def test_what_the_hook_finds_out_stays_with_the_peer(serve: Serve) -> None:
    _, peer = serve(handler_class=GuardedHandler).connect(path="/alice")
    assert peer.user == "alice"


class WaitingHandler(VisitorHandler):
    """Asks somebody else, which takes its time."""

    asked: Event
    answered: Event

    def check_request(self, peer: VisitorPeer, request: HttpRequest) -> None:
        self.asked.set()
        self.answered.wait()


def test_the_hook_may_wait_and_holds_up_nobody_else(serve: Serve) -> None:
    server = serve(handler_class=WaitingHandler, asked=Event(), answered=Event())
    handler: Any = server.handler
    slow = server.client(shake=False)
    slow.sock.sendall(handshake("/slow"))
    within(handler.asked.wait)
    assert server.queue.empty()
    handler.answered.set()
    assert slow.read_response().status == 101
    assert server.next().peer.request.path == "/slow"


def test_a_hook_that_waits_too_long(serve: Serve) -> None:
    server = serve(Limits(handshake_seconds=0.1), handler_class=WaitingHandler, asked=Event(), answered=Event())
    client = server.client(shake=False)
    assert client.refused(handshake()).status == 408
    client.close()
    within(server.handler.wait_closed, 5.0)
    assert server.counters["handshake timeout"] == 1
    assert server.queue.empty()


def test_a_client_that_goes_while_the_hook_waits(serve: Serve) -> None:
    server = serve(handler_class=WaitingHandler, asked=Event(), answered=Event())
    handler: Any = server.handler
    client = server.client(shake=False)
    client.sock.sendall(handshake())
    within(handler.asked.wait)
    client.close()
    handler.answered.set()
    assert isinstance(server.next(), PeerConnected)
    assert server.next_disconnected().code == 1006


def test_the_program_ends_while_the_hook_waits(serve: Serve) -> None:
    server = serve(QUICK, handler_class=WaitingHandler, asked=Event(), answered=Event())
    handler: Any = server.handler
    client = server.client(shake=False)
    client.sock.sendall(handshake())
    within(handler.asked.wait)
    stopping = tasks.spawn("stopping", server.handler.stop)
    assert client.read_response().status == 503
    stopping.get()
    assert server.queue.empty()


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", 426),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n", 405),
        (handshake().replace(b"Version: 13", b"Version: 8"), 426),
        (handshake().replace(b"Sec-WebSocket-Key", b"X-Key"), 400),
        (handshake(headers="Sec-WebSocket-Key: " + "x" * 24 + "\r\n"), 400),
        (handshake("http://"), 400),
        (handshake("/%ff"), 400),
        (handshake(headers="Host: b\r\n"), 400),
        (b"\x16\x03\x01\x02\x00\r\n\r\n", 400),
        (b"hello\r\n\r\n", 400),
        (handshake("/" + "x" * 9000), 414),
        (handshake() + frame(TEXT, b"early"), 400),
        (handshake(headers="X: " + "y" * 30_000), 431),
        (b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 10_000, 431),
    ],
    ids=lambda value: str(value)[:60],
)
def test_what_is_no_handshake(serve: Serve, request_bytes: bytes, status: int) -> None:
    server = serve(QUICK)
    client = server.client(shake=False)
    response = client.refused(request_bytes)
    assert response.status == status
    assert response.headers["connection"] == "close"
    within(server.handler.wait_closed, 5.0)
    assert server.queue.empty()


def test_a_handshake_that_never_ends(serve: Serve) -> None:
    server = serve(Limits(handshake_seconds=0.3, linger_seconds=0.2))
    client, silent = server.client(shake=False), server.client(shake=False)
    client.sock.sendall(handshake()[:-2])
    for each in (client, silent):
        assert each.read_response().status == 408
        assert each.rest() == b""
    within(server.handler.wait_closed, 5.0)
    assert server.counters["handshake timeout"] == 2


def test_a_handshake_that_is_broken_off(serve: Serve) -> None:
    server = serve()
    client = server.client(shake=False)
    client.sock.sendall(handshake()[:-2])
    client.end()
    assert client.rest() == b""
    client.close()
    within(server.handler.wait_closed, 5.0)
    assert server.counters == {"accepted": 1, "closed by peer": 1}
    assert server.queue.empty()


SAME = ["same"]
LISTED = ["https://example.org", "http://127.0.0.1:8000"]


@pytest.mark.parametrize(
    ("origins", "origin", "host", "status"),
    [
        (None, "https://evil.example", "localhost", 101),
        (SAME, "http://localhost", "localhost", 101),
        (SAME, "https://LOCALHOST:8443", "localhost:8443", 101),
        (SAME, "http://localhost:81", "localhost", 403),
        (SAME, "https://evil.example", "localhost", 403),
        (SAME, "null", "localhost", 403),
        (SAME, "", "localhost", 403),
        (SAME, None, "localhost", 101),
        (LISTED, "https://example.org", "localhost", 101),
        (LISTED, "http://127.0.0.1:8000", "localhost", 101),
        (LISTED, "http://example.org", "localhost", 403),
        (LISTED, "https://example.org.evil.example", "localhost", 403),
        (LISTED, "http://localhost", "localhost", 403),
        (LISTED, None, "localhost", 101),
        ([*LISTED, *SAME], "http://localhost", "localhost", 101),
        ([], "http://localhost", "localhost", 403),
    ],
)
def test_pages_of_other_origins(
    serve: Serve, origins: list[str] | None, origin: str | None, host: str, status: int
) -> None:
    server = serve(QUICK, origins=origins)
    client = server.client(shake=False)
    client.sock.sendall(handshake(headers="" if origin is None else f"Origin: {origin}\r\n", host=host))
    assert client.read_response().status == status


def test_origins_are_an_argument() -> None:
    handler = WebSocketConnectionHandler("clients", "127.0.0.1", 0, IncomingQueue(), origins=["same"])
    assert handler.origins == ["same"]


def test_one_origin_by_itself_is_a_mistake() -> None:
    """Each part of it would be taken for an origin that is let in."""
    with pytest.raises(TypeError, match="origins must be a list"):
        WebSocketConnectionHandler("clients", "127.0.0.1", 0, IncomingQueue(), origins="https://example.org")


def test_a_connection_too_many_hears_503(serve: Serve) -> None:
    server = serve(Limits(max_connections=1))
    server.connect()
    client = server.client(shake=False)
    response = client.read_response()
    assert (response.status, response.body) == (503, b"503 Service Unavailable: too many connections\n")
    assert client.rest() == b""


class LoginPeer(VisitorPeer):
    requires_login = True


@pytest.mark.parametrize(
    ("limits", "peer_class"),
    [({"max_not_logged_in": 1}, LoginPeer), ({"max_connections": 1}, VisitorPeer)],
)
def test_bounds_of_a_handler_whose_connections_another_one_accepts(
    serve: Serve, limits: dict[str, int], peer_class: Any
) -> None:
    """They come to it in the handshake, past the door where the others are counted."""
    server = serve(peer_class=peer_class)
    server.connect()
    server.handler.limits = Limits(**limits)
    door = server.handler.limits
    server.handler.limits = Limits()
    client = server.client(shake=False)
    wait_until(lambda: server.handler.connections == 2)
    server.handler.limits = door
    assert client.refused(handshake()).status == 503


# --- close ------------------------------------------------------------------------------------------------------------


def test_the_far_end_closes(serve: Serve) -> None:
    client, _ = (server := serve()).connect()
    client.send("before")
    client.send_close(4001, "x")
    client.send("after")
    assert server.next_data() == "before"
    assert client.receive_close() == (4001, "x")
    client.close()
    message = server.next_disconnected()
    assert (message.reason, message.code, message.detail) == (DisconnectReason.CLOSED_BY_PEER, 4001, "x")


def test_a_reason_of_the_far_end_writes_no_line_of_the_log(serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    client, _ = (server := serve()).connect()
    client.send_close(4000, "bye\nadmin logged in\x1b[2J")
    client.close()
    assert server.next_disconnected().detail == "bye\nadmin logged in\x1b[2J"
    (line,) = (record.getMessage() for record in caplog.records if "bye" in record.getMessage())
    assert line == r"clients[1]: disconnected: closed by peer ('bye\nadmin logged in\x1b[2J')"


def test_the_far_end_closes_without_a_code(serve: Serve) -> None:
    client, _ = (server := serve()).connect()
    client.send_frame(CLOSE)
    assert client.receive_close() == (1005, "")
    client.close()
    message = server.next_disconnected()
    assert (message.reason, message.code, message.detail) == (DisconnectReason.CLOSED_BY_PEER, 1005, "")


def test_what_was_asked_before_a_close_is_answered(serve: Serve) -> None:
    """Close and question arrive together; the central task comes to them later."""
    server = serve()
    client = server.client()
    client.sock.sendall(frame(TEXT, b"question") + frame(CLOSE, close_payload(1000, "done")))
    peer = server.next().peer
    assert server.next_data() == "question"
    peer.send("answer")
    assert client.receive() == "answer"
    assert client.receive_close() == (1000, "done")


def test_what_was_asked_before_a_mistake_is_answered(serve: Serve) -> None:
    server = serve()
    client = server.client()
    client.sock.sendall(frame(TEXT, b"question") + frame(TEXT, b"\xff"))
    peer = server.next().peer
    assert server.next_data() == "question"
    peer.send("answer")
    assert client.receive() == "answer"
    assert client.receive_close()[0] == 1007


def test_this_side_closes(serve: Serve) -> None:
    client, peer = (server := serve()).connect()
    peer.send("last")
    peer.disconnect("why", code=4002)
    peer.send("too late")
    peer.disconnect("again", code=4003)
    assert client.receive() == "last"
    assert client.receive_close() == (4002, "why")
    client.send_close(4002)
    client.close()
    message = server.next_disconnected()
    assert (message.reason, message.code, message.detail) == (DisconnectReason.CLOSED_BY_US, 4002, "why")


def test_a_reason_is_cut_to_what_a_close_can_hold(serve: Serve) -> None:
    client, peer = (server := serve()).connect()
    peer.disconnect("€" * 100)
    assert client.receive_close() == (1000, "€" * 41)
    client.close()
    assert server.next_disconnected().detail == "€" * 100


def test_a_reason_that_is_no_text(serve: Serve) -> None:
    client, peer = serve().connect()
    peer.disconnect("\ud800")
    assert client.receive_close() == (1000, "?")


@pytest.mark.parametrize("code", [0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000])
def test_codes_that_may_not_be_sent(serve: Serve, code: int) -> None:
    client, peer = serve().connect()
    with pytest.raises(ValueError, match="not a close code"):
        peer.disconnect(code=code)
    assert peer.connected
    peer.disconnect()
    assert client.receive_close() == (1000, "")


def test_the_stream_ends_without_a_close(serve: Serve) -> None:
    client, peer = (server := serve()).connect()
    client.send("question")
    client.end()
    assert server.next_data() == "question"
    peer.send("answer")
    assert client.receive() == "answer"
    assert client.rest() == b""
    client.close()
    message = server.next_disconnected()
    assert (message.reason, message.code, message.detail) == (DisconnectReason.CLOSED_BY_PEER, 1006, "")


@pytest.mark.parametrize("begun", [frame(TEXT, b"half")[:-1], frame(TEXT, b"half", fin=False), b"\x81"])
def test_the_stream_ends_in_the_middle_of_a_message(serve: Serve, begun: bytes) -> None:
    client, _ = (server := serve()).connect()
    client.sock.sendall(begun)
    client.close()
    message = server.next_disconnected()
    assert (message.reason, message.code) == (DisconnectReason.CLOSED_BY_PEER, 1006)
    assert message.detail == "closed in the middle of a message"


def test_a_reset(serve: Serve) -> None:
    client, _ = (server := serve()).connect()
    client.reset()
    message = server.next_disconnected()
    assert (message.reason, message.code) == (DisconnectReason.CONNECTION_LOST, 1006)


def test_abort(serve: Serve) -> None:
    client, peer = (server := serve()).connect()
    peer.abort("enough")
    message = server.next_disconnected()
    assert (message.reason, message.code, message.detail) == (DisconnectReason.CLOSED_BY_US, 1006, "enough")
    with pytest.raises(ConnectionResetError):
        client.rest()


class BusyError(ProtocolError):
    close_code = 4000


@pytest.mark.parametrize(
    ("exception", "code", "reason", "told"),
    [
        (ValueError("secret"), 1011, DisconnectReason.INTERNAL_ERROR, "internal error"),
        (ProtocolError("not now"), 1002, DisconnectReason.PROTOCOL_ERROR, "not now"),
        (BusyError("later"), 4000, DisconnectReason.PROTOCOL_ERROR, "later"),
    ],
)
def test_a_handler_fails(serve: Serve, exception: Exception, code: int, reason: DisconnectReason, told: str) -> None:
    client, peer = (server := serve()).connect()
    peer.send("before")
    peer.fail(exception)
    assert client.receive() == "before"
    assert client.receive_close() == (code, told)
    client.close()
    message = server.next_disconnected()
    assert (message.reason, message.code) == (reason, code)


def test_the_program_ends(serve: Serve) -> None:
    client, peer = (server := serve()).connect()
    peer.send("before")
    stopping = tasks.spawn("stopping", server.handler.stop)
    assert client.receive() == "before"
    assert client.receive_close() == (1001, "")
    client.close()
    message = server.next_disconnected()
    assert (message.reason, message.code) == (DisconnectReason.SHUTTING_DOWN, 1001)
    within(stopping.get)


TIMED = {"linger_seconds": 0.2, "heartbeat_seconds": 0}


@pytest.mark.parametrize(
    ("limits", "peer_class", "reason"),
    [
        ({"idle_seconds": 0.1}, VisitorPeer, DisconnectReason.IDLE_TIMEOUT),
        ({"login_seconds": 0.1}, LoginPeer, DisconnectReason.LOGIN_TIMEOUT),
    ],
)
def test_deadlines(serve: Serve, limits: dict[str, float], peer_class: Any, reason: DisconnectReason) -> None:
    client, _ = (server := serve(Limits(**TIMED, **limits), peer_class=peer_class)).connect()  # type: ignore[arg-type]
    assert client.receive_close() == (1008, f"{reason.value} after 0.1 s")
    message = server.next_disconnected()
    assert (message.reason, message.code) == (reason, 1008)


def test_a_client_that_only_listens_is_not_asked_for_a_first_message(serve: Serve) -> None:
    client, peer = (server := serve(Limits(first_message_seconds=0.05, idle_seconds=0, heartbeat_seconds=0))).connect()
    gevent.sleep(0.2)
    assert server.queue.empty()
    peer.send("still there")
    assert client.receive() == "still there"


# --- mistakes of the far end ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wire", "code"),
    [
        (frame(TEXT, b"\xff"), 1007),
        (frame(TEXT, b"caf\xc3"), 1007),
        (frame(TEXT, b"\xed\xa0\x80"), 1007),
        (frame(TEXT, b"\xc3", fin=False) + frame(CONTINUATION, b"\x28", fin=False), 1007),
        (frame(CLOSE, close_payload(1000) + b"\xff"), 1007),
        (frame(TEXT, b"x", masked=False), 1002),
        (frame(TEXT, b"x", reserved=4), 1002),
        (frame(3, b"x"), 1002),
        (frame(11, b"x"), 1002),
        (frame(CONTINUATION, b"x"), 1002),
        (frame(TEXT, b"x", fin=False) + frame(TEXT, b"y"), 1002),
        (frame(PING, b"x" * 126), 1002),
        (frame(PING, b"x", fin=False), 1002),
        (frame(CLOSE, b"x"), 1002),
        (frame(CLOSE, close_payload(999)), 1002),
        (frame(CLOSE, close_payload(1005)), 1002),
        (frame(BINARY, b"x" * 2000)[:8], 1009),
        (b"\x82\xff\x7f\xff\xff\xff\xff\xff\xff\xff", 1009),
        (frame(BINARY, b"x" * 600, fin=False) + frame(CONTINUATION, b"x" * 600, fin=False), 1009),
    ],
    ids=lambda value: value.hex(" ")[:40] if isinstance(value, bytes) else str(value),
)
def test_mistakes_cost_the_one_connection(serve: Serve, wire: bytes, code: int) -> None:
    server = serve(Limits(max_message_bytes=1000))
    other, other_peer = server.connect()
    client, _ = server.connect()
    client.sock.sendall(wire)
    assert client.receive_close()[0] == code
    client.close()
    message = server.next_disconnected()
    assert (message.reason, message.code) == (DisconnectReason.PROTOCOL_ERROR, code)
    assert message.detail
    other_peer.send("undisturbed")
    assert other.receive() == "undisturbed"


def test_a_message_as_long_as_it_may_be(serve: Serve) -> None:
    client, _ = (server := serve(Limits(max_message_bytes=1000))).connect()
    client.send(b"x" * 1000)
    assert server.next_data() == b"x" * 1000


ENDLESS = {
    "a slow frame": (frame(BINARY, b"x" * 1000)[:20], b"x"),
    "a message in fragments": (frame(BINARY, b"x", fin=False), frame(CONTINUATION, b"x", fin=False)),
    "empty fragments": (frame(BINARY, fin=False), frame(CONTINUATION, fin=False)),
    "empty fragments and pings": (frame(TEXT, fin=False), frame(PING) + frame(CONTINUATION, fin=False)),
}


@pytest.mark.parametrize("kind", ENDLESS)
def test_a_message_that_never_ends(serve: Serve, kind: str) -> None:
    """Something comes all the time, so only the bound of a message ends it."""
    first, more = ENDLESS[kind]
    server = serve(Limits(message_seconds=0.3, idle_seconds=60, linger_seconds=0.2))
    client, _ = server.connect()

    def talk() -> None:
        try:
            client.sock.sendall(first)
            while True:
                client.sock.sendall(more)
                gevent.sleep(0.02)
        except OSError:
            pass

    talking = tasks.spawn("talking", talk)
    message = within(server.next_disconnected, seconds=5)
    assert (message.reason, message.code) == (DisconnectReason.MESSAGE_TIMEOUT, 1008)
    client.close()
    within(talking.join)


def test_endless_fragments_are_bounded_in_bytes(serve: Serve) -> None:
    server = serve(Limits(max_message_bytes=100_000, linger_seconds=0.2))
    client, _ = server.connect()
    client.send_frame(BINARY, b"x", fin=False)
    fragments = frame(CONTINUATION, b"x" * 1000, fin=False) * 101
    tasks.spawn("sending", client.sock.sendall, fragments)
    assert client.receive_close()[0] == 1009


@pytest.mark.parametrize("ping", [frame(PING), frame(PING, b"x" * 125), frame(PONG, b"?"), frame(PONG)])
def test_pings_for_longer_than_a_message_may_take(serve: Serve, ping: bytes) -> None:
    """However they are cut: a frame of control is no message that does not end."""
    server = serve(Limits(message_seconds=0.3))
    client, peer = server.connect()
    reading = tasks.spawn("reading", read_all, client)
    cut = len(ping) // 2
    client.sock.sendall(ping[:cut])
    with gevent.Timeout(1.0, False):  # type: ignore[arg-type]
        while True:
            client.sock.sendall(ping[cut:] + ping * 3 + ping[:cut])
            gevent.sleep(0.01)
    assert peer.connected
    assert server.queue.empty()
    client.end()
    within(reading.get)


def test_messages_for_longer_than_one_may_take(serve: Serve) -> None:
    """However they are cut: each piece ends one message and begins the next."""
    server = serve(Limits(message_seconds=0.3))
    client, peer = server.connect()
    whole = frame(TEXT, b"hello")
    client.sock.sendall(whole[:4])
    for _ in range(100):
        client.sock.sendall(whole[4:] + whole[:4])
        assert server.next_data() == "hello"
        gevent.sleep(0.01)
    assert peer.connected


def read_all(client: Any) -> None:
    while client.sock.recv(65536):
        pass


# --- compression ------------------------------------------------------------------------------------------------------


def deflated(data: bytes) -> bytes:
    """As permessage-deflate has it (RFC 7692, 7.2.1)."""
    compressor = zlib.compressobj(wbits=-12)
    return (compressor.compress(data) + compressor.flush(zlib.Z_SYNC_FLUSH)).removesuffix(b"\0\0\xff\xff")


def test_compression_is_off_unless_asked_for(serve: Serve) -> None:
    client, _ = serve().connect(headers=DEFLATE)
    assert "sec-websocket-extensions" not in client.response.headers
    client.send_frame(TEXT, deflated(b"x"), reserved=4)
    assert client.receive_close()[0] == 1002


def test_compressed_both_ways(serve: Serve) -> None:
    client, peer = (server := serve(compression=True)).connect(headers=DEFLATE)
    assert client.response.headers["sec-websocket-extensions"].startswith("permessage-deflate")
    client.send_frame(TEXT, deflated(b"again " * 1000), reserved=4)
    assert server.next_data() == "again " * 1000
    peer.send("and " * 1000)
    received = client.receive_frame()
    assert (received.opcode, received.reserved) == (TEXT, 4)
    assert len(received.payload) < 200
    assert zlib.decompressobj(wbits=-15).decompress(received.payload + b"\0\0\xff\xff") == b"and " * 1000


def test_a_client_that_does_not_ask_for_compression_gets_none(serve: Serve) -> None:
    client, peer = serve(compression=True).connect()
    peer.send("and " * 1000)
    assert client.receive() == "and " * 1000


def test_a_zip_bomb_costs_itself_alone(serve: Serve) -> None:
    """A hundred MiB in a hundred KiB."""
    server = serve(compression=True)
    other, other_peer = server.connect()
    client, _ = server.connect(headers=DEFLATE)
    bomb = deflated(bytes(100 << 20))
    assert len(bomb) < 1 << 18
    client.send_frame(BINARY, bomb, reserved=4)
    assert client.receive_close()[0] == 1009
    client.close()
    message = server.next_disconnected()
    assert (message.reason, message.code) == (DisconnectReason.PROTOCOL_ERROR, 1009)
    other_peer.send("undisturbed")
    assert other.receive() == "undisturbed"


# --- heartbeats -------------------------------------------------------------------------------------------------------


BEATS = Limits(heartbeat_seconds=0.2, missed_heartbeats=2, idle_seconds=0.1, linger_seconds=0.2)


def test_a_silent_client_that_answers_pings_stays(serve: Serve) -> None:
    """`idle_seconds` is shorter than a heartbeat, but there are heartbeats."""
    limits = Limits(heartbeat_seconds=0.1, missed_heartbeats=2, idle_seconds=0.35, linger_seconds=0.2)
    client, peer = (server := serve(limits)).connect()
    reading = tasks.spawn("reading", client.receive)
    wait_until(lambda: client.pings >= 8)
    assert peer.connected
    peer.send("done")
    assert within(reading.get) == "done"
    assert server.queue.empty()


def test_a_client_that_has_vanished_is_noticed(serve: Serve) -> None:
    """It says nothing any more, not even that it has gone."""
    limits = Limits(heartbeat_seconds=0.2, missed_heartbeats=2, linger_seconds=0.1)
    client, _ = (server := serve(limits)).connect()
    message = within(server.next_disconnected, seconds=0.2 * 3 + 2)
    assert (message.reason, message.code) == (DisconnectReason.HEARTBEAT_TIMEOUT, 1008)
    frames = [client.receive_frame() for _ in range(3)]
    assert [received.opcode for received in frames] == [PING, PING, CLOSE]


# --- JSON -------------------------------------------------------------------------------------------------------------


class Ask(Message):
    number: int


class AskReader(WebSocketJsonReader):
    message_type = Ask


JSON = {"reader_class": AskReader, "writer_class": WebSocketJsonServerWriter}


def test_json_messages_are_text(serve: Serve) -> None:
    client, peer = (server := serve(**JSON)).connect()
    client.send('{"type":"ask","number":1}', b'{"type":"ask","number":2}')
    assert [server.next().number, server.next().number] == [1, 2]
    peer.send(Ask(3))
    assert client.receive() == '{"type":"ask","number":3}'


@pytest.mark.parametrize("bad", ["", "[", '{"type":"ask","number":"x"}', '{"type":"tell"}', b"\xff"])
def test_json_that_is_not_understood(serve: Serve, bad: str | bytes) -> None:
    client, _ = serve(**JSON).connect()
    client.send(bad)
    told = client.receive()
    assert '"code":"protocol_error"' in str(told)
    assert '"message":"message not understood' in str(told)
    assert client.receive_close()[0] == 1002


def test_a_json_server_says_why_it_ends(serve: Serve) -> None:
    client, _ = (server := serve(**JSON)).connect()
    closed, closed_peer = server.connect()
    closed_peer.disconnect("done")
    assert closed.receive_close() == (1000, "done")
    leaving, _ = server.connect()
    leaving.send_close()
    assert leaving.receive_close() == (1000, "")
    stopping = tasks.spawn("stopping", server.handler.stop)
    assert client.receive() == '{"type":"shutting_down","message":""}'
    assert client.receive_close() == (1001, "")
    for each in (client, closed, leaving):
        each.close()
    within(stopping.get)


def test_the_connecting_side_of_json_ends_with_a_close_alone(serve: Serve) -> None:
    client, peer = serve(reader_class=AskReader, writer_class=WebSocketJsonWriter).connect()
    peer.fail(ValueError())
    assert client.receive_close() == (1011, "internal error")


# --- what is put together ---------------------------------------------------------------------------------------------


class OwnHandler(WebSocketConnectionHandler):
    """Makes its instances itself."""

    def create_connection_instances(self, sock: Any, address: Any) -> Any:
        link = self.create_link(sock)
        peer = VisitorPeer()
        peer.since = "the start"  # type: ignore[attr-defined]
        return WebSocketReader(sock, link), WebSocketWriter(sock, link), peer


def test_a_handler_may_make_the_instances_itself(serve: Serve) -> None:
    client, peer = (server := serve(handler_class=OwnHandler)).connect()
    assert peer.since == "the start"
    client.send("hello")
    assert server.next_data() == "hello"


def test_a_peer_of_another_kind_is_a_mistake(serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    from tests.connhandler.support import DataPeer

    server = serve(peer_class=DataPeer)
    client = server.client(shake=False)
    assert client.rest() == b""
    assert (
        "must return a WebSocketReader, a WebSocketWriter and a WebSocketPeer, not WebSocketReader, WebSocketWriter "
        "and DataPeer" in caplog.text
    )


class TwoLinksHandler(VisitorHandler):
    def create_connection_instances(self, sock: Any, address: Any) -> Any:
        return (
            WebSocketReader(sock, self.create_link(sock)),
            WebSocketWriter(sock, self.create_link(sock)),
            VisitorPeer(),
        )


def test_a_link_for_each_direction_is_a_mistake(serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    """Nothing that is sent would go out, without a word."""
    assert serve(handler_class=TwoLinksHandler).client(shake=False).rest() == b""
    assert "must be made with the same link" in caplog.text


def test_a_peer_without_a_connection() -> None:
    peer = VisitorPeer()
    fake = FakeConnection(peer)
    peer.disconnect("game over", code=4002)
    assert (fake.disconnect_detail, peer.disconnect_code) == ("game over", 4002)
