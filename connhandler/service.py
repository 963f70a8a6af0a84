"""A whole program: its central task, its connection handlers, and an orderly end.

Invariant that lives here: shutdown in order, on SIGTERM and on Ctrl-C: stop accepting, tell the peers, drain, close,
return 0. A second signal while that goes on ends it at once: connections are dropped, and whatever else is waited
for has `HURRY_SECONDS`.
"""

import gc
import logging
import resource
import signal
from collections.abc import Callable, Sequence

import gevent
from gevent.event import AsyncResult, Event

from connhandler import tasks
from connhandler.central import CentralTask
from connhandler.handler import ConnectionHandler
from connhandler.workers import Pool

logger = logging.getLogger(__name__)

SIGNALS = (signal.SIGTERM, signal.SIGINT)
HURRY_SECONDS = 2.0


class Service:
    """Runs one central task and its handlers. `connhandler.background` runs one beside a program's own work.

    Args:
        central: the program.
        handlers: every one must put into `central.queue`. Those that are another's `upgrades` come with it.
        pools: closed at the end, after their outstanding work.
        owns_process: whether the process is there for this service. Only then does `run` answer signals, raise the
            limit of open files, and keep what there is already out of the garbage collector's way.

    Raises:
        ValueError: one of the handlers is the upgrade of another, which listens for it.
    """

    def __init__(
        self,
        central: CentralTask,
        handlers: Sequence[ConnectionHandler],
        pools: Sequence[Pool] = (),
        *,
        owns_process: bool = True,
    ) -> None:
        for handler in handlers:
            if successors := handler.successors & set(handlers):
                raise ValueError(
                    f"{next(iter(successors)).task_name} is an upgrade of {handler.task_name}, which listens for it: "
                    "leave it out of the service's handlers"
                )
        self.central = central
        self.handlers = handlers
        self.pools = pools
        self.owns_process = owns_process
        self._asked_to_end = Event()
        self._ended_by = ""
        self._failed = False
        self._ending: tasks.Task | None = None
        self._patience_seconds = central.limits.drain_seconds

    def run(self) -> int:
        """Serve until a signal or `end`; return the program's exit status.

        Raises:
            OSError: a handler cannot listen; nothing was started.
        """
        watchers = []
        if self.owns_process:
            raise_file_limit()
        self.listen()
        if self.owns_process:
            gc.freeze()  # What there is now, stays: a look for garbage that goes through all of it holds up everybody.
            watchers = [gevent.signal_handler(number, self._signalled, number) for number in SIGNALS]
        central = tasks.spawn(self.central.name, self.central.run)
        central.link(lambda _: self._asked_to_end.set())
        try:
            for handler in self.handlers:
                handler.start()
                handler.on_failure(self._handler_failed)
            self._asked_to_end.wait()
            if central.ready():
                return 0 if central.successful() else 1
            logger.info("%s: ending (%s)", self.central.name, self._ended_by)
            self._run_step("ending", self._shut_down)
            for handler in self.handlers:
                handler.stop(0)
            self.central.stop()
            central.join(self._patience_seconds)
            if central.ready():
                self.central.on_stopped()
            return 0 if central.successful() and not self._failed else 1
        finally:
            for handler in self.handlers:
                handler.stop(0)
            self._run_step("pools", self._close_pools)
            central.kill()
            for watcher in watchers:
                watcher.cancel()

    def listen(self) -> None:
        """Take every port. `run` does it; call it before, to know that nothing is in the way.

        Raises:
            OSError: a handler cannot listen; none does then.
        """
        try:
            for handler in self.handlers:
                handler.listen()
        except BaseException:
            for handler in self.handlers:
                handler.stop_accepting()
            raise

    def end(self, why: str) -> None:
        """Ask `run` to end in order. Callable from any task of the hub, and from a handler."""
        self._ended_by = self._ended_by or why
        self._asked_to_end.set()

    def hurry(self, why: str) -> None:
        """Bring an end that has begun to its end at once: drop connections, wait for nothing else for long."""
        logger.warning("%s: ending at once (%s)", self.central.name, why)
        self._patience_seconds = HURRY_SECONDS
        for handler in self.handlers:
            handler.disconnect_all(politely=False)
        if self._ending is not None:
            tasks.spawn(f"{self.central.name}.hurry", self._hurry, self._ending)

    def _handler_failed(self, task: tasks.Task) -> None:
        self._failed = True
        self.end(f"{task.name} failed")

    def _signalled(self, number: int) -> None:
        name = signal.Signals(number).name
        if self._asked_to_end.is_set():
            self.hurry(f"{name} again")
        self.end(name)

    def _run_step(self, name: str, function: Callable[[], None]) -> None:
        """Do one thing of the end, which a second signal may cut short."""
        self._ending = tasks.spawn(f"{self.central.name}.{name}", function)
        self._ending.get()

    def _hurry(self, step: tasks.Task) -> None:
        step.join(HURRY_SECONDS)
        step.kill()

    def _close_pools(self) -> None:
        for pool in self.pools:
            pool.close(self._patience_seconds)

    def _shut_down(self) -> None:
        for handler in self.handlers:
            handler.stop_accepting()
        told: AsyncResult[Event | None] = AsyncResult()
        self.central.post(self._tell_peers, told)
        with tasks.wait_at_most(self.central.shutdown_seconds):
            finished = told.get()
            if finished is not None:
                finished.wait()
        for handler in self.handlers:
            handler.disconnect_all()
        seconds = self.central.limits.drain_seconds
        gevent.joinall([tasks.spawn(f"{h.task_name}.drain", h.wait_closed, seconds) for h in self.handlers])

    def _tell_peers(self, told: "AsyncResult[Event | None]") -> None:
        finished = None
        try:
            finished = self.central.on_shutdown()
        finally:
            told.set(finished)


def raise_file_limit() -> None:
    """Allow this process as many open files, and so connections, as the system lets it."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
