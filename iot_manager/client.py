"""One connected device, as event handlers and other ordinary code see it. Every method may be called from any thread.

any thread → [ Client → Link ] → the device
"""

import threading
import time
from types import TracebackType
from typing import Any, Final, Protocol

from iot_manager.data import Data
from iot_manager.errors import ConnectionEnd, InvalidInfo

TIMEOUT: Final = 15


class Link(Protocol):
    """How a client reaches its device."""

    def send(self, data: bytes) -> int | None:
        """Return how many bytes were sent, or None if the device is gone."""

    def receive(self, timeout: float | None) -> bytes | None:
        """Return the device's next message, or None. Only between `divert` and `stop_diverting`."""

    def divert(self) -> None:
        """Keep what the device sends for `receive`."""

    def stop_diverting(self) -> None:
        """Give what was not received to the manager's events again."""

    def ask_for_info(self, timeout: float | None) -> Data:
        """Raises:
        ConnectionEnd: the device is gone, or has not answered in time.
        InvalidInfo: it has answered something else.
        """

    def ask_for_beat(self, timeout: float | None) -> None:
        """Raises:
        ConnectionEnd: the device is gone, or has not answered in time.
        """

    def end(self) -> None:
        """Say goodbye and close."""


class ConnectionLock:
    """A reentrant lock on a client's connection. While a thread holds it, what the device sends goes to `recv` of that
    thread and not to `on_message`, and no other thread gets through with `send`, `recv`, `get_data` or `heartbeat`.

    It has the methods of `threading.RLock`.
    """

    __slots__ = ("_depth", "_link", "_lock")

    def __init__(self, link: Link) -> None:
        self._link = link
        self._lock = threading.RLock()
        self._depth = 0

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        """Wait for the lock, and return whether it is ours; as `threading.RLock.acquire`."""
        if not self._lock.acquire(blocking, timeout):
            return False
        self._depth += 1
        if self._depth == 1:
            try:
                self._link.divert()
            except BaseException:
                self._depth = 0
                self._lock.release()
                raise
        return True

    def release(self) -> None:
        """Give it back.

        Raises:
            RuntimeError: this thread does not hold it.
        """
        if not self._lock._is_owned():  # type: ignore[attr-defined]
            raise RuntimeError("cannot release a lock that this thread does not hold")
        self._depth -= 1
        try:
            if not self._depth:
                self._link.stop_diverting()
        finally:
            self._lock.release()

    def acquire_only(self, timeout: float = -1) -> bool:
        """Keep other threads off, but let what the device sends go where it goes."""
        return self._lock.acquire(timeout=timeout)

    def release_only(self) -> None:
        self._lock.release()

    def __enter__(self) -> bool:
        return self.acquire()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


class Client:
    """A device that is, or was, connected.

    Args:
        connection: how to reach it: what the manager passes, or a connected socket of your own, whose device then
            belongs to no manager, and speaks the raw dialect.
        address: from where it is connected: `(IP, port)`.

    Attributes:
        connection: as given.
        address: as given.
        connection_lock: see `ConnectionLock`; for a `send` and the `recv` of its answer.
        data: what the device has said about itself. With a socket of your own, None before `get_data`.
    """

    __slots__ = ("_link", "address", "connection", "connection_lock", "data")

    # The seed document lists the two among the class's own.
    ConnectionEnd = ConnectionEnd
    InvalidInfo = InvalidInfo

    def __init__(self, connection: Any, address: Any) -> None:
        self.connection = connection
        self.address = address
        self.data: Data = None  # type: ignore[assignment]  # those that a manager passes around have it
        if hasattr(connection, "recv"):
            from iot_manager.socketlink import SocketLink

            connection = SocketLink(connection)
        self._link: Link = connection
        self.connection_lock = ConnectionLock(self._link)

    def __repr__(self) -> str:
        return f"<Client {self.data.uuid if self.data is not None else 'of an unknown device'} at {self.address}>"

    @property
    def uuid(self) -> str | None:
        """The device's UUID."""
        return None if self.data is None else self.data.uuid

    @property
    def type(self) -> str | None:
        """The device's type."""
        return None if self.data is None else self.data.type

    def end(self, raise_exception: bool = False) -> None:
        """Say goodbye to the device, and close. Does nothing when that was done before.

        Args:
            raise_exception: whether to raise `ConnectionEnd` afterwards.

        Raises:
            ConnectionEnd: see above.
        """
        self._link.end()
        if raise_exception:
            raise ConnectionEnd(f"{self} was ended")

    def send(self, data: bytes | str) -> int | None:
        """Send a message to the device; a str as UTF-8. Waits while another thread holds the lock.

        Returns:
            how many bytes it has; None when the device is gone, or reads so slowly that there is no room.

        Raises:
            TypeError: it is neither bytes nor a str.
            ValueError: the device's dialect cannot express it: more than 65,535 bytes in the framed one.
        """
        message = to_bytes(data)
        self.connection_lock.acquire_only()
        try:
            return self._link.send(message)
        finally:
            self.connection_lock.release_only()

    def send_string(self, string: str) -> int | None:
        """Send a text to the device; as `send`."""
        return self.send(string)

    def recv(self, timeout: float | None = TIMEOUT) -> bytes | None:
        """Wait for the next message of the device, and return it. `on_message` will not see it.

        Hold `connection_lock` from the question to its answer: between two calls, what comes goes to `on_message`.

        Args:
            timeout: for so many seconds; None for as long as it takes.

        Returns:
            the message; None when none came in time, and when the device is gone.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        if not self.connection_lock.acquire(timeout=-1 if timeout is None else max(timeout, 0)):
            return None
        try:
            return self._link.receive(None if deadline is None else max(deadline - time.monotonic(), 0))
        finally:
            self.connection_lock.release()

    def recv_string(self, timeout: float | None = TIMEOUT) -> str | None:
        """As `recv`, but return a text: what is not UTF-8 in it is replaced by U+FFFD."""
        message = self.recv(timeout)
        return None if message is None else message.decode(errors="replace")

    def get_data(self, timeout: float | None = TIMEOUT) -> Data:
        """Ask the device who it is, keep that in `data`, and return it.

        Raises:
            ConnectionEnd: it has not answered in time, and the connection is ended; or was before.
            InvalidInfo: it has said something else; the connection goes on.
        """
        with _Turn(self, timeout) as seconds:
            self.data = self._link.ask_for_info(seconds)
            return self.data

    def heartbeat(self, timeout: float | None = TIMEOUT) -> bool:
        """Ask the device whether it is there; return True.

        Raises:
            ConnectionEnd: it has not answered in time, and the connection is ended; or was before.
        """
        with _Turn(self, timeout) as seconds:
            self._link.ask_for_beat(seconds)
            return True

    def return_data(self) -> dict[str, Any] | None:
        """The same as `data.get()`; None before there is any."""
        return None if self.data is None else self.data.get()


class _Turn:
    """Keeps other threads off a client's connection, if that is possible in time."""

    def __init__(self, client: Client, timeout: float | None) -> None:
        self._client = client
        self._deadline = None if timeout is None else time.monotonic() + timeout

    def __enter__(self) -> float | None:
        seconds = self._seconds()
        if not self._client.connection_lock.acquire_only(-1 if seconds is None else seconds):
            raise TimeoutError(f"another thread holds the lock of {self._client}")
        return self._seconds()

    def __exit__(self, *exception: object) -> None:
        self._client.connection_lock.release_only()

    def _seconds(self) -> float | None:
        return None if self._deadline is None else max(self._deadline - time.monotonic(), 0)


def to_bytes(data: bytes | str) -> bytes:
    """Return the bytes of a message.

    Raises:
        TypeError: it is neither bytes nor a str.
    """
    if isinstance(data, str):
        return data.encode()
    if isinstance(data, bytes | bytearray | memoryview):
        return bytes(data)
    raise TypeError(f"a message is bytes or a str, not {type(data).__name__}")
