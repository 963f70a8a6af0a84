"""A login server as a process of its own on any database, accounts for it, and players who log in."""

import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import gevent

from connhandler import tasks
from connhandler.jsonmessage import Hello, Welcome
from connhandler.testing import JsonClient
from login_server import protocol as login
from login_server.accounts import AccountStore, Passwords
from login_server.database import Database
from login_server.launcherkeys import LauncherKeys
from login_server.schema import prepare

PASSWORD = "correct horse"
WAIT_SECONDS = 60.0
ROOT = Path(__file__).parents[2]


class LoginProgram:
    """`login-server` in a folder of its own, on free ports; it says how long its hub stands still. It ends with a
    `with` block at the latest.

    Attributes:
        ports: by connection handler.
        lines: what it has logged so far.
    """

    def __init__(self, folder: Path, database_url: str, *options: str) -> None:
        self.ports: dict[str, int] = {}
        self.lines: list[str] = []
        ports = [option for name in ("player", "launcher", "http") for option in (f"--{name}-port", "0")]
        database = ["--database-url", database_url, "--max-connections-per-address", "2000"]
        self.process = subprocess.Popen(
            [sys.executable, str(Path(__file__).parent / "measuredserver.py"), *ports, *database, *options],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stderr=subprocess.PIPE,
            text=True,
        )
        self._reading = tasks.spawn("login program's lines", self._read)
        try:
            self.wait_for("it serves", lambda: len(self.ports) == 3)
        except BaseException:
            self.kill()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        """It does not outlive a test that fails."""
        self.kill()

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.lines.append(line)
            found = re.search(r"(\w+): listening on 127\.0\.0\.1:(\d+)", line)
            if found:
                self.ports[found[1]] = int(found[2])

    def wait_for(self, what: str, condition: Any) -> Any:
        """Wait until a condition holds, which only a line of the program can bring about, and return what it gave."""
        with gevent.Timeout(WAIT_SECONDS, AssertionError(f"not within {WAIT_SECONDS} s: {what}")):
            while not (found := condition()):
                assert not self._reading.ready(), f"it ended: {self.lines[-20:]}"
                gevent.sleep(0.005)
        return found

    def worst_stall(self) -> float:
        """For how long its hub has stood still at most since this was last asked, in seconds."""
        told = self._told_stalls()
        self.process.send_signal(signal.SIGUSR1)
        self.wait_for("it tells its worst stall", lambda: len(self._told_stalls()) > len(told))
        return self._told_stalls()[-1]

    def _told_stalls(self) -> list[float]:
        return [float(line.split()[2]) for line in self.lines if line.startswith("worst stall: ")]

    def said(self, words: str) -> list[str]:
        """The lines that it has logged with these words in them."""
        return [line for line in self.lines if words in line]

    def connect(self) -> JsonClient:
        """A player's connection that has said hello.

        Raises:
            EOFError, OSError: the program was ended in the middle of it.
        """
        client = JsonClient("127.0.0.1", self.ports["players"], login.ToPlayer, timeout=WAIT_SECONDS)
        try:
            client.send(Hello(versions=[1]))
            assert isinstance(client.receive(), Welcome)
        except BaseException:
            client.close()
            raise
        return client

    def enter(self, name: str, password: str = PASSWORD) -> JsonClient:
        """A player who has logged in."""
        client = self.connect()
        client.send(login.LogIn(name=name, password=password))
        client.expect(login.LoggedIn)
        return client

    def launcher(self, name: str, key: str) -> JsonClient:
        """A launcher that has logged in."""
        client = JsonClient("127.0.0.1", self.ports["launchers"], login.ToLauncher, timeout=WAIT_SECONDS)
        client.send(Hello(versions=[1]))
        client.expect(Welcome)
        client.send(login.LauncherLogIn(name=name, key=key))
        client.expect(login.LauncherAccepted)
        return client

    def status(self) -> Any:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.ports['visitors']}/status", timeout=10) as answer:
            return json.load(answer)

    def kill(self) -> None:
        """Without warning."""
        self.end(signal.SIGKILL)

    def end(self, number: int = signal.SIGTERM) -> int:
        """Send a signal, and return the exit status."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        with gevent.Timeout(WAIT_SECONDS, TimeoutError("it does not end")):
            status = self.process.wait()
            self._reading.get()
        assert self.process.stderr is not None
        self.process.stderr.close()
        return int(status)


def make_accounts(database_url: str, names: Sequence[str], launcher: str = "home") -> str:
    """Set up the tables, with accounts that all have the same password, and a launcher; return the launcher's key."""
    database = Database(database_url, statement_seconds=10)
    try:
        prepare(database)
        password_hash = Passwords().hash(PASSWORD)
        for name in names:
            AccountStore(database).add(name, password_hash, time.time())
        return LauncherKeys(database).add(launcher, time.time())
    finally:
        database.close()
