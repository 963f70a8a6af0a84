"""The queue between all connections and the one central task.

It has the interface of `gevent.queue.Queue`, and two things more. Messages of one peer that arrived together stay
together, as a burst: that is several times cheaper than one by one. And taking messages is counted on their peer, so
that a connection has only so many in flight (`Limits.in_flight_messages`): a peer that floods takes its share of
the queue and no more.
"""

from collections import deque
from collections.abc import Sequence
from typing import Any

from gevent import Timeout
from gevent.queue import Empty, Full

from connhandler.gate import Gate
from connhandler.limits import Limits

Burst = tuple[Any, Sequence[Any]]
"""A peer (None for what the central task sends to itself) and messages of it, oldest first."""


class IncomingQueue:
    """First in, first out. Any number of tasks may put; the central task gets.

    Args:
        maxsize: so many messages, and `put` waits until half of them are taken (waking thousands of waiting
            readers for each free place would cost more than the messages). None or 0 for no bound.
    """

    def __init__(self, maxsize: int | None = Limits().incoming_queue_messages) -> None:
        self.maxsize = maxsize or None
        self._bound = self.maxsize or float("inf")
        self._bursts: deque[Burst] = deque()
        self._size = 0
        self._not_empty = Gate()
        self._not_full = Gate()

    def qsize(self) -> int:
        """How many messages wait."""
        return self._size

    def empty(self) -> bool:
        return not self._bursts

    def full(self) -> bool:
        return self._size >= self._bound

    def put(self, message: Any, block: bool = True, timeout: float | None = None) -> None:
        """Add a message, waiting for room while the queue is full.

        Raises:
            gevent.queue.Full: there was no room, and `block` is false or `timeout` seconds have passed.
        """
        self.put_burst(getattr(message, "peer", None), (message,), block, timeout)

    def put_nowait(self, message: Any) -> None:
        self.put(message, block=False)

    def put_burst(self, peer: Any, messages: Sequence[Any], block: bool = True, timeout: float | None = None) -> None:
        """Add messages of one peer together, waiting while the queue is full.

        A burst is put whole when there is room for its first message, so the bound can be passed by the length of
        one burst, which `Limits.in_flight_messages` bounds.

        Raises:
            gevent.queue.Full: as for `put`.
        """
        if self._size >= self._bound:
            self._wait_for_room(block, timeout)
        self.put_over_bound(peer, messages)

    def put_over_bound(self, peer: Any, messages: Sequence[Any]) -> None:
        """Add messages without ever waiting: for what the central task sends to itself, and for last messages."""
        if peer is not None:
            peer._in_flight += len(messages)
        self._bursts.append((peer, messages))
        self._size += len(messages)
        if self._not_empty.waiters:
            self._not_empty.open()

    def get(self, block: bool = True, timeout: float | None = None) -> Any:
        """Take the oldest message, waiting for one while the queue is empty.

        Raises:
            gevent.queue.Empty: there was none, and `block` is false or `timeout` seconds have passed.
        """
        if not self._bursts:
            self._wait_for_message(block, timeout)
        peer, messages = self._bursts[0]
        if len(messages) > 1:
            self._bursts[0] = (peer, messages[1:])
        else:
            self._bursts.popleft()
        self._taken(peer, 1)
        return messages[0]

    def get_nowait(self) -> Any:
        return self.get(block=False)

    def get_burst(self) -> Burst:
        """Take the oldest messages that one peer put together, waiting while the queue is empty."""
        while not self._bursts:
            self._not_empty.wait()
        burst = self._bursts.popleft()
        self._taken(burst[0], len(burst[1]))
        return burst

    def put_back(self, peer: Any, messages: Sequence[Any]) -> None:
        """Put back, in front of everything, what `get_burst` gave and nobody handled."""
        if peer is not None:
            peer._in_flight += len(messages)
        self._bursts.appendleft((peer, messages))
        self._size += len(messages)

    def _taken(self, peer: Any, count: int) -> None:
        self._size -= count
        if peer is not None:
            peer._in_flight -= count
            if peer._room.waiters:
                peer._room.open()
        if self._not_full.waiters and self._size <= self._bound // 2:
            self._not_full.open()

    def _wait_for_message(self, block: bool, timeout: float | None) -> None:
        if not block:
            raise Empty
        with Timeout(timeout, Empty):
            while not self._bursts:
                self._not_empty.wait()

    def _wait_for_room(self, block: bool, timeout: float | None) -> None:
        if not block:
            raise Full
        with Timeout(timeout, Full):
            while self._size >= self._bound:
                self._not_full.wait()
