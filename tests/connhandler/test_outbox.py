"""What waits to be sent: together, in order, bounded, and without waiting."""

from collections.abc import Callable, Iterator
from typing import Any

import gevent
import gevent.event
import gevent.socket
import pytest

from connhandler import Limits, tasks
from connhandler.outbox import Outbox
from connhandler.sockets import send_now
from connhandler.testing import check_leaks, loopback_pair
from tests.connhandler.support import within


class Desk:
    """An outbox over a real socket, and what it reports.

    Attributes:
        far: the socket's other end.
        errors: what `failed` was called with.
        too_slow: what `too_slow` was called with.
    """

    def __init__(self, send: Callable[[bytes], None] | None = None, **limits: Any) -> None:
        self.sock, self.far = loopback_pair()
        self.far.settimeout(20)
        self.errors: list[BaseException] = []
        self.too_slow: list[int] = []
        limits.setdefault("max_message_bytes", 1)
        self.outbox = Outbox("desk[1]", self.sock, Limits(**limits), send, self.errors.append, self.too_slow.append)

    def fill(self) -> int:
        """Fill the socket's buffers, so that nothing can be sent at once; return how many bytes that took."""
        filled = 0
        for sock in (self.sock, self.far):
            sock.setsockopt(gevent.socket.SOL_SOCKET, gevent.socket.SO_SNDBUF, 4096)
        while sent := send_now(self.sock, b"f" * 65536):
            filled += sent
        return filled

    def received(self, count: int) -> bytes:
        parts = []
        while count:
            data = within(self.far.recv, min(count, 1 << 20))
            assert data
            parts.append(data)
            count -= len(data)
        return b"".join(parts)

    def close(self) -> None:
        self.outbox.close()
        self.sock.close()
        self.far.close()


@pytest.fixture
def desks() -> Iterator[Callable[..., Desk]]:
    """Make a `Desk`; arguments as for the class."""
    made: list[Desk] = []

    def make(*args: Any, **kwargs: Any) -> Desk:
        made.append(Desk(*args, **kwargs))
        return made[-1]

    with check_leaks():
        yield make
        while made:
            made.pop().close()


def test_what_was_put_in_one_burst_goes_out_together_and_in_order(
    desks: Callable[..., Desk], monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = desks()
    sends = []

    def noting(sock: gevent.socket.socket, data: bytes) -> int:
        sends.append(data)
        return send_now(sock, data)

    monkeypatch.setattr("connhandler.outbox.send_now", noting)
    for text in (b"one", b"two", b"three"):
        desk.outbox.put(text)
    assert desk.outbox.size == 11
    assert sends == []
    assert desk.received(11) == b"onetwothree"
    assert sends == [b"onetwothree"]
    assert desk.outbox.size == 0


def test_no_task_is_made_while_the_socket_takes_it(desks: Callable[..., Desk]) -> None:
    desk = desks()
    desk.outbox.put(b"x" * 1000)
    assert desk.received(1000) == b"x" * 1000
    assert desk.outbox._writer is None


def test_a_full_socket_is_written_to_by_a_task_that_then_ends(desks: Callable[..., Desk]) -> None:
    desk = desks()
    filled = desk.fill()
    desk.outbox.put(b"one")
    gevent.idle()
    assert desk.outbox._writer is not None
    assert desk.outbox.size == 3
    desk.outbox.put(b"two")
    assert desk.received(filled + 6)[-6:] == b"onetwo"
    assert within(desk.outbox.drain, 10.0)
    assert desk.outbox._writer is None
    desk.outbox.put(b"three")
    assert desk.received(5) == b"three"


def test_nothing_is_overtaken_however_the_socket_takes_it(desks: Callable[..., Desk]) -> None:
    desk = desks(outgoing_hard_bytes=1 << 30, outgoing_soft_bytes=1 << 30)
    pieces = [bytes([number]) * (1 + number * 3001 % 90_000) for number in range(200)]
    total = sum(map(len, pieces))
    receiving = tasks.spawn("receiving", desk.received, total)
    for number, piece in enumerate(pieces):
        desk.outbox.put(piece)
        if number % 7 == 0:
            gevent.sleep(0)
    assert within(receiving.get) == b"".join(pieces)
    assert desk.outbox.size == 0


def test_drain_waits_until_all_is_sent(desks: Callable[..., Desk]) -> None:
    desk = desks()
    assert desk.outbox.drain(0) is True
    filled = desk.fill()
    desk.outbox.put(b"last")
    assert within(desk.outbox.drain, 0.01) is False
    draining = tasks.spawn("draining", desk.outbox.drain, 10.0)
    assert desk.received(filled + 4).endswith(b"last")
    assert within(draining.get) is True


def test_drain_ends_when_the_box_is_closed(desks: Callable[..., Desk]) -> None:
    desk = desks()
    desk.fill()
    desk.outbox.put(b"never read")
    draining = tasks.spawn("draining", desk.outbox.drain, 60.0)
    gevent.idle()
    desk.outbox.close()
    assert within(draining.get) is False


def test_nothing_can_be_put_after_close(desks: Callable[..., Desk]) -> None:
    desk = desks()
    desk.outbox.put(b"forgotten")
    desk.outbox.close()
    desk.outbox.put(b"ignored")
    assert desk.outbox.size == 0
    gevent.idle()
    desk.sock.close()
    assert within(desk.far.recv, 100) == b""


def test_more_than_the_hard_bound_is_reported_at_once(desks: Callable[..., Desk]) -> None:
    desk = desks(outgoing_soft_bytes=1000, outgoing_hard_bytes=5000)
    desk.fill()
    desk.outbox.put(b"x" * 5000)
    assert desk.too_slow == []
    desk.outbox.put(b"x")
    assert desk.too_slow == [5001]


def test_a_burst_longer_than_the_hard_bound_is_fine_while_the_socket_takes_it(desks: Callable[..., Desk]) -> None:
    desk = desks(outgoing_soft_bytes=1000, outgoing_hard_bytes=5000)
    for _ in range(20):
        desk.outbox.put(b"x" * 1000)
    assert desk.too_slow == []
    assert desk.received(20_000) == b"x" * 20_000


def test_above_the_soft_bound_the_time_is_noted_until_it_is_read(desks: Callable[..., Desk]) -> None:
    desk = desks(outgoing_soft_bytes=1000, outgoing_hard_bytes=1_000_000)
    filled = desk.fill()
    desk.outbox.put(b"x" * 1000)
    assert desk.outbox.soft_since is None
    desk.outbox.put(b"x")
    since = desk.outbox.soft_since
    assert since is not None
    desk.outbox.put(b"x")
    assert desk.outbox.soft_since == since
    desk.received(filled + 1002)
    assert within(desk.outbox.drain, 10.0)
    assert desk.outbox.soft_since is None


def test_a_lost_connection_is_reported(desks: Callable[..., Desk]) -> None:
    desk = desks()
    desk.sock.shutdown(gevent.socket.SHUT_WR)
    desk.outbox.put(b"too late")
    gevent.idle()
    assert [type(error) for error in desk.errors] == [BrokenPipeError]
    assert desk.outbox.size == 0
    desk.outbox.put(b"ignored")
    assert desk.outbox.size == 0


def test_a_connection_lost_while_the_writer_waits_is_reported(desks: Callable[..., Desk]) -> None:
    desk = desks()
    desk.fill()
    desk.outbox.put(b"waits")
    gevent.idle()
    desk.far.setsockopt(gevent.socket.SOL_SOCKET, gevent.socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    desk.far.close()
    assert within(desk.outbox.drain, 10.0) is False
    assert [isinstance(error, OSError) for error in desk.errors] == [True]


# --- a writer's own send ----------------------------------------------------------------------------------------------


class SlowSend:
    """A `send` that waits until the test lets it on."""

    def __init__(self) -> None:
        self.begun: list[bytes] = []
        self.done: list[bytes] = []
        self.let_on = gevent.event.Event()

    def __call__(self, data: bytes) -> None:
        self.begun.append(data)
        self.let_on.wait()
        self.done.append(data)


def test_a_send_that_waits_gets_one_message_after_the_other(desks: Callable[..., Desk]) -> None:
    send = SlowSend()
    desk = desks(send)
    for text in (b"one", b"two", b"three"):
        desk.outbox.put(text)
    gevent.idle()
    assert send.begun == [b"one"]
    assert desk.outbox.size == 11
    send.let_on.set()
    assert within(desk.outbox.drain, 10.0)
    assert send.done == [b"one", b"two", b"three"]
    desk.outbox.put(b"four")
    assert within(desk.outbox.drain, 10.0)
    assert send.done[-1] == b"four"


def test_drain_waits_for_an_empty_message_too(desks: Callable[..., Desk]) -> None:
    send = SlowSend()
    send.let_on.set()
    desk = desks(send)
    desk.outbox.put(b"")
    assert within(desk.outbox.drain, 10.0)
    assert send.done == [b""]


def test_a_send_that_waits_is_bounded(desks: Callable[..., Desk]) -> None:
    send = SlowSend()
    desk = desks(send, outgoing_soft_bytes=10, outgoing_hard_bytes=20)
    desk.outbox.put(b"x" * 15)
    assert desk.outbox.soft_since is not None
    gevent.idle()
    desk.outbox.put(b"x" * 6)
    assert desk.too_slow == [21]


@pytest.mark.parametrize("error", [ValueError("bad"), ConnectionResetError("gone"), gevent.Timeout(1)])
def test_what_send_raises_is_reported(desks: Callable[..., Desk], error: BaseException) -> None:
    def send(data: bytes) -> None:
        raise error

    desk = desks(send)
    desk.outbox.put(b"x")
    desk.outbox.put(b"y")
    assert within(desk.outbox.drain, 10.0) is False
    assert desk.errors == [error]


def test_closing_ends_a_send_that_waits(desks: Callable[..., Desk]) -> None:
    send = SlowSend()
    desk = desks(send)
    desk.outbox.put(b"x")
    gevent.idle()
    writer = desk.outbox._writer
    assert writer is not None
    desk.outbox.close()
    within(writer.join)
    assert send.done == []
    assert desk.errors == []
