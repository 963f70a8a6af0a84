import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connhandler.framing.httpresponse import HttpResponse, encode_response, http_date


def test_a_response() -> None:
    response = HttpResponse(200, b"hello", "text/plain", {"X-Latin": "caf\xe9"})
    assert encode_response(response, date="Sun, 06 Nov 1994 08:49:37 GMT") == (
        b"HTTP/1.1 200 OK\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\nContent-Type: text/plain\r\n"
        b"X-Latin: caf\xe9\r\nContent-Length: 5\r\n\r\nhello"
    )


@pytest.mark.parametrize(
    ("keep_alive", "version", "connection"),
    [(True, "1.1", b""), (False, "1.1", b"close"), (True, "1.0", b"keep-alive"), (False, "1.0", b"close")],
)
def test_the_connection_header(keep_alive: bool, version: str, connection: bytes) -> None:
    data = encode_response(HttpResponse(404), keep_alive=keep_alive, http_version=version)
    assert re.findall(rb"\r\nConnection: (.+)\r\n", data) == ([connection] if connection else [])
    assert data.startswith(b"HTTP/1.1 404 Not Found\r\n")


def test_an_answer_to_head_is_the_head_of_the_answer_to_get() -> None:
    response = HttpResponse(body=b"hello", headers={"X": "y"})
    head = encode_response(response, head_only=True)
    assert head.endswith(b"\r\nContent-Length: 5\r\n\r\n")
    assert encode_response(response) == head + b"hello"


def test_a_response_without_content_has_no_content_type() -> None:
    assert encode_response(HttpResponse()) == b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"


def test_json() -> None:
    response = HttpResponse.json({"name": "caf\xe9", "points": [1, None]}, 201)
    assert response == HttpResponse(201, '{"name":"caf\xe9","points":[1,null]}'.encode(), "application/json")


def test_text() -> None:
    assert HttpResponse.text("caf\xe9", 202) == HttpResponse(202, b"caf\xc3\xa9", "text/plain; charset=utf-8")


def test_an_error_says_what_was_wrong() -> None:
    response = HttpResponse.error(404, "no such page", {"X": "y"})
    assert response == HttpResponse(404, b"404 Not Found: no such page\n", headers={"X": "y"})


@pytest.mark.parametrize("status", [204, 304])
def test_a_status_without_body(status: int) -> None:
    assert b"Content-Length" not in encode_response(HttpResponse(status))
    with pytest.raises(ValueError, match="has no body"):
        encode_response(HttpResponse(status, b"x"))


def test_a_status_without_name() -> None:
    assert encode_response(HttpResponse(299)).startswith(b"HTTP/1.1 299 \r\n")


@pytest.mark.parametrize("status", [0, 100, 101, 199, 600, -200])
def test_no_status(status: int) -> None:
    with pytest.raises(ValueError, match="not the status"):
        encode_response(HttpResponse(status))


@pytest.mark.parametrize("bad", ["\r\nX: y", "a\nb", "a\rb", "a\0b", "\x7f", "\u2028", "snow\u2603"])
def test_header_injection_is_refused(bad: str) -> None:
    with pytest.raises(ValueError, match="not a header"):
        encode_response(HttpResponse(headers={"X": bad}))
    with pytest.raises(ValueError, match="not a header"):
        encode_response(HttpResponse(headers={"X" + bad: "y"}))
    with pytest.raises(ValueError, match="not a header"):
        encode_response(HttpResponse(body=b"x", content_type=bad))


@pytest.mark.parametrize("name", ["", "X Y", "X:", "caf\xe9"])
def test_bad_header_names(name: str) -> None:
    with pytest.raises(ValueError, match="not a header"):
        encode_response(HttpResponse(headers={name: "y"}))


@pytest.mark.parametrize("name", ["Content-Length", "transfer-encoding", "CONNECTION", "Date", "content-type"])
def test_headers_that_the_encoder_sets(name: str) -> None:
    with pytest.raises(ValueError, match="not for the caller"):
        encode_response(HttpResponse(headers={name: "1"}))


@given(st.text(), st.text())
def test_no_header_ever_becomes_two(name: str, value: str) -> None:
    try:
        data = encode_response(HttpResponse(headers={name: value}))
    except ValueError:
        return
    assert data.count(b"\r\n") == data.count(b"\n") == data.count(b"\r") == 4


def test_http_date() -> None:
    assert http_date(784111777) == "Sun, 06 Nov 1994 08:49:37 GMT"
