"""What waits to be sent to one peer: bounded in bytes, sent without a task of its own while the socket takes it.

`put` never waits. What was put during one burst of the central task goes out in one `send` when that burst
ends: the flush is a callback of the hub. Only when the socket is full, or the connection's writer has a `send`
of its own that may wait, does a writer task take over, and it ends as soon as nothing is left.
"""

import time
from collections import deque
from collections.abc import Callable

import gevent.socket
import gevent.ssl
from gevent import Timeout, get_hub
from gevent.event import Event

from connhandler import tasks
from connhandler.limits import Limits
from connhandler.sockets import send_now

# A TLS write that could not finish must be repeated with at least as many bytes, so every write is cut alike.
TLS_WRITE_BYTES = 16 * 1024
PLAIN_WRITE_BYTES = 256 * 1024


class Outbox:
    """The bytes that wait for one socket.

    Args:
        name: of the connection; the writer task is called `NAME.writer`.
        sock: a gevent socket.
        limits: the soft and hard bounds.
        send: None when what is put are bytes of the stream; else a function that sends one message and may wait.
        failed: called with the error when sending fails.
        too_slow: called when more than the hard bound waits.
    """

    __slots__ = (
        "_closed",
        "_empty",
        "_failed",
        "_limits",
        "_name",
        "_scheduled",
        "_send",
        "_sock",
        "_too_slow",
        "_waiting",
        "_write_bytes",
        "_writer",
        "size",
        "soft_since",
        "total",
    )

    def __init__(
        self,
        name: str,
        sock: gevent.socket.socket,
        limits: Limits,
        send: Callable[[bytes], None] | None,
        failed: Callable[[BaseException], None],
        too_slow: Callable[[int], None],
    ) -> None:
        self.size = 0
        self.total = 0
        self.soft_since: float | None = None
        self._name = name
        self._sock = sock
        self._limits = limits
        self._send = send
        self._failed = failed
        self._too_slow = too_slow
        self._write_bytes = TLS_WRITE_BYTES if isinstance(sock, gevent.ssl.SSLSocket) else PLAIN_WRITE_BYTES
        self._waiting: deque[bytes] = deque()
        self._scheduled = False
        self._closed = False
        self._writer: tasks.Task | None = None
        self._empty = Event()

    def put(self, data: bytes) -> None:
        """Queue bytes (or, with a custom `send`, one message). Never waits; does nothing once closed."""
        if self._closed:
            return
        self._waiting.append(data)
        self.size += len(data)
        self.total += len(data)
        if self.size > self._limits.outgoing_soft_bytes:
            self._watch_bounds()
        if not self._scheduled:
            self._scheduled = True
            get_hub().loop.run_callback(self._flush)

    def drain(self, seconds: float) -> bool:
        """Wait until all is sent; return whether it was, within `seconds` and before the box was closed."""
        with tasks.wait_at_most(seconds):
            while not self._closed and (self._waiting or self._writer is not None):
                self._empty.clear()
                self._empty.wait()
        return not self._closed and not self._waiting and self._writer is None

    def close(self) -> None:
        """Forget what waits. Nothing can be put any more."""
        self._closed = True
        self._waiting.clear()
        self.size = 0
        self._empty.set()
        if self._writer is not None:
            self._writer.kill(block=False)

    def forget(self) -> None:
        """Tell nobody of anything any more. Only after `close`."""
        self._failed = self._too_slow = _ignore

    def _watch_bounds(self) -> None:
        if self._writer is None:
            self._flush_directly()
        if self.size > self._limits.outgoing_hard_bytes:
            self._too_slow(self.size)
        elif self.size > self._limits.outgoing_soft_bytes and self.soft_since is None:
            self.soft_since = time.monotonic()

    def _flush(self) -> None:
        """A callback of the hub: it must not wait."""
        self._scheduled = False
        if self._writer is not None or self._closed or not self._waiting:
            return
        self._flush_directly()
        if self._waiting and not self._closed:
            self._writer = tasks.spawn(f"{self._name}.writer", self._write)

    def _flush_directly(self) -> None:
        if self._send is not None:
            return
        data = b"".join(self._waiting) if len(self._waiting) > 1 else self._waiting[0]
        self._waiting.clear()
        position, end = 0, len(data)
        try:
            while position < end:
                sent = send_now(self._sock, data[position : position + self._write_bytes])
                if sent == 0:
                    break  # The socket is full: the writer task goes on from here.
                position += sent
        except OSError as error:
            self.close()
            self._failed(error)
            return
        if position < end:
            self._waiting.append(data[position:] if position else data)
        else:
            self._empty.set()
        self._sent(position)

    def _write(self) -> None:
        """The writer task."""
        try:
            while self._waiting:
                if self._send is not None:
                    data = self._waiting.popleft()
                    self._send(data)
                    self._sent(len(data))
                else:
                    self._write_some()
        except (Exception, Timeout) as error:  # noqa: BLE001 - a custom writer may raise anything: it ends its connection
            self.close()
            self._failed(error)
        finally:
            self._writer = None
            self._empty.set()

    def _write_some(self) -> None:
        data = memoryview(b"".join(self._waiting))
        self._waiting.clear()
        self._waiting.append(b"")  # holds the place of what is being sent, so that nothing overtakes it
        position, end = 0, len(data)
        while position < end and not self._closed:
            sent = self._sock.send(data[position : position + self._write_bytes])
            position += sent
            self._sent(sent)
        if not self._closed:
            self._waiting.popleft()

    def _sent(self, count: int) -> None:
        if self._closed:
            return
        self.size -= count
        if self.size <= self._limits.outgoing_soft_bytes:
            self.soft_since = None


def _ignore(_: object) -> None:
    """What is told to nobody."""
