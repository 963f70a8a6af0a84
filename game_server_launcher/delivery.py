"""Brings every match result to the login server, whatever fails on the way.

A result is written to the journal; then its controller is told `MatchRecorded` and may forget it. It is sent to the
login server until that says `MatchRecorded`; then it is taken out of the journal. So it may be sent more than once;
that it is recorded once is the work of the login server, whose primary key is the match.
"""

import logging
from collections.abc import Callable, Iterable
from itertools import islice

from connhandler import Busy, CentralTask, Peer, WorkerPool
from game_server_launcher.journal import Journal
from login_server.protocol import MatchEnded

logger = logging.getLogger(__name__)

MAX_WAITING = 10_000
"""Results that wait for a login server; at this number the controllers keep theirs, and say them again."""

MAX_UNANSWERED = 200
"""So many results are sent and not answered at the same time."""

RESEND_SECONDS = 30.0
"""A result that is not answered so long after it was sent is sent again, after the others."""

RETRY_SECONDS = 10.0
"""Until the next attempt to write the journal."""


class Delivery:
    """The results under way. Runs in the central task.

    Args:
        central: whose task this runs in.
        journal: loaded.
        pool: of one thread.
        safe: called with every result that its controller may forget.
        waiting: what the journal had in it, oldest first.
    """

    def __init__(
        self,
        central: CentralTask,
        journal: Journal,
        pool: WorkerPool,
        safe: Callable[[MatchEnded], None],
        waiting: Iterable[MatchEnded],
    ) -> None:
        self.waiting = {result.match_id: result for result in waiting}
        self._central = central
        self._journal = journal
        self._pool = pool
        self._safe = safe
        self._stored = set(self.waiting)
        self._to_store: dict[str, MatchEnded] = {}
        self._storing: dict[str, MatchEnded] = {}
        self._to_remove: list[str] = []
        self._writing = False
        self._retrying = False
        self._idle: list[Callable[[], None]] = []
        self._login_server: Peer | None = None
        self._unanswered: dict[str, float] = {}
        self._resending = False

    def add(self, results: Iterable[MatchEnded], from_controller: bool = True) -> None:
        """Take results over. One that is under way already changes nothing; its controller is told again."""
        for result in results:
            if result.match_id in self._stored:
                self._safe(self.waiting[result.match_id])
            elif result.match_id in self._storing:
                continue
            elif from_controller and len(self.waiting) >= MAX_WAITING and result.match_id not in self.waiting:
                logger.warning("%d results wait for the login server; %s is not taken", MAX_WAITING, result.match_id)
            else:
                self._to_store.setdefault(result.match_id, self.waiting.setdefault(result.match_id, result))
        self._write()
        self._send()

    def connected(self, login_server: Peer) -> None:
        """The login server has let us in: send what waits."""
        self._login_server = login_server
        self._unanswered.clear()
        if self.waiting:
            logger.info("%d match results wait for the login server; sending them", len(self.waiting))
        self._send()

    def disconnected(self) -> None:
        """The connection to the login server has ended."""
        self._login_server = None
        self._unanswered.clear()

    def recorded(self, match_id: str) -> None:
        """The login server has a result."""
        result = self.waiting.pop(match_id, None)
        self._unanswered.pop(match_id, None)
        self._to_store.pop(match_id, None)
        if result is None:
            return
        if match_id in self._stored:
            self._stored.discard(match_id)
        else:
            self._safe(result)
        self._to_remove.append(match_id)
        self._write()
        self._send()

    def when_idle(self, function: Callable[[], None]) -> None:
        """Call `function` once no write is under way: at once, or later."""
        if self._writing:
            self._idle.append(function)
        else:
            function()

    def _write(self) -> None:
        if self._writing or not (self._to_store or self._to_remove):
            return
        added, removed = list(self._to_store.values()), self._to_remove
        self._storing, self._to_store, self._to_remove = self._to_store, {}, []
        self._writing = True
        try:
            self._central.perform(
                self._pool,
                self._write_journal,
                added,
                removed,
                then=lambda _, error: self._written(added, removed, error),
            )
        except Busy as error:
            self._written(added, removed, error)

    def _write_journal(self, added: list[MatchEnded], removed: list[str]) -> None:
        """In a worker thread."""
        if added:
            self._journal.add(added)
        if removed:
            self._journal.remove(removed)

    def _written(self, added: list[MatchEnded], removed: list[str], error: BaseException | None) -> None:
        self._writing = False
        self._storing = {}
        if error is None:
            for result in added:
                # One that the login server has recorded meanwhile is of no use in the journal.
                if result.match_id in self.waiting:
                    self._stored.add(result.match_id)
                    self._safe(result)
            self._write()
        else:
            logger.error("the journal of match results cannot be written: %s", error)
            for result in added:
                if result.match_id in self.waiting:
                    self._to_store.setdefault(result.match_id, result)
            self._to_remove = removed + self._to_remove
            if not self._retrying:
                self._retrying = True
                self._central.call_later(RETRY_SECONDS, self._retry)
        if not self._writing:
            idle, self._idle = self._idle, []
            for function in idle:
                function()

    def _retry(self) -> None:
        self._retrying = False
        self._write()

    def _send(self) -> None:
        if self._login_server is None:
            return
        room = MAX_UNANSWERED - len(self._unanswered)
        ready = (result for match_id, result in self.waiting.items() if match_id not in self._unanswered)
        for result in list(islice(ready, max(room, 0))):
            self._unanswered[result.match_id] = self._central.now
            self._login_server.send(result)
        if self._unanswered and not self._resending:
            self._resending = True
            self._central.call_later(RESEND_SECONDS, self._resend)

    def _resend(self) -> None:
        self._resending = False
        for match_id, sent_at in list(self._unanswered.items()):
            if sent_at <= self._central.now - RESEND_SECONDS:
                del self._unanswered[match_id]
                self.waiting[match_id] = self.waiting.pop(match_id)
        self._send()
