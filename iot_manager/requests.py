"""Requests to devices, and which of their replies belongs to which.

{"request": ID, "payload": …}       to the device, as one message
{"reply": ID, "payload": …}         from it, as one message with the same id, at any time, in any order
"""

import contextlib
import json
from collections import deque
from concurrent.futures import Future, InvalidStateError
from typing import Any, Final

import msgspec
from msgspec import Struct

REMEMBERED: Final = 16


class Reply(Struct, forbid_unknown_fields=True):
    """What a device answers."""

    reply: str
    payload: Any


_decoder: Final = msgspec.json.Decoder(Reply)


def encode_request(request_id: str, payload: Any) -> bytes:
    """Raises:
    TypeError: JSON has no form for the payload.
    ValueError: it refers to itself, or holds a number that JSON has not.
    """
    return json.dumps({"request": request_id, "payload": payload}, allow_nan=False, separators=(",", ":")).encode()


def parse_reply(data: bytes) -> Reply | None:
    """Return the reply that a message is, or None."""
    try:
        return _decoder.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None


class Requests:
    """Those that one device has not answered yet.

    Args:
        most: how many may be open.
    """

    __slots__ = ("_most", "_open", "_over")

    def __init__(self, most: int) -> None:
        self._most = most
        self._open: dict[str, Future[Any]] = {}
        self._over: deque[str] = deque(maxlen=REMEMBERED)

    @property
    def expects_reply(self) -> bool:
        """Whether a reply may come, be it too late."""
        return bool(self._open or self._over)

    @property
    def is_full(self) -> bool:
        return len(self._open) >= self._most

    def add(self, request_id: str, answer: "Future[Any]") -> None:
        self._open[request_id] = answer

    def forget(self, request_id: str) -> None:
        """Nobody waits for it any more."""
        if self._open.pop(request_id, None) is not None:
            self._over.append(request_id)

    def answer(self, data: bytes) -> bool:
        """Take the reply that a message may be; return whether it is one to a request of ours."""
        reply = parse_reply(data)
        if reply is None:
            return False
        answer = self._open.pop(reply.reply, None)
        if answer is None:
            return reply.reply in self._over
        with contextlib.suppress(InvalidStateError):  # Whoever waits in another thread may give up at this very moment.
            answer.set_result(reply.payload)
        return True

    def end(self, error: Exception) -> None:
        """No reply will come any more."""
        while self._open:
            _, answer = self._open.popitem()
            with contextlib.suppress(InvalidStateError):
                answer.set_exception(error)
