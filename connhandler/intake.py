"""From a reader to the incoming queue: decode what arrived, and hold the reader back where the queue must.

    socket → Reader.receive (Framing) → [ Reader.decode → incoming queue ] → CentralTask.handle

Called by the connection's own task only, which waits here when its peer has as much in flight as it may.
"""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import gevent

from connhandler import tasks
from connhandler.incomingqueue import IncomingQueue
from connhandler.limits import Limits
from connhandler.messages import PeerConnected

if TYPE_CHECKING:
    from connhandler.connection import ConnectionReader, Peer
    from connhandler.handler import MessageQueue


class Intake:
    """What one connection puts into the queue.

    Args:
        reader: decodes.
        peer: whose messages they are.
        queue: where they go.
        limits: how many of them may be in the queue at a time.

    Attributes:
        announced: whether `PeerConnected` was put.
        held: whether this side is not reading because of the queue; the far end's silence is then no fault of its.
    """

    __slots__ = ("_bytes_in_flight", "_hurried", "_limits", "_peer", "_queue", "_reader", "announced", "held")

    def __init__(self, reader: "ConnectionReader", peer: "Peer", queue: "MessageQueue", limits: Limits) -> None:
        self.announced = False
        self.held = False
        self._reader = reader
        self._peer = peer
        self._queue = queue
        self._limits = limits
        self._bytes_in_flight = 0
        self._hurried = False

    def announce(self) -> None:
        """Put the first message.

        A connection that ends while it waits for room here was never announced, so it gets no last message either.
        """
        self.held = True
        self._queue.put(PeerConnected(self._peer))
        self.held = False
        self.announced = True

    def take(self, burst: Sequence[bytes]) -> None:
        """Decode and put messages; what comes before one that cannot be decoded is put all the same.

        Raises:
            Exception: whatever `ConnectionReader.decode` raises.
        """
        for part in self._parts(burst):
            self._take_part(part)

    def wait_until_taken(self, seconds: float) -> None:
        """Wait until the central task has taken every message, so that its replies can still go out."""
        with tasks.wait_at_most(seconds):
            while self._peer._in_flight and not self._hurried:
                self._wait_for_room()

    def hurry(self) -> None:
        """Wait for the central task no more."""
        self._hurried = True
        self._peer._room.open()

    def _parts(self, burst: Sequence[bytes]) -> Iterator[Sequence[bytes]]:
        """Cut a burst into parts that may be in flight together, of one message at least."""
        limits = self._limits
        if len(burst) <= limits.in_flight_messages and sum(map(len, burst)) <= limits.in_flight_bytes:
            yield burst
            return
        start = size = 0
        for position, data in enumerate(burst):
            count = position - start
            if count and (count == limits.in_flight_messages or size + len(data) > limits.in_flight_bytes):
                yield burst[start:position]
                start, size = position, 0
            size += len(data)
        yield burst[start:]

    def _take_part(self, part: Sequence[bytes]) -> None:
        decode, peer = self._reader.decode, self._peer
        messages = []
        try:
            for data in part:
                message = decode(data)
                if message is not None:
                    message.peer = peer
                    messages.append(message)
        finally:
            if messages:
                self._put(messages, sum(map(len, part)))
        if not messages:
            tasks.let_the_loop_turn()  # Nothing holds this task back here: it must not hold the hub.

    def _put(self, messages: Sequence[Any], size: int) -> None:
        peer, limits, queue = self._peer, self._limits, self._queue
        if not isinstance(queue, IncomingQueue):
            for message in messages:
                queue.put(message)
            gevent.sleep(0)  # Nobody tells when they are taken: this task must not hold the hub.
            return
        while peer._in_flight and (
            peer._in_flight + len(messages) > limits.in_flight_messages
            or self._bytes_in_flight + size > limits.in_flight_bytes
        ):
            self._wait_for_room()
        self._bytes_in_flight = self._bytes_in_flight + size if peer._in_flight else size
        self.held = queue.full()
        queue.put_burst(peer, messages)
        self.held = False

    def _wait_for_room(self) -> None:
        self.held = True
        self._peer._room.wait()
        self.held = False
