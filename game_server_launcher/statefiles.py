"""Keeps `SERVER.json` of every server up to date, without making anybody wait for the disk."""

import logging
from collections.abc import Callable
from functools import partial

import msgspec

from connhandler import Busy, CentralTask, WorkerPool
from game_server_launcher.runfolder import RunFolder
from game_server_launcher.servers import GameServer, State

logger = logging.getLogger(__name__)

SOON_SECONDS = 0.5


class StateFiles:
    """Writes what `GameServer.save` returns. Runs in the central task.

    While one write of a server is under way, any number of changes make one more write of it.

    Args:
        central: whose task this runs in.
        folder: where the files are.
        pool: of one thread, so that a later write is not overtaken by an earlier one.
    """

    def __init__(self, central: CentralTask, folder: RunFolder, pool: WorkerPool) -> None:
        self._central = central
        self._folder = folder
        self._pool = pool
        self._writing: set[str] = set()
        self._changed: dict[str, GameServer] = {}
        self._then: dict[str, list[Callable[[], None]]] = {}
        """What is to be called after the next write, by server."""

    def save_soon(self, server: GameServer) -> None:
        """For what changes often."""
        if server.name not in self._changed:
            self._changed[server.name] = server
            self._central.call_later(SOON_SECONDS, self._save_changed, server.name)

    def save_now(self, server: GameServer, then: Callable[[], None] | None = None) -> None:
        """Write as soon as the disk can; afterwards, written or not, call `then`."""
        if then is not None:
            self._then.setdefault(server.name, []).append(then)
        if server.name in self._writing:
            self._changed[server.name] = server
            return
        self._changed.pop(server.name, None)
        self._writing.add(server.name)
        waiting = self._then.pop(server.name, [])
        saved = None if _is_forgotten(server) else msgspec.json.encode(server.save())
        try:
            self._central.perform(
                self._pool,
                self._write,
                server.name,
                saved,
                then=lambda _, error: self._written(server.name, error, waiting),
            )
        except Busy as error:
            self._written(server.name, error, waiting)

    def save_all(self, servers: dict[str, GameServer]) -> None:
        """Write every file once more, at the end, when no result of `perform` is handled any more."""
        for server in servers.values():
            saved = None if _is_forgotten(server) else msgspec.json.encode(server.save())
            try:
                # Through the pool, which is closed after this, so that no earlier write comes later.
                self._pool.submit(self._write, server.name, saved, done=partial(self._written_last, server.name))
            except Busy as error:
                self._complain(server.name, error)

    def _save_changed(self, name: str) -> None:
        server = self._changed.get(name)
        if server is not None:
            self.save_now(server)

    def _write(self, name: str, saved: bytes | None) -> None:
        if saved is None:
            self._folder.forget_server(name)
        else:
            self._folder.save_server(saved, name)

    def _written(self, name: str, error: BaseException | None, waiting: list[Callable[[], None]]) -> None:
        self._writing.discard(name)
        self._complain(name, error)
        for function in waiting:
            function()
        self._save_changed(name)

    def _written_last(self, name: str, _: None, error: Exception | None) -> None:
        self._complain(name, error)

    def _complain(self, name: str, error: BaseException | None) -> None:
        if error is not None:
            logger.error("%s: its state file cannot be written: %s", name, error)


def _is_forgotten(server: GameServer) -> bool:
    return server.retired and server.state in (State.STOPPED, State.FAILED)
