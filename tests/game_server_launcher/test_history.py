"""What is kept of the last minutes, and for how long."""

from typing import Any

import pytest

from game_server_launcher.events import Event, record
from game_server_launcher.history import MAX_CHANGES, MAX_SAMPLES, History, Sample
from game_server_launcher.servers import Role, State
from tests.game_server_launcher.conftest import World

SECONDS = 5.0
NOBODY = 99_999_999
"""No process has this number."""


@pytest.fixture
def history(world: World) -> History:
    history = History(world.launcher, lambda: world.launcher.overview.current, SECONDS)
    history.start()
    return history


def server_of(world: World) -> Any:
    return world.launcher.servers["four"]


def test_samples_are_taken_and_the_oldest_forgotten(world: World, history: History) -> None:
    server = server_of(world)
    world.advance(SECONDS)
    server.pid, server.group, server.cpu_percent, server.rss_bytes = NOBODY, NOBODY, 12.5, 4096
    for _ in range(3):
        world.advance(SECONDS)
    began = world.clock.now - 3 * SECONDS
    assert history.samples(server, 0) == [
        Sample(began, None, None),
        *(Sample(began + number * SECONDS, 12.5, 4096) for number in (1, 2, 3)),
    ]
    assert len(history.samples(server, began + SECONDS)) == 2
    for _ in range(MAX_SAMPLES + 5):
        world.advance(SECONDS)
    assert len(history.samples(server, 0)) == MAX_SAMPLES


def test_a_process_that_was_not_measured_yet_has_used_nothing_known(world: World, history: History) -> None:
    server_of(world).pid = server_of(world).group = NOBODY
    world.advance(SECONDS)
    assert history.samples(server_of(world), 0) == [Sample(world.clock.now, None, None)]


def test_changes_of_state_and_events_stand_in_order(world: World, history: History) -> None:
    server = server_of(world)
    history.server_changed(server)
    history.server_changed(server)
    record(server.events, world.clock.now + 1, "anna joined")
    world.advance(2)
    server.state, server.reason = State.WAITING, "ended by signal KILL"
    world.launcher.post(history.server_changed, server)
    world.settle()
    now = world.clock.now
    assert history.events(server, 0) == [
        Event(now - 2, "starting"),
        Event(now - 1, "anna joined"),
        Event(now, "waiting to be restarted: ended by signal KILL"),
    ]
    assert history.events(server, now - 1) == [Event(now, "waiting to be restarted: ended by signal KILL")]
    for number in range(MAX_CHANGES + 5):
        server.state = (State.READY, State.AWAY)[number % 2]
        history.server_changed(server)
    assert len(history.events(server, 0)) == MAX_CHANGES + 1


def test_only_servers_that_others_know_have_a_past(world: World, history: History) -> None:
    server = server_of(world)
    server.role = Role.SUCCESSOR
    history.server_changed(server)
    assert history.events(server, 0) == []


def test_the_past_of_a_server_that_is_gone_is_forgotten(world: World, history: History) -> None:
    server = server_of(world)
    world.advance(SECONDS)
    del world.launcher.servers["four"]
    world.advance(SECONDS)
    assert history.samples(server, 0) == []
