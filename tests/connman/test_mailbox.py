"""The queue between the central task and the program's threads."""

import threading

import gevent
import pytest

from connman.departed import Departed
from connman.mailbox import Mailbox
from connman.protocol import Message


def message(n: int) -> Message:
    return Message(n, {"n": n})


def put(mailbox: Mailbox, n: int, size: int = 10) -> None:
    mailbox.put(n, b'{"n":%d}' % n + b" " * (size - len(b'{"n":%d}' % n)))


def test_first_in_first_out() -> None:
    mailbox = Mailbox(10, 1000)
    for n in range(3):
        put(mailbox, n)
    assert [mailbox.take() for _ in range(4)] == [message(0), message(1), message(2), None]


def test_room_by_count_and_by_bytes() -> None:
    mailbox = Mailbox(3, 100)
    assert mailbox.has_room(1_000)
    put(mailbox, 1, 60)
    assert mailbox.has_room(40)
    assert not mailbox.has_room(41)
    mailbox.put(2, {"n": 2})
    mailbox.put(3, {"n": 3})
    assert not mailbox.has_room(0)
    assert (mailbox.messages_waiting, mailbox.bytes_waiting) == (3, 60)
    mailbox.take()
    assert mailbox.has_room(100)
    assert (mailbox.messages_waiting, mailbox.bytes_waiting) == (2, 0)


def test_closed() -> None:
    mailbox = Mailbox(3, 100)
    put(mailbox, 1)
    mailbox.close()
    assert [mailbox.take(), mailbox.take(blocking=True), mailbox.take(blocking=True)] == [None] * 3


@pytest.mark.parametrize("takers", [1, 8])
def test_every_message_is_taken_once(takers: int) -> None:
    mailbox = Mailbox(10_000, 1_000_000)
    taken: list[int] = []

    def take() -> None:
        while (found := mailbox.take(blocking=True)) is not None:
            taken.append(found.addr)

    threads = [threading.Thread(target=take) for _ in range(takers)]
    for thread in threads:
        thread.start()
    for n in range(1_000):
        put(mailbox, n)
        if n % 7 == 0:
            gevent.sleep(0)
    while mailbox.messages_waiting:
        gevent.sleep(0)
    mailbox.close()
    for thread in threads:
        thread.join(20)
        assert not thread.is_alive()
    assert sorted(taken) == list(range(1_000))
    assert mailbox.bytes_waiting == 0


def test_the_last_that_have_gone_are_remembered() -> None:
    departed: Departed[int, str] = Departed(most=3)
    for key in (1, 2, 3, 1, 4):
        departed.add(key, f"number {key}")
    assert [key in departed for key in (1, 2, 3, 4)] == [True, False, True, True]
    assert [departed.get(key) for key in (1, 2)] == ["number 1", None]
    departed.discard(1)
    departed.discard(9)
    assert 1 not in departed
