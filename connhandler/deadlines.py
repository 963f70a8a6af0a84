"""What a far end must do in time, looked at by its handler's one deadline task. See `Limits` for each of them."""

import time
from typing import TYPE_CHECKING

from connhandler.errors import DisconnectReason

if TYPE_CHECKING:
    from connhandler.connection import Connection


class Deadlines:
    """The deadlines of one connection, and its heartbeats.

    Attributes:
        heard_at: `time.monotonic()` of the last whole messages.
    """

    __slots__ = (
        "_beat_at",
        "_beats",
        "_connection",
        "_handler",
        "_limits",
        "_missed",
        "_said",
        "_said_at",
        "_since",
        "_spoken",
        "heard_at",
    )

    def __init__(self, connection: "Connection") -> None:
        now = time.monotonic()
        self.heard_at = now
        self._connection = connection
        self._handler = connection.handler
        self._limits = connection.handler.limits
        self._since = now
        self._spoken = False
        self._said = 0
        self._said_at = now
        self._beat_at = now
        self._beats = False
        self._missed = 0

    def heard(self) -> None:
        """Whole messages have arrived."""
        self.heard_at = time.monotonic()
        self._spoken = True

    def check(self, now: float) -> None:
        """Act on every deadline that has passed.

        Args:
            now: `time.monotonic()`.
        """
        connection, reader, limits = self._connection, self._connection.reader, self._limits
        listens = self._handler.listens
        if connection.ending is not None:
            return
        if _passed(connection.outbox.soft_since, limits.outgoing_soft_seconds, now):
            connection.reads_too_slowly(connection.outbox.size)
        elif connection.intake.held:
            self._forgive(now)
        elif not connection.intake.announced:
            pass  # The opening handshake has a deadline of its own.
        elif _passed(reader.begun_at, limits.message_seconds, now):
            self._time_out(DisconnectReason.MESSAGE_TIMEOUT, limits.message_seconds)
        elif listens and not self._spoken and _passed(self._since, limits.first_message_seconds, now):
            self._time_out(DisconnectReason.FIRST_MESSAGE_TIMEOUT, limits.first_message_seconds)
        elif listens and connection.awaits_login and _passed(self._since, limits.login_seconds, now):
            self._time_out(DisconnectReason.LOGIN_TIMEOUT, limits.login_seconds)
        elif reader.begun_at is not None and limits.message_seconds > 0:
            pass  # A message that has begun has a deadline of its own.
        elif not self._beats and _passed(self.heard_at, limits.idle_seconds, now):
            self._time_out(DisconnectReason.IDLE_TIMEOUT, limits.idle_seconds)
        elif self._handler.sends_heartbeats:
            self._beat(now)

    def _forgive(self, now: float) -> None:
        """We did not listen, so its silence is ours."""
        self.heard_at = now
        if not self._spoken:
            self._since = now
        if self._connection.reader.begun_at is not None:
            self._connection.reader.begun_at = now

    def _beat(self, now: float) -> None:
        """Send a heartbeat when either side has said nothing for a while: each must hear the other one."""
        outbox = self._connection.outbox
        if outbox.total != self._said:
            self._said, self._said_at = outbox.total, now
        if self.heard_at > self._beat_at:
            self._missed = 0
        quiet_since = max(min(self.heard_at, self._said_at), self._beat_at)
        if not _passed(quiet_since, self._limits.heartbeat_seconds, now):
            return
        if self._missed >= self._limits.missed_heartbeats:
            self._time_out(DisconnectReason.HEARTBEAT_TIMEOUT, self._limits.heartbeat_seconds)
            return
        data = self._connection.writer.encode_heartbeat()
        if data:
            self._beats = True
            self._beat_at = now
            self._missed += 1
            self._connection.send_encoded(data)

    def _time_out(self, reason: DisconnectReason, seconds: float) -> None:
        self._connection.end(reason, f"{reason.value} after {seconds:g} s")


def _passed(since: float | None, seconds: float, now: float) -> bool:
    """Whether a deadline has passed; one of 0 seconds never does."""
    return since is not None and 0 < seconds <= now - since
