"""The simulated devices: one central task for all of them, one connection handler for each.

    ManagerHandler (N of them) → incoming queue → [ SimulatedFleet.handle ] → Peer.send

The life of a run: the ramp-up, in which the devices connect one after the other; the steady part, which begins when all
have been connected once and in which some may fall silent or flap; the end, after the time that was asked for.
"""

import logging
import random
import time
from collections.abc import Callable, Sequence
from typing import Any, Final

from gevent.event import Event

from connhandler import IncomingQueue, Limits, PeerConnected, PeerDisconnected, tasks
from connhandler.connection import Address
from connhandler.handler import Instances
from iot_manager.devicetask import DeviceTask
from iot_manager.managerhandler import Heart, ManagerHandler, ManagerPeer, Request
from iot_manager.simulate.config import Configuration
from iot_manager.simulate.figures import Figures

logger = logging.getLogger(__name__)

STEP_SECONDS: Final = 0.05
"""How often devices begin to connect, and messages go out."""

RAMP_PATIENCE_SECONDS: Final = 30.0
"""So long after the last device began to connect, the run goes on without those that could not."""

READING: Final = b'{"reading": 21.5}'


class SimulatedPeer(ManagerPeer):
    """The manager, as one of the devices sees it."""

    def __init__(self, device: "SimulatedDevice") -> None:
        super().__init__(device.identity, device.dialect)
        self.device = device


class SimulatedDevice(ManagerHandler):
    """One device and its connection.

    Attributes:
        peer: while the manager knows it.
        ever_connected: whether it ever did.
        began_at: when it last began to talk with the manager; monotonic, as all times here.
        silent_since: when it fell silent; None while it answers.
        flaps: whether it closes its connection again and again.
    """

    peer: SimulatedPeer | None = None
    ever_connected = False
    began_at = 0.0
    silent_since: float | None = None
    flaps = False

    def create_connection_instances(self, sock: Any, address: Address) -> Instances:
        reader, writer, _ = super().create_connection_instances(sock, address)
        return reader, writer, SimulatedPeer(self)


class SimulatedFleet(DeviceTask[SimulatedPeer]):
    """All devices of a run.

    Args:
        create: makes the devices, given the queue that they are to put into.
        configuration: of the run.
        ended: called when the time is up.
        watch: called with the number of devices that were connected once, whenever it grows.
    """

    def __init__(
        self,
        create: Callable[[IncomingQueue], Sequence[SimulatedDevice]],
        configuration: Configuration,
        ended: Callable[[], None],
        watch: Callable[[int], None] = lambda count: None,
    ) -> None:
        super().__init__("devices", random=random.Random(configuration.seed), limits=Limits(drain_seconds=20.0))
        self.configuration = configuration
        self.devices = create(self.queue)
        self.figures = Figures(len(self.devices))
        self._ended = ended
        self._watch = watch
        self._begun = 0
        self._began_at = 0.0
        self._steady_at: float | None = None
        self._ending = False
        self._due_messages = 0.0

    # --- the run ---

    def on_start(self) -> None:
        self._began_at = time.monotonic()
        self._begin_some()

    def on_shutdown(self) -> Event:
        """End all connections, as devices that are switched off in order."""
        self._ending = True
        if self._steady_at is not None:
            self.figures.steady_seconds = time.monotonic() - self._steady_at
        finished = Event()
        for device in self.devices:
            device.stop_accepting()
            device.disconnect_all()
        tasks.spawn(f"{self.name}.end", self._stop_all, finished)
        return finished

    def _stop_all(self, finished: Event) -> None:
        for device in self.devices:
            device.stop()
        finished.set()

    def _begin_some(self) -> None:
        due = min(int((time.monotonic() - self._began_at) * self.configuration.connect_rate) + 1, len(self.devices))
        for device in self.devices[self._begun : due]:
            device.start()
        self._begun = max(self._begun, due)
        if self._ending:
            return
        if self._begun < len(self.devices):
            self.call_later(STEP_SECONDS, self._begin_some)
        else:
            self.call_later(RAMP_PATIENCE_SECONDS, self._become_steady)

    def _become_steady(self) -> None:
        if self._steady_at is not None:
            return
        configuration = self.configuration
        self._steady_at = time.monotonic()
        logger.info("%s: %d of %d have been connected", self.name, self.figures.ever_connected, len(self.devices))
        self.figures.ramp_seconds = self._steady_at - self._began_at
        chosen = self.random.sample(self.devices, configuration.silent + configuration.flap)
        flapping, silent = chosen[: configuration.flap], chosen[configuration.flap :]
        for device in flapping:
            device.flaps = True
            # Not all at once, and not always in the same order.
            self.call_later(self.random.uniform(0, configuration.flap_seconds), self._flap, device)
        for number, device in enumerate(silent):
            self.call_later(
                configuration.after + configuration.silent_over * number / len(silent), self._silence, device
            )
        if configuration.rate:
            self.call_later(STEP_SECONDS, self._send_some, self._steady_at)
        self.call_later(configuration.seconds, self._ended)

    def _send_some(self, last_at: float) -> None:
        now = time.monotonic()
        self._due_messages += (now - last_at) * self.configuration.rate * len(self.devices)
        due = int(self._due_messages)
        self._due_messages -= due
        for device in self.random.choices(self.devices, k=due):
            if device.peer is not None and device.silent_since is None:
                device.peer.send(READING)
                self.figures.counts["messages"] += 1
        if not self._ending:
            self.call_later(STEP_SECONDS, self._send_some, now)

    def _silence(self, device: SimulatedDevice) -> None:
        """As if its power had been cut: nothing comes from it any more, and its connection stays open."""
        if device.peer is not None:
            device.silent_since = time.monotonic()
            device.stop_accepting()  # It does not come back.
            self.figures.silent += 1

    def _flap(self, device: SimulatedDevice) -> None:
        if self._ending:
            return
        if device.peer is not None:
            self.figures.flaps += 1
            device.peer.disconnect("flaps")
        self.call_later(self.configuration.flap_seconds, self._flap, device)

    # --- one device ---

    def connected(self, peer: SimulatedPeer, message: PeerConnected) -> None:
        super().connected(peer, message)
        peer.device.began_at = time.monotonic()

    def came(self, peer: SimulatedPeer) -> None:
        device, figures = peer.device, self.figures
        device.peer = peer
        figures.counts["connections"] += 1
        figures.connecting.add(time.monotonic() - device.began_at)
        figures.connected += 1
        figures.most_connected = max(figures.most_connected, figures.connected)
        if not device.ever_connected:
            device.ever_connected = True
            figures.ever_connected += 1
            self._watch(figures.ever_connected)
            if figures.ever_connected == len(self.devices):
                self._become_steady()

    def beat(self, peer: SimulatedPeer, message: Heart) -> None:
        if peer.device.silent_since is None:
            super().beat(peer, message)
            self.figures.counts["beats"] += 1

    def commanded(self, peer: SimulatedPeer, data: bytes) -> None:
        self.figures.counts["commands"] += 1

    def requested(self, peer: SimulatedPeer, request: Request) -> None:
        if peer.device.silent_since is None:
            self.reply(peer, request.request, {"uuid": peer.identity.uuid, "asked": request.payload})
            self.figures.counts["requests"] += 1

    def went(self, peer: SimulatedPeer, message: PeerDisconnected) -> None:
        super().went(peer, message)
        if self._ending:
            return
        device, figures = peer.device, self.figures
        if device.peer is not peer:
            figures.failures += 1  # The manager never knew of it.
            return
        device.peer = None
        figures.connected -= 1
        if device.silent_since is not None:
            figures.noticed.add(time.monotonic() - device.silent_since)
        elif not device.flaps:
            said = ", with a goodbye" if peer.dismissed_by_manager else ""
            figures.drops[f"{message.reason.value}{said}"] += 1
