"""`python -m game_server`: one process that hosts many games."""

from gevent import monkey

monkey.patch_all()

import sys
from collections.abc import Sequence
from pathlib import Path

from connhandler.configuration import require_extra, set_up_logging


def main(argv: Sequence[str] | None = None) -> int:
    """Run the game server; return its exit status: 0 after an orderly end, 1 when it could not begin or the
    launcher would not have it.

    Raises:
        SystemExit: with status 2 for a wrong setting, after one sentence on stderr.
    """
    require_extra("game-server", "game-server", "jwt", "cryptography")
    # What follows needs the extra.
    from connhandler import ConnectionHandler, Limits, Service
    from game_server.config import PROGRAM, load
    from game_server.launcherhandler import LauncherHandler
    from game_server.listener import GameListener
    from game_server.playerhandler import PlayerHandler
    from login_server.tickets import TicketChecker

    configuration = load(argv)
    set_up_logging(configuration.log_level)
    checker = None
    if configuration.launcher_port:
        if not configuration.server or not configuration.token:
            print(
                f"{PROGRAM}: with --launcher-port, --server and the token (GAME_CONTROLLER_TOKEN) are needed too",
                file=sys.stderr,
            )
            return 2
    elif not (configuration.public_key_file and configuration.issuer and configuration.server_id):
        print(
            f"{PROGRAM}: whose tickets are taken? Give --launcher-port, "
            "or else all of --public-key-file, --issuer and --server-id",
            file=sys.stderr,
        )
        return 2
    else:
        try:
            key = Path(configuration.public_key_file).read_text()
            checker = TicketChecker(key, configuration.issuer, configuration.server_id)
        except (OSError, ValueError) as error:
            print(f"{PROGRAM}: --public-key-file: {error}", file=sys.stderr)
            return 2

    listener = GameListener(configuration, checker)
    bounds = Limits(
        max_connections=configuration.max_connections,
        max_connections_per_address=configuration.max_connections_per_address,
    )
    players = PlayerHandler("players", configuration.address, configuration.port, listener.queue, limits=bounds)
    try:
        players.listen()
    except OSError as error:
        print(f"{PROGRAM}: {error.strerror}", file=sys.stderr)
        return 1
    listener.launcher.port = players.port
    handlers: list[ConnectionHandler] = [players]
    if configuration.launcher_port:
        launcher = (configuration.launcher_address, configuration.launcher_port)
        # It is on the same machine, and alone: there is no crowd to keep from coming back at once.
        limits = Limits(retry_seconds=0.2, max_retry_seconds=5)
        handlers.append(LauncherHandler("launcher", *launcher, listener.queue, limits=limits))
    service = Service(listener, handlers)
    listener.end = service.end
    status = service.run()
    return 1 if listener.launcher.refused else status


if __name__ == "__main__":
    sys.exit(main())
