"""The queue between connections and central task: order, bounds, and what it counts."""

import gevent
import gevent.queue
import pytest
from hypothesis import given
from hypothesis import strategies as st

from connhandler import IncomingQueue, PeerDisconnected, tasks
from connhandler.errors import DisconnectReason
from connhandler.gate import Gate
from tests.connhandler.support import Data, DataPeer, within


def data(peer: DataPeer | None, text: bytes = b"") -> Data:
    message = Data(text)
    message.peer = peer
    return message


def burst(peer: DataPeer, *texts: bytes) -> list[Data]:
    return [data(peer, text) for text in texts]


def test_first_in_first_out() -> None:
    queue, peer = IncomingQueue(), DataPeer()
    first, second, third = burst(peer, b"1", b"2", b"3")
    queue.put(first)
    queue.put_burst(peer, [second, third])
    assert queue.qsize() == 3
    assert [queue.get(), queue.get(), queue.get()] == [first, second, third]
    assert queue.empty()


def test_what_was_put_together_comes_together() -> None:
    queue, one, other = IncomingQueue(), DataPeer(), DataPeer()
    together, alone = burst(one, b"1", b"2"), data(other, b"3")
    queue.put_burst(one, together)
    queue.put(alone)
    assert queue.get_burst() == (one, together)
    assert queue.get_burst() == (other, (alone,))
    assert queue.qsize() == 0


def test_a_burst_that_was_begun_by_get_goes_on() -> None:
    queue, peer = IncomingQueue(), DataPeer()
    messages = burst(peer, b"1", b"2", b"3")
    queue.put_burst(peer, messages)
    assert queue.get() is messages[0]
    assert queue.get_burst() == (peer, messages[1:])


def test_anything_can_be_put() -> None:
    queue = IncomingQueue()
    queue.put("no peer")
    assert queue.get() == "no peer"


@given(st.lists(st.one_of(st.integers(1, 5), st.just(0)), max_size=40), st.booleans())
def test_size_and_in_flight_are_what_was_put_and_not_taken(steps: list[int], by_bursts: bool) -> None:
    queue, peer = IncomingQueue(None), DataPeer()
    expected = 0
    for step in steps:
        if step:
            queue.put_burst(peer, burst(peer, *[b"x"] * step))
            expected += step
        elif expected:
            expected -= len(queue.get_burst()[1]) if by_bursts else len([queue.get()])
        assert queue.qsize() == peer._in_flight == expected
        assert queue.empty() == (expected == 0)


def test_get_waits_for_a_message() -> None:
    queue = IncomingQueue()
    getter = tasks.spawn("getter", queue.get)
    burst_getter = tasks.spawn("burst getter", queue.get_burst)
    gevent.idle()
    queue.put("first")
    assert within(getter.get) == "first"
    assert not burst_getter.ready()
    queue.put("second")
    assert within(burst_getter.get) == (None, ("second",))


def test_get_gives_up() -> None:
    queue = IncomingQueue()
    with pytest.raises(gevent.queue.Empty):
        queue.get_nowait()
    with pytest.raises(gevent.queue.Empty):
        queue.get(block=False)
    with pytest.raises(gevent.queue.Empty):
        queue.get(timeout=0.01)


def test_put_gives_up() -> None:
    queue = IncomingQueue(2)
    queue.put(1)
    assert not queue.full()
    queue.put(2)
    assert queue.full()
    with pytest.raises(gevent.queue.Full):
        queue.put_nowait(3)
    with pytest.raises(gevent.queue.Full):
        queue.put(3, timeout=0.01)
    with pytest.raises(gevent.queue.Full):
        queue.put_burst(None, [3], block=False)
    assert [queue.get(), queue.get()] == [1, 2]


def test_a_full_queue_lets_on_when_half_is_taken() -> None:
    queue = IncomingQueue(4)
    for number in range(4):
        queue.put(number)
    putters = [tasks.spawn("putter", queue.put, number) for number in (4, 5)]
    gevent.idle()
    assert queue.get() == 0
    gevent.idle()
    assert not any(putter.ready() for putter in putters)
    assert queue.get() == 1
    within(gevent.joinall, putters)
    assert [queue.get() for _ in range(4)] == [2, 3, 4, 5]


@pytest.mark.parametrize("maxsize", [1, 2, 3])
def test_a_small_queue_loses_and_forgets_nothing(maxsize: int) -> None:
    queue = IncomingQueue(maxsize)

    def put_twenty(first: int) -> None:
        for number in range(first, first + 20):
            queue.put(number)

    putters = [tasks.spawn("putter", put_twenty, first) for first in (0, 100)]
    taken = [within(queue.get) for _ in range(40)]
    within(gevent.joinall, putters)
    assert [number for number in taken if number < 100] == list(range(20))
    assert [number for number in taken if number >= 100] == list(range(100, 120))


def test_a_putter_that_is_killed_leaves_nothing() -> None:
    queue = IncomingQueue(1)
    queue.put(1)
    putter, other = tasks.spawn("killed", queue.put, 2), tasks.spawn("other", queue.put, 3)
    gevent.idle()
    within(putter.kill)
    assert queue.get() == 1
    within(other.get)
    assert queue.get() == 3
    assert queue.empty()


def test_last_messages_go_in_over_the_bound() -> None:
    queue, peer = IncomingQueue(1), DataPeer()
    queue.put(data(peer))
    last = PeerDisconnected(peer, DisconnectReason.CLOSED_BY_PEER)
    queue.put_over_bound(peer, (last,))
    assert queue.qsize() == 2
    assert peer._in_flight == 2
    queue.get()
    assert queue.get() is last


def test_what_is_put_back_is_the_first_again() -> None:
    queue, peer = IncomingQueue(), DataPeer()
    messages = burst(peer, b"1", b"2", b"3")
    queue.put_burst(peer, messages)
    queue.put("behind")
    assert queue.get_burst() == (peer, messages)
    queue.put_back(peer, messages[1:])
    assert queue.qsize() == 3
    assert peer._in_flight == 2
    assert [queue.get(), queue.get(), queue.get()] == [messages[1], messages[2], "behind"]
    assert peer._in_flight == 0


@pytest.mark.parametrize("maxsize", [None, 0])
def test_no_bound(maxsize: int | None) -> None:
    queue = IncomingQueue(maxsize)
    for number in range(20_000):
        queue.put_nowait(number)
    assert not queue.full()
    assert queue.maxsize is None


def test_the_default_bound() -> None:
    assert IncomingQueue().maxsize == 10_000


def test_taking_lets_the_peers_reader_on() -> None:
    queue, peer = IncomingQueue(), DataPeer()
    queue.put_burst(peer, burst(peer, b"1", b"2"))
    reader = tasks.spawn("reader", peer._room.wait)
    gevent.idle()
    assert not reader.ready()
    queue.get()
    within(reader.get)


def test_a_gate_lets_on_whoever_waits_and_closes_again() -> None:
    gate = Gate()
    first, killed = tasks.spawn("first", gate.wait), tasks.spawn("killed", gate.wait)
    gevent.idle()
    killed.kill()
    assert len(gate.waiters) == 1
    gate.open()
    within(first.get)
    second = tasks.spawn("second", gate.wait)
    gevent.idle()
    assert not second.ready()
    gate.open()
    within(second.get)


def test_a_waiter_may_be_killed_after_the_gate_was_opened() -> None:
    gate = Gate()
    waiter = tasks.spawn("waiter", gate.wait)
    gevent.idle()
    waiter.kill(block=False)
    gate.open()
    within(waiter.join)
    gate.open()
    assert waiter.ready()
