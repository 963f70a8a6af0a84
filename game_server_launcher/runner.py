"""Runs game processes: everything about them that touches the system, outside the central task.

The central task asks (`start`, `adopt`, `signal`, …, all of which return at once) and is told what came of it
by calls to its `ProcessEvents`, which arrive as messages in its queue like everything else. Each server that has a
process has two tasks here: one waits for the end, one looks at the output and finds out when the game is ready.
"""

import logging
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gevent
import gevent.socket
import msgspec
from gevent import subprocess
from gevent.event import AsyncResult

from connhandler import Busy, tasks
from connhandler.workers import WorkerPool
from game_server_launcher.gameconsolehandler import CONSOLE_ADDRESS
from game_server_launcher.gamefile import expand
from game_server_launcher.gametables import ReadyByPort
from game_server_launcher.keeper import check_limits, end_orphans, read_exit_status
from game_server_launcher.output import OutputLog
from game_server_launcher.outputreader import OutputReader, Seen
from game_server_launcher.ports import PortPicker
from game_server_launcher.process import GameProcess, find_by_environment, write_input
from game_server_launcher.programs import check_program, run_to_end, why_not
from game_server_launcher.runfolder import RunFolder
from game_server_launcher.runs import Found, ProcessEvents, Run
from game_server_launcher.surroundings import CONSOLE_PORT_VARIABLE, PORT_VARIABLE, TOKEN_VARIABLE, Surroundings

logger = logging.getLogger(__name__)

LOOK_SECONDS = 0.1
"""Between two looks at whether a game is ready."""

FOLLOW_SECONDS = 0.25
"""Between two looks at what a game with a `[log]` prints."""

ROTATE_SECONDS = 1.0
"""Between two looks at how long its output has become."""


class Runner:
    """Starts, watches and signals the processes of all servers of one launcher.

    Args:
        folder: where state, input and output are.
        pool: for what reads and writes files.
        controller_address: where game controllers find this launcher.
        controller_port: likewise.
    """

    def __init__(self, folder: RunFolder, pool: WorkerPool, controller_address: str, controller_port: int) -> None:
        self._folder = folder
        self._surroundings = Surroundings(folder, controller_address, controller_port)
        self._pool = pool
        self._ports = PortPicker()
        self._processes: dict[str, GameProcess] = {}
        self._tasks: set[tasks.Task] = set()

    def report_to(self, post: Callable[..., None], events: ProcessEvents) -> None:
        """Call `events` through `post`, which is `CentralTask.post`. Comes before everything else."""
        self._post = post
        self._events = events

    def start(self, run: Run) -> None:
        """Start a process. Answers: `process_started` or `process_not_started`."""
        self._spawn(f"game[{run.server}]", self._start, run)

    def adopt(self, run: Run, found: Found) -> None:
        """Take up a process. Answers: `process_started` or `process_not_found`."""
        self._spawn(f"game[{run.server}]", self._adopt, run, found)

    def signal(self, server: str, number: int) -> None:
        """Send a signal to a server's process group."""
        process = self._processes.get(server)
        if process is not None:
            process.signal_group(number)
            if number not in (signal.SIGKILL, signal.SIGSTOP):
                # One that is stopped (SIGSTOP, a debugger) must go on in order to obey.
                process.signal_group(signal.SIGCONT)

    def write_input(self, server: str, text: str) -> None:
        """Write a line to a game's standard input.

        Raises:
            OSError: it does not take it.
        """
        write_input(self._surroundings.input_path(server), text)

    def run_command(self, run: Run, command: list[str], port: int, seconds: float) -> None:
        """Run a command about a server, such as the one that stops it; what it does is logged."""
        self._spawn(f"game[{run.server}].command", self._run_command, run, command, port, seconds)

    def close(self) -> None:
        """Stop watching. Processes that run go on."""
        gevent.killall([task for task in self._tasks if task is not gevent.getcurrent()])
        for process in self._processes.values():
            process.close()
        self._processes.clear()

    def _spawn(self, name: str, function: Callable[..., None], *args: Any) -> None:
        task = tasks.spawn(name, function, *args)
        self._tasks.add(task)
        task.link(self._tasks.discard)

    def _start(self, run: Run) -> None:
        opened: list[int] = []
        log = self._surroundings.output(run)
        try:
            port = self._ports.pick(run.game.ports, run.game.listen_address)
            # One that nobody has had: consoles do not take a port on which ended connections linger.
            console_port = self._ports.pick(range(0), CONSOLE_ADDRESS) if run.game.console else 0
            values = self._surroundings.values(
                run, port, console_port=console_port, console_password=run.console_password
            )
            command = [expand(one, values) for one in run.game.command]
            folder = Path(expand(run.game.folder, values))
            output_from = self._in_pool(self._surroundings.prepare, run, log, folder, opened, values)
            environment = self._surroundings.environment(run, values)
            self._in_pool(check_program, command[0], folder, environment)
            check_limits(run.game.limits)
            stdin = opened[1] if len(opened) > 1 else subprocess.DEVNULL
            own_folder = self._folder.server_folder(run.server)
            process = GameProcess.start(
                command,
                folder,
                environment,
                stdin,
                opened[0],
                own_folder,
                run.game.limits,
                # Teeworlds would end when a console goes that it is just telling something.
                ignore_sigpipe=run.game.console is not None,
            )
        except (OSError, ValueError, Busy) as error:
            self._post(self._events.process_not_started, run.server, run.number, *why_not(run.game.command[0], error))
            return
        finally:
            for descriptor in opened:
                os.close(descriptor)
        self._watch(run, process, log, port, console_port, output_from, False)

    def _adopt(self, run: Run, found: Found) -> None:
        if not found.group:
            found = self._find(run, found)
        # Also those of one that has ended: its players may still talk to them.
        self._ports.given(found.port)
        self._ports.given(found.console_port)
        process = GameProcess.adopt(found.group, found.created_at, found.pid) if found.group else None
        if process is None:
            self._not_found(run, found)
            return
        log = self._surroundings.output(run)
        log.go_on(found.output_from)
        is_frozen = found.was_frozen and process.is_stopped()
        self._watch(
            run, process, log, found.port, found.console_port, found.output_from, found.was_ready, is_frozen=is_frozen
        )

    def _find(self, run: Run, found: Found) -> Found:
        """Look for a process that may have been started and was not written down."""
        try:
            trace = self._in_pool(find_by_environment, TOKEN_VARIABLE, run.token)
        except Busy:
            trace = None
        if trace is None:
            return found
        group, created_at, environment = trace
        port, console_port = (int(environment.get(name, 0)) for name in (PORT_VARIABLE, CONSOLE_PORT_VARIABLE))
        return msgspec.structs.replace(
            found, group=group, pid=0, created_at=created_at, port=port, console_port=console_port
        )

    def _not_found(self, run: Run, found: Found) -> None:
        """Nobody may be left of the game, whose place another one takes."""
        status = None
        try:
            status = self._in_pool(read_exit_status, self._folder.server_folder(run.server), found.group)
            orphans = self._in_pool(end_orphans, TOKEN_VARIABLE, run.token)
            if orphans:
                logger.warning("game[%s]: %d processes that nobody kept any more were killed", run.server, orphans)
        except Busy as error:
            logger.error("game[%s]: nobody has looked for what is left of it: %s", run.server, error)
        self._post(self._events.process_not_found, run.server, run.number, status)

    def _watch(
        self,
        run: Run,
        process: GameProcess,
        log: OutputLog,
        port: int,
        console_port: int,
        output_from: int,
        was_ready: bool,
        is_frozen: bool = False,
    ) -> None:
        self._processes[run.server] = process
        events, which = self._events, (run.server, run.number)
        started = process.pid, process.created_at, port, output_from, console_port, process.group
        self._post(events.process_started, *which, *started)
        if is_frozen:
            self._post(events.process_frozen, *which)
        elif was_ready:
            self._post(events.process_ready, *which)
        looking = tasks.spawn(f"game[{run.server}].output", self._look, run, log, port, was_ready)
        try:
            status = process.wait()
        finally:
            looking.kill()
        if self._processes.get(run.server) is process:
            del self._processes[run.server]
        try:
            last_lines = self._in_pool(log.last_lines)
        except (OSError, Busy) as error:
            last_lines = [f"(its output cannot be read: {error})"]
        self._post(events.process_exited, *which, self._how_it_ended(run, process, status), last_lines)

    def _how_it_ended(self, run: Run, process: GameProcess, keeper_status: int | None) -> int | None:
        """The exit status of the game, negative for a signal; None if nobody can tell."""
        try:
            status = self._in_pool(read_exit_status, self._folder.server_folder(run.server), process.group)
        except Busy:
            status = None
        if status is not None:
            return int(status)
        if process.killed:
            return -signal.SIGKILL
        logger.warning("game[%s]: its keeper was ended, and the game with it", run.server)
        return keeper_status

    def _look(self, run: Run, log: OutputLog, port: int, ready: bool) -> None:
        """The task that looks at the output, for as long as the process runs."""
        reader = OutputReader(run.game, log, ready)
        by_port = isinstance(run.game.ready, ReadyByPort) and not ready
        dropped = 0
        waited = 0.0
        while True:
            pause = LOOK_SECONDS if by_port or reader.waits else FOLLOW_SECONDS if reader.follows else ROTATE_SECONDS
            gevent.sleep(pause)
            waited += pause
            try:
                if reader.waits or reader.follows:
                    self._read(run, reader)
                if by_port and self._accepts(run, port):
                    by_port = False
                    self._post(self._events.process_ready, run.server, run.number)
                if waited >= ROTATE_SECONDS:
                    waited = 0.0
                    self._in_pool(log.rotate)
            except Busy:
                continue  # The disk is slow; there is a next time.
            except OSError as error:
                logger.warning("game[%s]: its output cannot be looked at: %s", run.server, error)
            if log.dropped_bytes > dropped:
                self._post(self._events.output_dropped, run.server, run.number, log.dropped_bytes - dropped)
                dropped = log.dropped_bytes

    def _read(self, run: Run, reader: OutputReader) -> None:
        seen: Seen = self._in_pool(reader.look)
        if seen.ready:
            self._post(self._events.process_ready, run.server, run.number)
        if seen.facts:
            self._post(self._events.process_said, run.server, run.number, seen.facts)

    def _accepts(self, run: Run, port: int) -> bool:
        try:
            gevent.socket.create_connection((run.game.listen_address, port), timeout=1.0).close()
        except OSError:
            return False
        return True

    def _run_command(self, run: Run, command: list[str], port: int, seconds: float) -> None:
        process = self._processes.get(run.server)
        pid = process.pid if process else 0
        values = self._surroundings.values(run, port, pid=pid, console_port=run.console_port)
        command = [expand(one, values) for one in command]
        environment = self._surroundings.environment(run, values)
        del environment[TOKEN_VARIABLE]  # It is what a game process is known by.
        name = f"game[{run.server}]: {command[0]}"
        try:
            output = self._in_pool(self._surroundings.output(run).open)
            try:
                run_to_end(name, command, self._folder.server_folder(run.server), environment, output, seconds)
            finally:
                os.close(output)
        except (OSError, Busy) as error:
            logger.error("%s cannot be run: %s", name, error)

    def _in_pool(self, function: Callable[..., Any], *args: Any) -> Any:
        """Wait for a function that runs in a thread.

        Raises:
            Busy: the pool is full.
            Exception: what the function raised.
        """
        result: AsyncResult[Any] = AsyncResult()
        self._pool.submit(
            function, *args, done=lambda value, error: result.set_exception(error) if error else result.set(value)
        )
        return result.get()
