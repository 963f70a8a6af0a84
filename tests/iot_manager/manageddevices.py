"""A manager for one test, and devices that are nothing but sockets."""

import json
import queue
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import gevent

from connhandler.testing import check_leaks
from iot_manager import Client, Limits, Manager

TYPES = ["light", "lock", "test"]
TIMEOUT = 10.0


def uuid(number: int = 0) -> str:
    return f"1862cfe1-5dab-4d8e-a946-{number:012d}"


def info(number: int = 0, device_type: str = "light", data: str = '{ "key_1": "data_1" }') -> bytes:
    return f"{uuid(number)}##{device_type}##{data}".encode()


class RawDevice:
    """Speaks the dialect of seed document 003. Every command is compared with the whole of what one `recv` brings, as
    the seed's example does."""

    def __init__(self, port: int, context: Any = None) -> None:
        self.sock: Any = socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if context is not None:
            self.sock = context.wrap_socket(self.sock, server_hostname="localhost")

    def receive(self) -> bytes:
        data: bytes = self.sock.recv(65536)
        return data

    def send(self, data: bytes) -> None:
        self.sock.sendall(data)

    def expect(self, data: bytes) -> None:
        """Read exactly these bytes; more may come after them."""
        received = b""
        while len(received) < len(data):
            more = self.sock.recv(len(data) - len(received))
            assert more, f"closed after {received!r}, before {data!r}"
            received += more
        assert received == data

    def identify(self, number: int = 0, device_type: str = "light") -> "RawDevice":
        assert self.receive() == b"\x01"
        self.send(info(number, device_type))
        return self

    def answer_request(self, payload: Any) -> Any:
        """Read a request, answer with this payload, and return what was asked."""
        request = json.loads(self.receive())
        self.send(json.dumps({"reply": request["request"], "payload": payload}).encode())
        return request["payload"]

    def expect_end(self) -> bytes:
        """Return what comes until the manager closes."""
        received = b""
        while data := self.sock.recv(65536):
            received += data
        return received

    def close(self) -> None:
        self.sock.close()


class FramedDevice(RawDevice):
    """Speaks the framed dialect, and reads no byte more than a message has."""

    def receive(self) -> bytes:
        return self._exactly(int.from_bytes(self._exactly(2)))

    def send(self, data: bytes) -> None:
        self.sock.sendall(len(data).to_bytes(2) + data)

    def _exactly(self, count: int) -> bytes:
        received = b""
        while len(received) < count:
            more = self.sock.recv(count - len(received))
            if not more:
                raise EOFError(f"closed after {received!r}")
            received += more
        return received


class Heard:
    """What a manager's events have told, in order; for each of them, a test can wait."""

    def __init__(self, manager: Manager) -> None:
        self.events: queue.Queue[tuple[Any, ...]] = queue.Queue()
        self.clients: dict[str, Client] = {}

        @manager.event
        def on_connect(client: Client) -> None:
            self.clients[client.data.uuid] = client
            self.events.put(("connect", client.data.uuid))

        @manager.event
        def on_message(client: Client, message: bytearray) -> None:
            self.events.put(("message", client.data.uuid, bytes(message)))

        @manager.event
        def on_disconnect(client: Client) -> None:
            self.events.put(("disconnect", client.data.uuid))

    def next(self) -> tuple[Any, ...]:
        return self.events.get(timeout=TIMEOUT)

    def message(self) -> bytes:
        event = self.next()
        assert event[0] == "message", event
        data: bytes = event[2]
        return data

    def client(self, number: int = 0) -> Client:
        """Wait for the next event, which is that this device connects; return it."""
        assert self.next() == ("connect", uuid(number))
        return self.clients[uuid(number)]

    def nothing(self) -> bool:
        """Whether nothing has happened; all that has, must have come to its end before."""
        return self.events.empty()


@contextmanager
def managed(**options: Any) -> Iterator[Manager]:
    """A manager on a free port, which leaves nothing behind."""
    limits = options.pop("limits", Limits(linger_seconds=0.2, close_seconds=1.0))
    with check_leaks(), Manager(TYPES, connection_port=0, limits=limits, **options) as manager:
        yield manager


@contextmanager
def connected(manager: Manager, number: int = 0, framed: bool = False, **options: Any) -> Iterator[RawDevice]:
    """A device that has said who it is."""
    device = (FramedDevice if framed else RawDevice)(manager.port, **options)
    try:
        device.identify(number)
        yield device
    finally:
        device.close()


@contextmanager
def welcomed(manager: Manager, number: int = 0, framed: bool = False) -> Iterator[tuple[Heard, RawDevice]]:
    """A device whose connection the manager's events have told; and what they tell from then on."""
    heard = Heard(manager)
    with connected(manager, number, framed) as device:
        heard.client(number)
        yield heard, device


def in_thread(function: Any, *args: Any) -> "Result":
    return Result(function, args)


class Result:
    """What a function returned or raised in a thread of its own."""

    def __init__(self, function: Any, args: tuple[Any, ...]) -> None:
        self._outcome: queue.Queue[tuple[Any, BaseException | None]] = queue.Queue()
        self.thread = threading.Thread(target=self._run, args=(function, args), daemon=True)
        self.thread.start()

    def _run(self, function: Any, args: tuple[Any, ...]) -> None:
        try:
            self._outcome.put((function(*args), None))
        except BaseException as error:  # noqa: BLE001 - it is raised in `get`
            self._outcome.put((None, error))

    def get(self) -> Any:
        value, error = self._outcome.get(timeout=TIMEOUT)
        if error is not None:
            raise error
        return value


def until(condition: Any) -> None:
    """Wait until a condition holds, which something else makes true."""
    with gevent.Timeout(TIMEOUT, AssertionError(f"{condition} did not come true")):
        while not condition():
            gevent.sleep(0.002)
