"""The frames of a WebSocket connection that is open: what is asked of `websockets`' protocol here beyond its own.

* Messages are assembled here, and bounded as a whole. Frames of control have room beside that bound.
* Text is checked as it arrives, also inside a frame that is not whole yet: bad UTF-8 fails the connection at once.
* A Close between the fragments of a message is a Close (RFC 6455, 5.4 and 5.5.1), not a fault.
* The end is not carried out when it is found, but when `answer_end` is called: until then messages may still be sent.
"""

import codecs
from typing import Final

from websockets.exceptions import PayloadTooBig
from websockets.frames import Close, CloseCode, Frame, Opcode
from websockets.protocol import Protocol

from connhandler.errors import ProtocolError

try:
    from websockets.speedups import apply_mask as apply_mask
except ImportError:  # a platform for which there is none
    from websockets.utils import apply_mask as apply_mask

MAX_CONTROL_BYTES: Final = 125
RESERVED_BITS: Final = 0x70
OPCODE: Final = 0x0F
CONTROL: Final = 0x08
MASKED: Final = 0x80
LENGTH: Final = 0x7F
EXTENDED_LENGTH: Final = {126: 2, 127: 8}


class WebSocketError(ProtocolError):
    """What the far end did wrong.

    Attributes:
        close_code: what it is told (RFC 6455, 7.4.1); 1006 where the connection never opened.
    """

    def __init__(self, text: str, close_code: int) -> None:
        super().__init__(text)
        self.close_code = close_code


class Text(bytes):
    """The UTF-8 bytes of a text message; a binary one is plain `bytes`."""

    __slots__ = ()


class Core(Protocol):
    """Comes before `websockets`' `ServerProtocol` or `ClientProtocol` among the bases.

    It overrides `recv_frame` and `fail`, which are public there, but no documented way to change what it does: a new
    major version of `websockets` is to be tried before it is allowed.

    Attributes:
        peer_close: the far end's Close, once received.
        fault: how to fail the connection, once the far end has made a mistake.
    """

    peer_close: Close | None = None
    fault: Close | None = None

    def bound(self, max_message_bytes: int) -> None:
        """Set it up. Call it once."""
        self.max_message_bytes = max_message_bytes
        # A ping may come between the last fragments of the longest message.
        self.max_message_size = max_message_bytes + MAX_CONTROL_BYTES
        self._messages: list[bytes] = []
        self._fragments = bytearray()
        self._is_text = False
        self._decoder = codecs.getincrementaldecoder("utf-8")()
        self._begun: _BegunFrame | None = None
        self._unread: int | None = None
        self._close_frame: Frame | None = None

    @property
    def mid_message(self) -> bool:
        return self.current_size is not None or (self._begun is not None and not self._begun.is_control)

    @property
    def idle(self) -> bool:
        """Whether what comes next begins with a frame that is no part of what was before."""
        return self._begun is None and self.current_size is None and self.fault is None and self.peer_close is None

    @property
    def missing(self) -> int:
        """How many bytes at the most may be of the frame that is not whole yet; 0 if that is not to be known."""
        if self._begun is None or self.current_size is not None:
            return 0
        return self._begun.missing

    def take(self, data: bytes) -> list[bytes]:
        """Take bytes of frames; return the messages that are whole now. After `fault` and `peer_close`, nothing."""
        if self.fault is not None or self.peer_close is not None:
            return []
        self._unread = None
        self.receive_data(data)
        self.events.clear()
        if self.fault is None and self.peer_close is None:
            begun = data if self._unread is None else data[len(data) - self._unread :]
            if begun:
                self._watch(begun)
        messages, self._messages = self._messages, []
        return messages

    def answer_end(self) -> bool:
        """Carry out the end that the far end has caused; return whether there is one."""
        if self.fault is not None:
            super().fail(self.fault.code, self.fault.reason)
        elif self._close_frame is not None:
            super().recv_frame(self._close_frame)
        else:
            return False
        return True

    def recv_frame(self, frame: Frame) -> None:
        """Called by `websockets` for each frame, before it looks at the next one."""
        checked, self._begun = self._begun.checked if self._begun else 0, None
        self._unread = len(self.reader.buffer)
        if frame.opcode is Opcode.CLOSE:
            self.peer_close = Close.parse(frame.data)
            self._close_frame = frame
            self.current_size = None
            self.reader.discard()
            return
        super().recv_frame(frame)
        if frame.opcode is not Opcode.PING and frame.opcode is not Opcode.PONG:
            self._take_frame(frame, checked)

    def fail(self, code: CloseCode | int, reason: str = "") -> None:
        """Called by `websockets` when the far end has made a mistake."""
        self.fault = Close(code, reason)

    def _take_frame(self, frame: Frame, checked: int) -> None:
        data = frame.data
        assert not isinstance(data, memoryview)
        if frame.opcode is not Opcode.CONT:
            self._is_text = frame.opcode is Opcode.TEXT
        size = len(self._fragments) + len(data)
        if size > self.max_message_bytes:
            raise PayloadTooBig(size, self.max_message_bytes)
        whole = frame.fin and frame.opcode is not Opcode.CONT
        if self._is_text and not (whole and not checked and data.isascii()):
            self._decoder.decode(data[checked:], frame.fin)
        if not whole:
            self._fragments += data
            if not frame.fin:
                return
            data, self._fragments = self._fragments, bytearray()
        self._messages.append(Text(data) if self._is_text else bytes(data))

    def _watch(self, piece: bytes) -> None:
        """Look at what is here of a frame that is not whole yet."""
        if self._begun is None:
            self._begun = _BegunFrame()
        begun = self._begun
        payload = begun.take(piece)
        continues = self.current_size is not None
        if begun.opcode != (Opcode.CONT if continues else Opcode.TEXT) or begun.reserved_bits:
            return
        if len(self._fragments) + begun.length > self.max_message_bytes:
            self.fail(CloseCode.MESSAGE_TOO_BIG, f"a message of more than {self.max_message_bytes} bytes")
        elif (self._is_text or not continues) and not self.extensions:
            # Compressed bytes are not looked into: they may be of any message once there is an extension.
            try:
                self._decoder.decode(begun.check(payload))
            except UnicodeDecodeError as error:
                self.fail(CloseCode.INVALID_DATA, error.reason)


class _BegunFrame:
    """The frame that stands at the end of what has arrived (RFC 6455, 5.2).

    Attributes:
        checked: how many bytes of its payload were looked at.
        is_control: whether it is a ping, a pong or a Close, and no part of a message.
    """

    def __init__(self) -> None:
        self.opcode = -1
        self.reserved_bits = 0
        self.length = 0
        self.checked = 0
        self.is_control = False
        self._head = b""
        self._mask: bytes | None = None
        self._arrived = 0

    @property
    def missing(self) -> int:
        """How many bytes are to come: of its head, if that is not whole, one at least."""
        return 1 if self._mask is None else self.length - self._arrived

    def take(self, piece: bytes) -> bytes:
        """Return the payload that is in the next bytes, as it came."""
        payload = self._take_head(piece) if self._mask is None else piece
        self._arrived += len(payload)
        return payload

    def check(self, payload: bytes) -> bytes:
        """Return the next bytes of the payload, unmasked, and count them as looked at."""
        turn = self.checked % 4
        self.checked += len(payload)
        return apply_mask(payload, self._mask[turn:] + self._mask[:turn]) if self._mask else payload

    def _take_head(self, piece: bytes) -> bytes:
        head = self._head = self._head + piece
        self.is_control = bool(head[0] & CONTROL)
        if len(head) < 2:
            return b""
        extended = EXTENDED_LENGTH.get(head[1] & LENGTH, 0)
        mask_at = 2 + extended
        payload_at = mask_at + (4 if head[1] & MASKED else 0)
        if len(head) < payload_at:
            return b""
        self.opcode = head[0] & OPCODE
        self.reserved_bits = head[0] & RESERVED_BITS
        self.length = int.from_bytes(head[2:mask_at]) if extended else head[1] & LENGTH
        self._mask = head[mask_at:payload_at]
        self._head = b""
        return head[payload_at:]
