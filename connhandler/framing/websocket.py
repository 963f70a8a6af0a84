"""WebSocket as bytes: opening handshakes, messages, the end (RFC 6455; RFC 7692 for compression).

`websockets`' Sans-I/O protocols read and write. Here are the handshakes of the two sides; what these have in common is
in `connhandler.framing.websocketside`, and the frames are watched in `connhandler.framing.websocketcore`.

How a shell lives with a framing:

* After each `receive_data` and `receive_eof` it sends `output()`: handshake, refusal, pongs.
* A server's shell sees `request` as soon as the head is here and good, and answers it with `accept` or `reject`.
* A Close frame of the far end sets `closed_by_peer`, a fault sets `error`; both stand behind the messages handed out,
  and nothing is taken after them. Messages may still be sent then (`opened` is true), so that what was asked before
  the end is answered. It ends when the shell sends `encode_close`: that is the echo of the far end's Close, or the
  Close with the code of its fault, and only otherwise one of this side's own choice.
"""

import logging
import re
from collections.abc import Mapping, Sequence
from typing import Final

from connhandler.extras import extra

with extra("websocket"):
    from websockets.client import ClientProtocol
    from websockets.datastructures import Headers
    from websockets.exceptions import InvalidStatus, InvalidURI
    from websockets.extensions import Extension
    from websockets.extensions.permessage_deflate import (
        ClientPerMessageDeflateFactory,
        PerMessageDeflate,
        ServerPerMessageDeflateFactory,
    )
    from websockets.http11 import Request, Response
    from websockets.protocol import State
    from websockets.server import ServerProtocol
    from websockets.typing import ExtensionParameter, Subprotocol
    from websockets.uri import parse_uri

from connhandler.framing.httprequest import HttpError, HttpRequest, join_headers, parse_target
from connhandler.framing.httpresponse import check_header
from connhandler.framing.websocketcore import Core, Text, WebSocketError
from connhandler.framing.websocketside import ABNORMAL_CLOSURE, WebSocketFraming, shorten

__all__ = ["ClientFraming", "ServerFraming", "Text", "WebSocketError", "WebSocketFraming"]

MAX_REFUSAL_CHARACTERS: Final = 200
SAME_ORIGIN: Final = "same"
DEFAULT_PORTS: Final = {"http": ":80", "https": ":443"}

TARGET: Final = re.compile(r"/[\x21-\x7e]*")

# With these, zlib keeps 38 KiB for sending and 12 KiB for receiving for each connection; with its defaults 241 and 40
# (measured). A client that does not let a server say `client_max_window_bits` costs it the larger 40.
WINDOW_BITS: Final = 12
COMPRESS_SETTINGS: Final = {"memLevel": 5}

# `websockets` reports every opening and closing; whoever uses the framing knows better what to report.
_quiet_logger = logging.getLogger(__name__)
_quiet_logger.setLevel(logging.ERROR)


class _ServerCore(Core, ServerProtocol):
    pass


class _ClientCore(Core, ClientProtocol):
    pass


class _ClientDeflateFactory(ClientPerMessageDeflateFactory):
    """Takes whatever window a server lets it have, and makes use of no more than `WINDOW_BITS`.

    To offer that number instead would be a hint only, and `websockets` refuses the server that goes beyond it.
    """

    def process_response_params(
        self, params: Sequence[ExtensionParameter], accepted_extensions: Sequence[Extension]
    ) -> PerMessageDeflate:
        agreed = super().process_response_params(params, accepted_extensions)
        return PerMessageDeflate(
            agreed.remote_no_context_takeover,
            agreed.local_no_context_takeover,
            agreed.remote_max_window_bits,
            min(agreed.local_max_window_bits, WINDOW_BITS),
            agreed.compress_settings,
        )


class ServerFraming(WebSocketFraming):
    """The side that is asked.

    Args:
        max_message_bytes: the largest message, after removing frames and compression.
        subprotocols: what this side speaks, best first; None of it in common is no fault.
        compression: agree to permessage-deflate. It takes memory for each connection.
        origins: None for no check; else what an `Origin` header may be, `"same"` standing for the host of the request.
            A request without that header is not from a browser, and passes.

    Attributes:
        request: the handshake request, once it is here and good, and waits for `accept` or `reject`.
    """

    def __init__(
        self,
        max_message_bytes: int = 1024 * 1024,
        subprotocols: Sequence[str] = (),
        compression: bool = False,
        origins: Sequence[str] | None = None,
    ) -> None:
        extension = ServerPerMessageDeflateFactory(
            server_max_window_bits=WINDOW_BITS,
            client_max_window_bits=WINDOW_BITS,
            compress_settings=COMPRESS_SETTINGS,
        )
        self._protocol = _ServerCore(
            extensions=[extension] if compression else None,
            subprotocols=[Subprotocol(name) for name in subprotocols],
            select_subprotocol=_first_in_common,
            logger=_quiet_logger,
        )
        self._protocol.bound(max_message_bytes)
        super().__init__(self._protocol)
        self.request: HttpRequest | None = None
        self._origins = origins
        self._response: Response | None = None

    def accept(self) -> None:
        """Answer the request with 101: from here on, messages may be sent and received."""
        if self._response is not None:
            self._protocol.send_response(self._response)
            self._response = None

    def reject(self, status: int, text: str, headers: Mapping[str, str] | None = None) -> None:
        """Answer the request with a refusal, and take nothing more.

        Raises:
            ValueError: there is no such status, or a header has a line end in it.
        """
        response = self._protocol.reject(status, text + "\n")
        add_headers(response.headers, headers or {})
        self._refuse(response)

    def _refuse(self, response: Response) -> None:
        self._response = None
        self._protocol.writes.append(response.serialize())
        self._ended = True

    def _receive_head(self, data: bytes) -> bytes:
        try:
            early = data if self.request is not None else b""
            taken = None if early else self._take_head(data)
            if taken is not None:
                head, early = taken
                self._take_request(head)
            if early and self.error is None:
                # RFC 6455, 4.1: a client must wait for the answer.
                raise HttpError(400, "data before the handshake was answered")
        except HttpError as error:
            self.error = WebSocketError(f"refused: {error}", ABNORMAL_CLOSURE)
            self.reject(error.status, error.text, error.headers)
        return b""

    def _take_request(self, head: bytes) -> None:
        self._protocol.receive_data(head)
        events = self._protocol.events_received()
        if not events:
            exception = self._protocol.handshake_exc
            assert exception is not None
            reason = shorten(str(exception.__cause__ or exception))
            if not any(self._protocol.writes):
                raise HttpError(400, reason)
            # `websockets` has refused it by itself.
            self.error = WebSocketError(f"refused: {reason}", ABNORMAL_CLOSURE)
            self._ended = True
            return
        request = events[0]
        assert isinstance(request, Request)
        path, query = parse_target(request.method, request.path)
        fields = [(name.lower(), value) for name, value in request.headers.raw_items()]
        headers = join_headers(fields)
        if len(request.headers.get_all("Host")) != 1:
            raise HttpError(400, "not exactly one Host")
        if headers.get("sec-websocket-version", "13") != "13":
            raise HttpError(426, "WebSocket version 13 is spoken here", {"Sec-WebSocket-Version": "13"})
        response = self._protocol.accept(request)
        if response.status_code != 101:
            self.error = WebSocketError(f"refused: {shorten(str(self._protocol.handshake_exc))}", ABNORMAL_CLOSURE)
            self._refuse(response)
            return
        self._check_origin(headers)
        self._response = response
        self.request = HttpRequest(method=request.method, path=path, query=query, headers=headers, head=head)

    def _check_origin(self, headers: Mapping[str, str]) -> None:
        origin = headers.get("origin")
        if self._origins is None or origin is None or origin in self._origins:
            return
        if SAME_ORIGIN not in self._origins or not _is_of_host(origin, headers["host"]):
            raise HttpError(403, "not for pages of this origin")


class ClientFraming(WebSocketFraming):
    """The side that asks. The request is in `output()` from the start.

    Args:
        url: `ws://…` or `wss://…`.
        origin: what to say as `Origin`.
        subprotocols: to offer, best first.
        headers: to add to the request.
        compression: offer permessage-deflate.
        max_message_bytes: the largest message, after removing frames and compression.

    Attributes:
        refusal: status and text of an answer that is not 101.

    Raises:
        ValueError: the URL is none, or a header cannot be sent.
    """

    def __init__(
        self,
        url: str,
        origin: str | None = None,
        subprotocols: Sequence[str] = (),
        headers: Mapping[str, str] | None = None,
        compression: bool = False,
        max_message_bytes: int = 1024 * 1024,
    ) -> None:
        extension = _ClientDeflateFactory(server_max_window_bits=WINDOW_BITS, compress_settings=COMPRESS_SETTINGS)
        try:
            uri = parse_uri(url)
        except InvalidURI as error:
            raise ValueError(str(error)) from error
        if not TARGET.fullmatch(uri.resource_name):
            raise ValueError(f"{url!r} has characters that a URL cannot have")
        protocol = _ClientCore(
            uri,
            extensions=[extension] if compression else None,
            subprotocols=[Subprotocol(name) for name in subprotocols] or None,
            logger=_quiet_logger,
        )
        protocol.bound(max_message_bytes)
        super().__init__(protocol)
        self.refusal: tuple[int, str] | None = None
        self._answered = False
        request = protocol.connect()
        if origin is not None:
            add_headers(request.headers, {"Origin": origin})
        add_headers(request.headers, headers or {})
        protocol.send_request(request)

    def receive_eof(self) -> None:
        super().receive_eof()
        if self._core.state is State.CONNECTING and self.error is None:
            # A refusal may end with the stream.
            self._core.receive_eof()
            self._check_answer()

    def _receive_head(self, data: bytes) -> bytes:
        if not self._answered:
            try:
                taken = self._take_head(data)
            except HttpError as error:
                self.error = WebSocketError(f"the answer has {error.text}", ABNORMAL_CLOSURE)
                return b""
            if taken is None:
                return b""
            self._answered = True
            head, data = taken
            self._core.receive_data(head)
        if self._core.state is State.CONNECTING:
            # Refused, and `websockets` reads the rest of the refusal, 1 MiB at the most.
            self._core.receive_data(data)
            data = b""
            self._check_answer()
        self._core.events.clear()
        return data

    def _check_answer(self) -> None:
        exception = self._core.handshake_exc
        if exception is None:
            return
        if isinstance(exception, InvalidStatus):
            self.refusal = exception.response.status_code, refusal_text(exception.response)
            self.error = WebSocketError("the server answered {} {}".format(*self.refusal), ABNORMAL_CLOSURE)
        else:
            self.error = WebSocketError(shorten(str(exception.__cause__ or exception)), ABNORMAL_CLOSURE)


def add_headers(headers: Headers, added: Mapping[str, str]) -> None:
    """Add headers that are safe to send.

    Raises:
        ValueError: one is not: a line end in it would begin another header or message.
    """
    for name, value in added.items():
        check_header(name, value)
        headers[name] = value


def refusal_text(response: Response) -> str:
    """Return what a refusal says, in one short line."""
    text = ""
    if any(value.startswith("text/plain") for value in response.headers.get_all("Content-Type")):
        text = " ".join(response.body.decode(errors="replace").split())
    text = "".join(character for character in text if character.isprintable())
    return text[:MAX_REFUSAL_CHARACTERS] or response.reason_phrase


def _is_of_host(origin: str, host: str) -> bool:
    """Whether a page is of the host that it asks, over whichever scheme: TLS may end before this program."""
    scheme, _, origin_host = origin.lower().partition("://")
    # A browser never says the default port in `Origin`; a proxy may add it to `Host`.
    return scheme in DEFAULT_PORTS and origin_host == host.lower().removesuffix(DEFAULT_PORTS[scheme])


def _first_in_common(protocol: ServerProtocol, offered: Sequence[Subprotocol]) -> Subprotocol | None:
    return next((name for name in protocol.available_subprotocols or () if name in offered), None)
