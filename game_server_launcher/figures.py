"""What the processes of the game servers use, measured now and then."""

import contextlib
import logging
from collections.abc import Sequence

import msgspec
import psutil

from connhandler import Busy, CentralTask, WorkerPool
from game_server_launcher.servers import GameServer

logger = logging.getLogger(__name__)


class Figures(msgspec.Struct, frozen=True):
    """What one process uses: hundredths of one processor since the last look, and bytes of memory."""

    cpu_percent: float
    rss_bytes: int


class Meter:
    """Measures processes. Call it from a worker pool, one call at a time: it reads many small files."""

    def __init__(self) -> None:
        self._processes: dict[int, psutil.Process] = {}

    def measure(self, pids: Sequence[int]) -> dict[int, Figures]:
        """Return the figures of those that are running."""
        self._processes = {pid: process for pid, process in self._processes.items() if pid in pids}
        figures = {}
        for pid in pids:
            with contextlib.suppress(psutil.Error):
                process = self._processes.setdefault(pid, psutil.Process(pid))
                with process.oneshot():
                    figures[pid] = Figures(process.cpu_percent(), process.memory_info().rss)
        return figures


class FigureKeeper:
    """Keeps `GameServer.cpu_percent` and `rss_bytes` up to date. Runs in the central task.

    Args:
        central: whose task this runs in.
        servers: by name; owned by the program.
        pool: where the measuring happens.
        seconds: between two measurements.
    """

    def __init__(self, central: CentralTask, servers: dict[str, GameServer], pool: WorkerPool, seconds: float) -> None:
        self._central = central
        self._servers = servers
        self._pool = pool
        self._seconds = seconds
        self._meter = Meter()

    def start(self) -> None:
        self._central.call_later(self._seconds, self._measure)

    def _measure(self) -> None:
        pids = [server.pid for server in self._servers.values() if server.running]
        try:
            self._central.perform(self._pool, self._meter.measure, pids, then=self._measured)
        except Busy:
            self.start()

    def _measured(self, figures: dict[int, Figures] | None, error: BaseException | None) -> None:
        if error is not None:
            logger.warning("the processes cannot be measured: %s", error)
        for server in self._servers.values():
            measured = (figures or {}).get(server.pid)
            if measured is not None:
                server.cpu_percent, server.rss_bytes = measured.cpu_percent, measured.rss_bytes
        self.start()
