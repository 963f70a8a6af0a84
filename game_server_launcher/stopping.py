"""How a game process is ended: asked in its own way, then by TERM, then by KILL, each with its time to obey.

Runs in the central task; every step that comes later is the server's one timer.
"""

import logging
import signal
from collections.abc import Callable
from typing import Protocol

from game_server_launcher.gamefile import GameFile
from game_server_launcher.gametables import StopByCommand, StopByController, StopByInput, StopBySignal
from game_server_launcher.runs import Run
from game_server_launcher.servers import GameServer

logger = logging.getLogger(__name__)

KILL_SECONDS = 10.0
"""A process that has not ended so long after KILL hangs in the kernel; it is left to it."""

SetTimer = Callable[[GameServer, float, Callable[[GameServer], None]], None]


class SignalledRunner(Protocol):
    """What is asked of a `Runner` here; see there."""

    def signal(self, server: str, number: int) -> None: ...
    def write_input(self, server: str, text: str) -> None: ...
    def run_command(self, run: Run, command: list[str], port: int, seconds: float) -> None: ...


class Stopper:
    """Ends processes.

    Args:
        runner: of processes.
        ask_controller: asks a server's controller or console, with the seconds it has; false if none is connected.
        set_timer: sets a server's timer in the place of the one it had.
        left_alone: called with a server whose process does not end.
    """

    def __init__(
        self,
        runner: SignalledRunner,
        ask_controller: Callable[[GameServer, float], bool],
        set_timer: SetTimer,
        left_alone: Callable[[GameServer], None],
    ) -> None:
        self._runner = runner
        self._ask_controller = ask_controller
        self._set_timer = set_timer
        self._left_alone = left_alone

    def stop(self, server: GameServer) -> None:
        """Begin at the beginning; what cannot be asked is sent TERM at once."""
        if not self._ask(server):
            self.terminate(server)
            return
        tag = type(server.game.stop).__struct_config__.tag
        way = "console" if server.game.console and isinstance(server.game.stop, StopByController) else tag
        logger.info("%s: asked to stop by %s", server.shown_name, way)
        self._set_timer(server, server.game.stop.seconds, self.terminate)

    def terminate(self, server: GameServer) -> None:
        logger.info("%s: sending TERM to process group %d", server.shown_name, server.group)
        self._runner.signal(server.name, signal.SIGTERM)
        self._set_timer(server, server.game.stop.term_seconds, self.kill)

    def kill(self, server: GameServer) -> None:
        logger.warning("%s: sending KILL to process group %d", server.shown_name, server.group)
        self._runner.signal(server.name, signal.SIGKILL)
        self._set_timer(server, KILL_SECONDS, self._give_up)

    def _give_up(self, server: GameServer) -> None:
        logger.error("%s: process %d does not end, not even by KILL; it is left alone", server.shown_name, server.pid)
        self._left_alone(server)

    def _ask(self, server: GameServer) -> bool:
        """Ask it in its own way; return whether that was possible."""
        stop = server.game.stop
        if isinstance(stop, StopByInput):
            try:
                self._runner.write_input(server.name, stop.text)
            except OSError as error:
                logger.warning("%s: its standard input takes nothing: %s", server.shown_name, error)
                return False
        elif isinstance(stop, StopByCommand):
            self._runner.run_command(run_of(server), stop.command, server.port, stop.seconds)
        elif isinstance(stop, StopBySignal):
            self._runner.signal(server.name, stop.number)
        else:
            return self._ask_controller(server, stop.seconds)
        return True


def run_of(server: GameServer) -> Run:
    """The run that a server is in, as a runner wants it."""
    return Run(
        server=server.name,
        number=server.run,
        game=server.game,
        token=server.token,
        console_port=server.console_port,
        console_password=server.console_password,
    )


def patience(game: GameFile) -> float:
    """How long ending one of a game's servers may take, in seconds, if it resists to the last."""
    return game.stop.seconds + game.stop.term_seconds + KILL_SECONDS


def describe_end(status: int | None) -> str:
    """How a process ended, in words; `status` as in `ProcessEvents.process_exited`."""
    if status is None:
        return "ended, and nobody knows how"
    if status < 0:
        try:
            return f"ended by signal {signal.Signals(-status).name}"
        except ValueError:
            return f"ended by signal {-status}"
    return f"ended with exit status {status}"
