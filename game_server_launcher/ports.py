"""Which port a game server gets: one that can be bound now and was not given out a moment ago."""

import errno
import socket
from collections import deque

REMEMBERED = 256
"""So many ports given out last are not given out again while there are others: the far ends of an ended game may
still talk to its port, and the kernel may still hold it."""

ATTEMPTS = 4 * REMEMBERED


class NoFreePort(OSError):
    """No port of those a server may have is free; the text says which ones."""


class PortPicker:
    """Gives out ports. Belongs to the hub; its few system calls do not wait."""

    def __init__(self) -> None:
        self._recent: deque[int] = deque(maxlen=REMEMBERED)

    def given(self, port: int) -> None:
        """Remember a port that somebody has, so that it is not picked at once."""
        if port in self._recent:
            self._recent.remove(port)
        self._recent.append(port)

    def pick(self, ports: range, address: str) -> int:
        """Return a port that is free for TCP and UDP on `address`.

        Args:
            ports: to choose from; empty for any.
            address: of the interface that the game will listen on.

        Raises:
            NoFreePort: there is none.
            OSError: `address` is not an address of this machine.
        """
        port = self._pick_from(ports, address) if ports else self._pick_any(address)
        self.given(port)
        return port

    def _pick_from(self, ports: range, address: str) -> int:
        last_given = {port: turn for turn, port in enumerate(self._recent)}
        for port in sorted(ports, key=lambda port: last_given.get(port, -1)):
            if is_free(port, address):
                return port
        which = f"port {ports[0]} is" if len(ports) == 1 else f"ports {ports[0]}-{ports[-1]} are all"
        raise NoFreePort(errno.EADDRINUSE, f"{which} in use on {address}")

    def _pick_any(self, address: str) -> int:
        for _ in range(ATTEMPTS):
            with socket.socket(_family(address), socket.SOCK_STREAM) as sock:
                sock.bind((address, 0))
                port: int = sock.getsockname()[1]
            if port not in self._recent and is_free(port, address):
                return port
        raise NoFreePort(errno.EADDRINUSE, f"no free port on {address}")


def is_free(port: int, address: str) -> bool:
    """Whether a game could bind `port` for TCP and for UDP now.

    Raises:
        OSError: `address` is not an address of this machine, or the port is not for this user.
    """
    try:
        with socket.socket(_family(address), socket.SOCK_STREAM) as sock:
            # As game servers do: a port on which only ended connections linger counts as free.
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind((address, port))
        with socket.socket(_family(address), socket.SOCK_DGRAM) as sock:
            sock.bind((address, port))
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            return False
        raise
    return True


def _family(address: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in address else socket.AF_INET
