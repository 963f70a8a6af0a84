"""`python -m game_server_launcher`: runs game servers.

With a command after it (`… status`, `… restart SERVER`), it is done with one that is running: `commands.py`.
"""

from gevent import monkey

monkey.patch_all()

import logging
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import gevent

from connhandler import ConnectionHandler, IncomingQueue, Service, WorkerPool
from connhandler.configuration import load_configuration, require_extra, set_up_logging

if TYPE_CHECKING:
    from game_server_launcher.pagedesk import PageDesk
    from game_server_launcher.pagehandler import PageHandler

logger = logging.getLogger("game_server_launcher")

PROGRAM = "game-server-launcher"

MAX_QUEUED_WRITES = 2000
"""Of state files and the journal: each server has one under way at most, so this many are never reached."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the launcher, or one of its sub-commands; return the exit status.

    0 after an orderly end, 1 when the port or the run folder is taken or there is none to show, 2 for a wrong setting
    or game file.

    Raises:
        SystemExit: with status 2 for a wrong command or setting, after one sentence on stderr.
    """
    require_extra(PROGRAM, "launcher", "psutil", "jwt", "cryptography", "httptools")
    arguments = list(sys.argv[1:] if argv is None else argv)
    if not arguments or arguments[0].startswith("-"):
        return launch(arguments)
    from game_server_launcher.commands import run

    return run(arguments[0], arguments[1:])


def launch(argv: Sequence[str]) -> int:
    """Serve until SIGTERM or Ctrl-C."""
    from game_server_launcher.allowlistdesk import warn_without_helper
    from game_server_launcher.allowlisthandler import AllowlistHandler
    from game_server_launcher.commands import COMMANDS
    from game_server_launcher.config import ENVIRONMENT_PREFIX, LauncherConfig, SettingError, read_key, tls_context
    from game_server_launcher.controlhandler import ControlHandler
    from game_server_launcher.doorhandler import DoorHandler
    from game_server_launcher.gameconsolehandler import GameConsoles
    from game_server_launcher.gamecontrollerhandler import LIMITS, GameControllerHandler
    from game_server_launcher.gamefile import GameFile, GameFileError, load_games
    from game_server_launcher.launcher import Launcher
    from game_server_launcher.loginserverhandler import LoginServerHandler
    from game_server_launcher.pagehandler import PageHandler
    from game_server_launcher.runfolder import RunFolder, RunFolderError
    from game_server_launcher.runner import Runner
    from game_server_launcher.statusquery import StatusQueries

    config = load_configuration(
        LauncherConfig,
        program=PROGRAM,
        description="Starts game servers, watches over them, and stands between them and the login server.",
        argv=argv,
        environment_prefix=ENVIRONMENT_PREFIX,
        epilog="Commands: "
        + "; ".join(f"'{name}': {command.text}" for name, command in COMMANDS.items())
        + f". Each has a --help, such as '{PROGRAM} status --help'.",
    )
    set_up_logging(config.log_level)

    def read_games() -> list[GameFile]:
        return load_games(Path(path) for path in config.games)

    try:
        games = read_games()
        key = read_key(config)
        ssl_context = tls_context(config)
    except (GameFileError, SettingError) as error:
        return _end(error, 2)
    try:
        folder = RunFolder(config.run_dir)
    except RunFolderError as error:
        return _end(error, 1)
    files = WorkerPool("files", threads=1, max_queued=MAX_QUEUED_WRITES)
    work = WorkerPool("work", threads=2, max_queued=MAX_QUEUED_WRITES)
    queue = IncomingQueue()
    controllers = GameControllerHandler(
        "controllers",
        config.controller_address,
        config.controller_port,
        queue,
        limits=LIMITS,
    )
    try:
        controllers.listen()
        runner = Runner(folder, work, config.controller_address, controllers.port)
        consoles = GameConsoles(queue)
        queries = StatusQueries()
        launcher = Launcher(
            config.name,
            key,
            games,
            folder,
            runner,
            consoles,
            queries,
            read_games=read_games,
            file_pool=files,
            work_pool=work,
            leave_running=config.leave_running,
            figures_seconds=config.figures_seconds,
            seat_seconds=config.seat_seconds,
            queue=queue,
        )
        login_server = LoginServerHandler(
            "login_server", config.login_address, config.login_port, queue, ssl_context=ssl_context
        )
        operators = ControlHandler("operators", folder.path, queue)
        handlers: list[ConnectionHandler] = [controllers, login_server, operators]
        if config.door_port:
            handlers.append(DoorHandler("door", config.door_address, config.door_port, queue))
        if config.allowlist:
            handlers.append(AllowlistHandler("allowlist", config.allowlist, 0, queue))
        else:
            warn_without_helper(games)
        if config.page_port:
            handlers += _open_page(PageHandler("page", config.page_address, config.page_port, queue), launcher.page)
        service = Service(launcher, handlers, [files, work])
        hurry = Hurry(launcher.post, launcher.hurry)
        again = gevent.signal_handler(signal.SIGHUP, launcher.post, launcher.reload)
        try:
            return service.run()
        finally:
            again.cancel()
            hurry.close()
            runner.close()
            consoles.close_all()
            queries.close_all()
    except OSError as error:
        return _end(error.strerror or error, 1)
    finally:
        folder.close()


def _open_page(handler: "PageHandler", desk: "PageDesk") -> "list[ConnectionHandler]":
    """Listen for the dashboard. That its port is taken, maybe by another launcher, is no reason to run no games."""
    try:
        handler.listen()
    except OSError as error:
        logger.error("there is no dashboard: %s", error.strerror or error)
        return []
    logger.info("the dashboard is at %s", desk.opened(handler.address, handler.port))
    return [handler]


class Hurry:
    """Calls a function at the second signal: whoever presses Ctrl-C twice does not want to wait for games."""

    def __init__(self, post: Callable[..., None], function: Callable[[], None]) -> None:
        self._signals = 0
        self._post = post
        self._function = function
        self._watchers = [gevent.signal_handler(number, self._signalled) for number in (signal.SIGTERM, signal.SIGINT)]

    def close(self) -> None:
        for watcher in self._watchers:
            watcher.cancel()

    def _signalled(self) -> None:
        self._signals += 1
        if self._signals == 2:
            self._post(self._function)


def _end(why: object, exit_status: int) -> int:
    print(f"{PROGRAM}: {why}", file=sys.stderr)
    return exit_status


if __name__ == "__main__":
    sys.exit(main())
