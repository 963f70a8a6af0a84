"""Connections that the far ends make: listen, accept, and live each connection in a task of its own."""

import errno
import logging
import socket
import ssl
from collections import Counter
from pathlib import Path
from typing import Any

import gevent
import gevent.socket
import gevent.ssl

from connhandler import tasks
from connhandler.connection import Address, Connection, run_connection
from connhandler.errors import RefusalReason
from connhandler.handler import ConnectionHandler, MessageQueue, finish_handshake
from connhandler.limits import Limits
from connhandler.refusals import RefusalLog
from connhandler.sockets import is_path, listen_on_path, prepare, send_now, wrap_tls

logger = logging.getLogger(__name__)

OUT_OF_RESOURCES = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}
ACCEPT_PAUSE_SECONDS = 0.1
ACCEPTS_BETWEEN_PAUSES = 100


class _Refused(Exception):
    def __init__(self, reason: RefusalReason) -> None:
        super().__init__(reason.value)
        self.reason = reason


class IncomingConnectionHandler(ConnectionHandler):
    """Listens on a local interface and port. Subclasses implement `create_connection_instances`.

    Args:
        task_name: the name of this handler in every log line.
        address: the local interface: `"127.0.0.1"`, `"0.0.0.0"`, `"::"`, …; or the full path of a Unix socket, which
            this user alone may connect to until somebody changes its mode, and which goes when nobody listens any more.
        port: the local port; 0 takes a free one, and `listen` stores its number in `port`. 0 for a Unix socket.
        incoming_queue: where all messages go.
        limits: the bounds of every connection.
        ssl_context: a `ssl.SSLContext` (or `gevent.ssl.SSLContext`) for TLS, or None.
    """

    listens = True
    sends_heartbeats = True

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
        super().__init__(task_name, address, port, incoming_queue, limits=limits, ssl_context=ssl_context)
        self._listener: gevent.socket.socket | None = None
        self._open = 0
        self._open_from: Counter[str] = Counter()
        self._beginning: set[Any] = set()
        self._refusals = RefusalLog(self.task_name, self.counters)

    def listen(self) -> None:
        """Bind and listen; does nothing when already listening.

        Raises:
            OSError: the port is in use, or the address not one of this machine.
        """
        if self._listener is not None:
            return
        if is_path(self.address):
            self._listen_on_path()
            return
        family = socket.AF_INET6 if ":" in self.address else socket.AF_INET
        listener = gevent.socket.socket(family, socket.SOCK_STREAM)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((self.address, self.port))
            listener.listen(self.limits.accept_backlog)
        except OSError as error:
            listener.close()
            raise OSError(
                error.errno, f"{self.task_name}: cannot listen on {self.address}:{self.port}: {error.strerror}"
            ) from error
        self.port = listener.getsockname()[1]
        self._listener = listener
        logger.info("%s: listening on %s:%s", self.task_name, self.address, self.port)

    def _listen_on_path(self) -> None:
        try:
            self._listener = listen_on_path(self.address, self.limits.accept_backlog)
        except OSError as error:
            why = f"{self.task_name}: cannot listen on {self.address}: {error.strerror or error}"
            raise OSError(error.errno, why) from error
        logger.info("%s: listening on %s", self.task_name, self.address)

    def start(self) -> None:
        """Listen now, so that a port in use is raised here, and accept in a task of its own."""
        self.listen()
        super().start()

    def run(self) -> None:
        """Accept connections until `stop_accepting` or `stop` is called."""
        self.listen()
        listener = self._listener
        assert listener is not None
        accepted = 0
        while self._listener is listener:
            try:
                sock, address = listener.accept()
            except OSError as error:
                if self._listener is not listener:
                    return
                self._accept_failed(error)
                continue
            self._accepted(sock, address or (self.address, 0))  # Who connects to a path mostly has none.
            accepted += 1
            if accepted % ACCEPTS_BETWEEN_PAUSES == 0:
                gevent.sleep(0)  # A storm of connections must not hold the hub.

    def stop_accepting(self) -> None:
        """Close the listening socket; open connections go on, those that still shake hands do not."""
        if self._listener is not None:
            listener, self._listener = self._listener, None
            listener.close()
            if is_path(self.address):
                Path(self.address).unlink(missing_ok=True)
        if self._run is not None and self._run is not gevent.getcurrent():
            self._run.kill()
            self._run = None
        gevent.sleep(0)  # Whatever was accepted just now begins, so that it can be ended.
        gevent.killall(list(self._beginning))

    def stop(self, seconds: float | None = None) -> None:
        self.stop_accepting()
        super().stop(seconds)

    def refusal_bytes(self, reason: RefusalReason) -> bytes:
        """Return what to send, as it is, on a connection that is refused before it has a peer."""
        return b""

    def shake_hands(self, sock: gevent.socket.socket, address: Address) -> gevent.socket.socket:
        assert self.ssl_context is not None
        sock.getpeername()  # Raises if the far end is gone already; an SSLSocket would leave the file open then.
        secure = wrap_tls(sock, self.ssl_context, server_side=True)
        secure = finish_handshake(secure, self.limits.handshake_seconds)
        if self.not_logged_in >= self.limits.max_not_logged_in:  # Others came while these hands were shaken.
            secure.close()
            raise _Refused(RefusalReason.TOO_MANY_NOT_LOGGED_IN)
        return secure

    def opened(self, connection: Connection) -> None:
        self._beginning.discard(connection.task)
        super().opened(connection)

    def _accepted(self, sock: gevent.socket.socket, address: Address) -> None:
        host = address[0]
        if self._open >= self.limits.max_connections:
            self._refuse(sock, address, RefusalReason.TOO_MANY_CONNECTIONS)
        elif self._open_from[host] >= self.limits.max_connections_per_address:
            self._refuse(sock, address, RefusalReason.TOO_MANY_FROM_ADDRESS)
        else:
            self.counters["accepted"] += 1
            self._open += 1
            self._open_from[host] += 1
            tasks.spawn(f"{self.task_name}[{host}:{address[1]}]", self._live, sock, address)

    def _live(self, sock: gevent.socket.socket, address: Address) -> None:
        self._beginning.add(gevent.getcurrent())
        try:
            if self.not_logged_in >= self.limits.max_not_logged_in:
                raise _Refused(RefusalReason.TOO_MANY_NOT_LOGGED_IN)
            prepare(sock)
            run_connection(self, sock, address)
        except _Refused as refused:
            self._refuse(sock, address, refused.reason)
        except OSError as error:
            self._refusals.add(address, RefusalReason.HANDSHAKE_FAILED, str(error))
        finally:
            self._beginning.discard(gevent.getcurrent())
            host = address[0]
            self._open -= 1
            self._open_from[host] -= 1
            if not self._open_from[host]:
                del self._open_from[host]

    def _accept_failed(self, error: OSError) -> None:
        if error.errno in OUT_OF_RESOURCES:
            self._refusals.add(None, RefusalReason.OUT_OF_RESOURCES, str(error))
            gevent.sleep(ACCEPT_PAUSE_SECONDS)
        else:
            # The far end was gone before we came to it (accept(2), "Error handling").
            logger.debug("%s: accept failed: %s", self.task_name, error)

    def _refuse(self, sock: gevent.socket.socket, address: Address, reason: RefusalReason) -> None:
        self._refusals.add(address, reason)
        try:
            data = self.refusal_bytes(reason)
            if data and self.ssl_context is None:
                send_now(sock, data)
        except OSError:
            pass  # It is being refused; whether it hears why is up to it.
        sock.close()
