"""A launcher for scripted conversations: real state, files and journal; no sockets and no processes."""

import json
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from connhandler import WorkerPool
from connhandler.jsonmessage import Hello, Welcome
from connhandler.testing import FakeConnection, ManualClock, run_queue, run_timers, run_work
from game_server_launcher.gamecontrollerhandler import ControllerPeer
from game_server_launcher.gamefile import GameFile
from game_server_launcher.gametables import Health
from game_server_launcher.launcher import Launcher
from game_server_launcher.loginserverhandler import LoginServerPeer
from game_server_launcher.protocol import (
    ControllerAccepted,
    ControllerLogIn,
    ServerReady,
)
from game_server_launcher.runfolder import RunFolder
from game_server_launcher.runs import Found, ProcessEvents, Run
from game_server_launcher.statusquery import StatusEvents
from login_server.protocol import LauncherAccepted, LauncherLogIn
from tests.game_server_launcher.place import Place

PID = 1000


class FakeRunner:
    """Keeps what it was asked; the test says what becomes of processes.

    Attributes:
        asked: what was asked since the last `take`, such as `("start", "four", 1)`.
        runs: the latest run of each server.
        refuses_input: whether `write_input` fails.
    """

    def __init__(self) -> None:
        self.asked: list[tuple[Any, ...]] = []
        self.runs: dict[str, Run] = {}
        self.found: dict[str, Found] = {}
        self.refuses_input = False

    def report_to(self, post: Callable[..., None], events: ProcessEvents) -> None:
        self._post = post
        self._events = events

    def tell(self, event: str, *args: Any) -> None:
        """Tell the launcher what has happened to a process, such as `"process_ready"`."""
        self._post(getattr(self._events, event), *args)

    def start(self, run: Run) -> None:
        self.runs[run.server] = run
        self.asked.append(("start", run.server, run.number))

    def adopt(self, run: Run, found: Found) -> None:
        self.runs[run.server] = run
        self.found[run.server] = found
        self.asked.append(("adopt", run.server, found.pid))

    def signal(self, server: str, number: int) -> None:
        self.asked.append(("signal", server, int(number)))

    def write_input(self, server: str, text: str) -> None:
        if self.refuses_input:
            raise BrokenPipeError("nobody reads")
        self.asked.append(("input", server, text))

    def run_command(self, run: Run, command: list[str], port: int, seconds: float) -> None:
        self.asked.append(("command", run.server, command, port, seconds))

    def take(self) -> list[tuple[Any, ...]]:
        asked, self.asked = self.asked, []
        return asked


class FakeConsoles:
    """Keeps which consoles are to be connected: by server, the number of the run and the port."""

    def __init__(self) -> None:
        self.opened: dict[str, tuple[int, int]] = {}

    def open(self, server: str, run: int, port: int) -> None:
        self.opened[server] = (run, port)

    def close(self, server: str) -> None:
        self.opened.pop(server, None)


class FakeQueries:
    """Keeps which processes are asked about themselves: by server, the number of the run and the port."""

    def __init__(self) -> None:
        self.opened: dict[str, tuple[int, int]] = {}

    def report_to(self, post: Callable[..., None], events: StatusEvents) -> None:
        self._post = post
        self._events = events

    def open(self, server: str, run: int, game: GameFile, port: int) -> None:
        self.opened[server] = (run, port)

    def close(self, server: str) -> None:
        self.opened.pop(server, None)

    def tell(self, event: str, *args: Any) -> None:
        """Tell the launcher `"answered"` or `"unanswered"`."""
        self._post(getattr(self._events, event), *args)


class World:
    """One launcher and the test's hands on everything around it.

    Attributes:
        clock: what time it is.
        runner: of processes that are not there.
        launcher: the program.
    """

    def __init__(self, path: Path, games: list[GameFile], **options: Any) -> None:
        self.path = path
        self.read_games: Callable[[], list[GameFile]] = lambda: games
        self.clock = ManualClock()
        self.runner = FakeRunner()
        self.consoles = FakeConsoles()
        self.queries = FakeQueries()
        self.folder = RunFolder(path)
        self.pools = [WorkerPool(name, threads=1, max_queued=1000) for name in ("files", "work")]
        self.launcher = Launcher(
            "home",
            "the key",
            games,
            self.folder,
            self.runner,
            self.consoles,
            self.queries,
            read_games=lambda: self.read_games(),
            file_pool=self.pools[0],
            work_pool=self.pools[1],
            clock=self.clock,
            random=options.pop("random", random.Random(1)),
            **options,
        )

    def begin(self) -> None:
        self.launcher.on_start()
        self.settle()

    def settle(self) -> None:
        """Handle everything that is under way but timers."""
        run_queue(self.launcher)
        run_work(self.launcher)

    def advance(self, seconds: float) -> None:
        """Let time pass, and handle what is due then."""
        self.clock.advance(seconds)
        run_timers(self.launcher)
        self.settle()

    def close(self) -> None:
        """End as a kill does: nothing is said, nothing is written."""
        self.folder.close()
        for pool in self.pools:
            pool.close()

    def happens(self, event: str, *args: Any) -> None:
        """Something happens to a process."""
        self.runner.tell(event, *args)
        self.settle()

    def process_started(self, server: str = "four", pid: int = PID, port: int = 7000, console_port: int = 0) -> None:
        run = self.runner.runs[server]
        self.happens("process_started", server, run.number, pid, 5.0, port, 0, console_port)

    def process_exited(self, status: int | None, server: str = "four", last_lines: list[str] | None = None) -> None:
        run = self.runner.runs[server]
        self.happens("process_exited", server, run.number, status, last_lines or [])

    def connect(self) -> "FakeConnection[ControllerPeer]":
        """A connection of some controller."""
        fake = FakeConnection(ControllerPeer())
        fake.connected(self.launcher)
        return fake

    def controller(self, server: str = "four") -> "FakeConnection[ControllerPeer]":
        """A controller that has logged in."""
        fake = self.connect()
        token = self.runner.runs[server].token
        fake.receives(self.launcher, Hello(versions=[1]), ControllerLogIn(server=server, token=token, pid=PID))
        assert [type(message) for message in fake.take()[:2]] == [Welcome, ControllerAccepted]
        return fake

    def ready(self, server: str = "four", pid: int = PID, port: int = 7000) -> "FakeConnection[ControllerPeer]":
        """The controller of a server whose process has started and is ready."""
        self.process_started(server, pid, port)
        fake = self.controller(server)
        fake.receives(self.launcher, ServerReady(port=port))
        self.settle()
        return fake

    def login_server(self) -> "FakeConnection[LoginServerPeer]":
        """A login server that has let the launcher in."""
        fake = FakeConnection(LoginServerPeer(), ("127.0.0.1", 9001))
        fake.connected(self.launcher)
        assert fake.take() == [Hello(versions=[1, 2], program="game-server-launcher")]
        fake.receives(self.launcher, Welcome(version=2))
        assert fake.take() == [LauncherLogIn(name="home", key="the key")]
        fake.receives(self.launcher, LauncherAccepted(name="home", issuer="login", public_key="PEM"))
        self.settle()
        return fake

    def state(self, server: str = "four") -> dict[str, Any]:
        state: dict[str, Any] = self.launcher.state()["servers"][server]
        return state

    def saved(self, server: str = "four") -> dict[str, Any]:
        saved: dict[str, Any] = json.loads((self.path / f"{server}.json").read_bytes())
        return saved


def chess(**keys: Any) -> GameFile:
    """A game with one server, `four`, unless `keys` say otherwise."""
    values: dict[str, Any] = {"game": "chess", "command": ["chess"], "name": "four", "capacity": 10}
    values["health"] = Health(
        silent_seconds=86_400
    )  # The controllers of tests answer nothing that they are not told to.
    return GameFile(**values | keys)


@pytest.fixture
def make_world(tmp_path: Path) -> Iterator[Callable[..., World]]:
    """Make a world; a further one is a launcher that was started after the one before was killed."""
    worlds: list[World] = []

    def make(*games: GameFile, path: Path = tmp_path / "run", **options: Any) -> World:
        if worlds:
            worlds[-1].close()
        worlds.append(World(path, list(games or [chess()]), **options))
        worlds[-1].begin()
        return worlds[-1]

    yield make
    if worlds:
        worlds[-1].close()


@pytest.fixture
def world(make_world: Callable[..., World]) -> World:
    return make_world()


@pytest.fixture
def chess_with() -> Callable[..., GameFile]:
    return chess


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    place = Place(tmp_path)
    yield place
    place.close()
