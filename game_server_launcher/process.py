"""One process of a game: started in a session and a process group of its own, or found running and adopted.

What is started is the game's keeper (`keeper.py`), and the game is the keeper's child.

The session is what lets a match go on when the launcher dies: no signal of the launcher's terminal or group
reaches it, and nothing it holds (output file, input FIFO) needs the launcher. The group is what lets the launcher end
it whole, with every process that it has started. The end is seen through a pidfd, which works for a process
that is nobody's child, costs nothing while nothing happens, and can never mean a later process of the same number.

A game that goes into the background (that forks, and its first process ends) counts as ended.
"""

import contextlib
import logging
import os
import signal
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import gevent
import psutil
from gevent import get_hub, subprocess

from game_server_launcher.gametables import Limits
from game_server_launcher.keeper import NO_LIMITS, find_game, from_shell, kept

logger = logging.getLogger(__name__)

READ = 1
"""`loop.io`'s flag for readable, which a pidfd is once its process has ended."""

REPORT_SECONDS = 10.0
"""A keeper that has not started the game so long after its own start is watched without knowing the game's pid."""

SAME_TIME_SECONDS = 2.0
"""A process's time of creation is computed from the system clock; when that is set, it moves a little."""


class GameProcess:
    """A process that was running a moment ago.

    Attributes:
        pid: of the game itself.
        group: the keeper's pid, and so the number of the game's session and group.
        created_at: unix time, of the keeper; with it, `group` means this one and no later one.
        killed: whether its group was sent KILL.
    """

    def __init__(
        self, group: int, created_at: float, pidfd: int, child: subprocess.Popen[bytes] | None, pid: int
    ) -> None:
        self.pid = pid
        self.group = group
        self.created_at = created_at
        self.killed = False
        self._pidfd = pidfd
        self._child = child
        self._game_watcher = _watch(pid, self._game_ended) if pid != group else None

    @classmethod
    def start(
        cls,
        command: Sequence[str],
        folder: Path,
        environment: Mapping[str, str],
        stdin: int,
        output: int,
        own_folder: Path,
        limits: Limits = NO_LIMITS,
        *,
        ignore_sigpipe: bool = False,
    ) -> "GameProcess":
        """Start one. Waits, as a task does, until the keeper has started the game.

        Args:
            command: the program and its arguments.
            folder: its working folder.
            environment: all of it.
            stdin: a descriptor, or `subprocess.DEVNULL`.
            output: a descriptor for stdout and stderr.
            own_folder: where the keeper leaves the exit status.
            limits: of each process.
            ignore_sigpipe: let it get an error instead when it writes to a connection that has ended.

        Raises:
            OSError: it cannot be started. A program that does not exist is no reason: see `check_program`.
        """
        child = subprocess.Popen(
            kept(command, folder, own_folder, limits),
            cwd="/",
            env=environment,
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=output,
            start_new_session=True,
            restore_signals=not ignore_sigpipe,  # Python itself ignores SIGPIPE, which a child inherits.
        )
        try:
            pidfd = os.pidfd_open(child.pid)
            created_at = psutil.Process(child.pid).create_time()
        except (OSError, psutil.NoSuchProcess):
            pidfd, created_at = -1, 0.0  # It has ended already; `wait` will say how.
        assert child.stdout is not None
        with child.stdout as report:
            said = gevent.with_timeout(REPORT_SECONDS, report.readline, timeout_value=b"").strip()
        return cls(child.pid, created_at, pidfd, child, int(said or child.pid))

    @classmethod
    def adopt(cls, group: int, created_at: float, pid: int = 0) -> "GameProcess | None":
        """Take up a process that an earlier launcher started; None if its keeper is no more."""
        try:
            pidfd = os.pidfd_open(group)
        except OSError:
            return None
        # The pidfd was opened first: what is true of the process now stays true of the pidfd's.
        try:
            process = psutil.Process(group)
            same = abs(process.create_time() - created_at) < SAME_TIME_SECONDS
            if same and process.status() != psutil.STATUS_ZOMBIE:
                return cls(group, process.create_time(), pidfd, None, pid or find_game(group) or group)
        except psutil.Error:
            pass
        os.close(pidfd)
        return None

    def wait(self) -> int | None:
        """Wait for the end, then kill what is left of the group.

        Returns:
            the exit status, negative for a signal; None for a process that was adopted. What the keeper has written
            down comes before that: see `read_exit_status`.
        """
        try:
            if self._pidfd >= 0:
                watcher = get_hub().loop.io(self._pidfd, READ)
                try:
                    get_hub().wait(watcher)
                finally:
                    watcher.close()
            status = None if self._child is None else from_shell(int(self._child.wait()))
        finally:
            self.close()
        # At once: as long as a process of the group is left, nobody else can get its number.
        killed = self.killed
        self.signal_group(signal.SIGKILL)
        self.killed = killed
        return status

    def is_stopped(self) -> bool:
        """Whether it is stopped where it is, by SIGSTOP or a debugger."""
        try:
            return psutil.Process(self.pid).status() == psutil.STATUS_STOPPED
        except psutil.Error:
            return False

    def close(self) -> None:
        """Stop watching; the process goes on."""
        if self._game_watcher is not None:
            self._game_watcher()
            self._game_watcher = None
        if self._pidfd >= 0:
            os.close(self._pidfd)
            self._pidfd = -1

    def signal_group(self, number: int) -> None:
        """Send a signal to every process of the group; does nothing when there is none."""
        self.killed = self.killed or number == signal.SIGKILL
        try:
            os.killpg(self.group, number)
        except ProcessLookupError:
            pass
        except PermissionError as error:
            logger.error("process group %d cannot be sent %s: %s", self.group, signal.Signals(number).name, error)

    def _game_ended(self) -> None:
        """A keeper that is stopped together with its game (SIGSTOP) must go on in order to say how that ended."""
        self.signal_group(signal.SIGCONT)


def _watch(pid: int, ended: Callable[[], None]) -> Callable[[], None]:
    """Call a function in the hub when a process has ended; return what stops watching."""
    try:
        pidfd = os.pidfd_open(pid)
    except OSError:
        return lambda: None  # It has ended already, and its keeper can see that.
    watcher = get_hub().loop.io(pidfd, READ)

    def stop() -> None:
        nonlocal pidfd
        if pidfd >= 0:
            watcher.stop()
            watcher.close()
            os.close(pidfd)
            pidfd = -1

    def readable() -> None:
        stop()
        ended()

    watcher.start(readable)
    return stop


def make_input(path: Path) -> int:
    """Return a descriptor for a game's standard input, whose other end anybody can open again later.

    Because the game itself holds the FIFO for writing as well, it never sees an end of its input: not when
    the launcher has said what it had to say, and not when the launcher dies.

    Raises:
        OSError: the FIFO cannot be made.
    """
    if not path.is_fifo():
        path.unlink(missing_ok=True)
        os.mkfifo(path, 0o600)
    return os.open(path, os.O_RDWR | os.O_CLOEXEC)


def write_input(path: Path, text: str) -> None:
    """Write a line to a game's standard input. Never waits.

    Raises:
        OSError: nobody has it open, or it is full.
    """
    descriptor = os.open(path, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        os.write(descriptor, text.encode() + b"\n")
    finally:
        os.close(descriptor)


def find_by_environment(variable: str, value: str) -> tuple[int, float, dict[str, str]] | None:
    """Find the keeper with `variable` set to `value`: its pid, time of creation and environment.

    For a launcher that was killed after it had started a process and before it had written that down. Looks
    at every process of this user: call it from a worker pool.
    """
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if os.getsid(process.pid) == process.pid and process.environ().get(variable) == value:
                return process.pid, process.create_time(), process.environ()
    return None
