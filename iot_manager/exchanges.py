"""What somebody outside of the central task waits for from one device: its next message, its info, its beat, a reply.

    any thread → [ Exchanges ] → device → [ Exchanges ] → a future of that thread

All of it belongs to the central task; the futures are where the two sides meet.
"""

from collections.abc import Callable, Container
from concurrent.futures import Future
from typing import Any

from iot_manager.data import Data, parse_info
from iot_manager.devicehandler import DevicePeer, Stage
from iot_manager.dialects import GETINFO, HEART
from iot_manager.errors import ConnectionEnd, InvalidInfo
from iot_manager.events import ON_DISCONNECT, ON_MESSAGE, Event, EventDesk
from iot_manager.limits import Limits
from iot_manager.requests import Requests, encode_request
from iot_manager.speech import Speech
from iot_manager.waiters import Diversion, Incoming, Waiters, settle


class Exchanges:
    """Args:
    speech: says things to devices.
    desk: takes what nobody waits for.
    valid_types: what a device may say that it is.
    limits: how many requests may be open.
    new_id: makes ids that nobody can guess.
    """

    def __init__(
        self,
        speech: Speech,
        desk: EventDesk,
        valid_types: Container[str],
        limits: Limits,
        new_id: Callable[[], str],
    ) -> None:
        self._speech = speech
        self._desk = desk
        self._valid_types = valid_types
        self._limits = limits
        self._new_id = new_id

    # --- messages: to `recv` while somebody holds the connection's lock, else to `on_message` -----------------------

    def message(self, peer: DevicePeer, message: Incoming) -> None:
        """A device has sent a message."""
        if peer.diversion is None:
            self._desk.add(peer, Event(ON_MESSAGE, *message))
        elif peer.diversion.put(message) and message.held:
            peer.release()

    def divert(self, peer: DevicePeer) -> None:
        """Somebody holds the connection's lock from now on."""
        if peer.diversion is None:
            peer.diversion = Diversion()
            if peer.stage is Stage.GONE:
                peer.diversion.end()

    def stop_diverting(self, peer: DevicePeer) -> None:
        """Nobody does any more: what was not received is for `on_message`."""
        diversion, peer.diversion = peer.diversion, None
        if diversion is None:
            return
        for message in diversion.messages:
            self._desk.add(peer, Event(ON_MESSAGE, *message))
        if diversion.left:
            self._desk.add(peer, Event(ON_DISCONNECT))

    def take(self, peer: DevicePeer, taker: "Future[bytes | None]") -> None:
        """Give the next message to `taker`, or None when no more come."""
        assert peer.diversion is not None
        taken = peer.diversion.take(taker)
        if taken is not None and taken.held:
            peer.release()

    def stop_taking(self, peer: DevicePeer, taker: "Future[bytes | None]", put_back: bool) -> None:
        """`taker` does not wait any more. A message that it was given and nobody looks at is still to be received."""
        assert peer.diversion is not None
        if taker.cancel():
            peer.diversion.forget(taker)
        elif put_back and (message := taker.result()) is not None:
            peer.diversion.messages.appendleft(Incoming(message, held=False))

    # --- the manager's own questions ----------------------------------------------------------------------------------

    def ask_for_info(self, peer: DevicePeer, answer: "Future[Data]") -> None:
        """Ask a device again who it is."""
        if peer.stage is not Stage.ACCEPTED:
            answer.set_exception(ConnectionEnd("the connection has ended"))
            return
        waiters = _waiters(peer)
        waiters.info.append(answer)
        assert peer.dialect is not None
        if not peer.dialect.expects_info:
            waiters.instead = b""
            peer.dialect.expects_info = True
            self._speech.say(peer, GETINFO, apart=True)

    def info(self, peer: DevicePeer, info: bytes) -> None:
        """A connected device says who it is."""
        waiting = _waiters(peer).info
        known = peer.device.data
        try:
            data = parse_info(info, self._valid_types)
            if data.uuid != known.uuid:
                raise InvalidInfo(f"{known.uuid} says that it is {data.uuid}")
        except InvalidInfo as error:
            settle(waiting, error)
            return
        peer.device.data = peer.client.data = data
        settle(waiting, data)

    def stop_asking_for_info(self, peer: DevicePeer, answer: "Future[Data]", put_back: bool) -> None:
        """`answer` does not wait any more."""
        waiters = _waiters(peer)
        if answer.cancel():
            waiters.info.remove(answer)
        if not waiters.info and peer.dialect is not None:
            peer.dialect.expects_info = False
            peer.dialect.may_repeat_info = True  # It may still come.

    def ask_for_beat(self, peer: DevicePeer, answer: "Future[bool] | None" = None) -> None:
        """Ask a device whether it is there."""
        if peer.stage is not Stage.ACCEPTED:
            if answer is not None:
                answer.set_exception(ConnectionEnd("the connection has ended"))
            return
        if answer is not None:
            _waiters(peer).beat.append(answer)
        assert peer.dialect is not None
        peer.dialect.beats_expected += 1
        self._speech.say(peer, HEART, apart=True)

    def stop_asking_for_beat(self, peer: DevicePeer, answer: "Future[bool]", put_back: bool) -> None:
        """`answer` does not wait any more."""
        if answer.cancel():
            _waiters(peer).beat.remove(answer)

    def beat(self, peer: DevicePeer) -> None:
        """A device says that it is there."""
        if peer.waiters is not None:
            settle(peer.waiters.beat, True)

    # --- requests -----------------------------------------------------------------------------------------------------

    def request(self, peer: DevicePeer, payload: Any, answer: "Future[Any]") -> str:
        """Send a request, whose reply `answer` will get; return its id.

        Raises:
            TypeError: JSON has no form for the payload.
            ValueError: the same, or the device's dialect cannot express it.
            RuntimeError: too many requests to this device are open, or too much waits for it.
        """
        if peer.requests is None:
            peer.requests = Requests(self._limits.requests_per_device)
        if peer.requests.is_full:
            raise RuntimeError(f"{self._limits.requests_per_device} requests to {peer.device.data.uuid} are open")
        request_id = self._new_id()
        assert peer.dialect is not None
        if not self._speech.say(peer, encode_request(request_id, payload), apart=True):
            raise RuntimeError(f"too much waits for {peer.device.data.uuid}")
        peer.requests.add(request_id, answer)
        peer.dialect.expects_reply = True
        return request_id

    def reply(self, peer: DevicePeer, data: bytes) -> bool:
        """Take a message if it is a reply; return whether it is."""
        assert peer.requests is not None
        return peer.requests.answer(data)

    def stop_waiting(self, peer: DevicePeer, request_id: str) -> None:
        """Nobody waits for the reply any more."""
        if peer.requests is not None:
            peer.requests.forget(request_id)

    def end(self, peer: DevicePeer) -> None:
        """A device is gone: tell whoever waits for it."""
        error = ConnectionEnd(f"{peer.device.data.uuid}: the connection has ended")
        if peer.requests is not None:
            peer.requests.end(error)
        if peer.waiters is not None:
            peer.waiters.end(error)
        if peer.diversion is None:
            self._desk.add(peer, Event(ON_DISCONNECT))
        else:
            peer.diversion.left = True
            peer.diversion.end()


def _waiters(peer: DevicePeer) -> Waiters:
    if peer.waiters is None:
        peer.waiters = Waiters()
    return peer.waiters
