"""What the processes of the game servers use, measured now and then."""

import contextlib
import logging
import os
from collections import deque
from collections.abc import Callable, Collection

import msgspec
import psutil

from connhandler import Busy, CentralTask, WorkerPool
from game_server_launcher.servers import GameServer

logger = logging.getLogger(__name__)

HISTORY_SECONDS = 60.0
"""So long the figures of a process are remembered, at least."""

MAX_SAMPLES = 120


class Figures(msgspec.Struct, frozen=True):
    """What one process group uses: hundredths of one processor since the last look, and bytes of memory."""

    cpu_percent: float
    rss_bytes: int


class Sample(Figures, frozen=True):
    """Figures and when they were measured (unix time). `cpu_percent` is the mean of the `seconds` before that."""

    at: float
    seconds: float


class Meter:
    """Measures process groups. Call it from a worker pool, one call at a time: it reads many small files."""

    def __init__(self) -> None:
        self._processes: dict[int, psutil.Process] = {}

    def measure(self, groups: Collection[int]) -> dict[int, Figures]:
        """Return the figures of those that have a process. One that is seen for the first time has used nothing."""
        members = _members(groups)
        self._processes = {pid: process for pid, process in self._processes.items() if pid in members}
        figures: dict[int, Figures] = {}
        for pid, group in members.items():
            with contextlib.suppress(psutil.Error):
                process = self._processes.get(pid)
                if process is None or not process.is_running():
                    process = self._processes[pid] = psutil.Process(pid)
                with process.oneshot():
                    cpu_percent, rss_bytes = process.cpu_percent(), process.memory_info().rss
                others = figures.get(group, Figures(0.0, 0))
                figures[group] = Figures(others.cpu_percent + cpu_percent, others.rss_bytes + rss_bytes)
        return figures


def _members(groups: Collection[int]) -> dict[int, int]:
    """Return the group of every process that is in one of these."""
    members = {}
    for pid in psutil.pids() if groups else ():
        with contextlib.suppress(OSError):
            group = os.getpgid(pid)
            if group in groups:
                members[pid] = group
    return members


class FigureKeeper:
    """Keeps `GameServer.cpu_percent` and `rss_bytes` up to date. Runs in the central task.

    Args:
        central: whose task this runs in.
        servers: by name; owned by the program.
        pool: where the measuring happens.
        seconds: between two measurements.
        measured: called with each server that was measured, and what it uses.
    """

    def __init__(
        self,
        central: CentralTask,
        servers: dict[str, GameServer],
        pool: WorkerPool,
        seconds: float,
        measured: Callable[[GameServer, Sample], None],
    ) -> None:
        self._central = central
        self._servers = servers
        self._pool = pool
        self._seconds = seconds
        self._measured_one = measured
        self._meter = Meter()
        self._samples: dict[int, deque[Sample]] = {}
        self._measured_at = 0.0

    def start(self) -> None:
        self._central.call_later(self._seconds, self._measure)

    def history(self, group: int) -> list[Sample]:
        """What a process group has used of late, the oldest first."""
        return list(self._samples.get(group, ()))

    def _measure(self) -> None:
        groups = {server.group for server in self._servers.values() if server.running}
        try:
            self._central.perform(self._pool, self._meter.measure, groups, then=self._measured)
        except Busy:
            self.start()

    def _measured(self, figures: dict[int, Figures] | None, error: BaseException | None) -> None:
        if error is not None:
            logger.warning("the processes cannot be measured: %s", error)
        now = self._central.now
        seconds = now - self._measured_at
        self._measured_at = now
        running = [server for server in self._servers.values() if server.running]
        before, self._samples = self._samples, {}
        for server in running:
            samples = self._samples[server.group] = before.get(server.group, deque(maxlen=MAX_SAMPLES))
            measured = (figures or {}).get(server.group)
            if measured is None:
                continue
            server.cpu_percent, server.rss_bytes = measured.cpu_percent, measured.rss_bytes
            samples.append(Sample(measured.cpu_percent, measured.rss_bytes, now, seconds if samples else 0.0))
            while len(samples) > 1 and samples[1].at <= now - HISTORY_SECONDS:
                samples.popleft()
            self._measured_one(server, samples[-1])
        self.start()
