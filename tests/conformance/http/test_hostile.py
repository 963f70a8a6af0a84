"""What two HTTP readers could take for different requests, and what never ends, against a running program.

Each gets one refusal and the end of its connection, and what it would smuggle never reaches the program.
"""

import re
from collections.abc import Iterator

import pytest

from connhandler.framing.httphead import MAX_HEADER_BYTES, MAX_HEADERS, MAX_LINE_BYTES
from tests.connhandler.httppages import FormHandler, Serve, Site, serve_pages

serve = pytest.fixture(serve_pages)

SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"
CHUNKS = b"0\r\n\r\n"


def post(*lines: bytes, end: bytes = b"\r\n\r\n") -> bytes:
    return b"\r\n".join([b"POST /hostile HTTP/1.1", b"Host: a", *lines]) + end


def chunked(body: bytes) -> bytes:
    return post(b"Transfer-Encoding: chunked") + body


CL6, TE = b"Content-Length: 6", b"Transfer-Encoding: chunked"

LENGTH_AND_CODING = {
    "CL.TE": post(CL6, TE) + CHUNKS + SMUGGLED,
    "TE.CL": post(TE, b"Content-Length: 3") + b"1\r\nx\r\n" + CHUNKS + SMUGGLED,
    "CL 0 and TE": post(b"Content-Length: 0", TE) + CHUNKS + SMUGGLED,
    "TE in another case, with CL": post(CL6, b"tRANSFER-eNCODING: Chunked") + CHUNKS + SMUGGLED,
    **{
        f"TE.TE: {value!r}": post(CL6, b"Transfer-Encoding" + value) + CHUNKS + SMUGGLED
        for value in (
            *(b": xchunked", b" : chunked", b"\t: chunked", b":\tchunked", b": \x0bchunked", b": chunked\x0b"),
            *(b": chunked, identity", b": identity", b": identity, chunked", b": gzip", b": gzip, chunked", b":"),
            *(b": chunked, chunked", b": chunked;q=1", b": 'chunked'", b': "chunked"', b": chunked,", b": ,chunked"),
            *(b":\r\n chunked", b":\r\n\tchunked", b": chunk\r\n ed", b": chunked\r\nTransfer-Encoding: chunked"),
            *(b": chunked\r\nTransfer-Encoding: identity", b": identity\r\nTransfer-Encoding: chunked"),
            *(b": chunked\r\nTransfer-Encoding: x", b"\0: chunked", b": chun\0ked", b"\r: chunked", b": chunked\r"),
            *(b": chunked\n", b"\n: chunked", b": \xefchunked", b"\xa0: chunked", b": chunked\x85"),
        )
    },
    **{
        f"TE alone: {value!r}": post(b"Transfer-Encoding" + value) + CHUNKS + SMUGGLED
        for value in (
            *(b": xchunked", b" : chunked", b": chunked, identity", b": identity", b": gzip, chunked", b":"),
            *(b": chunked, chunked", b": chunked\r\nTransfer-Encoding: chunked", b":\r\n chunked", b": \x0bchunked"),
        )
    },
    "TE with an underscore, with CL": post(TE, b"Content_Length: 3", b"Content-Length: 3") + b"abc" + SMUGGLED,
    "chunks in HTTP/1.0": chunked(CHUNKS + SMUGGLED).replace(b"1.1", b"1.0", 1),
    "chunks with an offer to upgrade": post(TE, b"Connection: upgrade", b"Upgrade: h2c") + CHUNKS + SMUGGLED,
}

LENGTHS = {
    f"lengths: {lines!r}": post(*lines) + b"hello" + SMUGGLED
    for lines in (
        *((b"Content-Length: 5", b"Content-Length: 6"), (b"Content-Length: 6", b"Content-Length: 5")),
        *((b"Content-Length: 5", b"Content-Length: 5"), (b"Content-Length: 5, 5",), (b"Content-Length: 5, 6",)),
        *((b"Content-Length: 5", b"content-length: 5"), (b"Content-Length: 5,",), (b"Content-Length: ,5",)),
        *((b"Content-Length: -5",), (b"Content-Length: +5",), (b"Content-Length: 0x5",), (b"Content-Length: 5h",)),
        *((b"Content-Length: 5.0",), (b"Content-Length: 5e0",), (b"Content-Length: 5 5",), (b"Content-Length: 5_0",)),
        *((b"Content-Length:",), (b"Content-Length: ",), (b"Content-Length : 5",), (b"Content-Length\t: 5",)),
        *((b"Content-Length: five",), (b"Content-Length: \xb2",), (b"Content-Length: '5'",), (b"Content-Length 5",)),
        *((b"Content-Length: 18446744073709551621",), (b"Content-Length: 4294967301" + b"0" * 300,)),
        *(
            (b"Content-Length: 5\0",),
            (b"Content-Length:\r\n 5",),
            (b"Content-Length: 5\r\n 6",),
            (b"Content-Length\n: 5",),
        ),
    )
}

LINE_ENDS = {
    "bare LF after the request line": b"GET /hostile HTTP/1.1\nHost: a\r\n\r\n" + SMUGGLED,
    "bare LF after a header": post(b"X: a\nContent-Length: 5", end=b"\r\n\r\n") + b"hello" + SMUGGLED,
    "bare LF at the end of the head": post(end=b"\r\n\n") + SMUGGLED,
    "two bare LF at the end of the head": post(end=b"\n\n") + SMUGGLED,
    "bare CR in a header": post(b"X: a\rContent-Length: 35") + SMUGGLED,
    "bare CR instead of line ends": b"GET /hostile HTTP/1.1\rHost: a\r\r" + SMUGGLED,
    "two CR": post(b"X: a\r") + SMUGGLED,
    "CR in the request line": b"GET /hostile\rX HTTP/1.1\r\nHost: a\r\n\r\n" + SMUGGLED,
    "LF in the request line": b"GET /hostile\n HTTP/1.1\r\nHost: a\r\n\r\n" + SMUGGLED,
    "form feed as a line end": post(b"X: a\x0cY: b") + SMUGGLED,
    "folded header": post(b"X: a", b" b") + SMUGGLED,
    "folded with a tab": post(b"X: a", b"\tContent-Length: 35") + SMUGGLED,
    "folded first header": b"GET /hostile HTTP/1.1\r\n Host: a\r\nHost: a\r\n\r\n" + SMUGGLED,
    "folded to nothing": post(b"X: a", b" ") + SMUGGLED,
    "empty lines before a request": b"\r\n\r\n" + SMUGGLED,
    "a bare LF before a request": b"\n" + SMUGGLED,
}

NAMES_AND_VALUES = {
    f"header: {line!r}": post(line) + SMUGGLED
    for line in (
        *(
            b"X : a",
            b"X\t: a",
            b" X: a",
            b"X Y: a",
            b": a",
            b"X",
            b"X\0: a",
            b"X: a\0b",
            b"X: \x01",
            b"X: \x7f",
            b"X: \x0b",
        ),
        *(b"X\xe9: a", b'"X": a', b"X(: a", b"X,Y: a", b"X@: a", b"[X]: a", b"X;: a", b"{X: a", b"X=: a", b"X/: a"),
        *(b"Host: b", b"Host:", b"host: a", b"Host : b"),
    )
} | {
    "no host": b"GET /hostile HTTP/1.1\r\n\r\n" + SMUGGLED,
    "no host but in the target": b"GET http://a/hostile HTTP/1.1\r\n\r\n" + SMUGGLED,
    **{
        f"host: {host!r}": b"GET /hostile HTTP/1.1\r\nHost: %b\r\n\r\n" % host + SMUGGLED
        for host in (b"a b", b"a/b", b"a@b", b"a\\b", b"a#b", b"a?b", b"<a>", b"a, b", b"\xff")
    },
}

CHUNKED = {
    f"chunks: {body!r:.40}": chunked(body + SMUGGLED)
    for body in (
        *(
            b"-1\r\nx\r\n",
            b"+1\r\nx\r\n",
            b"0x1\r\nx\r\n",
            b"1h\r\nx\r\n",
            b" 1\r\nx\r\n",
            b"1 \r\nx\r\n",
            b"\r\n1\r\nx\r\n",
        ),
        *(b"10000000000000001\r\nx\r\n", b"fffffffffffffffff0\r\n", b"g\r\n", b";\r\n", b"\0\r\n"),
        *(
            b"1\nx\r\n0\r\n\r\n",
            b"1\r\nx\n0\r\n\r\n",
            b"1\r\nx0\r\n\r\n",
            b"1\r\nxx\r\n",
            b"1\rx\r\n",
            b"1\r\nx\r0\r\n\r\n",
        ),
        *(
            b"0\n\n",
            b"0\r\n\n",
            b"0\n\r\n",
            b"0\r\r\n",
            b"1;\nx\r\nx\r\n",
            b"1;a\nx\r\n",
            b"1;a\rx\r\n",
            b'1;a="\n"\r\nx\r\n',
        ),
        *(
            b"1;a=\0\r\nx\r\n",
            b'1;"\r\nx\r\n',
            b"0\r\nX : a\r\n\r\n",
            b"0\r\n X: a\r\n\r\n",
            b"0\r\nX: a\n\r\n",
            b"0\r\nX\0: a\r\n\r\n",
        ),
        *(b"0\r\nContent-Length: 35\r\n\r\n", b"0\r\nTransfer-Encoding: chunked\r\n\r\n", b"0\r\nX: a\rY: b\r\n\r\n"),
        b"\xef\xbc\x91\r\nx\r\n",
    )
}

REQUEST_LINES = {
    f"request line: {line!r:.60}": line + b"\r\nHost: a\r\n\r\n" + SMUGGLED
    for line in (
        *(b"GET  /hostile HTTP/1.1", b"GET /hostile  HTTP/1.1", b"GET /hostile HTTP/1.1 ", b" GET /hostile HTTP/1.1"),
        *(
            b"GET\t/hostile HTTP/1.1",
            b"GET /hostile\tHTTP/1.1",
            b"GET /hos tile HTTP/1.1",
            b"GET HTTP/1.1",
            b"GET /hostile",
        ),
        *(
            b"GET /hostile HTTP/1.1, HTTP/1.1",
            b"GET /hostile http/1.1",
            b"GET /hostile HTTP/11",
            b"GET /hostile HTTP/1.10",
        ),
        *(b"GET /hostile HTTP/1.2", b"GET /hostile HTTP/0.9", b"GET /hostile HTTP/2.0", b"GET /hostile HTTP/-1.1"),
        *(b"GET /hos\0tile HTTP/1.1", b"GET /\xff HTTP/1.1", b"GET /#hostile HTTP/1.1", b"GET hostile HTTP/1.1"),
        *(
            b"GET * HTTP/1.1",
            b"GET /%zz HTTP/1.1",
            b"GET /%00 HTTP/1.1",
            b"GET /%0d%0aX:a HTTP/1.1",
            b"GET a:80 HTTP/1.1",
        ),
        *(b"get /hostile HTTP/1.1", b"GETS /hostile HTTP/1.1", b"G\0T /hostile HTTP/1.1", b"G@T /hostile HTTP/1.1"),
        *(b"A" * 5000 + b" / HTTP/1.1", b"A" * 9000 + b" / HTTP/1.1", b"CONNECT a:80 HTTP/1.1", b"PRI * HTTP/2.0"),
        *(b"TRACE /hostile HTTP/1.1", b"PROPFIND /hostile HTTP/1.1", b"BREW /hostile HTTP/1.1", b"-1 / HTTP/1.1"),
        *(
            b"SOURCE /hostile ICE/1.0",
            b"GET /hostile RTSP/1.0",
            b"\x16\x03\x01\x02\x00\x01",
            b"{}",
            b"\xef\xbb\xbfGET / HTTP/1.1",
        ),
    )
}

TOO_MUCH = {
    "a target without end": b"GET /" + b"x" * (MAX_LINE_BYTES + 100),
    "a header without end": b"GET /hostile HTTP/1.1\r\nX: " + b"x" * (MAX_HEADER_BYTES + 100),
    "a header name without end": b"GET /hostile HTTP/1.1\r\n" + b"x" * (MAX_HEADER_BYTES + 100),
    "headers without end": b"GET /hostile HTTP/1.1\r\nHost: a\r\n" + b"X: y\r\n" * (MAX_HEADERS + 100),
    "many large headers": post(*[b"X: " + b"y" * 1000] * 30) + SMUGGLED,
    "a large header": post(b"X: " + b"y" * MAX_HEADER_BYTES) + SMUGGLED,
    "more headers than may be": post(*[b"X: y"] * (MAX_HEADERS + 1)) + SMUGGLED,
    "more query fields than may be": b"GET /?" + b"a&" * 200 + b" HTTP/1.1\r\nHost: a\r\n\r\n" + SMUGGLED,
    "a long body": post(b"Content-Length: 1001") + b"x" * 1001 + SMUGGLED,
    "a huge length": post(b"Content-Length: 9223372036854775807") + SMUGGLED,
    "a long chunk": chunked(b"3e9\r\n" + b"x" * 1001 + b"\r\n0\r\n\r\n" + SMUGGLED),
    "a huge chunk": chunked(b"ffffffffffffffff\r\n" + b"x" * 1001),
    "many short chunks": chunked(b"1\r\nx\r\n" * 1001 + CHUNKS + SMUGGLED),
    "a chunk size without end": chunked(b"0" * (MAX_HEADER_BYTES + 100)),
    "a chunk extension without end": chunked(b"1;" + b"x" * (MAX_HEADER_BYTES + 100)),
    "chunk extensions without end": chunked(
        b"1;" + b"x" * 100 + b"\r\nx\r\n" + (b"1;" + b"x" * 100 + b"\r\nx\r\n") * 400
    ),
    "a trailer without end": chunked(b"0\r\nX: " + b"x" * (MAX_HEADER_BYTES + 100)),
    "trailers without end": chunked(b"0\r\n" + b"X: y\r\n" * MAX_HEADER_BYTES),
}

HOSTILE = LENGTH_AND_CODING | LENGTHS | LINE_ENDS | NAMES_AND_VALUES | CHUNKED | REQUEST_LINES | TOO_MUCH

STATUSES = {
    **dict.fromkeys(LENGTH_AND_CODING | LENGTHS | LINE_ENDS | NAMES_AND_VALUES | CHUNKED, (400,)),
    **dict.fromkeys(REQUEST_LINES, (400, 405, 414, 501, 505)),
    **dict.fromkeys(TOO_MUCH, (400, 413, 414, 431)),
}
RESPONSE = re.compile(rb"HTTP/1\.1 (\d{3}) ")


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    """One for all: what one of them could break must not hit the next."""
    serving = serve_pages()
    serve: Serve = next(serving)
    yield serve(FormHandler)
    next(serving, None)


def answers(site: Site, data: bytes, *, pieces: bool = False) -> bytes:
    """Return all that is answered until the server closes."""
    client = site.connect()
    try:
        for piece in [data[i : i + 1] for i in range(len(data))] if pieces else [data]:
            client.send(piece)
    except OSError:
        pass  # It was refused before it was at its end.
    answered = client.rest()
    client.close()
    site.clients.remove(client)
    return answered


@pytest.mark.parametrize("name", HOSTILE)
def test_it_is_refused_once_and_nothing_follows(site: Site, name: str) -> None:
    site.pages.paths.clear()
    answered = answers(site, HOSTILE[name])
    (status,) = RESPONSE.findall(answered)
    assert int(status) in STATUSES[name]
    assert b"\r\nConnection: close\r\n" in answered
    head, _, body = answered.partition(b"\r\n\r\n")
    assert re.fullmatch(rb"%b [A-Za-z -]+: [^\r\n]{5,}\n" % status, body), "it says in words what was wrong"
    assert b"Content-Length: %d" % len(body) in head
    assert site.pages.paths == []


@pytest.mark.parametrize("name", HOSTILE)
def test_a_good_request_before_it_is_answered(site: Site, name: str) -> None:
    site.pages.paths.clear()
    answered = answers(site, b"GET /good HTTP/1.1\r\nHost: a\r\n\r\n" + HOSTILE[name])
    good, bad = RESPONSE.findall(answered)
    assert int(good) == 200
    assert int(bad) in STATUSES[name]
    assert site.pages.paths == ["/good"]


@pytest.mark.parametrize("name", [name for name in HOSTILE if len(HOSTILE[name]) < 400])
def test_in_single_bytes_it_is_the_same(site: Site, name: str) -> None:
    site.pages.paths.clear()
    whole = answers(site, HOSTILE[name])
    assert RESPONSE.findall(answers(site, HOSTILE[name], pieces=True)) == RESPONSE.findall(whole)
    assert site.pages.paths == []


ALLOWED = {
    "spaces around values": b"GET /1 HTTP/1.1\r\nHost:   a \t\r\nX:\r\n\r\n",
    "an empty line before a request": b"\r\nGET /1 HTTP/1.1\r\nHost: a\r\n\r\n",
    "a length with zeros": b"POST /1 HTTP/1.1\r\nHost: a\r\nContent-Length: 0005\r\n\r\nhello",
    "a chunk extension": chunked(b'5;a="b;c"\r\nhello\r\n0\r\n\r\n').replace(b"/hostile", b"/1"),
    "a trailer": b"POST /1 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: CHUNKED\r\n\r\n05\r\nhello\r\n000\r\nX: y\r\n\r\n",
    "a body of a GET": b"GET /1 HTTP/1.1\r\nHost: a\r\nContent-Length: 35\r\n\r\n" + SMUGGLED,
}


@pytest.mark.parametrize("name", ALLOWED)
def test_what_is_allowed_is_one_request(site: Site, name: str) -> None:
    site.pages.paths.clear()
    client = site.connect()
    client.send(ALLOWED[name])
    assert client.response()[2] == b"/1"
    client.get("/2")
    assert client.response()[2] == b"/2"
    assert site.pages.paths == ["/1", "/2"]
