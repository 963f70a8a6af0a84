"""A whole program: its central task, its connection handlers, and an orderly end.

Invariant that lives here: shutdown in order, on SIGTERM and on Ctrl-C: stop accepting, tell the peers, drain, close,
return 0. A second signal while that goes on ends it at once.
"""

import logging
import resource
import signal
from collections.abc import Sequence

import gevent
from gevent.event import AsyncResult, Event

from connhandler import tasks
from connhandler.central import CentralTask
from connhandler.handler import ConnectionHandler
from connhandler.workers import WorkerPool

logger = logging.getLogger(__name__)

SIGNALS = (signal.SIGTERM, signal.SIGINT)


class Service:
    """Runs one central task and its handlers.

    Args:
        central: the program.
        handlers: every one must put into `central.queue`.
        pools: closed at the end, after their outstanding work.
    """

    def __init__(
        self, central: CentralTask, handlers: Sequence[ConnectionHandler], pools: Sequence[WorkerPool] = ()
    ) -> None:
        self.central = central
        self.handlers = handlers
        self.pools = pools
        self._asked_to_end = Event()
        self._ended_by = ""

    def run(self) -> int:
        """Serve until a signal or `end`; return the program's exit status.

        Raises:
            OSError: a handler cannot listen; nothing was started.
        """
        raise_file_limit()
        for handler in self.handlers:
            handler.listen()
        watchers = [gevent.signal_handler(number, self._signalled, number) for number in SIGNALS]
        central = tasks.spawn(self.central.name, self.central.run)
        central.link(lambda _: self._asked_to_end.set())
        try:
            for handler in self.handlers:
                handler.start()
            self._asked_to_end.wait()
            if central.ready():
                return 0 if central.successful() else 1
            logger.info("%s: ending (%s)", self.central.name, self._ended_by)
            self._shut_down(central)
            return 0
        finally:
            for watcher in watchers:
                watcher.cancel()
            for handler in self.handlers:
                handler.stop(0)
            for pool in self.pools:
                pool.close(self.central.limits.drain_seconds)
            central.kill()

    def end(self, why: str) -> None:
        """Ask `run` to end in order. Callable from any task of the hub, and from a handler."""
        self._ended_by = self._ended_by or why
        self._asked_to_end.set()

    def _signalled(self, number: int) -> None:
        name = signal.Signals(number).name
        if self._asked_to_end.is_set():
            logger.warning("%s: ending at once (%s again)", self.central.name, name)
            for handler in self.handlers:
                handler.disconnect_all(politely=False)
        self.end(name)

    def _shut_down(self, central: tasks.Task) -> None:
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
        self.central.stop()
        central.join(seconds)
        self.central.on_stopped()

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
