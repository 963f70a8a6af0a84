"""Match results that the login server has not recorded yet, in a file that survives the launcher.

One JSON object a line: a `match_ended` for a result that must be delivered, a `match_recorded` for one that was. What
is delivered goes when nothing else waits, or when most of the file is of no more use. A line that was being written
when the machine stopped has no end and is left out: its controller was not told `MatchRecorded` and says it again.

Everything here does file operations: call it from a worker pool of one thread, which keeps the order.
"""

import logging
import os
from collections.abc import Iterable
from pathlib import Path

import msgspec

from game_server_launcher.runfolder import write_whole
from login_server.protocol import MatchEnded, MatchRecorded

logger = logging.getLogger(__name__)

COMPACT_LINES = 1000
"""With so many lines of no more use, and more of them than of use, the file is written anew."""


class Journal:
    """The journal at `path`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._waiting: dict[str, MatchEnded] = {}
        self._useless = 0
        self._decoder = msgspec.json.Decoder(MatchEnded | MatchRecorded)

    def load(self) -> list[MatchEnded]:
        """Return the results that wait, oldest first, and write the file anew with only those.

        Raises:
            OSError: the file can be read or written no more.
        """
        data = self._path.read_bytes() if self._path.exists() else b""
        for number, line in enumerate(data.splitlines(), 1):
            try:
                message = self._decoder.decode(line)
            except (msgspec.MsgspecError, UnicodeDecodeError):
                logger.warning("%s: line %d is not whole and is left out", self._path, number)
                continue
            if isinstance(message, MatchEnded):
                self._waiting[message.match_id] = message
            else:
                self._waiting.pop(message.match_id, None)
        self._compact()
        return list(self._waiting.values())

    def add(self, results: Iterable[MatchEnded]) -> None:
        """Keep results: they are on the disk when this returns.

        Raises:
            OSError: they are not.
        """
        results = list(results)
        self._append([msgspec.json.encode(result) for result in results], sync=True)
        self._waiting.update((result.match_id, result) for result in results)

    def remove(self, match_ids: Iterable[str]) -> None:
        """Forget results. If this is lost in a crash, they are sent once more, and recorded once all the same.

        Raises:
            OSError: the file cannot be written.
        """
        lines = []
        for match_id in match_ids:
            if self._waiting.pop(match_id, None) is not None:
                lines.append(msgspec.json.encode(MatchRecorded(match_id=match_id)))
        self._useless += 2 * len(lines)
        emptied = bool(lines) and not self._waiting
        if emptied or self._useless > max(COMPACT_LINES, 2 * len(self._waiting)):
            self._compact()
        else:
            self._append(lines, sync=False)

    def _append(self, lines: list[bytes], sync: bool) -> None:
        if not lines:
            return
        descriptor = os.open(self._path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            end = os.fstat(descriptor).st_size
            # A disk that was full may have left half a line; ours begin on a new one.
            start = b"\n" if end and os.pread(descriptor, 1, end - 1) != b"\n" else b""
            self._write(descriptor, start + b"\n".join(lines) + b"\n")
            if sync:
                os.fsync(descriptor)
        finally:
            os.close(descriptor)

    @staticmethod
    def _write(descriptor: int, data: bytes) -> None:
        while data:
            data = data[os.write(descriptor, data) :]

    def _compact(self) -> None:
        lines = [msgspec.json.encode(one) + b"\n" for one in self._waiting.values()]
        write_whole(self._path, b"".join(lines), sync=True)
        self._useless = 0
