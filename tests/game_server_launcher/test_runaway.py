"""Which processes use too much: scripted figures; and one that really does."""

import os
import signal
from collections.abc import Callable
from typing import Any

import pytest

from game_server_launcher.figures import Figures
from game_server_launcher.gametables import Limits

Make = Callable[..., Any]

TERM = ("signal", "four", int(signal.SIGTERM))


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> list[Figures]:
    """What is measured from now on."""
    figures = [Figures(0.0, 0)]
    monkeypatch.setattr(
        "game_server_launcher.figures.Meter.measure", lambda meter, groups: dict.fromkeys(groups, figures[0])
    )
    return figures


def test_processes_with_too_much_memory_are_ended_as_crashed(
    make_world: Make, chess_with: Make, measured: list[Figures], caplog: pytest.LogCaptureFixture
) -> None:
    world = make_world(chess_with(limits=Limits(rss_bytes=1000)))
    world.ready().disconnects(world.launcher)
    world.runner.take()
    measured[0] = Figures(0.0, 1000)
    world.advance(5)
    assert world.runner.take() == []
    measured[0] = Figures(0.0, 1001)
    world.advance(5)
    assert world.runner.take() == [TERM]
    why = "runaway: its processes have 1001 bytes of memory, more than the 1000 of `limits.rss_bytes`"
    assert (world.state()["state"], world.state()["reason"]) == ("silent", why), "nobody new is sent there"
    world.advance(5)
    assert world.runner.take() == [], "it is being ended already"
    world.process_exited(0)
    assert (world.state()["state"], world.state()["reason"]) == ("waiting to be restarted", why)
    assert f"four: crashed: {why}; restarted in 1 s" in caplog.text


def test_the_mean_use_of_processors_counts(make_world: Make, chess_with: Make, measured: list[Figures]) -> None:
    world = make_world(chess_with(limits=Limits(cpu_percent=80, cpu_seconds=20)))
    world.ready()
    world.runner.take()
    for percent in (0, 100, 100, 100, 0, 90, 60, 100, 60):
        measured[0] = Figures(float(percent), 0)
        world.advance(5)
        assert world.runner.take() == []
    measured[0] = Figures(90.0, 0)
    for _ in range(3):
        world.advance(5)
        assert world.runner.take() == []
    world.advance(5)
    assert world.runner.take() == [TERM]
    assert world.state()["reason"] == (
        "runaway: its processes have used 90 % of a processor for 20 s, more than the 80 % of `limits.cpu_percent`"
    )


def test_another_process_begins_anew(make_world: Make, chess_with: Make, measured: list[Figures]) -> None:
    world = make_world(chess_with(limits=Limits(cpu_percent=80, cpu_seconds=20)))
    world.process_started()
    measured[0] = Figures(100.0, 0)
    world.advance(20)
    world.process_exited(1)
    world.advance(1)
    world.process_started(pid=1001)
    world.runner.take()
    world.advance(15)
    assert world.runner.take() == []


def test_a_server_that_is_starting_can_run_away_too(
    make_world: Make, chess_with: Make, measured: list[Figures]
) -> None:
    world = make_world(chess_with(limits=Limits(rss_bytes=1)))
    world.happens("process_started", "four", 1, os.getpid(), 5.0, 7000, 0, 0, os.getpgrp())
    measured[0] = Figures(0.0, 2)
    world.runner.take()
    world.advance(5)
    assert world.runner.take() == [TERM]
    assert world.state()["state"] == "starting"


def test_without_limits_anything_goes(world: Any, measured: list[Figures]) -> None:
    world.ready()
    world.runner.take()
    measured[0] = Figures(1e9, 2**62)
    for _ in range(100):
        world.advance(5)
    assert world.runner.take() == []
