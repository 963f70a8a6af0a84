import logging
import os
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import gevent
import pytest
from gevent.event import Event

from connhandler.errors import Busy
from connhandler.workers import TaskPool, WorkerPool

MakePool = Callable[..., WorkerPool]


class Gate:
    """A work function that runs until it is opened: a pipe, since gevent's events belong to the hub's thread."""

    def __init__(self) -> None:
        self._read, self._write = os.pipe()

    def wait(self, value: Any = None) -> Any:
        os.read(self._read, 1)
        return value

    def open(self, count: int = 1) -> None:
        os.write(self._write, b"." * count)


class Outcome:
    """A `done` that can be waited for."""

    def __init__(self) -> None:
        self._result: tuple[Any, Exception | None] = (None, None)
        self._called = Event()
        self.calls = 0
        self.native_id = 0

    def __call__(self, value: Any, error: Exception | None) -> None:
        self.calls += 1
        self.native_id = threading.get_native_id()
        self._result = (value, error)
        self._called.set()

    @property
    def ready(self) -> bool:
        return self.calls > 0

    def get(self) -> tuple[Any, Exception | None]:
        assert self._called.wait(5)
        return self._result


@pytest.fixture
def gate() -> Gate:
    return Gate()


@pytest.fixture
def make_pool() -> Iterator[MakePool]:
    pools = []

    def make(threads: int = 1, max_queued: int = 1, **kwargs: Any) -> WorkerPool:
        pools.append(WorkerPool("pool", threads=threads, max_queued=max_queued, **kwargs))
        return pools[-1]

    yield make
    for pool in pools:
        assert pool.close(5)


def run(pool: WorkerPool, function: Callable[..., Any], *args: Any) -> tuple[Any, Exception | None]:
    outcome = Outcome()
    pool.submit(function, *args, done=outcome)
    return outcome.get()


def thread_count() -> int:
    return len(list(Path("/proc/self/task").iterdir()))


def wait_for_threads(count: int) -> None:
    """The kernel tells nobody that a thread has ended: look until it has."""
    with gevent.Timeout(5):
        while thread_count() != count:
            gevent.sleep(0.001)


def test_the_result_comes_back_in_the_hubs_thread(make_pool: MakePool) -> None:
    pool, outcome = make_pool(), Outcome()
    pool.submit(threading.get_native_id, done=outcome)
    native_id, error = outcome.get()
    assert error is None
    assert native_id != threading.get_native_id() == outcome.native_id
    assert (pool.outstanding, pool.counters) == (0, {"submitted": 1})


def test_arguments_are_passed(make_pool: MakePool) -> None:
    assert run(make_pool(), divmod, 7, 2) == ((3, 1), None)


def test_submit_and_the_work_do_not_hold_up_the_hub(make_pool: MakePool, gate: Gate) -> None:
    pool, outcome = make_pool(threads=1, max_queued=1), Outcome()
    pool.submit(gate.wait, done=Outcome())
    pool.submit(gate.wait, "second", done=outcome)
    gevent.sleep(0.01)  # Returns only if the hub runs while a thread blocks.
    assert not outcome.ready
    gate.open(2)
    assert outcome.get() == ("second", None)


def test_a_full_pool_refuses_at_once(make_pool: MakePool, gate: Gate) -> None:
    pool = make_pool(threads=2, max_queued=3)
    outcomes = [Outcome() for _ in range(5)]
    for number, outcome in enumerate(outcomes):
        pool.submit(gate.wait, number, done=outcome)
    with pytest.raises(Busy, match="pool: 5 outstanding already"):
        pool.submit(gate.wait, done=Outcome())
    assert (pool.outstanding, pool.counters["submitted"], pool.counters["refused"]) == (5, 5, 1)
    gate.open(5)
    assert [outcome.get() for outcome in outcomes] == [(number, None) for number in range(5)]
    assert run(pool, int) == (0, None)


def test_so_many_threads_and_no_more(make_pool: MakePool, gate: Gate) -> None:
    before = thread_count()
    pool, outcomes = make_pool(threads=3, max_queued=20), [Outcome() for _ in range(20)]
    for outcome in outcomes:
        pool.submit(gate.wait, done=outcome)
    assert thread_count() == before + 3
    gate.open(20)
    for outcome in outcomes:
        outcome.get()
    assert thread_count() == before + 3
    assert pool.close(5)
    wait_for_threads(before)


def test_what_waits_begins_in_the_order_it_was_submitted(make_pool: MakePool, gate: Gate) -> None:
    pool, begun = make_pool(threads=1, max_queued=9), list[int]()
    outcomes = [Outcome() for _ in range(9)]
    pool.submit(gate.wait, done=Outcome())
    for number, outcome in enumerate(outcomes):
        pool.submit(begun.append, number, done=outcome)
    gate.open()
    for outcome in outcomes:
        outcome.get()
    assert begun == list(range(9))


def test_an_exception_arrives_as_the_error(make_pool: MakePool, capsys: pytest.CaptureFixture[str]) -> None:
    pool = make_pool()
    value, error = run(pool, divmod, 1, 0)
    assert value is None
    assert isinstance(error, ZeroDivisionError)
    assert pool.counters["failed"] == 1
    assert capsys.readouterr().err == ""
    assert run(pool, divmod, 3, 2) == ((1, 1), None)


@pytest.mark.parametrize("exception", [SystemExit(3), KeyboardInterrupt(), gevent.GreenletExit(), gevent.Timeout()])
def test_a_worker_cannot_end_the_program(make_pool: MakePool, exception: BaseException) -> None:
    def work() -> None:
        raise exception

    pool = make_pool()
    value, error = run(pool, work)
    assert value is None
    assert type(error) is RuntimeError
    assert error.__cause__ is exception
    assert run(pool, int) == (0, None)


def test_done_may_submit_again_even_when_the_pool_was_full(make_pool: MakePool) -> None:
    pool, second = make_pool(threads=1, max_queued=0), Outcome()
    pool.submit(int, done=lambda value, error: pool.submit(int, "5", done=second))
    assert second.get() == (5, None)


def test_an_exception_in_done_is_logged_and_costs_nothing_else(
    make_pool: MakePool, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(value: Any, error: Exception | None) -> None:
        raise ZeroDivisionError

    pool = make_pool()
    monkeypatch.setattr(gevent.get_hub(), "exception_stream", None)
    with caplog.at_level(logging.ERROR):
        pool.submit(int, done=fail)
        assert run(pool, int) == (0, None)
    assert "pool.done: task crashed" in caplog.text
    assert pool.outstanding == 0


def test_close_waits_for_all_that_is_outstanding(make_pool: MakePool, gate: Gate) -> None:
    pool, outcomes = make_pool(threads=1, max_queued=2), [Outcome() for _ in range(3)]
    for outcome in outcomes:
        pool.submit(gate.wait, "done", done=outcome)
    gate.open(3)
    assert pool.close()
    assert [outcome.calls for outcome in outcomes] == [1, 1, 1]
    with pytest.raises(Busy, match="pool: closed"):
        pool.submit(int, done=Outcome())


def test_close_gives_up_after_its_timeout(gate: Gate) -> None:
    before = thread_count()
    pool, running, waiting = WorkerPool("pool", threads=1, max_queued=1), Outcome(), Outcome()
    pool.submit(gate.wait, "late", done=running)
    pool.submit(gate.wait, done=waiting)
    assert not pool.close(0.01)
    value, error = waiting.get()
    assert value is None
    assert isinstance(error, Busy)
    gate.open()
    assert running.get() == ("late", None)
    wait_for_threads(before)
    assert (running.calls, waiting.calls) == (1, 1)


def test_an_unused_pool_costs_no_thread() -> None:
    before = thread_count()
    pool = WorkerPool("pool", threads=4, max_queued=4)
    assert thread_count() == before
    assert pool.close(0)
    assert pool.close(0)


def test_a_thread_that_cannot_be_started_is_an_error_of_the_work(
    make_pool: MakePool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def start_new_thread(*args: Any) -> None:
        raise RuntimeError("can't start new thread")

    pool = make_pool()
    with monkeypatch.context() as patch:
        patch.setattr("gevent.threadpool.start_new_thread", start_new_thread)
        value, error = run(pool, int)
    assert value is None
    assert isinstance(error, RuntimeError)
    assert run(pool, int, "4") == (4, None)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has a niceness for each thread")
def test_niceness_is_that_of_the_threads_alone(make_pool: MakePool) -> None:
    own = os.getpriority(os.PRIO_PROCESS, 0)
    nice, plain = make_pool(niceness=min(own + 5, 19)), make_pool()
    assert run(nice, os.getpriority, os.PRIO_PROCESS, 0) == (min(own + 5, 19), None)
    assert run(plain, os.getpriority, os.PRIO_PROCESS, 0) == (own, None)
    assert os.getpriority(os.PRIO_PROCESS, 0) == own


@pytest.mark.parametrize("arguments", [{"threads": 0}, {"max_queued": -1}, {"niceness": 20}, {"niceness": -1}], ids=str)
def test_arguments_out_of_their_bounds(arguments: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=next(iter(arguments))):
        WorkerPool("pool", **{"threads": 1, "max_queued": 1, **arguments})


# --- tasks in place of threads ----------------------------------------------------------------------------------------


def test_tasks_run_in_the_hubs_thread_so_many_at_a_time_and_the_rest_in_order() -> None:
    pool, outcomes = TaskPool("pool", tasks=2, max_queued=3), [Outcome() for _ in range(5)]
    begun: list[int] = []
    let_go = Event()

    def work(number: int) -> int:
        begun.append(number)
        let_go.wait()
        return threading.get_native_id()

    for number, outcome in enumerate(outcomes):
        pool.submit(work, number, done=outcome)
    with pytest.raises(Busy, match="pool: 5 outstanding already"):
        pool.submit(int, done=Outcome())
    gevent.sleep(0)
    assert begun == [0, 1]
    let_go.set()
    assert [outcome.get() for outcome in outcomes] == [(threading.get_native_id(), None)] * 5
    assert begun == [0, 1, 2, 3, 4]
    assert pool.close(5)


def test_a_task_that_fails_and_one_that_is_still_at_work_at_the_end() -> None:
    pool, failed, hanging, waiting = TaskPool("pool", tasks=1, max_queued=2), Outcome(), Outcome(), Outcome()
    pool.submit(divmod, 1, 0, done=failed)
    assert isinstance(failed.get()[1], ZeroDivisionError)
    pool.submit(Event().wait, done=hanging)
    pool.submit(int, done=waiting)
    assert not pool.close(0.01)
    assert isinstance(waiting.get()[1], Busy)
    error = hanging.get()[1]
    assert error is not None
    assert isinstance(error.__cause__, gevent.GreenletExit)
    assert (pool.outstanding, hanging.calls, waiting.calls) == (0, 1, 1)


def test_a_pool_of_no_tasks() -> None:
    with pytest.raises(ValueError, match="tasks must be at least 1"):
        TaskPool("pool", tasks=0, max_queued=1)
