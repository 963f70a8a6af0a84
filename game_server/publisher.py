"""What lets many look at one game: its subscribers, and its numbered events."""

from collections import deque
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Protocol

from gevent.lock import RLock

from game_server import protocol

MAX_EVENTS = 500
"""So many events are kept. A whole game with its begin and end has 46; the rest is players who come and go."""


class Subscriber(Protocol):
    """Whoever wants to know what happens in a game."""

    def event_published(self, event: protocol.GameEvent) -> None:
        """Called by whichever task made it happen, with the game's lock held: must return at once."""


class GamePublisher:
    """Numbers the events of one game, gives each to every subscriber, and keeps them for those who come later.

    Any task may call any method. The lock keeps an event's number, its place among those that are kept and its way to
    the subscribers together: every subscriber hears the same events in the same order, without gaps. With threads it
    would be needed; tasks of gevent switch only where they wait, and nothing here does: no subscriber is waited for,
    so that none that is slow holds up the others (`Peer.send` puts and returns).

    Args:
        lock: one that the same task may take again; by default the publisher has one of its own.
    """

    def __init__(self, lock: AbstractContextManager[object] | None = None) -> None:
        self._lock = lock or RLock()
        self._sequence = 0
        self._events: deque[protocol.GameEvent] = deque(maxlen=MAX_EVENTS)
        self._subscribers: list[Subscriber] = []

    @property
    def sequence(self) -> int:
        """The number of the last event."""
        return self._sequence

    def restore(self, sequence: int, events: Sequence[protocol.GameEvent]) -> None:
        """Go on where another publisher has ended: after event number `sequence`, with the last of its events."""
        with self._lock:
            self._sequence = sequence
            self._events.extend(events)

    def subscribe(self, subscriber: Subscriber) -> None:
        """From the next event on."""
        with self._lock:
            self._subscribers.append(subscriber)

    def unsubscribe(self, subscriber: Subscriber) -> None:
        """No more events, for one that is subscribed."""
        with self._lock:
            self._subscribers.remove(subscriber)

    def publish(self, event: protocol.AnyEvent, now: float) -> None:
        """Args:
        event: what has happened.
        now: Unix time.
        """
        with self._lock:
            self._sequence += 1
            numbered = protocol.GameEvent(sequence=self._sequence, at=now, event=event)
            self._events.append(numbered)
            for subscriber in tuple(self._subscribers):
                subscriber.event_published(numbered)

    @property
    def oldest(self) -> int:
        """The number of the oldest event that is still kept; that of the first one while there is none."""
        with self._lock:
            return self._sequence - len(self._events) + 1

    def events_from(self, sequence: int) -> list[protocol.GameEvent]:
        """All events from a number on, which is at least 1.

        Raises:
            LookupError: some of them are not kept any more.
        """
        with self._lock:
            if sequence < self.oldest:
                raise LookupError(f"events before {self.oldest} are not kept any more")
            return [event for event in self._events if event.sequence >= sequence]
