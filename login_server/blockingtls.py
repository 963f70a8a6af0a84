"""TLS over a socket that really blocks, also in a monkey-patched program, where `ssl.SSLSocket` itself is patched.

    application ← TlsSocket ← SSLObject (the protocol) ← MemoryBIO ← socket

Only as much of a socket as a database driver uses, in one thread at a time.
"""

import io
import socket
import ssl
from typing import Any

_CHUNK = 65_536


class TlsContext:
    """Stands for an `ssl.SSLContext` towards a driver that calls `wrap_socket`."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self._context = context

    def wrap_socket(self, sock: socket.socket, server_hostname: str | None = None) -> "TlsSocket":
        """Begin TLS on a connected socket, as the client.

        Raises:
            OSError: the handshake fails, takes too long, or the certificate is not trusted.
        """
        return TlsSocket(self._context, sock, server_hostname)


class TlsSocket:
    """Made by `TlsContext`."""

    def __init__(self, context: ssl.SSLContext, sock: socket.socket, server_hostname: str | None) -> None:
        self._sock = sock
        self._from_server = ssl.MemoryBIO()
        self._to_server = ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._from_server, self._to_server, server_hostname=server_hostname)
        self._do(self._tls.do_handshake)

    def settimeout(self, seconds: float | None) -> None:
        self._sock.settimeout(seconds)

    def sendall(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            view = view[self._do(self._tls.write, view) :]

    def recv_into(self, buffer: Any) -> int:
        """How many bytes were received; 0 at the end."""
        try:
            return int(self._do(self._tls.read, len(buffer), buffer))
        except ssl.SSLZeroReturnError:
            return 0

    def makefile(self, mode: str) -> io.BufferedReader:
        """For reading only; closing it leaves the socket open."""
        return io.BufferedReader(_Received(self))

    def close(self) -> None:
        """Without a word: the driver has said goodbye by its own protocol."""
        self._sock.close()

    def _do(self, operation: Any, *args: Any) -> Any:
        """Repeat it, with what the far end says meanwhile, until it is done.

        Raises:
            OSError: the connection is lost, or the far end is silent for too long.
        """
        while True:
            try:
                result = operation(*args)
                self._flush()
                return result
            except ssl.SSLWantReadError:
                self._flush()
            received = self._sock.recv(_CHUNK)
            if received:
                self._from_server.write(received)
            else:
                self._from_server.write_eof()

    def _flush(self) -> None:
        if self._to_server.pending:
            self._sock.sendall(self._to_server.read())


class _Received(io.RawIOBase):
    def __init__(self, sock: TlsSocket) -> None:
        self._sock = sock

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        return self._sock.recv_into(buffer)
