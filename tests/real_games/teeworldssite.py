"""A real stack around a real Teeworlds server: a login server, launchers one after the other, the game."""

import json
import os
import re
import subprocess
import sys
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gevent
import psutil
from gevent.queue import Queue

import game_server_launcher
from game_server_launcher import gameconsolehandler as console
from game_server_launcher.gameconsolehandler import GameConsoles

PACKAGE = Path(game_server_launcher.__file__).parent
PATIENCE = 20.0


class Site:
    """A login server, the launchers that were started one after the other, and their Teeworlds server."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.environment = os.environ | {"PYTHONPATH": str(PACKAGE.parent), "PYTHONWARNINGS": "default"}
        self.programs: list[subprocess.Popen[bytes]] = []
        self.ports: dict[str, int] = {}

    def start_login_server(self) -> None:
        added = subprocess.run(
            [sys.executable, "-m", "login_server", "launcher", "add", "home"],
            cwd=self.path,
            env=self.environment,
            stdout=subprocess.PIPE,
            check=True,
        )
        (self.path / "launcher.key").write_bytes(added.stdout)
        self.run("login_server", *(f"--{name}-port=0" for name in ("player", "launcher", "http")))
        self.ports = {
            name: int(self.wait_for_line(rf"{name}: listening on \S+:(\d+)"))
            for name in ("players", "launchers", "visitors")
        }

    def run(self, module: str, *arguments: str) -> "subprocess.Popen[bytes]":
        with (self.path / f"{module}.log").open("ab") as log:
            program = subprocess.Popen(
                [sys.executable, "-m", module, *arguments],
                cwd=self.path,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=log,
            )
        self.programs.append(program)
        return program

    def launch(self, *arguments: str, games: Path = PACKAGE / "games" / "teeworlds.toml") -> "subprocess.Popen[bytes]":
        return self.run(
            "game_server_launcher",
            "--name=home",
            f"--login-port={self.ports['launchers']}",
            "--controller-port=0",
            f"--games={games}",
            *arguments,
        )

    def command(self, *arguments: str) -> str:
        """Carry out a command of the launcher in a terminal, and return what it prints."""
        done = subprocess.run(
            [sys.executable, "-m", "game_server_launcher", *arguments],
            cwd=self.path,
            env=self.environment,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def log(self, module: str = "game_server_launcher") -> str:
        path = self.path / f"{module}.log"
        return path.read_text() if path.exists() else ""

    def wait_for(self, condition: Callable[[], Any], what: str) -> Any:
        try:
            with gevent.Timeout(PATIENCE):
                while not (found := condition()):
                    gevent.sleep(0.02)
                return found
        except gevent.Timeout:
            raise AssertionError(f"not within {PATIENCE:g} s: {what}\n{self.log()}") from None

    def wait_for_line(self, pattern: str) -> str:
        return str(self.wait_for(lambda: re.search(pattern, self.log("login_server")), pattern)[1])

    def listed(self) -> dict[str, Any]:
        """The game server as the login server shows it; empty when it does not."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.ports['visitors']}/status", timeout=10) as answer:
            servers: list[dict[str, Any]] = json.load(answer)["servers"]
        return servers[0] if servers else {}

    def wait_for_map(self, name: str) -> dict[str, Any]:
        def ready() -> dict[str, Any] | None:
            server = self.listed()
            return server if server and (server["state"], server["map"]) == ("ready", name) else None

        server: dict[str, Any] = self.wait_for(ready, f"it is listed with the map {name}")
        return server

    def saved(self) -> dict[str, Any]:
        return self.saved_of("teeworlds")

    def saved_of(self, server: str) -> dict[str, Any]:
        saved: dict[str, Any] = json.loads((self.path / "run" / f"{server}.json").read_bytes())
        return saved

    def stop(self, launcher: "subprocess.Popen[bytes]") -> None:
        """End a launcher in order, and see that nothing but its console ended the game."""
        before = len(self.log())
        launcher.terminate()
        assert launcher.wait(PATIENCE) == 0, self.log()
        log = self.log()[before:]
        assert "teeworlds: asked to stop by console" in log
        assert "sending TERM" not in log
        assert self.games_running() == []
        assert self.saved()["state"] == "stopped"

    def with_tokens(self, tokens: set[str]) -> list[psutil.Process]:
        """The processes that were given one of these tokens, whatever has become of their parents and folders."""
        return [one for one in psutil.process_iter() if _environment(one).get("LAUNCHER_TOKEN") in tokens]

    def games_running(self) -> list[psutil.Process]:
        return self.running_in("teeworlds")

    def running_in(self, server: str) -> list[psutil.Process]:
        return [one for one in psutil.process_iter() if _is_at(one, self.path / "run" / server)]

    def close(self) -> None:
        for program in reversed(self.programs):
            program.kill()
            program.wait()
        for game in self.games_running():
            game.kill()


def _environment(process: psutil.Process) -> dict[str, str]:
    try:
        return dict(process.environ())
    except psutil.Error:
        return {}


def _is_at(process: psutil.Process, folder: Path) -> bool:
    try:
        return process.cwd() == str(folder)
    except psutil.Error:
        return False


class Operator:
    """Somebody else on the game's console, through the same connection type."""

    def __init__(self, port: int, password: str) -> None:
        self.queue: Queue[Any] = Queue()
        self.consoles = GameConsoles(self.queue)
        self.consoles.open("teeworlds", 1, port)
        self.peer = self.expect(console.PasswordAsked).peer
        self.peer.send(console.Password(password))
        self.expect(console.Admitted)

    def expect(self, wanted: type[Any]) -> Any:
        with gevent.Timeout(PATIENCE, AssertionError(f"no {wanted.__name__} came")):
            while True:
                message = self.queue.get()
                if isinstance(message, wanted):
                    return message

    def ask(self, command: console.Command, wanted: type[Any]) -> Any:
        self.peer.send(command)
        return self.expect(wanted)
