"""The control socket: what is said on it, scripted and on a real one."""

import os
import socket
import stat
from collections.abc import Iterator
from pathlib import Path

import gevent
import pytest

from connhandler import IncomingQueue, ProtocolError
from connhandler.jsonmessage import Hello, Pong, Refused, Welcome
from connhandler.testing import FakeConnection, check_leaks
from game_server_launcher import control
from game_server_launcher.controlhandler import MAX_PATH_BYTES, ControlHandler, OperatorPeer, socket_path
from tests.game_server_launcher.conftest import World

Operator = FakeConnection[OperatorPeer]


@pytest.fixture
def operator(world: World) -> Operator:
    fake = FakeConnection(OperatorPeer())
    fake.connected(world.launcher)
    fake.receives(world.launcher, Hello(versions=[1]))
    assert fake.take() == [Welcome(version=1, program="game-server-launcher")]
    return fake


def test_the_status_shows_launcher_and_servers(world: World, operator: Operator) -> None:
    world.ready(pid=1234)
    world.login_server()
    server = world.launcher.servers["four"]
    server.cpu_percent, server.rss_bytes, server.players = 12.5, 1024, 1
    world.advance(3)
    operator.receives(world.launcher, control.ShowStatus(), Pong())
    ((status),) = [message.launcher for message in operator.take()]
    assert (status.name, status.login_server, status.results_waiting) == ("home", "connected", 0)
    assert (status.pid, status.at) == (os.getpid(), world.clock.now)
    (four,) = status.servers
    assert (four.name, four.state, four.pid, four.port) == ("four", "ready", 1234, 7000)
    assert (four.players, four.capacity) == (1, 10)
    assert (four.cpu_percent, four.rss_bytes, status.at - four.started_at) == (12.5, 1024, 3)


def test_an_order_is_answered_when_it_is_done(world: World, operator: Operator) -> None:
    controller = world.ready()
    operator.receives(world.launcher, control.Stop("four"))
    assert operator.take() == []
    controller.disconnects(world.launcher)
    world.process_exited(0)
    world.advance(0.2)
    assert operator.take() == [control.Done(True, "four: stopped after 0.2 s (ended with exit status 0)")]
    operator.receives(world.launcher, control.Say("four", "hello"))
    assert operator.take() == [Refused("not_possible", "four is stopped: nobody is there", "say")]
    assert operator.failure is None


def test_game_files_are_read_anew(world: World, operator: Operator) -> None:
    operator.receives(world.launcher, control.Reload())
    world.settle()
    assert operator.take() == [control.Done(True, "nothing has changed in the game files")]


def test_an_operator_who_is_gone_is_no_trouble(world: World, operator: Operator) -> None:
    controller = world.ready()
    operator.receives(world.launcher, control.Restart("four"))
    operator.disconnects(world.launcher)
    controller.disconnects(world.launcher)
    world.process_exited(0)
    world.ready()
    world.advance(1)
    assert world.state()["state"] == "ready"


@pytest.mark.parametrize("message", [control.ShowStatus(), control.Restart("four")])
def test_a_connection_begins_with_hello(world: World, message: control.Order | control.ShowStatus) -> None:
    fake = FakeConnection(OperatorPeer())
    fake.connected(world.launcher)
    fake.receives(world.launcher, message)
    assert isinstance(fake.failure, ProtocolError)


def test_another_version_is_refused(world: World) -> None:
    fake = FakeConnection(OperatorPeer())
    fake.connected(world.launcher)
    fake.receives(world.launcher, Hello(versions=[9]))
    assert [message.code for message in fake.take()] == ["incompatible_version"]
    assert fake.disconnected


# --- the socket ------------------------------------------------------------------------------------


@pytest.fixture(params=["short", "long"])
def folder(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Path]:
    folder = tmp_path / ("run" if request.param == "short" else "r" * MAX_PATH_BYTES)
    folder.mkdir()
    with check_leaks():
        yield folder


def test_the_socket_is_this_users_alone_however_long_its_path(folder: Path) -> None:
    handler = ControlHandler("operators", folder, IncomingQueue())
    handler.listen()
    assert stat.S_IMODE((folder / "launcher.control").stat().st_mode) == 0o600
    with gevent.socket.socket(socket.AF_UNIX) as client:
        client.connect(socket_path(folder))
    handler.stop(0)
    assert not (folder / "launcher.control").exists()


def test_the_socket_of_a_launcher_that_was_killed_is_replaced(folder: Path) -> None:
    with socket.socket(socket.AF_UNIX) as abandoned:
        abandoned.bind(socket_path(folder))
    handler = ControlHandler("operators", folder, IncomingQueue())
    handler.listen()
    handler.stop(0)
