"""`Expect: 100-continue` (RFC 9110, 10.1.1)."""

import pytest

from connhandler.framing.http import RequestParser
from connhandler.http import HttpResponse
from tests.connhandler.httppages import Client, FormHandler, Serve, serve_pages

serve = pytest.fixture(serve_pages)

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


@pytest.fixture
def client(serve: Serve) -> Client:
    return serve(FormHandler).connect()


def post(*headers: str, version: str = "1.1", method: str = "POST", expect: str = "100-continue") -> bytes:
    lines = [f"{method} /body HTTP/{version}", "Host: a", f"Expect: {expect}", *headers, "", ""]
    return "\r\n".join(lines).encode()


def test_a_client_that_waits_is_told_to_go_on(client: Client) -> None:
    for _ in range(2):
        client.send(post("Content-Length: 5"))
        assert client.file.read(len(CONTINUE)) == CONTINUE
        client.send(b"hello")
        assert client.response()[2] == b"hello"


def test_it_is_told_so_once(client: Client) -> None:
    for byte in post("Content-Length: 3", expect="100-Continue"):
        client.send(bytes([byte]))
    assert client.file.read(len(CONTINUE)) == CONTINUE
    for byte in b"abc":
        client.send(bytes([byte]))
    assert client.response()[2] == b"abc"


def test_before_a_body_in_chunks(client: Client) -> None:
    client.send(post("Transfer-Encoding: chunked"))
    assert client.file.read(len(CONTINUE)) == CONTINUE
    client.send(b"5\r\nhello\r\n0\r\n\r\n")
    assert client.response()[2] == b"hello"


def test_not_before_the_answer_to_the_request_before(serve: Serve) -> None:
    site = serve(FormHandler)
    client = site.connect()
    client.get("/later")
    peer, _ = site.pages.next_later()
    client.send(post("Content-Length: 5"))
    peer.send(HttpResponse(body=b"late"))
    assert client.response()[2] == b"late"
    assert client.file.read(len(CONTINUE)) == CONTINUE
    client.send(b"hello")
    assert client.response()[2] == b"hello"


@pytest.mark.parametrize(
    ("data", "body"),
    [
        (post("Content-Length: 5") + b"hello", b"hello"),
        (post("Content-Length: 0"), b""),
        (post(), b""),
        (post("Connection: keep-alive", "Content-Length: 5", version="1.0", expect="anything") + b"hello", b"hello"),
    ],
    ids=["body is here", "empty body", "no body", "1.0"],
)
def test_whoever_does_not_wait_is_answered_only(client: Client, data: bytes, body: bytes) -> None:
    client.send(data)
    status, _, got = client.response()
    assert (status, got) == (200, body)


def test_a_body_that_has_begun_to_arrive() -> None:
    parser = RequestParser(1000)
    parser.receive_data(post("Content-Length: 5"))
    assert parser.awaits_continue
    parser.receive_data(b"h")
    assert not parser.awaits_continue
    parser = RequestParser(1000)
    parser.receive_data(post("Content-Length: 5") + b"h")
    assert not parser.awaits_continue


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (post("Content-Length: 1001"), 413),
        (post("Content-Length: 5", method="PUT"), 405),
        (post("Content-Length: 5", expect="100-continue, x"), 417),
        (post("Content-Length: 5", expect="200-ok"), 417),
        (post("Content-Length: 5", "Expect: 100-continue"), 417),
        (post("Content-Length: 5", "Transfer-Encoding: chunked"), 400),
    ],
)
def test_a_request_that_is_refused_never_hears_100(client: Client, data: bytes, status: int) -> None:
    client.send(data)
    got, headers, _ = client.response()
    assert (got, headers["connection"]) == (status, "close")
    assert client.rest() == b""
