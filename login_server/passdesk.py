"""Whose day passes are void: kept up to date with the database, and told to launchers. Part of the central task.

Passes are revoked by this program, when a password is changed, and by commands, which are other processes: so the table
is looked at again and again, a few rows at a time.
"""

from collections.abc import Mapping

from connhandler import CentralTask
from login_server.accounts.revocations import Revocations
from login_server.databasecalls import DatabaseCalls
from login_server.gameserverlauncherhandler import LauncherPeer
from login_server.protocol import MAX_REVOKED, PassesRevoked
from login_server.state import State

LOOK_SECONDS = 5.0
"""Between two looks at the table."""

OVERLAP_SECONDS = 60.0
"""Each look goes back so far behind the last one: clocks differ, and a transaction has an end."""

VERSION = 2
"""From which on launchers understand this."""


class PassDesk:
    """Tells launchers whose passes are void: everything to one that has just come, and to all of them what is new.

    Args:
        life_seconds: of a pass: an older revocation matters no more.
    """

    def __init__(
        self,
        central: CentralTask,
        state: State,
        revocations: Revocations,
        database_calls: DatabaseCalls,
        life_seconds: float,
    ) -> None:
        self._central = central
        self._state = state
        self._revocations = revocations
        self._database_calls = database_calls
        self._life_seconds = life_seconds
        self._looked_at: float | None = None

    def look(self) -> None:
        """Ask the database for what is new, now and from now on."""
        now = self._central.now
        since = now - self._life_seconds if self._looked_at is None else self._looked_at - OVERLAP_SECONDS

        def answered(revoked: Mapping[str, float] | None, error: BaseException | None) -> None:
            if revoked is not None:
                self._found(revoked, now)
            self._central.call_later(LOOK_SECONDS, self.look)

        self._database_calls.call(self._revocations.since, since, MAX_REVOKED, then=answered)

    def revoked(self, player: str, issued_before: float) -> None:
        """This program has revoked the passes of a player."""
        self._learn({player: issued_before})

    def launcher_came(self, peer: LauncherPeer) -> None:
        """Tell a launcher everything, unless the database was not heard of yet."""
        if self._looked_at is not None and peer.version >= VERSION:
            self._forget()
            peer.send(PassesRevoked(revoked=dict(self._state.revoked), whole=True))

    def _found(self, revoked: Mapping[str, float], at: float) -> None:
        first = self._looked_at is None
        self._looked_at = at
        if not first:
            self._learn(revoked)
            return
        self._state.revoked |= revoked
        for launcher in self._state.launchers.values():
            self.launcher_came(launcher)

    def _learn(self, revoked: Mapping[str, float]) -> None:
        known = self._state.revoked
        new = {player: before for player, before in revoked.items() if before > known.get(player, 0.0)}
        if not new:
            return
        known |= new
        for launcher in self._state.launchers.values():
            if launcher.version >= VERSION:
                launcher.send(PassesRevoked(revoked=new, whole=False))
        if len(known) > 2 * MAX_REVOKED:
            self._forget()

    def _forget(self) -> None:
        """What matters no more, and, of too many, those revoked first."""
        oldest = self._central.now - self._life_seconds
        latest = sorted(self._state.revoked.items(), key=lambda one: one[1], reverse=True)[:MAX_REVOKED]
        self._state.revoked = {player: before for player, before in latest if before >= oldest}
