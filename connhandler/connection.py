"""The life of a connection, whatever its transport, told from top to bottom.

    socket → Reader.receive (Framing) → Reader.decode → incoming queue → CentralTask.handle
    socket ← Writer.send ← outgoing queue ← (Framing) ← Writer.encode ← Peer.send

1. A handler accepts or makes a socket and calls `run_connection` in a task of its own: the one task that an
   idle connection costs.
2. With an `ssl_context`, the TLS handshake comes first, here and not in the accept loop.
3. The handler's `create_connection_instances` makes the reader, the writer and the peer. Once. A protocol with an
   opening handshake of its own has it now (`ConnectionReader.open`); a connection that fails here is never announced.
4. `PeerConnected` goes into the incoming queue: the first message of this connection.
5. Each whole message is received, decoded, given its `peer`, and put. The queue takes so many of one
   connection and no more: then this task waits, the socket fills, and TCP slows the far end down.
6. It ends in one of the ways of `DisconnectReason`: the far end closed, the bytes were bad, a deadline passed,
   the central task asked for it. The first way to come is the reason.
7. What was said to the far end before that still goes out, within `Limits.linger_seconds`.
8. The socket is closed, and `PeerDisconnected` goes into the queue: the last message, with the reason.

A reader that finds that the far end wants to speak another protocol from here on raises `ProtocolSwitch`: then the
socket stays open in step 8, and another handler lives a new connection on it from step 3.

Invariants that live here (each has a test of this name in `tests/connhandler/test_invariants.py`):

* The central task never waits for a peer: `Peer.send` puts and returns; a peer that does not read is bounded in
  bytes and in time, then dropped alone.
* PeerConnected first, PeerDisconnected last, each exactly once; replies queued before a disconnect go out.
* Bad bytes cost that peer, never the central task, never another peer.
* Everything that a remote end can make grow has a bound.
"""

import logging
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import gevent
import gevent.socket
import msgspec

from connhandler.deadlines import Deadlines
from connhandler.errors import ConnectionClosed, DisconnectReason, ProtocolError
from connhandler.intake import Intake
from connhandler.messages import PeerDisconnected
from connhandler.outbox import Outbox
from connhandler.peer import Address, Peer
from connhandler.reader import ConnectionReader
from connhandler.sockets import close_now, end_politely
from connhandler.writer import ConnectionWriter, StreamConnectionWriter

if TYPE_CHECKING:
    from connhandler.handler import ConnectionHandler

__all__ = [
    "Address",
    "Connection",
    "ConnectionReader",
    "ConnectionWriter",
    "Peer",
    "ProtocolSwitch",
    "StreamConnectionWriter",
    "run_connection",
]

logger = logging.getLogger(__name__)

QUIET_REASONS = {
    DisconnectReason.CLOSED_BY_PEER,
    DisconnectReason.CLOSED_BY_US,
    DisconnectReason.SHUTTING_DOWN,
    DisconnectReason.SWITCHED_PROTOCOLS,
}


class ProtocolSwitch(Exception):
    """Raised by `ConnectionReader.receive`: from here on, the far end speaks another protocol on this socket.

    Args:
        successor: the handler of that protocol. It need not listen itself.
        received: what was read of it already.
    """

    def __init__(self, successor: "ConnectionHandler", received: bytes) -> None:
        super().__init__(f"goes on as a connection of {successor.task_name}")
        self.successor = successor
        self.received = received


def run_connection(
    handler: "ConnectionHandler", sock: gevent.socket.socket, address: Address, received: bytes | None = None
) -> None:
    """Live one connection from its socket to its `PeerDisconnected`. Runs in a task of its own.

    Args:
        handler: whose connection it is.
        sock: connected; closed when this returns.
        address: of the far end.
        received: None for a new socket; what was read of this protocol already, for one that has switched to it.

    Raises:
        TypeError: `create_connection_instances` returned something else than a reader, a writer and a peer.
    """
    if handler.ssl_context is not None and received is None:
        try:
            sock = handler.shake_hands(sock, address)
        except BaseException:
            close_now(sock)
            raise
    # What comes next may last for days: nothing of what was before is kept for it.
    while (following := _run_until_switch(handler, sock, address, received)) is not None:
        handler, received = following
        handler.counters["accepted"] += 1


def _run_until_switch(
    handler: "ConnectionHandler", sock: gevent.socket.socket, address: Address, received: bytes | None
) -> "tuple[ConnectionHandler, bytes] | None":
    """Return who goes on with this socket, and with which bytes; None once it is closed."""
    try:
        connection = Connection(handler, sock, handler.create_instances(sock, address), received or b"")
    except BaseException:
        close_now(sock)
        raise
    peer = connection.peer
    peer._connection = connection
    handler.opened(connection)
    try:
        connection.read()
        connection.finish(handler.limits.linger_seconds)
    finally:
        connection.outbox.close()
        if connection.switch is None:
            close_now(sock, reset=not connection.politely)
        peer._connection = None
        handler.closed(connection)
        connection.forget()
    if connection.switch is None:
        return None
    return connection.switch.successor, connection.switch.received


class _Ended(BaseException):
    """Thrown into the connection's task when the connection is to end."""


class Connection:
    """The state of one connection. Its own task runs `read`; everything else returns at once."""

    __slots__ = (
        "_counted_as_not_logged_in",
        "_encode",
        "_frame",
        "_lingering",
        "_reading",
        "_switch",
        "deadlines",
        "detail",
        "ending",
        "exception",
        "handler",
        "intake",
        "outbox",
        "peer",
        "politely",
        "reader",
        "sealed",
        "sock",
        "switch",
        "task",
        "writer",
    )

    def __init__(
        self,
        handler: "ConnectionHandler",
        sock: gevent.socket.socket,
        instances: tuple[ConnectionReader, ConnectionWriter, Peer],
        received: bytes,
    ) -> None:
        self.handler = handler
        self.sock = sock
        self.reader, self.writer, self.peer = instances
        self.reader.limits = self.writer.limits = handler.limits
        self.reader.already_received = received
        self.ending: DisconnectReason | None = None
        self.detail = ""
        self.exception: BaseException | None = None
        self.politely = True
        self.sealed = False
        self.switch: ProtocolSwitch | None = None
        self._switch: ProtocolSwitch | None = None
        self.task = gevent.getcurrent()
        self.intake = Intake(self.reader, self.peer, handler.incoming_queue, handler.limits)
        self.deadlines = Deadlines(self)
        self._encode = self.writer.encode
        self._frame: Callable[[bytes], bytes] | None = None
        if isinstance(self.writer, StreamConnectionWriter) and (
            type(self.writer).send is StreamConnectionWriter.send  # whoever overrides it means it to be used
        ):
            self._frame = self.writer.frame
        self.outbox = Outbox(
            self.peer.name,
            sock,
            handler.limits,
            self.writer.send if self._frame is None else None,
            self._sending_failed,
            self.reads_too_slowly,
        )
        if self._frame is not None:
            self.reader.reply = self.outbox.put
        self._lingering = False
        self._reading = False
        self._counted_as_not_logged_in = False

    @property
    def awaits_login(self) -> bool:
        return self.peer.requires_login and not self.peer.logged_in

    @property
    def held_back(self) -> bool:
        return self.intake.held

    def count_login(self, is_open: bool = True) -> None:
        """Keep the handler's count of connections that are not logged in."""
        counts = is_open and self.awaits_login
        self.handler.not_logged_in += counts - self._counted_as_not_logged_in
        self._counted_as_not_logged_in = counts

    def read(self) -> None:
        """Receive, decode and put until the connection ends; return with `ending` set."""
        try:
            self._reading = True
            self._open()
            self.intake.announce()
            while True:
                burst = self.reader.receive_burst()
                self.deadlines.heard()
                self.intake.take(burst)
        except _Ended:
            pass
        except ConnectionClosed as error:
            self._set_ending(DisconnectReason.CLOSED_BY_PEER, error.detail, None)
        except ProtocolSwitch as switch:
            self._switch = switch
            self._set_ending(DisconnectReason.SWITCHED_PROTOCOLS, str(switch), None)
        except (ProtocolError, UnicodeDecodeError, msgspec.MsgspecError) as error:
            self._set_ending(DisconnectReason.PROTOCOL_ERROR, str(error), error)
        except OSError as error:
            self._set_ending(DisconnectReason.CONNECTION_LOST, str(error), error)
            self.politely = False
        except (Exception, gevent.Timeout) as error:
            logger.exception("%s: failed while receiving", self.peer.name)
            self._set_ending(DisconnectReason.INTERNAL_ERROR, f"{type(error).__name__}: {error}", error)
        finally:
            self._reading = False
            if self.ending is None:  # the task was killed
                self._set_ending(DisconnectReason.CLOSED_BY_US, "killed", None)
                self.politely = False

    def send(self, message: Any) -> None:
        if not self.sealed:
            self.send_encoded(self._encode(message))

    def send_encoded(self, data: bytes) -> None:
        """Queue one encoded message.

        Raises:
            ValueError: it is longer than `Limits.max_message_bytes`, or the format cannot express it.
        """
        if len(data) > self.handler.limits.max_message_bytes:
            raise ValueError(
                f"a message of {len(data)} bytes, where max_message_bytes is {self.handler.limits.max_message_bytes}"
            )
        self.outbox.put(data if self._frame is None else self._frame(data))

    def end(
        self,
        reason: DisconnectReason,
        detail: str = "",
        exception: BaseException | None = None,
        politely: bool = True,
    ) -> None:
        """Ask the connection's task to end it. The first reason stays; a later call can only hurry it."""
        self._set_ending(reason, detail, exception)
        if not politely:
            self.politely = False
            self.outbox.close()
            self.intake.hurry()
        gevent.get_hub().loop.run_callback(self._interrupt)

    def reads_too_slowly(self, size: int) -> None:
        """Drop the far end: so many bytes have waited for it for too long."""
        self.end(DisconnectReason.SLOW_READER, f"{size} bytes waited to be read", politely=False)

    def finish(self, seconds: float) -> None:
        """Let what was queued, and the protocol's last message, go out; then end our side. At most `seconds`."""
        deadline = time.monotonic() + seconds
        if self.politely:
            self.intake.wait_until_taken(seconds)
        self.sealed = True
        if self.ending is not DisconnectReason.SWITCHED_PROTOCOLS and (
            self.ending is not DisconnectReason.CLOSED_BY_PEER or self.writer.answers_close
        ):
            self._say_goodbye()
        if self.politely and self.outbox.drain(deadline - time.monotonic()):
            if self.ending is DisconnectReason.SWITCHED_PROTOCOLS:
                self.switch = self._switch
            else:
                self._linger(deadline - time.monotonic())

    def disconnected(self) -> PeerDisconnected:
        """The connection's last message."""
        assert self.ending is not None
        return PeerDisconnected(self.peer, self.ending, self.detail, self.exception, self.reader.close_code)

    def forget(self) -> None:
        """Let go of all that knows this connection: else only a run of the garbage collector would free it."""
        del self.deadlines
        self.outbox.forget()
        error, self.exception = self.exception, None
        if self.ending is DisconnectReason.PROTOCOL_ERROR:
            while error is not None:  # Where in our code the far end's mistake was noticed is of no use to anybody.
                error.__traceback__ = None
                error = error.__context__

    def _open(self) -> None:
        if type(self.reader).open is ConnectionReader.open:
            return
        seconds = self.handler.limits.handshake_seconds
        timeout = gevent.Timeout.start_new(seconds)
        try:
            self.reader.open()
        except gevent.Timeout as caught:
            if caught is not timeout:
                raise
            self._set_ending(DisconnectReason.HANDSHAKE_TIMEOUT, f"handshake timeout after {seconds:g} s", None)
            raise _Ended from None
        finally:
            timeout.close()
        self.deadlines.heard()

    def _linger(self, seconds: float) -> None:
        try:
            self._lingering = True
            end_politely(self.sock, seconds)
        except _Ended:
            pass
        finally:
            self._lingering = False

    def _say_goodbye(self) -> None:
        if not self.politely or self.ending is None:
            return
        try:
            ours = self.ending is DisconnectReason.INTERNAL_ERROR
            detail = "internal error" if ours else self.detail  # what went wrong here is not for the far end
            data = self.writer.encode_goodbye(self.ending, detail, self.exception)
            if data:
                self.send_encoded(data)
        except Exception:
            logger.exception("%s: failed to encode the goodbye", self.peer.name)

    def _set_ending(self, reason: DisconnectReason, detail: str, exception: BaseException | None) -> None:
        if self.ending is None:
            self.ending, self.detail, self.exception = reason, detail, exception

    def _interrupt(self) -> None:
        if self._reading or (self._lingering and not self.politely):
            self._reading = self._lingering = False
            self.task.throw(_Ended)

    def _sending_failed(self, error: BaseException) -> None:
        if not isinstance(error, OSError):
            logger.error("%s: failed while sending", self.peer.name, exc_info=error)
        self.end(DisconnectReason.CONNECTION_LOST, str(error), error, politely=False)
