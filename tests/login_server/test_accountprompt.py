"""`login-server account add` as a person types it who changes their mind; at a terminal of its own."""

import fcntl
import os
import pty
import select
import subprocess
import sys
import termios
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


class Terminal:
    """Attributes:
    shown: all that it has shown.
    """

    def __init__(self, folder: Path, *command: str) -> None:
        self._master, slave = pty.openpty()
        self.shown = b""

        def take_terminal() -> None:
            os.setsid()
            fcntl.ioctl(slave, termios.TIOCSCTTY, 0)

        self.process = subprocess.Popen(
            [sys.executable, "-m", "login_server", *command],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdin=slave,
            stdout=slave,
            stderr=slave,
            preexec_fn=take_terminal,
        )
        os.close(slave)

    def wait_for(self, words: bytes) -> None:
        while words not in self.shown:
            assert select.select([self._master], [], [], 30)[0], self.shown
            self.shown += os.read(self._master, 4096)

    def type(self, keys: bytes) -> None:
        os.write(self._master, keys)

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self._master)


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    terminal = Terminal(tmp_path, "account", "add", "alice")
    yield terminal
    terminal.close()


@pytest.mark.parametrize("key", [b"\x03", b"\x04"], ids=["Ctrl-C", "Ctrl-D"])
def test_whoever_gives_up_at_the_prompt_gets_a_sentence(terminal: Terminal, key: bytes) -> None:
    terminal.wait_for(b"Password: ")
    terminal.type(key)
    terminal.wait_for(b"login-server: no password was typed, nothing has changed")
    assert terminal.process.wait(30) == 1
    assert b"Traceback" not in terminal.shown
