"""How text looks: with or without colours and signs beyond ASCII."""

import textwrap
import unicodedata
from collections.abc import Mapping
from typing import TextIO

from msgspec import Struct

WIDTH = 80
"""Nothing that is drawn is wider, in columns."""

_CODES = {"red": "31", "yellow": "33", "green": "32", "bold": "1", "dim": "2", "reverse": "7"}


class Style(Struct, frozen=True):
    """Attributes:
    colours: whether ANSI colours may be used.
    unicode: whether signs beyond ASCII may be used.
    """

    colours: bool = False
    unicode: bool = False

    def paint(self, text: str, *looks: str) -> str:
        """The text in colours and weights: `red`, `yellow`, `green`, `bold`, `dim`, `reverse`."""
        if not self.colours or not text:
            return text
        return f"\x1b[{';'.join(_CODES[look] for look in looks)}m{text}\x1b[0m"

    def clean(self, text: str, width: int = WIDTH) -> str:
        """Text from elsewhere, made safe for a terminal and cut to a width.

        What is not printable (control characters among it) or too wide for one column becomes a question mark.
        """
        shown = "".join(char if self._fits(char) else "?" for char in text)
        if len(shown) <= width:
            return shown
        return shown[: width - 1] + ("…" if self.unicode else "~")

    def wrap(self, text: str, width: int, max_lines: int) -> list[str]:
        """Text from elsewhere, made safe for a terminal, in lines of a width; what is too much is cut off."""
        lines = textwrap.wrap(self.clean(text, len(text)), width)
        if len(lines) > max_lines:
            lines[max_lines - 1] = self.clean(lines[max_lines - 1].ljust(width + 1), width)
        return lines[:max_lines]

    def _fits(self, char: str) -> bool:
        if char.isascii():
            return char.isprintable()
        narrow = unicodedata.east_asian_width(char) not in "WF" and not unicodedata.combining(char)
        return self.unicode and char.isprintable() and narrow


def style_of(stream: TextIO, environ: Mapping[str, str]) -> Style:
    """What a stream can show: colours on a terminal, unless NO_COLOR is set (https://no-color.org) or it is dumb;
    signs beyond ASCII with them, if the encoding is UTF-8."""
    plain = bool(environ.get("NO_COLOR")) or environ.get("TERM") == "dumb"
    utf8 = (stream.encoding or "").lower().replace("-", "") == "utf8"
    return Style(colours=stream.isatty() and not plain, unicode=utf8 and not plain)
