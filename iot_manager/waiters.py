"""Who waits for what a device says next, from outside of the central task: each with a future of its own.

All of this belongs to the central task; only the futures are shared.
"""

from collections import deque
from concurrent.futures import Future
from typing import Any, NamedTuple


class Incoming(NamedTuple):
    """A message of a device."""

    data: bytes
    held: bool
    """Whether it is the last of what was read together, which stays in flight until it is handled."""


class Diversion:
    """Where a device's messages go while somebody holds its `connection_lock`: to `recv`, and not to `on_message`.

    Attributes:
        messages: those that nobody has received.
        gone: whether no more will come.
        left: whether the device has left meanwhile: then that is to be told after its messages.
    """

    __slots__ = ("_taker", "gone", "left", "messages")

    def __init__(self) -> None:
        self.messages: deque[Incoming] = deque()
        self.gone = False
        self.left = False
        self._taker: Future[bytes | None] | None = None

    def put(self, message: Incoming) -> bool:
        """Give a message to who waits for it, or keep it; return whether it was given."""
        if self._taker is None:
            self.messages.append(message)
            return False
        taker, self._taker = self._taker, None
        taker.set_result(message.data)
        return True

    def take(self, taker: "Future[bytes | None]") -> Incoming | None:
        """Have `taker` get the next message: the one that is returned, or one that comes later, or None at the end."""
        if self.messages:
            message = self.messages.popleft()
            taker.set_result(message.data)
            return message
        if self.gone:
            taker.set_result(None)
        else:
            self._taker = taker
        return None

    def forget(self, taker: "Future[bytes | None]") -> None:
        """It does not wait any more."""
        if self._taker is taker:
            self._taker = None

    def end(self) -> None:
        """No more messages come."""
        self.gone = True
        if self._taker is not None:
            taker, self._taker = self._taker, None
            taker.set_result(None)


class Waiters:
    """Who waits for the answer to a getinfo, or to a heart.

    Attributes:
        info: each gets a `Data`, or an exception.
        beat: each gets True, or an exception.
        instead: what the device said in place of its info.
    """

    __slots__ = ("beat", "info", "instead")

    def __init__(self) -> None:
        self.info: list[Future[Any]] = []
        self.beat: list[Future[Any]] = []
        self.instead = b""

    def end(self, error: Exception) -> None:
        settle(self.info, error)
        settle(self.beat, error)


def settle(futures: "list[Future[Any]]", result: Any) -> None:
    """Give all of them a result, or raise it in them, and forget them."""
    waiting = futures[:]
    futures.clear()
    for future in waiting:
        if future.done():
            continue
        if isinstance(result, Exception):
            future.set_exception(result)
        else:
            future.set_result(result)
