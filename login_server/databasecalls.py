"""Calls to the database that end in time, whatever the database does. Part of a central task.

    call → pool → then(result, None) or then(None, error)
    no answer in time, or a connection that is lost → the database is away: refused at once, until a probe succeeds

A database that stops answering must cost those who ask for it a quick no, and nobody else anything. So every call has
a deadline, at which it gets `DatabaseAway`, whatever its thread does later; and while the database is away, no call
reaches the pool, and one probe after the other looks whether it is back.
"""

import logging
from collections.abc import Callable
from functools import partial
from typing import Any

from connhandler import Busy, CentralTask
from connhandler.central import Timer
from connhandler.workers import Pool
from login_server.database import DatabaseAway, DatabaseFailed
from login_server.refusal import Refusal

logger = logging.getLogger(__name__)

DEADLINE_SECONDS = 1.5
PROBE_SECONDS = 1.0
"""From the end of one probe to the beginning of the next, on average; up to a quarter more or less."""

Then = Callable[[Any, BaseException | None], None]


class DatabaseCalls:
    """Use it in the central task only.

    Args:
        pool: in whose threads the functions run; nothing else should use it.
        probe: runs there too; raises when the database does not do its work. `Database.check`.
        deadline_seconds: from `call` to its `then`, at most.
    """

    def __init__(
        self,
        central: CentralTask,
        pool: Pool,
        probe: Callable[[], object],
        deadline_seconds: float = DEADLINE_SECONDS,
    ) -> None:
        self._central = central
        self._pool = pool
        self._probe_function = probe
        self._deadline_seconds = deadline_seconds
        self._away_since: float | None = None
        self._answers = 0

    @property
    def away(self) -> bool:
        """Whether calls are refused, because the database did not answer."""
        return self._away_since is not None

    def call(self, function: Callable[..., Any], *args: Any, then: Then, writes: bool = False) -> None:
        """Run `function(*args)` in the pool, then call `then(result, error)`.

        Never raises and never waits. `then` is called exactly once, later, in the central task; `error` is what the
        function raised, or:

        * `DatabaseAway`: there was no answer in time, or the database is away already. What has not begun by then
          never does.
        * `Busy`: there is too much to do. It has not begun and never does.

        Args:
            writes: whether the function changes something: then it matters to those who are told no that it may have
                been done all the same (`DatabaseAway.outcome_unknown`), and it is logged when it was.
        """
        if self.away:
            self._central.post(then, None, DatabaseAway("the database is away"))
            return
        call = _Call(function, args, then, writes, self._answers)
        try:
            self._central.perform(self._pool, call.run, then=partial(self._ended, call))
        except Busy as error:
            self._central.post(then, None, error)
            return
        call.timer = self._central.call_later(self._deadline_seconds, self._overdue, call)

    def _ended(self, call: "_Call", result: Any, error: BaseException | None) -> None:
        call.timer.cancel()
        if call.given_up:  # Its end says nothing about whether answers come in time.
            if call.writes and call.has_run and error is None:
                logger.warning("the database did something after all that was refused: %s", call)
            return
        if isinstance(error, DatabaseAway):
            self._went_away(str(error))
        else:
            self._answers += 1
        call.then(result, error)

    def _overdue(self, call: "_Call") -> None:
        call.given_up = True
        never_begins = call.take()
        if never_begins and self._answers > call.answers_before:
            # It answers others: only the queue is too long.
            call.then(None, Busy(f"{self._pool.name}: not begun after {self._deadline_seconds:g} s"))
            return
        self._went_away(f"no answer within {self._deadline_seconds:g} s")
        unknown = call.writes and not never_begins
        call.then(None, DatabaseAway("the database does not answer", outcome_unknown=unknown))

    def _went_away(self, reason: str) -> None:
        if self.away:
            return
        self._away_since = self._central.now
        logger.error("the database is away: %s", reason)
        self._probe()

    def _probe(self) -> None:
        # Without a deadline of its own: the next one begins after this one has ended, so that those who look never
        # take up more than one thread.
        try:
            self._central.perform(self._pool, self._probe_function, then=self._probed)
        except Busy as error:
            self._probed(None, error)

    def _probed(self, _: Any, error: BaseException | None) -> None:
        if error is None:
            assert self._away_since is not None
            logger.warning("the database is back after %.1f s", self._central.now - self._away_since)
            self._away_since = None
            return
        logger.debug("the database is still away: %s", error)
        self._central.call_later(PROBE_SECONDS * (0.75 + self._central.random.random() / 2), self._probe)


class _Call:
    """One call. Used in the hub's thread, but for `run`."""

    timer: Timer

    def __init__(
        self, function: Callable[..., Any], args: tuple[Any, ...], then: Then, writes: bool, answers_before: int
    ) -> None:
        self.then = then
        self.writes = writes
        self.answers_before = answers_before
        self.given_up = False
        self.has_run = False
        self._function = function
        self._args = args
        self._permission = [True]

    def __str__(self) -> str:
        return getattr(self._function, "__qualname__", repr(self._function))

    def take(self) -> bool:
        """Whoever gets True decides whether it runs: the thread that would run it, or the one that gives it up."""
        try:
            return self._permission.pop()  # One operation, which no other thread can get in the middle of.
        except IndexError:
            return False

    def run(self) -> Any:
        """In a thread of the pool."""
        if not self.take():
            return None
        self.has_run = True
        return self._function(*self._args)


def refusal_for(error: BaseException) -> Refusal:
    """What to tell those who asked for something that ended with `error`; an operator's line is logged where needed.

    Codes: `busy`, `database_away`, `database_failed`, and those of a `Refusal` itself.
    """
    match error:
        case Refusal():
            return error
        case Busy():
            return Refusal("busy", "the server is very busy, try again in a moment")
        case DatabaseAway(outcome_unknown=True):
            words = "the database does not answer, so it is not known whether this was done; look again in a moment"
            return Refusal("database_away", words)
        case DatabaseAway():
            return Refusal("database_away", "the database does not answer, try again in a moment")
        case DatabaseFailed():
            logger.error("the database failed: %s", error)
        case _:
            logger.error("a call to the database failed", exc_info=error)
    return Refusal("database_failed", "the database failed, try again later")
