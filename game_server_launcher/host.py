"""What `supervision.py` asks of the program that the servers belong to, and of whoever runs their processes."""

from collections.abc import Callable
from typing import Protocol

from game_server_launcher.logpatterns import Fact
from game_server_launcher.runs import Found, ProcessEvents, Run
from game_server_launcher.servers import GameServer
from game_server_launcher.stopping import SignalledRunner


class GameRunner(SignalledRunner, Protocol):
    """What is asked of a `Runner`; see there."""

    def report_to(self, post: Callable[..., None], events: ProcessEvents) -> None: ...
    def start(self, run: Run) -> None: ...
    def adopt(self, run: Run, found: Found) -> None: ...


class Host(Protocol):
    """The program that these servers belong to; all in the central task."""

    def server_changed(self, server: GameServer) -> None:
        """Something that players, the state file or the login server should know has changed."""

    def choose_game(self, server: GameServer) -> None:
        """It is about to be started: set what it is to start."""

    def crashed(self, server: GameServer) -> bool:
        """It has crashed, or cannot be started; return whether it goes back to something else that it can start."""

    def save_then(self, server: GameServer, then: Callable[[], None]) -> None:
        """Write the state file, then call `then`."""

    def run_began(self, server: GameServer) -> None:
        """Its process runs."""

    def run_frozen(self, server: GameServer) -> None:
        """Its process is stopped where it is; `run_began` follows when it goes on."""

    def ask_to_stop(self, server: GameServer, grace_seconds: float) -> bool:
        """Say so to the server's controller or console; false if none is connected."""

    def has_controller(self, server: GameServer) -> bool:
        """Whether the server's controller or console is connected."""

    def process_crashed(self, server: GameServer, how: str, status: int | None) -> None:
        """The process has ended without having been asked to; `run_ended` follows."""

    def run_ended(self, server: GameServer, reason: str) -> None:
        """The process has ended and all it had to say was heard; matches that still run ended by `reason`."""

    def game_said(self, server: GameServer, facts: list[Fact]) -> None:
        """Its output says so."""

    def all_stopped(self) -> None:
        """After `stop_all`: no process is left."""
