"""A service inside a program that goes on with its own work: for libraries, whose callers need not know of gevent.

    any thread → BackgroundService.call → incoming queue → CentralTask → its result, back in that thread

In a program that is monkey-patched, the service runs as tasks of the hub that is there already. In any other, it has a
hub of its own in a thread of its own, and the program's own threads may block as they like.

What lives here must not touch the central task's state but by `call` and `post`. What waits in ordinary code
(`concurrent.futures.Future`, `queue.Queue`, `threading`) is right in both kinds of program: real where the threads are,
cooperative where they are patched.
"""

import atexit
import contextlib
import logging
import threading
from collections.abc import Callable
from concurrent.futures import Future, InvalidStateError
from typing import Any

import gevent
from gevent import monkey

from connhandler import tasks
from connhandler.service import Service

logger = logging.getLogger(__name__)

EXIT_SECONDS = 2.0
"""How long the end of a program that forgot `close` waits for an orderly end of its services."""
HURRIED_EXIT_SECONDS = 10.0
"""And then for one that is not."""


class ServiceEnded(RuntimeError):
    """The service has ended: nothing can be asked of it any more."""


class BackgroundService:
    """Runs what `make` returns, from `start` to `close`. Every method may be called from any thread and any task.

    Args:
        name: of the thread or task.
        make: returns the service, with `owns_process=False`. Called in the thread that will run it, so that all that it
            makes (central task, handlers, pools) belongs to that thread's hub.

    Attributes:
        own_thread: whether the service runs in a thread of its own. Then a caller's functions must run in threads too
            (`WorkerPool`), else in tasks (`TaskPool`).
    """

    def __init__(self, name: str, make: Callable[[], Service]) -> None:
        self.name = name
        self.own_thread: bool = not monkey.is_module_patched("threading")
        self._make = make
        self._lock = threading.Lock()
        self._promises: set[Future[Any]] = set()
        self._service: Service | None = None
        self._hub: Any = None
        self._thread: threading.Thread | None = None
        self._begun = False
        self._ended = False
        self._over: Future[None] = Future()

    def start(self) -> None:
        """Begin, and return when the service listens.

        Raises:
            RuntimeError: it was started before.
            OSError: a port is taken.
            Exception: whatever `make` raises.
        """
        if self._begun:
            raise RuntimeError(f"{self.name} was started already")
        self._begun = True
        listening: Future[None] = Future()
        if self.own_thread:
            self._thread = threading.Thread(target=self._live_in_thread, args=(listening,), name=self.name, daemon=True)
            self._thread.start()
        else:
            tasks.spawn(self.name, self._live, listening)
        try:
            listening.result()
        except BaseException:
            self._over.cancel()
            self._join(EXIT_SECONDS)
            raise
        atexit.register(self._end_at_exit)

    def call(self, function: Callable[..., Any], *args: Any) -> Any:
        """Have the central task call `function(*args)`, as a message; wait, and return what it returns.

        Not for the central task itself, which would wait for itself.

        Raises:
            ServiceEnded: it has ended, or ended meanwhile.
            Exception: whatever the function raises.
        """
        if self._thread is threading.current_thread():
            raise RuntimeError(f"{self.name}: called from its own thread, which would wait for itself")
        answer = self.promise()
        self.post(_fulfil, answer, function, args)
        return answer.result()

    def post(self, function: Callable[..., None], *args: Any) -> None:
        """Have the central task call `function(*args)`, as a message, without waiting. In order, for each caller.

        Raises:
            ServiceEnded: it has ended.
        """
        with self._lock:
            if self._ended or self._service is None:
                raise ServiceEnded(f"{self.name} has ended" if self._ended else f"{self.name} has not begun")
            self._hub.loop.run_callback_threadsafe(self._service.central.post, function, *args)

    def promise(self) -> "Future[Any]":
        """Return a future for the central task to fulfil. When the service ends before, it raises `ServiceEnded`.

        Raises:
            ServiceEnded: it has ended.
        """
        future: Future[Any] = Future()
        with self._lock:
            if self._ended:
                raise ServiceEnded(f"{self.name} has ended")
            self._promises.add(future)
        future.add_done_callback(self._promises.discard)
        return future

    def close(self, timeout: float | None = None) -> bool:
        """End in order: peers are told, what is queued goes out. Does nothing when it has ended or never began.

        Not for the service itself, which would wait for its own end. A function in one of its pools may call it with a
        `timeout`; without one, it waits until the end waits no longer for that function.

        Args:
            timeout: how long to wait, in seconds; None for as long as it takes, which `Limits.drain_seconds` bounds.

        Returns:
            whether it has ended.
        """
        with self._lock:
            if not self._ended and self._service is not None:
                self._hub.loop.run_callback_threadsafe(self._service.end, "closed")
            elif not self._ended:
                return True
        if self._thread is not threading.current_thread():
            with contextlib.suppress(TimeoutError):
                self._over.result(timeout)
                self._join(EXIT_SECONDS)
        ended = self._over.done()
        if ended:
            atexit.unregister(self._end_at_exit)
        return ended

    def _join(self, seconds: float) -> None:
        """Wait for the thread, which has nothing left to do: it must not go on while the interpreter is taken apart."""
        if self._thread is not None:
            self._thread.join(seconds)

    def _end_at_exit(self) -> None:
        """The program has forgotten `close`."""
        if self.close(EXIT_SECONDS):
            return
        with self._lock:
            if not self._ended and self._service is not None:
                self._hub.loop.run_callback_threadsafe(self._service.hurry, "the program ends")
        with contextlib.suppress(TimeoutError):
            self._over.result(HURRIED_EXIT_SECONDS)
            self._join(EXIT_SECONDS)

    def _live_in_thread(self, listening: "Future[None]") -> None:
        try:
            self._live(listening)
        finally:
            # A worker thread that does not end reports to this hub, whenever it may be: then it has to stay.
            if self._service is None or not any(pool.outstanding for pool in self._service.pools):
                gevent.get_hub().destroy(destroy_loop=True)
            self._finish()

    def _live(self, listening: "Future[None]") -> None:
        try:
            service = self._make()
            service.listen()
        except BaseException as error:  # noqa: BLE001 - it is raised in `start`
            listening.set_exception(error)
            return
        with self._lock:
            self._hub, self._service = gevent.get_hub(), service
        listening.set_result(None)
        try:
            service.run()
        finally:
            with self._lock:
                self._ended = True
            for future in list(self._promises):
                _break(future, ServiceEnded(f"{self.name} has ended"))
            if not self.own_thread:
                self._finish()

    def _finish(self) -> None:
        with contextlib.suppress(InvalidStateError):  # `start` has failed, and nobody waits for the end.
            self._over.set_result(None)


def _fulfil(answer: "Future[Any]", function: Callable[..., Any], args: tuple[Any, ...]) -> None:
    """In the central task."""
    try:
        answer.set_result(function(*args))
    except Exception as error:  # noqa: BLE001 - it belongs to whoever called
        answer.set_exception(error)


def _break(promise: "Future[Any]", error: Exception) -> None:
    with contextlib.suppress(InvalidStateError):  # Whoever waits in another thread may give up at this very moment.
        promise.set_exception(error)
