"""Draws on a terminal, or prints where there is none."""

from collections.abc import Sequence
from typing import TextIO

from game_server.client.style import Style

# ECMA-48, and xterm's second screen: the user's own is back as it was when the program ends.
_BEGIN, _END = "\x1b[?1049h", "\x1b[?1049l"
_HOME, _ERASE_LINE, _ERASE_BELOW = "\x1b[H", "\x1b[K", "\x1b[J"


class Screen:
    """One screenful at a time. On a terminal each replaces the one before; elsewhere it is printed if it is new.

    Args:
        stream: to write to.
        style: what the stream can show.
        replace: whether it is a terminal whose cursor can be moved.
    """

    def __init__(self, stream: TextIO, style: Style, replace: bool) -> None:
        self.style = style
        self._stream = stream
        self._replace = replace
        self._begun = False
        self._shown: list[str] = []

    def show(self, lines: Sequence[str], prompt: str, typed: str) -> None:
        """Args:
        lines: the screenful.
        prompt: what stands before the cursor.
        typed: what was typed so far.
        """
        if self._replace:
            begin = "" if self._begun else _BEGIN
            self._begun = True
            text = "".join(line + _ERASE_LINE + "\n" for line in lines)
            last = prompt + self.style.clean(typed, 60) + _ERASE_LINE + _ERASE_BELOW
            self._stream.write(begin + _HOME + text + last)
        elif [*lines, prompt] != self._shown:
            self._shown = [*lines, prompt]
            self._stream.write("\n".join(self._shown) + "\n")
        self._stream.flush()

    def finish(self, text: str = "") -> None:
        """Give the terminal back, with a last line on it."""
        if self._begun:
            self._stream.write(_END)
            self._begun = False
        if text:
            self._stream.write(text + "\n")
        self._stream.flush()
