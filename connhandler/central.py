"""The one task that consumes what all connections put into the queue.

    socket → Reader.receive (Framing) → Reader.decode → incoming queue → CentralTask.handle
    socket ← Writer.send ← outgoing queue ← (Framing) ← Writer.encode ← Peer.send

A program subclasses `CentralTask`, owns all its state there, and fills `dispatch`: which method handles which
class of message from which class of peer. Because one task does all of it, one message after the other, state
needs no locks.

Invariants that live here (each has a test of this name in `tests/connhandler/test_invariants.py`):

* The central task never waits: no handler may. Work that would is given to `perform`, and its result comes back
  as a message.
* The hub keeps running: after `SLICE_SECONDS` of work without a pause, when the handler that is running returns,
  the task gives way for one turn of the event loop, so that timers fire, signals are answered and sockets are read
  however full the queue is.
* An unknown message, a message on the wrong kind of connection, an exception in a handler: each costs the peer
  that it came from, never this task, never another peer.
* Handlers take time, randomness and ids from `now`, `random` and `new_id` alone, and timers and results of work
  arrive as messages too: the same messages in the same order always give the same state.
"""

import heapq
import itertools
import logging
import random as random_module
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import gevent
from gevent.event import Event

from connhandler import tasks
from connhandler.connection import Peer
from connhandler.errors import ProtocolError
from connhandler.incomingqueue import IncomingQueue
from connhandler.limits import Limits
from connhandler.messages import PeerConnected, PeerDisconnected
from connhandler.tasks import let_the_loop_turn
from connhandler.workers import Pool

logger = logging.getLogger(__name__)

SLICE_SECONDS = 0.005
TIMERS_BETWEEN_CLEARANCES = 1_000

MessageHandler = Callable[[Any, Any], None]
"""`handler(peer, message)`; returns at once."""


class Call:
    """A message that the central task sends to itself: a timer that fired, work that is done, a `post`."""

    __slots__ = ("arguments", "function")

    peer = None

    def __init__(self, function: Callable[..., None], arguments: tuple[Any, ...]) -> None:
        self.function = function
        self.arguments = arguments


class Timer:
    """A function that is called at a time, unless it is cancelled before. Made by `CentralTask.call_later`."""

    __slots__ = ("_arguments", "_function", "at", "cancelled")

    def __init__(self, at: float, function: Callable[..., None], arguments: tuple[Any, ...]) -> None:
        self.at = at
        self.cancelled = False
        self._function = function
        self._arguments = arguments

    def cancel(self) -> None:
        """Do not call the function; does nothing when it was called already."""
        self.cancelled = True

    def fire(self) -> None:
        if not self.cancelled:
            self.cancelled = True
            self._function(*self._arguments)


class CentralTask:
    """Handles one message after the other. Subclass it and fill `dispatch`.

    Args:
        name: of this task in log lines.
        queue: where the connection handlers put; default a new `IncomingQueue`.
        clock: what `now` is read from, once for each message; seconds since 1970.
        timer_clock: what timers are measured with; default the monotonic clock, which a corrected wall clock leaves
            alone, or `clock` where that is not the wall clock.
        random: what `random` and `new_id` draw from.
        limits: of the queue.

    Attributes:
        dispatch: which handler takes which message: keyed by (peer class, message class). A subclass of either is
            handled as its base is, unless it has a row of its own. `PeerConnected` and `PeerDisconnected` need
            no row; any other message without one is the far end's error.
        queue: give it to the connection handlers.
        now: the time of the message that is being handled.
    """

    def __init__(
        self,
        name: str,
        *,
        queue: IncomingQueue | None = None,
        clock: Callable[[], float] = time.time,
        timer_clock: Callable[[], float] | None = None,
        random: random_module.Random | None = None,
        limits: Limits | None = None,
    ) -> None:
        self.name = name
        self.dispatch: Mapping[tuple[type[Any], type[Any]], MessageHandler] = {}
        self.limits = limits or Limits()
        self.shutdown_seconds = self.limits.drain_seconds
        self.queue = queue or IncomingQueue(self.limits.incoming_queue_messages)
        self.random = random or random_module.SystemRandom()
        self.now = clock()
        self._clock = clock
        self._timer_clock = timer_clock or (time.monotonic if clock is time.time else clock)
        self._handlers: dict[type[Any], dict[type[Any], MessageHandler]] = {}
        self._timers: list[tuple[float, int, Timer]] = []
        self._timer_count = itertools.count()
        self._timers_until_clearance = TIMERS_BETWEEN_CLEARANCES
        self._alarm: tasks.Task | None = None
        self._work_outstanding = 0
        self._slice_ends = float("inf")
        self._stopped = False

    def on_start(self) -> None:
        """Called in this task before the first message."""

    def on_shutdown(self) -> Event | None:
        """Called as a message when the program was asked to end: tell the peers. Connections are still open.

        Returns:
            None when nothing is left to wait for; else an event that is set when the connections may be closed.
            It is waited for `shutdown_seconds` at most.
        """
        return None

    def on_stopped(self) -> None:
        """Called after the last connection was closed and the last message handled."""

    def run(self) -> None:
        """Consume the queue until `stop` is called."""
        self.now = self._clock()
        self.on_start()
        queue = self.queue
        busy = 0.0
        while not self._stopped:
            peer, messages = queue.get_burst()
            began = time.monotonic()
            self._slice_ends = began + SLICE_SECONDS - busy
            handled = self.handle_burst(peer, messages)
            if handled < len(messages):
                queue.put_back(peer, messages[handled:])
            busy += time.monotonic() - began
            if busy > SLICE_SECONDS:
                # Also when the queue was empty meanwhile: a reader that fills it each time takes turns with this task
                # without the event loop ever having one.
                let_the_loop_turn()
                busy = 0.0

    def stop(self) -> None:
        """Let `run` return after what is in the queue now. Callable from any task of the hub."""
        self.post(self._stop)

    def handle(self, message: Any) -> None:
        """Handle one message. Never raises on account of a peer, never waits."""
        self.handle_burst(getattr(message, "peer", None), (message,))

    def handle_burst(self, peer: Peer | None, messages: Sequence[Any]) -> int:
        """Handle messages of one peer that arrived together, in order, all at the same `now`.

        Returns:
            how many of them it handled: at least one, not all when it has taken too long.
        """
        self.now = self._clock()
        handlers = self._handlers.get(type(peer))
        if handlers is None:
            handlers = self._handlers[type(peer)] = {}
        handled = 0
        for message in messages:
            handled += 1
            try:
                if peer is None:
                    if not isinstance(message, Call):
                        raise TypeError(f"a message without a peer: {message!r}")
                    message.function(*message.arguments)
                elif not peer.dismissed or type(message) is PeerDisconnected:
                    handler = handlers.get(type(message))
                    if handler is None:
                        handler = handlers[type(message)] = self._find_handler(type(peer), type(message))
                    handler(peer, message)
            except (Exception, gevent.Timeout) as error:
                if peer is None or not isinstance(error, ProtocolError):
                    logger.exception("%s: failed while handling %s of %s", self.name, type(message).__name__, peer)
                if peer is not None:
                    peer.fail(error)
            if time.monotonic() > self._slice_ends:
                break
        return handled

    def post(self, function: Callable[..., None], *args: Any) -> None:
        """Call `function(*args)` in this task, as a message in the queue. Callable from any task of the hub."""
        self.queue.put_over_bound(None, (Call(function, args),))

    def call_later(self, seconds: float, function: Callable[..., None], *args: Any) -> Timer:
        """Call `function(*args)` in this task after `seconds`, as a message in the queue."""
        timer = Timer(self._timer_clock() + max(seconds, 0.0), function, args)
        heapq.heappush(self._timers, (timer.at, next(self._timer_count), timer))
        if len(self._timers) > self._timers_until_clearance:
            self._forget_cancelled_timers()
        if self._timers[0][2] is timer:
            self._set_alarm()
        return timer

    def perform(
        self,
        pool: Pool,
        function: Callable[..., Any],
        *args: Any,
        then: Callable[[Any, BaseException | None], None],
    ) -> None:
        """Run `function(*args)` in `pool`; then call `then(result, error)` in this task, as a message.

        Raises:
            Busy: the pool's queue is full; nothing was started.
        """

        def done(result: Any, error: BaseException | None) -> None:
            self._work_outstanding -= 1
            self.post(then, result, error)

        pool.submit(function, *args, done=done)
        self._work_outstanding += 1

    def new_id(self, prefix: str = "") -> str:
        """Return an id that nobody can guess: `prefix` and 16 hexadecimal digits, from `random`."""
        return f"{prefix}{self.random.getrandbits(64):016x}"

    @property
    def work_outstanding(self) -> int:
        """How many results of `perform` have not come back yet."""
        return self._work_outstanding

    def fire_timers(self) -> None:
        """Put every timer that is due into the queue."""
        now = self._timer_clock()
        while self._timers and self._timers[0][0] <= now:
            timer = heapq.heappop(self._timers)[2]
            if not timer.cancelled:
                self.post(timer.fire)

    def _find_handler(self, peer_class: type[Any], message_class: type[Any]) -> MessageHandler:
        """Return the handler of the nearest base classes.

        Raises:
            ProtocolError: none is known, and one is needed.
        """
        for peer_base in peer_class.__mro__:
            for message_base in message_class.__mro__:
                handler = self.dispatch.get((peer_base, message_base))
                if handler is not None:
                    return handler
        if message_class in (PeerConnected, PeerDisconnected):
            return _ignore
        raise ProtocolError(f"a message of type {message_class.__name__} is not expected on this connection")

    def _forget_cancelled_timers(self) -> None:
        """Else a peer that has timers set and cancelled again and again would fill the memory until they are due."""
        self._timers = [entry for entry in self._timers if not entry[2].cancelled]
        heapq.heapify(self._timers)
        self._timers_until_clearance = 2 * len(self._timers) + TIMERS_BETWEEN_CLEARANCES

    def _set_alarm(self) -> None:
        if self._alarm is not None:
            self._alarm.kill(block=False)
        self._alarm = tasks.spawn(f"{self.name}.timers", self._watch_timers)

    def _watch_timers(self) -> None:
        while self._timers:
            seconds = self._timers[0][0] - self._timer_clock()
            if seconds > 0:
                gevent.sleep(seconds)
            self.fire_timers()
        self._alarm = None

    def _stop(self) -> None:
        self._stopped = True
        if self._alarm is not None:
            self._alarm.kill(block=False)
            self._alarm = None


def _ignore(peer: Peer, message: Any) -> None:
    """The handler of `PeerConnected` and `PeerDisconnected` where a program has none."""
