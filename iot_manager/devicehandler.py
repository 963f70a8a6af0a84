"""Connections of devices. What arrives is taken apart in the central task (`iot_manager.dialects`), which knows what it
has asked the device for."""

import enum
from collections import deque
from typing import TYPE_CHECKING, Any

from connhandler import DisconnectReason, IncomingConnectionHandler, Peer, RefusalReason, Timer
from connhandler.raw import RawConnectionReader, RawConnectionWriter
from iot_manager.dialects import Dialect, Part
from iot_manager.rawdialect import RawDialect
from iot_manager.requests import Requests

if TYPE_CHECKING:
    from iot_manager.client import Client
    from iot_manager.events import Event
    from iot_manager.register import Device
    from iot_manager.waiters import Diversion, Waiters


class Received:
    """Bytes of a device."""

    __slots__ = ("data", "peer")

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.peer: Any = None


class Stage(enum.Enum):
    """How far a device has come."""

    ASKED = "asked who it is"
    LOOKED_UP = "its key is looked for"
    CHALLENGED = "asked to prove it"
    ACCEPTED = "accepted"
    GONE = "gone"


class DevicePeer(Peer):
    """One connection of a device. Its attributes belong to the central task.

    Attributes:
        stage: how far it has come.
        dialect: None until it is known.
        first: what came before that.
        probes: how often it was asked who it is, before that.
        device: who it is, once it is accepted.
        info_size: how many bytes it said about itself.
        client: what event handlers are given.
        early: what came while its key was looked for, which stays in flight.
        early_held: how many times.
        events: those that its handlers have not been called for.
        at_work: whether a handler is at one.
        diversion: where its messages go while somebody holds the connection's lock.
        waiters: who waits for its info or its beat.
        requests: those that it has not answered.
        challenge: who it says that it is, its key, and what it must sign.
        timer: until something else is done, when nothing comes from it.
        waiting: what was said to it and is kept apart from what was said before.
        spoken_at: when something was sent last.
        commanded_at: when a command was.
    """

    requires_login = True

    device: "Device"
    client: "Client"
    diversion: "Diversion | None" = None
    waiters: "Waiters | None" = None
    requests: Requests | None = None
    early: "list[Part] | None" = None
    early_held = 0
    events: "deque[Event] | None" = None
    waiting: "deque[tuple[bytes, bool]] | None" = None
    waiting_bytes = 0
    stage = Stage.ASKED
    dialect: Dialect | None = None
    first = b""
    probes = 0
    info_size = 0
    at_work = False
    timer: "Timer | None" = None
    challenge: Any = None
    spoken_at = float("-inf")
    commanded_at = float("-inf")


class DeviceReader(RawConnectionReader):
    def decode(self, data: bytes) -> Received:
        return Received(data)


class DeviceWriter(RawConnectionWriter):
    def __init__(self, sock: Any, peer: DevicePeer) -> None:
        super().__init__(sock)
        self._peer = peer

    def encode(self, message: bytes) -> bytes:
        return message

    def encode_goodbye(self, reason: DisconnectReason, detail: str, exception: BaseException | None) -> bytes:
        dialect = self._peer.dialect
        return dialect.goodbye if dialect is not None else RawDialect.goodbye


class DeviceHandler(IncomingConnectionHandler):
    """Listens for devices.

    Args:
        receive_bytes: how much is read at once.
        refusal: what a device hears for which there is no room.
        incoming: as `IncomingConnectionHandler` takes them.
    """

    sends_heartbeats = False  # Those of this protocol are messages of the central task.

    def __init__(self, *incoming: Any, receive_bytes: int, refusal: bytes, **options: Any) -> None:
        super().__init__(*incoming, **options)
        self._receive_bytes = receive_bytes
        self._refusal = refusal

    def refusal_bytes(self, reason: RefusalReason) -> bytes:
        return self._refusal

    def create_connection_instances(self, sock: Any, address: Any) -> tuple[DeviceReader, DeviceWriter, DevicePeer]:
        reader, peer = DeviceReader(sock), DevicePeer()
        reader.receive_bytes = self._receive_bytes
        return reader, DeviceWriter(sock, peer), peer

    def deadline_resolution(self) -> float:
        """There are many devices, and their deadlines may be late by a fifth: looking at all of them costs more than
        their heartbeats do."""
        return max(super().deadline_resolution(), self.limits.login_seconds / 5)
