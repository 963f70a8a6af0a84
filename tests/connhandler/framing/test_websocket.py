"""WebSocket as bytes: handshakes, frames however they are cut, everything that is wrong with them, and the end."""

import random
import struct
import zlib
from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connhandler.framing.websocket import ClientFraming, ServerFraming, Text, WebSocketFraming
from connhandler.framing.websocketside import MAX_HEAD_BYTES
from connhandler.testing import check_framing

REQUEST = {
    "Host": "example.org",
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    "Sec-WebSocket-Version": "13",
}
ACCEPT = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
"""What belongs to that key (RFC 6455, 1.3)."""
MASK = bytes.fromhex("a1b2c3d4")
CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
RSV1 = 0x40

payloads = st.one_of(st.binary(max_size=300), st.text(max_size=200).map(lambda text: Text(text.encode())))


def head(headers: Mapping[str, str] = REQUEST, line: str = "GET / HTTP/1.1", **added: str) -> bytes:
    fields = {**headers, **{name.replace("_", "-"): value for name, value in added.items()}}
    return "\r\n".join([line, *(f"{name}: {value}" for name, value in fields.items()), "", ""]).encode()


def frame(opcode: int, payload: bytes = b"", fin: bool = True, mask: bytes = MASK, bits: int = 0) -> bytes:
    """One frame as RFC 6455, 5.2, draws it, made without the code under test."""
    size = len(payload)
    first = (0x80 if fin else 0) | bits | opcode
    masked = 0x80 if mask else 0
    if size < 126:
        start = struct.pack("!BB", first, masked | size)
    elif size < 1 << 16:
        start = struct.pack("!BBH", first, masked | 126, size)
    else:
        start = struct.pack("!BBQ", first, masked | 127, size)
    if mask:
        payload = bytes(byte ^ mask[i % 4] for i, byte in enumerate(payload))
    return start + mask + payload


def close(code: int, reason: bytes = b"") -> bytes:
    return frame(CLOSE, code.to_bytes(2) + reason)


def opened_server(**arguments: Any) -> ServerFraming:
    framing = ServerFraming(**arguments)
    request = head(Sec_WebSocket_Extensions="permessage-deflate") if arguments.get("compression") else head()
    assert framing.receive_data(request) == []
    framing.accept()
    assert framing.output().startswith(b"HTTP/1.1 101 ")
    return framing


def opened_pair(**arguments: Any) -> tuple[ServerFraming, ClientFraming]:
    server, client = ServerFraming(**arguments), ClientFraming("ws://example.org/", **arguments)
    server.receive_data(client.output())
    server.accept()
    client.receive_data(server.output())
    assert server.opened
    assert client.opened
    return server, client


def receive_in_pieces(framing: WebSocketFraming, wire: bytes, places: list[int]) -> list[bytes]:
    ends = sorted({0, len(wire), *(place % (len(wire) + 1) for place in places)})
    return [message for start, end in pairwise(ends) for message in framing.receive_data(wire[start:end])]


def kinds(messages: list[bytes]) -> list[tuple[type, bytes]]:
    return [(type(message), bytes(message)) for message in messages]


# --- the handshake, as the server sees it -----------------------------------------------------------------------------


def test_accepts_a_request() -> None:
    framing = ServerFraming()
    framing.receive_data(head(line="GET /room%20one?token=abc&x= HTTP/1.1", Cookie="a=b"))
    request = framing.request
    assert request is not None
    assert (request.method, request.path, request.query) == ("GET", "/room one", {"token": "abc", "x": ""})
    assert request.headers["cookie"] == "a=b"
    assert request.head.startswith(b"GET /room%20one?token=abc&x= HTTP/1.1\r\n")
    assert framing.output() == b""
    assert not framing.opened
    framing.accept()
    answer = framing.output()
    assert answer.startswith(b"HTTP/1.1 101 Switching Protocols\r\n")
    assert f"\r\nSec-WebSocket-Accept: {ACCEPT}\r\n".encode() in answer
    assert b"Extensions" not in answer
    assert framing.opened
    assert not framing.mid_message


def test_head_byte_by_byte() -> None:
    framing = ServerFraming()
    wire = head()
    for position in range(len(wire)):
        assert framing.request is None
        assert framing.mid_message == (position > 0)
        framing.receive_data(wire[position : position + 1])
    assert framing.request is not None
    assert not framing.mid_message


def test_rejects_with_status_text_and_headers() -> None:
    framing = ServerFraming()
    framing.receive_data(head())
    framing.reject(401, "no valid token", {"WWW-Authenticate": "Bearer"})
    answer = framing.output()
    assert answer.startswith(b"HTTP/1.1 401 Unauthorized\r\n")
    assert b"\r\nWWW-Authenticate: Bearer\r\n" in answer
    assert answer.endswith(b"\r\n\r\nno valid token\n")
    assert not framing.opened
    assert framing.receive_data(frame(TEXT, b"in spite of it")) == []
    framing.accept()
    assert framing.output() == b""
    assert not framing.opened


@pytest.mark.parametrize("headers", [{"X": "a\r\nSet-Cookie: b"}, {"X\r\nY": "a"}, {"X": "\N{EURO SIGN}"}])
def test_header_that_cannot_be_sent(headers: dict[str, str]) -> None:
    framing = ServerFraming()
    framing.receive_data(head())
    with pytest.raises(ValueError, match="not a header"):
        framing.reject(403, "no", headers)
    with pytest.raises(ValueError, match="not a header"):
        ClientFraming("ws://example.org/", headers=headers)


def without(name: str) -> dict[str, str]:
    return {key: value for key, value in REQUEST.items() if key != name}


@pytest.mark.parametrize(
    ("wire", "status"),
    [
        pytest.param(b"\x16\x03\x01\x02\x00\x01\r\n\r\n", 400, id="no HTTP"),
        pytest.param(head(line="GET / HTTP/2.0"), 400, id="version"),
        pytest.param(head(line="GET / HTTP/1.0"), 505, id="HTTP/1.0"),
        pytest.param(head(line="POST / HTTP/1.1"), 405, id="method"),
        pytest.param(head(line="GET nowhere HTTP/1.1"), 400, id="target"),
        pytest.param(head(line="GET /%ff HTTP/1.1"), 400, id="path not UTF-8"),
        pytest.param(head(without("Upgrade")), 426, id="no Upgrade"),
        pytest.param(head(without("Connection")), 426, id="no Connection"),
        pytest.param(head(without("Sec-WebSocket-Key")), 400, id="no key"),
        pytest.param(head({**REQUEST, "Sec-WebSocket-Key": "c2hvcnQ="}), 400, id="short key"),
        pytest.param(head(without("Sec-WebSocket-Version")), 400, id="no version"),
        pytest.param(head({**REQUEST, "Sec-WebSocket-Version": "8"}), 426, id="old version"),
        pytest.param(head(without("Host")), 400, id="no Host"),
        pytest.param(head(host="second.example"), 400, id="two Hosts"),
        pytest.param(head(Content_Length="5"), 400, id="body"),
        pytest.param(head(Transfer_Encoding="chunked"), 400, id="chunked body"),
        pytest.param(head(line=f"GET /{'a' * 9000} HTTP/1.1"), 414, id="long line"),
        pytest.param(head(X="a" * 9000), 431, id="long header"),
        pytest.param(head({**REQUEST, **{f"X-{i}": "a" * 300 for i in range(100)}}), 431, id="long head"),
        pytest.param(b"GET / HTTP/1.1\r\n" + b"a" * MAX_HEAD_BYTES, 431, id="endless head"),
        pytest.param(head() + frame(TEXT, b"early"), 400, id="data before the answer"),
    ],
)
@pytest.mark.parametrize("step", [1 << 20, 1000, 7])
def test_refuses_what_is_no_handshake(wire: bytes, status: int, step: int) -> None:
    framing = ServerFraming()
    for start in range(0, len(wire), step):
        framing.receive_data(wire[start : start + step])
    assert framing.error is not None
    answer = framing.output()
    assert answer.startswith(f"HTTP/1.1 {status} ".encode())
    assert answer.count(b"\r\nConnection: close\r\n") == 1
    assert not framing.opened
    assert not framing.mid_message
    assert framing.receive_data(head()) == []
    assert framing.output() == b""


def test_tells_which_version_is_spoken() -> None:
    framing = ServerFraming()
    framing.receive_data(head({**REQUEST, "Sec-WebSocket-Version": "8"}))
    assert b"\r\nSec-WebSocket-Version: 13\r\n" in framing.output()


@pytest.mark.parametrize(
    ("origins", "origin", "good"),
    [
        (None, "https://evil.example", True),
        (["same"], None, True),
        (["same"], "https://example.org", True),
        (["same"], "HTTPS://Example.org", True),
        (["same"], "https://example.org:8443", False),
        (["same"], "https://example.org.evil.example", False),
        (["same"], "null", False),
        (["same"], "example.org", False),
        (["same"], "file://example.org", False),
        (["https://a.example"], "https://a.example", True),
        (["https://a.example"], "https://example.org", False),
        (["https://a.example", "same"], "https://example.org", True),
        ([], "https://example.org", False),
        ([], None, True),
    ],
)
def test_origin(origins: list[str] | None, origin: str | None, good: bool) -> None:
    framing = ServerFraming(origins=origins)
    framing.receive_data(head() if origin is None else head(Origin=origin))
    assert (framing.request is not None) == good
    assert (framing.error is None) == good
    assert framing.output().startswith(b"" if good else b"HTTP/1.1 403 ")


@pytest.mark.parametrize(
    ("origin", "host", "good"),
    [
        ("https://example.org", "example.org:443", True),
        ("http://example.org", "example.org:80", True),
        ("http://example.org", "example.org:443", False),
        ("https://example.org:8443", "example.org:8443", True),
        ("https://[::1]", "[::1]:443", True),
        ("https://[::1]:8443", "[::1]:8443", True),
        ("https://[::1]", "[::2]", False),
        ("null", "", False),
        ("", "", False),
    ],
)
def test_origin_of_the_same_host(origin: str, host: str, good: bool) -> None:
    framing = ServerFraming(origins=["same"])
    framing.receive_data(head({**REQUEST, "Host": host, "Origin": origin}))
    assert (framing.request is not None) == good


def test_two_origins_are_none() -> None:
    framing = ServerFraming(origins=["same"])
    framing.receive_data(head(Origin="https://example.org", origin="https://evil.example"))
    assert framing.output().startswith(b"HTTP/1.1 400 ")


@pytest.mark.parametrize(
    ("spoken", "offered", "chosen"),
    [
        (["b", "a"], "a, b", "b"),
        (["a"], "c, a", "a"),
        (["a"], "c", None),
        (["a"], None, None),
        ([], "a", None),
    ],
)
def test_subprotocol(spoken: list[str], offered: str | None, chosen: str | None) -> None:
    framing = ServerFraming(subprotocols=spoken)
    framing.receive_data(head() if offered is None else head(Sec_WebSocket_Protocol=offered))
    framing.accept()
    assert framing.subprotocol == chosen
    line = f"\r\nSec-WebSocket-Protocol: {chosen}\r\n".encode()
    assert (line in framing.output()) == (chosen is not None)


# --- the handshake, as the client sees it -----------------------------------------------------------------------------


def answer_to(client: ClientFraming, **arguments: Any) -> bytes:
    server = ServerFraming(**arguments)
    server.receive_data(client.output())
    assert server.error is None
    server.accept()
    return server.output()


def test_request_of_a_client() -> None:
    client = ClientFraming(
        "ws://example.org:8080/room%20one?token=a%26b",
        origin="https://example.org",
        subprotocols=["b", "a"],
        headers={"Authorization": "Bearer abc"},
    )
    server = ServerFraming(subprotocols=["a", "b"])
    server.receive_data(client.output())
    request = server.request
    assert request is not None
    assert (request.path, request.query) == ("/room one", {"token": "a&b"})
    assert request.headers["host"] == "example.org:8080"
    assert request.headers["origin"] == "https://example.org"
    assert request.headers["authorization"] == "Bearer abc"
    server.accept()
    client.receive_data(server.output())
    assert client.opened
    assert client.subprotocol == server.subprotocol == "a"


@pytest.mark.parametrize("url", ["http://example.org/", "ws:///", "ws://h/#part", "ws://h/a b", "ws://h:port/", ""])
def test_url_that_is_none(url: str) -> None:
    with pytest.raises(ValueError):
        ClientFraming(url)


def test_messages_right_behind_the_answer() -> None:
    for step in (1, 7, 1 << 20):
        client = ClientFraming("ws://example.org/")
        wire = answer_to(client) + frame(TEXT, b"hello", mask=b"")
        messages = [m for i in range(0, len(wire), step) for m in client.receive_data(wire[i : i + step])]
        assert kinds(messages) == [(Text, b"hello")]
        assert client.opened


@pytest.mark.parametrize("step", [1, 1 << 20])
def test_refusal(step: int) -> None:
    client, server = ClientFraming("ws://example.org/"), ServerFraming()
    server.receive_data(client.output())
    server.reject(429, "too\tmany\x1b[2J " + "x" * 1000)
    wire = server.output()
    for start in range(0, len(wire), step):
        assert client.error is None
        client.receive_data(wire[start : start + step])
    assert client.error is not None
    assert client.refusal is not None
    status, text = client.refusal
    assert status == 429
    assert text.startswith("too many[2J xxx")
    assert len(text) == 200
    assert not client.opened
    assert client.encode_message(b"x") == b""


def test_refusal_that_ends_with_the_stream() -> None:
    client = ClientFraming("ws://example.org/")
    client.receive_data(b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/html\r\n\r\n<p>Later!")
    assert client.error is None
    client.receive_eof()
    assert client.refusal == (503, "Service Unavailable")
    assert client.error is not None


@pytest.mark.parametrize(
    "spoil",
    [
        lambda answer: answer.replace(b"HTTP/1.1 101", b"HTTP/1.1 1o1"),
        lambda answer: answer.replace(b"HTTP/1.1 101", b"HTTP/1.0 101"),
        lambda answer: answer.replace(b"Sec-WebSocket-Accept: ", b"Sec-WebSocket-Accept: x"),
        lambda answer: answer.replace(b"Upgrade: websocket\r\n", b""),
        lambda answer: answer.replace(b"\r\n\r\n", b"\r\nSec-WebSocket-Protocol: other\r\n\r\n"),
        lambda answer: answer.replace(b"\r\n\r\n", b"\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n"),
        lambda answer: b"220 mail.example ESMTP\r\n\r\n",
        lambda answer: b"HTTP/1.1 101 Switching Protocols\r\nX: " + b"a" * MAX_HEAD_BYTES,
    ],
)
def test_answer_that_is_none(spoil: Callable[[bytes], bytes]) -> None:
    client = ClientFraming("ws://example.org/", subprotocols=["mine"])
    good = answer_to(client)
    bad = spoil(good)
    assert bad != good
    client.receive_data(bad)
    assert client.error is not None
    assert client.refusal is None
    assert not client.opened
    assert client.receive_data(good) == []


def test_stream_that_ends_in_the_answer() -> None:
    client = ClientFraming("ws://example.org/")
    client.receive_data(answer_to(client)[:-1])
    assert client.mid_message
    client.receive_eof()
    assert not client.opened


# --- messages ---------------------------------------------------------------------------------------------------------

LONG = "Käse, ".encode() * 11000
"""Over 65,535 bytes: its length takes eight bytes."""


@pytest.mark.parametrize(
    ("wire", "messages"),
    [
        (frame(BINARY, b"\x00\xff"), [b"\x00\xff"]),
        (frame(TEXT, b""), [Text(b"")]),
        (frame(TEXT, b"x" * 125) + frame(TEXT, b"y" * 126), [Text(b"x" * 125), Text(b"y" * 126)]),
        (frame(TEXT, b"a", fin=False) + frame(CONTINUATION, b"b", fin=False) + frame(CONTINUATION), [Text(b"ab")]),
        (frame(BINARY, fin=False) + frame(PING, b"?") + frame(CONTINUATION, b"b") + frame(BINARY, b"c"), [b"b", b"c"]),
        (frame(PONG, b"unasked") + frame(TEXT, "\N{EURO SIGN}".encode()), [Text("\N{EURO SIGN}".encode())]),
        (frame(TEXT, b"\xe2", fin=False) + frame(CONTINUATION, b"\x82\xac"), [Text("\N{EURO SIGN}".encode())]),
        (frame(TEXT, b"\xf0\x9f", fin=False) + frame(CONTINUATION, b"\x98\x80x") + frame(TEXT, b"y"), None),
    ],
)
def test_messages_however_cut(wire: bytes, messages: list[bytes] | None) -> None:
    if messages is None:
        messages = [Text("\N{GRINNING FACE}x".encode()), Text(b"y")]
    check_framing(opened_server, wire, messages)
    assert kinds(opened_server().receive_data(wire)) == kinds(messages)


@given(st.lists(payloads, max_size=6), st.lists(st.integers(0, 5000), max_size=12), st.booleans(), st.booleans())
def test_what_one_side_sends_the_other_receives(
    messages: list[bytes], places: list[int], to_server: bool, compression: bool
) -> None:
    server, client = opened_pair(compression=compression)
    sender, receiver = (client, server) if to_server else (server, client)
    wire = b"".join(sender.encode_message(message) for message in messages)
    assert kinds(receive_in_pieces(receiver, wire, places)) == kinds(messages)
    assert receiver.error is None
    assert not receiver.mid_message


@pytest.mark.parametrize("compression", [False, True])
def test_long_message(compression: bool) -> None:
    server, client = opened_pair(compression=compression)
    for message in (Text(LONG), LONG, Text(LONG + b"!")):
        wire = client.encode_message(message)
        assert kinds(receive_in_pieces(server, wire, list(range(0, len(wire), 777)))) == kinds([message])
        assert kinds(client.receive_data(server.encode_message(message))) == kinds([message])


@given(st.text(max_size=60), st.lists(st.integers(0, 300), max_size=5), st.lists(st.integers(0, 2000), max_size=12))
def test_text_in_fragments_cut_anywhere(text: str, borders: list[int], places: list[int]) -> None:
    data = text.encode()
    ends = sorted({0, len(data), *(border % (len(data) + 1) for border in borders)})
    parts = [data[start:end] for start, end in pairwise(ends)] or [b""]
    wire = b"".join(
        frame(TEXT if i == 0 else CONTINUATION, part, fin=i == len(parts) - 1) + frame(PING)
        for i, part in enumerate(parts)
    )
    framing = opened_server()
    assert kinds(receive_in_pieces(framing, wire, places)) == [(Text, data)]
    assert framing.output() == frame(PONG, mask=b"") * len(parts)


def test_pings_are_answered_and_asked() -> None:
    server, client = opened_pair()
    assert server.receive_data(frame(PING, b"abc") + frame(PING, b"de")) == []
    assert server.output() == frame(PONG, b"abc", mask=b"") + frame(PONG, b"de", mask=b"")
    assert server.output() == b""
    client.receive_data(server.encode_ping())
    assert server.receive_data(client.output()) == []
    assert server.error is None


def test_pong_goes_before_a_message_encoded_later() -> None:
    framing = opened_server()
    framing.receive_data(frame(PING))
    assert framing.encode_message(b"x") == frame(PONG, mask=b"") + frame(BINARY, b"x", mask=b"")
    assert framing.output() == b""


@pytest.mark.parametrize(
    ("wire", "expected"),
    [
        (b"", False),
        (frame(TEXT, b"abc")[:1], True),
        (frame(TEXT, b"abc")[:6], True),
        (frame(TEXT, b"abc")[:8], True),
        (frame(TEXT, b"abc"), False),
        (frame(TEXT, b"abc", fin=False), True),
        (frame(TEXT, b"abc", fin=False) + frame(PING), True),
        (frame(TEXT, b"abc", fin=False) + frame(CONTINUATION), False),
        (frame(PING), False),
        (frame(TEXT, b"abc") + frame(PING, b"x")[:3], False),
    ],
)
def test_mid_message(wire: bytes, expected: bool) -> None:
    for step in (1, 1 << 10):
        framing = opened_server()
        for start in range(0, len(wire), step):
            framing.receive_data(wire[start : start + step])
        assert framing.mid_message == expected
    framing.receive_eof()
    assert not framing.mid_message
    assert framing.close_code == 1006


# --- what is wrong with them ------------------------------------------------------------------------------------------

BAD_TEXT = b"\xce\xba\xf4\x90\x80\x80edited"
"""Goes beyond Unicode at its fourth byte."""


@pytest.mark.parametrize(
    ("wire", "code"),
    [
        pytest.param(frame(TEXT, BAD_TEXT), 1007, id="beyond Unicode"),
        pytest.param(frame(TEXT, b"a\xed\xa0\x80"), 1007, id="surrogate"),
        pytest.param(frame(TEXT, b"a\xe2\x82"), 1007, id="text that ends in mid-character"),
        pytest.param(frame(TEXT, b"\xe2", fin=False) + frame(CONTINUATION, b"a"), 1007, id="broken over fragments"),
        pytest.param(frame(TEXT, b"\xe2", fin=False) + frame(CONTINUATION), 1007, id="unfinished over fragments"),
        pytest.param(frame(TEXT, b"\xff", fin=False), 1007, id="first fragment"),
        pytest.param(close(1000, b"\xff"), 1007, id="close reason"),
        pytest.param(frame(3), 1002, id="opcode"),
        pytest.param(frame(11), 1002, id="control opcode"),
        pytest.param(frame(TEXT, b"a", bits=RSV1), 1002, id="compressed, not agreed upon"),
        pytest.param(frame(TEXT, b"\xff\xff", bits=0x20), 1002, id="reserved bit"),
        pytest.param(frame(TEXT, b"a", mask=b""), 1002, id="not masked"),
        pytest.param(frame(CONTINUATION, b"a"), 1002, id="continuation of nothing"),
        pytest.param(frame(TEXT, b"a", fin=False) + frame(TEXT, b"\xff\xff"), 1002, id="message in a message"),
        pytest.param(frame(PING, fin=False), 1002, id="ping in fragments"),
        pytest.param(frame(PING, b"x" * 126), 1002, id="long ping"),
        pytest.param(frame(CLOSE, b"\x03"), 1002, id="half a close code"),
        *(
            pytest.param(close(bad), 1002, id=f"close code {bad}")
            for bad in (0, 999, 1004, 1005, 1006, 1015, 2999, 5000)
        ),
        pytest.param(frame(BINARY, b"x" * 1001), 1009, id="too long"),
        pytest.param(frame(TEXT, b"\xff" * 5000)[:10], 1009, id="too long, by its head"),
        pytest.param(struct.pack("!BBQ", 0x82, 0xFF, 1 << 63), 1009, id="enormous, by its head"),
        pytest.param(
            frame(TEXT, b"x" * 600, fin=False) + frame(CONTINUATION, b"x" * 401), 1009, id="too long in fragments"
        ),
    ],
)
@pytest.mark.parametrize("step", [1, 5, 1 << 20])
def test_faults(wire: bytes, code: int, step: int) -> None:
    framing = opened_server(max_message_bytes=1000)
    wire = frame(TEXT, b"good") + wire + frame(TEXT, b"never seen") + close(1000)
    messages = [m for start in range(0, len(wire), step) for m in framing.receive_data(wire[start : start + step])]
    assert messages == [b"good"]
    assert framing.error is not None
    assert framing.error.close_code == code
    assert not framing.mid_message
    assert not framing.closed_by_peer
    # What was asked before the fault can still be answered, then it ends with the code of the fault.
    assert framing.encode_message(b"reply") == frame(BINARY, b"reply", mask=b"")
    assert framing.encode_close(1000, "ignored").startswith(frame(CLOSE, b"xx", mask=b"")[:1])
    assert framing.close_code == code
    assert framing.encode_message(b"late") == b""
    assert framing.encode_close(1000) == b""


def test_longest_message_with_a_ping_between() -> None:
    wire = (
        frame(BINARY, b"x" * 1000, fin=False) + frame(PING, b"p" * 125) + frame(CONTINUATION) + frame(TEXT, b"y" * 1000)
    )
    check_framing(lambda: opened_server(max_message_bytes=1000), wire, [b"x" * 1000, b"y" * 1000])


def test_fragments_without_content_are_not_kept() -> None:
    framing = opened_server(max_message_bytes=10)
    framing.receive_data(frame(BINARY, b"a", fin=False))
    for _ in range(100):
        assert framing.receive_data(frame(CONTINUATION, fin=False) * 100) == []
    assert framing.receive_data(frame(CONTINUATION, b"b")) == [b"ab"]


def first_fault(wire: bytes) -> int:
    """How many bytes it takes until the server sees a fault."""
    framing = opened_server()
    for position in range(len(wire)):
        framing.receive_data(wire[position : position + 1])
        if framing.error is not None:
            assert framing.error.close_code == 1007
            return position + 1
    raise AssertionError("no fault")


@pytest.mark.parametrize("mask", [MASK, bytes(4)])
def test_bad_text_fails_at_its_first_byte(mask: bytes) -> None:
    # Head and mask take six bytes, of the longer text eight.
    assert first_fault(frame(TEXT, BAD_TEXT, mask=mask)) == 6 + 4
    assert first_fault(frame(TEXT, b"ab", fin=False, mask=mask) + frame(CONTINUATION, BAD_TEXT, mask=mask)) == 8 + 6 + 4
    assert first_fault(frame(TEXT, "\N{EURO SIGN}".encode() * 50 + b"\xff", mask=mask) + b"more") == 8 + 151


@given(st.binary(max_size=400), st.lists(st.integers(0, 400), max_size=10), st.booleans())
def test_garbage_never_raises_and_cuts_do_not_matter(wire: bytes, places: list[int], compression: bool) -> None:
    whole, cut = opened_server(compression=compression), opened_server(compression=compression)
    assert kinds(whole.receive_data(wire)) == kinds(receive_in_pieces(cut, wire, places))
    assert str(whole.error) == str(cut.error) or (whole.error is not None and cut.error is not None)
    assert whole.closed_by_peer == cut.closed_by_peer
    assert whole.mid_message == cut.mid_message
    assert whole.output() == cut.output()


@given(
    st.lists(
        st.tuples(
            st.sampled_from([CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG, 3]),
            st.one_of(st.binary(max_size=30), st.text(max_size=10).map(str.encode)),
            st.booleans(),
            st.sampled_from([0, 0, 0, RSV1]),
        ),
        max_size=6,
    ),
    st.lists(st.integers(0, 400), max_size=10),
    st.booleans(),
)
def test_frames_in_any_order_whole_or_cut(
    frames: list[tuple[int, bytes, bool, int]], places: list[int], compression: bool
) -> None:
    wire = b"".join(frame(opcode, payload, fin, bits=bits) for opcode, payload, fin, bits in frames)
    whole, cut = opened_server(compression=compression), opened_server(compression=compression)
    assert kinds(whole.receive_data(wire)) == kinds(receive_in_pieces(cut, wire, places))
    codes = [framing.error and framing.error.close_code for framing in (whole, cut)]
    assert codes[0] == codes[1]
    assert whole.closed_by_peer == cut.closed_by_peer
    assert whole.close_code == cut.close_code
    assert whole.mid_message == cut.mid_message
    assert whole.output() == cut.output()


@given(st.binary(max_size=300), st.lists(st.integers(0, 300), max_size=5))
def test_garbage_instead_of_a_handshake(wire: bytes, places: list[int]) -> None:
    server, client = ServerFraming(), ClientFraming("ws://example.org/")
    assert receive_in_pieces(server, wire, places) == []
    assert receive_in_pieces(client, wire, places) == []
    server.receive_eof()
    client.receive_eof()
    assert not server.opened
    assert not client.opened


# --- the end ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("step", [1, 1 << 20])
def test_close_of_the_peer_is_echoed_after_the_replies(step: int) -> None:
    framing = opened_server()
    wire = frame(TEXT, b"last") + close(4001, "tschüß".encode()) + frame(TEXT, b"ignored") + frame(3)
    messages = [m for start in range(0, len(wire), step) for m in framing.receive_data(wire[start : start + step])]
    assert messages == [b"last"]
    assert framing.error is None
    assert framing.closed_by_peer
    assert framing.opened
    assert (framing.close_code, framing.close_reason) == (4001, "tschüß")
    assert framing.output() == b""
    assert framing.encode_message(b"reply") == frame(BINARY, b"reply", mask=b"")
    assert framing.encode_close(1001, "ignored") == frame(CLOSE, b"\x0f\xa1" + "tschüß".encode(), mask=b"")
    assert not framing.opened
    assert framing.encode_message(b"late") == framing.encode_ping() == framing.encode_close(1000) == b""
    assert (framing.close_code, framing.close_reason) == (4001, "tschüß")


def test_close_without_a_code() -> None:
    framing = opened_server()
    framing.receive_data(frame(CLOSE))
    assert framing.close_code == 1005
    assert framing.encode_close(1000) == frame(CLOSE, mask=b"")


def test_close_between_fragments_is_a_close() -> None:
    framing = opened_server()
    assert framing.receive_data(frame(TEXT, b"never whole", fin=False) + close(1000)) == []
    assert framing.error is None
    assert framing.closed_by_peer
    assert not framing.mid_message
    assert framing.encode_close(1002) == frame(CLOSE, b"\x03\xe8", mask=b"")


def test_close_of_ours() -> None:
    server, client = opened_pair()
    wire = server.encode_close(4002, "game over")
    assert (server.close_code, server.close_reason) == (4002, "game over")
    assert not server.opened
    client.receive_data(wire)
    # What was sent before it heard of it still arrives.
    assert server.receive_data(client.encode_message(b"late") + client.encode_close()) == [b"late"]
    assert server.closed_by_peer
    assert server.close_code == client.close_code == 4002
    assert server.encode_close() == b""


def test_fault_after_a_close_of_ours() -> None:
    framing = opened_server()
    framing.encode_close(1000)
    framing.receive_data(frame(3))
    assert framing.error is not None
    assert framing.error.close_code == 1002
    assert framing.encode_close(1002) == b""


@pytest.mark.parametrize("reason", ["x" * 500, "\N{EURO SIGN}" * 100])
def test_long_reason_is_cut_between_characters(reason: str) -> None:
    server, client = opened_pair()
    client.receive_data(server.encode_close(1000, reason))
    assert client.error is None
    assert reason.startswith(client.close_reason)
    assert 120 < len(client.close_reason.encode()) <= 123


@pytest.mark.parametrize("code", [0, 999, 1004, 1005, 1006, 1015, 2999, 5000])
def test_code_that_may_not_be_sent(code: int) -> None:
    framing = opened_server()
    with pytest.raises(ValueError, match="not a close code"):
        framing.encode_close(code)
    assert framing.opened


def test_end_of_the_stream_without_a_close() -> None:
    framing = opened_server()
    framing.receive_data(frame(TEXT, b"abc")[:7])
    assert framing.mid_message
    framing.receive_eof()
    framing.receive_eof()
    assert framing.close_code == 1006
    assert framing.error is None
    assert framing.receive_data(frame(TEXT)) == []
    assert framing.encode_close(1000) == b""


def test_nothing_is_sent_before_the_handshake() -> None:
    framing = ServerFraming()
    assert framing.encode_message(b"x") == framing.encode_ping() == framing.encode_close() == b""


# --- compression ------------------------------------------------------------------------------------------------------


def compressed(payload: bytes) -> bytes:
    deflate = zlib.compressobj(wbits=-15)
    return (deflate.compress(payload) + deflate.flush(zlib.Z_SYNC_FLUSH))[:-4]


def test_compression_is_off_unless_asked_for() -> None:
    server, client = ServerFraming(), ClientFraming("ws://example.org/")
    assert b"permessage-deflate" not in client.output()
    server.receive_data(head(Sec_WebSocket_Extensions="permessage-deflate"))
    server.accept()
    assert b"permessage-deflate" not in server.output()


def test_compression_makes_it_short() -> None:
    server, client = opened_pair(compression=True)
    for sender in (server, client):
        assert len(sender.encode_message(Text(LONG))) < len(LONG) // 50


def test_window_is_small() -> None:
    framing = ServerFraming(compression=True)
    framing.receive_data(head(Sec_WebSocket_Extensions="permessage-deflate; client_max_window_bits"))
    framing.accept()
    assert b"permessage-deflate; server_max_window_bits=12; client_max_window_bits=12\r\n" in framing.output()


@pytest.mark.parametrize("granted", ["", "; client_max_window_bits=9", "; client_max_window_bits=15"])
def test_client_uses_a_small_window_whatever_it_may_have(granted: str) -> None:
    client = ClientFraming("ws://example.org/", compression=True)
    answer = answer_to(client, compression=True)
    assert b"; client_max_window_bits=12\r\n" in answer
    client.receive_data(answer.replace(b"; client_max_window_bits=12", granted.encode()))
    assert client.error is None
    # It repeats itself after more than 4096 bytes, so that a small window is of no use.
    payload = random.Random(1).randbytes(5000) * 2
    assert len(client.encode_message(payload)) > 9000


def test_inflated_size_is_bounded() -> None:
    bomb = compressed(bytes(50_000_000))
    assert len(bomb) < 100_000
    framing = opened_server(compression=True, max_message_bytes=100_000)
    assert framing.receive_data(frame(BINARY, compressed(bytes(100_000)), bits=RSV1)) == [bytes(100_000)]
    framing.receive_data(frame(BINARY, bomb, bits=RSV1))
    assert framing.error is not None
    assert framing.error.close_code == 1009


def test_inflated_size_of_fragments_is_bounded() -> None:
    framing = opened_server(compression=True, max_message_bytes=1000)
    data = compressed(bytes(1001))
    framing.receive_data(frame(BINARY, data[:1], fin=False, bits=RSV1) + frame(CONTINUATION, data[1:]))
    assert framing.error is not None
    assert framing.error.close_code == 1009


def test_what_cannot_be_inflated() -> None:
    framing = opened_server(compression=True)
    framing.receive_data(frame(BINARY, b"\xff\xff\xff", bits=RSV1))
    assert framing.error is not None
    assert framing.error.close_code == 1002


def test_bad_text_in_compressed_bytes() -> None:
    framing = opened_server(compression=True)
    assert framing.receive_data(frame(TEXT, compressed(b"good"), bits=RSV1)) == [b"good"]
    framing.receive_data(frame(TEXT, compressed(BAD_TEXT), bits=RSV1))
    assert framing.error is not None
    assert framing.error.close_code == 1007


def test_plain_message_where_compression_is_agreed_upon() -> None:
    wire = frame(TEXT, b"plain") + frame(TEXT, compressed(b"not"), bits=RSV1)
    check_framing(lambda: opened_server(compression=True), wire, [b"plain", b"not"])
