"""What answers an HTTP request, and its bytes (RFC 9110, RFC 9112)."""

import re
from collections.abc import Mapping
from email.utils import formatdate
from functools import lru_cache
from http import HTTPStatus
from typing import Any, Final, Self

import msgspec

PLAIN_TEXT: Final = "text/plain; charset=utf-8"
HTML: Final = "text/html; charset=utf-8"
JSON: Final = "application/json"

TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110, 5.6.2
BAD_VALUE: Final = re.compile(r"[^\t\x20-\x7e\x80-\xff]")  # RFC 9110, 5.5
OWN_HEADERS: Final = {"connection", "content-length", "content-type", "date", "transfer-encoding"}
BODILESS: Final = {HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED}


class HttpResponse(msgspec.Struct):
    """The answer to one request. `Content-Length`, `Connection` and `Date` are added when it is sent."""

    status: int = 200
    body: bytes = b""
    content_type: str = PLAIN_TEXT
    headers: dict[str, str] = {}

    @classmethod
    def json(cls, value: Any, status: int = 200) -> Self:
        """Return a response with `value`, which may be anything that msgspec can encode, as JSON."""
        return cls(status, msgspec.json.encode(value), JSON)

    @classmethod
    def text(cls, text: str, status: int = 200) -> Self:
        """Return a response in plain text."""
        return cls(status, text.encode())

    @classmethod
    def html(cls, text: str, status: int = 200) -> Self:
        """Return a response with a page. What others have said must be escaped in it (`html.escape`)."""
        return cls(status, text.encode(), HTML)

    @classmethod
    def error(cls, status: int, text: str, headers: Mapping[str, str] | None = None) -> Self:
        """Return a response that says in plain text what was wrong."""
        return cls(status, f"{status} {_phrase(status)}: {text}\n".encode(), headers=dict(headers or {}))


def encode_response(
    response: HttpResponse,
    *,
    head_only: bool = False,
    keep_alive: bool = True,
    http_version: str = "1.1",
    date: str = "",
) -> bytes:
    """Return the bytes of a response.

    Args:
        response: a body of no bytes has no `Content-Type`.
        head_only: this answers a HEAD: the head is as it would be for a GET, and no body follows.
        keep_alive: whether the connection goes on after this.
        http_version: of the request.
        date: the value of `Date`, left out when empty.

    Raises:
        ValueError: a header cannot be sent as it is (a line end in it would begin another header or response), or is
            one that is set here, or the status is out of range, or does not go with a body.
    """
    body = response.body
    start = _start(response.status, response.content_type if body else "", date)
    headers = _headers(response.headers) if response.headers else b""
    ending = _ending(keep_alive, http_version)
    if response.status in BODILESS:
        if body:
            raise ValueError(f"a response of status {response.status} has no body")
        return b"%b%b%b" % (start, headers, ending)
    return b"%b%bContent-Length: %d\r\n%b%b" % (start, headers, len(body), ending, b"" if head_only else body)


@lru_cache(maxsize=1)
def http_date(now: int) -> str:
    """Return a time, in seconds since 1970, as HTTP writes it (RFC 9110, 5.6.7)."""
    return formatdate(now, usegmt=True)


@lru_cache(maxsize=64)
def _start(status: int, content_type: str, date: str) -> bytes:
    """The lines that are the same in most responses of a second."""
    if not 200 <= status <= 599:
        raise ValueError(f"{status} is not the status of a response")
    lines = [f"HTTP/1.1 {status} {_phrase(status)}\r\n"]
    if date:
        lines.append(f"Date: {date}\r\n")
    if content_type:
        lines.append(_line("Content-Type", content_type))
    return "".join(lines).encode("latin-1")


def _headers(headers: Mapping[str, str]) -> bytes:
    for name in headers:
        if name.lower() in OWN_HEADERS:
            raise ValueError(f"{name} is not for the caller to set")
    return "".join([_line(name, value) for name, value in headers.items()]).encode("latin-1")


def check_header(name: str, value: str) -> None:
    """Raises:
    ValueError: it cannot be sent as it is; a line end in it would begin another header or message.
    """
    if not TOKEN.fullmatch(name) or BAD_VALUE.search(value):
        raise ValueError(f"not a header: {name!r}: {value!r}")


def _line(name: str, value: str) -> str:
    check_header(name, value)
    return f"{name}: {value}\r\n"


def _ending(keep_alive: bool, http_version: str) -> bytes:
    """The last header, if it is needed, and the blank line."""
    if not keep_alive:
        return b"Connection: close\r\n\r\n"
    return b"Connection: keep-alive\r\n\r\n" if http_version == "1.0" else b"\r\n"


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""
