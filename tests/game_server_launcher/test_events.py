"""What is kept of what happened."""

from game_server_launcher.events import MAX_EVENTS, MAX_TEXT, Event, record


def test_the_last_ones_are_kept() -> None:
    events: list[Event] = []
    for number in range(MAX_EVENTS + 2):
        record(events, float(number), f"event {number}")
    assert len(events) == MAX_EVENTS
    assert (events[0], events[-1].text) == (Event(2.0, "event 2"), f"event {MAX_EVENTS + 1}")


def test_what_players_write_is_one_line_that_can_be_shown() -> None:
    events: list[Event] = []
    record(events, 0.0, "\x1b[31mred\nline\0 ä")
    record(events, 0.0, "x" * 1000)
    assert events[0].text == " [31mred line  ä"
    assert len(events[1].text) == MAX_TEXT
