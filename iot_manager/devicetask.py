"""The central task of a program that plays one device or thousands: answers what every device must answer.

    ManagerHandler → incoming queue → [ DeviceTask.handle ] → Peer.send

What a device does with its commands is for subclasses: `came`, `commanded`, `requested`, `went`.
"""

from typing import Any, Final, Generic, TypeVar

import msgspec

from connhandler import CentralTask, PeerConnected, PeerDisconnected
from iot_manager.dialects import HEART
from iot_manager.managerhandler import Challenge, Command, GetInfo, Goodbye, Heart, ManagerPeer, Request
from iot_manager.rawdialect import BEAT

PeerType = TypeVar("PeerType", bound=ManagerPeer)


PATIENCE_SECONDS: Final = 15.0
"""A manager that has not asked within so long who the device is, does not know of the connection: when very many come
at once, its system may drop one that looks open from here (listen(2), tcp(7)). The device then connects anew."""


class DeviceTask(CentralTask, Generic[PeerType]):
    """Says who a device is, answers heartbeats and challenges. One task does for any number of devices."""

    def __init__(self, name: str, *, patience_seconds: float = PATIENCE_SECONDS, **options: Any) -> None:
        super().__init__(name, **options)
        self.patience_seconds = patience_seconds
        self.dispatch = {
            (ManagerPeer, PeerConnected): self.connected,
            (ManagerPeer, GetInfo): self.introduce,
            (ManagerPeer, Challenge): self.prove,
            (ManagerPeer, Heart): self.beat,
            (ManagerPeer, Goodbye): self.bid_farewell,
            (ManagerPeer, Command): self._commanded,
            (ManagerPeer, Request): self._requested,
            (ManagerPeer, PeerDisconnected): self.went,
        }

    # --- for subclasses ---

    def connected(self, peer: PeerType, message: PeerConnected) -> None:
        """There is a connection; the manager does not know whose yet."""
        peer.patience = self.call_later(self.patience_seconds, self._lose_patience, peer)

    def came(self, peer: PeerType) -> None:
        """The device has said who it is and, if it has a key, proven it: from here on the manager listens to it."""

    def commanded(self, peer: PeerType, data: bytes) -> None:
        """The manager's program has sent this."""

    def requested(self, peer: PeerType, request: Request) -> None:
        """The manager's program waits for an answer: `reply` gives it. By default, a request is a command like any
        other."""
        self.commanded(peer, msgspec.json.encode(request))

    def went(self, peer: PeerType, message: PeerDisconnected) -> None:
        """The connection is over; its handler makes another one."""
        _calm(peer)

    # --- what every device does ---

    def introduce(self, peer: PeerType, message: GetInfo) -> None:
        _calm(peer)
        peer.send(peer.identity.info())
        if peer.identity.key is None:
            self._accepted(peer)

    def prove(self, peer: PeerType, challenge: Challenge) -> None:
        """A device without a key says nothing: it has nothing to say, and the manager ends it."""
        answer = peer.identity.answer(challenge.nonce)
        if answer:
            peer.send(answer)
            self._accepted(peer)

    def beat(self, peer: PeerType, message: Heart) -> None:
        peer.send(BEAT if peer.dialect == "raw" else HEART)
        self._accepted(peer)

    def bid_farewell(self, peer: PeerType, message: Goodbye) -> None:
        peer.dismissed_by_manager = True

    def reply(self, peer: PeerType, request: str, payload: Any) -> None:
        """Answer a request.

        Args:
            request: its id.
        """
        peer.send(msgspec.json.encode({"reply": request, "payload": payload}))

    def _lose_patience(self, peer: PeerType) -> None:
        peer.abort(f"the manager has asked nothing for {self.patience_seconds:g} s")

    def _accepted(self, peer: PeerType) -> None:
        """Noticed at the latest when the manager sends what it only sends to those whom it knows."""
        if not peer.accepted:
            peer.accepted = True
            self.came(peer)

    def _commanded(self, peer: PeerType, command: Command) -> None:
        self._accepted(peer)
        self.commanded(peer, command.data)

    def _requested(self, peer: PeerType, request: Request) -> None:
        self._accepted(peer)
        self.requested(peer, request)


def _calm(peer: ManagerPeer) -> None:
    """The manager has asked, or is gone."""
    if peer.patience is not None:
        peer.patience.cancel()
        peer.patience = None
