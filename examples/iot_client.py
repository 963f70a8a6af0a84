"""The smallest device there is: connects to an iot-manager and prints every command. Plain sockets, no library.

    python -m iot_manager              # in one terminal
    python -m examples.iot_client      # in another

It speaks the manager's default dialect. A real device would use `iot_manager.device`, which comes back when the
connection is lost, speaks TLS, and keeps messages apart that are sent quickly one after the other.
"""

import argparse
import json
import socket
import sys
import uuid

GETINFO, HEART, END = b"\x01", b"\x02", b"end\n"


def main() -> int:
    parser = argparse.ArgumentParser(description="A device that prints every command.")
    parser.add_argument("--host", default="127.0.0.1", help="of the manager (default: %(default)s)")
    parser.add_argument("--port", type=int, default=8595, help="of the manager (default: %(default)s)")
    parser.add_argument("--uuid", default=str(uuid.uuid4()), help="of this device (default: a new one)")
    parser.add_argument("--type", default="light", help="what it is (default: %(default)s)")
    arguments = parser.parse_args()
    info = f"{arguments.uuid}##{arguments.type}##{json.dumps({'made_by': 'iot_client.py'})}"
    try:
        with socket.create_connection((arguments.host, arguments.port)) as connection:
            live(connection, info)
    except OSError as error:
        print(f"no connection to {arguments.host}:{arguments.port}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        pass
    return 0


def live(connection: socket.socket, info: str) -> None:
    """Answer what the manager asks and print what it commands, until it says goodbye."""
    while received := connection.recv(4096):
        if received == END:
            print("the manager says goodbye", flush=True)
            return
        # A question of one byte may come together with a command.
        if GETINFO in (received[:1], received[-1:]):
            connection.sendall(info.encode())
            print("connected", flush=True)
        if HEART in (received[:1], received[-1:]):
            connection.sendall(b"beat")
        command = received.strip(GETINFO + HEART)
        if command:
            print("command:", command.decode(errors="replace"), flush=True)


if __name__ == "__main__":
    sys.exit(main())
