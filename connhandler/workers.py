"""Threads for what would block the hub: password hashing, SQLite, files that may wait.

A program gives a pool to its central task and calls `CentralTask.perform`; the result comes back as a message. Work
functions run in a real thread: they must not touch gevent, a `Peer` or the state of the central task, but take what
they need as arguments and return what they found.
"""

import os
import sys
from collections import Counter, deque
from collections.abc import Callable
from functools import partial
from typing import Any

from gevent.event import Event
from gevent.threadpool import ThreadPool

from connhandler import tasks
from connhandler.errors import Busy

Done = Callable[[Any, Exception | None], None]
"""Called with what a work function returned and None, or with None and what it raised."""


class WorkerPool:
    """So many threads, and a queue in front of them that is full at some point and says so at once.

    Use it from the hub's thread only. Threads begin when there is work and end with `close`.

    Args:
        name: in every log line.
        threads: how many functions run at the same time.
        max_queued: how many more may wait for a thread.
        niceness: on Linux, the least niceness of the threads (0 to 19; a larger number gives way to others more), so
            that a burst of work leaves the processor to the hub's thread. Needs no privilege.

    Attributes:
        outstanding: how many functions wait or run.
        counters: `submitted`, `refused` for want of room, `failed` with an exception.

    Raises:
        ValueError: an argument is out of its bounds.
    """

    def __init__(self, name: str, *, threads: int, max_queued: int, niceness: int | None = None) -> None:
        if threads < 1:
            raise ValueError(f"{name}: threads must be at least 1, not {threads}")
        if max_queued < 0:
            raise ValueError(f"{name}: max_queued must be at least 0, not {max_queued}")
        if niceness is not None and not 0 <= niceness <= 19:
            raise ValueError(f"{name}: niceness must be 0 to 19, not {niceness}")
        self.name = name
        self.outstanding = 0
        self.counters: Counter[str] = Counter()
        self._threads = threads
        self._most = threads + max_queued
        self._niceness = niceness if sys.platform == "linux" else None
        self._pool = ThreadPool(threads)
        self._waiting: deque[tuple[Callable[..., Any], tuple[Any, ...], Done]] = deque()
        self._running = 0
        self._closed = False
        self._idle = Event()

    def __repr__(self) -> str:
        return f"<WorkerPool {self.name}: {self.outstanding} of {self._most} outstanding>"

    def submit(self, function: Callable[..., Any], *args: Any, done: Done) -> None:
        """Have `function(*args)` run in a thread, and then `done(result, error)` in a task of the hub's thread.

        Never waits. `done` is called exactly once; it must not wait either. What it raises is logged.

        Raises:
            Busy: all threads are at work and the queue is full, or the pool is closed.
        """
        if self._closed or self.outstanding >= self._most:
            self.counters["refused"] += 1
            raise Busy(f"{self.name}: " + ("closed" if self._closed else f"{self.outstanding} outstanding already"))
        self.counters["submitted"] += 1
        self.outstanding += 1
        self._idle.clear()
        self._waiting.append((function, args, done))
        self._begin_next()

    def close(self, timeout: float | None = None) -> bool:
        """Take no more work, wait until all that is outstanding is done, and end the threads.

        What has not begun after `timeout` seconds never does: its `done` gets `Busy`. What is running then cannot be
        interrupted: its thread ends by itself afterwards.

        Returns:
            whether all was done in time.
        """
        self._closed = True
        finished = self.outstanding == 0 or self._idle.wait(timeout)
        while self._waiting:
            _, _, done = self._waiting.popleft()
            self._report(None, Busy(f"{self.name}: closed before this began"), done)
        if finished:
            self._pool.kill()
        else:
            tasks.spawn(f"{self.name}.close", self._pool.kill)
        return finished

    def _begin_next(self) -> None:
        while self._waiting and self._running < self._threads:
            function, args, done = self._waiting.popleft()
            try:
                # Does not wait: there are at least as many free threads as the pool may still begin.
                result = self._pool.spawn(self._work, function, args)
            except RuntimeError as error:  # the system has no more threads for us
                self._report(None, error, done)
                continue
            self._running += 1
            result.rawlink(partial(self._finished, done))

    def _work(self, function: Callable[..., Any], args: tuple[Any, ...]) -> tuple[Any, Exception | None]:
        """In a worker thread."""
        if self._niceness is not None:
            lower_priority(self._niceness)
        try:
            return function(*args), None
        except Exception as error:  # noqa: BLE001 - whatever it is, it belongs to whoever asked for the work
            return None, error
        except BaseException as error:  # noqa: BLE001 - SystemExit and the like: a worker cannot end the program
            failure = RuntimeError(f"{self.name}: a work function raised {error!r}")
            failure.__cause__ = error
            return None, failure

    def _finished(self, done: Done, result: Any) -> None:
        """A callback of the hub: it must not wait."""
        self._running -= 1
        self._begin_next()
        # No value means that the thread failed outside of `_work`, in a trace or profile function.
        value, error = result.value or (None, result.exception)
        self._report(value, error, done)

    def _report(self, value: Any, error: Exception | None, done: Done) -> None:
        if error is not None:
            self.counters["failed"] += 1
        tasks.spawn(f"{self.name}.done", self._tell, value, error, done)

    def _tell(self, value: Any, error: Exception | None, done: Done) -> None:
        self.outstanding -= 1
        try:
            done(value, error)
        finally:
            if not self.outstanding:
                self._idle.set()


def lower_priority(niceness: int) -> None:
    """Raise the niceness of the calling thread to at least `niceness`.

    Linux has one for each thread, and 0 means the calling one (setpriority(2), "C library/kernel differences").
    """
    try:
        if os.getpriority(os.PRIO_PROCESS, 0) < niceness:
            os.setpriority(os.PRIO_PROCESS, 0, niceness)
    except OSError:
        pass  # A courtesy; where it is forbidden, the work is done all the same.
