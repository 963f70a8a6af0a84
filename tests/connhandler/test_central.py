"""The central task: which handler takes which message, timers and work as messages, and whom a mistake costs."""

import logging
import random
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import gevent
import gevent.event
import gevent.monkey
import pytest

from connhandler import (
    Busy,
    CentralTask,
    DisconnectReason,
    IncomingQueue,
    Limits,
    Message,
    Peer,
    PeerConnected,
    PeerDisconnected,
    ProtocolError,
    Timer,
    WorkerPool,
    tasks,
)
from connhandler.central import SLICE_SECONDS
from connhandler.testing import FakeConnection, ManualClock, check_leaks, run_queue, run_timers, run_work
from tests.connhandler.support import Data, DataPeer, within


class Ask(Message):
    text: str = ""


class AskLouder(Ask):
    pass


class Tell(Message):
    text: str = ""


class GuestPeer(Peer):
    pass


class VipPeer(GuestPeer):
    pass


class StaffPeer(Peer):
    pass


class House(CentralTask):
    """Notes what it handles."""

    def __init__(self, **arguments: Any) -> None:
        super().__init__("house", **arguments)
        self.noted: list[Any] = []
        self.dispatch = {
            (GuestPeer, Ask): self.asked,
            (StaffPeer, Tell): self.told,
        }

    def asked(self, peer: Peer, message: Ask) -> None:
        self.noted.append((peer, message))
        match message.text:
            case "protocol error":
                raise ProtocolError("that is not done")
            case "bug":
                raise ZeroDivisionError
            case "timeout":
                raise gevent.Timeout(3)
            case "leave":
                peer.disconnect("as you wish")
        peer.send(Tell(f"heard {message.text}"))

    def told(self, peer: Peer, message: Tell) -> None:
        self.noted.append((peer, message))

    def note(self, *what: Any) -> None:
        self.noted.append(what)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def house(clock: ManualClock) -> Iterator[House]:
    house = House(clock=clock, random=random.Random(1))
    yield house
    if house._alarm is not None:
        house._alarm.kill()


@pytest.fixture
def guest() -> FakeConnection[GuestPeer]:
    return FakeConnection(GuestPeer())


Guest = FakeConnection[GuestPeer]

# --- dispatch ---------------------------------------------------------------------------------------------------------


def test_a_row_takes_its_message_from_its_peer(house: House, guest: Guest) -> None:
    message = Ask("the way")
    guest.receives(house, message)
    assert house.noted == [(guest.peer, message)]
    assert guest.sent == [Tell("heard the way")]


def test_a_subclass_is_handled_as_its_base_is(house: House) -> None:
    vip = FakeConnection(VipPeer())
    vip.receives(house, Ask("a"), AskLouder("b"))
    assert [message.text for _, message in house.noted] == ["a", "b"]


def test_a_row_of_its_own_goes_before_that_of_a_base(house: House, guest: Guest) -> None:
    house.dispatch = {
        (GuestPeer, Ask): lambda peer, message: house.note("guest, Ask"),
        (GuestPeer, AskLouder): lambda peer, message: house.note("guest, AskLouder"),
        (VipPeer, Ask): lambda peer, message: house.note("vip, Ask"),
    }
    vip = FakeConnection(VipPeer())
    guest.receives(house, Ask(), AskLouder())
    vip.receives(house, Ask(), AskLouder())
    assert house.noted == [("guest, Ask",), ("guest, AskLouder",), ("vip, Ask",), ("vip, Ask",)]


def test_a_row_for_any_object(house: House, guest: Guest) -> None:
    house.dispatch = {(Peer, object): lambda peer, message: house.note(type(message).__name__)}
    guest.connected(house)
    guest.receives(house, Ask(), Tell())
    assert house.noted == [("PeerConnected",), ("Ask",), ("Tell",)]


def test_an_unknown_message_costs_its_peer(house: House, guest: Guest, caplog: pytest.LogCaptureFixture) -> None:
    guest.receives(house, Tell("?"))
    assert guest.ending is DisconnectReason.PROTOCOL_ERROR
    assert guest.disconnect_detail == "a message of type Tell is not expected on this connection"
    assert house.noted == []
    assert "Traceback" not in caplog.text


def test_a_message_on_the_wrong_kind_of_connection_costs_its_peer(house: House, guest: Guest) -> None:
    staff = FakeConnection(StaffPeer())
    guest.receives(house, Ask("known here"))
    staff.receives(house, Ask("but not there"))
    assert staff.ending is DisconnectReason.PROTOCOL_ERROR
    assert guest.ending is None


def test_connected_and_disconnected_need_no_row(house: House, guest: Guest) -> None:
    guest.connected(house)
    guest.disconnects(house)
    assert guest.failure is None


def test_connected_and_disconnected_may_have_one(house: House, guest: Guest) -> None:
    house.dispatch = {
        (GuestPeer, PeerConnected): lambda peer, message: house.note("came", peer),
        (GuestPeer, PeerDisconnected): lambda peer, message: house.note("went", peer, message.reason),
    }
    guest.connected(house)
    guest.disconnects(house, DisconnectReason.IDLE_TIMEOUT)
    assert house.noted == [("came", guest.peer), ("went", guest.peer, DisconnectReason.IDLE_TIMEOUT)]


# --- mistakes ---------------------------------------------------------------------------------------------------------


def test_a_protocol_error_in_a_handler_costs_its_peer(
    house: House, guest: Guest, caplog: pytest.LogCaptureFixture
) -> None:
    guest.receives(house, Ask("protocol error"))
    assert guest.disconnected
    assert guest.ending is DisconnectReason.PROTOCOL_ERROR
    assert guest.disconnect_detail == "that is not done"
    assert isinstance(guest.failure, ProtocolError)
    assert caplog.text == ""


@pytest.mark.parametrize(("text", "error"), [("bug", ZeroDivisionError), ("timeout", gevent.Timeout)])
def test_an_exception_in_a_handler_costs_its_peer(
    house: House, guest: Guest, caplog: pytest.LogCaptureFixture, text: str, error: type[BaseException]
) -> None:
    other = FakeConnection(GuestPeer())
    guest.receives(house, Ask(text))
    other.receives(house, Ask("undisturbed"))
    assert guest.ending is DisconnectReason.INTERNAL_ERROR
    assert guest.disconnect_detail == "internal error"
    assert isinstance(guest.failure, error)
    assert f"house: failed while handling Ask of <GuestPeer {guest.peer.name}>" in caplog.text
    assert "Traceback" in caplog.text
    assert other.sent == [Tell("heard undisturbed")]


def test_messages_of_a_dismissed_peer_are_dropped_all_but_the_last(house: House, guest: Guest) -> None:
    house.dispatch = {
        **house.dispatch,
        (GuestPeer, PeerDisconnected): lambda peer, message: house.note("went"),
    }
    guest.receives(house, Ask("leave"), Ask("more"), Tell("unknown"), Ask("bug"))
    guest.disconnects(house)
    assert [noted[-1] for noted in house.noted] == [Ask("leave"), "went"]
    assert guest.disconnect_detail == "as you wish"
    assert guest.sent == []


@pytest.mark.parametrize("text", ["protocol error", "bug", "leave"])
def test_the_rest_of_a_burst_is_dropped_with_its_peer(house: House, guest: Guest, text: str) -> None:
    messages = [Ask("before"), Ask(text), Ask("after")]
    for message in messages:
        message.peer = guest.peer
    house.handle_burst(guest.peer, messages)
    assert [noted[-1].text for noted in house.noted] == ["before", text]


def test_a_long_burst_is_handled_in_order_with_pauses() -> None:
    """Each handler takes longer than a slice; other tasks go on between the messages of one burst."""
    with check_leaks():
        house, guest = House(), FakeConnection(GuestPeer())
        beats: list[int] = []
        handled: list[tuple[str, int]] = []

        def work(peer: Peer, message: Ask) -> None:
            ends = time.monotonic() + 2 * SLICE_SECONDS
            while time.monotonic() < ends:
                pass
            handled.append((message.text, len(beats)))

        def beat() -> None:
            while True:
                gevent.sleep(0.001)
                beats.append(1)

        house.dispatch = {(GuestPeer, Ask): work}
        messages = [Ask(f"{number}") for number in range(8)]
        for message in messages:
            message.peer = guest.peer
        house.queue.put_burst(guest.peer, messages)
        house.stop()
        beating = tasks.spawn("beating", beat)
        within(running(house).get)
        beating.kill()
        assert [text for text, _ in handled] == [f"{number}" for number in range(8)]
        assert len({count for _, count in handled}) >= 3
        assert guest.peer._in_flight == 0


def test_a_message_without_a_peer_is_a_mistake(house: House, caplog: pytest.LogCaptureFixture) -> None:
    house.queue.put(Ask("from nobody"))
    house.post(house.note, "next")
    run_queue(house)
    assert "TypeError: a message without a peer: Ask(text='from nobody')" in caplog.text
    assert house.noted == [("next",)]


def test_an_exception_in_the_last_handler_costs_nothing(
    house: House, guest: Guest, caplog: pytest.LogCaptureFixture
) -> None:
    house.dispatch = {(GuestPeer, PeerDisconnected): lambda peer, message: 1 / 0}  # type: ignore[dict-item]
    guest.disconnects(house)
    assert "Traceback" in caplog.text


@pytest.mark.parametrize("error", [ZeroDivisionError("a bug"), ProtocolError("of nobody"), gevent.Timeout(3)])
def test_an_exception_in_a_posted_function_is_logged(
    house: House, caplog: pytest.LogCaptureFixture, error: BaseException
) -> None:
    def fail() -> None:
        raise error

    house.post(fail)
    house.post(house.note, "next")
    run_queue(house)
    assert "house: failed while handling Call of None" in caplog.text
    assert "Traceback" in caplog.text
    assert house.noted == [("next",)]


# --- time -------------------------------------------------------------------------------------------------------------


def test_now_is_the_time_of_the_message(house: House, guest: Guest, clock: ManualClock) -> None:
    house.dispatch = {(GuestPeer, Ask): lambda peer, message: house.note(house.now)}
    guest.receives(house, Ask())
    clock.advance(5)
    guest.receives(house, Ask())
    assert house.noted == [(1_000_000.0,), (1_000_005.0,)]


def test_timers_fire_in_order_and_with_their_arguments(house: House, clock: ManualClock) -> None:
    house.call_later(3, house.note, "three")
    house.call_later(1, house.note, "one", 1)
    house.call_later(2, house.note, "two")
    house.call_later(2, house.note, "two again")
    run_timers(house)
    assert house.noted == []
    clock.advance(1)
    run_timers(house)
    assert house.noted == [("one", 1)]
    clock.advance(10)
    run_timers(house)
    assert house.noted == [("one", 1), ("two",), ("two again",), ("three",)]


def test_a_timer_can_be_cancelled(house: House, clock: ManualClock) -> None:
    timer = house.call_later(1, house.note, "never")
    kept = house.call_later(1, house.note, "kept")
    assert isinstance(timer, Timer)
    timer.cancel()
    timer.cancel()
    clock.advance(1)
    run_timers(house)
    kept.cancel()
    assert house.noted == [("kept",)]


def test_a_timer_can_be_cancelled_while_it_is_in_the_queue(house: House, clock: ManualClock) -> None:
    timer = house.call_later(1, house.note, "never")
    clock.advance(1)
    house.fire_timers()
    assert house.queue.qsize() == 1
    timer.cancel()
    run_queue(house)
    assert house.noted == []


def test_cancelled_timers_are_forgotten_and_the_others_are_not(house: House, clock: ManualClock) -> None:
    kept = [house.call_later(number, house.note, number) for number in range(10, 0, -1)]
    for _ in range(20_000):
        house.call_later(60, house.note, "never").cancel()
    assert len(house._timers) < 5_000
    kept[0].cancel()
    clock.advance(100)
    run_timers(house)
    assert house.noted == [(number,) for number in range(1, 10)]


def test_a_timer_may_set_another(house: House, clock: ManualClock) -> None:
    def again(count: int) -> None:
        house.note(house.now)
        if count:
            house.call_later(1, again, count - 1)

    house.call_later(1, again, 2)
    for _ in range(5):
        clock.advance(1)
        run_timers(house)
    assert house.noted == [(1_000_001.0,), (1_000_002.0,), (1_000_003.0,)]


@pytest.mark.parametrize("seconds", [0, -5])
def test_a_timer_for_at_once_is_a_message_too(house: House, seconds: float) -> None:
    house.call_later(seconds, house.note, "at once")
    assert house.noted == []
    run_timers(house)
    assert house.noted == [("at once",)]


def test_timers_of_a_running_task() -> None:
    with check_leaks():
        house = House()
        running = tasks.spawn("house", house.run)
        done = gevent.event.Event()
        never = house.call_later(0.02, house.note, "never")
        house.call_later(3600, house.note, "never either")
        house.call_later(0.03, done.set)
        house.call_later(0.01, never.cancel)
        house.call_later(0.02, house.note, "first")
        within(done.wait)
        assert house.noted == [("first",)]
        house.stop()
        within(running.get)


# --- ids and randomness -----------------------------------------------------------------------------------------------


def test_ids_come_from_the_random_source() -> None:
    def ids(seed: int) -> list[str]:
        house = House(random=random.Random(seed))
        return [house.new_id("m-"), house.new_id("m-"), house.new_id()]

    assert ids(1) == ids(1)
    assert ids(1) != ids(2)
    assert len(set(ids(1))) == 3
    assert ids(1)[0].startswith("m-")
    assert all(len(text.removeprefix("m-")) == 16 for text in ids(1))


def test_by_default_nobody_can_guess_the_ids() -> None:
    assert isinstance(House().random, random.SystemRandom)


# --- work -------------------------------------------------------------------------------------------------------------


@pytest.fixture
def pool() -> Iterator[WorkerPool]:
    pool = WorkerPool("pool", threads=1, max_queued=1)
    yield pool
    pool.close()


def test_results_of_work_come_as_messages(house: House, pool: WorkerPool) -> None:
    def fail() -> None:
        raise ValueError("no")

    house.perform(pool, lambda a, b: (a + b, threading.get_ident()), 1, 2, then=lambda r, e: house.note(r, e))
    assert house.work_outstanding == 1
    assert house.noted == []
    run_work(house)
    assert house.work_outstanding == 0
    ((result, error),) = house.noted
    assert result[0] == 3
    assert result[1] != threading.get_ident()
    assert error is None
    house.noted.clear()
    house.perform(pool, fail, then=lambda r, e: house.note(r, repr(e)))
    run_work(house)
    assert house.noted == [(None, "ValueError('no')")]


def test_more_work_than_the_pool_takes_is_refused_at_once(house: House, pool: WorkerPool) -> None:
    let_on: Any = gevent.monkey.get_original("threading", "Event")()

    def wait() -> str:
        let_on.wait()
        return "done"

    def note(result: Any, error: BaseException | None) -> None:
        house.note(result)

    house.perform(pool, wait, then=note)
    house.perform(pool, wait, then=note)
    with pytest.raises(Busy):
        house.perform(pool, wait, then=note)
    assert house.work_outstanding == 2
    let_on.set()
    run_work(house)
    assert house.noted == [("done",), ("done",)]


def test_busy_in_a_handler_costs_the_peer_unless_it_is_caught(house: House, guest: Guest) -> None:
    def ask(peer: Peer, message: Ask) -> None:
        raise Busy("full")

    house.dispatch = {(GuestPeer, Ask): ask}
    guest.receives(house, Ask())
    assert guest.ending is DisconnectReason.INTERNAL_ERROR


# --- running ----------------------------------------------------------------------------------------------------------


def running(house: House) -> tasks.Task:
    return tasks.spawn(house.name, house.run)


def test_run_handles_what_is_put_until_it_is_stopped() -> None:
    with check_leaks():
        house, guest = House(), FakeConnection(GuestPeer())
        started: list[str] = []
        house.on_start = lambda: started.append("before the first message")  # type: ignore[method-assign]
        task = running(house)
        for text in ("a", "b", "c"):
            message = Ask(text)
            message.peer = guest.peer
            house.queue.put(message)
        house.stop()
        within(task.get)
        assert started == ["before the first message"]
        assert [message.text for _, message in house.noted] == ["a", "b", "c"]


def test_what_comes_after_stop_is_left() -> None:
    house = House()
    house.stop()
    house.post(house.note, "too late")
    within(running(house).get)
    assert house.noted == []
    assert house.queue.qsize() == 1


def test_post_may_be_called_from_a_handler(house: House) -> None:
    house.post(lambda: house.post(house.note, "posted"))
    run_queue(house)
    assert house.noted == [("posted",)]


def test_other_tasks_go_on_while_there_is_always_a_message() -> None:
    house = House()

    def again() -> None:
        house.post(again)

    house.post(again)
    task = running(house)
    for _ in range(20):
        within(gevent.sleep, 0.001, seconds=2.0)
    house.stop()
    within(task.get)


def test_the_queue_is_bounded_by_the_limits_or_given() -> None:
    assert House(limits=Limits(incoming_queue_messages=7)).queue.maxsize == 7
    queue = IncomingQueue(3)
    assert House(queue=queue).queue is queue


def test_an_exception_in_on_start_ends_it(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.ERROR)
    house = House()

    def fail() -> None:
        raise ZeroDivisionError

    house.on_start = fail  # type: ignore[method-assign]
    with pytest.raises(ZeroDivisionError):
        within(running(house).get)
    assert "house: task crashed" in caplog.text


def test_a_program_gets_its_messages_from_real_connections(serve: Callable[..., Any]) -> None:
    house = House()
    server = serve(queue=house.queue)

    def echo(peer: Peer, message: Data) -> None:
        peer.send(message)

    house.dispatch = {(DataPeer, Data): echo}
    task = running(house)
    client = server.client()
    client.send(b"one", b"two")
    assert [client.receive(), client.receive()] == [b"one", b"two"]
    client.close()
    server.handler.stop()
    house.stop()
    within(task.get)
