"""A stack under supervision, as by systemd, and whether its programs agree on how things stand."""

import socket
from collections.abc import Iterable
from pathlib import Path
from random import Random
from typing import Any

import psutil
from msgspec import Struct

from connhandler import tasks
from examples.stack import LAUNCHER, Ports, Stack, free_ports
from game_server_launcher.runfolder import load_servers
from game_server_launcher.servers import SavedServer, State
from game_server_launcher.surroundings import TOKEN_VARIABLE
from tests.faults.matchplayers import MatchPlayer

LOGIN_SERVER, LAUNCHER_PROGRAM, GAME = "login server", "launcher", "game process"
SERVERS = ("four-1", "four-2")

GAME_FILE = """
game = "four_in_a_row"
name = "four"
servers = 2
capacity = 200
command = [
    "{python}", "-m", "game_server", "--address", "{listen_address}", "--port", "{port}",
    "--launcher-address", "{controller_address}", "--launcher-port", "{controller_port}", "--server", "{server}",
    "--forfeit-seconds", "8", "--abandon-seconds", "8",
]
environment = { GAME_CONTROLLER_TOKEN = "{token}" }

[stop]
by = "controller"

[restart]
first_seconds = 0.2
max_seconds = 0.2
crashes = 1000
"""


class Process(Struct):
    """A process that some launcher of this stack started."""

    pid: int
    server: str
    token: str
    is_game: bool
    """The game itself, and no shell around it."""


class KilledStack(Stack):
    """A stack whose login server and launcher are started again as soon as they have ended.

    Args:
        folder: for everything.
    """

    def __init__(self, folder: Path) -> None:
        games = folder / "games"
        games.mkdir(parents=True)
        (games / "four.toml").write_text(GAME_FILE)
        super().__init__(folder / "run", Ports(*free_ports(4)), log_to_files=True, games=games)
        self._supervised = False

    def start(self) -> None:
        super().start()
        self._supervised = True
        starts = {LOGIN_SERVER: self.spawn_login_server, LAUNCHER_PROGRAM: self.start_launcher}
        for name, start in starts.items():
            tasks.spawn(f"supervisor of the {name}", self._supervise, name, start)

    def stop(self) -> None:
        self._supervised = False
        super().stop()

    def kill(self, programs: tuple[str, ...], random: Random) -> str:
        """Kill some of the programs at once; return in words which, once they have ended."""
        games = [one for one in self.game_processes() if one.is_game] if GAME in programs else []
        victims = {
            f"the {name}": psutil.Process(self.processes[name].pid) for name in programs if name in self.processes
        }
        if games:
            game = random.choice(games)
            victims[f"the game {game.server}"] = psutil.Process(game.pid)
        for victim in victims.values():
            victim.kill()
        gone, alive = psutil.wait_procs(victims.values(), timeout=10)
        assert not alive, gone
        return " and ".join(victims)

    def is_up(self, what: str) -> bool:
        """Whether the program that was killed runs again and answers."""
        if what == LOGIN_SERVER:
            return self.status() is not None
        if what == LAUNCHER_PROGRAM:
            return accepts(self.ports.controller)
        return all(psutil.pid_exists(one.pid) and accepts(one.port) for one in self.saved().values())

    def saved(self) -> dict[str, SavedServer]:
        """The launcher's state files."""
        return load_servers(self.folder / "launcher")

    def game_processes(self) -> list[Process]:
        """All processes that this stack's launchers have started and that still run."""
        found = []
        for process in psutil.process_iter():
            try:
                environment = process.environ()
                token = environment.get(TOKEN_VARIABLE, "")
                if token and environment.get("LAUNCHER_CONTROLLER_PORT") == str(self.ports.controller):
                    is_game = "game_server" in process.cmdline() and process.name() not in ("sh", "dash", "bash")
                    found.append(Process(process.pid, environment["LAUNCHER_SERVER"], token, is_game))
            except (psutil.NoSuchProcess, psutil.AccessDenied):
                continue
        return found

    def differences(self, players: Iterable[MatchPlayer]) -> list[str]:
        """In which respects the login server, the launcher, the game processes and the players disagree now."""
        status = self.status()
        if status is None:
            return ["the login server does not answer"]
        saved = self.saved()
        return [
            *self._about_matches(status, saved, players),
            *self._about_servers(status, saved),
        ] or self._about_processes(saved)

    def _supervise(self, name: str, start: Any) -> None:
        while True:
            self.processes[name].wait()
            if not self._supervised:
                return
            start()

    @staticmethod
    def _about_matches(
        status: dict[str, Any], saved: dict[str, SavedServer], players: Iterable[MatchPlayer]
    ) -> list[str]:
        listed = {match["match_id"] for match in status["matches"] if match["state"] == "running"}
        launched = {
            match_id for server in saved.values() for match_id, match in server.matches.items() if not match.ended
        }
        played = {player.visit.game_id for player in players if player.playing and player.visit is not None}
        if listed == launched == played:
            return []
        return [f"matches: listed {sorted(listed)}, launcher {sorted(launched)}, played {sorted(played)}"]

    @staticmethod
    def _about_servers(status: dict[str, Any], saved: dict[str, SavedServer]) -> list[str]:
        listed = {server["server_id"]: (server["port"], server["state"]) for server in status["servers"]}
        launched = {
            f"{LAUNCHER}/{name}": (server.port, "ready" if server.state is State.READY else server.state.value)
            for name, server in saved.items()
        }
        ready = {server for server, (_, state) in launched.items() if state == "ready"}
        if listed == launched and ready == {f"{LAUNCHER}/{name}" for name in SERVERS}:
            return []
        return [f"servers: listed {listed}, launcher {launched}"]

    def _about_processes(self, saved: dict[str, SavedServer]) -> list[str]:
        running = self.game_processes()
        games = sorted((one.server, one.token) for one in running if one.is_game)
        known = sorted((name, server.token) for name, server in saved.items())
        wrong = [] if games == known else [f"games run {games}, the launcher knows {known}"]
        wrong += [f"an orphan: {one}" for one in running if (one.server, one.token) not in known]
        pids = {one.pid for one in running}
        wrong += [f"{name} has no process {one.pid}" for name, one in saved.items() if one.pid not in pids]
        return wrong


def accepts(port: int) -> bool:
    """Whether somebody listens there."""
    try:
        socket.create_connection(("127.0.0.1", port), timeout=2).close()
    except OSError:
        return False
    return True
