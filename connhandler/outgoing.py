"""A connection that this side makes, and makes again for ever."""

import logging
import random
import ssl
import time

import gevent
import gevent.socket
import gevent.ssl
from gevent.event import Event

from connhandler import tasks
from connhandler.connection import Address, Connection, run_connection
from connhandler.errors import DisconnectReason
from connhandler.handler import ConnectionHandler, MessageQueue, finish_handshake
from connhandler.limits import Limits
from connhandler.sockets import connect_to_path, is_path, prepare, wrap_tls

logger = logging.getLogger(__name__)


class OutgoingConnectionHandler(ConnectionHandler):
    """Connects to a remote host and port, and again after every failure and every drop, until it is stopped.
    Subclasses implement `create_connection_instances`.

    Each time it waits a random part ("full jitter") of a ceiling that starts at `Limits.retry_seconds`, doubles with
    each failure up to `Limits.max_retry_seconds`, and starts anew after a connection that outlived it: many
    programs that lost the same server do not come back to it at the same moment.

    Args:
        task_name: the name of this handler in every log line.
        address: the remote host: a name or a numeric address; or the full path of a Unix socket.
        port: the remote port; 0 for a Unix socket.
        incoming_queue: where all messages go.
        limits: the bounds of every connection.
        ssl_context: a `ssl.SSLContext` (or `gevent.ssl.SSLContext`) for TLS, or None.
        server_hostname: the name that the far end's certificate must have; default `address`.
        source_address: the local address to connect from; default whichever the system takes.
        random: where the jitter comes from.
    """

    listens = False
    sends_heartbeats = False

    def __init__(
        self,
        task_name: str,
        address: str,
        port: int,
        incoming_queue: MessageQueue,
        *,
        limits: Limits | None = None,
        ssl_context: ssl.SSLContext | None = None,
        server_hostname: str | None = None,
        source_address: str | None = None,
        random: random.Random = random.Random(),  # noqa: B008 - one shared source is what is meant
    ) -> None:
        super().__init__(task_name, address, port, incoming_queue, limits=limits, ssl_context=ssl_context)
        self.server_hostname = server_hostname
        self._source = None if source_address is None else (source_address, 0)
        self._random = random
        self._stopping = Event()
        self._failures = 0
        self._was_open = False

    def start(self, retry_time: float | None = None) -> None:
        """Run in a task of its own; `retry_time` as for `run`."""
        if self._run is None:
            self._stopping.clear()  # here, so that a `stop_accepting` before the task's first step counts
            self._run = tasks.spawn(self.task_name, self._keep_connected, retry_time)

    def run(self, retry_time: float | None = None) -> None:
        """Keep one connection until `stop` is called.

        Args:
            retry_time: the first ceiling of the wait between attempts, in seconds; default `Limits.retry_seconds`.

        Raises:
            TypeError: `create_connection_instances` returned something else than a reader, a writer and a peer.
        """
        self._stopping.clear()
        self._keep_connected(retry_time)

    def _keep_connected(self, retry_time: float | None) -> None:
        first = self.limits.retry_seconds if retry_time is None else retry_time
        ceiling = first
        while not self._stopping.is_set():
            if self._connect_and_live() > ceiling:
                ceiling = first
            wait = self._random.uniform(0, ceiling)
            ceiling = min(ceiling * 2, max(self.limits.max_retry_seconds, first))
            if not self._stopping.is_set():
                logger.debug("%s: next attempt in %.1f s", self.task_name, wait)
                self._stopping.wait(wait)

    def stop(self, seconds: float | None = None) -> None:
        self._stopping.set()
        super().stop(seconds)

    def stop_accepting(self) -> None:
        """Make no new connection; an open one goes on."""
        self._stopping.set()

    def connect(self) -> gevent.socket.socket:
        """Return a new socket that is connected to the far end.

        Raises:
            OSError: there is none.
        """
        if is_path(self.address):
            return connect_to_path(self.address)
        return gevent.socket.create_connection((self.address, self.port), source_address=self._source)

    def opened(self, connection: Connection) -> None:
        self.counters["connected"] += 1
        super().opened(connection)

    def shake_hands(self, sock: gevent.socket.socket, address: Address) -> gevent.socket.socket:
        assert self.ssl_context is not None
        sock.getpeername()  # Raises if the far end is gone already; an SSLSocket would leave the file open then.
        secure = wrap_tls(sock, self.ssl_context, server_hostname=self.server_hostname or self.address)
        secure = finish_handshake(secure, self.limits.handshake_seconds)
        if self._stopping.is_set():
            secure.close()
            raise ConnectionAbortedError("stopped during the TLS handshake")
        return secure

    def _connect_and_live(self) -> float:
        """Return how many seconds the connection lasted; 0 when there was none."""
        try:
            with gevent.Timeout(self.limits.connect_seconds, TimeoutError("connecting timed out")):
                sock = self.connect()
            if self._stopping.is_set():
                sock.close()
                return 0.0
            began = time.monotonic()
            prepare(sock)
            self._was_open = False
            run_connection(self, sock, (self.address, self.port))
        except (OSError, UnicodeError) as error:  # a UnicodeError is what a host name that cannot exist gives
            self.counters["failed"] += 1
            self._log_failure(error)
            return 0.0
        except TypeError:
            raise
        except Exception:
            # A mistake of this program's own: told loudly, and tried again like every failure.
            self.counters["failed"] += 1
            logger.exception("%s: failed while beginning a connection", self.task_name)
            return 0.0
        if not self._was_open:
            self.counters["failed"] += 1
            return 0.0
        self._failures = 0
        return time.monotonic() - began

    def closed(self, connection: Connection) -> None:
        self._was_open = connection.intake.announced
        super().closed(connection)

    def _level_of(self, connection: Connection, reason: DisconnectReason) -> int:
        return super()._level_of(connection, reason) if connection.intake.announced else self._level_of_failure()

    def _level_of_failure(self) -> int:
        """INFO for the first of a row of failures; DEBUG for the others."""
        self._failures += 1
        return logging.INFO if self._failures == 1 else logging.DEBUG

    def _log_failure(self, error: Exception) -> None:
        level = self._level_of_failure()
        place = self.address if is_path(self.address) else f"{self.address}:{self.port}"
        logger.log(level, "%s: no connection to %s: %s", self.task_name, place, error)
