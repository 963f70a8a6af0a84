"""HTTP/1.0 and 1.1 as bytes: requests in, responses out (RFC 9110, RFC 9112).

llhttp, by `httptools`, reads; what stands here is the bounds, and strictness wherever two readers of the same bytes
could disagree about where a request ends ("request smuggling"). So a head is fed to llhttp line by line, a chunked
body too, and each request has a llhttp of its own: none of them ever sees a byte of the next request.
"""

import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Final

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

TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110, 5.6.2
BAD_VALUE: Final = re.compile(r"[^\t\x20-\x7e\x80-\xff]")  # RFC 9110, 5.5
FRAMING_HEADERS: Final = {"connection", "content-length", "date", "transfer-encoding"}
BODILESS: Final = {HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED}


class RequestParser:
    """The server's receiving half: a framing that gives `HttpRequest`s.

    The same bytes give the same requests, and the same error after them, however they are cut.

    Args:
        max_body_bytes: the largest body, after removing the chunks.
    """

    def __init__(self, max_body_bytes: int) -> None:
        self.error: HttpError | None = None
        self._max_body_bytes = max_body_bytes
        self._blank = b""
        self._begun: _Begun | None = None
        self._closing = False

    @property
    def mid_message(self) -> bool:
        """Whether a request has begun and is not whole yet."""
        return self._begun is not None

    def receive_data(self, data: bytes) -> list[HttpRequest]:
        """Take what one `recv` gave and return every request that is whole now, oldest first.

        What follows a request that asks to close the connection is ignored.
        """
        requests: list[HttpRequest] = []
        position = 0
        try:
            while position < len(data) and self.error is None and not self._closing:
                if self._begun is None:
                    position = self._begin(data, position)
                    continue
                position = self._begun.take(data, position)
                if self._begun.whole:
                    request = self._begun.request()
                    requests.append(request)
                    self._closing = not request.keep_alive
                    self._begun = None
        except HttpError as error:
            self.error = error
        return requests

    def _begin(self, data: bytes, position: int) -> int:
        """One empty line before a request is ignored (RFC 9112, 2.2)."""
        first = data[position : position + 1]
        if first not in b"\r\n" and self._blank != b"\r":
            self._begun = _Begun(self._max_body_bytes)
            self._blank = b""
            return position
        self._blank += first
        if not b"\r\n".startswith(self._blank):
            raise HttpError(400, "empty lines where a request was expected")
        return position + 1


class _Begun:
    """A request that has begun, and the protocol that its llhttp tells what it reads."""

    def __init__(self, max_body_bytes: int) -> None:
        self.whole = False
        self._max_body_bytes = max_body_bytes
        self._llhttp = httptools.HttpRequestParser(self)
        self._head = bytearray()
        self._line: tuple[str, str, str] | None = None
        self._room = MAX_LINE_BYTES
        self._lines = 0
        self._fields: list[tuple[str, str]] = []
        self._head_whole = False
        self._keep_alive = False
        self._path = ""
        self._query: dict[str, str] = {}
        self._headers: dict[str, str] = {}
        self._missing: int | None = 0
        self._body = bytearray()
        self._chunked_bytes = 0

    def on_header(self, name: bytes, value: bytes) -> None:
        # Trailers come here as well, after the head was made use of: nobody asks for them.
        self._fields.append((name.lower().decode("ascii"), value.strip(b" \t").decode("latin-1")))

    def on_headers_complete(self) -> None:
        self._head_whole = True
        self._keep_alive = self._llhttp.should_keep_alive()

    def on_body(self, body: bytes) -> None:
        self._body += body

    def on_message_complete(self) -> None:
        self.whole = True

    def take(self, data: bytes, position: int) -> int:
        """Take some of `data` from `position` on; return the position of the rest.

        Raises:
            HttpError: the request is not to be served.
        """
        if not self._head_whole:
            return self._take_head(data, position)
        if self._missing is None:
            return self._take_chunked(data, position)
        piece = data[position : position + self._missing]
        self._body += piece
        self._missing -= len(piece)
        self.whole = not self._missing
        return position + len(piece)

    def request(self) -> HttpRequest:
        """Return the whole request. Call it once."""
        assert self._line is not None
        del self._llhttp  # It holds this object too: without the cycle, both go at once.
        return HttpRequest(
            method=self._line[0],
            path=self._path,
            query=self._query,
            headers=self._headers,
            body=bytes(self._body),
            http_version=self._line[2],
            keep_alive=self._keep_alive,
            head=bytes(self._head),
        )

    def _take_head(self, data: bytes, position: int) -> int:
        end = self._lines_end(data, position) or data.find(b"\n", position) + 1 or len(data)
        piece = data[position : min(end, position + self._room)]
        self._head += piece
        self._room -= len(piece)
        self._feed(piece)
        if self._line is None:
            if piece.endswith(b"\n"):
                self._line = self._parse_line()
                self._room = MAX_HEADER_BYTES
            elif not self._room:
                raise HttpError(414, f"a request line of more than {MAX_LINE_BYTES} bytes")
        elif self._head_whole:
            self._check_head(*self._line)
        else:
            self._lines += piece.endswith(b"\n")
            if self._lines > MAX_HEADERS:
                raise HttpError(431, f"more than {MAX_HEADERS} headers")
            if not self._room:
                raise HttpError(431, f"headers of more than {MAX_HEADER_BYTES} bytes")
        return position + len(piece)

    def _lines_end(self, data: bytes, position: int) -> int:
        """Return where the head ends, if the rest of it is here and can be taken together, else 0.

        That is for speed: it changes nothing, since no bound can be passed in between.
        """
        if self._line is None or not self._head.endswith(b"\n") or data.startswith(b"\r\n", position):
            return 0
        end = data.find(b"\r\n\r\n", position, position + self._room) + 4
        lines = data.count(b"\n", position, end)
        if end < 4 or lines != data.count(b"\r\n", position, end) or self._lines + lines - 1 > MAX_HEADERS:
            return 0
        return end

    def _take_chunked(self, data: bytes, position: int) -> int:
        # A chunked body ends with a line, so that no piece reaches beyond it.
        end = data.find(b"\n", position) + 1 or len(data)
        self._feed(data[position:end])
        self._chunked_bytes += end - position
        if len(self._body) > self._max_body_bytes:
            raise HttpError(413, f"a body of more than {self._max_body_bytes} bytes")
        # Sizes, extensions and trailers; with chunks of one byte each they are five times the body.
        if self._chunked_bytes - len(self._body) > MAX_HEADER_BYTES + 8 * len(self._body):
            raise HttpError(400, "more chunk sizes, extensions and trailers than content")
        return end

    def _feed(self, piece: bytes) -> None:
        try:
            self._llhttp.feed_data(piece)
        except httptools.HttpParserUpgrade:
            pass  # Raised after the head; the offer to upgrade is not taken (RFC 9110, 7.8).
        except httptools.HttpParserInvalidMethodError as error:
            if self._head[:1].isalpha():
                raise HttpError(501, "method not known") from error
            raise HttpError(400, "not an HTTP request") from error
        except httptools.HttpParserInvalidURLError as error:
            raise HttpError(400, "the request target is not a path") from error
        except httptools.HttpParserError as error:
            start = REQUEST_LINE_START.match(self._head) if self._line is None else None
            if start is not None and start[1] not in VERSIONS:
                raise HttpError(505, "HTTP/1.0 and HTTP/1.1 are spoken here") from error
            raise HttpError(400, str(error)) from error

    def _parse_line(self) -> tuple[str, str, str]:
        """Return method, target and version."""
        line = REQUEST_LINE.fullmatch(self._head)
        if line is None:
            raise HttpError(400, "the request line is not METHOD TARGET HTTP/VERSION")
        if line[3] not in VERSIONS:
            raise HttpError(505, "HTTP/1.0 and HTTP/1.1 are spoken here")
        if line[1] == b"CONNECT":
            raise HttpError(501, "this is not a proxy")
        return line[1].decode("ascii"), line[2].decode("ascii"), line[3].decode("ascii")

    def _check_head(self, method: str, target: str, version: str) -> None:
        headers = self._headers = join_headers(self._fields)
        self._path, self._query = parse_target(method, target)
        # Of two headers of the same name, the joined value is none of the valid ones.
        host = headers.get("host", "" if version == "1.0" else None)
        if host is None or not HOST.fullmatch(host):
            raise HttpError(400, "not exactly one valid Host")
        length, coding = headers.get("content-length"), headers.get("transfer-encoding")
        if coding is not None:
            if version == "1.0" or length is not None or coding.lower() != "chunked":
                raise HttpError(400, "a Transfer-Encoding that is not allowed here")
            if self._llhttp.should_upgrade():
                # httptools takes no body after an offer to upgrade.
                raise HttpError(400, "a chunked body together with Upgrade")
            self._missing = None
        elif length is not None:
            # llhttp has seen to it that this is one number.
            self._missing = int(length)
            if self._missing > self._max_body_bytes:
                raise HttpError(413, f"a body of more than {self._max_body_bytes} bytes")
        self.whole = self._missing == 0


def encode_response(
    status: int,
    headers: Mapping[str, str],
    body: bytes = b"",
    *,
    head_only: bool = False,
    keep_alive: bool = True,
    http_version: str = "1.1",
    date: str = "",
) -> bytes:
    """Return the bytes of a response, `Content-Length` and `Connection` included.

    Args:
        status: 200 to 599.
        headers: of the content; none of those that this function sets itself.
        body: the content.
        head_only: this answers a HEAD: the head is as it would be for a GET, and no body follows.
        keep_alive: whether the connection goes on after this.
        http_version: of the request.
        date: the value of `Date`, left out when empty.

    Raises:
        ValueError: a header cannot be sent as it is (a line end in it would begin another header or response),
            or the status is out of range, or does not go with a body.
    """
    if not 200 <= status <= 599:
        raise ValueError(f"{status} is not the status of a response")
    if body and status in BODILESS:
        raise ValueError(f"a response of status {status} has no body")
    lines = [f"HTTP/1.1 {status} {_phrase(status)}"]
    if date:
        lines.append(f"Date: {date}")
    for name, value in headers.items():
        if not TOKEN.fullmatch(name) or BAD_VALUE.search(value):
            raise ValueError(f"not a header: {name!r}: {value!r}")
        if name.lower() in FRAMING_HEADERS:
            raise ValueError(f"{name} is not for the caller to set")
        lines.append(f"{name}: {value}")
    if status not in BODILESS:
        lines.append(f"Content-Length: {len(body)}")
    if not keep_alive:
        lines.append("Connection: close")
    elif http_version == "1.0":
        lines.append("Connection: keep-alive")
    head = "\r\n".join([*lines, "", ""]).encode("latin-1")
    return head if head_only else head + body


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""
