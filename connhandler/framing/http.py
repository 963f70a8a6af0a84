"""HTTP/1.0 and 1.1 requests, out of bytes (RFC 9110, RFC 9112).

Strict wherever two readers of the same bytes could disagree about where a request ends ("request smuggling"): each
request has a llhttp of its own, and none of them ever sees a byte of the next request. How a head is read stands in
`framing.httphead`, what answers a request in `framing.httpresponse`.
"""

from collections.abc import Container, Sequence
from typing import Final

from connhandler.extras import extra

with extra("http"):
    import httptools

from connhandler.framing.httphead import MAX_HEADER_BYTES, MAX_LINE_BYTES, Head, HeadLines, Llhttp, read_head
from connhandler.framing.httprequest import HttpError, HttpRequest

REMEMBERED_BYTES: Final = 2 * 1024
"""Most clients send the same head again and again. One up to so long is kept, and need not be read when it is repeated:
the same bytes say the same."""


class RequestParser:
    """The server's receiving half: gives one `HttpRequest` after the other.

    The same bytes give the same requests, and the same error after them, however they are cut.

    Args:
        max_body_bytes: the largest body, after removing the chunks.
        methods: those that are served; None for all.
        websocket_paths: where a client that offers it may go on with WebSocket.

    Attributes:
        error: what was wrong after the last whole request. Nothing more is read.
        switched: the request after which the client speaks WebSocket. Nothing more is read, and `rest` is what it said.
        closing: whether there was a request that asks to close the connection: what follows it is ignored.
        awaits_continue: whether the client may be waiting to hear that it may send the body. Whoever tells it resets
            this.
    """

    def __init__(
        self, max_body_bytes: int, methods: Sequence[str] | None = None, websocket_paths: Container[str] = ()
    ) -> None:
        self.error: HttpError | None = None
        self.switched: HttpRequest | None = None
        self.closing = False
        self.awaits_continue = False
        self._max_body_bytes = max_body_bytes
        self._methods = methods
        self._websocket_paths = websocket_paths
        self._data = b""
        self._position = 0
        self._blank = b""
        self._method = ""
        self._part: HeadLines | _SizedBody | _ChunkedBody | None = None
        self._remembered: Head | None = None

    @property
    def mid_message(self) -> bool:
        """Whether a request has begun and is not whole yet."""
        return self._part is not None

    @property
    def idle(self) -> bool:
        """Whether there is nothing to be told before something else is fed, and no request has begun."""
        return self._part is None and self._position == len(self._data) and self.error is None and self.switched is None

    @property
    def method(self) -> str:
        """Of the request that has begun or was refused; empty as long as that is not known."""
        return self._part.method if isinstance(self._part, HeadLines) else self._method

    @property
    def rest(self) -> bytes:
        """What was fed and not read."""
        return self._data[self._position :]

    def receive_data(self, data: bytes) -> list[HttpRequest]:
        """Take what one `recv` gave and return every request that is whole now, oldest first."""
        self.feed(data)
        requests = []
        while (request := self.next_request()) is not None:
            requests.append(request)
        return requests

    def feed(self, data: bytes) -> None:
        """Take what one `recv` gave."""
        if self.error is None and not self.closing:
            self._data = self.rest + data
            self._position = 0

    def next_request(self) -> HttpRequest | None:
        """Return the next request that is whole in what was fed."""
        try:
            while self._position < len(self._data) and self.error is None and self.switched is None:
                request = self._begin() if self._part is None else self._go_on(self._part)
                if request is not None:
                    return request
        except HttpError as error:
            self.error = error
            self._position = len(self._data)
        return None

    def _begin(self) -> HttpRequest | None:
        data, position = self._data, self._position
        head = self._remembered
        if head is not None and not self._blank and data.startswith(head.data, position):
            self._method = head.method
            self._position += len(head.data)
            return self._begin_body(head, None)
        if self._blank or data.startswith((b"\r", b"\n"), position):
            self._take_blank(data[position : position + 1])
            return None
        self._method = ""
        end = data.find(b"\r\n\r\n", position, position + MAX_LINE_BYTES + MAX_HEADER_BYTES) + 4
        read = read_head(data[position:end]) if end >= 4 else None
        if read is None:
            self._part = HeadLines()
            return None
        self._position = end
        return self._take_head(*read)

    def _take_blank(self, byte: bytes) -> None:
        """One empty line before a request is ignored (RFC 9112, 2.2)."""
        if self._blank == b"\r\n" and byte not in (b"\r", b"\n"):
            self._blank = b""
            return
        self._blank += byte
        if not b"\r\n".startswith(self._blank):
            raise HttpError(400, "empty lines where a request was expected")
        self._position += 1

    def _go_on(self, part: "HeadLines | _SizedBody | _ChunkedBody") -> HttpRequest | None:
        self.awaits_continue = False
        self._position = part.take(self._data, self._position)
        if not part.whole:
            return None
        if isinstance(part, HeadLines):
            head = part.head()
            self._part = None
            return self._take_head(head, part.llhttp)
        return self._finish(part.head, part.content())

    def _take_head(self, head: Head, llhttp: Llhttp) -> HttpRequest | None:
        self._method = head.method
        if head.offers_websocket and head.length == 0 and head.path in self._websocket_paths:
            llhttp.close()
            self.switched = head.request(b"")
            return None
        if self._methods is not None and head.method not in self._methods:
            raise HttpError(405, f"{head.method} is not served here", {"Allow": ", ".join(self._methods)})
        if head.length is not None:
            llhttp.close()
            if head.length > self._max_body_bytes:
                raise body_too_long(self._max_body_bytes)
            if len(head.data) <= REMEMBERED_BYTES:
                self._remembered = head
        return self._begin_body(head, llhttp)

    def _begin_body(self, head: Head, llhttp: Llhttp | None) -> HttpRequest | None:
        expects_continue = head.expects_continue
        length, position = head.length, self._position
        if length is None:
            assert llhttp is not None
            self._part = _ChunkedBody(head, llhttp, self._max_body_bytes)
        elif length <= len(self._data) - position:
            self._position += length
            return self._finish(head, self._data[position : self._position])
        else:
            self._part = _SizedBody(head, length)
        self.awaits_continue = expects_continue and position == len(self._data)
        return None

    def _finish(self, head: Head, body: bytes) -> HttpRequest:
        self._part = None
        if not head.keep_alive:
            self.closing = True
            self._position = len(self._data)
        return head.request(body)


class _SizedBody:
    """A body of a length that was told before."""

    def __init__(self, head: Head, length: int) -> None:
        self.head = head
        self._missing = length
        self._content = bytearray()

    @property
    def whole(self) -> bool:
        return not self._missing

    def content(self) -> bytes:
        return bytes(self._content)

    def take(self, data: bytes, position: int) -> int:
        piece = data[position : position + self._missing]
        self._content += piece
        self._missing -= len(piece)
        return position + len(piece)


class _ChunkedBody:
    """A body in chunks."""

    def __init__(self, head: Head, llhttp: Llhttp, max_body_bytes: int) -> None:
        self.head = head
        self._llhttp = llhttp
        self._max_body_bytes = max_body_bytes
        self._bytes = 0

    @property
    def whole(self) -> bool:
        return self._llhttp.whole

    def content(self) -> bytes:
        """Call it once."""
        self._llhttp.close()
        return bytes(self._llhttp.content)

    def take(self, data: bytes, position: int) -> int:
        """Raises:
        HttpError: it is not in chunks, or longer than may be.
        """
        # It ends with a line, so that no piece reaches beyond it.
        end = data.find(b"\n", position) + 1 or len(data)
        try:
            self._llhttp.feed(data[position:end])
        except httptools.HttpParserError as error:
            raise HttpError(400, str(error)) from error
        self._bytes += end - position
        size = len(self._llhttp.content)
        if size > self._max_body_bytes:
            raise body_too_long(self._max_body_bytes)
        # Sizes, extensions and trailers; with chunks of one byte each they are five times the body.
        if self._bytes - size > MAX_HEADER_BYTES + 8 * size:
            raise HttpError(400, "more chunk sizes, extensions and trailers than content")
        return end


def body_too_long(max_body_bytes: int) -> HttpError:
    return HttpError(413, f"a body of more than {max_body_bytes} bytes")
