"""Tells games that hang from games where nothing happens. Part of the central task.

A process that is there and a connection that is open say little: a game may be stopped, or turn in a circle. So a
controller or a console that has said nothing for a while is asked something, and one that does not answer is one of a
game that hangs.
"""

import logging
from collections.abc import Callable
from functools import partial

import psutil

from connhandler import Busy, CentralTask, WorkerPool
from connhandler.jsonmessage import Ping
from game_server_launcher import gameconsolehandler as console
from game_server_launcher.gameconsolehandler import ConsolePeer
from game_server_launcher.servers import GameServer, State
from game_server_launcher.supervision import Supervision
from game_server_launcher.talk import TalkingPeer

logger = logging.getLogger(__name__)

LOOK_SECONDS = 1.0
"""Between two looks at who has said nothing for how long."""

_STATES = {psutil.STATUS_STOPPED: "is stopped", psutil.STATUS_TRACING_STOP: "is stopped by a debugger"}
_STATES[psutil.STATUS_DISK_SLEEP] = "waits for a disk"

PeerOf = Callable[[GameServer], TalkingPeer | None]


class HealthDesk:
    """Watches over the controllers and consoles of all game servers.

    Args:
        central: whose task this runs in.
        servers: by name; owned by the program.
        peer_of: a server's controller or console, if it is connected.
        supervision: told of games that hang.
        pool: where processes are looked at.
    """

    def __init__(
        self,
        central: CentralTask,
        servers: dict[str, GameServer],
        peer_of: PeerOf,
        supervision: Supervision,
        pool: WorkerPool,
    ) -> None:
        self._central = central
        self._servers = servers
        self._peer_of = peer_of
        self._supervision = supervision
        self._pool = pool
        self._hung: set[str] = set()
        self._silent_since: dict[str, float] = {}

    def start(self) -> None:
        self._central.call_later(LOOK_SECONDS, self._look)

    def heard(self, peer: TalkingPeer) -> None:
        """A controller or console has said something."""
        peer.heard_at = self._central.now
        peer.asked_at = 0.0
        if peer.server in self._hung:
            self._hung.discard(peer.server)
            server = self._servers.get(peer.server)
            if server is not None and self._peer_of(server) is peer:
                self._supervision.answers_again(server)

    def _look(self) -> None:
        for server in list(self._servers.values()):
            self._look_at(server)
        self.start()

    def _look_at(self, server: GameServer) -> None:
        peer = self._peer_of(server)
        if server.state in (State.READY, State.AWAY, State.SILENT) and not server.outcome:
            if peer is not None:
                self._judge(server, peer)
        else:
            self._hung.discard(server.name)
            if peer is not None:
                peer.heard_at, peer.asked_at = self._central.now, 0.0  # One that is put to sleep need not answer.
        self._restart_hung(server)

    def _judge(self, server: GameServer, peer: TalkingPeer) -> None:
        now = self._central.now
        quiet = now - peer.heard_at
        patience = server.game.health.silent_seconds / 2
        # Whoever has not been asked in time, because this program was held up, is asked before.
        if peer.asked_at and now - peer.asked_at >= patience and server.name not in self._hung:
            self._hung.add(server.name)
            told = partial(self._process_seen, server, server.run, quiet)
            try:
                self._central.perform(self._pool, _state_of, server.pid, then=told)
            except Busy:
                told("", None)
        elif quiet >= patience and not peer.asked_at:
            peer.asked_at = now
            peer.send(console.ShowMap() if isinstance(peer, ConsolePeer) else Ping())

    def _process_seen(self, server: GameServer, run: int, quiet: float, state: str | None, _: object) -> None:
        if server.run == run and server.name in self._hung:
            far_end = "console" if server.game.console else "controller"
            process = f"; its process {state}" if state else ""
            self._supervision.hangs(server, f"hung: its {far_end} has not answered for {quiet:.0f} s{process}")

    def _restart_hung(self, server: GameServer) -> None:
        """Whoever does not answer for so long is not waited for any more, if its game file says so."""
        if server.state is not State.SILENT or server.outcome:
            self._silent_since.pop(server.name, None)
            return
        since = self._silent_since.setdefault(server.name, self._central.now)
        health = server.game.health
        if health.restart_hung and self._central.now - since >= health.hung_seconds:
            why = server.reason if server.reason.startswith("hung") else f"hung: {server.reason}"
            self._supervision.end_as_crashed(server, why)


def _state_of(pid: int) -> str:
    """What keeps a process from answering, as far as the kernel knows."""
    try:
        return _STATES.get(psutil.Process(pid).status(), "")
    except psutil.Error:
        return ""
