"""Programs other than the games themselves, run to their end; and why a program cannot be run."""

import errno
import logging
import os
import signal
from collections.abc import Mapping, Sequence
from pathlib import Path

from gevent import subprocess

logger = logging.getLogger(__name__)


def run_to_end(
    name: str, command: Sequence[str], folder: Path, environment: Mapping[str, str], output: int, seconds: float
) -> None:
    """Run a program and wait for its end; what goes wrong is logged.

    Args:
        name: what the lines in the log begin with.
        command: the program and its arguments.
        folder: its working folder.
        environment: all of it.
        output: a descriptor for stdout and stderr.
        seconds: then it is killed, and all that it has started.

    Raises:
        OSError: it cannot be started.
    """
    child = subprocess.Popen(
        command,
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
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


def check_program(program: str, folder: Path, environment: Mapping[str, str]) -> None:
    """See whether a program can be run. Reads files: call it from a worker pool.

    Args:
        program: its path, or its name on the search path.
        folder: its working folder.
        environment: of the game, with its `PATH`.

    Raises:
        OSError: what the kernel would answer.
    """
    names = [program] if "/" in program else [f"{one}/{program}" for one in os.get_exec_path(dict(environment))]
    there = [path for path in (folder / name for name in names) if path.is_file()]
    if not there:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), program)
    path = next((path for path in there if os.access(path, os.X_OK)), None)
    if path is None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), program)
    if os.access(path, os.R_OK):
        _check_format(path)


def _check_format(path: Path) -> None:
    """A shell would take whatever it does not know for a script of its own."""
    with path.open("rb") as file:
        begin = file.read(256)
    if begin.startswith(b"#!"):
        words = begin[2:].partition(b"\n")[0].split()
        if not words or not (path.parent / os.fsdecode(words[0])).exists():
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path))
    elif not begin.startswith(b"\x7fELF") and not _other_formats():
        raise OSError(errno.ENOEXEC, os.strerror(errno.ENOEXEC), str(path))


def _other_formats() -> bool:
    """Whether this kernel has been taught to run other programs than its own."""
    try:
        return bool({one.name for one in Path("/proc/sys/fs/binfmt_misc").iterdir()} - {"register", "status"})
    except OSError:
        return False


def why_not(program: str, error: Exception) -> tuple[str, bool]:
    """Why a program was not started, in words, and whether trying again makes no sense."""
    if isinstance(error, FileNotFoundError):
        missing = str(error.filename)
        if Path(missing).exists():
            return f"{missing}: the interpreter in its first line does not exist", True
        where = "" if "/" in missing else " on the search path"
        return f"there is no program {missing}{where}", True
    if isinstance(error, NotADirectoryError):
        return f"the working folder {error.filename} does not exist", True
    if isinstance(error, PermissionError):
        return f"{error.filename} may not be run by this user", True
    if isinstance(error, ValueError) or getattr(error, "errno", None) == errno.ENOEXEC:
        return f"{program}: {error}", True
    return getattr(error, "strerror", None) or str(error), False
