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
    require_extra("game-server", "game-server", "jwt", "cryptography", "websockets")
    # What follows needs the extra.
    from connhandler import ConnectionHandler, Limits, Service
    from game_server import config
    from game_server.launcherhandler import LauncherHandler
    from game_server.listener import GameListener
    from game_server_launcher.protocol import MAX_CONTEXT_LENGTH
    from login_server.tickets import GameTokenChecker, TicketChecker

    def wrong(sentence: str) -> int:
        print(f"{config.PROGRAM}: {sentence}", file=sys.stderr)
        return 2

    configuration = config.load(argv)
    config.use(configuration)
    set_up_logging(configuration.log_level)
    checker: TicketChecker | GameTokenChecker | None = None
    if configuration.launcher_port:
        if not configuration.server or not configuration.token:
            return wrong(
                "with --launcher-port, --server and the token (GAME_CONTROLLER_TOKEN) are needed too",
            )
        if not config.ENABLE_AUTH:
            return wrong("with --launcher-port, players must show their tickets: leave ENABLE_AUTH on")
    elif config.ENABLE_AUTH:
        try:
            key = Path(config.PUBLIC_KEY_FILE).read_text()
            if configuration.server_id:
                checker = TicketChecker(key, config.TOKEN_ISSUER_URI, configuration.server_id)
            else:
                checker = GameTokenChecker(key, config.TOKEN_ISSUER_URI)
        except (OSError, ValueError) as error:
            why = f"cannot read {config.PUBLIC_KEY_FILE}: {error.strerror}" if isinstance(error, OSError) else error
            return wrong(
                f"--public-key-file: {why}; give the public key (PEM) of who issues the tokens, "
                "see docs/tokens.md, or let everybody in with ENABLE_AUTH=false"
            )

    listener = GameListener(configuration, checker)
    try:
        listener.players.listen()
    except OSError as error:
        print(f"{config.PROGRAM}: {error.strerror}", file=sys.stderr)
        return 1
    handlers: list[ConnectionHandler] = [listener.players]
    if configuration.launcher_port:
        launcher = (configuration.launcher_address, configuration.launcher_port)
        # It is on the same machine, and alone: there is no crowd to keep from coming back at once. A whole context is
        # told to it at once.
        limits = Limits(
            retry_seconds=0.2,
            max_retry_seconds=2,
            outgoing_soft_bytes=2 * MAX_CONTEXT_LENGTH,
            outgoing_hard_bytes=2 * MAX_CONTEXT_LENGTH,
        )
        handlers.append(LauncherHandler("launcher", *launcher, listener.queue, limits=limits))
    service = Service(listener, handlers, pools=[listener.pool])
    listener.end = service.end
    status = service.run()
    return 1 if listener.launcher.refused else status


if __name__ == "__main__":
    sys.exit(main())
