"""Ways to send on and to close a gevent socket."""

import socket
import struct

import gevent.socket
import gevent.ssl

from connhandler import tasks

RESET_ON_CLOSE = struct.pack("ii", 1, 0)


def send_now(sock: gevent.socket.socket, data: bytes) -> int:
    """Send what the socket takes at once and return how many bytes that was. Never waits.

    Raises:
        OSError: the connection was lost.
    """
    try:
        sent: int = sock.send(data, timeout=0.0)  # type: ignore[call-arg]
    except BlockingIOError:
        return 0
    return sent


def close_now(sock: gevent.socket.socket, reset: bool = False) -> None:
    """Close; with `reset`, what the kernel still holds for a far end that does not read is dropped too."""
    if reset:
        try:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
        except OSError:
            pass  # already gone
    sock.close()


def close_politely(sock: gevent.socket.socket, seconds: float) -> None:
    """End our side, read on until the far end has ended its own, at most for `seconds`; then close.

    Closing a socket that still has unread input sends a reset, which can destroy what we sent last before the
    far end has read it.
    """
    try:
        with tasks.wait_at_most(seconds):
            if isinstance(sock, gevent.ssl.SSLSocket):
                sock.unwrap()
            sock.shutdown(socket.SHUT_WR)
            while sock.recv(65536):
                pass
    except (OSError, ValueError):
        pass  # The far end is gone: nothing is left to be polite to.
    finally:
        sock.close()
