"""What two simulated players say to each other, and the proof that each word arrived once, unharmed and in order.

A message is `sender:number:kind:length:padding`. The receiver knows from `sender` and `number` what the whole text must
be, wherever in the world the sender runs. It holds commas, colons and letters beyond ASCII, since the server is to pass
all of them untouched, but no `|`, which is what the server puts between two messages.
"""

from collections import Counter
from enum import StrEnum
from typing import Final

from turn_server.symbols import ANY

PATTERN: Final = "The quick, brown fox (jumps) over 13 lazy dogs; what a 'game'! ±½ äöü ñ → ♜♞♝ "
"""What padding is cut from, beginning at another place for each number."""

SUPPLY: Final = PATTERN * 2


class Kind(StrEnum):
    """What a message is for."""

    WORD = "w"
    """Data of the game."""
    LAST = "l"
    """No data follows."""
    COMPLETE = "c"
    """And the partner's last has come."""


class Violation(StrEnum):
    """What a message was that should not have come, or not have come now."""

    MISSING = "missing"
    REPEATED = "repeated"
    DAMAGED = "damaged"
    STRAY = "from somebody else"
    UNFINISHED = "unfinished"
    """The partner's last message did not come in time."""


def message(sender: str, number: int, kind: Kind, length: int) -> str:
    """Return the text of one message.

    Args:
        sender: a name without `:` and `|`.
        number: 0 for the first, and so on.
        length: of the text in characters, at the least; what must be there may be longer.
    """
    start = f"{sender}:{number}:{kind}:{length}:"
    wanted = length - len(start)
    if wanted <= 0:
        return start
    offset = number % len(PATTERN)
    supply = SUPPLY if wanted <= len(PATTERN) else PATTERN * (2 + wanted // len(PATTERN))
    return start + supply[offset : offset + wanted]


class Inbox:
    """Checks what the partner has said.

    Args:
        partner: the name of who sends.
        length: of the messages that are likely to come.
    """

    def __init__(self, partner: str, length: int = 0) -> None:
        self.verified = 0
        self.kinds: set[Kind] = set()
        """What kinds of messages have come."""
        self.violations: Counter[Violation] = Counter()
        self.examples: list[str] = []
        self._partner = partner
        self._expected = 0
        self._length = length

    def take(self, text: str) -> None:
        """Check one message. A text that says nothing is none."""
        if text == message(self._partner, self._expected, Kind.WORD, self._length):
            # What comes nearly always need not be taken apart.
            self._accept(self._expected, Kind.WORD)
        elif text not in ("", ANY):
            self._examine(text)

    def end(self) -> None:
        """No more will come."""
        if Kind.LAST not in self.kinds:
            self._violated(Violation.UNFINISHED, f"number {self._expected} did not come")

    def _examine(self, text: str) -> None:
        try:
            sender, digits, letter, length, _ = text.split(":", 4)
            number, kind = int(digits), Kind(letter)
            intact = int(length) <= len(text) and text == message(sender, number, kind, int(length))
        except ValueError:
            intact = False
        if not intact:
            # Its number may be what was damaged; that it is missing would be told again by the next.
            self._expected += 1
            self._violated(Violation.DAMAGED, text)
        elif sender != self._partner:
            self._violated(Violation.STRAY, text)
        elif number < self._expected:
            self._violated(Violation.REPEATED, text)
        else:
            if number > self._expected:
                self._violated(
                    Violation.MISSING, f"from number {self._expected}, before {text}", number - self._expected
                )
            self._accept(number, kind)

    def _accept(self, number: int, kind: Kind) -> None:
        self._expected = number + 1
        self.verified += 1
        self.kinds.add(kind)

    def _violated(self, violation: Violation, text: str, times: int = 1) -> None:
        self.violations[violation] += times
        self.examples.append(f"a message of {self._partner} was {violation.value}: {text[:120]}")
