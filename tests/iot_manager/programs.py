"""The programs as processes, with what they print line by line."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import gevent

ROOT = Path(__file__).parent.parent.parent
SECONDS = 30.0
"""Longer than anything here takes."""


class Program:
    """One process, whose stdout and stderr are read as one text.

    Args:
        command: its command line.
        folder: to run in.
        stdin: of the process, as `subprocess` has it.
    """

    def __init__(self, command: Sequence[str], folder: Path = ROOT, stdin: int = subprocess.PIPE) -> None:
        self.process = subprocess.Popen(
            command,
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"},
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.said = ""

    def wait_for(self, pattern: str) -> re.Match[str]:
        """Read until a line has this in it; return what matched."""
        assert self.process.stdout is not None
        with gevent.Timeout(SECONDS, AssertionError(f"no {pattern!r} in {self.said}")):
            for line in self.process.stdout:
                self.said += line
                if found := re.search(pattern, line):
                    return found
        raise AssertionError(f"it ended with {self.process.wait()}, without {pattern!r}: {self.said}")

    def say(self, line: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.wait()

    def wait(self) -> int:
        """Read to its end; return the exit status."""
        out, _ = self.process.communicate(timeout=SECONDS)
        self.said += out
        return self.process.returncode

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.communicate()
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                pipe.close()


def start_manager(*options: str) -> Program:
    """Run a manager on a free port."""
    return Program([sys.executable, "-m", "iot_manager", "--port", "0", *options])


def port_of(program: Program) -> str:
    return program.wait_for(r"listening on 127\.0\.0\.1:(\d+)")[1]


def figure(said: str, name: str, pattern: str) -> str:
    """What the simulator's summary says under this name: the first group of the pattern."""
    found = re.search(rf"^{name}  +{pattern}", said, re.MULTILINE)
    assert found, f"no {name!r} with {pattern!r} in:\n{said}"
    return found[1]
