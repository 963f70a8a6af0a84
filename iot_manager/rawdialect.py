"""The dialect of seed document 003. Pure: no socket, no task, no clock.

TCP keeps no boundaries between messages, and this dialect has none of its own: what arrives together is one message.
But what the manager asked for is found wherever it stands and however it is cut:

* the device's info ends where its JSON object does; what comes after it is a message;
* a `beat` that was asked for may stand before or after other data;
* so may a reply, which ends where its JSON object does.

What may be the beginning of one of these is held until more comes, or for as long as the manager likes to wait for it.
"""

from collections.abc import Generator, Iterator
from typing import Final

from connhandler.framing.jsonstream import JsonObjectScanner, skip_space
from iot_manager.data import DELIMITER, UUID_CHARACTERS, shown
from iot_manager.dialects import MAX_FRAME_BYTES, Dialect, Kind, Part
from iot_manager.keys import AUTH, DIGEST_DIGITS

BEAT: Final = b"beat"
GOODBYE: Final = b"end\n"
REPLY: Final = b'{"reply"'
SPACE: Final = b" \t\r\n"
MAX_UUID_BYTES: Final = 4 * UUID_CHARACTERS

Taken = Generator[Part, None, bytes]
"""Yields parts and returns what comes after them; nothing, if something is held."""


class RawDialect(Dialect):
    """What arrives together is one message, but for what was asked for."""

    name = "raw"
    goodbye = GOODBYE

    def __init__(self, max_info_bytes: int) -> None:
        super().__init__(max_info_bytes)
        self._awaited = b""
        """What has to come after what is held, if that is what it may be the beginning of."""
        self._scanner: JsonObjectScanner | None = None
        self._scanned = 0

    def frame(self, data: bytes) -> bytes:
        return data

    @property
    def is_holding(self) -> bool:
        return bool(self._held and self.uuid)

    def give_up_holding(self) -> bytes:
        held, self._held, self._awaited, self._scanner = self._held, b"", b"", None
        return held

    def receive_data(self, data: bytes) -> Iterator[Part]:
        awaited, self._awaited = self._awaited, b""
        if awaited and not data.startswith(awaited[: len(data)]):
            yield Part(Kind.MESSAGE, self.give_up_holding())
        elif self._held:
            data, self._held = self._held + data, b""
        while data and not self.error:
            data = yield from self._take(data)

    def _take(self, data: bytes) -> Taken:
        if not self.uuid:
            return (yield from self._take_info(data))
        if self.beats_expected and data.startswith(BEAT):
            return (yield from self._take_beat(data))
        if data.replace(BEAT, b"") == b"":  # Late ones, and such that nobody asked for.
            yield Part(Kind.BEAT)
            return b""
        if self.expects_info or self.may_repeat_info:
            info = self.uuid + DELIMITER
            if data.startswith(info):
                return (yield from self._take_info(data))
            if self.expects_info and info.startswith(data):
                return self._hold(data, info[len(data) :])
        if self.expects_auth and data.startswith(AUTH[: len(data)]):
            return (yield from self._take_auth(data))
        if self.expects_reply and data.startswith(b"{", skip_space(data)):
            return (yield from self._take_object(data))
        return (yield from self._take_message(data))

    def _take_beat(self, data: bytes) -> Taken:
        self.beats_expected -= 1
        yield Part(Kind.BEAT)
        return data[len(BEAT) :]

    def _take_info(self, data: bytes) -> Taken:
        first = data.find(DELIMITER)
        second = data.find(DELIMITER, first + len(DELIMITER)) if first >= 0 else -1
        if second < 0:
            if first < 0 and len(data) > MAX_UUID_BYTES:
                self.error = f"not UUID##type##data, but {shown(data)}"
            return (yield from self._hold_info(data))
        end = self._scan(data, skip_space(data, second + len(DELIMITER)))
        if end is None:
            return (yield from self._hold_info(data))
        self.expects_info = False
        yield Part(Kind.INFO, data[:end])
        return data[end:].lstrip(SPACE)

    def _hold_info(self, data: bytes) -> Taken:
        if len(data) <= self._max_info_bytes:
            return self._hold(data)
        self._scanner, self.expects_info = None, False
        if not self.uuid:
            self.error = f"an info of more than {self._max_info_bytes} bytes"
        yield Part(Kind.INFO, data)
        return b""

    def _take_auth(self, data: bytes) -> Taken:
        size = len(AUTH) + DIGEST_DIGITS
        if not data.startswith(AUTH[: len(data)]):
            return (yield from self._take_message(data))
        if len(data) < size:
            return self._hold(data)
        yield Part(Kind.AUTH, data[len(AUTH) : size])
        return data[size:].lstrip(SPACE)

    def _take_object(self, data: bytes) -> Taken:
        end = self._scan(data, skip_space(data))
        if end is None and len(data) <= MAX_FRAME_BYTES:
            return self._hold(data)
        self._scanner = None
        yield Part(Kind.OBJECT, data[:end])
        return data[end:] if end is not None else b""

    def _take_message(self, data: bytes) -> Taken:
        """What was asked for may stand after it, or begin at its end."""
        info = self.uuid + DELIMITER
        for expected, beginning in ((self.expects_info, info), (self.expects_reply, REPLY)):
            if expected and (place := data.find(beginning)) > 0:
                yield Part(Kind.MESSAGE, data[:place])
                return data[place:]
        if self.expects_info and DELIMITER in data:
            self.expects_info = False
            yield Part(Kind.INFO, data)
            return b""
        if self.beats_expected and data.endswith(BEAT):
            yield Part(Kind.MESSAGE, data[: -len(BEAT)])
            return BEAT
        for wanted, whole in ((self.expects_info, info), (self.expects_reply, REPLY), (self.beats_expected, BEAT)):
            if wanted and (rest := rest_after_end(data, whole)):
                return self._hold(data, rest)
        yield Part(Kind.MESSAGE, data)
        return b""

    def _hold(self, data: bytes, awaited: bytes = b"") -> bytes:
        self._held, self._awaited = data, awaited
        return b""

    def _scan(self, data: bytes, begin: int) -> int | None:
        """Return where the JSON object from `begin` on ends, or where all ends if it is none; None if it goes on."""
        if begin == len(data):
            return None
        if self._scanner is None:
            self._scanner, self._scanned = JsonObjectScanner(), begin
        end = self._scanner.scan(data, self._scanned)
        self._scanned = len(data)
        if self._scanner.depth and self._scanner.error is None:
            return None
        end = end if self._scanner.error is None else len(data)
        self._scanner = None
        return end


def rest_after_end(data: bytes, whole: bytes) -> bytes:
    """Return what is missing of `whole`, if `data` ends with the beginning of it."""
    for size in range(min(len(whole) - 1, len(data)), 0, -1):
        if data.endswith(whole[:size]):
            return whole[size:]
    return b""
