"""The two dialects in which manager and device talk. Pure: no socket, no task, no clock.

| | raw (seed document 003) | framed (newer devices) |
|---|---|---|
| a message | what arrives together | 16-bit big-endian length, then so many bytes |
| tell me who you are | 01 | 01 |
| are you there? | 02 | 02 |
| I am | `beat` | 02 |
| this is the end | `end\\n` | 03 |

Both carry the device's `UUID##type##json`, `auth …` (see `iot_manager.keys`) and the envelopes of requests and replies
(see `iot_manager.requests`).
"""

import enum
from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import ClassVar, Final, Literal, NamedTuple

from connhandler.framing.jsonstream import skip_space
from iot_manager.data import DELIMITER, UUID_CHARACTERS
from iot_manager.keys import AUTH

GETINFO: Final = b"\x01"
HEART: Final = b"\x02"
END: Final = b"\x03"
LENGTH_BYTES: Final = 2
MAX_FRAME_BYTES: Final = 0xFFFF

DialectName = Literal["raw", "framed", "auto"]


class Kind(enum.Enum):
    """What a part of what a device sent is."""

    INFO = "info"
    BEAT = "beat"
    AUTH = "auth"
    OBJECT = "object"
    """May be a reply; if it is none, it is a message."""
    MESSAGE = "message"
    GOODBYE = "goodbye"


class Part(NamedTuple):
    kind: Kind
    data: bytes = b""


class Dialect(ABC):
    """Takes what one device has said apart, and frames what is said to it.

    Args:
        max_info_bytes: the longest info.

    Attributes:
        error: what was wrong, once something was; nothing is taken after that.
        uuid: of the device, once it has said a valid one. The first thing that it says must be its info.
        expects_info: whether it was asked for its info, and has not answered.
        may_repeat_info: whether it was asked more often than it has answered.
        expects_auth: whether it was asked for a proof of its key.
        expects_reply: whether it was sent a request that it has not answered.
        beats_expected: how many beats were asked for and have not come.
    """

    name: ClassVar[DialectName]
    goodbye: ClassVar[bytes]
    """The last words, as they go over the wire. Neither dialect can say why: whatever else came would be a command."""

    def __init__(self, max_info_bytes: int) -> None:
        self.error = ""
        self.uuid = b""
        self.expects_info = True
        self.may_repeat_info = False
        self.expects_auth = False
        self.expects_reply = False
        self.beats_expected = 0
        self._max_info_bytes = max_info_bytes
        self._held = b""

    @abstractmethod
    def receive_data(self, data: bytes) -> Iterator[Part]:
        """Take what arrived and give it back in parts. What is expected may be changed after each of them."""

    @abstractmethod
    def frame(self, data: bytes) -> bytes:
        """Return a message as it goes over the wire.

        Raises:
            ValueError: it is too long.
        """

    @property
    def is_holding(self) -> bool:
        """Whether it holds what may be a message, or the beginning of something that is expected."""
        return False

    def give_up_holding(self) -> bytes:
        """Return what it holds: a message, since nothing has come after it in time."""
        return b""


class FramedDialect(Dialect):
    """Each message with its length."""

    name = "framed"
    goodbye = len(END).to_bytes(LENGTH_BYTES) + END

    def receive_data(self, data: bytes) -> Iterator[Part]:
        data = self._held + data if self._held else data
        position, end = 0, len(data)
        while end - position >= LENGTH_BYTES:
            begin = position + LENGTH_BYTES
            size = int.from_bytes(data[position:begin])
            if not self.uuid and size > self._max_info_bytes:
                self.error = f"an info of {size} bytes, where {self._max_info_bytes} are the most"
                return
            if begin + size > end:
                break
            position = begin + size
            if size:  # One without bytes says nothing.
                yield self._part(data[begin:position])
        self._held = data[position:]

    def frame(self, data: bytes) -> bytes:
        if len(data) > MAX_FRAME_BYTES:
            raise ValueError(f"a message of {len(data)} bytes: {MAX_FRAME_BYTES} are the most in the framed dialect")
        return len(data).to_bytes(LENGTH_BYTES) + data

    def _part(self, message: bytes) -> Part:
        if message == HEART:
            self.beats_expected = max(self.beats_expected - 1, 0)
            return Part(Kind.BEAT)
        if message == END:
            return Part(Kind.GOODBYE)
        if self.expects_info and (not self.uuid or DELIMITER in message):
            self.expects_info = False
            return Part(Kind.INFO, message)
        if self.may_repeat_info and message.startswith(self.uuid + DELIMITER):
            return Part(Kind.INFO, message)
        if self.expects_auth and message.startswith(AUTH):
            return Part(Kind.AUTH, message[len(AUTH) :])
        if self.expects_reply and message.startswith(b"{", skip_space(message)):
            return Part(Kind.OBJECT, message)
        return Part(Kind.MESSAGE, message)


def detect(first: bytes) -> DialectName:
    """Return which dialect a device speaks whose first words these are; "auto" while that cannot be told yet.

    They are its info. In the raw dialect it begins with a UUID; in the framed one with a length, whose first byte is
    less than that of any printable character, unless the info is longer than 8 KiB.
    """
    if not first:
        return "auto"
    if first[0] < ord(" "):
        return "framed"
    delimiter_at = LENGTH_BYTES + UUID_CHARACTERS
    if first.find(DELIMITER, 0, delimiter_at) >= 0:
        return "raw"
    if len(first) < delimiter_at + len(DELIMITER):
        return "auto"
    return "framed" if first.startswith(DELIMITER, delimiter_at) else "raw"


class Probe(NamedTuple):
    """What to send to a device that has not said anything yet."""

    after: float
    """So many times `Limits.detection_seconds` after the one before."""
    data: bytes


FILLER_BYTES: Final = 252

PROBES: Final = (
    Probe(0, GETINFO),
    Probe(1, b"\x00\x01" + GETINFO),
    Probe(1, b"\x00\xfc" + b" " * FILLER_BYTES + b"\x00\x01" + GETINFO),
    Probe(2, GETINFO),
    Probe(4, GETINFO),
)
"""Ask in such a way that a device of either dialect understands it, though it has said nothing that would tell which.

A raw device answers the first probe, which is all that it ever sees then. To a framed one, that byte is half a length.
If it throws away what is not whole (as the original's client does), it answers the second. If it waits for the other
half, the second makes a length of 256 of it; the third brings what is missing of these 256 bytes, which mean nothing,
and then the question. One of the first kind that has not answered the second sees a message of 252 blanks before the
same question. To a raw device that was too slow to see the first probe alone, the last two repeat it. Whoever
understands more than one of them answers each: `Dialect.may_repeat_info`.
"""
