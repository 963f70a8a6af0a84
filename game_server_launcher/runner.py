"""Runs game processes: everything about them that touches the system, outside the central task.

The central task asks (`start`, `adopt`, `signal`, …, all of which return at once) and is told what came of it
by calls to its `ProcessEvents`, which arrive as messages in its queue like everything else. Each server that has a
process has two tasks here: one waits for the end, one looks at the output and finds out when the game is ready.
"""

import errno
import logging
import os
import re
import signal
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

import gevent
import gevent.socket
import msgspec
from gevent import subprocess
from gevent.event import AsyncResult

from connhandler import Busy, tasks
from connhandler.workers import WorkerPool
from game_server_launcher.gameconsolehandler import CONSOLE_ADDRESS
from game_server_launcher.gamefile import (
    OUTPUT_FILE,
    GameFile,
    ReadyByOutput,
    ReadyByPort,
    StopByInput,
    expand,
    placeholder_values,
)
from game_server_launcher.output import OutputLog
from game_server_launcher.ports import PortPicker
from game_server_launcher.process import GameProcess, find_by_environment, make_input, write_input
from game_server_launcher.runfolder import RunFolder, write_whole

logger = logging.getLogger(__name__)

TOKEN_VARIABLE = "LAUNCHER_TOKEN"
PORT_VARIABLE = "LAUNCHER_PORT"
CONSOLE_PORT_VARIABLE = "LAUNCHER_CONSOLE_PORT"
OWN_VARIABLES = "LAUNCHER_"
"""Variables of the launcher itself begin so; one of them may be its key, and no game gets to see them."""

LOOK_SECONDS = 0.1
"""Between two looks at whether a game is ready."""

ROTATE_SECONDS = 1.0
"""Between two looks at how long its output has become."""


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """One run of one server: what is needed to start it."""

    server: str
    number: int
    game: GameFile
    token: str
    console_port: int = 0
    """Of a process that runs already."""
    console_password: str = ""


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """A process that an earlier launcher started. `pid` 0: it may have, and did not come to write it down."""

    pid: int
    created_at: float
    port: int
    output_from: int
    was_ready: bool
    console_port: int = 0


class ProcessEvents(Protocol):
    """What the central task is told. Every one says which run it is about: server and number."""

    def process_started(
        self, server: str, number: int, pid: int, created_at: float, port: int, output_from: int, console_port: int = 0
    ) -> None:
        """It runs. `output_from` is where in its output file its output begins; `console_port` 0: it has none."""

    def process_not_started(self, server: str, number: int, reason: str, for_good: bool) -> None:
        """It does not run; trying again makes no sense if `for_good`."""

    def process_not_found(self, server: str, number: int) -> None:
        """There is nothing to adopt."""

    def process_ready(self, server: str, number: int) -> None:
        """Its output or its port said so."""

    def process_exited(self, server: str, number: int, status: int | None, last_lines: list[str]) -> None:
        """It has ended, and all of its group. `status` None: nobody can tell how."""

    def output_dropped(self, server: str, number: int, dropped_bytes: int) -> None:
        """So much more of its output was thrown away because the disk was full."""


class Runner:
    """Starts, watches and signals the processes of all servers of one launcher.

    Args:
        folder: where state, input and output are.
        pool: for what reads and writes files.
        controller_address: where game controllers find this launcher.
        controller_port: likewise.
    """

    def __init__(self, folder: RunFolder, pool: WorkerPool, controller_address: str, controller_port: int) -> None:
        self._controller_address = controller_address
        self._controller_port = controller_port
        self._folder = folder
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
            if number != signal.SIGKILL:
                # One that is stopped (SIGSTOP, a debugger) must go on in order to obey.
                process.signal_group(signal.SIGCONT)

    def write_input(self, server: str, text: str) -> None:
        """Write a line to a game's standard input.

        Raises:
            OSError: it does not take it.
        """
        write_input(self._input_path(server), text)

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
        log = self._output(run)
        try:
            port = self._ports.pick(run.game.ports, run.game.listen_address)
            # One that nobody has had: consoles do not take a port on which ended connections linger.
            console_port = self._ports.pick(range(0), CONSOLE_ADDRESS) if run.game.console else 0
            values = self._values(run, port, console_port=console_port, console_password=run.console_password)
            command = [expand(one, values) for one in run.game.command]
            folder = Path(expand(run.game.folder, values))
            output_from = self._in_pool(self._open_files, run, log, folder, opened, values)
            process = GameProcess.start(
                command,
                folder,
                self._environment(run, values),
                opened[1] if len(opened) > 1 else subprocess.DEVNULL,
                opened[0],
            )
        except (OSError, ValueError, Busy) as error:
            self._post(self._events.process_not_started, run.server, run.number, *_why_not(run, error))
            return
        finally:
            for descriptor in opened:
                os.close(descriptor)
        self._watch(run, process, log, port, console_port, output_from, False)

    def _adopt(self, run: Run, found: Found) -> None:
        if not found.pid:
            found = self._find(run, found)
        process = GameProcess.adopt(found.pid, found.created_at) if found.pid else None
        if process is None:
            self._post(self._events.process_not_found, run.server, run.number)
            return
        self._ports.given(found.port)
        self._ports.given(found.console_port)
        log = self._output(run)
        log.go_on(found.output_from)
        self._watch(run, process, log, found.port, found.console_port, found.output_from, found.was_ready)

    def _find(self, run: Run, found: Found) -> Found:
        """Look for a process that may have been started and was not written down."""
        try:
            trace = self._in_pool(find_by_environment, TOKEN_VARIABLE, run.token)
        except Busy:
            trace = None
        if trace is None:
            return found
        pid, created_at, environment = trace
        port, console_port = (int(environment.get(name, 0)) for name in (PORT_VARIABLE, CONSOLE_PORT_VARIABLE))
        return msgspec.structs.replace(found, pid=pid, created_at=created_at, port=port, console_port=console_port)

    def _watch(
        self,
        run: Run,
        process: GameProcess,
        log: OutputLog,
        port: int,
        console_port: int,
        output_from: int,
        was_ready: bool,
    ) -> None:
        self._processes[run.server] = process
        events, which = self._events, (run.server, run.number)
        self._post(events.process_started, *which, process.pid, process.created_at, port, output_from, console_port)
        if was_ready:
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
        self._post(events.process_exited, *which, status, last_lines)

    def _look(self, run: Run, log: OutputLog, port: int, ready: bool) -> None:
        """The task that looks at the output, for as long as the process runs."""
        signs = {ReadyByOutput: self._has_said_so, ReadyByPort: self._accepts}
        sign = None if ready else signs.get(type(run.game.ready))
        dropped = 0
        waited = 0.0
        while True:
            pause = LOOK_SECONDS if sign else ROTATE_SECONDS
            gevent.sleep(pause)
            waited += pause
            try:
                if sign and sign(run, log, port):
                    sign = None
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

    def _has_said_so(self, run: Run, log: OutputLog, port: int) -> bool:
        assert isinstance(run.game.ready, ReadyByOutput)
        lines: list[str] = self._in_pool(log.new_lines)
        return any(re.search(run.game.ready.pattern, line) for line in lines)

    def _accepts(self, run: Run, log: OutputLog, port: int) -> bool:
        try:
            gevent.socket.create_connection((run.game.listen_address, port), timeout=1.0).close()
        except OSError:
            return False
        return True

    def _run_command(self, run: Run, command: list[str], port: int, seconds: float) -> None:
        process = self._processes.get(run.server)
        values = self._values(run, port, pid=process.pid if process else 0, console_port=run.console_port)
        command = [expand(one, values) for one in command]
        environment = self._environment(run, values)
        del environment[TOKEN_VARIABLE]  # It is what a game process is known by.
        name = f"game[{run.server}]: {command[0]}"
        try:
            output = self._in_pool(self._output(run).open)
            try:
                child = subprocess.Popen(
                    command,
                    cwd=self._folder.server_folder(run.server),
                    env=environment,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
            finally:
                os.close(output)
        except (OSError, Busy) as error:
            logger.error("%s cannot be run: %s", name, error)
            return
        try:
            status = child.wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            logger.warning("%s has not ended after %g s and is killed", name, seconds)
            return
        finally:
            if child.returncode is None:
                os.killpg(child.pid, signal.SIGKILL)
        if status:
            logger.warning("%s ended with exit status %d", name, status)

    def _open_files(
        self, run: Run, log: OutputLog, folder: Path, opened: list[int], values: Mapping[str, object]
    ) -> int:
        """Write the game's files, open its output and input into `opened`; return where its output begins."""
        own_folder = self._folder.server_folder(run.server)
        own_folder.mkdir(mode=0o700, exist_ok=True)
        if not folder.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, "no such folder", str(folder))
        for name, text in run.game.files.items():
            write_whole(own_folder / name, expand(text, values).encode())
        opened.append(log.open())
        if isinstance(run.game.stop, StopByInput):
            opened.append(make_input(self._input_path(run.server)))
        return log.position

    def _output(self, run: Run) -> OutputLog:
        path = self._folder.server_folder(run.server) / OUTPUT_FILE
        return OutputLog(path, run.game.output.max_bytes, run.game.output.files)

    def _input_path(self, server: str) -> Path:
        return self._folder.path / f"{server}.stdin"

    def _values(self, run: Run, port: int, **more: object) -> dict[str, object]:
        return placeholder_values(
            run.server,
            run.token,
            self._folder.server_folder(run.server),
            port=port,
            listen_address=run.game.listen_address,
            controller_address=self._controller_address,
            controller_port=self._controller_port,
            **more,
        )

    def _environment(self, run: Run, values: Mapping[str, object]) -> dict[str, str]:
        inherited = {name: text for name, text in os.environ.items() if not name.startswith(OWN_VARIABLES)}
        ours = {
            "LAUNCHER_SERVER": run.server,
            TOKEN_VARIABLE: run.token,
            PORT_VARIABLE: str(values["port"]),
            "LAUNCHER_CONTROLLER_ADDRESS": self._controller_address,
            "LAUNCHER_CONTROLLER_PORT": str(self._controller_port),
        }
        if run.game.console:
            ours[CONSOLE_PORT_VARIABLE] = str(values["console_port"])
        return inherited | ours | {name: expand(text, values) for name, text in run.game.environment.items()}

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


def _why_not(run: Run, error: Exception) -> tuple[str, bool]:
    """Why a process was not started, in words, and whether trying again makes no sense."""
    if isinstance(error, FileNotFoundError):
        program = str(error.filename)
        if Path(program).exists():
            return f"{program}: the interpreter in its first line does not exist", True
        where = "" if "/" in program else " on the search path"
        return f"there is no program {program}{where}", True
    if isinstance(error, NotADirectoryError):
        return f"the working folder {error.filename} does not exist", True
    if isinstance(error, PermissionError):
        return f"{error.filename} may not be run by this user", True
    if isinstance(error, ValueError) or getattr(error, "errno", None) == errno.ENOEXEC:
        return f"{run.game.command[0]}: {error}", True
    return getattr(error, "strerror", None) or str(error), False
