"""A device, for programs that are one: connects to a manager, stays connected, hands out what it is told to do.

    with Device("1862cfe1-5dab-4d8e-a946-50d6728f830f", "light", {"room": "kitchen"}) as device:
        for command in device:
            device.send(b"done: " + command)

An ordinary, blocking interface for ordinary programs, with threads or without: the connection lives in a hub of its own
(`connhandler.background`). It is made again, for ever, whatever ends it.
"""

import logging
import queue
import ssl
import threading
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Any, Final, Self

from connhandler import BackgroundService, Busy, Limits, PeerDisconnected, Service, ServiceEnded, TaskPool, WorkerPool
from iot_manager.devicetask import PATIENCE_SECONDS, DeviceTask
from iot_manager.identity import Identity
from iot_manager.keys import Key
from iot_manager.manager import PORT
from iot_manager.managerhandler import Dialect, ManagerHandler, ManagerPeer, Request

logger = logging.getLogger(__name__)

Answer = Callable[[Any], Any]
"""Gets the payload of a request, and returns that of the reply. May wait."""

MAX_COMMANDS: Final = 1_000
"""So many commands wait for the program at most; then the oldest are lost."""

MAX_REQUESTS: Final = 100
"""So many requests wait to be answered at most."""

IDLE_SECONDS: Final = 150.0
"""Two and a half of the manager's heartbeats, as they are by default: a manager that has said nothing for so long is no
more, even if nobody has told."""

LINGER_SECONDS: Final = 1.0
"""How long `close` waits for a manager that does not end its side of the connection."""


class Device:
    """Connected from when it is made until `close`. Every method may be called from any thread.

    Args:
        uuid: 36 characters that no other device has.
        type: one of the manager's types.
        data: whatever else the manager should know; sent with each connection.
        host: of the manager.
        port: of the manager.
        dialect: `"raw"`, as the first devices spoke, where what is sent quickly one after the other may arrive as one;
            or `"framed"`, which keeps messages apart.
        key: the secret that this device shares with the manager, where the manager wants one.
        answer: called with the payload of each request, and returns that of the reply. One at a time, in a thread of
            its own (or a task, in a monkey-patched program). Without it, a request is a command like any other.
        ssl_context: for TLS, such as `ssl.create_default_context(cafile="ca.pem")`.
        server_hostname: the name that the manager's certificate must have; default `host`.
        idle_seconds: a connection on which the manager has said nothing for so long is given up; more than its
            heartbeat rate.

    Raises:
        ValueError: the manager would refuse what the device says it is.
    """

    def __init__(
        self,
        uuid: str,
        type: str,
        data: dict[str, Any] | None = None,
        host: str = "127.0.0.1",
        port: int = PORT,
        *,
        dialect: Dialect = "raw",
        key: Key | None = None,
        answer: Answer | None = None,
        ssl_context: ssl.SSLContext | None = None,
        server_hostname: str | None = None,
        idle_seconds: float = IDLE_SECONDS,
    ) -> None:
        self.identity = Identity(uuid=uuid, type=type, data=data or {}, key=key)
        self._host, self._port, self._dialect = host, port, dialect
        self._answer = answer
        self._ssl_context, self._server_hostname = ssl_context, server_hostname
        self._patience_seconds = min(PATIENCE_SECONDS, idle_seconds)
        self._limits = Limits(idle_seconds=idle_seconds, linger_seconds=LINGER_SECONDS)
        self._commands: queue.Queue[bytes | None] = queue.Queue()
        self._connected = threading.Event()
        self._service = BackgroundService(f"device {uuid}", self._make)
        self._service.start()
        # However it ends, nobody may go on waiting for commands.
        self._service.promise().add_done_callback(lambda _: self._end())

    @property
    def connected(self) -> bool:
        """Whether there is a manager that knows who this is."""
        return self._connected.is_set()

    def wait_connected(self, timeout: float | None = None) -> bool:
        """Wait until there is, at most `timeout` seconds; return whether there is."""
        return self._connected.wait(timeout)

    def send(self, data: bytes) -> bool:
        """Send a message to the manager. Does not wait until it is there.

        Returns:
            whether there was a connection to send it on. If not, it is not kept.

        Raises:
            ValueError: it is empty, or longer than a message may be.
        """
        try:
            sent: bool = self._service.call(self._task.send, data)
        except ServiceEnded:
            return False
        return sent

    def receive(self, timeout: float | None = None) -> bytes:
        """Wait for the next command and return it.

        Raises:
            TimeoutError: none came within `timeout` seconds.
            EOFError: the device is closed.
        """
        try:
            command = self._commands.get(timeout=timeout)
        except queue.Empty:
            raise TimeoutError(f"no command came within {timeout:g} s") from None
        if command is None:
            self._commands.put(None)  # for whoever else waits
            raise EOFError("the device is closed")
        return command

    def close(self) -> None:
        """End the connection, and whoever waits for a command. Does nothing the second time."""
        self._service.close()

    def __iter__(self) -> Iterator[bytes]:
        """Give each command, until the device is closed."""
        while True:
            try:
                yield self.receive()
            except EOFError:
                return

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _end(self) -> None:
        self._connected.clear()
        self._commands.put(None)

    def _make(self) -> Service:
        """In the hub that the connection will live in."""
        name = f"device {self.identity.uuid}"
        pool: WorkerPool | TaskPool
        if self._service.own_thread:
            pool = WorkerPool(f"{name}.answers", threads=1, max_queued=MAX_REQUESTS)
        else:
            pool = TaskPool(f"{name}.answers", tasks=1, max_queued=MAX_REQUESTS)
        self._task = _BackgroundTask(name, self._commands, self._connected, self._answer, pool, self._patience_seconds)
        handler = ManagerHandler(
            name,
            self._host,
            self._port,
            self._task.queue,
            self.identity,
            dialect=self._dialect,
            limits=self._limits,
            ssl_context=self._ssl_context,
            server_hostname=self._server_hostname,
        )
        return Service(self._task, [handler], [pool], owns_process=False)


class _BackgroundTask(DeviceTask[ManagerPeer]):
    """One device whose program lives elsewhere."""

    def __init__(
        self,
        name: str,
        commands: "queue.Queue[bytes | None]",
        connected: threading.Event,
        answer: Answer | None,
        pool: WorkerPool | TaskPool,
        patience_seconds: float,
    ) -> None:
        super().__init__(name, patience_seconds=patience_seconds)
        self._commands = commands
        self._connected = connected
        self._answer = answer
        self._pool = pool
        self._peer: ManagerPeer | None = None
        self._lost = 0

    def came(self, peer: ManagerPeer) -> None:
        logger.info("%s: connected to the manager", self.name)
        self._peer = peer
        self._connected.set()

    def commanded(self, peer: ManagerPeer, data: bytes) -> None:
        if self._commands.qsize() >= MAX_COMMANDS:
            try:
                self._commands.get_nowait()
            except queue.Empty:
                pass  # The program has just come for it.
            else:
                self._lost += 1
                if self._lost == 1:
                    logger.warning(
                        "%s: %d commands wait, which is all that may: the oldest are lost", self.name, MAX_COMMANDS
                    )
        self._commands.put(data)

    def requested(self, peer: ManagerPeer, request: Request) -> None:
        if self._answer is None:
            super().requested(peer, request)
            return

        def answered(payload: Any, error: BaseException | None) -> None:
            if error is not None:
                logger.error("%s: could not answer a request", self.name, exc_info=error)
                payload = {"error": f"{type(error).__name__}: {error}"}
            self.reply(peer, request.request, payload)

        try:
            self.perform(self._pool, self._answer, request.payload, then=answered)
        except Busy as busy:
            self.reply(peer, request.request, {"error": str(busy)})

    def went(self, peer: ManagerPeer, message: PeerDisconnected) -> None:
        super().went(peer, message)
        if peer is self._peer:
            logger.info("%s: no longer connected: %s", self.name, message.reason.value)
            self._peer = None
            self._connected.clear()

    def send(self, data: bytes) -> bool:
        if self._peer is None or not self._peer.connected:
            return False
        self._peer.send(data)
        return True
