"""Reads standard input in a task of its own, without holding up any other."""

import os
import termios
import tty
from collections.abc import Callable
from typing import Any

import gevent.socket

from connhandler import tasks
from game_server.client.lineeditor import LineEditor


class Keyboard:
    """What is typed, line by line.

    Args:
        descriptor: of the terminal, pipe or file to read.
        key_by_key: of a terminal, read keys one by one and let it echo none: whoever draws the screen draws `buffer`
            too, so that a change on the screen does not tear what is being typed.
        typed: called in the keyboard's task with each line, and with None at the end.
        changed: called in the keyboard's task when `buffer` has changed.
    """

    def __init__(
        self,
        descriptor: int,
        key_by_key: bool,
        typed: Callable[[str | None], None],
        changed: Callable[[], None],
    ) -> None:
        self._descriptor = descriptor
        self._key_by_key = key_by_key and os.isatty(descriptor)
        self._typed = typed
        self._changed = changed
        self._editor = LineEditor()
        self._modes: list[Any] | None = None
        self._task: tasks.Task | None = None

    @property
    def buffer(self) -> str:
        """What of the next line was typed so far."""
        return self._editor.buffer

    def start(self) -> None:
        if self._key_by_key:
            self._modes = termios.tcgetattr(self._descriptor)
            self.take_terminal()
        self._task = tasks.spawn("keyboard", self._read)

    def take_terminal(self) -> None:
        """Read key by key from now on; to be called again when the program was suspended."""
        if self._modes is not None:
            tty.setcbreak(self._descriptor)

    def close(self) -> None:
        """Give the terminal back as it was."""
        if self._task is not None:
            self._task.kill()
        if self._modes is not None:
            termios.tcsetattr(self._descriptor, termios.TCSADRAIN, self._modes)
            self._modes = None

    def _read(self) -> None:
        while not self._editor.ended:
            gevent.socket.wait_read(self._descriptor)
            data = os.read(self._descriptor, 4096)
            if not data:
                break
            before = self._editor.buffer
            for line in self._editor.feed(data):
                self._typed(line)
            if self._editor.buffer != before:
                self._changed()
        self._typed(None)
