"""Numbered events for whoever subscribes, and for those who come later."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from game_server.model import PieceDropped
from game_server.protocol import GameEvent, PlayerReturned
from game_server.publisher import MAX_EVENTS, GamePublisher


class Notebook:
    def __init__(self) -> None:
        self.events: list[GameEvent] = []

    def event_published(self, event: GameEvent) -> None:
        self.events.append(event)


def publish(publisher: GamePublisher, count: int) -> None:
    for _ in range(count):
        publisher.publish(PlayerReturned(player="alice"), 5.0)


def test_every_subscriber_hears_every_event_from_its_subscription_on() -> None:
    publisher = GamePublisher()
    first, second = Notebook(), Notebook()
    publisher.subscribe(first)
    publish(publisher, 1)
    publisher.subscribe(second)
    dropped = PieceDropped(player="bob", column=1, row=0, next_player="alice")
    publisher.publish(dropped, 7.0)
    publisher.unsubscribe(first)
    publish(publisher, 1)
    assert [event.sequence for event in first.events] == [1, 2]
    assert [event.sequence for event in second.events] == [2, 3]
    assert first.events[1] == second.events[0] == GameEvent(sequence=2, at=7.0, event=dropped)


def test_a_subscriber_may_leave_while_it_is_told() -> None:
    publisher = GamePublisher()
    after = Notebook()

    class Leaving(Notebook):
        def event_published(self, event: GameEvent) -> None:
            super().event_published(event)
            publisher.unsubscribe(self)

    leaving = Leaving()
    publisher.subscribe(leaving)
    publisher.subscribe(after)
    publish(publisher, 3)
    assert [len(notebook.events) for notebook in (leaving, after)] == [1, 3]


@given(count=st.integers(0, MAX_EVENTS + 100), sequence=st.integers(1, MAX_EVENTS + 200))
def test_events_can_be_had_from_any_number_on_that_is_kept(count: int, sequence: int) -> None:
    publisher = GamePublisher()
    publish(publisher, count)
    assert publisher.oldest == max(1, count - MAX_EVENTS + 1)
    if sequence < publisher.oldest:
        with pytest.raises(LookupError):
            publisher.events_from(sequence)
    else:
        kept = publisher.events_from(sequence)
        assert [event.sequence for event in kept] == list(range(sequence, count + 1))


def test_the_lock_is_held_while_subscribers_are_told() -> None:
    class Lock:
        held = 0

        def __enter__(self) -> None:
            self.held += 1

        def __exit__(self, *exception: Any) -> None:
            self.held -= 1

    lock = Lock()
    publisher = GamePublisher(lock)
    held: list[int] = []

    class Witness:
        def event_published(self, event: GameEvent) -> None:
            held.append(lock.held)

    publisher.subscribe(Witness())
    publish(publisher, 2)
    assert held == [1, 1]
    assert lock.held == 0
