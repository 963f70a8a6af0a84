"""What an HTTP request is once it has been parsed, and what can be wrong with one."""

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl, unquote_to_bytes

import msgspec

from connhandler.errors import ProtocolError

MAX_QUERY_FIELDS: Final = 100
ABSOLUTE_TARGET: Final = re.compile(r"https?://[^/?]+(.*)", re.IGNORECASE)
BAD_PERCENT: Final = re.compile(r"%(?![0-9A-Fa-f]{2})")
CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")


class HttpError(ProtocolError):
    """What is wrong with a request.

    Attributes:
        status: the status code that answers it.
        text: the reason in words.
        headers: what else belongs into the answer.
    """

    def __init__(self, status: int, text: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(f"{status} {text}")
        self.status = status
        self.text = text
        self.headers = dict(headers or {})


class HttpRequest(msgspec.Struct, dict=True, kw_only=True):
    """One whole request."""

    method: str
    path: str
    """Percent-decoded, as UTF-8, without control characters. Dot segments stand as they came."""
    query: dict[str, str] = {}
    """The fields of the query string; of a repeated one the last."""
    headers: dict[str, str] = {}
    """By lower-case name; repeated ones joined with a comma (`cookie` with a semicolon)."""
    body: bytes = b""
    http_version: str = "1.1"
    keep_alive: bool = True
    """Whether the client wants to go on with this connection."""
    head: bytes = b""
    """Request line and headers as they were received."""

    if TYPE_CHECKING:

        @property
        def peer(self) -> Any: ...

        @peer.setter
        def peer(self, peer: Any) -> None: ...


def join_headers(fields: list[tuple[str, str]]) -> dict[str, str]:
    """Return headers by name, those of the same name joined (RFC 9110, 5.3; RFC 6265, 5.4)."""
    headers: dict[str, str] = {}
    for name, value in fields:
        if name in headers:
            headers[name] += ("; " if name == "cookie" else ", ") + value
        else:
            headers[name] = value
    return headers


def parse_target(method: str, target: str) -> tuple[str, dict[str, str]]:
    """Return the path and the query fields of a request target (RFC 9112, 3.2).

    Raises:
        HttpError: it is none, or its path is not percent-encoded UTF-8 text.
    """
    if target == "*" and method == "OPTIONS":
        return target, {}
    if absolute := ABSOLUTE_TARGET.fullmatch(target):
        target = absolute[1] if absolute[1].startswith("/") else "/" + absolute[1]
    if not target.startswith("/") or "#" in target:
        raise HttpError(400, "the request target is not a path")
    path, _, query = target.partition("?")
    if "%" in path:
        path = decode_path(path)
    if not query:
        return path, {}
    try:
        return path, dict(parse_qsl(query, keep_blank_values=True, max_num_fields=MAX_QUERY_FIELDS))
    except ValueError as error:
        raise HttpError(400, f"more than {MAX_QUERY_FIELDS} query fields") from error


def decode_path(encoded: str) -> str:
    """Return a percent-encoded path as text.

    Raises:
        HttpError: it is not UTF-8 text, or has control characters.
    """
    if BAD_PERCENT.search(encoded):
        raise HttpError(400, "the path has a % without two hexadecimal digits")
    try:
        path = unquote_to_bytes(encoded).decode()
    except UnicodeDecodeError as error:
        raise HttpError(400, "the path is not UTF-8") from error
    if CONTROL.search(path):
        raise HttpError(400, "the path has control characters")
    return path
