"""The helper's central task: takes what launchers say, checks it, and brings nftables to the same state."""

import logging
from typing import Any, Protocol

from gevent.event import Event

from connhandler import Busy, CentralTask, PeerDisconnected, ProtocolError, TaskPool
from connhandler.jsonmessage import Hello, Pong, Refused, ShuttingDown, agree_on_version
from game_server_launcher.allowlist import ruleset
from game_server_launcher.allowlist.gates import Gates, NotDone
from game_server_launcher.allowlist.launcherhandler import LauncherPeer
from game_server_launcher.allowlist.protocol import VERSIONS, AllowAddress, ProtectPort, UnprotectPort

logger = logging.getLogger(__name__)

PROGRAM = "game-server-allowlist"

HOUSEKEEPING_SECONDS = 5.0
"""Between two looks at what is abandoned, and at whether somebody has thrown our table away: a firewall that is loaded
anew often begins with that."""

RETRY_SECONDS = 2.0
"""After a failure of nft, until the table is made anew."""

MAX_PENDING = 10_000
"""So many commands wait while nft is at work; beyond it, the table is made anew instead."""


class NftProgram(Protocol):
    """What is asked of `nft.Nft`; see there."""

    def apply(self, commands: list[ruleset.Command]) -> None: ...
    def gates(self) -> dict[int, dict[str, float]]: ...


class Gatekeeper(CentralTask):
    """Owns the gates; nft is run in the pool, one change at a time, and what comes meanwhile is the next change.

    Args:
        gates: with what an earlier process has left in force.
        nft: changes the table.
        pool: of one task.
        keep_seconds: ports stay protected for so long after their launcher is gone.
        **kwargs: those of `CentralTask`.
    """

    def __init__(self, gates: Gates, nft: NftProgram, pool: TaskPool, keep_seconds: float, **kwargs: Any) -> None:
        super().__init__("gatekeeper", **kwargs)
        self._gates = gates
        self._nft = nft
        self._pool = pool
        self._keep_seconds = keep_seconds
        self._launchers: set[LauncherPeer] = set()
        self._pending: list[ruleset.Command] = []
        self._is_writing = False
        self._is_wrong = True
        """What nftables has is not known to be right: the table is to be made anew."""
        self._retrying = False
        self._in_nftables: set[int] = set()
        """The protected ports, as they were when it was written last."""
        self._removed: Event | None = None
        self.dispatch = {
            (LauncherPeer, Hello): self.hello,
            (LauncherPeer, Pong): self.pong,
            (LauncherPeer, ProtectPort): self.protect_port,
            (LauncherPeer, AllowAddress): self.allow_address,
            (LauncherPeer, UnprotectPort): self.unprotect_port,
            (LauncherPeer, PeerDisconnected): self.launcher_disconnected,
        }

    def on_start(self) -> None:
        self._write()
        self._keep_house()

    def on_shutdown(self) -> Event:
        for peer in self._launchers:
            peer.send(ShuttingDown(message="the allow-list ends: everybody may come to every port"))
        self._removed = Event()
        self._write()
        return self._removed

    def state(self) -> dict[str, Any]:
        """The gates, as plain data."""
        return {
            str(port): {"owner": gate.owner, "left_at": gate.left_at, "allowed": dict(gate.allowed)}
            for port, gate in self._gates.by_port.items()
        }

    # --- what launchers say --------------------------------------------------------------------------

    def hello(self, peer: LauncherPeer, message: Hello) -> None:
        answer = agree_on_version(message, VERSIONS, PROGRAM)
        peer.send(answer)
        if isinstance(answer, Refused):
            peer.disconnect(answer.message)
            return
        peer.logged_in = True
        self._launchers.add(peer)
        logger.info("a launcher is here (%s)", peer.name)

    def pong(self, peer: LauncherPeer, message: Pong) -> None:
        """A sign of life; the connection has noted it already."""

    def protect_port(self, peer: LauncherPeer, message: ProtectPort) -> None:
        self._check_hello(peer)
        try:
            was_open = self._gates.protect(message.port, peer.name)
        except NotDone as why:
            self._refuse(peer, why, "protect_port")
            return
        if was_open:
            logger.info("port %d is protected (%s)", message.port, peer.name)
            self._change(ruleset.protect(message.port))

    def allow_address(self, peer: LauncherPeer, message: AllowAddress) -> None:
        self._check_hello(peer)
        try:
            address = self._gates.allow(message.port, message.address, message.seconds, self.now)
        except NotDone as why:
            self._refuse(peer, why, "allow_address")
            return
        self._change(ruleset.allow(message.port, address, message.seconds))

    def unprotect_port(self, peer: LauncherPeer, message: UnprotectPort) -> None:
        self._check_hello(peer)
        try:
            gate = self._gates.unprotect(message.port, peer.name)
        except NotDone as why:
            self._refuse(peer, why, "unprotect_port")
            return
        if gate is not None:
            logger.info("port %d is open to everybody (%s)", message.port, peer.name)
            self._change(ruleset.unprotect(message.port, gate.allowed))

    def launcher_disconnected(self, peer: LauncherPeer, message: PeerDisconnected) -> None:
        if peer in self._launchers:
            self._launchers.discard(peer)
            logger.info("a launcher is gone (%s)", peer.name)
            self._gates.leave(peer.name, self.now)

    @staticmethod
    def _check_hello(peer: LauncherPeer) -> None:
        if not peer.logged_in:
            raise ProtocolError("a connection begins with hello")

    @staticmethod
    def _refuse(peer: LauncherPeer, why: NotDone, about: str) -> None:
        logger.warning("%s: refused: %s", peer.name, why)
        peer.send(Refused(code=why.code, message=str(why), about=about))

    # --- nftables --------------------------------------------------------------------------------------

    def _keep_house(self) -> None:
        for port, gate in self._gates.take_abandoned(self.now, self._keep_seconds).items():
            logger.info("port %d is open to everybody: its launcher does not come back", port)
            self._change(ruleset.unprotect(port, gate.allowed))
        if not (self._is_writing or self._retrying or self._removed):
            self._is_writing = True
            try:
                self.perform(self._pool, self._nft.gates, then=self._looked)
            except Busy as error:
                self._looked(None, error)
        self.call_later(HOUSEKEEPING_SECONDS, self._keep_house)

    def _looked(self, found: Any, error: BaseException | None) -> None:
        """What came meanwhile is still to be written: it makes no difference between what there was and should be."""
        self._is_writing = False
        if error is not None or set(found) != self._in_nftables:
            logger.warning("nftables has not what it should have (%s); making the table anew", error or "other ports")
            self._is_wrong = True
        self._write()

    def _change(self, commands: list[ruleset.Command]) -> None:
        if not self._is_wrong:
            self._pending += commands
            if len(self._pending) > MAX_PENDING:
                self._is_wrong = True
        self._write()

    def _write(self) -> None:
        if self._is_writing or (self._retrying and self._removed is None):
            return
        if self._removed is not None:
            commands = ruleset.removal()
        elif self._is_wrong:
            commands = ruleset.whole(self._gates.in_force(self.now))
        elif self._pending:
            commands = self._pending
        else:
            return
        self._pending = []
        self._is_wrong = False
        self._is_writing = True
        self._in_nftables = set(self._gates.by_port)
        ends = self._removed
        try:
            self.perform(self._pool, self._nft.apply, commands, then=lambda _, error: self._written(error, ends))
        except Busy as error:
            self._written(error, ends)

    def _written(self, error: BaseException | None, ends: Event | None) -> None:
        self._is_writing = False
        if error is not None:
            logger.error("nftables cannot be changed: %s", error)
            self._is_wrong = True
        if ends is not None:
            ends.set()
            return
        if error is not None:
            self._retrying = True
            self.call_later(RETRY_SECONDS, self._retry)
        self._write()

    def _retry(self) -> None:
        self._retrying = False
        self._write()
