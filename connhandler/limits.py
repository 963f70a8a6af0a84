"""The bounds of a connection: everything that a remote end can make grow, in one place.

Every handler takes a `Limits`; every refusal or drop that a bound causes is logged with its reason and
counted in `ConnectionHandler.counters`.
"""

import msgspec

MAX_CHUNK_SIZE = 0xFFFF
"""The largest chunk that a 16-bit length can announce, in bytes."""


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """All bounds that the framework enforces. Times are in seconds, sizes in bytes.

    A time of 0 turns `first_message_seconds`, `message_seconds`, `login_seconds`, `idle_seconds`,
    `heartbeat_seconds` and `outgoing_soft_seconds` off; for the others it means at once.

    Change some of them with `Limits(max_connections=50)`, or from another with
    `msgspec.structs.replace(limits, max_connections=50)`.
    """

    connect_seconds: float = 10.0
    """Outgoing only: name look-up and TCP connect together."""
    handshake_seconds: float = 5.0
    """TLS handshake; and the protocol's own opening handshake, if it has one (`ConnectionReader.open`)."""
    first_message_seconds: float = 5.0
    """Incoming only: from connected until the first whole message. Turn it off for clients that may only listen."""
    message_seconds: float = 10.0
    """From the first byte of a message until its last."""
    login_seconds: float = 30.0
    """Until `Peer.logged_in` is set, for peers whose class says `requires_login`."""
    idle_seconds: float = 60.0
    """Without a whole message received, where the protocol has no heartbeat. Turn it off for clients that may be
    silent."""
    heartbeat_seconds: float = 20.0
    """Where this side sends heartbeats (`ConnectionHandler.sends_heartbeats`): nothing received, or nothing sent,
    until a heartbeat is sent; and between heartbeats."""
    missed_heartbeats: int = 2
    """After so many heartbeats in a row without a whole message received, the connection is dropped."""

    max_message_bytes: int = 1024 * 1024
    """One whole message, in and out."""

    outgoing_soft_bytes: int = 256 * 1024
    """Waiting to be sent to one peer: more than this for `outgoing_soft_seconds`, and it is dropped."""
    outgoing_soft_seconds: float = 10.0
    outgoing_hard_bytes: int = 1024 * 1024
    """Waiting to be sent to one peer: more than this, and it is dropped at once. What one handler says to one peer must
    fit, less what the socket takes at once."""

    in_flight_messages: int = 16
    """From one peer, in the incoming queue; at this number its reader stops reading."""
    in_flight_bytes: int = 256 * 1024
    """A message that is larger is in flight alone. All connections together can have this, or one whole message,
    each in memory: on a small machine, lower `max_connections` or `max_message_bytes`."""
    incoming_queue_messages: int = 10_000
    """In the incoming queue, from all peers together; at this number all readers stop reading."""

    max_connections: int = 10_000
    max_connections_per_address: int = 256
    max_not_logged_in: int = 1_000
    """Connections whose `Peer.requires_login` and are not logged in yet."""
    accept_backlog: int = 4_096

    retry_seconds: float = 1.0
    """Outgoing only: the first back-off; each failure doubles it."""
    max_retry_seconds: float = 30.0
    """Outgoing only: the longest back-off."""

    linger_seconds: float = 5.0
    """How long a connection that this side closes may take to read what was queued for it, and to close too.
    `PeerDisconnected` comes after that; `Peer.abort` does not wait."""
    drain_seconds: float = 10.0
    """How long all connections together may take at shutdown."""

    def __post_init__(self) -> None:
        for field in msgspec.structs.fields(self):
            value = getattr(self, field.name)
            least = 0 if field.type is float or field.name == "missed_heartbeats" else 1
            if not value >= least:
                raise ValueError(f"{field.name} must be {least} or more, not {value}")
        if self.outgoing_hard_bytes < self.max_message_bytes:
            raise ValueError(
                f"outgoing_hard_bytes ({self.outgoing_hard_bytes}) must not be less than max_message_bytes "
                f"({self.max_message_bytes}): no message of that size could be sent"
            )
