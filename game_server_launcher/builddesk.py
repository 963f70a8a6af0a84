"""What the launcher makes of changed game files: reads them anew, tries a new build, takes it or goes back. Part of the
central task."""

import logging
from collections.abc import Callable, Iterable

import msgspec

from connhandler import Busy, CentralTask, WorkerPool
from game_server_launcher.builds import Build, BuildBook
from game_server_launcher.events import record
from game_server_launcher.gamefile import GameFile, GameFileError
from game_server_launcher.runfolder import RunFolder
from game_server_launcher.servers import GameServer

logger = logging.getLogger(__name__)


class BuildDesk:
    """The builds of all games of a launcher, kept in the run folder.

    Args:
        central: whose task this runs in.
        folder: of the launcher.
        pool: of one thread, for files.
        games: the game files as they are.
    """

    def __init__(self, central: CentralTask, folder: RunFolder, pool: WorkerPool, games: Iterable[GameFile]) -> None:
        self._central = central
        self._folder = folder
        self._pool = pool
        self._book = BuildBook(_load(folder), games)
        for name, build in self._book.builds.items():
            if build.candidate is not None:
                logger.info("%s: its file is not the build that its servers run; that is to be tried", name)

    def start(self) -> None:
        """Keep what is accepted now, so that the next launcher knows a changed file from it."""
        self._save()

    def reload(self, load: Callable[[], list[GameFile]], then: Callable[[bool, str], None] | None = None) -> None:
        """Read the game files anew with `load`, which is called in a worker thread; `then(succeeded, sentence)`."""

        def read(games: list[GameFile] | None, error: BaseException | None) -> None:
            succeeded, text = self._read(games, error)
            if then is not None:
                then(succeeded, text)

        try:
            self._central.perform(self._pool, load, then=read)
        except Busy as error:
            read(None, error)

    def choose(self, server: GameServer) -> tuple[GameFile, bool]:
        """What a server is to start now, and whether that is on trial."""
        chosen = self._book.choose(server)
        if chosen[1] and not server.on_trial:
            logger.info("%s: tries the new build", server.public_name)
            self._save()
        return chosen

    def set_game(self, server: GameServer) -> None:
        """Set what a server is to start now, on the map that was chosen last."""
        game, server.on_trial = self.choose(server)
        server.game = msgspec.structs.replace(game, map=server.chosen_map) if server.chosen_map else game

    def running(self, server: GameServer) -> GameFile:
        """What a server runs that an earlier launcher started."""
        return self._book.running(server)

    def match_ended(self, server: GameServer) -> None:
        """A match has ended as it should."""
        if not server.on_trial:
            return
        if self._book.match_ended(server):
            self._tell(server, logging.INFO, "the new build is accepted")
        self._save()

    def failed(self, server: GameServer) -> bool:
        """A process has crashed, or could not be started; return whether its server goes back to another build."""
        before = self._book.failed(server)
        if before is None:
            return False
        server.game = msgspec.structs.replace(before, map=server.chosen_map or before.map)
        self._tell(server, logging.ERROR, "the new build did not do; back to the one before")
        self._save()
        return True

    def _read(self, games: list[GameFile] | None, error: BaseException | None) -> tuple[bool, str]:
        """Take what was read; return whether it could be, and what comes of it."""
        if games is None:
            expected = isinstance(error, GameFileError | OSError | Busy)
            logger.error("the game files are not taken: %s", error, exc_info=None if expected else error)
            return False, f"the game files are not taken: {error}"
        told = [sentence for sentence in map(self._book.offer, games) if sentence]
        told = told or ["nothing has changed in the game files"]
        for sentence in told:
            logger.info("%s", sentence)
        self._save()
        return True, "\n".join(told)

    def _tell(self, server: GameServer, level: int, text: str) -> None:
        record(server.events, self._central.now, text)
        logger.log(level, "%s: %s", server.public_name, text)

    def _save(self) -> None:
        try:
            data = msgspec.json.encode(self._book.builds)
            self._central.perform(self._pool, self._folder.save_builds, data, then=self._saved)
        except Busy as error:
            self._saved(None, error)

    def _saved(self, _: None, error: BaseException | None) -> None:
        if error is not None:
            logger.error("which builds are accepted cannot be written to the run folder: %s", error)


def _load(folder: RunFolder) -> dict[str, Build]:
    """What an earlier launcher knew; nothing if that makes no sense to this one."""
    try:
        data = folder.load_builds()
        return msgspec.json.decode(data, type=dict[str, Build]) if data else {}
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError) as error:
        logger.warning("launcher.builds makes no sense and is left out: %s", error)
        return {}
