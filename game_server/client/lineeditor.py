"""Lines out of what is typed, key by key. Pure: bytes in, lines out."""

import codecs

MAX_LINE = 200
"""Characters; what is typed beyond that is left out."""

_ERASE = ("\x7f", "\b")
_ERASE_ALL = "\x15"
_END = "\x04"


class LineEditor:
    """Attributes:
    buffer: the line so far.
    ended: whether the end was reached: Ctrl-D on an empty line.
    """

    def __init__(self) -> None:
        self.buffer = ""
        self.ended = False
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self._escape = ""

    def feed(self, data: bytes) -> list[str]:
        """Take what was typed; return the lines that are whole now."""
        lines = []
        for char in self._decoder.decode(data):
            if self._in_escape_sequence(char):
                continue
            if char in "\r\n":
                lines.append(self.buffer)
                self.buffer = ""
            elif char in _ERASE:
                self.buffer = self.buffer[:-1]
            elif char == _ERASE_ALL:
                self.buffer = ""
            elif char == _END:
                self.ended = self.ended or not self.buffer
            elif char.isprintable() and len(self.buffer) < MAX_LINE:
                self.buffer += char
        return lines

    def _in_escape_sequence(self, char: str) -> bool:
        """Arrow keys and their like mean nothing here: ESC [ … final byte, or ESC and one character (ECMA-48)."""
        if not self._escape:
            self._escape = char if char == "\x1b" else ""
            return bool(self._escape)
        self._escape += char
        if (len(self._escape) == 2 and char not in "[O") or (len(self._escape) > 2 and "@" <= char <= "~"):
            self._escape = ""
        return True
