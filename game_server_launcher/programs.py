"""Programs other than the games themselves, run to their end; and why a program cannot be run, in words."""

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
