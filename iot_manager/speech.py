"""What the manager says to devices, in their dialect.

The raw dialect has no boundaries: a device that compares what it received with a command does not know it any more when
something else stands before or after it. So commands of the manager, and commands that were queued, are kept apart in
time from what is sent before and after them. What the program sends at once goes out at once.
"""

from collections import deque
from collections.abc import Callable

from connhandler import CentralTask
from iot_manager.devicehandler import DevicePeer
from iot_manager.limits import MAX_MESSAGE_BYTES, Limits


class Speech:
    """Args:
    central: whose timers it uses.
    limits: how far apart, and how much may wait.
    clock: in seconds; one that nobody sets.
    """

    def __init__(self, central: CentralTask, limits: Limits, clock: Callable[[], float]) -> None:
        self._central = central
        self._gap = limits.raw_gap_seconds
        self._most_bytes = limits.outgoing_hard_bytes
        self._longest = min(limits.outgoing_hard_bytes, MAX_MESSAGE_BYTES)
        self._clock = clock

    def say(self, peer: DevicePeer, data: bytes, apart: bool = False) -> bool:
        """Send a message; return whether there was room for it.

        Args:
            peer: whose dialect is known.
            data: the message.
            apart: whether it must not stand together with others.

        Raises:
            ValueError: the dialect cannot express it.
        """
        dialect = peer.dialect
        assert dialect is not None
        if len(data) > self._longest:
            raise ValueError(f"a message of {len(data)} bytes, where {self._longest} are the most")
        framed = dialect.frame(data)
        if dialect.name == "framed" or not self._gap:
            peer.send(framed)
            return True
        wait = 0.0 if peer.waiting else self._wait(peer, apart)
        if not peer.waiting and wait <= 0:
            self._send(peer, framed, apart)
            return True
        if peer.waiting_bytes + len(framed) > self._most_bytes:
            return False
        if peer.waiting is None:
            peer.waiting = deque()
            self._central.call_later(wait, self._go_on, peer)
        peer.waiting.append((framed, apart))
        peer.waiting_bytes += len(framed)
        return True

    def flush(self, peer: DevicePeer) -> None:
        """Send all that waits, now: nothing comes after it."""
        waiting, peer.waiting, peer.waiting_bytes = peer.waiting, None, 0
        for framed, _ in waiting or ():
            peer.send(framed)

    def _wait(self, peer: DevicePeer, apart: bool) -> float:
        """How long it must be until the next message."""
        since = peer.spoken_at if apart else peer.commanded_at
        return since + self._gap - self._clock()

    def _go_on(self, peer: DevicePeer) -> None:
        while peer.waiting:
            framed, apart = peer.waiting[0]
            wait = self._wait(peer, apart)
            if wait > 0:
                self._central.call_later(wait, self._go_on, peer)
                return
            peer.waiting.popleft()
            peer.waiting_bytes -= len(framed)
            self._send(peer, framed, apart)
        peer.waiting = None

    def _send(self, peer: DevicePeer, framed: bytes, apart: bool) -> None:
        peer.send(framed)
        peer.spoken_at = self._clock()
        if apart:
            peer.commanded_at = peer.spoken_at
