"""`python -m iot_manager`, `iot-manager`.

An ordinary program, not monkey-patched: the manager has a hub of its own in a thread of its own, and the main thread
waits for a person's commands or a signal.
"""

import gc
import logging
import signal
import sys
import threading
from collections.abc import Sequence
from types import FrameType

from connhandler.configuration import set_up_logging
from connhandler.service import raise_file_limit
from iot_manager import Client, Manager
from iot_manager.config import PROGRAM, Configuration, load
from iot_manager.console import Console, shown
from iot_manager.files import KeysUnreadable, read_keys, sentence, server_context


class _Ended(BaseException):
    """A signal has asked the program to end."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run a manager until Ctrl-C or SIGTERM; return the exit status: 0 after an orderly end, 1 when it cannot have its
    port or its files.

    Raises:
        SystemExit: with status 2 for a wrong setting, after one sentence on stderr.
    """
    configuration = load(argv)
    set_up_logging(configuration.log_level)
    raise_file_limit()
    gc.freeze()  # What there is now, stays: a look for garbage that goes through all of it holds up every device.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _end)
    try:
        return serve(configuration)
    except _Ended:
        return 0


def serve(configuration: Configuration) -> int:
    """Run a manager until its commands end or a signal comes; return the exit status."""
    try:
        context = server_context(configuration.tls_certificate, configuration.tls_key, configuration.tls_client_ca)
        manager = Manager(
            configuration.types,
            context,
            configuration.host,
            configuration.port,
            configuration.max_workers,
            configuration.heartbeat_rate,
            configuration.backlogged_connections,
            logging_level=logging.getLevelNamesMapping()[configuration.log_level.upper()],
            heartbeat_timeout=configuration.heartbeat_timeout,
            dialect=configuration.dialect,
            device_keys=read_keys(configuration.keys_file) if configuration.keys_file else None,
            keys_required=bool(configuration.keys_file),
            max_connections=configuration.max_connections,
            max_connections_per_address=configuration.max_connections_per_address,
        )
    except (OSError, KeysUnreadable) as error:
        print(f"{PROGRAM}: {sentence(error)}", file=sys.stderr)
        return 1
    try:
        if configuration.commands or sys.stdin.isatty():
            converse(manager, is_terminal=sys.stdin.isatty())
        else:
            threading.Event().wait()
    finally:
        manager.close()
    return 0


def converse(manager: Manager, *, is_terminal: bool) -> None:
    """Take commands until there are no more; at a terminal, that is the end."""

    @manager.event
    def on_message(client: Client, message: bytes) -> None:
        tell(f"{client.data.uuid} ({client.data.type}) says: {shown(bytes(message).decode(errors='replace'))}")

    console = Console(manager, tell)
    if is_terminal:
        tell("type 'help' for what you can do here")
    for line in sys.stdin:
        if not console.run(line):
            return
    if not is_terminal:
        threading.Event().wait()


def tell(text: str) -> None:
    print(text, flush=True)


def _end(number: int, frame: FrameType | None) -> None:
    # The second one ends the program at once, whatever it waits for.
    signal.signal(number, signal.SIG_DFL)
    raise _Ended


if __name__ == "__main__":
    sys.exit(main())
