"""A WebSocket server whose queue the test reads, and a client that is written down from RFC 6455, without a library."""

import base64
import hashlib
import itertools
import os
import struct
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import gevent.socket
import gevent.ssl

from connhandler import Limits, PeerConnected, testing
from connhandler.websocket import (
    WebSocketConnectionHandler,
    WebSocketMessage,
    WebSocketPeer,
)
from tests.connhandler.support import TIMEOUT, Server

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
KEY = base64.b64encode(b"sixteen bytes ..").decode()


def accept_for(key: str) -> str:
    """A server's proof that it has read the handshake (RFC 6455, 4.2.2)."""
    return base64.b64encode(hashlib.sha1(key.encode() + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest()).decode()


def handshake(path: str = "/", headers: str = "", host: str = "localhost") -> bytes:
    """A client's opening handshake; `headers` are whole lines."""
    return (
        f"GET {path} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Key: {KEY}\r\nSec-WebSocket-Version: 13\r\n{headers}\r\n"
    ).encode()


def frame(opcode: int, payload: bytes = b"", *, fin: bool = True, masked: bool = True, reserved: int = 0) -> bytes:
    """The bytes of one frame (RFC 6455, 5.2)."""
    first = fin << 7 | reserved << 4 | opcode
    second = masked << 7
    if len(payload) < 126:
        head = struct.pack("!BB", first, second | len(payload))
    elif len(payload) < 65536:
        head = struct.pack("!BBH", first, second | 126, len(payload))
    else:
        head = struct.pack("!BBQ", first, second | 127, len(payload))
    if not masked:
        return head + payload
    mask = os.urandom(4)
    return head + mask + bytes(a ^ b for a, b in zip(payload, itertools.cycle(mask), strict=False))


def close_payload(code: int, reason: str = "") -> bytes:
    return struct.pack("!H", code) + reason.encode()


class Frame(NamedTuple):
    opcode: int
    payload: bytes
    fin: bool = True
    reserved: int = 0


class Response(NamedTuple):
    """The answer to a handshake."""

    status: int
    headers: dict[str, str]
    body: bytes = b""


def answer_to(head: bytes, headers: str = "") -> bytes:
    """A server's answer to a client's handshake; `headers` are whole lines."""
    (key,) = (line[19:] for line in head.decode().split("\r\n") if line.startswith("Sec-WebSocket-Key: "))
    return (
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Accept: {accept_for(key)}\r\n{headers}\r\n"
    ).encode()


def read_frame(sock: gevent.socket.socket) -> Frame:
    """Read a frame of a client, which must be masked."""
    first, second = _read(sock, 2)
    assert second >> 7, "a client masks"
    length = second & 127
    if length > 125:
        length = int.from_bytes(_read(sock, 2 if length == 126 else 8))
    mask = _read(sock, 4)
    payload = bytes(a ^ b for a, b in zip(_read(sock, length), itertools.cycle(mask), strict=False))
    return Frame(first & 15, payload, bool(first >> 7), first >> 4 & 7)


def _read(sock: gevent.socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count:
        piece = sock.recv(count - len(data))
        if not piece:
            raise EOFError
        data += piece
    return data


class WebSocketClient:
    """The far end: a plain socket, and frames by hand. Pings are answered while it reads messages, unless it is `deaf`.

    Args:
        shake: whether to do the opening handshake at once, and expect to be let in.
    """

    def __init__(
        self,
        port: int,
        path: str = "/",
        headers: str = "",
        *,
        address: str = "127.0.0.1",
        ssl_context: gevent.ssl.SSLContext | None = None,
        receive_buffer: int | None = None,
        shake: bool = True,
    ) -> None:
        self.sock = gevent.socket.socket()
        if receive_buffer is not None:
            self.sock.setsockopt(gevent.socket.SOL_SOCKET, gevent.socket.SO_RCVBUF, receive_buffer)
        self.sock.settimeout(TIMEOUT)
        try:
            self.sock.connect((address, port))
        except OSError:
            self.sock.close()
            raise
        self.sock.setsockopt(gevent.socket.IPPROTO_TCP, gevent.socket.TCP_NODELAY, 1)
        if ssl_context is not None:
            self.sock = ssl_context.wrap_socket(self.sock, server_hostname="localhost")
        self.deaf = False
        self.pings = 0
        self._buffer = b""
        if shake:
            self.sock.sendall(handshake(path, headers))
            self.response = self.read_response()
            assert self.response.status == 101, self.response

    def read_response(self) -> Response:
        """Read the server's answer to a handshake."""
        while b"\r\n\r\n" not in self._buffer:
            self._buffer += self._more()
        head, self._buffer = self._buffer.split(b"\r\n\r\n", 1)
        first, *lines = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
        body = self._take(int(headers.get("content-length", 0)))
        return Response(int(first.split()[1]), headers, body)

    def refused(self, request: bytes) -> Response:
        """Send a handshake that is refused; return the answer, after which the server must close."""
        self.sock.sendall(request)
        response = self.read_response()
        assert self.rest() == b""
        return response

    def send(self, *messages: str | bytes) -> None:
        self.sock.sendall(
            b"".join(
                frame(TEXT, message.encode()) if isinstance(message, str) else frame(BINARY, message)
                for message in messages
            )
        )

    def send_frame(self, opcode: int, payload: bytes = b"", **how: Any) -> None:
        self.sock.sendall(frame(opcode, payload, **how))

    def send_close(self, code: int = 1000, reason: str = "") -> None:
        self.send_frame(CLOSE, close_payload(code, reason))

    def receive_frame(self) -> Frame:
        """Return the next frame.

        Raises:
            EOFError: the server closed.
        """
        first, second = self._take(2)
        assert not second >> 7, "a server does not mask"
        length = second & 127
        if length == 126:
            (length,) = struct.unpack("!H", self._take(2))
        elif length == 127:
            (length,) = struct.unpack("!Q", self._take(8))
        return Frame(first & 15, self._take(length), bool(first >> 7), first >> 4 & 7)

    def receive(self) -> str | bytes:
        """Return the next message.

        Raises:
            EOFError: the server closed.
            AssertionError: it said Close.
        """
        while True:
            received = self.receive_frame()
            if received.opcode == PING:
                self.pings += 1
                if not self.deaf:
                    self.send_frame(PONG, received.payload)
            elif received.opcode != PONG:
                break
        assert received.opcode in (TEXT, BINARY), received
        assert received.fin
        assert not received.reserved
        return received.payload.decode() if received.opcode == TEXT else received.payload

    def receive_close(self) -> tuple[int, str]:
        """Read, over whatever comes before, the server's Close; after it there must be nothing but the end."""
        while (received := self.receive_frame()).opcode != CLOSE:
            pass
        assert self.rest() == b""
        if not received.payload:
            return 1005, ""
        return int.from_bytes(received.payload[:2], "big"), received.payload[2:].decode()

    def rest(self) -> bytes:
        """All bytes, as they are, until the server closes."""
        parts = [self._buffer]
        while data := self.sock.recv(65536):
            parts.append(data)
        return b"".join(parts)

    def end(self) -> None:
        """Send no more, but go on receiving."""
        self.sock.shutdown(gevent.socket.SHUT_WR)

    def close(self) -> None:
        self.sock.close()

    def reset(self) -> None:
        """Close as a program that crashed does."""
        self.sock.setsockopt(gevent.socket.SOL_SOCKET, gevent.socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self.sock.close()

    def _take(self, count: int) -> bytes:
        while len(self._buffer) < count:
            self._buffer += self._more()
        data, self._buffer = self._buffer[:count], self._buffer[count:]
        return data

    def _more(self) -> bytes:
        data = self.sock.recv(65536)
        if not data:
            raise EOFError
        return data


class VisitorPeer(WebSocketPeer):
    pass


class VisitorHandler(WebSocketConnectionHandler):
    peer_class = VisitorPeer


class WebSocketServer(Server):
    """A `Server` of WebSockets. Arguments as for `Server`; others are attributes of the handler."""

    def __init__(self, limits: Limits | None = None, **arguments: Any) -> None:
        arguments.setdefault("handler_class", VisitorHandler)
        super().__init__(limits, **arguments)

    def client(self, **arguments: Any) -> Any:
        client = WebSocketClient(self.handler.port, **arguments)
        self.clients.append(client)  # type: ignore[arg-type]
        return client

    def next_data(self) -> Any:
        message = self.next()
        assert isinstance(message, WebSocketMessage), message
        return message.data

    def connect(self, **arguments: Any) -> tuple[Any, Any]:
        client = self.client(**arguments)
        message = self.next()
        assert isinstance(message, PeerConnected), message
        return client, message.peer


Serve = Callable[..., WebSocketServer]


def serving() -> Iterator[Serve]:
    """For a fixture: give what starts a `WebSocketServer`; what that leaves behind fails the test."""
    servers: list[WebSocketServer] = []

    def start(*args: Any, **kwargs: Any) -> WebSocketServer:
        servers.append(WebSocketServer(*args, **kwargs))
        return servers[-1]

    with testing.check_leaks():
        yield start
        while servers:
            servers.pop().stop()
