"""JSON objects one after another on a stream, with nothing between them but white space (seed document 000).

Only where an object ends is found here: strings and their escapes count, so that `{"a":"}"}` is one object. Whether the
bytes between its braces are JSON (RFC 8259) is for whoever decodes them to say.

What was passed over is not looked at again when more arrives: an object costs the same however it is cut.
"""

import re
from typing import Final

from connhandler.errors import ProtocolError

MAX_DEPTH: Final = 100

# Possessive quantifiers (`*+`) go forward only: what they have passed over is never tried in another way.
_SPACE: Final = re.compile(rb"[ \t\r\n]*+")
_INSIDE_STRING: Final = re.compile(rb'[^"\\]*+(?:\\.[^"\\]*+)*+', re.DOTALL)
_OUTSIDE: Final = re.compile(rb'[^"{}\[\]]*+(?:"[^"\\]*+(?:\\.[^"\\]*+)*+"[^"{}\[\]]*+)*+', re.DOTALL)
"""Whole strings and all that is no bracket; ends at a bracket, at a string that is not whole yet, or at the end."""
_FLAT_OBJECT: Final = re.compile(rb"\{" + _OUTSIDE.pattern + rb"\}", re.DOTALL)
"""The plain case, found in one step: a whole object with no other inside."""

_QUOTE, _BACKSLASH = b'"\\'
_OPEN_OBJECT, _CLOSE_OBJECT, _OPEN_ARRAY, _CLOSE_ARRAY = b"{}[]"


class JsonObjectScanner:
    """Finds the end of one object.

    Args:
        max_depth: how deep arrays and objects may be nested; 1 for an object with neither inside.

    Attributes:
        depth: how many brackets are open; 0 before and after the object.
        error: what was wrong, and at which byte, once something was.
    """

    def __init__(self, max_depth: int = MAX_DEPTH) -> None:
        self.error: ProtocolError | None = None
        self._max_depth = max_depth
        self._closers = bytearray()
        self._in_string = False
        self._escaped = False

    @property
    def depth(self) -> int:
        return len(self._closers)

    @property
    def bytes_to_come(self) -> int:
        """How many bytes the object still has, at the least."""
        return len(self._closers) + self._in_string + self._escaped

    def scan(self, data: bytes, position: int = 0, passed: int = 0) -> int:
        """Go on until the object ends.

        Args:
            data: what comes next, from `position` on; at the beginning of an object, that is `{`.
            position: where to begin.
            passed: how many bytes of the stream came before `data`, for the text of an error.

        Returns:
            where the object ended, if `depth` is 0 then; else all of `data` belongs to it, or there is an `error`.
        """
        closers, end = self._closers, len(data)
        if self._escaped and position < end:
            self._escaped = False
            position += 1
        while position < end:
            if self._in_string:
                position = _INSIDE_STRING.match(data, position).end()  # type: ignore[union-attr]  # it matches nothing, too
                if position == end:
                    break
                self._escaped = data[position] == _BACKSLASH  # what it escapes is not here yet
                self._in_string = self._escaped
                position += 1
                continue
            if closers:
                position = _OUTSIDE.match(data, position).end()  # type: ignore[union-attr]
                if position == end:
                    break
            byte = data[position]
            if closers and byte == closers[-1]:
                closers.pop()
                if not closers:
                    return position + 1
            elif byte == _OPEN_OBJECT or (byte == _OPEN_ARRAY and closers):
                if len(closers) == self._max_depth:
                    self.error = ProtocolError(f"nested more than {self._max_depth} deep at byte {passed + position}")
                    return position
                closers.append(_CLOSE_OBJECT if byte == _OPEN_OBJECT else _CLOSE_ARRAY)
            elif byte == _QUOTE and closers:
                self._in_string = True
            else:
                expected = chr(closers[-1]) if closers else "{"
                self.error = ProtocolError(
                    f"{bytes((byte,))!r} where {expected!r} was expected, at byte {passed + position}"
                )
                return position
            position += 1
        return position


class JsonObjectDecoder:
    """The receiving half: each message is the bytes of one object, from its `{` to its `}`.

    Args:
        max_message_bytes: the longest object; a longer one is an error before it is stored.
        max_depth: as for `JsonObjectScanner`.
    """

    def __init__(self, max_message_bytes: int = 1024 * 1024, max_depth: int = MAX_DEPTH) -> None:
        self.error: ProtocolError | None = None
        self._max_message_bytes = max_message_bytes
        self._scanner = JsonObjectScanner(max_depth)
        self._parts: list[bytes] = []
        self._parts_size = 0
        self._passed = 0

    @property
    def mid_message(self) -> bool:
        return bool(self._parts)

    def receive_data(self, data: bytes) -> list[bytes]:
        messages: list[bytes] = []
        if self.error:
            return messages
        scanner, flat_object, position, end = self._scanner, _FLAT_OBJECT.match, 0, len(data)
        while position < end:
            if not self._parts:
                position = skip_space(data, position)
                if position == end:
                    break
                found = flat_object(data, position)
                if found is not None and found.end() - position <= self._max_message_bytes:
                    messages.append(found.group())
                    position = found.end()
                    continue
            start, position = position, scanner.scan(data, position, self._passed)
            size = self._parts_size + position - start
            if size > self._max_message_bytes:
                self.error = ProtocolError(
                    f"an object of more than {self._max_message_bytes} bytes, "
                    f"from byte {self._passed + start - self._parts_size} on"
                )
                break
            if scanner.error is not None:
                self.error = scanner.error
                break
            self._parts.append(data[start:position])
            self._parts_size = size
            if not scanner.depth:
                messages.append(self._parts[0] if len(self._parts) == 1 else b"".join(self._parts))
                self._parts, self._parts_size = [], 0
        self._passed += end
        return messages


def skip_space(data: bytes, position: int = 0) -> int:
    """Return where the white space that begins at `position` ends."""
    return _SPACE.match(data, position).end()  # type: ignore[union-attr]
