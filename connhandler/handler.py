"""What incoming and outgoing connection handlers have in common."""

import logging
import ssl
import time
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Set
from typing import Any, Protocol

import gevent
import gevent.socket
import gevent.ssl
from gevent.event import Event

from connhandler import tasks
from connhandler.connection import (
    QUIET_REASONS,
    Address,
    Connection,
    ConnectionReader,
    ConnectionWriter,
    Peer,
)
from connhandler.errors import DisconnectReason
from connhandler.incomingqueue import IncomingQueue
from connhandler.limits import Limits
from connhandler.sockets import SSLContext

logger = logging.getLogger(__name__)

Instances = tuple[ConnectionReader, ConnectionWriter, Peer]

CHECKS_BETWEEN_PAUSES = 500

FORCED_CLOSE_SECONDS = 2.0
"""For a connection that was told to end at once: it has nothing to wait for."""


class MessageQueue(Protocol):
    """What a handler needs of its queue: `IncomingQueue`, `gevent.queue.Queue`, or anything with `put`."""

    def put(self, message: Any, /) -> Any: ...


class ConnectionHandler(ABC):
    """Makes connections of one type and puts their messages into one queue. Use a subclass of
    `IncomingConnectionHandler` or `OutgoingConnectionHandler`.

    Attributes:
        task_name: the name of this handler in every log line; its connections are `NAME[1]`, `NAME[2]`, …
        address: the local interface to listen on, or the remote host.
        port: the local or remote port.
        incoming_queue: where all messages go.
        limits: the bounds of every connection.
        not_logged_in: how many open connections need to log in and have not.
        counters: how often each thing has happened: `accepted` or `connected`, `failed`, and every refusal and
            disconnect by its reason.
    """

    listens: bool
    sends_heartbeats: bool
    """Whether this side asks for a sign of life when it has heard nothing for a while."""

    def __init__(
        self,
        task_name: str,
        address: str,
        port: int,
        incoming_queue: MessageQueue,
        *,
        limits: Limits | None = None,
        ssl_context: ssl.SSLContext | None = None,
    ) -> None:
        if ssl_context is not None and not isinstance(ssl_context, SSLContext):
            raise TypeError(f"ssl_context must be an ssl.SSLContext, not {ssl_context!r}")
        self.task_name = task_name
        self.address = address
        self.port = port
        self.incoming_queue = incoming_queue
        self.limits = limits or Limits()
        self.ssl_context = ssl_context
        self.counters: Counter[str] = Counter()
        self.not_logged_in = 0
        self._connections: set[Connection] = set()
        self._serial = 0
        self._all_closed = Event()
        self._deadlines: tasks.Task | None = None
        self._run: tasks.Task | None = None

    @abstractmethod
    def create_connection_instances(self, sock: gevent.socket.socket, address: Address) -> Instances:
        """Return a new reader, a new writer and a new peer for one connection, in this order.

        Called once for each established connection.

        Args:
            sock: the connected gevent socket.
            address: of the far end.
        """

    @abstractmethod
    def run(self) -> None:
        """Make connections until `stop` is called."""

    @abstractmethod
    def shake_hands(self, sock: gevent.socket.socket, address: Address) -> gevent.socket.socket:
        """Return the socket after its TLS handshake."""

    def listen(self) -> None:
        """Take the local port, if this handler listens.

        Raises:
            OSError: the port is in use.
        """
        return

    @abstractmethod
    def stop_accepting(self) -> None:
        """Make no new connections; open ones go on."""

    @property
    def successors(self) -> Set["ConnectionHandler"]:
        """The handlers that connections of this one may go on with (`ProtocolSwitch`). They belong to it: it ends
        their connections with its own, and nobody else starts or stops them."""
        return frozenset()

    @property
    def connections(self) -> int:
        """How many connections are open."""
        return len(self._connections)

    def start(self) -> None:
        """Run in a task of its own."""
        if self._run is None:
            self._run = tasks.spawn(self.task_name, self.run)

    def on_failure(self, callback: Callable[[tasks.Task], None]) -> None:
        """Have `callback` called with the task that `start` made, if `run` fails in it."""
        if self._run is not None:
            self._run.link_exception(callback)

    def stop(self, seconds: float | None = None) -> None:
        """End every connection politely, within `seconds` (default `Limits.drain_seconds`), then for certain."""
        self.disconnect_all()
        self.wait_closed(self.limits.drain_seconds if seconds is None else seconds)
        for task in (self._run, self._deadlines):
            if task is not None and task is not gevent.getcurrent():
                with tasks.wait_at_most(FORCED_CLOSE_SECONDS):
                    task.kill()
        self._run = self._deadlines = None

    def disconnect_all(self, politely: bool = True) -> None:
        """Ask every connection to end; returns at once."""
        for connection in list(self._connections):
            connection.end(DisconnectReason.SHUTTING_DOWN, politely=politely)

    def wait_closed(self, seconds: float) -> None:
        """Wait until no connection is open; those that are after `seconds` are closed at once.

        A connection whose reader or writer catches even what is to end its task (a bare `except`) is left behind.
        """
        with tasks.wait_at_most(seconds):
            self._wait_until_closed()
        self.disconnect_all(politely=False)
        with tasks.wait_at_most(FORCED_CLOSE_SECONDS):
            self._wait_until_closed()
        for connection in self._connections:
            logger.error("%s: does not end; does its reader or writer catch every exception?", connection.peer.name)

    def _wait_until_closed(self) -> None:
        while self._connections:
            self._all_closed.clear()
            self._all_closed.wait()

    def create_instances(self, sock: gevent.socket.socket, address: Address) -> Instances:
        """Call `create_connection_instances`, check what it returned, and name the peer.

        Raises:
            TypeError: it is not a reader, a writer and a new instance of a subclass of `Peer`, in this order.
        """
        instances = self.create_connection_instances(sock, address)
        check_instances(instances)
        peer = instances[2]
        if peer.serial:
            raise TypeError(f"create_connection_instances must return a new Peer for each connection, not {peer} again")
        self._serial += 1
        peer._name = f"{self.task_name}[{self._serial}]"
        peer._serial = self._serial
        peer._address = address
        return instances

    def opened(self, connection: Connection) -> None:
        """A connection begins. Called by its own task."""
        self._connections.add(connection)
        connection.count_login()
        if self._deadlines is None:
            self._deadlines = tasks.spawn(f"{self.task_name}.deadlines", self._watch_deadlines)
        logger.debug("%s: connected to %s", connection.peer.name, connection.peer.address)

    def closed(self, connection: Connection) -> None:
        """A connection is over and its socket closed. Called by its own task; puts the last message."""
        self._connections.discard(connection)
        connection.count_login(is_open=False)
        if not self._connections:
            self._all_closed.set()
        message = connection.disconnected()
        self.counters[message.reason.value] += 1
        level = self._level_of(connection, message.reason)
        detail = f" ({message.detail})" if message.detail else ""
        if not detail.isprintable():  # the far end may have said it: no line of the log is its to write
            detail = f" ({message.detail!r})"
        logger.log(level, "%s: disconnected: %s%s", message.peer.name, message.reason.value, detail)
        if not connection.intake.announced:
            return
        if isinstance(self.incoming_queue, IncomingQueue):
            self.incoming_queue.put_over_bound(message.peer, (message,))
        else:
            self.incoming_queue.put(message)

    def _level_of(self, connection: Connection, reason: DisconnectReason) -> int:
        """How loudly the end of a connection is logged."""
        return logging.DEBUG if reason in QUIET_REASONS else logging.INFO

    def _watch_deadlines(self) -> None:
        pause = self.deadline_resolution()
        while True:
            gevent.sleep(pause)
            for number, connection in enumerate(list(self._connections), 1):
                self._check(connection)
                if number % CHECKS_BETWEEN_PAUSES == 0:
                    gevent.sleep(0)

    def _check(self, connection: Connection) -> None:
        if connection not in self._connections:
            return  # it ended while others were looked at
        try:
            connection.deadlines.check(time.monotonic())
        except Exception as error:
            logger.exception("%s: failed while encoding a heartbeat", connection.peer.name)
            connection.end(DisconnectReason.INTERNAL_ERROR, f"{type(error).__name__}: {error}", error)

    def deadline_resolution(self) -> float:
        """How often to look at all connections' deadlines, in seconds: keeps the shortest within a tenth.

        It costs about 2 µs a connection. Where there are thousands whose deadlines may be later than that, override it.
        """
        limits = self.limits
        shortest = min(
            seconds
            for seconds in (
                limits.first_message_seconds,
                limits.message_seconds,
                limits.login_seconds,
                limits.idle_seconds,
                limits.heartbeat_seconds,
                limits.outgoing_soft_seconds,
                5.0,
            )
            if seconds > 0
        )
        return max(shortest / 10, 0.01)


def check_instances(instances: Any) -> None:
    """Raises:
    TypeError: not a reader, a writer and an instance of a subclass of `Peer`, in this order.
    """
    expected = ((ConnectionReader, "a ConnectionReader"), (ConnectionWriter, "a ConnectionWriter"), (Peer, "a Peer"))
    if not isinstance(instances, tuple) or len(instances) != len(expected):
        raise TypeError(f"create_connection_instances must return a tuple (reader, writer, peer), not {instances!r}")
    for position, (instance, (kind, name)) in enumerate(zip(instances, expected, strict=True)):
        if not isinstance(instance, kind):
            raise TypeError(
                f"create_connection_instances must return (reader, writer, peer): "
                f"item {position} must be {name}, not {type(instance).__name__}"
            )


def finish_handshake(sock: gevent.ssl.SSLSocket, seconds: float) -> gevent.ssl.SSLSocket:
    """Do the TLS handshake within `seconds` and return `sock`, or close it.

    Raises:
        OSError: it failed or took too long.
    """
    try:
        with gevent.Timeout(seconds, TimeoutError(f"TLS handshake timed out after {seconds:g} s")):
            sock.do_handshake()
    except BaseException:
        sock.close()
        raise
    return sock
