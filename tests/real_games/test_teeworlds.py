"""A real Teeworlds server under the real launcher, in the list of the real login server (`make real-game`)."""

import json
import os
import re
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import gevent
import psutil
import pytest
from gevent.queue import Queue

import game_server_launcher
from game_server_launcher import gameconsolehandler as console
from game_server_launcher.gameconsolehandler import GameConsoles

PROGRAM = Path("/usr/games/teeworlds-server")
PACKAGE = Path(game_server_launcher.__file__).parent
PATIENCE = 20.0

pytestmark = [pytest.mark.real_game, pytest.mark.timeout(90)]


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
            name: int(self.wait_for_line(rf"{name}: listening on \S+:(\d+)")) for name in ("launchers", "visitors")
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

    def launch(self, *arguments: str) -> "subprocess.Popen[bytes]":
        return self.run(
            "game_server_launcher",
            "--name=home",
            f"--login-port={self.ports['launchers']}",
            "--controller-port=0",
            f"--games={PACKAGE / 'games' / 'teeworlds.toml'}",
            *arguments,
        )

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
        saved: dict[str, Any] = json.loads((self.path / "run" / "teeworlds.json").read_bytes())
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

    def games_running(self) -> list[psutil.Process]:
        return [one for one in psutil.process_iter() if _is_at(one, self.path / "run" / "teeworlds")]

    def close(self) -> None:
        for program in reversed(self.programs):
            program.kill()
            program.wait()
        for game in self.games_running():
            game.kill()


def _is_at(process: psutil.Process, folder: Path) -> bool:
    try:
        return process.cwd() == str(folder)
    except psutil.Error:
        return False


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    if not PROGRAM.exists():
        missing = f"{PROGRAM} is not here; on Debian: apt install teeworlds-server"
        if os.environ.get("CI"):
            pytest.fail(missing)
        pytest.skip(missing)
    site = Site(tmp_path)
    try:
        site.start_login_server()
        yield site
    finally:
        site.close()


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


def test_started_listed_and_stopped_by_its_console(site: Site) -> None:
    launcher = site.launch()
    server = site.wait_for_map("dm1")
    assert (server["game"], server["players"], server["capacity"]) == ("teeworlds", 0, 16)
    (game,) = site.games_running()
    saved = site.saved()
    password = saved["console_password"]
    assert game.pid == saved["pid"]
    assert server["port"] == saved["port"]
    assert password not in " ".join(game.cmdline())
    for path in (site.path / "run" / "teeworlds.json", site.path / "run" / "teeworlds" / "srv.cfg"):
        assert path.stat().st_mode & 0o777 == 0o600
    operator = Operator(saved["console_port"], password)
    assert operator.ask(console.ShowMap(), console.ValueShown).value == "dm1"
    assert operator.ask(console.Say('all "well"; shutdown'), console.Said).text == 'all "well"; shutdown'
    assert operator.ask(console.ChangeMap("nosuch; shutdown"), console.MapNotChanged).map == "nosuch; shutdown"
    assert operator.ask(console.Kick(0), console.CommandEchoed).command == 'kick 0 ""'
    site.stop(launcher)
    assert "teeworlds: stopped (ended with exit status 0)" in site.log()
    assert site.listed() == {}
    operator.consoles.close_all()
    for text in (site.log(), site.log("login_server"), (site.path / "run" / "teeworlds" / "output.log").read_text()):
        assert password not in text
        assert "Traceback" not in text
        assert "ResourceWarning" not in text


def test_the_map_is_changed_in_place_and_the_next_launcher_adopts(site: Site) -> None:
    killed = site.launch()
    before = site.wait_for_map("dm1")
    (game,) = site.games_running()
    operator = Operator(site.saved()["console_port"], site.saved()["console_password"])
    assert operator.ask(console.ChangeMap("dm2"), console.MapChanged).map == "dm2"
    assert site.wait_for_map("dm2")["port"] == before["port"]
    killed.send_signal(signal.SIGKILL)
    killed.wait(PATIENCE)
    site.wait_for(lambda: not site.listed(), "it is not listed without its launcher")
    assert operator.ask(console.ChangeMap("ctf1"), console.MapChanged).map == "ctf1"
    launcher = site.launch()
    assert site.wait_for_map("ctf1")["port"] == before["port"]
    assert [one.pid for one in site.games_running()] == [game.pid]
    assert operator.ask(console.ChangeMap("dm1"), console.MapChanged).map == "dm1"
    site.wait_for_map("dm1")
    operator.consoles.close_all()
    site.stop(launcher)


def test_a_launcher_that_leaves_the_game_running_lets_go_of_its_console(site: Site) -> None:
    launcher = site.launch("--leave-running")
    site.wait_for_map("dm1")
    (game,) = site.games_running()
    launcher.terminate()
    assert launcher.wait(PATIENCE) == 0
    assert [one.pid for one in site.games_running()] == [game.pid]
    launcher = site.launch()
    site.wait_for_map("dm1")
    assert [one.pid for one in site.games_running()] == [game.pid]
    site.stop(launcher)
    log = site.log()
    assert "Traceback" not in log
    assert "ResourceWarning" not in log
