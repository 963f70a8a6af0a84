"""`python -m examples.iot_web`: a manager, a web page for it, and a few simulated devices.

An ordinary program: Flask answers each request in a thread of its own, and all of them call the same `Manager`.
"""

import argparse
import contextlib
import logging
import signal
import socket
import sys
import threading
from collections.abc import Sequence
from types import FrameType
from typing import Final

from connhandler.configuration import require_extra, set_up_logging

if __name__ == "__main__":
    require_extra("iot_web", "iot-web", "flask")  # What follows needs the extra.

from werkzeug.serving import WSGIRequestHandler, make_server

from examples.iot_web.app import create_app
from examples.iot_web.house import build
from iot_manager import Manager

TYPES: Final = ["light", "lock", "thermostat"]


class QuietRequestHandler(WSGIRequestHandler):
    """Says nothing of each request."""

    def log_request(self, *arguments: object) -> None:
        pass


def main(argv: Sequence[str] | None = None) -> int:
    """Serve until Ctrl-C or SIGTERM; return the exit status."""
    arguments = parse(argv)
    set_up_logging("info")
    for name in ("connhandler", "iot_manager.device"):  # The manager's own lines tell the same.
        logging.getLogger(name).setLevel(logging.WARNING)
    with contextlib.ExitStack() as stack:
        try:
            listener = stack.enter_context(socket.create_server(("127.0.0.1", arguments.port)))
            manager = stack.enter_context(
                Manager(TYPES, connection_port=arguments.device_port, heartbeat_rate=arguments.heartbeat_rate)
            )
        except OSError as error:
            print(f"iot_web: {error.strerror or error}", file=sys.stderr)
            return 1
        except (OverflowError, ValueError) as error:  # no such port, no such rate
            print(f"iot_web: {error}", file=sys.stderr)
            return 2
        serve(manager, listener, empty=arguments.empty)
    return 0


def serve(manager: Manager, listener: socket.socket, *, empty: bool) -> None:
    """Serve the page until a signal comes.

    Args:
        manager: whose devices it is about.
        listener: where browsers connect.
        empty: whether there are no simulated devices.
    """
    port = listener.getsockname()[1]
    app = create_app(manager, TYPES, [f"{name}:{port}" for name in ("127.0.0.1", "localhost")])
    server = make_server(
        "127.0.0.1", port, app, threaded=True, request_handler=QuietRequestHandler, fd=listener.fileno()
    )
    server.daemon_threads = True  # type: ignore[attr-defined]
    house = [] if empty else build(manager.port)
    for device in house:
        device.start()

    def end(number: int, frame: FrameType | None) -> None:
        threading.Thread(target=server.shutdown).start()  # It waits for the loop below, which this would hold up.

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end)
    print(f"The page: http://127.0.0.1:{port}/")
    print(
        f"Devices connect to 127.0.0.1:{manager.port}, as 'python -m examples.iot_client --port {manager.port}' does."
    )
    print("Ctrl-C ends everything", flush=True)
    server.serve_forever()
    server.server_close()
    for device in house:
        device.switch_off()
    for device in house:
        device.wait()


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """Raises:
    SystemExit: with status 2 for a wrong option, after a sentence on stderr.
    """
    parser = argparse.ArgumentParser(prog="iot_web", description="A page that shows devices and commands them.")
    parser.add_argument("--port", type=int, default=8596, help="of the page; 0 takes a free one (default: %(default)s)")
    parser.add_argument(
        "--device-port",
        type=int,
        default=8595,
        help="that devices connect to; 0 takes a free one (default: %(default)s)",
    )
    parser.add_argument("--heartbeat-rate", type=float, default=5.0, help="in seconds (default: %(default)s)")
    parser.add_argument("--empty", action="store_true", help="without simulated devices")
    return parser.parse_args(argv)


if __name__ == "__main__":
    sys.exit(main())
