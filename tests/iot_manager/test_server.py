"""The central task alone: scripted conversations through `handle`, with fake devices; and any order of events."""

import logging
import random
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connhandler import Busy, PeerConnected
from connhandler.testing import FakeConnection, ManualClock, run_queue, run_timers
from connhandler.workers import Pool
from iot_manager import Client, Data, Limits
from iot_manager.devicehandler import DevicePeer, Received
from iot_manager.events import EventHandlers
from iot_manager.keys import sign
from iot_manager.server import HOLD_SECONDS, DeviceServer
from tests.iot_manager.manageddevices import TYPES, info, uuid


class Nowhere:
    """A link of clients that nobody asks anything."""

    def divert(self) -> None: ...

    def stop_diverting(self) -> None: ...


class AtOnce(Pool):
    """Work that is done where it is asked for."""

    def __init__(self) -> None:
        super().__init__("at once", 1, 1_000_000)

    def submit(self, function: Callable[..., Any], *args: Any, done: Any) -> None:
        done(*self._work(function, args))

    def _begin(self, function: Callable[..., Any], args: tuple[Any, ...], done: Any) -> None: ...

    def _end(self, finished: bool) -> None: ...


class Full(AtOnce):
    """Work that is not taken."""

    def submit(self, function: Callable[..., Any], *args: Any, done: Any) -> None:
        raise Busy


class House:
    """A central task, what its events tell, and its devices."""

    def __init__(self, **options: Any) -> None:
        self.clock = ManualClock()
        self.told: list[tuple[Any, ...]] = []
        handlers = EventHandlers(tuple(TYPES), logging.getLogger("house"))
        handlers.add("on_connect", lambda client: self.told.append(("connect", client.uuid)))
        handlers.add("on_message", lambda client, message: self.told.append(("message", bytes(message))))
        handlers.add("on_disconnect", lambda client: self.told.append(("disconnect", client.uuid)))
        self.server = DeviceServer(
            tuple(TYPES),
            handlers,
            AtOnce(),
            options.pop("keys_pool", None) or AtOnce(),
            1,
            self._make_client,
            logging.getLogger("house"),
            **{"limits": Limits(), "dialect": "raw", **options},
            monotonic=self.clock,
            clock=self.clock,
            random=random.Random(1),
        )
        self.server.on_start()

    def _make_client(self, peer: DevicePeer, data: Data) -> Client:
        client = Client(Nowhere(), peer.address)
        client.data = data
        return client

    def arrives(self) -> FakeConnection[DevicePeer]:
        device = FakeConnection(DevicePeer())
        self.server.handle(PeerConnected(device.peer))
        return device

    def identified(self, number: int = 0) -> FakeConnection[DevicePeer]:
        device = self.arrives()
        self.says(device, info(number))
        device.take()
        return device

    def says(self, device: FakeConnection[DevicePeer], *data: bytes) -> None:
        device.receives(self.server, *(Received(piece) for piece in data))
        run_queue(self.server)

    def wait(self, seconds: float) -> None:
        self.clock.advance(seconds)
        run_timers(self.server)


def test_a_whole_conversation() -> None:
    house = House()
    device = house.arrives()
    assert device.take() == [b"\x01"]
    house.says(device, info(), b"hello")
    assert house.told == [("connect", uuid()), ("message", b"hello")]
    assert house.server.send(uuid(), b"on") == 2
    house.wait(0.1)
    house.wait(59.9)
    assert device.take() == [b"on", b"\x02"]
    house.says(device, b"beat")
    house.wait(60)
    assert device.take() == [b"\x02"]
    house.wait(15)
    assert device.disconnected and device.disconnect_detail == "no beat within 15 s"
    assert house.told[-1] == ("disconnect", uuid())
    assert house.server.send(uuid(), b"on") is None


def framed(message: bytes) -> bytes:
    return len(message).to_bytes(2) + message


@pytest.mark.parametrize(("dialect", "frame", "beat"), [("raw", bytes, b"beat"), ("framed", framed, b"\x02")])
def test_every_documented_exchange_split_at_every_byte(dialect: str, frame: Any, beat: bytes) -> None:
    place = longest = 1
    while place <= longest:
        longest = converse(dialect, frame, beat, place)
        place += 1
    assert longest >= len(info())


def converse(dialect: str, frame: Any, beat: bytes, place: int) -> int:
    """Have each exchange once: what the manager says is compared byte for byte, what the device answers comes in two
    pieces. Return how long the longest answer is."""
    key, longest = b"a key", 0
    house = House(dialect=dialect, device_keys={uuid(): key})
    device = house.arrives()

    def answer(message: bytes) -> None:
        nonlocal longest
        wire = frame(message)
        longest = max(longest, len(wire))
        house.says(device, *filter(None, (wire[:place], wire[place:])))

    assert device.take() == [frame(b"\x01")]
    answer(info())
    house.wait(1)
    (challenge,) = device.take()
    nonce = challenge[-32:]
    assert challenge == frame(b"auth " + nonce)
    answer(b"auth " + sign(key, nonce.decode(), uuid()).encode())
    assert house.told == [("connect", uuid())]
    house.wait(60)
    assert device.take() == [frame(b"\x02")]
    answer(beat)
    house.wait(15)
    reply: Future[Any] = Future()
    _, request_id = house.server.request(uuid(), {"a": 1}, reply)
    assert device.take() == [frame(b'{"request":"%s","payload":{"a":1}}' % request_id.encode())]
    answer(b'{"reply":"%s","payload":{"b":"}"}}' % request_id.encode())
    assert reply.result(0) == {"b": "}"}
    again: Future[Any] = Future()
    house.server.exchanges.ask_for_info(device.peer, again)
    house.wait(1)
    assert device.take() == [frame(b"\x01")]
    answer(info(data='{"c": 2}'))
    assert again.result(0).data == {"c": 2}
    assert house.told == [("connect", uuid())] and not device.disconnected
    return longest


def test_the_same_messages_give_the_same_state() -> None:
    def live() -> tuple[Any, ...]:
        house = House(device_keys={uuid(1): b"key"})
        devices = [house.arrives() for _ in range(3)]
        for number, device in enumerate(devices):
            house.says(device, info(number))
            house.wait(1)
        answer: Future[Any] = Future()
        house.server.request(uuid(0), {"a": 1}, answer)
        house.server.send("x" * 36, b"later", queue_seconds=100)
        house.wait(60)
        return [device.take() for device in devices], house.told, house.server.describe_devices()

    assert live() == live()


def test_commands_are_kept_apart_and_in_order() -> None:
    house = House()
    for number in range(3):
        house.server.send(uuid(), b"%d" % number, queue_seconds=10)
    device = house.arrives()
    device.take()
    house.says(device, info())
    house.server.send(uuid(), b"newer")
    sent = [device.take()]
    for _ in range(5):
        house.wait(0.05)
        sent.append(device.take())
    # The first question was just sent, and nothing is to stand beside it either.
    assert sent == [[], [b"0"], [b"1"], [b"2"], [b"newer"], []]


def test_what_waits_goes_out_before_a_goodbye() -> None:
    house = House()
    for number in range(3):
        house.server.send(uuid(), b"%d" % number, queue_seconds=10)
    device = house.arrives()
    house.says(device, info())
    house.server.end(device.peer, "test")
    assert b"".join(device.take()) == b"\x01012"


def test_a_device_that_says_more_than_its_bounds_before_it_is_accepted() -> None:
    house = House(limits=Limits(info_bytes=100))
    for data in (b"x" * 145, info(data='{"a": "' + "x" * 100)):
        device = house.arrives()
        house.says(device, data)
        assert device.disconnected
    assert house.server.counters["rejected"] == 2
    assert house.told == []


def test_requests_that_one_device_has_not_answered_are_bounded() -> None:
    house = House(limits=Limits(requests_per_device=2))
    house.identified()
    answers: list[Future[Any]] = [Future() for _ in range(3)]
    for answer in answers[:2]:
        house.server.request(uuid(), {}, answer)
    with pytest.raises(RuntimeError, match="2 requests"):
        house.server.request(uuid(), {}, answers[2])


def test_a_device_whose_key_cannot_be_looked_for_now_is_rejected() -> None:
    house = House(device_keys=lambda device_uuid: None, keys_pool=Full())
    device = house.arrives()
    house.says(device, info())
    assert device.disconnected and "try again later" in device.disconnect_detail


def test_a_key_that_is_none_rejects_its_device(caplog: pytest.LogCaptureFixture) -> None:
    for keys in ({uuid(): 7}, {uuid(): b""}, {uuid(): 7}.get):
        house = House(device_keys=keys)
        device = house.arrives()
        house.says(device, info())
        assert device.disconnect_detail == "its key is none"
    assert len([line for line in caplog.messages if "no proper key" in line]) == 3


def test_an_info_that_comes_too_late_is_no_message() -> None:
    house = House()
    device = house.identified()
    answer: Future[Any] = Future()
    house.server.exchanges.ask_for_info(device.peer, answer)
    house.server.exchanges.stop_asking_for_info(device.peer, answer, False)
    assert answer.cancelled()
    house.says(device, info(data='{"late": 1}'), b"a##b")
    assert house.told[1:] == [("message", b"a##b")]
    assert house.server.client_data()[0]["data"] == {"late": 1}


def test_what_is_held_is_given_up_after_a_while() -> None:
    house = House()
    device = house.identified()
    house.wait(60)
    house.says(device, b"club", b"be")
    assert house.told[1:] == [("message", b"club")]
    house.wait(HOLD_SECONDS)
    assert house.told[1:] == [("message", b"club"), ("message", b"be")]


def test_an_id_with_two_owners_and_a_lock_that_is_held_meanwhile() -> None:
    house = House()
    old = house.identified()
    house.server.exchanges.divert(old.peer)
    house.says(old, b"not received")
    new = house.identified()
    run_queue(house.server)
    assert old.disconnected and not new.disconnected
    assert house.told == [("connect", uuid()), ("connect", uuid())]
    house.server.exchanges.stop_diverting(old.peer)
    run_queue(house.server)
    assert house.told[2:] == [("message", b"not received"), ("disconnect", uuid())]


STEPS = st.lists(
    st.sampled_from(["say", "say two", "lock", "unlock", "take", "give up", "interrupt", "leave"]), max_size=40
)


@given(STEPS)
def test_whatever_happens_each_message_is_received_or_told_once_and_in_order(steps: list[str]) -> None:
    house = House(dialect="framed")
    device = FakeConnection(DevicePeer())
    house.server.handle(PeerConnected(device.peer))
    house.says(device, len(info()).to_bytes(2) + info())
    exchanges, peer = house.server.exchanges, device.peer
    said = 0
    received: list[bytes] = []
    taker: Future[bytes | None] | None = None
    locked = left = False

    def settle(give_up: bool = False) -> None:
        nonlocal taker
        if taker is not None and (give_up or taker.done()):
            if not taker.done():
                exchanges.stop_taking(peer, taker, False)
            message = None if taker.cancelled() else taker.result()
            if message is not None:
                received.append(message)
            taker = None

    for step in steps:
        if step.startswith("say") and not left:
            count = 2 if step == "say two" else 1
            house.says(device, b"".join(b"\x00\x04%04d" % number for number in range(said, said + count)))
            said += count
        elif step == "lock" and not locked:
            exchanges.divert(peer)
            locked = True
        elif step == "unlock" and locked:
            settle(give_up=True)
            exchanges.stop_diverting(peer)
            locked = False
        elif step == "take" and locked:
            settle(give_up=True)
            taker = Future()
            exchanges.take(peer, taker)
        elif step == "give up":
            settle(give_up=True)
        elif step == "interrupt" and taker is not None:
            exchanges.stop_taking(peer, taker, True)
            taker = None
        elif step == "leave" and not left:
            device.disconnects(house.server)
            left = True
        run_queue(house.server)
    settle(give_up=True)
    if locked:
        exchanges.stop_diverting(peer)
    run_queue(house.server)
    told = [event[1] for event in house.told if event[0] == "message"]
    assert told == sorted(told) and received == sorted(received)
    assert sorted(told + received) == [b"%04d" % number for number in range(said)]
    assert peer._in_flight == 0
    assert house.told[-1][0] == "disconnect" if left else ("disconnect", uuid()) not in house.told
