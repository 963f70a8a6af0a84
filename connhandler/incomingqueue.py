"""The queue between all connections and the one central task.

It has the interface of `gevent.queue.Queue`, and one thing more: taking a message tells the connection that it
came from, so that a connection has only so many messages in flight (`Limits.in_flight_messages`) and a peer
that floods takes its share of the queue and no more.
"""

from collections import deque
from typing import Any

from gevent import Timeout
from gevent.event import Event
from gevent.queue import Empty, Full

from connhandler.limits import Limits


class IncomingQueue:
    """First in, first out. Any number of tasks may put; the central task gets.

    Args:
        maxsize: so many messages, and `put` waits until half of them are taken (waking thousands of waiting
            readers for each free place would cost more than the messages). None or 0 for no bound.
    """

    def __init__(self, maxsize: int | None = Limits().incoming_queue_messages) -> None:
        self.maxsize = maxsize or None
        self._bound = self.maxsize or float("inf")
        self._messages: deque[Any] = deque()
        self._not_empty = Event()
        self._not_full = Event()
        self._getters = 0
        self._putters = 0

    def qsize(self) -> int:
        return len(self._messages)

    def empty(self) -> bool:
        return not self._messages

    def full(self) -> bool:
        return len(self._messages) >= self._bound

    def put(self, message: Any, block: bool = True, timeout: float | None = None) -> None:
        """Add a message, waiting for room while the queue is full.

        Raises:
            gevent.queue.Full: there was no room, and `block` is false or `timeout` seconds have passed.
        """
        if len(self._messages) >= self._bound:
            self._wait_for_room(block, timeout)
        self._messages.append(message)
        if self._getters:
            self._not_empty.set()

    def put_nowait(self, message: Any) -> None:
        self.put(message, block=False)

    def put_over_bound(self, message: Any) -> None:
        """Add a message without ever waiting: for what the central task sends to itself, such as timers."""
        self._messages.append(message)
        if self._getters:
            self._not_empty.set()

    def get(self, block: bool = True, timeout: float | None = None) -> Any:
        """Take the oldest message, waiting for one while the queue is empty.

        Raises:
            gevent.queue.Empty: there was none, and `block` is false or `timeout` seconds have passed.
        """
        if not self._messages:
            self._wait_for_message(block, timeout)
        message = self._messages.popleft()
        peer = getattr(message, "peer", None)
        if peer is not None:
            peer.message_taken()
        if self._putters and len(self._messages) <= self._bound // 2:
            self._not_full.set()
        return message

    def get_nowait(self) -> Any:
        return self.get(block=False)

    def _wait_for_message(self, block: bool, timeout: float | None) -> None:
        if not block:
            raise Empty
        self._getters += 1
        try:
            with Timeout(timeout, Empty):
                while not self._messages:
                    self._not_empty.clear()
                    self._not_empty.wait()
        finally:
            self._getters -= 1

    def _wait_for_room(self, block: bool, timeout: float | None) -> None:
        if not block:
            raise Full
        self._putters += 1
        try:
            with Timeout(timeout, Full):
                while len(self._messages) >= self._bound:
                    self._not_full.clear()
                    self._not_full.wait()
        finally:
            self._putters -= 1
