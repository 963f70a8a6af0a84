"""A connection type of plain bytes, a server of it whose queue the test reads, and a plain client."""

from collections.abc import Callable
from typing import Any, TypeVar

import gevent
import gevent.socket
import gevent.ssl

from connhandler import (
    ConnectionReader,
    ConnectionWriter,
    DisconnectReason,
    IncomingConnectionHandler,
    IncomingQueue,
    Limits,
    Peer,
    PeerConnected,
    PeerDisconnected,
    TcpMessageConnectionReader,
    TcpMessageConnectionWriter,
    tasks,
)
from connhandler.framing.chunks import ChunkDecoder, encode_chunks

TIMEOUT = 20.0
"""For what must happen at once, on a machine that is busy with something else."""

Result = TypeVar("Result")


def within(function: Callable[..., Result], *args: Any, seconds: float = TIMEOUT) -> Result:
    """Return `function(*args)`, or fail when it takes longer than `seconds`."""
    with gevent.Timeout(seconds, AssertionError(f"{function} took longer than {seconds} s")):
        return function(*args)


def wait_until(condition: Callable[[], Any], seconds: float = TIMEOUT) -> None:
    """Let other tasks run until `condition` holds: for what nobody sends a message about."""

    def look() -> None:
        while not condition():
            gevent.sleep(0.002)

    within(look, seconds=seconds)


class Data:
    """A message: bytes as they are."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.peer: Any = None

    def __repr__(self) -> str:
        return f"Data({self.data!r:.40})"


class DataReader(TcpMessageConnectionReader):
    def decode(self, data: bytes) -> Any:
        return Data(data)


class DataWriter(TcpMessageConnectionWriter):
    def encode(self, message: Data) -> bytes:
        return message.data


class DataPeer(Peer):
    pass


class LoginPeer(Peer):
    requires_login = True


class DataHandler(IncomingConnectionHandler):
    reader_class: type[ConnectionReader] = DataReader
    writer_class: type[ConnectionWriter] = DataWriter
    peer_class: type[Peer] = DataPeer

    def create_connection_instances(self, sock: Any, address: Any) -> tuple[ConnectionReader, ConnectionWriter, Peer]:
        return self.reader_class(sock), self.writer_class(sock), self.peer_class()


class Client:
    """The far end: a plain socket that speaks chunks.

    Attributes:
        sock: the socket, for bytes as they are.
    """

    def __init__(
        self,
        port: int,
        address: str = "127.0.0.1",
        ssl_context: gevent.ssl.SSLContext | None = None,
        receive_buffer: int | None = None,
    ) -> None:
        self.sock = gevent.socket.socket(gevent.socket.AF_INET6 if ":" in address else gevent.socket.AF_INET)
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
        self._framing = ChunkDecoder(max_message_bytes=1 << 26)
        self._received: list[bytes] = []

    def send(self, *messages: bytes) -> None:
        self.sock.sendall(b"".join(map(encode_chunks, messages)))

    def end(self) -> None:
        """Send no more, but go on receiving."""
        self.sock.shutdown(gevent.socket.SHUT_WR)

    def receive(self) -> bytes:
        """Return the next message.

        Raises:
            EOFError: the server closed.
        """
        while not self._received:
            data = self.sock.recv(65536)
            if not data:
                raise EOFError
            self._received.extend(self._framing.receive_data(data))
        return self._received.pop(0)

    def rest(self) -> bytes:
        """Return all bytes, as they are, until the server closes."""
        parts = []
        while data := self.sock.recv(65536):
            parts.append(data)
        return b"".join(parts)

    def messages(self) -> list[bytes]:
        """Return all messages until the server closes."""
        found = []
        try:
            while True:
                found.append(self.receive())
        except EOFError:
            return found

    def close(self) -> None:
        self.sock.close()

    def reset(self) -> None:
        """Close as a program that crashed does: what is unread is lost, at both ends."""
        self.sock.setsockopt(gevent.socket.SOL_SOCKET, gevent.socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self.sock.close()


class Server:
    """An incoming handler and its queue, which the test reads in place of a central task.

    Args:
        classes: what the handler makes: `reader_class`, `writer_class`, `peer_class`, or `handler_class`.
    """

    def __init__(
        self,
        limits: Limits | None = None,
        *,
        queue: Any = None,
        address: str = "127.0.0.1",
        ssl_context: gevent.ssl.SSLContext | None = None,
        handler_class: type[DataHandler] = DataHandler,
        **classes: Any,
    ) -> None:
        self.queue: Any = IncomingQueue() if queue is None else queue
        self.handler = handler_class("clients", address, 0, self.queue, limits=limits, ssl_context=ssl_context)
        for name, value in classes.items():
            setattr(self.handler, name, value)
        self.clients: list[Client] = []
        self.handler.start()

    @property
    def counters(self) -> dict[str, int]:
        """What the handler counted: `accepted`, refusals and disconnects."""
        return dict(self.handler.counters)

    def client(self, **arguments: Any) -> Client:
        """Connect."""
        client = Client(self.handler.port, self.handler.address, **arguments)
        self.clients.append(client)
        return client

    def connect(self, **arguments: Any) -> tuple[Client, Any]:
        """Connect; return the client and, from its `PeerConnected`, the peer."""
        client = self.client(**arguments)
        message = self.next()
        assert isinstance(message, PeerConnected), message
        return client, message.peer

    def next(self) -> Any:
        """Take the next message from the queue."""
        return within(self.queue.get)

    def next_data(self) -> bytes:
        message = self.next()
        assert isinstance(message, Data), message
        return message.data

    def next_disconnected(self) -> PeerDisconnected:
        message = self.next()
        assert isinstance(message, PeerDisconnected), message
        return message

    def next_reason(self) -> DisconnectReason:
        return self.next_disconnected().reason

    def stop(self) -> None:
        for client in self.clients:
            client.close()
        taking = tasks.spawn("taking", self._take_the_rest)
        within(self.handler.stop)
        taking.kill()

    def _take_the_rest(self) -> None:
        while True:
            self.queue.get()
