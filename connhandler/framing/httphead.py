"""The head of an HTTP request: request line and headers, out of bytes (RFC 9112, 2 to 5).

llhttp, by `httptools`, reads; what stands here is the bounds, and what llhttp takes and we do not. A head is read in
one of two ways, with the same result: `HeadLines` takes it line by line, as it arrives, and knows what is wrong where;
`read_head` takes one that is here as a whole and has nothing strange about it, at once, and leaves any other alone.
"""

import re
from typing import Final, NamedTuple

import httptools

from connhandler.framing.httprequest import HttpError, HttpRequest, join_headers, parse_target

MAX_LINE_BYTES: Final = 8 * 1024
MAX_HEADER_BYTES: Final = 16 * 1024
MAX_HEADERS: Final = 100

# llhttp takes RTSP/ and ICE/ as well, several spaces, and any version.
REQUEST_LINE: Final = re.compile(rb"([^ ]+) ([^ ]+) HTTP/(\d\.\d)\r\n")
REQUEST_LINE_START: Final = re.compile(rb"[^ ]+ [^ ]+ HTTP/(\d\.\d)")
VERSIONS: Final = (b"1.0", b"1.1")
HOST: Final = re.compile(r"[A-Za-z0-9._~!$&'()*+,;=%:\[\]-]*")  # RFC 3986, 3.2.2, with the port

Line = tuple[str, str, str]
"""Method, target and version."""


class Head(NamedTuple):
    """What the head of a request says."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    http_version: str
    keep_alive: bool
    offers_websocket: bool
    """Whether the client would go on with WebSocket on this connection."""
    length: int | None
    """Of the body; None for one in chunks."""
    data: bytes

    @property
    def expects_continue(self) -> bool:
        """Whether the client may be waiting to hear that it may send the body (RFC 9110, 10.1.1).

        Raises:
            HttpError: it expects something that is not known here.
        """
        expected = self.headers.get("expect")
        if expected is None or self.http_version == "1.0":
            return False
        if expected.lower() != "100-continue":
            raise HttpError(417, "only 100-continue can be expected here")
        return True

    def request(self, body: bytes) -> HttpRequest:
        """Return the whole request. The head may be used for another one."""
        return HttpRequest(
            method=self.method,
            path=self.path,
            query=self.query.copy(),
            headers=self.headers.copy(),
            body=body,
            http_version=self.http_version,
            keep_alive=self.keep_alive,
            head=self.data,
        )


class Llhttp:
    """The llhttp of one request, and the protocol that it tells what it reads.

    Attributes:
        fields: the headers, names in lower case.
        head_whole: whether they are all here.
        keep_alive: whether the client wants to go on with this connection, once they are.
        content: of a body in chunks.
        whole: whether the request is.
    """

    __slots__ = ("_parser", "content", "fields", "head_whole", "keep_alive", "whole")

    def __init__(self) -> None:
        self.fields: list[tuple[str, str]] = []
        self.head_whole = False
        self.keep_alive = False
        self.content = bytearray()
        self.whole = False
        self._parser = httptools.HttpRequestParser(self)

    @property
    def offers_upgrade(self) -> bool:
        return bool(self._parser.should_upgrade())

    def feed(self, data: bytes) -> None:
        """Raises:
        httptools.HttpParserError: this is not HTTP.
        """
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            pass  # Raised after the head; whether the offer to upgrade is taken, is decided elsewhere.

    def close(self) -> None:
        """Forget the parser, which holds this object too: without the cycle, both go at once."""
        del self._parser

    def on_header(self, name: bytes, value: bytes) -> None:
        # Trailers come here as well, after the head was made use of: nobody asks for them.
        self.fields.append((name.lower().decode("ascii"), value.strip(b" \t").decode("latin-1")))

    def on_headers_complete(self) -> None:
        self.head_whole = True
        self.keep_alive = self._parser.should_keep_alive()

    def on_body(self, content: bytes) -> None:
        self.content += content

    def on_message_complete(self) -> None:
        self.whole = True


class HeadLines:
    """A head that is read line by line.

    Attributes:
        llhttp: what reads it, and reads on if the body comes in chunks.
        whole: whether the head is.
    """

    def __init__(self) -> None:
        self.llhttp = Llhttp()
        self.whole = False
        self._data = bytearray()
        self._line: Line | None = None
        self._room = MAX_LINE_BYTES
        self._lines = 0

    @property
    def method(self) -> str:
        """Of the request; empty as long as that is not known."""
        return "" if self._line is None else self._line[0]

    def take(self, data: bytes, position: int) -> int:
        """Take some of `data` from `position` on; return the position of the rest.

        Raises:
            HttpError: the request is not to be served.
        """
        end = data.find(b"\n", position) + 1 or len(data)
        piece = data[position : min(end, position + self._room)]
        self._data += piece
        self._room -= len(piece)
        self._feed(piece)
        if self._line is None:
            if piece.endswith(b"\n"):
                self._line = parse_line(self._data)
                self._room = MAX_HEADER_BYTES
            elif not self._room:
                raise HttpError(414, f"a request line of more than {MAX_LINE_BYTES} bytes")
        elif self.llhttp.head_whole:
            self.whole = True
        else:
            self._lines += piece.endswith(b"\n")
            if self._lines > MAX_HEADERS:
                raise HttpError(431, f"more than {MAX_HEADERS} headers")
            if not self._room:
                raise HttpError(431, f"headers of more than {MAX_HEADER_BYTES} bytes")
        return position + len(piece)

    def head(self) -> Head:
        """Return the whole head.

        Raises:
            HttpError: the request is not to be served.
        """
        assert self._line is not None
        return make_head(self._line, self.llhttp, bytes(self._data))

    def _feed(self, piece: bytes) -> None:
        try:
            self.llhttp.feed(piece)
        except httptools.HttpParserInvalidMethodError as error:
            if self._data[:1].isalpha():
                raise HttpError(501, "method not known") from error
            raise HttpError(400, "not an HTTP request") from error
        except httptools.HttpParserInvalidURLError as error:
            raise HttpError(400, "the request target is not a path") from error
        except httptools.HttpParserError as error:
            start = REQUEST_LINE_START.match(self._data) if self._line is None else None
            if start is not None and start[1] not in VERSIONS:
                raise HttpError(505, "HTTP/1.0 and HTTP/1.1 are spoken here") from error
            raise HttpError(400, str(error)) from error


def read_head(data: bytes) -> tuple[Head, Llhttp] | None:
    """Return a head and what read it; or None if anything about it is strange, so that `HeadLines` must tell.

    Args:
        data: from the request line to the first blank line that ends with CRLF.
    """
    line_end = data.find(b"\r\n") + 2
    lines = data.count(b"\n")
    if lines != data.count(b"\r\n") or lines > MAX_HEADERS + 2:  # with the request line and the blank one
        return None
    if line_end > MAX_LINE_BYTES or len(data) - line_end > MAX_HEADER_BYTES:
        return None
    llhttp = Llhttp()
    try:
        llhttp.feed(data)
        if llhttp.head_whole:
            return make_head(parse_line(data[:line_end]), llhttp, data), llhttp
    except (HttpError, httptools.HttpParserError):
        pass
    llhttp.close()
    return None


def parse_line(data: bytes | bytearray) -> Line:
    """Return what a request line says.

    Raises:
        HttpError: it is none, or one that is not to be served.
    """
    line = REQUEST_LINE.fullmatch(data)
    if line is None:
        raise HttpError(400, "the request line is not METHOD TARGET HTTP/VERSION")
    if line[3] not in VERSIONS:
        raise HttpError(505, "HTTP/1.0 and HTTP/1.1 are spoken here")
    if line[1] == b"CONNECT":
        raise HttpError(501, "this is not a proxy")
    return line[1].decode("ascii"), line[2].decode("ascii"), line[3].decode("ascii")


def make_head(line: Line, llhttp: Llhttp, data: bytes) -> Head:
    """Return the head that llhttp has read.

    Raises:
        HttpError: the request is not to be served.
    """
    method, target, version = line
    headers = join_headers(llhttp.fields)
    path, query = parse_target(method, target)
    # Of two headers of the same name, the joined value is none of the valid ones.
    host = headers.get("host", "" if version == "1.0" else None)
    if host is None or not HOST.fullmatch(host):
        raise HttpError(400, "not exactly one valid Host")
    offers_upgrade = llhttp.offers_upgrade
    length: int | None = None
    coding = headers.get("transfer-encoding")
    if coding is None:
        # llhttp has seen to it that this is one number.
        length = int(headers.get("content-length", 0))
    elif version == "1.0" or "content-length" in headers or coding.lower() != "chunked":
        raise HttpError(400, "a Transfer-Encoding that is not allowed here")
    elif offers_upgrade:
        # httptools takes no body after an offer to upgrade.
        raise HttpError(400, "a chunked body together with Upgrade")
    return Head(
        method=method,
        path=path,
        query=query,
        headers=headers,
        http_version=version,
        keep_alive=llhttp.keep_alive,
        offers_websocket=offers_upgrade
        and method == "GET"
        and version == "1.1"
        and _names_websocket(headers["upgrade"]),
        length=length,
        data=data,
    )


def _names_websocket(upgrade: str) -> bool:
    return "websocket" in [protocol.strip(" \t").lower() for protocol in upgrade.split(",")]
