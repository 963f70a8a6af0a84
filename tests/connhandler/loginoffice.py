"""A login server whose threads have work to do, and what shows whether its hub goes on."""

import contextlib
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import gevent

from connhandler import WorkerPool, testing
from connhandler.jsonmessage import Hello, Welcome
from login_server import protocol as login
from login_server.accounts import AccountStore, Attempts, Passwords
from login_server.accounts.revocations import Revocations
from login_server.backoffice import BackOffice
from login_server.database import Database
from login_server.gameclienthandler import GameClientHandler
from login_server.launcherkeys import LauncherKeys
from login_server.passes import PassIssuer
from login_server.results import Results
from login_server.schema import prepare
from login_server.server import LoginServer
from login_server.tickets import SeatIssuer, TicketIssuer, generate_key_pair
from tests.connhandler.askserver import PATIENCE_SECONDS
from tests.connhandler.load import Pulse, serving

HELD_UP_SECONDS = 0.8
"""Eighty passwords hashed one after the other take some 2 s; the hub goes on all the while."""


class LoginOffice:
    """A login server on a port of its own, and somebody who sees how quickly it answers.

    It is set up as the program does it, but for the niceness of the hashing: on a busy machine that takes its time.

    Attributes:
        file: the database.
        bystander: connected, and not logged in.
    """

    def __init__(self, folder: Path, hashing_queue: int = 500) -> None:
        self.file = folder / "login_server.sqlite"
        self.database = Database(f"sqlite:///{self.file}")
        prepare(self.database)
        self.back_office = BackOffice(
            AccountStore(self.database),
            LauncherKeys(self.database),
            Results(self.database),
            Revocations(self.database),
            self.database,
            WorkerPool("database", threads=2, max_queued=2000),
            Passwords(),
            WorkerPool("passwords", threads=2, max_queued=hashing_queue),
            Attempts(),
        )
        private_key, _ = generate_key_pair()
        self.server = LoginServer(
            self.back_office,
            TicketIssuer(private_key, "login-server"),
            SeatIssuer(private_key, "login-server"),
            PassIssuer(private_key, "login-server"),
        )
        self.handler = GameClientHandler("players", "127.0.0.1", 0, self.server.queue)
        self.slowest = 0.0

    @contextlib.contextmanager
    def open(self) -> Iterator[None]:
        try:
            with serving(self.server, self.handler), Pulse(self.server) as self.pulse, self.visit() as self.bystander:
                yield
            assert self.pulse.longest_sleep < HELD_UP_SECONDS
            assert self.pulse.longest_timer < HELD_UP_SECONDS
            assert self.slowest < HELD_UP_SECONDS
        finally:
            self.back_office.password_pool.close(PATIENCE_SECONDS)
            self.back_office.database_pool.close(PATIENCE_SECONDS)
            self.database.close()

    def visit(self) -> testing.JsonClient:
        client = testing.JsonClient("127.0.0.1", self.handler.port, login.ToPlayer, timeout=PATIENCE_SECONDS)
        client.send(Hello(versions=[1]))
        client.expect(Welcome)
        return client

    def watch(self, condition: Callable[[], object]) -> None:
        """Let the bystander ask for something again and again until a condition holds."""
        with gevent.Timeout(PATIENCE_SECONDS, AssertionError("what was waited for did not happen")):
            while not condition():
                asked = time.monotonic()
                self.bystander.send(Hello(versions=[1]))
                self.bystander.expect(Welcome)
                self.slowest = max(self.slowest, time.monotonic() - asked)
                self.pulse.wait(1)
