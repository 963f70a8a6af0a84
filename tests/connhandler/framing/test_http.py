from collections.abc import Iterable
from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from connhandler.errors import ProtocolError
from connhandler.framing.http import REMEMBERED_BYTES, RequestParser
from connhandler.framing.httphead import MAX_HEADER_BYTES, MAX_HEADERS, MAX_LINE_BYTES
from connhandler.framing.httprequest import HttpRequest

MAX_BODY = 1000
GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
CHUNKED = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"


def post(length: int) -> bytes:
    return b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % length


def parse(*pieces: bytes) -> tuple[list[HttpRequest], int | None, bool]:
    """What a parser makes of these pieces: the requests, the error's status, and whether one has begun."""
    parser = RequestParser(MAX_BODY)
    requests = [request for piece in pieces for request in parser.receive_data(piece)]
    return requests, parser.error.status if parser.error else None, parser.mid_message


def byte_by_byte(data: bytes) -> list[bytes]:
    return [data[position : position + 1] for position in range(len(data))]


def one(data: bytes) -> HttpRequest:
    """The one request in `data`, which must not depend on how it is cut."""
    whole = parse(data)
    assert whole == parse(*byte_by_byte(data))
    (request,), error, mid_message = whole
    assert error is None
    assert not mid_message
    return request


def refusal(data: bytes) -> int | None:
    """The status that `data` is refused with, which must not depend on how it is cut or what comes before."""
    requests, error, _ = parse(data)
    assert requests == []
    assert parse(*byte_by_byte(data))[:2] == ([], error)
    before, error_after, _ = parse(GET + data)
    assert (len(before), error_after) == (1, error)
    return error


# --- requests ---------------------------------------------------------------------------------------------------------


def test_a_request() -> None:
    head = b"GET /a/b?x=1&y= HTTP/1.1\r\nHost: a:80\r\nX-Y:  z \t\r\nEmpty:\r\n\r\n"
    assert one(head) == HttpRequest(
        method="GET",
        path="/a/b",
        query={"x": "1", "y": ""},
        headers={"host": "a:80", "x-y": "z", "empty": ""},
        body=b"",
        http_version="1.1",
        keep_alive=True,
        head=head,
    )


def test_a_body_by_its_length() -> None:
    assert one(post(5) + b"h\r\n\0o").body == b"h\r\n\0o"
    assert one(post(0)).body == b""
    assert one(post(MAX_BODY) + b"x" * MAX_BODY).body == b"x" * MAX_BODY


def test_a_body_in_chunks() -> None:
    chunks = b'3\r\na\nb\r\n0001;ext=1;quoted="x;y"\r\n\n\r\nA\r\n0123456789\r\n0\r\nTrailer: x\r\n\r\n'
    request = one(CHUNKED + chunks)
    assert request.body == b"a\nb\n0123456789"
    assert "trailer" not in request.headers
    assert one(CHUNKED + b"0\r\n\r\n").body == b""
    assert one(CHUNKED + b"1\r\nx\r\n" * MAX_BODY + b"0\r\n\r\n").body == b"x" * MAX_BODY


def test_pipelined_requests_come_in_order() -> None:
    data = b"".join(
        [GET, post(3) + b"abc", CHUNKED + b"1\r\nx\r\n0\r\n\r\n", GET.replace(b"/ ", b"/last "), b"\r\n", GET]
    )
    requests, error, mid_message = parse(data)
    assert (requests, error, mid_message) == parse(*byte_by_byte(data))
    assert [request.path for request in requests] == ["/", "/", "/", "/last", "/"]
    assert [request.body for request in requests] == [b"", b"abc", b"x", b"", b""]
    assert (error, mid_message) == (None, False)


@pytest.mark.parametrize("size", [REMEMBERED_BYTES, REMEMBERED_BYTES + 1])
def test_what_is_repeated_is_not_shared(size: int) -> None:
    data = b"GET /?a=1 HTTP/1.1\r\nHost: a\r\nX: \r\n\r\n"
    data = data.replace(b"X: ", b"X: " + b"x" * (size - len(data)))
    assert len(data) == size
    parser = RequestParser(MAX_BODY)
    first, second = parser.receive_data(data * 2)
    assert first == second
    first.headers.clear()
    first.query.clear()
    (third,) = parser.receive_data(data)
    assert second == third
    assert (third.query, third.headers["host"]) == ({"a": "1"}, "a")


def test_other_bytes_are_no_repetition() -> None:
    parser = RequestParser(MAX_BODY)
    heads = [GET, GET.replace(b"Host: a", b"Host: b"), GET[:-2] + b"X: y\r\n\r\n", GET.replace(b"/ ", b"/x "), GET]
    got = [request for head in heads for request in parser.receive_data(head)]
    assert [request.head for request in got] == heads
    assert [(request.path, request.headers["host"]) for request in got] == [
        *(("/", "a"), ("/", "b"), ("/", "a"), ("/x", "a"), ("/", "a"))
    ]


@pytest.mark.parametrize("data", [post(3) + b"abc", CHUNKED + b"3\r\nabc\r\n0\r\n\r\n", GET])
def test_mid_message_from_the_first_byte_to_the_last(data: bytes) -> None:
    parser = RequestParser(MAX_BODY)
    assert not parser.mid_message
    for byte in byte_by_byte(data)[:-1]:
        assert parser.receive_data(byte) == []
        assert parser.mid_message
    assert len(parser.receive_data(data[-1:])) == 1
    assert not parser.mid_message


def test_an_empty_line_before_a_request_is_ignored() -> None:
    assert one(b"\r\n" + GET).path == "/"
    parser = RequestParser(MAX_BODY)
    parser.receive_data(b"\r\n")
    assert not parser.mid_message


@pytest.mark.parametrize("blank", [b"\n", b"\r\r", b"\r\n\r\n", b"\rG"])
def test_other_empty_lines_are_not(blank: bytes) -> None:
    assert refusal(blank + GET) == 400


@pytest.mark.parametrize(
    ("version", "headers", "keep_alive"),
    [
        (b"1.1", b"", True),
        (b"1.1", b"Connection: close\r\n", False),
        (b"1.1", b"Connection: x, Close\r\n", False),
        (b"1.1", b"Connection: keep-alive\r\nConnection: close\r\n", False),
        (b"1.0", b"", False),
        (b"1.0", b"Connection: Keep-Alive\r\n", True),
    ],
)
def test_keep_alive(version: bytes, headers: bytes, keep_alive: bool) -> None:
    request = one(b"GET / HTTP/" + version + b"\r\nHost: a\r\n" + headers + b"\r\n")
    assert (request.keep_alive, request.http_version) == (keep_alive, version.decode())


@pytest.mark.parametrize("last", [GET.replace(b"1.1", b"1.0"), GET.replace(b"Host", b"Connection: close\r\nHost")])
def test_nothing_is_parsed_after_the_last_request(last: bytes) -> None:
    requests, error, mid_message = parse(last + GET + b"\0", GET, b"\0")
    assert (len(requests), error, mid_message) == (1, None, False)


def test_an_offer_to_upgrade_is_not_taken_and_hides_no_body() -> None:
    offer = b"Connection: Upgrade\r\nUpgrade: h2c\r\n"
    assert one(GET.replace(b"Host", offer + b"Host")).headers["upgrade"] == "h2c"
    with_body = post(4).replace(b"Host", offer + b"Host") + b"GET "
    assert one(with_body).body == b"GET "
    requests, error, _ = parse(with_body + GET)
    assert (len(requests), error) == (2, None)
    assert refusal(CHUNKED.replace(b"Host", offer + b"Host")) == 400


def test_repeated_headers_are_joined() -> None:
    request = one(b"GET / HTTP/1.1\r\nHost: a\r\nX: 1\r\nCookie: a=1\r\nx: 2\r\ncookie: b=2\r\n\r\n")
    assert request.headers == {"host": "a", "x": "1, 2", "cookie": "a=1; b=2"}


def test_a_host_is_optional_in_http_1_0() -> None:
    assert one(b"GET / HTTP/1.0\r\n\r\n").headers == {}


def test_an_absolute_target() -> None:
    request = one(GET.replace(b" / ", b" http://b:80/a%20b?c=d "))
    assert (request.path, request.query, request.headers) == ("/a b", {"c": "d"}, {"host": "a"})


# --- refusals ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("target", [b"/%zz", b"/%00", b"/#a", b"/\xff", b"/\x01", b"a", b"?a", b"http:/a", b"/a /b"])
def test_bad_targets(target: bytes) -> None:
    assert refusal(GET.replace(b" / ", b" " + target + b" ")) == 400


@pytest.mark.parametrize(
    ("line", "status"),
    [
        (b"GET / HTTP/1.1\n", 400),
        (b"GET  / HTTP/1.1\r\n", 400),
        (b"GET /  HTTP/1.1\r\n", 400),
        (b"GET / HTTP/1.1 \r\n", 400),
        (b" GET / HTTP/1.1\r\n", 400),
        (b"GET\t/ HTTP/1.1\r\n", 501),
        (b"GET /\r\n", 400),
        (b"GET / HTTQ/1.1\r\n", 400),
        (b"GET / RTSP/1.0\r\n", 400),
        (b"SOURCE / ICE/1.0\r\n", 400),
        (b"GET / http/1.1\r\n", 400),
        (b"GET / HTTP/11\r\n", 400),
        (b"GET / HTTP/0.9\r\n", 505),
        (b"GET / HTTP/1.2\r\n", 505),
        (b"GET / HTTP/2.0\r\n", 505),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
        (b"get / HTTP/1.1\r\n", 501),
        (b"FETCH / HTTP/1.1\r\n", 501),
        (b"GETX / HTTP/1.1\r\n", 501),
        (b"CONNECT a:80 HTTP/1.1\r\n", 501),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),
        (b"\0\0\0\0", 400),
        (b"{}", 400),
    ],
)
def test_bad_request_lines(line: bytes, status: int) -> None:
    assert refusal(line + b"Host: a\r\n\r\n") == status


SMUGGLING = {
    "CL.TE": b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
    "TE.CL": b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
    "different lengths": b"Content-Length: 5\r\nContent-Length: 6\r\n",
    "the same length twice": b"Content-Length: 5\r\nContent-Length: 5\r\n",
    "a list of lengths": b"Content-Length: 5, 5\r\n",
    "signed length": b"Content-Length: +5\r\n",
    "negative length": b"Content-Length: -5\r\n",
    "hexadecimal length": b"Content-Length: 0x5\r\n",
    "empty length": b"Content-Length:\r\n",
    "length in words": b"Content-Length: five\r\n",
    "length beyond 64 bits": b"Content-Length: 99999999999999999999\r\n",
    "another coding": b"Transfer-Encoding: gzip\r\n",
    "another coding first": b"Transfer-Encoding: gzip, chunked\r\n",
    "another coding last": b"Transfer-Encoding: chunked, identity\r\n",
    "chunked twice": b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
    "almost chunked": b"Transfer-Encoding: xchunked\r\n",
    "quoted chunked": b'Transfer-Encoding: "chunked"\r\n',
    "empty coding": b"Transfer-Encoding:\r\n",
    "coding after a vertical tab": b"Transfer-Encoding: \x0bchunked\r\n",
    "folded coding": b"Transfer-Encoding:\r\n chunked\r\n",
    "folded header": b"X: a\r\n b\r\n",
    "folded first header": b"",
    "space before the colon": b"Content-Length : 5\r\n",
    "tab before the colon": b"Transfer-Encoding\t: chunked\r\n",
    "space in a name": b"Content Length: 5\r\n",
    "no colon": b"Content-Length 5\r\n",
    "empty name": b": 5\r\n",
    "bare LF": b"X: a\n",
    "bare CR": b"X: a\rContent-Length: 5\r\n",
    "NUL in a value": b"X: a\0b\r\n",
    "control character in a value": b"X: a\x01b\r\n",
    "DEL in a value": b"X: a\x7fb\r\n",
    "NUL in a name": b"X\0: a\r\n",
    "name beyond ASCII": b"X\xe9: a\r\n",
    "second host": b"Host: b\r\n",
    "second host, empty": b"Host:\r\n",
    "second host, the same": b"Host: a\r\n",
}


@pytest.mark.parametrize("headers", SMUGGLING.values(), ids=SMUGGLING.keys())
def test_smuggling(headers: bytes) -> None:
    before = b" folded: x\r\nHost: a\r\n" if not headers else b"Host: a\r\n"
    assert refusal(b"POST / HTTP/1.1\r\n" + before + headers + b"\r\n5\r\nhello\r\n0\r\n\r\n") == 400


def test_bare_line_feed_at_the_end_of_the_head() -> None:
    assert refusal(b"GET / HTTP/1.1\r\nHost: a\r\n\n") == 400
    assert refusal(b"GET / HTTP/1.1\r\nHost: a\n\r\n") == 400


@pytest.mark.parametrize("host", [b"", b"Host: a b\r\n", b"Host: a/b\r\n", b"Host: a@b\r\n", b"Host: \xff\r\n"])
def test_missing_or_bad_host(host: bytes) -> None:
    assert refusal(b"GET / HTTP/1.1\r\n" + host + b"\r\n") == 400


def test_chunks_in_http_1_0() -> None:
    assert refusal(CHUNKED.replace(b"1.1", b"1.0") + b"0\r\n\r\n") == 400


@pytest.mark.parametrize(
    "chunks",
    [
        *(b"3\nabc\r\n", b"3\r\nabc\n", b"3\r\nabcd", b"3 \r\nabc\r\n", b" 3\r\nabc\r\n", b"0x3\r\nabc\r\n"),
        *(b"-3\r\nabc", b"\r\nabc", b"g\r\n", b"ffffffffffffffff0\r\n", b"0\r\n\n", b"0\r\nX : y\r\n\r\n"),
        *(b"3;a\nb\r\nabc\r\n", b"3;a\rb\r\nabc\r\n", b'3;a="\n"\r\nabc\r\n', b"3;a=\0\r\nabc\r\n"),
        *(b"0\r\nX: y\n\r\n", b"0\r\n X: y\r\n\r\n", b"0\r\nContent-Length: 3\r\n\r\n"),
        b"0\r\nTransfer-Encoding: chunked\r\n\r\n",
    ],
)
def test_bad_chunks(chunks: bytes) -> None:
    assert refusal(CHUNKED + chunks + GET) == 400


# --- bounds -----------------------------------------------------------------------------------------------------------


def get_with_line_of(size: int) -> bytes:
    return b"GET /" + b"x" * (size - len(b"GET / HTTP/1.1\r\n")) + b" HTTP/1.1\r\nHost: a\r\n\r\n"


def get_with_headers_of(size: int) -> bytes:
    start = b"Host: a\r\nX: "
    return b"GET / HTTP/1.1\r\n" + start + b"x" * (size - len(start) - 4) + b"\r\n\r\n"


def get_with_headers(count: int) -> bytes:
    return b"GET / HTTP/1.1\r\nHost: a\r\n" + b"X: y\r\n" * (count - 1) + b"\r\n"


def test_the_bounds_themselves_are_allowed() -> None:
    assert len(one(get_with_line_of(MAX_LINE_BYTES)).path) > MAX_LINE_BYTES - 20
    assert len(one(get_with_headers_of(MAX_HEADER_BYTES)).headers["x"]) > MAX_HEADER_BYTES - 20
    assert one(get_with_headers(MAX_HEADERS)).headers["x"].count("y") == MAX_HEADERS - 1


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (get_with_line_of(MAX_LINE_BYTES + 1), 414),
        (b"GET /" + b"x" * MAX_LINE_BYTES, 414),
        (get_with_headers_of(MAX_HEADER_BYTES + 1), 431),
        (b"GET / HTTP/1.1\r\nX: " + b"x" * MAX_HEADER_BYTES, 431),
        (b"GET / HTTP/1.1\r\n" + b"x" * MAX_HEADER_BYTES, 431),
        (get_with_headers(MAX_HEADERS + 1), 431),
        (post(MAX_BODY + 1), 413),
        (CHUNKED + b"%x\r\n" % (MAX_BODY + 1) + b"x" * (MAX_BODY + 1), 413),
        (CHUNKED + b"1\r\nx\r\n" * (MAX_BODY + 1), 413),
        (CHUNKED + b"1;" + b"x" * MAX_HEADER_BYTES, 400),
        (CHUNKED + b"1;x=1234567890\r\nx\r\n" * MAX_BODY * 5, 413),
        (CHUNKED + b"1;xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\r\nx\r\n" * MAX_BODY, 400),
        (CHUNKED + b"0\r\n" + b"X: y\r\n" * MAX_HEADER_BYTES, 400),
        (CHUNKED + b"0" * 2 * MAX_HEADER_BYTES, 400),
    ],
    ids=lambda value: str(value)[:40],
)
def test_oversize(data: bytes, status: int) -> None:
    assert refusal(data) == status


def test_nothing_is_parsed_after_an_error() -> None:
    parser = RequestParser(MAX_BODY)
    assert len(parser.receive_data(GET + b"\0" + GET)) == 1
    error = parser.error
    assert isinstance(error, ProtocolError)
    assert parser.receive_data(GET) == []
    assert parser.error is error


# --- any bytes --------------------------------------------------------------------------------------------------------

FRAGMENTS = st.sampled_from(
    [
        *(GET, CHUNKED, post(3), post(MAX_BODY + 1), b"GET / HTTP/1.1\r\n", b"x" * 9000, b"abc", b"0\r\n\r\n"),
        *(b"GET ", b"POST ", b"FETCH ", b"/", b"/%zz", b" HTTP/1.1", b" HTTP/2.0", b"PRI * HTTP/2.0\r\n\r\n"),
        *(b"\r\n", b"\r", b"\n", b" ", b"\t", b":", b"\0", b"\xff", b"%"),
        *(b"Host: a\r\n", b"Host: b c\r\n", b"X: y\r\n", b"Connection: close\r\n", b"Content-Length: 3\r\n"),
        *(b"Transfer-Encoding: chunked\r\n", b"Connection: upgrade\r\nUpgrade: x\r\n"),
        *(b"3\r\nabc\r\n", b"3;x=y\r\nabc\r\n", b"X: y\r\n" * 60, b"X: " + b"y" * 6000 + b"\r\n"),
    ]
)
STREAMS = st.lists(FRAGMENTS | st.binary(max_size=4), max_size=12).map(b"".join)


def cut(data: bytes, positions: Iterable[int]) -> list[bytes]:
    edges = [0, *sorted(position % (len(data) + 1) for position in positions), len(data)]
    return [data[start:end] for start, end in pairwise(edges)]


@settings(max_examples=500)
@given(STREAMS, st.lists(st.integers(0, 100_000), max_size=8))
@example(GET + post(3) + b"abc" + CHUNKED + b"3\r\nabc\r\n0\r\n\r\n" + GET, [3, 30, 100])
def test_how_the_stream_is_cut_changes_nothing(data: bytes, positions: list[int]) -> None:
    whole = parse(data)
    assert parse(*cut(data, positions)) == whole
    assert parse(*byte_by_byte(data)) == whole


REQUESTS = st.lists(
    st.one_of(
        st.just(GET),
        st.binary(max_size=50).map(lambda body: post(len(body)) + body),
        st.lists(st.binary(min_size=1, max_size=20), max_size=4).map(
            lambda chunks: CHUNKED + b"".join(b"%x\r\n%b\r\n" % (len(c), c) for c in chunks) + b"0\r\n\r\n"
        ),
    )
)


@given(REQUESTS, st.binary(min_size=1, max_size=20))
def test_garbage_after_whole_requests(requests: list[bytes], garbage: bytes) -> None:
    got, _, _ = parse(b"".join(requests) + garbage)
    assert len(got) == len(requests)


HEADERS = st.sampled_from(
    [
        *(b"X: y\r\n", b"Cookie: a=b\r\n", b"x:\r\n", b"Connection: keep-alive\r\n", b"Content-Length: 3\r\n"),
        *(b"Transfer-Encoding: chunked\r\n", b"Host: b\r\n", b" folded\r\n", b"X: \0\r\n", b"Expect: 100-continue\r\n"),
    ]
)


@settings(max_examples=300)
@given(st.sampled_from([b"1.0", b"1.1"]), st.lists(HEADERS, max_size=4).map(b"".join), st.integers(2, 4))
def test_a_repeated_request_is_read_as_the_first_was(version: bytes, headers: bytes, count: int) -> None:
    data = b"POST /?a=b HTTP/%b\r\nHost: a\r\n%b\r\n" % (version, headers)
    for body in (b"", b"abc", b"3\r\nabc\r\n0\r\n\r\n"):
        first, error, mid_message = parse(data + body)
        if len(first) == 1 and error is None and not mid_message and first[0].keep_alive:
            assert parse((data + body) * count)[0] == first * count


@given(st.binary(max_size=200))
def test_garbage_never_raises(data: bytes) -> None:
    requests, error, _ = parse(data)
    assert requests == []
    assert error in (None, 400, 501)
