"""Ways to open a gevent socket, to send on it and to close it."""

import errno
import os
import socket
import ssl
import stat
import struct
from pathlib import Path

import gevent
import gevent.socket
import gevent.ssl

from connhandler import tasks

RESET_ON_CLOSE = struct.pack("ii", 1, 0)

SSLContext: type[ssl.SSLContext] = gevent.ssl.SSLContext.__base__  # type: ignore[assignment]
"""The standard library's own class, whether or not the program is monkey-patched; gevent's is derived from it."""


class Inflow:
    """Receives from a socket, without asking it for more when it has just been emptied: that would be answered with an
    error, at the cost of a system call and an exception for each burst.

    Args:
        sock: a gevent socket without a timeout.
    """

    __slots__ = ("_is_empty", "_is_plain", "_sock")

    def __init__(self, sock: gevent.socket.socket) -> None:
        self._sock = sock
        self._is_plain = not isinstance(sock, gevent.ssl.SSLSocket)  # TLS may hold bytes that the socket has not.
        self._is_empty = False

    def receive(self, size: int) -> bytes:
        """Wait for bytes and return at most `size` of them; none when the far end has ended.

        Raises:
            OSError: the connection was lost.
        """
        if self._is_empty:
            gevent.socket.wait(self._sock._read_event)  # type: ignore[attr-defined]
        data: bytes = self._sock.recv(size)
        self._is_empty = self._is_plain and len(data) < size
        return data


def is_path(address: str) -> bool:
    """Whether an address is that of a Unix socket: a full path."""
    return address.startswith("/")


def connect_to_path(path: str) -> gevent.socket.socket:
    """Return a socket that is connected to a Unix socket.

    Raises:
        OSError: nobody listens there, or this user may not connect.
    """
    sock = gevent.socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        sock.connect(path)
    except BaseException:
        sock.close()
        raise
    return sock


def listen_on_path(path: str, backlog: int) -> gevent.socket.socket:
    """Listen on a Unix socket, for this user alone; one on which nobody listens any more is replaced.

    Raises:
        OSError: somebody listens there, something else is there, or it cannot be made there.
    """
    _remove_abandoned(path)
    listener = gevent.socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    umask = os.umask(0o177)  # Set afterwards, the mode would come too late for whoever is quick.
    try:
        listener.bind(path)
        listener.listen(backlog)
    except OSError:
        listener.close()
        raise
    finally:
        os.umask(umask)
    return listener


def _remove_abandoned(path: str) -> None:
    """Raises:
    OSError: it is in use.
    """
    try:
        if not stat.S_ISSOCK(Path(path).lstat().st_mode):
            raise FileExistsError(errno.EEXIST, "there is a file that is no socket", path)
        connect_to_path(path).close()
    except FileNotFoundError:
        return
    except ConnectionRefusedError:
        Path(path).unlink()
        return
    raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE), path)


def prepare(sock: gevent.socket.socket) -> None:
    """Let a new TCP connection send at once, and notice a far end that is gone without a word.

    Raises:
        OSError: it is lost.
    """
    if sock.family != socket.AF_UNIX:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def wrap_tls(
    sock: gevent.socket.socket,
    context: ssl.SSLContext,
    *,
    server_side: bool = False,
    server_hostname: str | None = None,
) -> gevent.ssl.SSLSocket:
    """Return a TLS socket in place of `sock`, before its handshake.

    Not by the context's own `wrap_socket`: one that was made without gevent makes sockets that block every connection.
    """
    return gevent.ssl.SSLSocket(
        sock=sock,
        server_side=server_side,
        server_hostname=server_hostname,
        do_handshake_on_connect=False,
        _context=context,
    )


def send_now(sock: gevent.socket.socket, data: bytes) -> int:
    """Send what the socket takes at once and return how many bytes that was. Never waits.

    Raises:
        OSError: the connection was lost.
    """
    if isinstance(sock, gevent.ssl.SSLSocket):
        return _send_now_tls(sock, data)
    try:
        sent: int = sock.send(data, timeout=0.0)  # type: ignore[call-arg]
    except BlockingIOError:
        return 0
    return sent


def _send_now_tls(sock: gevent.ssl.SSLSocket, data: bytes) -> int:
    # Its `send` looks at the socket's own timeout alone.
    timeout = sock.gettimeout()
    sock.settimeout(0.0)
    try:
        return sock.send(data)
    finally:
        sock.settimeout(timeout)


def close_now(sock: gevent.socket.socket, reset: bool = False) -> None:
    """Close; with `reset`, what the kernel still holds for a far end that does not read is dropped too."""
    if reset:
        try:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
        except OSError:
            pass  # already gone
    sock.close()
    if sock.fileno() >= 0:
        sock._real_close()  # type: ignore[attr-defined]  # A reader's `makefile` must not hold it open.


def end_politely(sock: gevent.socket.socket, seconds: float) -> None:
    """End our side, then read on until the far end has ended its own, at most for `seconds`. Closes nothing.

    Closing a socket that still has unread input sends a reset, which can destroy what we sent last before the
    far end has read it.
    """
    try:
        with tasks.wait_at_most(seconds):
            if isinstance(sock, gevent.ssl.SSLSocket):
                _send_close_notify(sock)
            sock.shutdown(socket.SHUT_WR)
            while sock.recv(65536):
                gevent.sleep(0)  # However much comes, other tasks must go on.
    except OSError:
        pass  # The far end is gone: nothing is left to be polite to.


def _send_close_notify(sock: gevent.ssl.SSLSocket) -> None:
    """Tell a TLS far end that this is the end, without waiting until it says the same."""
    sock.settimeout(0.0)
    try:
        while True:
            try:
                sock.unwrap()
                break
            except gevent.ssl.SSLWantWriteError:
                gevent.socket.wait_write(sock.fileno())
    except OSError:
        pass  # It was sent; the answer is not there yet, or more data came in its place.
    finally:
        sock.settimeout(None)
