"""`recv_all`: one JSON object from a socket, for clients and for whoever else reads such a stream in a plain loop."""

import socket
import ssl
from typing import Any, Final

import gevent.ssl

from connhandler import ConnectionClosed, ProtocolError
from connhandler.framing.jsonstream import JsonObjectScanner, skip_space

PEEK_BYTES: Final = 64 * 1024


def recv_all(sock: Any, max_message_bytes: int = 1024 * 1024) -> str:
    """Receive one whole JSON object, however many pieces it arrives in, and return its text.

    Not a byte of what comes after the object is taken: the next call, or the socket's own `recv`, finds it there. After
    an exception, a part of an object may have been taken.

    Args:
        sock: a connected stream socket: a plain one, one with TLS, or gevent's.
        max_message_bytes: the longest object.

    Returns:
        the text between its braces, with them; `json.loads` makes a dict of it.

    Raises:
        ConnectionClosed: the far end has closed; `mid_message` says whether inside of an object.
        ProtocolError: what comes is no object, or a longer one.
        OSError: the connection was lost, or the socket's timeout has passed.
    """
    scanner = JsonObjectScanner()
    receive = _receive_bit_by_bit if isinstance(sock, ssl.SSLSocket | gevent.ssl.SSLSocket) else _receive_by_peeking
    parts: list[bytes] = []
    size = passed = 0
    while True:
        data = receive(sock, scanner, passed)
        if not data:
            raise ConnectionClosed(mid_message=bool(parts))
        passed += len(data)
        if not parts:
            data = data[skip_space(data) :]
        if not data:
            continue
        parts.append(data)
        size += len(data)
        if size > max_message_bytes:
            raise ProtocolError(f"an object of more than {max_message_bytes} bytes")
        if not scanner.depth:
            return _text(b"".join(parts))


def _receive_by_peeking(sock: socket.socket, scanner: JsonObjectScanner, passed: int) -> bytes:
    """Look at what is there, and take what belongs to the object."""
    data = sock.recv(PEEK_BYTES, socket.MSG_PEEK)
    start = 0 if scanner.depth else skip_space(data)
    end = _scan(scanner, data, start, passed)
    # All of it is there: this neither waits nor returns less.
    return sock.recv(end) if end else b""


def _receive_bit_by_bit(sock: ssl.SSLSocket, scanner: JsonObjectScanner, passed: int) -> bytes:
    """TLS lets nobody look ahead: take as much as the object surely still has."""
    data = sock.recv(max(scanner.bytes_to_come, 1))
    _scan(scanner, data, 0 if scanner.depth else skip_space(data), passed)
    return data


def _scan(scanner: JsonObjectScanner, data: bytes, start: int, passed: int) -> int:
    """Raises:
    ProtocolError: it is no object.
    """
    end = scanner.scan(data, start, passed) if start < len(data) else start
    if scanner.error is not None:
        raise scanner.error
    return end


def _text(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise ProtocolError(f"an object that is not UTF-8: {error}") from error
