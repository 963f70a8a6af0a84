"""What the user sees while the test runs: a progress bar on a terminal, and nothing elsewhere."""

import sys
import time
from types import TracebackType
from typing import Final, NoReturn, Self, TextIO

import gevent
from tqdm import tqdm

from connhandler import tasks
from turn_server.stresstest.worker import Progress

TICK_SECONDS: Final = 0.2

FORM: Final = "{desc} {percentage:3.0f}% |{bar}| {n:.0f}/{total:.0f} s{postfix}"


class Meter:
    """Shows how far the test is.

    Args:
        start_at: Unix time.
        seconds: how long the test takes.
    """

    def __init__(self, start_at: float, seconds: float, file: TextIO = sys.stderr) -> None:
        self._start_at = start_at
        self._seconds = seconds
        self._bar: tqdm[NoReturn] = tqdm(total=seconds, bar_format=FORM, file=file, disable=not file.isatty())
        self._task = tasks.spawn("meter", self._tick)
        self._progress = Progress()
        self._before = (start_at, 0)
        self._rate = 0.0

    def take(self, progress: Progress) -> None:
        """Show this from now on."""
        self._progress = progress

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._task.kill()
        if kind is None:
            self._show()
        self._bar.close()

    def _tick(self) -> None:
        while True:
            self._show()
            gevent.sleep(TICK_SECONDS)

    def _show(self) -> None:
        now = time.time()
        bar, progress = self._bar, self._progress
        then, requests = self._before
        if now - then >= 1:
            self._rate = (progress.requests - requests) / (now - then)
            self._before = (now, progress.requests)
        passed = max(0.0, now - self._start_at)
        bar.n = min(passed, self._seconds)
        waiting, ending = now < self._start_at, passed > self._seconds
        bar.set_description_str("starting" if waiting else "ending  " if ending else "playing ", refresh=False)
        bar.set_postfix_str(
            f"{progress.pairs} pairs, {progress.requests} requests ({self._rate:,.0f}/s), {progress.errors} errors"
        )
