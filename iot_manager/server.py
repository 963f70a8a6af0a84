"""The manager's central task: owns all state. Start reading at its two tables: what arrives from a connection, and what
the parts of what a device says mean."""

import logging
import time
from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from typing import Any, Final

from gevent.event import Event as HubEvent

import connhandler
from connhandler import CentralTask, PeerConnected, PeerDisconnected
from connhandler.workers import Pool
from iot_manager.admission import Admission
from iot_manager.client import Client
from iot_manager.commandqueue import CommandQueue
from iot_manager.data import Data
from iot_manager.devicehandler import DevicePeer, Received, Stage
from iot_manager.dialects import DialectName, Kind, Part
from iot_manager.errors import ConnectionEnd
from iot_manager.events import ON_CONNECT, Event, EventDesk, EventHandlers
from iot_manager.exchanges import Exchanges
from iot_manager.flapping import FlappingGuard
from iot_manager.heartbeats import Heartbeats
from iot_manager.keys import DeviceKeys
from iot_manager.limits import Limits
from iot_manager.register import DeviceRegister
from iot_manager.speech import Speech
from iot_manager.waiters import Incoming

SENT_AT_ONCE: Final = 100
"""Then the central task does what else there is."""

HOLD_SECONDS: Final = 0.5
"""How long the raw dialect holds what may be the beginning of something that is expected."""


class DeviceServer(CentralTask):
    """Knows which devices are here, and talks to them.

    Args:
        valid_types: what a device may be.
        handlers: the program's event handlers.
        pool: where they run.
        keys_pool: where a function for keys runs.
        workers: how many handlers run at a time.
        make_client: makes what they are given.
        logger: of the manager.
        limits: the bounds.
        dialect: which the devices speak.
        heartbeat_rate: seconds between two questions whether a device is there.
        heartbeat_timeout: seconds to answer.
        device_keys: who has one.
        keys_required: whether everybody must.
        monotonic: of heartbeats and all else that a corrected wall clock must leave alone.
        central: as `CentralTask` takes them.

    Attributes:
        counters: how often devices were `accepted`, `rejected`, `replaced`, and missed a heartbeat (`silent`).
    """

    def __init__(
        self,
        valid_types: tuple[str, ...],
        handlers: EventHandlers,
        pool: Pool,
        keys_pool: Pool,
        workers: int,
        make_client: Callable[[DevicePeer, Data], Client],
        logger: logging.Logger,
        *,
        limits: Limits,
        dialect: DialectName = "auto",
        heartbeat_rate: float = 60,
        heartbeat_timeout: float = 15,
        device_keys: DeviceKeys | None = None,
        keys_required: bool = False,
        monotonic: Callable[[], float] = time.monotonic,
        **central: Any,
    ) -> None:
        super().__init__("iot_manager", limits=connhandler.Limits(drain_seconds=limits.close_seconds), **central)
        self.shutdown_seconds = limits.close_seconds
        self.counters: Counter[str] = Counter()
        self.devices = DeviceRegister(limits.known_devices, limits.known_bytes)
        self.commands = CommandQueue(limits)
        self.heartbeats = Heartbeats(self, self, monotonic, heartbeat_rate, heartbeat_timeout)
        self._logger = logger
        self._make_client = make_client
        self._monotonic = monotonic
        self._desk = EventDesk(self, handlers, pool, workers, logger)
        self._speech = Speech(self, limits, monotonic)
        self.exchanges = Exchanges(self._speech, self._desk, valid_types, limits, self.new_id)
        self._guard = FlappingGuard(limits.replacements, limits.replacement_seconds, limits.refusal_seconds)
        self._admission = Admission(
            self,
            self,
            self._speech,
            valid_types=valid_types,
            dialect=dialect,
            limits=limits,
            device_keys=device_keys,
            keys_required=keys_required,
            pool=keys_pool,
        )
        self.dispatch = {
            (DevicePeer, PeerConnected): lambda peer, message: self._admission.ask(peer),
            (DevicePeer, Received): self._received,
            (DevicePeer, PeerDisconnected): self._disconnected,
        }
        self._meanings: dict[Kind, Callable[[DevicePeer, bytes], None]] = {
            Kind.INFO: self._info,
            Kind.AUTH: self._auth,
            Kind.BEAT: self._beat,
        }

    # --- asked by the program, as messages --------------------------------------------------------------------------

    def send(self, uuid: str, data: bytes, queue_seconds: float | None = None) -> int | None:
        """Send a message to a device, or keep it for so many seconds if it is away; None if neither was possible.

        Raises:
            ValueError: the device's dialect cannot express it.
        """
        peer = self.devices.peer(uuid)
        if peer is not None:
            return self.send_to(peer, data)
        if queue_seconds is None:
            self._logger.warning("nothing was sent to %r: it is not connected", uuid)
            return None
        if not self.commands.put(uuid, data, self.now, queue_seconds):
            self._logger.warning("nothing was queued for %r: its queue, or that of all, is full", uuid)
            return None
        return len(data)

    def send_to(self, peer: DevicePeer, data: bytes) -> int | None:
        """Send a message to a connected device; return how many bytes, or None if it is gone.

        Raises:
            ValueError: its dialect cannot express it.
        """
        if peer.stage is not Stage.ACCEPTED:
            return None
        if data and not self._speech.say(peer, data):
            return None
        return len(data)

    def send_where(self, data: bytes, device_type: str | None, answer: "Future[int]") -> None:
        """Send a message to all devices, or to all of one type; answer to how many."""
        peers = [peer for peer in self.devices.peers() if device_type in (None, peer.device.data.type)]
        self._send_to_each(peers, 0, data, 0, answer)

    def _send_to_each(self, peers: list[DevicePeer], begin: int, data: bytes, sent: int, answer: "Future[int]") -> None:
        """Send to some, then let others have their turn."""
        end = begin + SENT_AT_ONCE
        for peer in peers[begin:end]:
            try:
                sent += self.send_to(peer, data) is not None
            except ValueError as error:
                self._logger.warning("nothing was sent to %s: %s", peer.device.data.uuid, error)
        if end < len(peers):
            self.post(self._send_to_each, peers, end, data, sent, answer)
        else:
            answer.set_result(sent)

    def request(self, uuid: str, payload: Any, answer: "Future[Any]") -> tuple[DevicePeer, str]:
        """Send a request to a device; return what `Exchanges.stop_waiting` needs.

        Raises:
            ConnectionEnd: it is not connected.
            Exception: as `Exchanges.request`.
        """
        peer = self.devices.peer(uuid)
        if peer is None:
            raise ConnectionEnd(f"{uuid} is not connected")
        return peer, self.exchanges.request(peer, payload, answer)

    def client_data(self) -> list[dict[str, Any]]:
        return [peer.device.data.get() for peer in self.devices.peers()]

    def describe_devices(self) -> list[dict[str, Any]]:
        now = self._clock() if self._stopped else self.now
        return [device.describe(self.commands.count(device.data.uuid, now)) for device in self.devices]

    def end(self, peer: DevicePeer, why: str) -> None:
        """Say goodbye to a device, and close."""
        self._leave(peer, why)
        self._speech.flush(peer)
        peer.disconnect(why)

    def end_by_program(self, peer: DevicePeer) -> None:
        """The same for `Client.end`, which may be called more than once."""
        if peer.stage is Stage.ACCEPTED:
            self.end(peer, "ended by the program")

    # --- life of a connection -----------------------------------------------------------------------------------------

    def on_start(self) -> None:
        self.heartbeats.start()

    def on_shutdown(self) -> HubEvent | None:
        for peer in self.devices.peers():
            self.end(peer, "the manager closes")
        if self._desk.idle:
            return None
        finished = HubEvent()
        self._desk.when_idle = finished.set
        return finished

    def accept(self, peer: DevicePeer, data: Data) -> None:
        """A device has said who it is, and proven it if it must."""
        before = self.devices.peer(data.uuid)
        if before is not None:
            if not self._guard.may_replace(data.uuid, self._monotonic()):
                self.reject(peer, f"{data.uuid} is connected, and was replaced too often: two devices with one UUID?")
                return
            self.counters["replaced"] += 1
            self.end(before, "another connection has its UUID")
        self.counters["accepted"] += 1
        peer.stage = Stage.ACCEPTED
        peer.logged_in = True
        peer.device = self.devices.arrive(data, peer, self.now, peer.info_size)
        peer.client = self._make_client(peer, data)
        self.heartbeats.watch(peer)
        self._logger.info("%s (%s) connected from %s", data.uuid, data.type, peer.address)
        for command in self.commands.take(data.uuid, self.now):
            try:
                self._speech.say(peer, command, apart=True)
            except ValueError as error:
                self._logger.warning("a queued command for %s is lost: %s", data.uuid, error)
        self._desk.add(peer, Event(ON_CONNECT))
        if peer.early is not None:
            early, peer.early = peer.early, None
            self._take(peer, early, held=False)
            self._release_early(peer)

    def reject(self, peer: DevicePeer, reason: str) -> None:
        """Turn away a device that is not accepted yet."""
        self.counters["rejected"] += 1
        self._logger.info("rejected a device from %s: %s", peer.address, reason)
        self._leave(peer, reason)
        peer.disconnect(reason)

    def heartbeat_missed(self, peer: DevicePeer, seconds: float) -> None:
        self.counters["silent"] += 1
        self.end(peer, f"no beat within {seconds:g} s")

    def ask_for_beat(self, peer: DevicePeer) -> None:
        self.exchanges.ask_for_beat(peer)

    def _disconnected(self, peer: DevicePeer, message: PeerDisconnected) -> None:
        why = f"{message.reason.value}{f' ({message.detail})' if message.detail else ''}"
        if peer.stage not in (Stage.ACCEPTED, Stage.GONE):
            self._logger.info("a device from %s has gone without being accepted: %s", peer.address, why)
        self._leave(peer, why)

    def _leave(self, peer: DevicePeer, why: str) -> None:
        stage, peer.stage = peer.stage, Stage.GONE
        self._admission.cancel(peer)
        self._release_early(peer)
        if stage is not Stage.ACCEPTED:
            return
        self.heartbeats.forget(peer)
        self.devices.leave(peer.device)
        self._logger.info("%s disconnected: %s", peer.device.data.uuid, why)
        self.exchanges.end(peer)

    def _release_early(self, peer: DevicePeer) -> None:
        for _ in range(peer.early_held):
            peer.release()
        peer.early, peer.early_held = None, 0

    # --- what a device says -------------------------------------------------------------------------------------------

    def _received(self, peer: DevicePeer, message: Received) -> None:
        data = message.data
        if peer.dialect is None:
            data = self._admission.first_words(peer, data)
        dialect = peer.dialect
        if dialect is None:
            return
        if peer.stage is Stage.ACCEPTED:
            peer.device.last_seen = self.now
        self._take(peer, dialect.receive_data(data), held=True)
        if dialect.error and peer.stage is not Stage.GONE:
            self.reject(peer, dialect.error)
        elif dialect.is_holding:
            self._admission.cancel(peer)
            peer.timer = self.call_later(HOLD_SECONDS, self._give_up_holding, peer)

    def _give_up_holding(self, peer: DevicePeer) -> None:
        peer.timer = None
        if peer.dialect is not None and peer.dialect.is_holding and peer.stage is not Stage.GONE:
            self._take(peer, [Part(Kind.MESSAGE, peer.dialect.give_up_holding())], held=True)

    def _take(self, peer: DevicePeer, parts: Iterable[Part], held: bool) -> None:
        """Act on what was read together.

        Args:
            peer: who said it.
            parts: what it said.
            held: whether it stays in flight until the last message of it is handled.
        """
        last: bytes | None = None
        for part in parts:
            if peer.stage is Stage.LOOKED_UP:
                self._keep_early(peer, part)
            elif peer.stage is Stage.GONE:
                return
            elif part.kind in self._meanings:
                self._meanings[part.kind](peer, part.data)
            elif part.kind is Kind.GOODBYE:
                if last is not None:
                    self._message(peer, Incoming(last, held=False))
                self.end(peer, "it said goodbye")
                return
            elif peer.stage is not Stage.ACCEPTED:
                self.reject(peer, "it says something else before it has proven who it is")
            elif part.kind is not Kind.OBJECT or not self._reply(peer, part.data):
                if last is not None:
                    self._message(peer, Incoming(last, held=False))
                last = part.data
        if peer.early and held:
            peer.hold()
            peer.early_held += 1
        if last is not None:
            if held:
                peer.hold()
            self._message(peer, Incoming(last, held))

    def _keep_early(self, peer: DevicePeer, part: Part) -> None:
        if peer.early is None:
            peer.early = []
        peer.early.append(part)

    def _info(self, peer: DevicePeer, data: bytes) -> None:
        if peer.stage is Stage.ACCEPTED:
            self.exchanges.info(peer, data)
        else:
            self._admission.info(peer, data)

    def _auth(self, peer: DevicePeer, data: bytes) -> None:
        if peer.stage is Stage.CHALLENGED:
            self._admission.auth(peer, data)

    def _beat(self, peer: DevicePeer, data: bytes) -> None:
        self.heartbeats.beat(peer)
        self.exchanges.beat(peer)

    def _reply(self, peer: DevicePeer, data: bytes) -> bool:
        assert peer.requests is not None and peer.dialect is not None
        is_reply = self.exchanges.reply(peer, data)
        peer.dialect.expects_reply = peer.requests.expects_reply
        return is_reply

    def _message(self, peer: DevicePeer, message: Incoming) -> None:
        if peer.waiters is not None and peer.waiters.info:
            peer.waiters.instead = message.data
        self.exchanges.message(peer, message)
