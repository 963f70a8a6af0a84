"""Everything that devices, and a program that does not look after them, can make grow has its bound here."""

from typing import Final

from msgspec import Struct, structs

import connhandler

MAX_MESSAGE_BYTES: Final = 1024 * 1024
"""To a device, in the raw dialect."""


class Limits(Struct, frozen=True, kw_only=True):
    """All bounds of a manager. Times are in seconds, sizes in bytes.

    Change some of them with `Limits(max_connections=50)`.
    """

    max_connections: int = 20_000
    max_connections_per_address: int = 20_000
    """Thousands of devices may sit behind one gateway; lower it where they do not."""
    max_not_identified: int = 5_000
    """Connections that have not said yet who they are, or not proven it."""
    handshake_seconds: float = 15.0
    """From connected until accepted; TLS before that has as long again."""
    detection_seconds: float = 1.0
    """With `dialect="auto"`: how long to wait for an answer in one dialect before asking in the other."""
    info_bytes: int = 16 * 1024
    """What a device says about itself: UUID, type and data."""

    receive_bytes: int = 16 * 1024
    """What is read at once. In the raw dialect, a message is never longer."""
    backlog_messages: int = 16
    """From one device, read and not handled yet, each as long as what was read at once; then its socket is not read."""
    backlog_bytes: int = 64 * 1024

    outgoing_soft_bytes: int = 64 * 1024
    """Waiting for one device: more than this for `outgoing_soft_seconds`, and it is dropped."""
    outgoing_soft_seconds: float = 10.0
    outgoing_hard_bytes: int = 1024 * 1024
    """Waiting for one device: more than this, and it is dropped at once."""
    raw_gap_seconds: float = 0.05
    """In the raw dialect: how far commands of the manager are kept apart from what is sent before and after them. 0 for
    not at all."""

    known_devices: int = 50_000
    """Remembered, with those that are away; whoever has been away for longest is forgotten first."""
    known_bytes: int = 64 * 1024 * 1024
    """What those that are away have said about themselves, likewise."""
    queued_per_device: int = 100
    """Commands for a device that is away."""
    queued_bytes_per_device: int = 64 * 1024
    queued_in_all: int = 50_000
    queued_bytes_in_all: int = 16 * 1024 * 1024
    max_queue_seconds: float = 7 * 24 * 3600.0
    requests_per_device: int = 100
    """Requests that one device has not answered yet."""
    calls_for_keys: int = 10_000
    """Waiting for a `device_keys` function."""

    replacements: int = 5
    """In `replacement_seconds`, of a connected device by another of the same UUID; then it is refused."""
    replacement_seconds: float = 60.0
    refusal_seconds: float = 60.0

    linger_seconds: float = 2.0
    """How long a connection that the manager ends may take to read what was sent to it."""
    close_seconds: float = 5.0
    """How long `close` waits for handlers and devices, each."""

    def __post_init__(self) -> None:
        for field in structs.fields(self):
            value = getattr(self, field.name)
            least = 0 if field.type is float else 1
            if not value >= least:
                raise ValueError(f"{field.name} must be {least} or more, not {value}")
        if self.backlog_bytes < self.receive_bytes:
            raise ValueError(f"backlog_bytes must be at least receive_bytes ({self.receive_bytes})")

    def of_connections(self, accept_backlog: int) -> connhandler.Limits:
        """Return those that the framework enforces."""
        return connhandler.Limits(
            handshake_seconds=self.handshake_seconds,
            login_seconds=self.handshake_seconds,
            first_message_seconds=0,
            message_seconds=0,
            idle_seconds=0,
            heartbeat_seconds=0,
            max_message_bytes=min(self.outgoing_hard_bytes, MAX_MESSAGE_BYTES),
            outgoing_soft_bytes=self.outgoing_soft_bytes,
            outgoing_soft_seconds=self.outgoing_soft_seconds,
            outgoing_hard_bytes=self.outgoing_hard_bytes,
            in_flight_messages=self.backlog_messages,
            in_flight_bytes=self.backlog_bytes,
            max_connections=self.max_connections,
            max_connections_per_address=self.max_connections_per_address,
            max_not_logged_in=self.max_not_identified,
            accept_backlog=accept_backlog,
            linger_seconds=self.linger_seconds,
            drain_seconds=self.close_seconds,
        )
