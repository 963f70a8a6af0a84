"""The far end of a connection, as the central task knows it.

socket ← Writer.send ← outgoing queue ← (Framing) ← Writer.encode ← [ Peer.send ]
"""

from typing import TYPE_CHECKING, Any, ClassVar

from connhandler.errors import DisconnectReason, ProtocolError
from connhandler.gate import Gate

if TYPE_CHECKING:
    from connhandler.connection import Connection

Address = Any
"""What `socket.accept` returns as the far end's address: `(host, port)` for IPv4."""


class Peer:
    """The far end of one connection, as the central task knows it. Must be subclassed, be it only by `pass`:
    the class is what tells connections of different handlers apart.

    All methods return at once; they belong to the central task. A subclass may have any attributes of its own but those
    named here.

    Attributes:
        name: `HANDLER[SERIAL]`, the string in every log line about this connection.
        serial: the number of this connection in its handler, from 1.
        address: the far end's socket address.
    """

    requires_login: ClassVar[bool] = False
    """Whether `Limits.login_seconds` and `Limits.max_not_logged_in` hold for connections of this class."""

    dismissed: bool = False
    """Whether this side has ended the connection: none of its messages but `PeerDisconnected` is handled any more."""
    _name: str = "unconnected"
    _serial: int = 0
    _address: Address = None
    _in_flight: int = 0
    """How many of its messages are in the incoming queue; the queue counts down."""
    _room: Gate
    """Where its reader waits when that is as many as may be; the queue opens it."""
    _connection: "Connection | None" = None
    _logged_in: bool = False

    def __new__(cls, *args: Any, **kwargs: Any) -> "Peer":
        if cls is Peer:
            raise TypeError("Peer must be subclassed: its class tells connections of different handlers apart")
        peer = super().__new__(cls)
        peer._room = Gate()
        return peer

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        taken = {"name", "serial", "address", "connected"} & cls.__dict__.keys()
        if taken:
            raise TypeError(f"{cls.__name__}.{', '.join(taken)}: every Peer has this already; find another name")

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name}>"

    # These three are the handler's to set: a program that kept a player's name in `name` would have it in its log
    # lines, line ends and all.

    @property
    def name(self) -> str:
        return self._name

    @property
    def serial(self) -> int:
        return self._serial

    @property
    def address(self) -> Address:
        return self._address

    @property
    def connected(self) -> bool:
        """Whether neither side has begun to end the connection.

        There is no need to ask before `send`, which still reaches a far end that has only finished its own side.
        """
        return self._connection is not None and self._connection.ending is None and not self.dismissed

    @property
    def logged_in(self) -> bool:
        """Whether the far end has proven who it is. The program sets it."""
        return self._logged_in

    @logged_in.setter
    def logged_in(self, logged_in: bool) -> None:
        self._logged_in = logged_in
        if self._connection is not None:
            self._connection.count_login()

    def send(self, message: Any) -> None:
        """Queue a message. Never waits.

        It still goes out while messages that came before the far end's close are handled. After that, and once this
        side has dismissed the peer, this does nothing.

        Raises:
            ValueError: the encoded message is empty or longer than `Limits.max_message_bytes`.
            Exception: whatever `ConnectionWriter.encode` raises for this message.
        """
        if self._connection is not None and not self.dismissed:
            self._connection.send(message)

    @property
    def held_back(self) -> bool:
        """Whether its reader waits, because so much of what came before is in flight: its silence is then ours."""
        return self._connection is not None and self._connection.held_back

    def hold(self) -> None:
        """Keep the message that is being handled in flight until `release`: for work on it that goes on elsewhere.

        So a far end whose messages are worked on more slowly than they come is slowed down by TCP. Call it from the
        message's handler; `Limits` says how many may be in flight.
        """
        self._in_flight += 1  # The queue has just counted it as taken.

    def release(self) -> None:
        """One message that was held is in flight no more."""
        self._in_flight -= 1
        if self._room.waiters:
            self._room.open()

    def disconnect(self, detail: str = "") -> None:
        """Send what is queued, then close. `detail` comes back in `PeerDisconnected`."""
        self.dismissed = True
        if self._connection is not None:
            self._connection.end(DisconnectReason.CLOSED_BY_US, detail)

    def abort(self, detail: str = "") -> None:
        """Close now; what is queued is lost."""
        self.dismissed = True
        if self._connection is not None:
            self._connection.end(DisconnectReason.CLOSED_BY_US, detail, politely=False)

    def fail(self, exception: BaseException) -> None:
        """Disconnect because of an exception: the far end's fault if a `ProtocolError`, else ours."""
        self.dismissed = True
        if self._connection is not None:
            if isinstance(exception, ProtocolError):
                self._connection.end(DisconnectReason.PROTOCOL_ERROR, str(exception), exception)
            else:
                self._connection.end(DisconnectReason.INTERNAL_ERROR, "internal error", exception)
