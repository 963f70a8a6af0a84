"""Asks every device now and then whether it is there. One timer does it for all of them.

A device is asked when `rate` seconds have passed since it was accepted, or answered last; from then on it has `timeout`
seconds to answer. So one that falls silent is noticed within rate + timeout, and a tick or two of the timer. Whatever
else it says meanwhile is no answer: the seed document asks for `beat`.
"""

from collections.abc import Callable
from typing import Final, Protocol

from connhandler import CentralTask
from iot_manager.devicehandler import DevicePeer

TICK_SECONDS: Final = 0.25
ASKED_AT_ONCE: Final = 100
"""Then the central task does what else there is."""


class Owner(Protocol):
    """What is asked of the manager's central task."""

    def ask_for_beat(self, peer: DevicePeer) -> None: ...

    def heartbeat_missed(self, peer: DevicePeer, seconds: float) -> None: ...


class Heartbeats:
    """Args:
        central: whose timers it uses.
        owner: who asks devices, and what becomes of one that does not answer.
        clock: in seconds; one that nobody sets.
        rate: seconds from one answer to the next question; it may be set at any time.
        timeout: seconds to answer.

    Raises:
        ValueError: one of the two is not more than 0.
    """

    def __init__(
        self, central: CentralTask, owner: Owner, clock: Callable[[], float], rate: float, timeout: float
    ) -> None:
        self.rate = rate
        self._timeout = timeout
        self._central = central
        self._owner = owner
        self._clock = clock
        # Oldest first, each with the time since when it stands there.
        self._resting: dict[DevicePeer, float] = {}
        self._asked: dict[DevicePeer, float] = {}

    def start(self) -> None:
        self._central.call_later(TICK_SECONDS, self._tick)

    def watch(self, peer: DevicePeer) -> None:
        """Ask this device from now on."""
        self._resting[peer] = self._clock()

    def forget(self, peer: DevicePeer) -> None:
        self._resting.pop(peer, None)
        self._asked.pop(peer, None)

    def beat(self, peer: DevicePeer) -> None:
        """A device has answered, or said so without being asked."""
        if self._asked.pop(peer, None) is not None:
            self._resting[peer] = self._clock()

    def _tick(self) -> None:
        self._drop_silent()
        self._ask()
        self._central.call_later(TICK_SECONDS, self._tick)

    def _ask(self) -> None:
        now = self._clock()
        asked = 0
        while self._resting:
            peer, since = next(iter(self._resting.items()))
            if now < since + self.rate:
                return
            if asked == ASKED_AT_ONCE:
                self._central.post(self._ask)
                return
            asked += 1
            del self._resting[peer]
            self._asked[peer] = now
            self._owner.ask_for_beat(peer)

    def _drop_silent(self) -> None:
        now = self._clock()
        dropped = 0
        while self._asked:
            peer, since = next(iter(self._asked.items()))
            if now < since + self._timeout:
                return
            if dropped == ASKED_AT_ONCE:
                self._central.post(self._drop_silent)
                return
            dropped += 1
            del self._asked[peer]
            if peer.held_back:  # Its beat may have come, but we do not read: it has its time once more.
                self._asked[peer] = now
            else:
                self._owner.heartbeat_missed(peer, self._timeout)
