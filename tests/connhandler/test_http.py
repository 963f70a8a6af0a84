import http.client
import json
import logging
import shutil
import socket
import subprocess
import time
from collections import Counter
from typing import Any

import gevent
import pytest

from connhandler import DisconnectReason, PeerDisconnected, tasks
from connhandler.framing.http import RequestParser
from connhandler.framing.httphead import MAX_LINE_BYTES
from connhandler.http import Exchange, HttpError, HttpReader, HttpRequest, HttpResponse
from connhandler.testing import FakeConnection
from tests.connhandler.httppages import WAIT_SECONDS, Client, FormHandler, PagePeer, Pages, Serve, Site, serve_pages

serve = pytest.fixture(serve_pages)


@pytest.fixture
def client(serve: Serve) -> Client:
    return serve().connect()


# --- one request after the other --------------------------------------------------------------------------------------


def test_a_get_is_answered(client: Client) -> None:
    client.get("/caf%C3%A9")
    status, headers, body = client.response()
    assert (status, body) == (200, b"/caf\xc3\xa9")
    assert headers.keys() == {"date", "content-type", "content-length"}
    assert headers["content-type"] == "text/plain; charset=utf-8"
    assert headers["date"].endswith(" GMT")


def test_a_connection_is_used_again(client: Client) -> None:
    for number in range(50):
        client.get(f"/{number}")
        assert client.response()[2] == b"/%d" % number


def test_answers_do_not_wait_for_acknowledgements(serve: Serve) -> None:
    # With Nagle's algorithm, the second of two pipelined answers can take the 40 ms of a delayed acknowledgement.
    site = serve()
    client = site.connect()
    client.get("/a")
    client.response()
    assert site.connection.sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_a_request_in_single_bytes(client: Client) -> None:
    for byte in b"GET /slow HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nab":
        client.send(bytes([byte]))
        gevent.sleep(0)
    assert client.response()[2] == b"/slow"


def test_pipelined_requests_are_answered_in_order(serve: Serve) -> None:
    site = serve()
    client = site.connect()
    client.send(b"".join(b"GET /%s HTTP/1.1\r\nHost: a\r\n\r\n" % path for path in (b"later", b"1", b"later", b"2")))
    for number in (1, 2):
        peer, _ = site.pages.next_later()
        assert site.pages.later.empty()
        peer.send(HttpResponse(body=b"late"))
        assert client.response()[2] == b"late"
        assert client.response()[2] == b"/%d" % number


def test_many_pipelined_requests(client: Client) -> None:
    count = 3000
    writer = tasks.spawn("writer", client.send, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n" * count)
    assert [client.response()[2] for _ in range(count)] == [b"/"] * count
    writer.get(timeout=WAIT_SECONDS)


def test_a_head_is_answered_without_body(client: Client) -> None:
    client.get("/page")
    _, of_get, _ = client.response()
    client.get("/page", method="HEAD")
    status, of_head, _ = client.response(body=False)
    assert (status, of_head) == (200, {**of_get, "date": of_head["date"]})
    client.get("/next")
    assert client.response()[2] == b"/next"


def test_a_body_of_a_get_is_read_over(client: Client) -> None:
    client.send(b"GET /1 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nGET \r\n0\r\n\r\n")
    assert client.response()[2] == b"/1"
    client.get("/2")
    assert client.response()[2] == b"/2"


@pytest.mark.parametrize(
    ("version", "headers", "goes_on"),
    [
        ("1.1", "", True),
        ("1.1", "Connection: close\r\n", False),
        ("1.0", "", False),
        ("1.0", "Connection: keep-alive\r\n", True),
    ],
)
def test_the_client_says_whether_the_connection_goes_on(
    serve: Serve, version: str, headers: str, goes_on: bool
) -> None:
    site = serve()
    client = site.connect()
    client.get("/a", version=version, headers=headers)
    status, answered, _ = client.response()
    assert status == 200
    if goes_on:
        assert answered.get("connection") == ("keep-alive" if version == "1.0" else None)
        client.get("/b")
        assert client.response()[2] == b"/b"
    else:
        assert answered["connection"] == "close"
        assert client.rest() == b""
    client.close()
    expected = DisconnectReason.CLOSED_BY_PEER if goes_on else DisconnectReason.CLOSED_BY_US
    assert site.pages.next_gone().reason is expected


def test_nothing_is_served_after_a_request_that_closes(serve: Serve) -> None:
    site = serve()
    client = site.connect()
    client.get("/later", headers="Connection: close\r\n")
    client.get("/later")
    peer, _ = site.pages.next_later()
    peer.send(HttpResponse(body=b"last"))
    assert client.response()[2] == b"last"
    assert client.rest() == b""
    client.close()
    site.pages.next_gone()
    assert site.pages.later.empty()


def test_what_follows_a_request_that_closes_does_not_hold_the_hub() -> None:
    class Endless:
        data = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"

        def recv(self, size: int) -> bytes:
            data, self.data = self.data.ljust(size, b"x"), b"x" * size
            return data

    endless: Any = Endless()
    reader = HttpReader(endless, Exchange(), RequestParser(1000), {})
    assert reader.receive() == Endless.data
    task = tasks.spawn("reader", reader.receive)
    gevent.sleep(0.01)
    assert not task.ready()
    task.kill()


def test_a_client_that_has_said_all_still_gets_its_answer(client: Client) -> None:
    client.get("/a")
    client.sock.shutdown(socket.SHUT_WR)
    assert client.response()[2] == b"/a"
    assert client.rest() == b""


def test_a_long_answer_arrives_whole(client: Client) -> None:
    client.get("/long/1000000")
    assert client.response()[2] == b"x" * 1_000_000


def test_one_waiting_request_holds_up_no_other_connection(serve: Serve) -> None:
    site = serve()
    waiting, other = site.connect(), site.connect()
    waiting.get("/later")
    peer, _ = site.pages.next_later()
    other.get("/a")
    assert other.response()[2] == b"/a"
    peer.send(HttpResponse(body=b"late"))
    assert waiting.response()[2] == b"late"


def test_an_answer_to_a_client_that_has_gone_is_dropped(serve: Serve) -> None:
    site = serve()
    client = site.connect()
    client.get("/later")
    peer, _ = site.pages.next_later()
    client.reset()
    peer.send(HttpResponse(body=b"late"))
    message = site.pages.next_gone()
    assert message.reason in (DisconnectReason.CONNECTION_LOST, DisconnectReason.CLOSED_BY_PEER)
    peer.send(HttpResponse(body=b"later"))


def test_a_client_that_goes_before_its_answer_is_noticed_at_once(serve: Serve) -> None:
    site = serve()
    client = site.connect()
    client.get("/later")
    peer, _ = site.pages.next_later()
    client.reset()
    assert site.pages.next_gone().reason is DisconnectReason.CONNECTION_LOST
    peer.send(HttpResponse(body=b"late"))
    assert not peer.connected


def test_what_comes_before_the_answer_waits_for_its_turn(serve: Serve) -> None:
    site = serve(FormHandler)
    client = site.connect()
    client.get("/later")
    peer, _ = site.pages.next_later()
    client.send(b"POST /body HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello")
    client.sock.shutdown(socket.SHUT_WR)
    peer.send(HttpResponse(body=b"late"))
    assert client.response()[2] == b"late"
    assert client.response()[2] == b"hello"
    assert client.rest() == b""


# --- refusals ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"\x16\x03\x01\x02\x00", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 65537\r\n\r\n", 413),
        (b"GET /" + b"x" * MAX_LINE_BYTES, 414),
        (b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 200, 431),
        (b"FETCH / HTTP/1.1\r\n", 501),
        (b"GET / HTTP/2.0\r\n", 505),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_bad_request_is_answered_after_the_good_ones_and_closed(serve: Serve, data: bytes, status: int) -> None:
    site = serve()
    client = site.connect()
    client.send(b"GET /good HTTP/1.1\r\nHost: a\r\n\r\n" + data)
    assert client.response()[2] == b"/good"
    got, headers, body = client.response()
    assert (got, headers["connection"]) == (status, "close")
    assert body.startswith(b"%d " % status)
    assert client.rest() == b""
    client.close()
    message = site.pages.next_gone()
    assert message.reason is DisconnectReason.PROTOCOL_ERROR
    assert isinstance(message.exception, HttpError)


def test_the_answer_to_a_bad_request_survives_what_is_still_being_sent(client: Client) -> None:
    # Unread input at close would send a reset, and that could destroy the answer.
    writer = tasks.spawn("writer", client.send, b"GET /" + b"x" * 3_000_000)
    assert client.response()[0] == 414
    assert client.rest() == b""
    writer.get(timeout=WAIT_SECONDS)


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "PROPFIND"])
def test_other_methods(client: Client, method: str) -> None:
    client.send(b"%s / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello" % method.encode())
    status, headers, body = client.response()
    assert (status, headers["allow"], headers["connection"]) == (405, "GET, HEAD", "close")
    assert body == f"405 Method Not Allowed: {method} is not served here\n".encode()
    assert client.rest() == b""


def test_a_handler_says_which_methods_it_serves(serve: Serve) -> None:
    client = serve(FormHandler).connect()
    client.send(b"POST /body HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello")
    assert client.response()[2] == b"hello"
    client.send(b"POST /body HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nagain\r\n0\r\n\r\n")
    assert client.response()[2] == b"again"
    client.get("/page")
    assert client.response()[2] == b"/page"
    client.get("/page", method="PUT")
    status, headers, _ = client.response()
    assert (status, headers["allow"]) == (405, "GET, HEAD, POST")


def test_a_refused_method_is_refused_before_its_body(client: Client) -> None:
    client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n")
    assert client.response()[0] == 405


def test_a_refusal_of_head_has_no_body(serve: Serve) -> None:
    class Posts(FormHandler):
        methods = ("POST",)

    client = serve(Posts).connect()
    client.get("/", method="HEAD")
    assert client.response(body=False)[0] == 405
    assert client.rest() == b""


@pytest.mark.parametrize("chunked", [False, True])
def test_a_handler_says_how_long_a_body_may_be(serve: Serve, chunked: bool) -> None:
    site = serve(FormHandler)

    def post(size: int) -> bytes:
        framing = b"Transfer-Encoding: chunked" if chunked else b"Content-Length: %d" % size
        body = b"x" * size
        return b"POST /body HTTP/1.1\r\nHost: a\r\n%b\r\n\r\n%b" % (
            framing,
            b"%x\r\n%b\r\n0\r\n\r\n" % (size, body) if chunked else body,
        )

    client = site.connect()
    client.send(post(1000) + post(1001))
    assert client.response()[2] == b"x" * 1000
    status, headers, body = client.response()
    assert (status, headers["connection"]) == (413, "close")
    assert body == b"413 Request Entity Too Large: a body of more than 1000 bytes\n"
    assert client.rest() == b""


def test_a_connection_too_many_hears_503(serve: Serve) -> None:
    site = serve(max_connections=1)
    first, second = site.connect(), site.connect()
    status, headers, _ = second.response()
    assert (status, headers["connection"]) == (503, "close")
    assert second.rest() == b""
    first.get("/a")
    assert first.response()[2] == b"/a"
    assert site.handler.counters["too many connections"] == 1


# --- the program's faults ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/fails", "/injected", "/long/2000000"])
def test_a_handler_that_raises_is_500_for_that_client_alone(
    serve: Serve, path: str, caplog: pytest.LogCaptureFixture
) -> None:
    site = serve()
    client, other = site.connect(), site.connect()
    other.get("/before")
    other.response()
    client.get(path)
    status, headers, body = client.response()
    assert (status, headers["connection"]) == (500, "close")
    assert b"ZeroDivision" not in body
    assert b"cookie" not in json.dumps(headers).lower().encode()
    assert client.rest() == b""
    other.get("/after")
    assert other.response()[2] == b"/after"
    assert "failed while handling HttpRequest" in caplog.text
    client.close()
    assert site.pages.next_gone().reason is DisconnectReason.INTERNAL_ERROR


def test_a_handler_can_raise_the_status(client: Client) -> None:
    client.get("/missing")
    status, headers, body = client.response()
    assert (status, headers["x-hint"], headers["connection"]) == (404, "none", "close")
    assert body == b"404 Not Found: no such page\n"


def test_an_error_answer_to_head_has_no_body(client: Client) -> None:
    client.get("/missing", method="HEAD")
    assert client.response(body=False)[0] == 404
    assert client.rest() == b""


def test_a_page(serve: Serve) -> None:
    site = serve()
    client = site.connect()
    client.get("/later")
    peer, _ = site.pages.next_later()
    peer.send(HttpResponse.html("<p>Grüße", status=203))
    status, headers, body = client.response()
    assert (status, headers["content-type"], body.decode()) == (203, "text/html; charset=utf-8", "<p>Grüße")


def test_a_second_answer_never_reaches_the_client(client: Client, caplog: pytest.LogCaptureFixture) -> None:
    client.get("/twice")
    assert client.response()[2] == b"once"
    assert client.rest() == b""
    assert "each is answered exactly once" in caplog.text


def test_a_message_of_no_dispatch_row_is_400(serve: Serve) -> None:
    site = serve()
    site.pages.dispatch = {}
    client = site.connect()
    client.get("/")
    assert client.response()[0] == 400


def test_a_program_that_hangs_up_is_503(client: Client) -> None:
    client.get("/hangs-up")
    assert client.response()[0] == 503
    assert client.rest() == b""


def test_a_message_that_is_no_response(serve: Serve) -> None:
    site = serve()
    client = site.connect()
    client.get("/later")
    peer, _ = site.pages.next_later()
    with pytest.raises(AttributeError):
        peer.send("hello")  # type: ignore[arg-type]
    peer.send(HttpResponse(body=b"right"))
    assert client.response()[2] == b"right"


# --- time -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("begun", [b"", b"G", b"GET / HTTP/1.1\r\nHost: a\r\nX: "])
def test_a_first_request_that_does_not_arrive_is_408(serve: Serve, begun: bytes) -> None:
    site = serve(first_message_seconds=0.1)
    client = site.connect()
    client.send(begun)
    status, headers, _ = client.response()
    assert (status, headers["connection"]) == (408, "close")
    assert client.rest() == b""
    client.close()
    assert site.pages.next_gone().reason is DisconnectReason.FIRST_MESSAGE_TIMEOUT


@pytest.mark.parametrize("begun", [b"G", b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nx"])
def test_a_later_request_that_does_not_arrive_is_408(serve: Serve, begun: bytes) -> None:
    site = serve(message_seconds=0.1)
    client = site.connect()
    client.send(b"GET /good HTTP/1.1\r\nHost: a\r\n\r\n" + begun)
    assert client.response()[2] == b"/good"
    assert client.response()[0] == 408
    assert client.rest() == b""
    client.close()
    assert site.pages.next_gone().reason is DisconnectReason.MESSAGE_TIMEOUT


def test_a_trickle_of_bytes_does_not_extend_the_time(serve: Serve) -> None:
    site = serve(message_seconds=0.2, first_message_seconds=0)
    client = site.connect()

    def trickle() -> None:
        while site.pages.gone.empty():
            client.send(b"x")
            gevent.sleep(0.01)

    client.send(b"GET /")
    writer = tasks.spawn("trickle", trickle)
    begun = time.monotonic()
    assert client.response()[0] == 408
    assert time.monotonic() - begun < 2
    client.close()
    writer.kill()


def test_slow_clients_hold_up_nobody(serve: Serve) -> None:
    site = serve(first_message_seconds=0.3)
    slow = [site.connect() for _ in range(100)]
    for client in slow:
        client.send(b"GET / HTTP/1.1\r\nX-")
    for number in range(20):
        good = site.connect()
        good.get(f"/{number}")
        assert good.response()[2] == b"/%d" % number
        good.close()
    for client in slow:
        assert client.response()[0] == 408
        client.close()
    reasons = Counter(site.pages.next_gone().reason for _ in range(120))
    assert reasons[DisconnectReason.FIRST_MESSAGE_TIMEOUT] == 100


def test_an_idle_connection_is_closed_without_a_word(serve: Serve) -> None:
    site = serve(idle_seconds=0.1)
    client = site.connect()
    client.get("/a")
    client.response()
    assert client.rest() == b""
    client.close()
    assert site.pages.next_gone().reason is DisconnectReason.IDLE_TIMEOUT


def test_a_request_that_the_program_never_answers_is_503(serve: Serve) -> None:
    site = serve(idle_seconds=0.1)
    client = site.connect()
    client.get("/later")
    peer, _ = site.pages.next_later()
    assert client.response()[0] == 503
    assert client.rest() == b""
    client.close()
    site.pages.next_gone()
    peer.send(HttpResponse(body=b"too late"))


def test_the_time_for_a_request_does_not_run_while_another_is_answered(serve: Serve) -> None:
    site = serve()
    client = site.connect()
    client.get("/a")
    client.response()
    data = b"GET /later HTTP/1.1\r\nHost: a\r\n\r\nGET /next HTTP/1.1\r\nHost: a\r\n\r\n"
    client.send(data[:10])
    with gevent.Timeout(WAIT_SECONDS):
        while site.connection.reader.begun_at is None:
            gevent.sleep(0)
    client.send(data[10:-2])
    peer, _ = site.pages.next_later()
    site.connection.deadlines.check(time.monotonic() + site.handler.limits.message_seconds + 1)
    peer.send(HttpResponse(body=b"late"))
    assert client.response()[2] == b"late"
    client.send(data[-2:])
    assert client.response()[2] == b"/next"


def test_shutdown_answers_what_is_outstanding(serve: Serve) -> None:
    site = serve()
    waiting, idle = site.connect(), site.connect()
    idle.get("/a")
    idle.response()
    waiting.get("/later")
    site.pages.next_later()
    site.handler.stop_accepting()
    site.handler.disconnect_all()
    assert waiting.response()[0] == 503
    assert waiting.rest() == b""
    assert idle.rest() == b""


# --- other people's clients -------------------------------------------------------------------------------------------


def test_http_client(serve: Serve) -> None:
    site = serve()
    connection = http.client.HTTPConnection("127.0.0.1", site.handler.port, timeout=WAIT_SECONDS)
    for _ in range(3):
        connection.request("GET", "/echo?a=1&b=%C3%A9", headers={"X-Test": "yes"})
        response = connection.getresponse()
        assert (response.status, response.headers["X-Extra"]) == (201, "yes")
        assert response.headers["Content-Type"] == "application/json"
        shown = json.loads(response.read())
        assert (shown["method"], shown["query"], shown["headers"]["x-test"]) == ("GET", {"a": "1", "b": "é"}, "yes")
    connection.request("HEAD", "/page")
    response = connection.getresponse()
    assert (response.status, response.read(), response.headers["Content-Length"]) == (200, b"", "5")
    connection.close()
    assert site.handler.counters["accepted"] == 1


CURL = shutil.which("curl") or ""


@pytest.mark.skipif(not CURL, reason="curl is not installed")
@pytest.mark.parametrize(
    ("arguments", "paths", "output"),
    [
        (["--fail"], ["/page"], "/page 200 1.1"),
        (["--fail"], ["/1", "/2", "/3"], "/1 200 1.1/2 200 1.1/3 200 1.1"),
        (["--fail", "--http1.0"], ["/page"], "/page 200 1.1"),
        (["--fail", "--http2"], ["/page", "/next"], "/page 200 1.1/next 200 1.1"),
        (["--fail", "--head", "--output", "/dev/null"], ["/page"], " 200 1.1"),
        (["--fail", "--header", "Connection: close"], ["/page"], "/page 200 1.1"),
        (["--data", "a=b"], ["/page"], "405 Method Not Allowed: POST is not served here\n 405 1.1"),
        (["--path-as-is"], ["/missing"], "404 Not Found: no such page\n 404 1.1"),
        ([], ["/fails"], "500 Internal Server Error: this request could not be answered\n 500 1.1"),
    ],
)
def test_curl(serve: Serve, arguments: list[str], paths: list[str], output: str) -> None:
    site = serve()
    command = [CURL, "--silent", "--show-error", "--max-time", "5", "--noproxy", "*", *arguments]
    command += ["--write-out", " %{http_code} %{http_version}", *(site.url + path for path in paths)]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    assert result.stdout == output
    assert result.stderr == ""
    assert site.handler.counters["accepted"] == (len(paths) if "--http1.0" in arguments else 1)


# --- without a socket -------------------------------------------------------------------------------------------------


def test_a_scripted_conversation() -> None:
    pages, fake = Pages(), FakeConnection(PagePeer())
    fake.connected(pages)
    fake.receives(pages, HttpRequest(method="GET", path="/a"))
    assert fake.take() == [HttpResponse(body=b"/a")]
    fake.receives(pages, HttpRequest(method="GET", path="/missing"))
    assert isinstance(fake.failure, HttpError)


def ask_and_be_gone(site: Site, data: bytes) -> PeerDisconnected:
    """Send this, and wait for the server to end the connection."""
    client = site.connect()
    client.send(data)
    client.rest()
    client.close()
    return site.pages.next_gone()


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"GET /missing HTTP/1.1\r\nHost: a\r\n\r\n", 404),
        (b"PUT / HTTP/1.1\r\nHost: a\r\n\r\n", 405),
        (b"GET /" + b"x" * MAX_LINE_BYTES, 414),
    ],
)
def test_an_ordinary_refusal_is_no_news(
    serve: Serve, data: bytes, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    site = serve()
    with caplog.at_level(logging.DEBUG):
        message = ask_and_be_gone(site, data)
    assert isinstance(message.exception, HttpError)
    assert message.exception.status == status
    assert said_of_the_end(caplog) == [("DEBUG", f"protocol error ({status} {message.exception.text})")]


@pytest.mark.parametrize("data", [b"", b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n"], ids=["spare", "kept"])
def test_a_connection_that_nobody_waits_on_ends_quietly(
    serve: Serve, data: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    site = serve(first_message_seconds=0.1, idle_seconds=0.1)
    with caplog.at_level(logging.DEBUG):
        reason = ask_and_be_gone(site, data).reason
    assert reason in (DisconnectReason.FIRST_MESSAGE_TIMEOUT, DisconnectReason.IDLE_TIMEOUT)
    assert [(level, reason.value in text) for level, text in said_of_the_end(caplog)] == [("DEBUG", True)]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"GET", "first message timeout"),
        (b"GET /later HTTP/1.1\r\nHost: a\r\n\r\n", "idle timeout"),
        (b"GET /a HTTP/1.1\r\nHost: a\r\n\r\nGET", "message timeout"),
    ],
)
def test_one_that_somebody_waits_on_is_a_line(
    serve: Serve, data: bytes, reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    message_seconds = 0.2 if reason == "message timeout" else 10.0
    site = serve(first_message_seconds=0.1, idle_seconds=0.3, message_seconds=message_seconds)
    with caplog.at_level(logging.DEBUG):
        ask_and_be_gone(site, data)
    assert [(level, text.startswith(reason)) for level, text in said_of_the_end(caplog)] == [("INFO", True)]


def said_of_the_end(caplog: pytest.LogCaptureFixture) -> list[tuple[str, str]]:
    return [
        (record.levelname, record.getMessage().partition(": disconnected: ")[2])
        for record in caplog.records
        if "disconnected" in record.msg
    ]


def test_bad_requests_are_one_line_in_the_log(serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    site = serve()
    client = site.connect()
    with caplog.at_level(logging.INFO):
        client.send(b"\0")
        client.rest()
        client.close()
        site.pages.next_gone()
    assert [record.levelname for record in caplog.records] == ["INFO"]
    assert "400 not an HTTP request" in caplog.text
