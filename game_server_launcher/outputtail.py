"""Shows the end of a game's output, and what comes after it. Reads files: in a command, or in a worker pool.

A game's output is rotated by copy and truncate (`output.py`): what is older is in `path.1` and so on.
"""

import codecs
import os
from collections.abc import Callable, Iterator
from pathlib import Path

MAX_BYTES = 1024 * 1024
"""No more than this is read to find lines."""

SEAM_BYTES = 1024
"""So much of what was shown last is looked for in the older file after a rotation."""

LOOK_SECONDS = 0.2


class OutputTail:
    """The end of one output.

    Args:
        path: of the file that the game writes.
        position: where in it to begin with what follows, unless the last lines are asked for before.
    """

    def __init__(self, path: Path, position: int = 0) -> None:
        self._path = path
        self._position = position
        self._shown = b""

    def last_lines(self, count: int, max_bytes: int = MAX_BYTES) -> list[str]:
        """Return the last lines, from older files too if the youngest has not enough; as many as `max_bytes` have.

        Raises:
            FileNotFoundError: there is no output.
        """
        data, self._position = _end_of(self._path, max_bytes)
        self._shown = data[-SEAM_BYTES:]
        number = 1
        while data.count(b"\n") <= count and len(data) < max_bytes:
            try:
                older, _ = _end_of(self._older(number), max_bytes - len(data))
            except FileNotFoundError:
                break
            data = older + data
            number += 1
        return data.decode("utf-8", "replace").splitlines()[-count:] if count else []

    def follow(self, wait: Callable[[float], None], going_on: Callable[[], bool] = lambda: True) -> Iterator[str]:
        """Give back what is printed after the last lines; what is printed while the file is rotated, too.

        Args:
            wait: is called with the seconds until the next look.
            going_on: whether there is to be one.
        """
        decode = codecs.getincrementaldecoder("utf-8")("replace").decode
        while going_on():
            data = self._news()
            self._shown = (self._shown + data)[-SEAM_BYTES:]
            if data:
                yield decode(data)
            else:
                wait(LOOK_SECONDS)

    def _news(self) -> bytes:
        try:
            with self._path.open("rb") as file:
                rest = b""
                if file.seek(0, os.SEEK_END) < self._position:
                    self._position = 0
                    rest = self._rest_of_older()
                file.seek(self._position)
                data = file.read(MAX_BYTES)
        except FileNotFoundError:
            return b""
        self._position += len(data)
        return rest + data

    def _rest_of_older(self) -> bytes:
        """What was printed after what was shown last, and before the file was rotated."""
        try:
            copy, _ = _end_of(self._older(1), MAX_BYTES)
        except FileNotFoundError:
            return b""
        _, found, rest = copy.rpartition(self._shown or b"\0")
        return rest if found else b""

    def _older(self, number: int) -> Path:
        return self._path.with_name(f"{self._path.name}.{number}")


def _end_of(path: Path, size: int) -> tuple[bytes, int]:
    """The last bytes of a file, and where it ends."""
    with path.open("rb") as file:
        file.seek(max(0, file.seek(0, os.SEEK_END) - size))
        data = file.read(size)
        return data, file.tell()
