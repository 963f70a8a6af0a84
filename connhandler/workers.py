"""Threads for what would block the hub: password hashing, SQLite, files that may wait.

A program gives a pool to its central task and calls `CentralTask.perform`; the result comes back as a message. Work
functions of a `WorkerPool` run in a real thread: they must not touch gevent, a `Peer` or the state of the central task,
but take what they need as arguments and return what they found.

A `TaskPool` is the same with tasks in place of threads, for work that only ever waits in ways that gevent knows: the
functions of a monkey-patched program.
"""

import os
import sys
from abc import ABC, abstractmethod
from collections import Counter, deque
from collections.abc import Callable
from functools import partial
from typing import Any

import gevent
from gevent.event import Event
from gevent.threadpool import ThreadPool

from connhandler import tasks
from connhandler.errors import Busy
from connhandler.tasks import Task

Done = Callable[[Any, Exception | None], None]
"""Called with what a work function returned and None, or with None and what it raised."""


class Pool(ABC):
    """So many functions at work, and a queue in front of them that is full at some point and says so at once.

    Use it from the hub's thread only.

    Attributes:
        outstanding: how many functions wait or run.
        counters: `submitted`, `refused` for want of room, `failed` with an exception.

    Raises:
        ValueError: an argument is out of its bounds.
    """

    def __init__(self, name: str, at_work: int, max_queued: int) -> None:
        if max_queued < 0:
            raise ValueError(f"{name}: max_queued must be at least 0, not {max_queued}")
        self.name = name
        self.outstanding = 0
        self.counters: Counter[str] = Counter()
        self._at_work = at_work
        self._most = at_work + max_queued
        self._waiting: deque[tuple[Callable[..., Any], tuple[Any, ...], Done]] = deque()
        self._running = 0
        self._closed = False
        self._idle = Event()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name}: {self.outstanding} of {self._most} outstanding>"

    def submit(self, function: Callable[..., Any], *args: Any, done: Done) -> None:
        """Have `function(*args)` run, and then `done(result, error)` in a task of the hub's thread.

        Never waits. `done` is called exactly once; it must not wait either. What it raises is logged.

        Raises:
            Busy: as much is at work as may be and the queue is full, or the pool is closed.
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
        """Take no more work, wait until all that is outstanding is done, and end what did it.

        What has not begun after `timeout` seconds never does: its `done` gets `Busy`.

        Returns:
            whether all was done in time.
        """
        self._closed = True
        finished = self.outstanding == 0 or self._idle.wait(timeout)
        while self._waiting:
            _, _, done = self._waiting.popleft()
            self._report(None, Busy(f"{self.name}: closed before this began"), done)
        self._end(finished)
        return finished

    @abstractmethod
    def _begin(self, function: Callable[..., Any], args: tuple[Any, ...], done: Done) -> None:
        """Have the function run, and `_finished` called after it. Does not wait.

        Raises:
            RuntimeError: the system has no room for it.
        """

    @abstractmethod
    def _end(self, finished: bool) -> None:
        """No more work comes; `finished` says whether some still runs."""

    def _begin_next(self) -> None:
        while self._waiting and self._running < self._at_work:
            function, args, done = self._waiting.popleft()
            try:
                self._begin(function, args, done)
            except RuntimeError as error:
                self._report(None, error, done)
                continue
            self._running += 1

    def _work(self, function: Callable[..., Any], args: tuple[Any, ...]) -> tuple[Any, Exception | None]:
        """Where the work is done."""
        try:
            return function(*args), None
        except Exception as error:  # noqa: BLE001 - whatever it is, it belongs to whoever asked for the work
            return None, error
        except BaseException as error:  # noqa: BLE001 - SystemExit and the like: a worker cannot end the program
            failure = RuntimeError(f"{self.name}: a work function raised {error!r}")
            failure.__cause__ = error
            return None, failure

    def _finished(self, value: Any, error: Exception | None, done: Done) -> None:
        """In the hub's thread; must not wait."""
        self._running -= 1
        self._begin_next()
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


class WorkerPool(Pool):
    """A pool of threads. They begin when there is work and end with `close`; what is running when that has waited long
    enough cannot be interrupted: its thread ends by itself afterwards.

    Args:
        name: in every log line.
        threads: how many functions run at the same time.
        max_queued: how many more may wait for a thread.
        niceness: on Linux, the least niceness of the threads (0 to 19; a larger number gives way to others more), so
            that a burst of work leaves the processor to the hub's thread. Needs no privilege.
    """

    def __init__(self, name: str, *, threads: int, max_queued: int, niceness: int | None = None) -> None:
        if threads < 1:
            raise ValueError(f"{name}: threads must be at least 1, not {threads}")
        if niceness is not None and not 0 <= niceness <= 19:
            raise ValueError(f"{name}: niceness must be 0 to 19, not {niceness}")
        super().__init__(name, threads, max_queued)
        self._niceness = niceness if sys.platform == "linux" else None
        self._pool = ThreadPool(threads)

    def _begin(self, function: Callable[..., Any], args: tuple[Any, ...], done: Done) -> None:
        # Does not wait: there are at least as many free threads as the pool may still begin.
        result = self._pool.spawn(self._work, function, args)
        result.rawlink(partial(self._thread_finished, done))

    def _work(self, function: Callable[..., Any], args: tuple[Any, ...]) -> tuple[Any, Exception | None]:
        if self._niceness is not None:
            lower_priority(self._niceness)
        return super()._work(function, args)

    def _thread_finished(self, done: Done, result: Any) -> None:
        # No value means that the thread failed outside of `_work`, in a trace or profile function.
        value, error = result.value or (None, result.exception)
        self._finished(value, error, done)

    def _end(self, finished: bool) -> None:
        if finished:
            self._pool.kill()
        else:
            tasks.spawn(f"{self.name}.close", self._pool.kill)


class TaskPool(Pool):
    """A pool of tasks; what is running when `close` has waited long enough is killed.

    Args:
        name: in every log line; its tasks are called `NAME.work`.
        tasks: how many functions run at the same time.
        max_queued: how many more may wait for their turn.
    """

    def __init__(self, name: str, *, tasks: int, max_queued: int) -> None:
        if tasks < 1:
            raise ValueError(f"{name}: tasks must be at least 1, not {tasks}")
        super().__init__(name, tasks, max_queued)
        self._tasks: set[Task] = set()

    def _begin(self, function: Callable[..., Any], args: tuple[Any, ...], done: Done) -> None:
        self._tasks.add(tasks.spawn(f"{self.name}.work", self._run, function, args, done))

    def _run(self, function: Callable[..., Any], args: tuple[Any, ...], done: Done) -> None:
        value, error = self._work(function, args)
        self._tasks.discard(gevent.getcurrent())
        self._finished(value, error, done)

    def _end(self, finished: bool) -> None:
        for task in self._tasks:
            task.kill(block=False)


def lower_priority(niceness: int) -> None:
    """Raise the niceness of the calling thread to at least `niceness`.

    Linux has one for each thread, and 0 means the calling one (setpriority(2), "C library/kernel differences").
    """
    try:
        if os.getpriority(os.PRIO_PROCESS, 0) < niceness:
            os.setpriority(os.PRIO_PROCESS, 0, niceness)
    except OSError:
        pass  # A courtesy; where it is forbidden, the work is done all the same.
