"""`python -m game_server_launcher.allowlist`, `game-server-allowlist`: keeps strangers away from protected game ports.

The one program here that runs as root. It can do nothing but what its messages say, on the ports that it was given.
"""

from gevent import monkey

monkey.patch_all()

import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from connhandler import Limits, Service, TaskPool
from connhandler.configuration import load_configuration, set_up_logging
from game_server_launcher.allowlist.config import ENVIRONMENT_PREFIX, AllowlistConfig
from game_server_launcher.allowlist.gatekeeper import PROGRAM, Gatekeeper
from game_server_launcher.allowlist.gates import Gates, port_range
from game_server_launcher.allowlist.launcherhandler import LauncherHandler
from game_server_launcher.allowlist.nft import Nft, NftFailed

MAX_LAUNCHERS = 16
MAX_MESSAGE_BYTES = 4096


def main(argv: Sequence[str] | None = None) -> int:
    """Run until SIGTERM or Ctrl-C; return the exit status: 0 after an orderly end, 1 when it cannot work here, 2 for a
    wrong setting."""
    config = load_configuration(
        AllowlistConfig,
        program=PROGRAM,
        description="Lets only those come to game servers who are expected there, by their addresses.",
        argv=argv,
        environment_prefix=ENVIRONMENT_PREFIX,
    )
    set_up_logging(config.log_level)
    try:
        ports = port_range(config.ports)
    except ValueError as error:
        return _end(f"--ports: {error}", 2)
    path = config.socket.absolute()
    gates = Gates(ports, config.max_ports, config.max_addresses)
    nft = Nft(config.nft)
    pool = TaskPool("nft", tasks=1, max_queued=1)
    gatekeeper = Gatekeeper(gates, nft, pool, config.keep_seconds)
    limits = Limits(max_connections=MAX_LAUNCHERS, max_message_bytes=MAX_MESSAGE_BYTES)
    launchers = LauncherHandler("launchers", str(path), 0, gatekeeper.queue, limits=limits)
    service = Service(gatekeeper, [launchers], [pool])
    try:
        gates.take_over(nft.gates(), gatekeeper.now)
        launchers.listen()
        hand_over(path, config.owner, config.group)
    except NftFailed as error:
        return _end(f"nftables cannot be used: {error}" + ("" if os.geteuid() == 0 else "; this must run as root"), 1)
    except LookupError as error:
        launchers.stop_accepting()
        return _end(f"{error.args[0]} (--owner, --group)", 2)
    except OSError as error:
        launchers.stop_accepting()
        return _end(error.strerror or str(error), 1)
    return service.run()


def hand_over(path: Path, owner: str, group: str) -> None:
    """Let this user and this group connect, too.

    Raises:
        LookupError: there is no such user or group.
        OSError: this is not allowed.
    """
    if group:
        shutil.chown(path, group=group)
        path.chmod(0o660)
    if owner:  # The last: after it, a root that is kept to few rights can change the mode no more.
        shutil.chown(path, user=owner)


def _end(why: str, exit_status: int) -> int:
    print(f"{PROGRAM}: {why}", file=sys.stderr)
    return exit_status


if __name__ == "__main__":
    sys.exit(main())
