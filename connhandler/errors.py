"""What can go wrong, told apart by whose fault it is.

`ProtocolError` is the far end's fault: one INFO line, and that connection ends. `ValueError` and
`TypeError` are the caller's. Anything else is a bug and is logged with its traceback.
"""

import enum


class DisconnectReason(enum.StrEnum):
    """Why a connection ended; every `PeerDisconnected` carries one."""

    CLOSED_BY_PEER = "closed by peer"
    CLOSED_BY_US = "closed by us"
    CONNECTION_LOST = "connection lost"
    PROTOCOL_ERROR = "protocol error"
    INTERNAL_ERROR = "internal error"
    SLOW_READER = "slow reader"
    HANDSHAKE_TIMEOUT = "handshake timeout"
    FIRST_MESSAGE_TIMEOUT = "first message timeout"
    MESSAGE_TIMEOUT = "message timeout"
    LOGIN_TIMEOUT = "login timeout"
    IDLE_TIMEOUT = "idle timeout"
    HEARTBEAT_TIMEOUT = "heartbeat timeout"
    SHUTTING_DOWN = "shutting down"
    SWITCHED_PROTOCOLS = "switched protocols"


class RefusalReason(enum.StrEnum):
    """Why a connection was refused before it had a peer; counted by the handler that accepted it."""

    TOO_MANY_CONNECTIONS = "too many connections"
    TOO_MANY_FROM_ADDRESS = "too many connections from one address"
    TOO_MANY_NOT_LOGGED_IN = "too many connections not logged in"
    HANDSHAKE_FAILED = "handshake failed"
    OUT_OF_RESOURCES = "out of resources"


class ProtocolError(Exception):
    """The far end sent something that this protocol does not allow. The text says what and where."""


class ConnectionClosed(EOFError):
    """Raised by `ConnectionReader.receive` when the far end has closed the connection.

    Attributes:
        mid_message: whether it did so in the middle of a message.
        detail: what it said about that, if its protocol lets it say something.
    """

    def __init__(self, mid_message: bool = False, detail: str = "") -> None:
        super().__init__(detail or ("closed in the middle of a message" if mid_message else "closed"))
        self.mid_message = mid_message
        self.detail = str(self) if mid_message else detail


class Busy(Exception):
    """A worker pool's queue is full: the work was not taken; say so to whoever asked for it."""
