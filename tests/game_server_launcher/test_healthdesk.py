"""Games that hang: told from those where nothing happens, ended if their file says so."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import psutil
import pytest

from connhandler.jsonmessage import Ping, Pong
from game_server_launcher import gameconsolehandler as console
from game_server_launcher.gametables import Console, Health
from game_server_launcher.protocol import PlayerCountChanged
from tests.game_server_launcher.consoles import connect, log_in

Make = Callable[..., Any]

TERM = ("signal", "four", int(signal.SIGTERM))


@pytest.fixture
def world(make_world: Make, chess_with: Make) -> Any:
    return make_world(chess_with(health=Health()))


def pass_time(world: Any, seconds: int) -> None:
    for _ in range(seconds):
        world.advance(1)


def test_an_empty_server_does_not_hang(world: Any) -> None:
    """It is asked, and answers."""
    controller = world.ready()
    controller.take()
    for _ in range(5):
        pass_time(world, 31)
        assert controller.take() == [Ping()]
        controller.receives(world.launcher, Pong())
    pass_time(world, 29)
    assert controller.take() == []
    assert (world.state()["state"], world.state()["players"]) == ("ready", 0)


def test_a_game_that_does_not_answer_takes_nobody_new_until_it_does(world: Any) -> None:
    controller = world.ready()
    pass_time(world, 61)
    assert world.state()["state"] == "silent"
    assert world.state()["reason"] == "hung: its controller has not answered for 60 s"
    world.runner.take()
    pass_time(world, 1000)
    assert world.runner.take() == [], "its matches may go on"
    controller.receives(world.launcher, PlayerCountChanged(players=1))
    assert (world.state()["state"], world.state()["reason"]) == ("ready", "")
    pass_time(world, 31)
    assert world.state()["state"] == "ready"


def test_a_launcher_that_was_held_up_asks_first(world: Any) -> None:
    controller = world.ready()
    controller.take()
    world.advance(1000)
    assert controller.take() == [Ping()]
    assert world.state()["state"] == "ready"


def test_a_game_that_hangs_is_restarted_if_its_file_says_so(
    make_world: Make, chess_with: Make, caplog: pytest.LogCaptureFixture
) -> None:
    world = make_world(chess_with(health=Health(silent_seconds=4, restart_hung=True, hung_seconds=10)))
    controller = world.ready()
    world.runner.take()
    pass_time(world, 14)
    assert world.runner.take() == []
    pass_time(world, 2)
    assert world.runner.take() == [TERM]
    controller.receives(world.launcher, PlayerCountChanged(players=1))
    assert world.state()["state"] == "silent", "too late"
    controller.disconnects(world.launcher)
    world.process_exited(-9)
    why = "hung: its controller has not answered for 4 s"
    assert (world.state()["state"], world.state()["reason"]) == ("waiting to be restarted", why)
    assert f"four: crashed: {why}; restarted in 1 s" in caplog.text


def test_a_game_whose_controller_is_away_for_long_is_restarted_too(make_world: Make, chess_with: Make) -> None:
    world = make_world(chess_with(health=Health(restart_hung=True, hung_seconds=30)))
    world.ready().disconnects(world.launcher)
    world.runner.take()
    pass_time(world, 39)
    assert world.runner.take() == []
    pass_time(world, 3)
    assert world.runner.take() == [TERM]
    assert world.state()["reason"] == "hung: its controller is away"


def test_a_process_that_is_stopped_is_named_so(make_world: Make, chess_with: Make) -> None:
    child = subprocess.Popen([sys.executable, "-I", "-S", "-c", "input()"], stdin=subprocess.PIPE)
    try:
        os.kill(child.pid, signal.SIGSTOP)
        while psutil.Process(child.pid).status() != psutil.STATUS_STOPPED:
            pass
        world = make_world(chess_with(health=Health(silent_seconds=6)))
        world.ready(pid=child.pid)
        pass_time(world, 7)
        assert world.state()["reason"] == "hung: its controller has not answered for 6 s; its process is stopped"
    finally:
        child.kill()
        child.communicate()


def test_a_console_is_asked(make_world: Make, chess_with: Make) -> None:
    world = make_world(chess_with(console=Console("econ"), health=Health(silent_seconds=6)))
    peer = connect(world)
    log_in(world, peer)
    peer.take()
    pass_time(world, 4)
    assert peer.take() == [console.ShowMap()]
    peer.receives(world.launcher, console.ValueShown("dm1"))
    pass_time(world, 5)
    assert world.state()["state"] == "ready"
    pass_time(world, 3)
    assert world.state()["reason"] == "hung: its console has not answered for 6 s"
