"""A game's output: a file that the game writes itself, and that is rotated behind its back.

Why a file and not a pipe: a pipe ties the game to whoever reads it. When the launcher is killed, the next line that
the game prints costs it its life (SIGPIPE), and while a reader is slow, the game waits in the middle of a match.
Opened with O_APPEND, a file needs no reader: the game goes on printing while there is no launcher, the next launcher
finds everything in its place, and a reader that falls behind holds nobody up. What it costs:

* Rotation is copy and truncate, since the game keeps its descriptor: what it prints between the last byte copied
  and the truncation (microseconds) is lost. O_APPEND makes its next line begin at the new end of the file.
* While no launcher runs, nothing rotates.
* On a full disk the kernel refuses what the game prints. So when a copy fails, or little room is left, what should have
  been copied is dropped and counted, and the truncation gives its room back to the game.

Everything here does file operations: call it from a worker pool, one call at a time for one log.
"""

import contextlib
import os
from pathlib import Path

READ_BYTES = 256 * 1024
"""So much of new output is looked at in one call."""

LINE_BYTES = 4096
"""A longer line is cut here; its rest is not looked at."""

COPY_BYTES = 1024 * 1024

MAX_RESCUED = 10_000
"""Lines that are kept over a rotation until somebody wants them."""


class OutputLog:
    """The output of one game server: `path`, and older output in `path.1` (the youngest), `path.2`, …

    Args:
        path: of the file that the game writes.
        max_bytes: a file longer than this is rotated.
        files: so many older files are kept.

    Attributes:
        position: where in the file the lines begin that `new_lines` has not seen.
        behind: the last call of `new_lines` did not come to the end of the file.
        dropped_bytes: output that was thrown away without ever having been in an older file.
    """

    def __init__(self, path: Path, max_bytes: int, files: int) -> None:
        self.path = path
        self.dropped_bytes = 0
        self.behind = False
        self._begin = 0
        self._max_bytes = max_bytes
        self._files = files
        self.position = 0
        self._unfinished = b""
        self._skipping = False
        self._rescued: list[str] = []
        self._followed = False

    def open(self) -> int:
        """Return a descriptor for the game to write to; new lines are those written from here on."""
        descriptor = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self.go_on(os.fstat(descriptor).st_size)
        return descriptor

    def go_on(self, position: int) -> None:
        """Look for lines from here on: for a game that was started with an earlier `OutputLog`."""
        self.position = self._begin = position
        self._unfinished = b""
        self._skipping = False

    def new_lines(self) -> list[str]:
        """Return the whole lines that have come since the last call, as far as `READ_BYTES` goes."""
        self._followed = True
        if self._rescued:
            lines, self._rescued = self._rescued, []
            return lines
        return self._read_lines()

    def _read_lines(self) -> list[str]:
        try:
            with self.path.open("rb") as file:
                if self.position > file.seek(0, os.SEEK_END):
                    self.go_on(0)  # Somebody else has truncated it.
                file.seek(self.position)
                data = file.read(READ_BYTES)
        except FileNotFoundError:
            return []
        self.position += len(data)
        self.behind = len(data) == READ_BYTES
        *lines, rest = (self._unfinished + data).split(b"\n")
        if lines and self._skipping:
            lines = lines[1:]
            self._skipping = False
        if self._skipping:
            rest = b""
        elif len(rest) > LINE_BYTES:
            lines.append(rest)
            rest = b""
            self._skipping = True
        self._unfinished = rest
        return [line[:LINE_BYTES].decode("utf-8", "replace").rstrip("\r") for line in lines]

    def last_lines(self, count: int = 3) -> list[str]:
        """Return the last lines since `open` or `go_on`, for a log line about how the game ended."""
        try:
            with self.path.open("rb") as file:
                size = file.seek(0, os.SEEK_END)
                file.seek(max(min(self._begin, size), size - LINE_BYTES))
                data = file.read(LINE_BYTES)
        except FileNotFoundError:
            return []
        return [line for line in data.decode("utf-8", "replace").splitlines() if line.strip()][-count:]

    def rotate(self) -> bool:
        """Rotate if the file is long enough, or the disk nearly full; return whether it was.

        Where `new_lines` is called now and then, it will return what it had not come to, as far as `READ_BYTES` goes.
        """
        try:
            size = self.path.stat().st_size
        except FileNotFoundError:
            return False
        if size <= self._max_bytes and (size <= LINE_BYTES or self._room() > self._max_bytes):
            return False
        kept = self._keep(size)
        with contextlib.suppress(FileNotFoundError):
            size = max(size, self.path.stat().st_size)
            if self._followed:
                self._rescued += self._read_lines()[: MAX_RESCUED - len(self._rescued)]
            os.truncate(self.path, 0)
        self.dropped_bytes += max(0, size - kept)
        self.go_on(0)
        return True

    def _keep(self, size: int) -> int:
        """Copy the end of the file to `path.1`; return how many bytes that were."""
        if not self._files or self._room() <= self._max_bytes:
            return 0
        youngest = self._older(1)
        try:
            for number in range(self._files - 1, 0, -1):
                with contextlib.suppress(FileNotFoundError):
                    self._older(number).replace(self._older(number + 1))
            return self._copy(youngest, max(0, size - self._max_bytes))
        except OSError:
            with contextlib.suppress(OSError):
                youngest.unlink()
            return 0

    def _copy(self, target: Path, position: int) -> int:
        """Copy from `position` on, with what is printed meanwhile, but never more than twice `max_bytes`."""
        copied = 0
        with self.path.open("rb") as source, target.open("wb") as copy:
            os.fchmod(copy.fileno(), 0o600)
            source.seek(position)
            while copied < 2 * self._max_bytes:
                data = source.read(COPY_BYTES)
                if not data:
                    break
                copy.write(data)
                copied += len(data)
        return copied

    def _older(self, number: int) -> Path:
        return self.path.with_name(f"{self.path.name}.{number}")

    def _room(self) -> int:
        """Free bytes on the disk."""
        figures = os.statvfs(self.path.parent)
        return figures.f_bavail * figures.f_frsize
