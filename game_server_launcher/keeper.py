"""The keeper of a game process: a small shell that is its parent when no launcher is.

Only its parent is told how a process ends. A game outlives its launcher, so its parent is a shell (`keeper.sh`), which
costs next to nothing, leads the game's session and group, and leaves the exit status in a file before it ends with
it. What reads files or looks at processes here is to be called from a worker pool.
"""

import contextlib
import os
import resource
import signal
from collections.abc import Sequence
from pathlib import Path

import psutil

from game_server_launcher.gametables import Limits

KEEPER = Path(__file__).with_name("keeper.sh")

STATUS_FILE = "exit-status"
"""In the server's own folder: the keeper's pid, a space, the exit status."""

SIGNALLED = 128
"""To a shell, a process that was ended by a signal has this exit status, and the signal's number more."""


NO_LIMITS = Limits()


def kept(command: Sequence[str], folder: Path, own_folder: Path, limits: Limits = NO_LIMITS) -> list[str]:
    """Return the command that runs a game under a keeper, wherever it is started.

    Args:
        command: of the game.
        folder: the game's working folder.
        own_folder: where the keeper leaves the exit status.
        limits: of each process; see `check_limits`.
    """
    folders = folder.absolute(), own_folder.absolute() / STATUS_FILE
    numbers = limits.memory_bytes // 1024, limits.open_files, limits.nice
    return ["/bin/sh", str(KEEPER), *map(str, folders), *map(str, numbers), *command]


def check_limits(limits: Limits) -> None:
    """See whether this user may set them.

    Raises:
        ValueError: one is higher than what the user has already.
    """
    kinds = {"memory_bytes": resource.RLIMIT_AS, "open_files": resource.RLIMIT_NOFILE}
    for name, kind in kinds.items():
        wanted, (_, most) = getattr(limits, name), resource.getrlimit(kind)
        if most != resource.RLIM_INFINITY and wanted > most:
            raise ValueError(f"limits.{name} is {wanted}, but this user may have {most} at most")


def forget_exit_status(own_folder: Path) -> None:
    """Before a start: what is there is about an earlier process."""
    (own_folder / STATUS_FILE).unlink(missing_ok=True)


def read_exit_status(own_folder: Path, group: int) -> int | None:
    """Return how the game of a keeper that has ended did so: its exit status, negative for a signal.

    Args:
        own_folder: the server's.
        group: the keeper's pid.

    Returns:
        None if that keeper has not written it: it was killed, the machine went down, the disk was full.
    """
    try:
        text = (own_folder / STATUS_FILE).read_text("ascii")
    except (OSError, UnicodeDecodeError):
        return None
    keeper, _, status = text.partition(" ")
    if keeper != str(group) or not status.endswith("\n") or not status.strip().isdigit():
        return None
    return from_shell(int(status))


def from_shell(status: int) -> int:
    """Return an exit status of a shell as that of its child, negative for a signal."""
    number = status - SIGNALLED
    return -number if 0 < number < signal.NSIG else status


def find_game(group: int) -> int:
    """Return the pid of a keeper's game; 0 if it has none."""
    with contextlib.suppress(psutil.Error):
        for child in psutil.Process(group).children():
            return int(child.pid)
    return 0


def end_orphans(variable: str, value: str) -> int:
    """Kill what is left of a game whose keeper is gone; return how many processes that were.

    They are known by `variable` in their environment, which has the `value` of one run alone.
    """
    count = 0
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if process.pid != os.getpid() and process.environ().get(variable) == value:
                process.kill()
                count += 1
    return count
