"""The life of every game server, as the central task decides it: start, ready, stop, crash, restart, give up.

All of it runs in the central task. What happens to processes comes in as calls of `ProcessEvents`, each a message
in the central queue; what is to be done goes out to a `Runner`, which never waits. Each server has one timer at
most: the next thing that happens to it if nothing else does.

    STOPPED → STARTING → READY ⇄ AWAY (→ SILENT)
                 ↑          │ stop: its own way → TERM → KILL
                 │          ├──────→ STOPPING → STOPPED
              WAITING ←─────┤ crash
                            └──────→ FAILED (given up, or cannot be started)

    READY ⇄ FROZEN                             nobody is there, as the game file's `[idle]` wants it
    READY ⇄ DROWSY → STOPPING → ASLEEP → STARTING
"""

import logging
from collections.abc import Callable

from connhandler import CentralTask, Timer
from game_server_launcher.crashpolicy import after_crash
from game_server_launcher.gametables import ReadyByController, ReadyByStatus
from game_server_launcher.host import GameRunner, Host
from game_server_launcher.logpatterns import Fact
from game_server_launcher.runs import Found, Run
from game_server_launcher.servers import READY_ONCE, GameServer, SavedServer, State, is_over
from game_server_launcher.sleeping import Sleeper
from game_server_launcher.stopping import Stopper, describe_end, run_of

logger = logging.getLogger(__name__)

LAST_WORDS_SECONDS = 2.0
"""A game has ended, its controller's connection has not: so long its last messages are waited for."""

AWAY_SECONDS = 10.0
"""A controller that is away for longer may be that of a game that hangs: nobody new is sent there."""


class Supervision:
    """Decides about all game servers of a launcher.

    Args:
        central: whose task this runs in: its time, its timers, its ids.
        host: who is told.
        servers: by name; owned by the host, changed here.
        runner: of processes.

    Attributes:
        sleeper: freezes servers that nobody uses, or puts them to sleep, and wakes them.
    """

    def __init__(self, central: CentralTask, host: Host, servers: dict[str, GameServer], runner: GameRunner) -> None:
        runner.report_to(central.post, self)
        self._stopper = Stopper(runner, host.ask_to_stop, self._set_timer, self._does_not_end)
        self._runner = runner
        self._central = central
        self._host = host
        self._servers = servers
        self._timers: dict[str, Timer] = {}
        self._last_words: dict[str, tuple[int | None, list[str]]] = {}
        self._stopping_all = False
        self._leaving = False
        self.sleeper = Sleeper(runner, host, self._enter, self.start, self._away, self._end, self._set_timer)

    # --- what the program asks for -------------------------------------------------------------------

    def begin(self, server: GameServer, saved: SavedServer | None) -> None:
        """Adopt the process that an earlier launcher started, or start one."""
        if saved is not None:
            server.restore(saved)
        if saved is None or not (saved.pid or saved.state is State.STARTING):
            self._host.run_ended(server, "server_crashed")
            was_asleep = saved is not None and saved.state is State.ASLEEP
            if server.game.idle.start == "on-demand" or (was_asleep and server.game.idle.on_demand):
                self._enter(server, State.ASLEEP, "nobody has asked for it")
            else:
                self.start(server)
            return
        server.run += 1
        server.adopted = True
        server.was_ready = saved.state in READY_ONCE
        server.state = State.STARTING
        told_again = isinstance(server.game.ready, ReadyByController | ReadyByStatus)
        found = Found(
            group=saved.group or saved.pid,
            pid=saved.pid,
            created_at=saved.created_at,
            port=saved.port,
            output_from=saved.output_from,
            console_port=saved.console_port,
            was_ready=saved.state in (State.READY, State.FROZEN, State.DROWSY) and not told_again,
            was_frozen=saved.state is State.FROZEN,
        )
        self._runner.adopt(run_of(server), found)

    def start(self, server: GameServer) -> None:
        """Start a process for a server that has none."""
        self._host.choose_game(server)
        token = self._central.new_id() + self._central.new_id()
        console_password = self._central.new_id() if server.game.console else ""
        server.begin_run(self._central.now, token, console_password)
        self._enter(server, State.STARTING)
        run = run_of(server)
        # Written first, so that a launcher that is killed right after the start leaves a trace of it.
        self._host.save_then(server, lambda: self._start_now(server, run))

    @property
    def ending(self) -> bool:
        """Whether the launcher ends: nothing is started any more."""
        return self._stopping_all or self._leaving

    def restart(self, server: GameServer) -> None:
        """Stop a server and start it at once; one without a process is started, whatever became of the last one."""
        server.crashes = []
        server.backoffs = 0
        if server.state in (State.STOPPED, State.FAILED, State.WAITING, State.ASLEEP):
            self.start(server)
            return
        server.restarting = True
        self._stop(server)

    def stop(self, server: GameServer) -> None:
        """Stop a server for good: in its own way, then by TERM, then by KILL."""
        server.restarting = server.falls_asleep = False
        self._stop(server)

    def _stop(self, server: GameServer) -> None:
        if server.state in (State.STOPPING, State.STOPPED, State.FAILED):
            return
        if server.state in (State.WAITING, State.ASLEEP):
            self._enter(server, State.STOPPED, "asked to stop")
            self._check_all_stopped()
            return
        if server.state is State.FROZEN:
            self.sleeper.thaw(server)
        self._enter(server, State.STOPPING, "asked to restart" if server.restarting else "asked to stop")
        self._end(server)

    def _end(self, server: GameServer) -> None:
        """Stop the process, if there is one, of a server that is in the state STOPPING."""
        if server.name in self._last_words:
            self._ended(server)
        elif server.running:
            self._stopper.stop(server)

    def stop_all(self) -> None:
        """Stop every server; `Host.all_stopped` follows."""
        self._stopping_all = True
        for server in self._servers.values():
            self.stop(server)
        self._check_all_stopped()

    def kill_all(self) -> None:
        """The same, with no more patience."""
        self._stopping_all = True
        for server in self._servers.values():
            self.stop(server)
            if server.running:
                self._stopper.kill(server)

    def leave_all(self) -> None:
        """Let every process run on without this launcher: nothing is started, restarted or stopped any more."""
        self._leaving = True
        for name in self._servers:
            self._cancel_timer(name)

    def hangs(self, server: GameServer, why: str) -> None:
        """The game does not answer, though its controller or console is connected."""
        if server.state in (State.READY, State.AWAY):
            logger.warning("%s: %s", server.shown_name, why)
            self._enter(server, State.SILENT, why)

    def answers_again(self, server: GameServer) -> None:
        """It does, after all."""
        if server.state is State.SILENT:
            self._ready(server)

    def end_as_crashed(self, server: GameServer, why: str) -> None:
        """End a process with which something is wrong; does nothing if it is being ended already."""
        if self._leaving or not server.running or server.outcome or server.state is State.STOPPING:
            return
        server.outcome = why
        logger.warning("%s: %s; ending its process %d", server.shown_name, why, server.pid)
        if server.ready_once:
            self._enter(server, State.SILENT, why)
        self._stopper.terminate(server)

    def controller_ready(self, server: GameServer) -> None:
        """The server's controller said that it takes players, or its console let us in."""
        if isinstance(server.game.ready, ReadyByController):
            self._ready(server)

    def controller_gone(self, server: GameServer) -> None:
        """The connection of the server's controller or console has ended."""
        if server.name in self._last_words:
            self._ended(server)
        elif server.state is State.READY and isinstance(server.game.ready, ReadyByController):
            self._away(server)

    def answered(self, server: GameServer) -> None:
        """The game answers questions about itself (`[status]`)."""
        lost = server.state in (State.AWAY, State.SILENT) and not isinstance(server.game.ready, ReadyByController)
        if lost or isinstance(server.game.ready, ReadyByStatus):
            self._ready(server)

    def unanswered(self, server: GameServer) -> None:
        """It has not answered for a while."""
        if server.state is State.READY and not isinstance(server.game.ready, ReadyByController):
            logger.warning("%s: it does not answer", server.shown_name)
            self._enter(server, State.AWAY, "it does not answer")
            self._set_timer(server, AWAY_SECONDS, self._silent)

    # --- what happens to processes (ProcessEvents) ---------------------------------------------------

    def process_started(
        self,
        server: str,
        number: int,
        pid: int,
        created_at: float,
        port: int,
        output_from: int,
        console_port: int = 0,
        group: int = 0,
    ) -> None:
        one = self._current(server, number)
        if one is None:
            return
        one.pid, one.created_at, one.port, one.output_from = pid, created_at, port, output_from
        one.console_port = console_port
        one.group = group or pid
        verb = "adopted" if one.adopted else "started"
        logger.info("%s: %s as process %d on port %d", one.shown_name, verb, pid, port)
        self._host.server_changed(one)
        self._host.run_began(one)
        if one.state is State.STOPPING:
            self._stopper.stop(one)
        elif one.state is State.STARTING:
            too_late = self._still_away if one.adopted else self._not_ready
            self._set_timer(one, one.game.ready.seconds, too_late)

    def process_not_started(self, server: str, number: int, reason: str, for_good: bool) -> None:
        one = self._current(server, number)
        if one is None:
            return
        if one.state is State.STOPPING:
            self._stopped(one, reason)
        elif for_good and not self._host.crashed(one):
            logger.error("%s: cannot be started: %s", one.shown_name, reason)
            self._enter(one, State.FAILED, reason)
        else:
            self._crashed(one, f"cannot be started: {reason}")

    def process_not_found(self, server: str, number: int, status: int | None = None) -> None:
        one = self._current(server, number)
        if one is None:
            return
        how = f"{describe_end(status)} while no launcher was running"
        logger.info("%s: its process %s", one.shown_name, how)
        asked = one.state is State.STOPPING or one.retired
        clean = status == 0 and one.was_ready
        if status is not None and not (asked or clean):
            self._host.process_crashed(one, how, status)
        one.end_run()
        self._host.run_ended(one, "server_stopped" if clean else "server_crashed")
        if asked:
            self._stopped(one, how)
        elif status is None:
            self.start(one)
        elif clean:
            self._ended_by_itself(one)
        else:
            self._crashed(one, how)

    def process_ready(self, server: str, number: int) -> None:
        one = self._current(server, number)
        if one is not None:
            self._ready(one)

    def process_frozen(self, server: str, number: int) -> None:
        one = self._current(server, number)
        if one is not None and one.state is State.STARTING:
            self.sleeper.found_frozen(one)

    def process_said(self, server: str, number: int, facts: list[Fact]) -> None:
        one = self._current(server, number)
        if one is not None and one.running:
            self._host.game_said(one, facts)

    def process_exited(self, server: str, number: int, status: int | None, last_lines: list[str]) -> None:
        one = self._current(server, number)
        if one is None or not one.running:
            return
        self._last_words[one.name] = (status, last_lines)
        if self._host.has_controller(one) and one.state not in (State.FROZEN, State.DROWSY):
            self._set_timer(one, LAST_WORDS_SECONDS, self._ended)
        else:
            self._ended(one)

    def output_dropped(self, server: str, number: int, dropped_bytes: int) -> None:
        one = self._current(server, number)
        if one is not None:
            one.dropped_output_bytes += dropped_bytes
            logger.warning("%s: the disk is full: %d bytes of its output were dropped", one.shown_name, dropped_bytes)

    # --- the life of one server ----------------------------------------------------------------------

    def _start_now(self, server: GameServer, run: Run) -> None:
        if self._leaving or server.run != run.number:
            return
        if server.state is State.STARTING:
            self._runner.start(run)
        elif server.state is State.STOPPING:
            self.process_not_started(server.name, run.number, "asked to stop", for_good=False)

    def _ready(self, server: GameServer) -> None:
        ended = server.outcome or server.name in self._last_words
        if ended or server.state not in (State.STARTING, State.AWAY, State.SILENT):
            return  # It says so too late, or once more.
        seconds = self._central.now - server.started_at
        again = "" if server.state is State.STARTING and not server.adopted else "again "
        logger.info("%s: %sready on port %d (%.1f s after its start)", server.shown_name, again, server.port, seconds)
        self._enter(server, State.READY)

    def _not_ready(self, server: GameServer) -> None:
        self.end_as_crashed(server, f"was not ready within {server.game.ready.seconds:g} s")

    def _still_away(self, server: GameServer) -> None:
        """A process that was adopted may have matches running: it is not ended for being silent."""
        logger.warning(
            "%s: its process %d runs, but has not reported for %g s",
            server.shown_name,
            server.pid,
            server.game.ready.seconds,
        )

    def _away(self, server: GameServer) -> None:
        self._enter(server, State.AWAY, "its controller is away")
        self._set_timer(server, AWAY_SECONDS, self._silent)

    def _silent(self, server: GameServer) -> None:
        logger.warning("%s: %s, for %g s now", server.shown_name, server.reason, AWAY_SECONDS)
        self._enter(server, State.SILENT, server.reason)

    def _does_not_end(self, server: GameServer) -> None:
        self._last_words[server.name] = (None, [])
        self._ended(server)

    def _ended(self, server: GameServer) -> None:
        """The process has ended and nothing more comes from its controller."""
        self._cancel_timer(server.name)
        status, last_lines = self._last_words.pop(server.name)
        how = server.outcome or describe_end(status)
        asked = server.state is State.STOPPING
        clean = status == 0 and server.ready_once and not server.outcome
        ran_for = self._central.now - server.started_at
        if not (asked or clean):
            self._host.process_crashed(server, how, status)
        server.end_run()
        self._host.run_ended(server, "server_stopped" if asked or clean else "server_crashed")
        if asked:
            logger.info("%s: stopped (%s)", server.shown_name, how)
            self._stopped(server, how)
        elif clean:
            self._ended_by_itself(server)
        else:
            for line in last_lines:
                logger.warning("%s: its last output: %s", server.shown_name, line)
            self._host.crashed(server)
            self._crashed(server, how, ran_for)

    def _stopped(self, server: GameServer, how: str) -> None:
        """What was asked for has happened."""
        if server.restarting:
            server.restarting = server.falls_asleep = False
            server.restarts += 1
            self.start(server)
            return
        if server.falls_asleep:
            self.sleeper.has_ended(server)
            return
        self._enter(server, State.STOPPED, how)
        self._check_all_stopped()

    def _ended_by_itself(self, server: GameServer) -> None:
        logger.info("%s: ended by itself", server.shown_name)
        if server.game.idle.on_demand:
            self._enter(server, State.ASLEEP, "ended by itself")
        elif server.game.restart.policy == "always":
            self._restart_after(server, server.game.restart.first_seconds, "ended by itself")
        else:
            self._enter(server, State.STOPPED, "ended by itself")

    def _crashed(self, server: GameServer, how: str, ran_for: float = 0.0) -> None:
        verdict = after_crash(server, how, self._central.now, ran_for)
        if verdict.given_up:
            logger.error("%s: %s", server.shown_name, verdict.given_up)
            self._enter(server, State.FAILED, verdict.reason)
            return
        logger.warning("%s: crashed: %s; restarted in %g s", server.shown_name, how, verdict.seconds)
        self._restart_after(server, verdict.seconds, how)

    def _restart_after(self, server: GameServer, seconds: float, why: str) -> None:
        server.restarts += 1
        self._enter(server, State.WAITING, why)
        self._set_timer(server, seconds, self.start)

    def _enter(self, server: GameServer, state: State, reason: str = "") -> None:
        self._cancel_timer(server.name)
        server.state = state
        server.reason = reason
        self._host.server_changed(server)

    def _check_all_stopped(self) -> None:
        if self._stopping_all and all(is_over(server) for server in self._servers.values()):
            self._host.all_stopped()

    def _current(self, server: str, number: int) -> GameServer | None:
        one = self._servers.get(server)
        return one if one is not None and one.run == number else None

    def _set_timer(self, server: GameServer, seconds: float, function: Callable[[GameServer], None]) -> None:
        self._cancel_timer(server.name)
        self._timers[server.name] = self._central.call_later(seconds, function, server)

    def _cancel_timer(self, name: str) -> None:
        timer = self._timers.pop(name, None)
        if timer is not None:
            timer.cancel()
