"""What happened on a game server a while ago, for people: a bounded list of lines with their times. Plain state."""

import msgspec

MAX_EVENTS = 100
MAX_TEXT = 300
"""In characters; a message in the chat of Teeworlds has at most 255 bytes."""


class Event(msgspec.Struct, frozen=True):
    """`at` is unix time."""

    at: float
    text: str


def record(events: list[Event], at: float, text: str) -> None:
    """Add what has happened, and forget the oldest at the bound."""
    events.append(Event(at, printable(text)))
    del events[:-MAX_EVENTS]


def printable(text: str) -> str:
    """What players wrote, as one line that can be shown in a terminal and in a log."""
    return "".join(letter if letter.isprintable() else " " for letter in text[:MAX_TEXT])
