"""What the two sides of a WebSocket have in common as bytes, from the handshake to the end (RFC 6455).

It is public through `connhandler.framing.websocket`, which says how a shell lives with it.
"""

from abc import ABC, abstractmethod
from typing import Final

from websockets.frames import EXTERNAL_CLOSE_CODES
from websockets.protocol import Side, State

from connhandler.framing.httprequest import HttpError
from connhandler.framing.websocketcore import MAX_CONTROL_BYTES, Core, Text, WebSocketError
from connhandler.framing.wholeframes import encode_whole_frame, take_whole_frames

MAX_HEAD_BYTES: Final = 24 * 1024
MAX_REASON_BYTES: Final = MAX_CONTROL_BYTES - 2
ABNORMAL_CLOSURE: Final = 1006


class WebSocketFraming(ABC):
    """What both sides have in common; also a `connhandler.framing.Framing`.

    Attributes:
        error: what the far end did wrong, with the close code for it.
    """

    def __init__(self, core: Core) -> None:
        self.error: WebSocketError | None = None
        self._core = core
        self._head = bytearray()
        self._ended = False

    @property
    def opened(self) -> bool:
        """Whether the handshake is done and no Close was sent: messages may be sent."""
        return self._core.state is State.OPEN

    @property
    def mid_message(self) -> bool:
        """Whether a handshake or a message, in one frame or several, has begun and is not whole yet."""
        if self.error is not None or self._ended:
            return False
        return bool(self._head) or self._core.mid_message

    @property
    def subprotocol(self) -> str | None:
        """What both sides agreed upon, if anything."""
        return self._core.subprotocol

    @property
    def closed_by_peer(self) -> bool:
        """Whether a Close frame was received."""
        return self._core.peer_close is not None

    @property
    def close_code(self) -> int | None:
        """The code of the far end's Close frame (1005 if it said none), else of the one sent, else 1006 at the end."""
        close = self._core.peer_close or self._core.close_sent
        if close is not None:
            return int(close.code)
        return ABNORMAL_CLOSURE if self._ended else None

    @property
    def close_reason(self) -> str:
        """The words that go with `close_code`."""
        close = self._core.peer_close or self._core.close_sent
        return close.reason if close is not None else ""

    def receive_data(self, data: bytes) -> list[bytes]:
        """Take what one `recv` gave and return every message that is whole now, oldest first.

        A text message is a `Text`, any other a binary one.
        """
        if self.error is not None or self._ended:
            return []
        if self._core.state is State.CONNECTING:
            data = self._receive_head(data)
        if not data or self._core.state is State.CONNECTING:
            return []
        messages = self._take_frames(data)
        if self._core.fault is not None:
            self.error = WebSocketError(self._core.fault.reason, self._core.fault.code)
        return messages

    def _take_frames(self, data: bytes) -> list[bytes]:
        """Take what is plain by the fast way, and everything else by the core."""
        core = self._core
        if core.extensions:
            return core.take(data)
        messages: list[bytes] = []
        if missing := core.missing:
            messages, data = core.take(data[:missing]), data[missing:]
            while data and (missing := core.missing):
                messages, data = messages + core.take(data[:missing]), data[missing:]
        if data and core.idle:
            plain, position = take_whole_frames(data, core.side is Side.SERVER, core.max_message_bytes)
            messages, data = messages + plain, data[position:]
        return messages + core.take(data) if data else messages

    def receive_eof(self) -> None:
        """Take that nothing more will come."""
        self._ended = True

    def output(self) -> bytes:
        """Take what is to be sent now."""
        return b"".join(self._core.data_to_send())

    def encode_message(self, payload: bytes) -> bytes:
        """Return the frame of a message: text for a `Text`, else binary; `b""` when none may be sent any more.

        What waited in `output` comes before it. Frames must be sent in the order in which they were encoded.
        """
        if not self.opened:
            return b""
        core = self._core
        if not core.extensions:
            frame = encode_whole_frame(payload, core.side is Side.CLIENT)
            return self.output() + frame if core.writes else frame
        if isinstance(payload, Text):
            core.send_text(payload)
        else:
            core.send_binary(payload)
        return self.output()

    def encode_ping(self) -> bytes:
        """Return a frame that asks for a sign of life."""
        if self.opened:
            self._core.send_ping(b"")
        return self.output()

    def encode_close(self, code: int = 1000, reason: str = "") -> bytes:
        """Return the last frame: the answer to the far end's Close or fault, or else a Close with this code and reason.

        A reason is cut to what the frame can hold. Nobody is left to be told anything once the stream has ended
        without a Close.

        Raises:
            ValueError: no such code may be sent (RFC 6455, 7.4).
        """
        if not is_close_code(code):
            raise ValueError(f"{code} is not a close code that may be sent")
        if self.opened and not self._core.answer_end() and not self._ended:
            self._core.send_close(code, shorten(reason))
        return self.output()

    @abstractmethod
    def _receive_head(self, data: bytes) -> bytes:
        """Take what belongs to the handshake; return what follows it."""

    def _take_head(self, data: bytes) -> tuple[bytes, bytes] | None:
        """Return the head, once it is whole, and what follows it.

        Raises:
            HttpError: it is too long.
        """
        start = max(0, len(self._head) - 3)
        self._head += data
        end = self._head.find(b"\r\n\r\n", start) + 4
        if (end if end >= 4 else len(self._head)) > MAX_HEAD_BYTES:
            raise HttpError(431, f"a head of more than {MAX_HEAD_BYTES} bytes")
        if end < 4:
            return None
        head, rest = bytes(self._head[:end]), bytes(self._head[end:])
        self._head.clear()
        return head, rest


def is_close_code(code: int) -> bool:
    """Tell whether a Close frame may carry this code (RFC 6455, 7.4)."""
    return code in EXTERNAL_CLOSE_CODES or 3000 <= code < 5000


def shorten(reason: str) -> str:
    """Return as much of a reason as a Close frame can hold."""
    return reason.encode()[:MAX_REASON_BYTES].decode(errors="ignore")
