"""The door: where players get in while the login server is away. Part of the central task.

While it is there, the login server tells whose day passes are void; the list is kept on disk, for the time of an outage
in which this launcher may be started anew.
"""

import logging

from connhandler import Busy, CentralTask, WorkerPool
from game_server_launcher.runfolder import RunFolder
from login_server.protocol import MAX_REVOKED, PassesRevoked

logger = logging.getLogger(__name__)


class DoorDesk:
    """Everything about day passes.

    Args:
        central: whose task this runs in.
        folder: where the list of void passes is kept; read now.
        pool: of one thread, so that an older list never comes after a newer one.

    Attributes:
        revoked: by player, before when (Unix time) day passes were issued that are void.
    """

    def __init__(self, central: CentralTask, folder: RunFolder, pool: WorkerPool) -> None:
        self.revoked = folder.load_revoked()
        self._central = central
        self._folder = folder
        self._pool = pool

    def passes_revoked(self, message: PassesRevoked) -> None:
        """The login server has said whose passes are void."""
        if message.whole and message.revoked == self.revoked:
            return
        if message.whole:
            self.revoked = {}
        self.revoked |= message.revoked
        if len(self.revoked) > MAX_REVOKED:
            latest = sorted(self.revoked.items(), key=lambda one: one[1], reverse=True)
            self.revoked = dict(latest[:MAX_REVOKED])
        try:
            self._central.perform(self._pool, self._folder.save_revoked, dict(self.revoked), then=self._saved)
        except Busy as error:
            self._saved(None, error)

    @staticmethod
    def _saved(_: None, error: BaseException | None) -> None:
        if error is not None:
            logger.error("the list of void day passes cannot be written to the run folder: %s", error)
