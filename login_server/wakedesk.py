"""Servers that sleep are woken here, and players who want to join one wait for it. Part of the central task.

A server that sleeps with a port is frozen: its launcher lets it go on as soon as it hears of the ticket. One without a
port has no process; its launcher is asked to start one, and tells how far that is.
"""

import logging
from collections.abc import Callable

from connhandler import CentralTask, Timer
from login_server.gameclienthandler import PlayerPeer
from login_server.gameserverlauncherhandler import LauncherPeer
from login_server.protocol import JoinPending, JoinServer, ServerInfo, WakeProgress, WakeServer
from login_server.reception import Reception
from login_server.refusal import Refusal
from login_server.servernews import ServerNews
from login_server.servers import check_owner, is_awake, owner
from login_server.state import State, Wait, Woken

logger = logging.getLogger(__name__)

WAKE_SECONDS = 60.0
"""So long a player waits; a server that takes longer is woken for no match any more."""

PLAYER_VERSION = 3
LAUNCHER_VERSION = 2
"""The versions from which on the far end knows of servers that sleep."""

BEGINNING = "the server is being woken"


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
        self._timers: dict[str, Timer] = {}

    # --- what the match desk asks for ----------------------------------------------------------------

    def wait(self, peer: PlayerPeer, server: ServerInfo) -> None:
        """Let a player wait for a server, instead of whichever that player waited for before.

        Raises:
            Refusal: `server_not_ready`: its launcher is too old to wake it.
        """
        self.forget(peer.player)
        self.wake(server)
        self._state.waits[peer.player] = Wait(server.server_id)
        self._timers[peer.player] = self._central.call_later(WAKE_SECONDS, self._too_late, peer.player)
        logger.info("player %s waits for %s to wake", peer.player, server.server_id)
        self._tell(peer.player)

    def wake(self, server: ServerInfo) -> None:
        """Ask for a server; more than once is no harm.

        Raises:
            Refusal: as for `wait`.
        """
        launcher = self._state.launchers[owner(server.server_id)]
        if launcher.version < LAUNCHER_VERSION:
            raise Refusal("server_not_ready", f"the server {server.server_id} is {server.state}")
        self._state.woken.setdefault(server.server_id, Woken(self._central.now))
        launcher.send(WakeServer(server_id=server.server_id))

    def forget(self, player: str) -> None:
        """The player is gone, or wants something else."""
        if self._state.waits.pop(player, None) is not None:
            self._timers.pop(player).cancel()

    def progress(self, server_id: str) -> str:
        """How far a server is that is being woken, in words."""
        progress = self._progress(server_id)
        return f"{BEGINNING}: {progress}" if progress else BEGINNING

    @property
    def too_slow(self) -> set[str]:
        """The servers that should be awake by now, and are not."""
        late = self._central.now - WAKE_SECONDS
        return {server_id for server_id, woken in self._state.woken.items() if woken.at <= late}

    # --- what launchers say --------------------------------------------------------------------------

    def wake_progress(self, peer: LauncherPeer, message: WakeProgress) -> None:
        check_owner(peer.launcher, message.server_id)
        if message.server_id not in self._state.directory.servers:
            return
        self._state.woken.setdefault(message.server_id, Woken(self._central.now)).progress = message.text
        for player in self._waiting_for(message.server_id):
            self._tell(player)
        self.news.tell_soon()

    def server_changed(self, server_id: str) -> None:
        """A server was told of, or is no more."""
        server = self._state.directory.servers.get(server_id)
        if server is not None and not is_awake(server):
            if server.state in ("sleeping", "starting"):
                return
            self._refuse_all(server_id, f"the server {server_id} is {server.state}")
        elif server is None:
            self._refuse_all(server_id, self._progress(server_id) or f"there is no server {server_id} any more")
        for player in self._waiting_for(server_id):
            self.forget(player)
            peer = self._state.players[player]
            try:
                self.grant(peer, server_id)
            except Refusal as refusal:
                self._reception.refuse(peer, JoinServer(server_id), refusal)
        self._state.woken.pop(server_id, None)

    # --- one who waits -------------------------------------------------------------------------------

    def _waiting_for(self, server_id: str) -> list[str]:
        return [player for player, wait in self._state.waits.items() if wait.server_id == server_id]

    def _progress(self, server_id: str) -> str:
        woken = self._state.woken.get(server_id)
        return woken.progress if woken else ""

    def _tell(self, player: str) -> None:
        wait, peer = self._state.waits[player], self._state.players[player]
        reason = self.progress(wait.server_id)
        if reason != wait.told and peer.version >= PLAYER_VERSION:
            wait.told = reason
            peer.send(JoinPending(server_id=wait.server_id, reason=reason))

    def _too_late(self, player: str) -> None:
        server_id = self._state.waits[player].server_id
        progress = self._progress(server_id) or "its launcher tells nothing of it"
        self._refuse(player, f"{server_id} is not ready after {WAKE_SECONDS:g} s: {progress}")

    def _refuse_all(self, server_id: str, words: str) -> None:
        for player in self._waiting_for(server_id):
            self._refuse(player, words)

    def _refuse(self, player: str, words: str) -> None:
        server_id = self._state.waits[player].server_id
        logger.info("player %s waits for %s no more: %s", player, server_id, words)
        self.forget(player)
        refusal = Refusal("server_not_woken", words)
        self._reception.refuse(self._state.players[player], JoinServer(server_id), refusal)
