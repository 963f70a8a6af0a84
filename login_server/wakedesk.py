"""Servers that sleep are woken here, and players who want to join one wait for it. Part of the central task.

A server that sleeps with a port is frozen: its launcher lets it go on as soon as it hears of the ticket. One without a
port has no process; its launcher is asked to start one, and tells how far that is.
"""

import logging
from collections.abc import Callable

from msgspec import Struct

from connhandler import CentralTask, Timer
from login_server.gameclienthandler import PlayerPeer
from login_server.gameserverlauncherhandler import LauncherPeer
from login_server.protocol import JoinPending, JoinServer, ServerInfo, WakeProgress, WakeServer
from login_server.reception import Reception
from login_server.refusal import Refusal
from login_server.servernews import ServerNews
from login_server.servers import check_owner, is_awake, owner
from login_server.state import State

logger = logging.getLogger(__name__)

WAKE_SECONDS = 60.0
"""So long a player waits; a server that takes longer is woken for no match any more."""

PLAYER_VERSION = 3
LAUNCHER_VERSION = 2
"""The versions from which on the far end knows of servers that sleep."""

BEGINNING = "the server is being woken"


class Waiting(Struct):
    """A player who waits for a server.

    Attributes:
        told: what the player was told last.
    """

    peer: PlayerPeer
    server_id: str
    timer: Timer
    told: str = ""


class WakeDesk:
    """Everything about servers that sleep.

    Args:
        central: whose task this runs in.
        reception: says no to players.
        state: shared by the desks.

    Attributes:
        grant: lets a player join a server that is awake, or raises `Refusal`; set before the first message.
        news: told of progress, which those who wait for a match want to know; likewise.
    """

    grant: Callable[[PlayerPeer, str], None]
    news: ServerNews

    def __init__(self, central: CentralTask, reception: Reception, state: State) -> None:
        self._central = central
        self._reception = reception
        self._state = state
        self._waiting: dict[str, Waiting] = {}
        self._woken_at: dict[str, float] = {}
        self._progress: dict[str, str] = {}

    # --- what the match desk asks for ----------------------------------------------------------------

    def wait(self, peer: PlayerPeer, server: ServerInfo) -> None:
        """Let a player wait for a server, instead of whichever that player waited for before.

        Raises:
            Refusal: `server_not_ready`: its launcher is too old to wake it.
        """
        self.forget(peer.player)
        self.wake(server)
        timer = self._central.call_later(WAKE_SECONDS, self._too_late, peer.player)
        self._waiting[peer.player] = Waiting(peer, server.server_id, timer)
        logger.info("player %s waits for %s to wake", peer.player, server.server_id)
        self._tell(self._waiting[peer.player])

    def wake(self, server: ServerInfo) -> None:
        """Ask for a server; more than once is no harm.

        Raises:
            Refusal: as for `wait`.
        """
        launcher = self._state.launchers[owner(server.server_id)]
        if launcher.version < LAUNCHER_VERSION:
            raise Refusal("server_not_ready", f"the server {server.server_id} is {server.state}")
        self._woken_at.setdefault(server.server_id, self._central.now)
        launcher.send(WakeServer(server_id=server.server_id))

    def forget(self, player: str) -> None:
        """The player is gone, or wants something else."""
        waiting = self._waiting.pop(player, None)
        if waiting is not None:
            waiting.timer.cancel()

    def progress(self, server_id: str) -> str:
        """How far a server is that is being woken, in words."""
        progress = self._progress.get(server_id)
        return f"{BEGINNING}: {progress}" if progress else BEGINNING

    @property
    def too_slow(self) -> set[str]:
        """The servers that should be awake by now, and are not."""
        late = self._central.now - WAKE_SECONDS
        return {server_id for server_id, woken_at in self._woken_at.items() if woken_at <= late}

    # --- what launchers say --------------------------------------------------------------------------

    def wake_progress(self, peer: LauncherPeer, message: WakeProgress) -> None:
        check_owner(peer.launcher, message.server_id)
        if message.server_id not in self._state.directory.servers:
            return
        self._progress[message.server_id] = message.text
        for waiting in self._waiting_for(message.server_id):
            self._tell(waiting)
        self.news.tell_soon()

    def server_changed(self, server_id: str) -> None:
        """A server was told of, or is no more."""
        server = self._state.directory.servers.get(server_id)
        if server is not None and not is_awake(server):
            if server.state in ("sleeping", "starting"):
                return
            self._refuse_all(server_id, f"the server {server_id} is {server.state}")
        elif server is None:
            words = self._progress.get(server_id) or f"there is no server {server_id} any more"
            self._refuse_all(server_id, words)
        for waiting in self._waiting_for(server_id):
            self.forget(waiting.peer.player)
            try:
                self.grant(waiting.peer, server_id)
            except Refusal as refusal:
                self._reception.refuse(waiting.peer, JoinServer(server_id), refusal)
        self._woken_at.pop(server_id, None)
        self._progress.pop(server_id, None)

    # --- one who waits -------------------------------------------------------------------------------

    def _waiting_for(self, server_id: str) -> list[Waiting]:
        return [waiting for waiting in self._waiting.values() if waiting.server_id == server_id]

    def _tell(self, waiting: Waiting) -> None:
        reason = self.progress(waiting.server_id)
        if reason != waiting.told and waiting.peer.version >= PLAYER_VERSION:
            waiting.told = reason
            waiting.peer.send(JoinPending(server_id=waiting.server_id, reason=reason))

    def _too_late(self, player: str) -> None:
        server_id = self._waiting[player].server_id
        progress = self._progress.get(server_id) or "its launcher tells nothing of it"
        self._refuse(self._waiting[player], f"{server_id} is not ready after {WAKE_SECONDS:g} s: {progress}")

    def _refuse_all(self, server_id: str, words: str) -> None:
        for waiting in self._waiting_for(server_id):
            self._refuse(waiting, words)

    def _refuse(self, waiting: Waiting, words: str) -> None:
        logger.info("player %s waits for %s no more: %s", waiting.peer.player, waiting.server_id, words)
        self.forget(waiting.peer.player)
        refusal = Refusal("server_not_woken", words)
        self._reception.refuse(waiting.peer, JoinServer(waiting.server_id), refusal)
