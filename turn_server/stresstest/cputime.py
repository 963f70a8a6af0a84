"""How much processor time another process of this machine uses (Linux: proc(5))."""

import os
from pathlib import Path


class CpuClock:
    """Counts from when it is made.

    Args:
        process: its id.

    Raises:
        OSError: there is no such process.
    """

    def __init__(self, process: int) -> None:
        self._file = Path(f"/proc/{process}/stat")
        self._start = self._read()

    def milliseconds(self) -> int | None:
        """Return the processor time used since then; None if the process is no more."""
        try:
            return self._read() - self._start
        except OSError:
            return None

    def _read(self) -> int:
        # What stands before the last `)` is the program's name, which may contain anything.
        fields = self._file.read_text().rpartition(")")[2].split()
        user, system = int(fields[11]), int(fields[12])
        return (user + system) * 1000 // os.sysconf("SC_CLK_TCK")
