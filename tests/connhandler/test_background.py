"""A service beside a program's own work: in one that never heard of gevent, and in one that is monkey-patched."""

import threading
from collections.abc import Iterator
from concurrent.futures import Future
from typing import Any

import gevent
import pytest

from connhandler import Service
from connhandler.background import BackgroundService, ServiceEnded
from connhandler.testing import check_leaks
from tests.connhandler.ordinaryprogram import Counting
from tests.connhandler.support import Client, within
from tests.ordinary import run_ordinary

# --- in an ordinary program -------------------------------------------------------------------------------------------


def scenario(name: str) -> list[str]:
    return run_ordinary("tests.connhandler.ordinaryprogram", name)


def test_every_thread_may_call_and_all_goes_through_one_central_task() -> None:
    assert scenario("threads") == [
        r"echo b'\x05\x00hello'",
        "count 1600",
        "threads 1 False",
        "own thread True",
        r"goodbye b'\x08\x00farewell' b''",
        "closed True",
    ]


def test_what_the_caller_gets_to_hear() -> None:
    assert scenario("errors") == [
        "KeyError 'no such thing'",
        "RuntimeError counting: called from its own thread, which would wait for itself",
        "closed True True",
        "ServiceEnded counting has ended",
        "ServiceEnded counting has ended",
        "RuntimeError counting was started already",
    ]


def test_a_port_that_is_taken() -> None:
    assert scenario("port_taken") == ["OSError True", "closed True"]


def test_a_worker_thread_that_hangs() -> None:
    assert scenario("hanging_worker") == ["closed True", "ended True"]


def test_a_program_that_forgets_to_close() -> None:
    assert scenario("forgotten_close") == [r"echo b'\x05\x00hello'", r"goodbye b'\x08\x00farewell'"]


def test_a_program_that_does_not_wait_for_the_end() -> None:
    assert scenario("impatient_close") == ["closed False", "ended"]


# --- in a monkey-patched one, as this is ------------------------------------------------------------------------------


class Background:
    def __init__(self) -> None:
        self.service = BackgroundService("counting", self._make)
        self.service.start()

    def _make(self) -> Service:
        self.hub = gevent.get_hub()
        self.central = Counting()
        return Service(self.central, [self.central.handler], [self.central.pool], owns_process=False)


@pytest.fixture
def background() -> Iterator[Background]:
    with check_leaks():
        background = Background()
        yield background
        assert within(background.service.close)


def test_it_runs_in_the_hub_that_is_there(background: Background) -> None:
    assert not background.service.own_thread
    assert background.hub is gevent.get_hub()
    client = Client(background.central.handler.port)
    client.send(b"hello")
    assert client.receive() == b"hello"
    client.close()


def test_every_task_may_call(background: Background) -> None:
    def call() -> None:
        for _ in range(50):
            background.service.call(background.central.add, 1)

    callers = [threading.Thread(target=call) for _ in range(8)]  # patched: tasks
    for caller in callers:
        caller.start()
    for caller in callers:
        within(caller.join)
    assert background.service.call(background.central.add, 0) == 400


def test_a_real_thread_may_call(background: Background) -> None:
    def call() -> int:
        result: int = background.service.call(background.central.add, 7)
        return result

    assert within(gevent.get_hub().threadpool.apply, call) == 7


def test_posts_are_handled_in_order(background: Background) -> None:
    handled: list[int] = []
    for number in range(100):
        background.service.post(handled.append, number)
    background.service.call(handled.append, 100)
    assert handled == list(range(101))


def test_a_promise_that_nobody_keeps_is_broken_by_the_end() -> None:
    background = Background()
    promise, kept = background.service.promise(), background.service.promise()
    background.service.post(kept.set_result, 7)
    assert within(kept.result) == 7
    assert within(background.service.close)
    with pytest.raises(ServiceEnded, match="counting has ended"):
        promise.result(0)
    assert isinstance(promise, Future)
    with pytest.raises(ServiceEnded):
        background.service.promise()
    with pytest.raises(ServiceEnded):
        background.service.post(print)


class GivenUp(Future[Any]):
    """Whoever waits for it gives up just after others have looked whether it is done."""

    def done(self) -> bool:
        was_done = super().done()
        self.cancel()
        return was_done


def test_a_promise_that_is_given_up_at_the_end_costs_the_others_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    background = Background()
    monkeypatch.setattr("connhandler.background.Future", GivenUp)
    given_up = [background.service.promise() for _ in range(3)]
    monkeypatch.undo()
    promise = background.service.promise()
    assert within(background.service.close)
    with pytest.raises(ServiceEnded):
        promise.result(0)
    assert all(isinstance(future, GivenUp) for future in given_up)


def test_a_central_task_that_fails_ends_the_service(capsys: pytest.CaptureFixture[str]) -> None:
    background = Background()
    promise = background.service.promise()

    class Fatal(BaseException):
        """No mistake of a handler, which would cost its peer only."""

    def fail() -> None:
        raise Fatal

    background.service.post(fail)
    with pytest.raises(ServiceEnded):
        within(promise.result)
    assert within(background.service.close)
    assert "Fatal" in capsys.readouterr().err


def test_before_the_start() -> None:
    service = BackgroundService("early", lambda: pytest.fail("made"))
    with pytest.raises(ServiceEnded, match="early has not begun"):
        service.call(print)
    assert service.close()


def test_what_make_raises() -> None:
    def make() -> Service:
        raise ValueError("no such type")

    service = BackgroundService("bad", make)
    with pytest.raises(ValueError, match="no such type"):
        service.start()
    assert service.close()


def test_the_end_from_within_does_not_wait_for_itself() -> None:
    assert scenario("end_from_within") == ["closed from a worker False", "closed True", "closed True"]
