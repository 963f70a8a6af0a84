"""How a server that nobody uses is frozen, or put to sleep, and how it is woken. When: `idling.py`.

Frozen, its processes are stopped where they are, and go on within a moment. Asleep, it has no process. Between being
ready and falling asleep it is drowsy: players are told already that it is asleep, and one who was sent there a moment
before still finds it.
"""

import logging
import signal
from collections.abc import Callable
from typing import Protocol

from game_server_launcher.gametables import ReadyByController
from game_server_launcher.servers import GameServer, State
from game_server_launcher.stopping import SetTimer, SignalledRunner

logger = logging.getLogger(__name__)

DOZE_SECONDS = 1.0
"""From when players are told that a server is asleep until it is stopped: who was sent there is heard of meanwhile."""

NOBODY = "nobody is here"


class Host(Protocol):
    """The program; see `supervision.Host`."""

    def server_changed(self, server: GameServer) -> None: ...
    def save_then(self, server: GameServer, then: Callable[[], None]) -> None: ...
    def run_began(self, server: GameServer) -> None: ...
    def run_frozen(self, server: GameServer) -> None: ...
    def has_controller(self, server: GameServer) -> bool: ...


class Enter(Protocol):
    def __call__(self, server: GameServer, state: State, reason: str = "") -> None: ...


class Sleeper:
    """Lets servers rest, and wakes them. Runs in the central task.

    Args:
        runner: of processes.
        host: who is told.
        enter: lets a server be in a state, without a timer.
        start: starts a process for a server.
        away: called with a server whose controller is not here.
        end: stops the process of a server in the state STOPPING.
        set_timer: sets a server's timer in the place of the one it had.
    """

    def __init__(
        self,
        runner: SignalledRunner,
        host: Host,
        enter: Enter,
        start: Callable[[GameServer], None],
        away: Callable[[GameServer], None],
        end: Callable[[GameServer], None],
        set_timer: SetTimer,
    ) -> None:
        self._runner = runner
        self._host = host
        self._enter = enter
        self._start = start
        self._away = away
        self._end = end
        self._set_timer = set_timer

    def freeze(self, server: GameServer) -> None:
        """Stop the processes of a ready server where they are."""
        if server.state is not State.READY:
            return
        logger.info("%s: nobody is here; freezing its process %d", server.shown_name, server.pid)
        self._enter(server, State.FROZEN, NOBODY)
        run = server.run
        # Written first, so that a launcher that is killed right after it leaves a trace of it.
        self._host.save_then(server, lambda: self._freeze_now(server, run))

    def put_to_sleep(self, server: GameServer) -> None:
        """Stop a ready server until somebody wants in."""
        if server.state is State.READY:
            self._enter(server, State.DROWSY, NOBODY)
            self._set_timer(server, DOZE_SECONDS, self._fall_asleep)

    def wake(self, server: GameServer) -> None:
        """Somebody wants in."""
        if server.state is State.FROZEN:
            logger.info("%s: somebody wants in; its process %d goes on", server.shown_name, server.pid)
            self.thaw(server)
            self._go_on(server)
            self._host.run_began(server)
        elif server.state is State.DROWSY:
            self._go_on(server)
        elif server.state is State.ASLEEP:
            logger.info("%s: somebody wants in; starting it", server.shown_name)
            self._start(server)
        elif server.falls_asleep and not server.restarting:
            server.restarting = True
            self._host.server_changed(server)

    def thaw(self, server: GameServer) -> None:
        """Let the processes of a frozen server go on, whatever for."""
        self._runner.signal(server.name, signal.SIGCONT)

    def found_frozen(self, server: GameServer) -> None:
        """It was frozen when an earlier launcher ended, and is now."""
        self._enter(server, State.FROZEN, NOBODY)
        self._host.run_frozen(server)

    def has_ended(self, server: GameServer) -> None:
        """A server that falls asleep has no process any more."""
        server.falls_asleep = False
        self._enter(server, State.ASLEEP, NOBODY)

    def _freeze_now(self, server: GameServer, run: int) -> None:
        if server.state is State.FROZEN and server.run == run:
            self._runner.signal(server.name, signal.SIGSTOP)
            self._host.run_frozen(server)

    def _go_on(self, server: GameServer) -> None:
        """Its process runs, and nothing else is known of it than that it was ready."""
        if isinstance(server.game.ready, ReadyByController) and not self._host.has_controller(server):
            self._away(server)
        else:
            self._enter(server, State.READY)

    def _fall_asleep(self, server: GameServer) -> None:
        logger.info("%s: nobody is here; stopping it", server.shown_name)
        server.falls_asleep = True
        self._enter(server, State.STOPPING, NOBODY)
        self._end(server)
