"""Messages that are lines, each ended by a terminator: `\\n` by default, or whatever the far end's protocol has.

An empty line is no message; it is passed over. Where the terminator is `\\n`, a line may end in `\\r\\n` as well.
"""

from typing import Final

from connhandler.errors import ProtocolError

LINE_FEED: Final = b"\n"


def check_terminator(terminator: bytes) -> None:
    """Raises:
    ValueError: it is empty.
    """
    if not terminator:
        raise ValueError("the terminator of lines must have at least one byte")


def encode_line(message: bytes, terminator: bytes = LINE_FEED) -> bytes:
    """Return the bytes of one message on the wire.

    Raises:
        ValueError: the message is empty, or the far end would not see it as this one line.
    """
    if not message:
        raise ValueError("an empty line is no message")
    line = message + terminator
    if line.find(terminator) != len(message):
        raise ValueError(f"a line cannot hold its terminator {terminator!r}")
    if terminator == LINE_FEED and message.endswith(b"\r"):
        raise ValueError("a line cannot end with a carriage return: it would be taken for a part of the line's end")
    return line


class LineDecoder:
    """The receiving half. Messages come without their terminator.

    Args:
        terminator: what ends each line, one byte or more.
        max_message_bytes: the longest line, its terminator not counted; a longer one is an error before it is stored.

    Raises:
        ValueError: the terminator is empty.
    """

    def __init__(self, terminator: bytes = LINE_FEED, max_message_bytes: int = 1024 * 1024) -> None:
        check_terminator(terminator)
        self.error: ProtocolError | None = None
        self._terminator = terminator
        self._takes_carriage_return = terminator == LINE_FEED
        self._max_message_bytes = max_message_bytes
        self._most_waiting = max_message_bytes + len(terminator) - 1 + self._takes_carriage_return
        self._waiting = bytearray()

    @property
    def mid_message(self) -> bool:
        return bool(self._waiting)

    def receive_data(self, data: bytes) -> list[bytes]:
        messages: list[bytes] = []
        if self.error:
            return messages
        waiting, terminator = self._waiting, self._terminator
        if waiting:
            # What waited was searched before, but the terminator may have begun at its end.
            searched = max(len(waiting) - len(terminator) + 1, 0)
            waiting += data
            place = waiting.find(terminator, searched)
            if place < 0:
                data = b""
            else:
                if not self._take(bytes(waiting[:place]), messages):
                    return messages
                data = bytes(waiting[place + len(terminator) :])
                waiting.clear()
        if data:
            *lines, rest = data.split(terminator)
            for line in lines:
                if not self._take(line, messages):
                    return messages
            waiting += rest
        if len(waiting) > self._most_waiting:
            self.error = self._too_long()
        return messages

    def _take(self, line: bytes, messages: list[bytes]) -> bool:
        """Add a line to the messages, unless it is empty; return whether it was short enough."""
        if self._takes_carriage_return and line.endswith(b"\r"):
            line = line[:-1]
        if len(line) > self._max_message_bytes:
            self.error = self._too_long()
            return False
        if line:
            messages.append(line)
        return True

    def _too_long(self) -> ProtocolError:
        return ProtocolError(f"a line of more than {self._max_message_bytes} bytes")
