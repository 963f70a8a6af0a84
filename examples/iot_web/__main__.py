"""`python -m examples.iot_web`: a manager, a web page for it, and a few simulated devices.

An ordinary program: Flask answers each request in a thread of its own, and all of them call the same `Manager`.
"""

import argparse
import logging
import signal
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
    logging.getLogger("connhandler").setLevel(logging.WARNING)
    try:
        manager = Manager(TYPES, connection_port=arguments.device_port, heartbeat_rate=arguments.heartbeat_rate)
    except OSError as error:
        print(f"iot_web: {error.strerror}", file=sys.stderr)
        return 1
    hosts: set[str] = set()
    app = create_app(manager, TYPES, hosts)
    try:
        server = make_server("127.0.0.1", arguments.port, app, threaded=True, request_handler=QuietRequestHandler)
    except (OSError, SystemExit) as error:
        manager.close()
        print(f"iot_web: cannot listen on 127.0.0.1:{arguments.port}: {error}", file=sys.stderr)
        return 1
    hosts |= {f"{name}:{server.server_port}" for name in ("127.0.0.1", "localhost")}
    server.daemon_threads = True  # type: ignore[attr-defined]
    house = [] if arguments.empty else build(manager.port)
    for device in house:
        device.start()

    def end(number: int, frame: FrameType | None) -> None:
        threading.Thread(target=server.shutdown).start()  # It waits for the loop below, which this would hold up.

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end)
    print(f"The page: http://127.0.0.1:{server.server_port}/")
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
    manager.close()
    return 0


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
