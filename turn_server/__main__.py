"""`python -m turn_server`, `turn-server`."""

from gevent import monkey

monkey.patch_all()

import errno
import logging
import sys
from collections.abc import Sequence

from connhandler.configuration import require_extra, set_up_logging

SPARE_SECONDS = 20.0
"""A connection stays open for so much longer than any player may be silent."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the turn server; return its exit status: 0 after an orderly end, 1 when it cannot have its port.

    Raises:
        SystemExit: with status 2 for a wrong setting, after one sentence on stderr.
    """
    require_extra("turn-server", "turn-server", "httptools")
    # What follows needs the extra.
    from connhandler import Limits, Service
    from turn_server.clienthandler import ClientHandler
    from turn_server.config import PROGRAM, load
    from turn_server.server import TurnServer

    configuration = load(argv)
    set_up_logging(configuration.log_level)
    if configuration.verbose:
        logging.getLogger("turn_server").setLevel(logging.DEBUG)
    server = TurnServer(configuration.rules)
    limits = Limits(
        max_connections=configuration.max_connections,
        max_connections_per_address=configuration.max_connections_per_address,
        idle_seconds=configuration.rules.longest_wait + SPARE_SECONDS,
        linger_seconds=2.0,
    )
    clients = ClientHandler("clients", configuration.address, configuration.port, server.queue, limits=limits)
    try:
        clients.listen()
    except OSError as error:
        hint = (
            "; ports below 1024 may need a right of their own, --port names another"
            if error.errno == errno.EACCES
            else ""
        )
        print(f"{PROGRAM}: {error.strerror}{hint}", file=sys.stderr)
        return 1
    return Service(server, [clients]).run()


# Command line arguments
#
#   -h, --help                       show all of them with their defaults
#   --version                        show the version
#   --config FILE                    a TOML file with settings, their names written with underscores
#   -p, --port NUMBER                port that players connect to (default 80); 0 takes a free one
#   -v, --verbose, --no-verbose      tell what goes on: who comes, plays, leaves and is refused
#   --address TEXT                   local interface to listen on (default 0.0.0.0, all of them)
#   --pairing-seconds NUMBER         wait for a player without a partner (default 10)
#   --long-seconds NUMBER            wait for one who registered with "bibbybabbis" (default 180)
#   --loading-seconds NUMBER         wait for one with a partner, until the game begins (default 30)
#   --game-seconds NUMBER            wait in a game (default 20)
#   --max-pairing-keys NUMBER        players registered and not in a game yet (default 1000)
#   --max-game-keys NUMBER           games (default 500)
#   --max-body-bytes NUMBER          of a request (default 16384)
#   --max-cache-bytes NUMBER         kept for a player who does not release it (default 131072)
#   --max-connections NUMBER         connections at a time (default 10000)
#   --max-connections-per-address NUMBER   of them, from one address (default 4000)
#   --log-level LEVEL                debug, info, warning or error (default info)
if __name__ == "__main__":
    sys.exit(main())
