"""Sees to it that what is known of a crash is written down. Part of the central task."""

import logging
from functools import partial
from pathlib import Path

from connhandler import Busy, CentralTask, WorkerPool
from game_server_launcher.crashes import crash_of, write
from game_server_launcher.figures import Sample
from game_server_launcher.gamefile import expand
from game_server_launcher.runfolder import RunFolder
from game_server_launcher.servers import GameServer
from game_server_launcher.talk import Talks

logger = logging.getLogger(__name__)


class CrashDesk:
    """Writes down what is known of crashes.

    Args:
        central: whose task this runs in.
        folder: where the servers' folders are.
        pool: that writes.

    Attributes:
        talks: told what controllers and consoles say.
    """

    def __init__(self, central: CentralTask, folder: RunFolder, pool: WorkerPool) -> None:
        self.talks = Talks()
        self._central = central
        self._folder = folder
        self._pool = pool

    def crashed(self, server: GameServer, how: str, status: int | None, figures: list[Sample]) -> None:
        """A process has ended without having been asked to; what is known of it is still in `server`."""
        crash = crash_of(server, how, status, self._central.now, figures, self.talks.take(server.name))
        own_folder = self._folder.server_folder(server.name)
        folder = Path(expand(server.game.folder, {"run_dir": own_folder}))
        written = partial(self._written, server.name)
        try:
            self._central.perform(self._pool, write, crash, own_folder, folder, server.output_from, then=written)
        except Busy as error:
            written(None, error)

    def run_ended(self, server: GameServer) -> None:
        """However it has ended: the next process is not asked for what was said to this one."""
        self.talks.take(server.name)

    def _written(self, name: str, path: Path | None, error: BaseException | None) -> None:
        if error is not None:
            logger.error("%s: what is known of its crash cannot be written down: %s", name, error)
        elif path is not None:
            message = "%s: what is known of its crash is in %s"
            logger.warning(message, name, path)
