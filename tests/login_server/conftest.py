"""A login server without sockets: scripted conversations through `handle`, a real SQLite file, a clock that obeys."""

import io
import logging
import os
import random
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from connhandler import WorkerPool
from connhandler.jsonmessage import Hello, Refused, Welcome
from connhandler.testing import FakeConnection, ManualClock, run_timers, run_work
from login_server import commands
from login_server.accounts import AccountStore, Attempts, Passwords
from login_server.accounts.revocations import Revocations
from login_server.backoffice import BackOffice
from login_server.database import Database
from login_server.gameclienthandler import PlayerPeer
from login_server.gameserverlauncherhandler import LauncherPeer
from login_server.launcherkeys import LauncherKeys
from login_server.passes import PassIssuer
from login_server.protocol import (
    LauncherAccepted,
    LauncherLogIn,
    LoggedIn,
    LogIn,
    Register,
    Registered,
    RegisterServer,
    ServerInfo,
    ServerList,
)
from login_server.results import Results
from login_server.schema import prepare
from login_server.server import LoginServer
from login_server.tickets import SeatIssuer, TicketChecker, TicketIssuer, generate_key_pair

PASSWORD = "correct horse"
PRIVATE_KEY, PUBLIC_KEY = generate_key_pair()

Player = FakeConnection[PlayerPeer]
Run = Callable[..., tuple[int, str, str]]
"""Words of a command line, and what is on standard input; exit status, stdout, stderr."""
Launcher = FakeConnection[LauncherPeer]


class House:
    """A login server, and what it takes to talk to it.

    Attributes:
        clock: what it reads.
        server: the central task; its messages are handled when the test says so.
        keys: by launcher, what it logs in with.
    """

    def __init__(self, folder: Path, seed: int = 1) -> None:
        self.clock = ManualClock()
        self.database = Database(f"sqlite:///{folder}/login_server.sqlite")
        prepare(self.database)
        self.results = Results(self.database)
        self.launcher_keys = LauncherKeys(self.database)
        self.accounts = AccountStore(self.database)
        self.database_pool = WorkerPool("database", threads=2, max_queued=1000)
        self.password_pool = WorkerPool("passwords", threads=1, max_queued=1000)
        self.passwords = Passwords(memory_kib=8, passes=1)
        self.keys: dict[str, str] = {}
        self.server = self.start(seed)

    def start(self, seed: int = 1) -> LoginServer:
        back_office = BackOffice(
            self.accounts,
            self.launcher_keys,
            self.results,
            Revocations(self.database),
            self.database,
            self.database_pool,
            self.passwords,
            self.password_pool,
            Attempts(),
        )
        issuer = TicketIssuer(PRIVATE_KEY, "login-server")
        self.server = LoginServer(
            back_office,
            issuer,
            SeatIssuer(PRIVATE_KEY, "login-server"),
            PassIssuer(PRIVATE_KEY, "login-server"),
            self.results.recent(100),
            "1.2.3",
            clock=self.clock,
            random=random.Random(seed),
        )
        self.server.on_start()
        return self.server

    def close(self) -> None:
        self.password_pool.close()
        self.database_pool.close()
        self.database.close()

    def pass_time(self, seconds: float) -> None:
        self.clock.advance(seconds)
        run_timers(self.server)

    def settle(self) -> None:
        """Let the pools finish, and the news of servers go out."""
        run_work(self.server)
        self.pass_time(0.25)

    def tell(self, connection: FakeConnection[Any], *messages: Any) -> list[Any]:
        """Say something and return the answers, those of the pools too."""
        connection.receives(self.server, *messages)
        run_work(self.server)
        return connection.take()

    def stranger(self) -> Player:
        """A player's connection that has not said hello."""
        player = FakeConnection(PlayerPeer())
        player.connected(self.server)
        return player

    def visitor(self, version: int = 1) -> Player:
        """A player's connection that has not logged in."""
        player = self.stranger()
        assert self.tell(player, Hello(versions=[version])) == [Welcome(version=version, program="login-server")]
        return player

    def player(self, name: str, version: int = 1) -> Player:
        """A player who has registered and logged in."""
        player = self.visitor(version)
        assert self.tell(player, Register(name=name, password=PASSWORD)) == [Registered(name=name)]
        return self.log_in(name, player)

    def log_in(self, name: str, player: Player | None = None) -> Player:
        player = player or self.visitor()
        logged_in, servers = self.tell(player, LogIn(name=name, password=PASSWORD))
        assert isinstance(logged_in, LoggedIn)
        assert logged_in.name == name
        assert isinstance(servers, ServerList)
        return player

    def program(self, version: int = 1) -> Launcher:
        """A launcher's connection that has not logged in."""
        launcher = FakeConnection(LauncherPeer())
        launcher.connected(self.server)
        assert self.tell(launcher, Hello(versions=[version])) == [Welcome(version=version, program="login-server")]
        return launcher

    def launcher(self, name: str = "home", *servers: ServerInfo, version: int = 1) -> Launcher:
        """A launcher that has logged in and registered its servers."""
        if name not in self.keys:
            self.keys[name] = self.launcher_keys.add(name, self.clock())
        launcher = self.program(version)
        accepted, *_ = self.tell(launcher, LauncherLogIn(name=name, key=self.keys[name]))
        assert isinstance(accepted, LauncherAccepted)
        for server in servers:
            assert self.tell(launcher, RegisterServer(server=server)) == []
        self.settle()
        return launcher

    @staticmethod
    def info(server_id: str = "home/one", **changes: Any) -> ServerInfo:
        """A server's description."""
        fields: dict[str, Any] = {
            "server_id": server_id,
            "name": "One",
            "game": "fourinarow",
            "map": "classic",
            "players": 0,
            "capacity": 4,
            "region": "eu",
            "address": "127.0.0.1",
            "port": 10020,
            "ping_address": "127.0.0.1:10020",
            "version": "1",
        }
        return ServerInfo(**{**fields, **changes})

    @staticmethod
    def refused(code: str, about: str | int | None, answers: list[Any]) -> str:
        """Check that the one answer is this refusal, and return its words."""
        assert [type(answer) for answer in answers] == [Refused], answers
        assert (answers[0].code, answers[0].about) == (code, about)
        return str(answers[0].message)

    def checker(self, server_id: str = "home/one") -> TicketChecker:
        return TicketChecker(PUBLIC_KEY, "login-server", server_id)


@pytest.fixture(autouse=True)
def logging_as_before() -> Iterator[None]:
    """`commands.run("serve", …)` sets up logging to a stderr that is gone after the test."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.fixture
def make_house() -> Iterator[Callable[[Path, int], House]]:
    made: list[House] = []

    def make(folder: Path, seed: int) -> House:
        made.append(House(folder, seed))
        return made[-1]

    yield make
    for house in made:
        house.close()


@pytest.fixture
def house(make_house: Callable[[Path, int], House], tmp_path: Path) -> House:
    return make_house(tmp_path, 1)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    made = Database(f"sqlite:///{tmp_path}/login_server.sqlite")
    prepare(made)
    yield made
    made.close()


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsysbinary: pytest.CaptureFixture[bytes]) -> Run:
    """Carry out a command line in an empty folder, without a setting of this process's environment."""
    monkeypatch.chdir(tmp_path)
    for name in list(os.environ):
        if name.startswith("LOGIN_SERVER_"):
            monkeypatch.delenv(name)

    def run(*arguments: str, stdin: str = "") -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin.encode())))
        try:
            status = commands.run(arguments)
        except SystemExit as exit_:
            assert isinstance(exit_.code, int)
            status = exit_.code
        output = capsysbinary.readouterr()
        return status, output.out.decode(), output.err.decode()

    return run
