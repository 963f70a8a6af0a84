"""What lets many look at one game: its subscribers, and its numbered events."""

from collections import deque
from typing import Protocol

from game_server import protocol

MAX_EVENTS = 500
"""So many events are kept. A whole game with its begin and end has 46; the rest is players who come and go."""


class Subscriber(Protocol):
    """Whoever wants to know what happens in a game."""

    def event_published(self, event: protocol.GameEvent) -> None: ...


class GamePublisher:
    """Numbers the events of one game, gives each to every subscriber, and keeps them for those who come later.

    Called by the central task only. It never waits for a subscriber: `event_published` must return at once.
    """

    def __init__(self) -> None:
        self.sequence = 0
        """The number of the last event."""
        self._events: deque[protocol.GameEvent] = deque(maxlen=MAX_EVENTS)
        self._subscribers: list[Subscriber] = []

    def subscribe(self, subscriber: Subscriber) -> None:
        """From the next event on."""
        self._subscribers.append(subscriber)

    def unsubscribe(self, subscriber: Subscriber) -> None:
        self._subscribers.remove(subscriber)

    def publish(self, event: protocol.AnyEvent, now: float) -> None:
        """Args:
        event: what has happened.
        now: Unix time.
        """
        self.sequence += 1
        numbered = protocol.GameEvent(sequence=self.sequence, at=now, event=event)
        self._events.append(numbered)
        for subscriber in tuple(self._subscribers):
            subscriber.event_published(numbered)

    @property
    def oldest(self) -> int:
        """The number of the oldest event that is still kept; that of the first one while there is none."""
        return self.sequence - len(self._events) + 1

    def events_from(self, sequence: int) -> list[protocol.GameEvent]:
        """All events from a number on, which is at least 1.

        Raises:
            LookupError: some of them are not kept any more.
        """
        if sequence < self.oldest:
            raise LookupError(f"events before {self.oldest} are not kept any more")
        return [event for event in self._events if event.sequence >= sequence]
