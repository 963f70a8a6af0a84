"""What empty servers cost, running, frozen and stopped, and how long a player waits for each.

    python -m benchmarks.idle [--servers 20] [--seconds 20] [--samples 5] [--frozen-for 0] [--game G] [--action A]

For each game (four in a row; Teeworlds, if it is installed) and each `[idle]` action, a real login server and a real
launcher with so many empty servers. When all are as they are to be, the CPU time (user and system) and the memory of
the launcher, the games and their keepers are measured over so many seconds. Then a player asks for a ticket to one
server after the other, and the time is taken until that server is joinable: until the player's WebSocket has joined it,
or until Teeworlds answers the question for its info. `--frozen-for` waits so much longer before that. All of it is on
loopback.
"""

import argparse
import json
import secrets
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import psutil
from websockets.sync.client import connect

import game_server
import game_server_launcher
from connhandler.jsonmessage import Hello, Welcome
from connhandler.testing import JsonClient
from game_server_launcher.statusquery import ask
from login_server.protocol import (
    PLAYER_VERSIONS,
    JoinGranted,
    JoinPending,
    JoinServer,
    LoggedIn,
    LogIn,
    Register,
    Registered,
    ServerList,
    ToPlayer,
)

LOOPBACK = "127.0.0.1"
PATIENCE_SECONDS = 120.0
IDLE_SECONDS = 1.0
ACTIONS = ("run", "freeze", "stop")
MIB = 1024 * 1024


class Game(NamedTuple):
    """One game to measure: its file, and how a player sees that it is joinable."""

    file: Path
    reach: Callable[[JoinGranted], None]


class Cost(NamedTuple):
    """Of the launcher, and of all games with their keepers: CPU seconds, and bytes in memory."""

    launcher_cpu: float
    launcher_rss: int
    games_cpu: float
    games_rss: int
    games: int


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--servers", type=int, default=20, help="empty servers of each game")
    parser.add_argument("--seconds", type=float, default=20.0, help="to measure for")
    parser.add_argument("--samples", type=int, default=5, help="players who ask for a ticket")
    parser.add_argument("--frozen-for", type=float, default=0.0, help="seconds to wait before they do")
    parser.add_argument("--game", choices=list(GAMES), help="measure this one alone")
    parser.add_argument("--action", choices=ACTIONS, help="and this one")
    options = parser.parse_args()
    if options.samples > options.servers:
        parser.error("--samples: each needs a server of its own")
    print(f"{options.servers} empty servers, {options.seconds:g} s; CPU in % of one core, memory in MiB (RSS)")
    print(f"{'game':14} {'idle':7} {'launcher':>16} {'games':>18} {'joinable after (ms), min median max':>37}")
    for name, game in GAMES.items():
        if options.game in (None, name) and (name != "teeworlds" or Path("/usr/games/teeworlds-server").exists()):
            for action in ACTIONS:
                if options.action in (None, action):
                    measure(name, game, action, options)


def measure(name: str, game: Game, action: str, options: argparse.Namespace) -> None:
    """Measure one game with one action, and print a line of the table."""
    with tempfile.TemporaryDirectory() as folder, Stack(Path(folder)).running(game, action, options.servers) as stack:
        shown = "ready" if action == "run" else "sleeping"
        stack.wait_until(lambda: stack.states() == [shown] * options.servers)
        stack.wait_until(lambda: action != "stop" or not stack.games())
        before = stack.cost()
        time.sleep(options.seconds)
        after = stack.cost()
        time.sleep(options.frozen_for)
        stack.log_in()
        times = sorted(1000 * stack.join(name, game, number) for number in range(1, options.samples + 1))
    launcher = 100 * (after.launcher_cpu - before.launcher_cpu) / options.seconds
    games = 100 * (after.games_cpu - before.games_cpu) / options.seconds
    waits = f"{times[0]:.1f} {statistics.median(times):.1f} {times[-1]:.1f}"
    memory = after.launcher_rss / MIB, after.games_rss / MIB
    print(
        f"{name:14} {action:7} {launcher:6.2f} % {memory[0]:7.1f} {games:8.2f} % {memory[1]:7.1f} {waits:>37}",
        flush=True,
    )


class Stack:
    """A login server and a launcher with servers of one game, all processes.

    Args:
        folder: for everything they make.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._programs: list[subprocess.Popen[bytes]] = []

    @contextmanager
    def running(self, game: Game, action: str, servers: int) -> Iterator["Stack"]:
        """Start it, and end it."""
        try:
            self._start_login_server()
            idle = f'\n[idle]\naction = "{action}"\nafter_seconds = {IDLE_SECONDS}\n'
            file = self._folder / f"{game.file.stem}.toml"
            file.write_text(f'name = "empty"\nservers = {servers}\n' + _without_name(game.file.read_text()) + idle)
            ports = f"--login-port={self._port('launchers')}", "--controller-port=0", "--figures-seconds=5"
            self._launcher = self._run("game_server_launcher", "--name=home", *ports, f"--games={file}")
            yield self
        finally:
            for program in reversed(self._programs):
                program.terminate()
                program.wait(PATIENCE_SECONDS)

    def states(self) -> list[str]:
        """Of all servers, as the login server shows them."""
        with urllib.request.urlopen(f"http://{LOOPBACK}:{self._port('visitors')}/status", timeout=10) as answer:
            return [server["state"] for server in json.load(answer)["servers"]]

    def games(self) -> list[psutil.Process]:
        """The processes of all games, and their keepers."""
        return psutil.Process(self._launcher.pid).children(recursive=True)

    def cost(self) -> Cost:
        launcher = psutil.Process(self._launcher.pid)
        games = self.games()
        rss = sum(game.memory_info().rss for game in games)
        return Cost(_cpu(launcher), launcher.memory_info().rss, sum(map(_cpu, games)), rss, len(games))

    def join(self, name: str, game: Game, number: int) -> float:
        """Ask for a ticket to a server; return how many seconds later it was joinable."""
        began = time.perf_counter()
        self._player.send(JoinServer(server_id=f"home/empty-{number}"))
        answer = self._player.receive(PATIENCE_SECONDS)
        while not isinstance(answer, JoinGranted):
            assert isinstance(answer, JoinPending) or type(answer).__name__ == "ServersChanged", answer
            answer = self._player.receive(PATIENCE_SECONDS)
        game.reach(answer)
        return time.perf_counter() - began

    def wait_until(self, condition: Callable[[], bool]) -> None:
        ends = time.monotonic() + PATIENCE_SECONDS
        while not condition():
            if time.monotonic() > ends:
                raise TimeoutError(f"the servers are {self.states()}\n{self._log('game_server_launcher')[-3000:]}")
            time.sleep(0.2)

    def _start_login_server(self) -> None:
        add = [sys.executable, "-m", "login_server", "launcher", "add", "home"]
        added = subprocess.run(add, cwd=self._folder, stdout=subprocess.PIPE, check=True)
        (self._folder / "launcher.key").write_bytes(added.stdout)
        self._run("login_server", *(f"--{name}-port=0" for name in ("player", "launcher", "http")))
        self.wait_until(lambda: self._log("login_server").count(": listening on ") >= 3)

    def _run(self, module: str, *arguments: str) -> "subprocess.Popen[bytes]":
        with (self._folder / f"{module}.log").open("wb") as log:
            command = [sys.executable, "-m", module, *arguments]
            program = subprocess.Popen(command, cwd=self._folder, stdout=log, stderr=log)
        self._programs.append(program)
        return program

    def log_in(self) -> None:
        """Let the player be there, who answers no pings and so must not wait for long."""
        self._player = JsonClient(LOOPBACK, self._port("players"), ToPlayer)
        self._player.send(Hello(versions=list(PLAYER_VERSIONS)))
        self._player.expect(Welcome)
        password = secrets.token_hex()
        self._player.send(Register(name="player", password=password))
        self._player.expect(Registered)
        self._player.send(LogIn(name="player", password=password))
        self._player.expect(LoggedIn)
        self._player.expect(ServerList)

    def _port(self, name: str) -> int:
        line = next(line for line in self._log("login_server").splitlines() if f"{name}: listening on " in line)
        return int(line.rpartition(":")[2])

    def _log(self, module: str) -> str:
        return (self._folder / f"{module}.log").read_text()


def join_by_websocket(granted: JoinGranted) -> None:
    with connect(f"ws://{granted.address}:{granted.port}/*?token={granted.ticket}") as websocket:
        assert json.loads(websocket.recv(PATIENCE_SECONDS))["type"] == "joined"


def ask_teeworlds(granted: JoinGranted) -> None:
    while ask("teeworlds", (granted.address, granted.port)) is None:
        pass


def _cpu(process: psutil.Process) -> float:
    times: Any = process.cpu_times()
    return float(times.user + times.system)


def _without_name(text: str) -> str:
    return "".join(line for line in text.splitlines(keepends=True) if not line.startswith("name = "))


GAMES = {
    "four in a row": Game(Path(game_server.__file__).parent / "games" / "four_in_a_row.toml", join_by_websocket),
    "teeworlds": Game(Path(game_server_launcher.__file__).parent / "games" / "teeworlds.toml", ask_teeworlds),
}


if __name__ == "__main__":
    main()
