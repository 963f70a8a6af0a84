"""Every device that was ever here, as long as there is room: who it is, whether it is connected, when it was heard."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from iot_manager.data import Data

if TYPE_CHECKING:
    from iot_manager.devicehandler import DevicePeer


class Device:
    """One device.

    Attributes:
        data: what it said last about itself.
        address: from where it is connected, or was.
        connected_at: when it was accepted last; in seconds since 1970.
        last_seen: when something came from it last; likewise.
        peer: its connection; None while it is away.
        size: how many bytes it said about itself.
    """

    __slots__ = ("address", "connected_at", "data", "last_seen", "peer", "size")

    def __init__(self, data: Data) -> None:
        self.data = data
        self.address: Any = None
        self.connected_at = self.last_seen = 0.0
        self.peer: DevicePeer | None = None
        self.size = 0

    def describe(self, queued: int) -> dict[str, Any]:
        """Return all about it, as values that JSON knows."""
        return {
            **self.data.get(),
            "connected": self.peer is not None,
            "last_seen": self.last_seen,
            "address": list(self.address[:2]),
            "connected_at": self.connected_at,
            "queued": queued,
        }


class DeviceRegister:
    """Devices by UUID.

    Args:
        most: so many, and whoever has been away for longest is forgotten.
        most_bytes: so much about those who are away; likewise.
    """

    def __init__(self, most: int, most_bytes: int) -> None:
        self._most = most
        self._most_bytes = most_bytes
        self._away_bytes = 0
        self._connected: dict[str, Device] = {}
        self._away: dict[str, Device] = {}
        """Whoever left last stands last."""

    def __len__(self) -> int:
        return len(self._connected) + len(self._away)

    def __iter__(self) -> Iterator[Device]:
        yield from self._connected.values()
        yield from self._away.values()

    def peers(self) -> "list[DevicePeer]":
        """The connections of all that are here."""
        return [device.peer for device in self._connected.values() if device.peer is not None]

    def peer(self, uuid: str) -> "DevicePeer | None":
        device = self._connected.get(uuid)
        return None if device is None else device.peer

    def arrive(self, data: Data, peer: "DevicePeer", now: float, size: int) -> Device:
        """Put down that a device is here now."""
        known = self._away.pop(data.uuid, None)
        self._away_bytes -= known.size if known is not None else 0
        device = known or Device(data)
        device.size = size
        device.data, device.peer, device.address = data, peer, peer.address
        device.connected_at = device.last_seen = now
        self._connected[data.uuid] = device
        self._forget_some()
        return device

    def leave(self, device: Device) -> None:
        """Put down that a device is gone."""
        del self._connected[device.data.uuid]
        device.peer = None
        self._away[device.data.uuid] = device
        self._away_bytes += device.size
        self._forget_some()

    def _forget_some(self) -> None:
        while self._away and (len(self) > self._most or self._away_bytes > self._most_bytes):
            self._away_bytes -= self._away.pop(next(iter(self._away))).size
