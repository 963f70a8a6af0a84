"""Heartbeats: with a clock of the test, and over real sockets."""

import time

import pytest

from connhandler import CentralTask
from connhandler.testing import FakeConnection, ManualClock, run_timers
from iot_manager.devicehandler import DevicePeer
from iot_manager.heartbeats import ASKED_AT_ONCE, TICK_SECONDS, Heartbeats
from tests.iot_manager.manageddevices import Heard, RawDevice, connected, managed, until, uuid, welcomed


class Owner:
    """Remembers who was asked, and who did not answer."""

    def __init__(self, rate: float = 60, timeout: float = 15) -> None:
        self.clock = ManualClock(1000.0)
        self.central = CentralTask("test", clock=self.clock)
        self.asked: list[DevicePeer] = []
        self.missed: list[DevicePeer] = []
        self.heartbeats = Heartbeats(self.central, self, self.clock, rate, timeout)
        self.heartbeats.start()

    def ask_for_beat(self, peer: DevicePeer) -> None:
        self.asked.append(peer)

    def heartbeat_missed(self, peer: DevicePeer, seconds: float) -> None:
        self.missed.append(peer)

    def wait(self, seconds: float) -> None:
        for _ in range(round(seconds / TICK_SECONDS)):
            self.clock.advance(TICK_SECONDS)
            run_timers(self.central)


def test_a_device_is_asked_at_the_rate_and_dropped_after_the_timeout() -> None:
    owner, peer = Owner(), DevicePeer()
    FakeConnection(peer)
    owner.heartbeats.watch(peer)
    owner.wait(59)
    assert owner.asked == []
    owner.wait(1)
    assert owner.asked == [peer]
    owner.wait(10)
    owner.heartbeats.beat(peer)
    owner.wait(59.5)
    assert owner.asked == [peer]
    owner.wait(0.5)
    assert owner.asked == [peer, peer]
    owner.wait(14.5)
    assert owner.missed == []
    owner.wait(0.5)
    assert owner.missed == [peer]
    owner.wait(100)
    assert owner.missed == [peer] and len(owner.asked) == 2


def test_a_device_that_falls_silent_at_any_moment_is_noticed_in_time() -> None:
    for silent_after in (0.0, 0.3, 29.9, 59.9):
        owner, peer = Owner(60, 15), DevicePeer()
        FakeConnection(peer)
        owner.heartbeats.watch(peer)
        owner.wait(60)
        owner.heartbeats.beat(peer)
        owner.wait(silent_after)
        silent_at = owner.clock.now
        owner.heartbeats.beat(peer)  # Nobody has asked: it changes nothing.
        while not owner.missed:
            owner.wait(TICK_SECONDS)
        assert owner.clock.now - silent_at <= 60 + 15 + 1


def test_who_has_left_is_forgotten() -> None:
    owner, first, second = Owner(), DevicePeer(), DevicePeer()
    for peer in (first, second):
        FakeConnection(peer)
        owner.heartbeats.watch(peer)
    owner.heartbeats.forget(first)
    owner.wait(61)
    owner.heartbeats.forget(second)
    owner.wait(100)
    assert (owner.asked, owner.missed) == ([second], [])


def test_a_new_rate_holds_at_once() -> None:
    owner, peer = Owner(), DevicePeer()
    FakeConnection(peer)
    owner.heartbeats.watch(peer)
    owner.wait(10)
    owner.heartbeats.rate = 5
    owner.wait(TICK_SECONDS)
    assert owner.asked == [peer]


def test_whose_socket_is_not_read_has_its_time_once_more() -> None:
    owner, peer = Owner(), DevicePeer()
    connection = FakeConnection(peer)
    owner.heartbeats.watch(peer)
    owner.wait(60)
    connection.held_back = True
    owner.wait(100)
    assert owner.missed == []
    connection.held_back = False
    owner.wait(15)
    assert owner.missed == [peer]


def test_ten_thousand_devices_that_are_due_at_once_are_asked_in_slices() -> None:
    owner = Owner()
    for _ in range(10_000):
        owner.heartbeats.watch(DevicePeer())
    owner.clock.advance(60)
    owner.central.fire_timers()
    slices = []
    while not owner.central.queue.empty():
        before = len(owner.asked)
        owner.central.handle(owner.central.queue.get())
        slices.append(len(owner.asked) - before)
    assert len(owner.asked) == 10_000
    assert max(slices) == ASKED_AT_ONCE


def test_only_a_beat_is_an_answer() -> None:
    with managed(heartbeat_rate=0.3, heartbeat_timeout=0.4) as manager, welcomed(manager) as (heard, device):
        device.expect(b"\x02")
        device.send(b"I am fine")
        assert device.expect_end() == b"end\n"
        assert heard.message() == b"I am fine"
        assert heard.next() == ("disconnect", uuid())
        assert manager.get_counters()["silent"] == 1


def test_a_beat_glued_to_data_counts_and_the_rest_is_a_message() -> None:
    with managed(heartbeat_rate=0.1) as manager, welcomed(manager) as (heard, device):
        for answer, message in ((b"beatfirst", b"first"), (b"secondbeat", b"second"), (b"beat", b"")):
            device.expect(b"\x02")
            device.send(answer)
            if message:
                assert heard.message() == message
        device.expect(b"\x02")
        assert heard.nothing()


@pytest.mark.parametrize("place", [1, 2, 3])
def test_a_beat_in_two_pieces_counts(place: int) -> None:
    with managed(heartbeat_rate=0.1) as manager, welcomed(manager) as (heard, device):
        device.expect(b"\x02")
        device.send(b"beat"[:place])
        (peer,) = manager._server.devices.peers()
        until(lambda: peer.dialect is not None and peer.dialect.is_holding)
        device.send(b"beat"[place:])
        device.expect(b"\x02")
        assert heard.nothing()


def test_what_looks_like_half_a_beat_is_a_message_after_a_while() -> None:
    with managed(heartbeat_rate=0.1) as manager, welcomed(manager) as (heard, device):
        device.expect(b"\x02")
        device.send(b"club")
        assert heard.message() == b"club"
        device.send(b"beat")


def test_silent_devices_are_noticed_within_rate_and_timeout_and_a_second_and_others_stay() -> None:
    with managed(heartbeat_rate=1, heartbeat_timeout=1) as manager:
        heard = Heard(manager)
        with connected(manager, 0) as lively:
            heard.client()
            silent = [RawDevice(manager.port).identify(number) for number in range(1, 21)]
            for _ in silent:
                assert heard.next()[0] == "connect"
            began = time.monotonic()
            gone: set[tuple[str, ...]] = set()
            lively.sock.settimeout(0.02)
            while len(gone) < len(silent):
                try:
                    if lively.receive() == b"\x02":
                        lively.send(b"beat")
                except TimeoutError:
                    pass
                while not heard.nothing():
                    gone.add(heard.next())
            assert time.monotonic() - began < 1 + 1 + 1
            assert gone == {("disconnect", uuid(number)) for number in range(1, 21)}
            for device in silent:
                device.close()
