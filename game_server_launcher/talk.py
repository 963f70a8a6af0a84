"""What was said last to and by the controller or console of a game server: for the report of a crash."""

import re
from collections import deque
from collections.abc import Sequence
from typing import Any

import msgspec

from connhandler import Peer
from connhandler.jsonmessage import Pong

MAX_MESSAGES = 50
MAX_CHARACTERS = 500
"""Of one message in a report."""

_SECRET = re.compile(r"pass|secret|token|key|ticket|seat|data", re.IGNORECASE)
"""The names of fields and options that are not for a file which is sent around; and of long ones."""

HIDDEN = "…"

Talk = deque[tuple[str, Any]]
"""Messages, the oldest first, each with who said it: `game` or `launcher`."""


class TalkingPeer(Peer):
    """A controller or a console.

    Attributes:
        server: the name of its game server; empty until that is known.
        talk: where what is said is kept, from then on.
        heard_at: when it said something last (unix time).
        asked_at: when it was asked something since, and has not answered (unix time); 0.0: it was not.
    """

    server: str = ""
    talk: Talk | None = None
    heard_at: float = 0.0
    asked_at: float = 0.0

    def send(self, message: Any) -> None:
        if self.talk is not None:
            self.talk.append(("launcher", message))
        super().send(message)


class Talks:
    """The latest messages of every game server's process. Runs in the central task."""

    def __init__(self) -> None:
        self._talks: dict[str, Talk] = {}

    def heard(self, peer: TalkingPeer, messages: Sequence[Any]) -> None:
        """Keep what a peer has said."""
        if peer.server:
            peer.talk = self._talks.setdefault(peer.server, deque(maxlen=MAX_MESSAGES))
            peer.talk.extend(("game", message) for message in messages if not isinstance(message, Pong))

    def take(self, server: str) -> list[str]:
        """Return what was said, one line for each message, and forget it."""
        return [f"{who}: {show(message)}" for who, message in self._talks.pop(server, ())]


def show(message: Any) -> str:
    """A message as one line, without its secrets."""
    name = type(message).__name__
    if name == "Password":
        return f"{name} {HIDDEN}"
    if isinstance(message, msgspec.Struct):
        fields = _shown({field: getattr(message, field) for field in message.__struct_fields__})
        return f"{name} {msgspec.json.encode(fields, enc_hook=str).decode()}"[:MAX_CHARACTERS]
    reason = getattr(message, "reason", "")
    return f"{name} {getattr(message, 'detail', '') or reason}".strip()[:MAX_CHARACTERS]


def without_secrets(command: Sequence[str]) -> list[str]:
    """A command line whose options that seem to hold a secret have no values."""
    shown: list[str] = []
    hide = False
    for argument in command:
        name, equals, _ = argument.partition("=")
        secret = bool(_SECRET.search(name))
        shown.append(HIDDEN if hide else f"{name}={HIDDEN}" if secret and equals else argument)
        hide = secret and not equals and argument.startswith(("-", "+"))
    return shown


def _shown(value: Any) -> Any:
    if isinstance(value, msgspec.Struct):
        value = {field: getattr(value, field) for field in value.__struct_fields__}
    if isinstance(value, dict):
        return {
            str(key): HIDDEN if one and isinstance(key, str) and _SECRET.search(key) else _shown(one)
            for key, one in value.items()
        }
    if isinstance(value, list | tuple | set):
        return [_shown(one) for one in value]
    return value
