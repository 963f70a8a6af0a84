"""Calls to the database that end in time: a scripted pool, a clock that obeys, and things in every order."""

import logging
import random
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from connhandler import Busy, CentralTask
from connhandler.testing import ManualClock, run_queue, run_timers
from login_server.database import DatabaseAway, DatabaseFailed
from login_server.databasecalls import DEADLINE_SECONDS, DatabaseCalls, refusal_for
from login_server.refusal import Refusal

NEXT_PROBE_SECONDS = 1.25


class ScriptedPool:
    """A pool whose threads do the next thing when the test says so."""

    name = "database"

    def __init__(self) -> None:
        self.full = False
        self.waiting: list[Any] = []
        self.begun: list[Any] = []

    def submit(self, function: Callable[..., Any], *args: Any, done: Any) -> None:
        if self.full:
            raise Busy("full")
        self.waiting.append((function, args, done))

    def begin(self) -> None:
        """A thread takes the first that waits and runs it, but its result does not come back yet."""
        function, args, done = self.waiting.pop(0)
        try:
            self.begun.append((done, function(*args), None))
        except Exception as error:  # noqa: BLE001 - as the real pool does
            self.begun.append((done, None, error))

    def end(self, number: int = 0) -> None:
        """The result of one of those that have begun comes back."""
        done, result, error = self.begun.pop(number)
        done(result, error)


class World:
    def __init__(self) -> None:
        self.clock = ManualClock()
        self.pool = ScriptedPool()
        self.central = CentralTask("test", clock=self.clock, random=random.Random(1))
        self.failure: Exception | None = None
        self.ran: list[int] = []
        self.answers: list[tuple[int, Any, BaseException | None]] = []
        self.calls = DatabaseCalls(self.central, self.pool, self.probe)  # type: ignore[arg-type]

    def probe(self) -> None:
        if self.failure:
            raise self.failure

    def work(self, number: int) -> int:
        self.ran.append(number)
        if self.failure:
            raise self.failure
        return number

    def call(self, number: int, writes: bool = False) -> None:
        def then(result: Any, error: BaseException | None) -> None:
            self.answers.append((number, result, error))

        self.calls.call(self.work, number, then=then, writes=writes)

    def step(self) -> None:
        """One thing is done, from its beginning to its answer."""
        self.pool.begin()
        self.pool.end()
        run_queue(self.central)

    def pass_time(self, seconds: float) -> None:
        self.clock.advance(seconds)
        run_timers(self.central)

    def take(self) -> list[tuple[int, Any, BaseException | None]]:
        run_queue(self.central)
        answers, self.answers = self.answers, []
        return answers

    def refused(self, number: int) -> DatabaseAway:
        """Check that there is one answer, that the database is away."""
        ((answered, result, error),) = self.take()
        assert (answered, result) == (number, None)
        assert isinstance(error, DatabaseAway), error
        return error


@pytest.fixture
def world() -> World:
    return World()


def test_an_answer_comes_back(world: World) -> None:
    world.call(1)
    world.step()
    assert world.take() == [(1, 1, None)]
    world.pass_time(10)
    assert world.take() == []


@pytest.mark.parametrize("error", [Refusal("name_taken", "it is"), DatabaseFailed("disk full"), ValueError("bug")])
def test_what_the_function_raises_comes_back_and_the_database_is_not_away(world: World, error: Exception) -> None:
    world.failure = error
    world.call(1)
    world.step()
    assert world.take() == [(1, None, error)]
    assert not world.calls.away


def test_a_call_without_an_answer_is_refused_at_its_deadline_and_only_once(world: World) -> None:
    world.call(1)
    world.pool.begin()
    world.pass_time(DEADLINE_SECONDS - 0.001)
    assert world.take() == []
    world.pass_time(0.001)
    assert not world.refused(1).outcome_unknown
    assert world.calls.away
    world.pool.end()
    assert world.take() == []


def test_a_call_that_was_given_up_before_it_began_never_runs(world: World, caplog: pytest.LogCaptureFixture) -> None:
    world.call(1, writes=True)
    world.pass_time(DEADLINE_SECONDS)
    assert not world.refused(1).outcome_unknown
    assert caplog.messages == ["the database is away: no answer within 1.5 s"]
    caplog.clear()
    world.step()
    assert world.ran == []
    assert world.take() == []
    assert caplog.messages == []


def test_a_late_success_of_a_write_is_logged_and_its_refusal_said_that_it_is_not_known(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    world.call(1, writes=True)
    world.call(2)
    world.pool.begin()
    world.pool.begin()
    world.pass_time(DEADLINE_SECONDS)
    (_, _, write), (_, _, read) = world.take()
    assert isinstance(write, DatabaseAway)
    assert write.outcome_unknown
    assert isinstance(read, DatabaseAway)
    assert not read.outcome_unknown
    caplog.clear()
    world.pool.end()
    world.pool.end()
    run_queue(world.central)
    assert caplog.messages == ["the database did something after all that was refused: World.work"]
    assert world.calls.away, "that it was done late is no reason to ask again"


def test_when_it_is_away_calls_are_refused_at_once_and_probes_go_on_until_one_succeeds(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    world.failure = DatabaseAway("connection refused")
    world.call(1)
    world.step()
    world.refused(1)
    for _ in range(5):
        world.call(2)
        assert world.answers == [], "not before the caller has gone on"
        world.refused(2)
        assert len(world.pool.waiting) == 1, "nothing but the probe"
        world.step()
        assert world.pool.waiting == []
        world.pass_time(0.74)
        assert world.pool.waiting == [], "one a second"
        world.pass_time(NEXT_PROBE_SECONDS - 0.74)
    world.failure = None
    assert world.calls.away
    world.step()
    assert not world.calls.away
    world.call(3)
    world.step()
    assert world.take() == [(3, 3, None)]
    assert world.ran == [1, 3]
    assert [record.message for record in caplog.records] == [
        "the database is away: connection refused",
        "the database is back after 6.2 s",
    ]
    world.pass_time(100)
    assert world.pool.waiting == []


def test_many_calls_without_an_answer_are_one_line_and_one_probe(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    for number in range(3):
        world.call(number)
    world.pool.begin()
    world.pool.begin()
    world.pass_time(DEADLINE_SECONDS)
    assert [number for number, _, error in world.take() if isinstance(error, DatabaseAway)] == [0, 1, 2]
    assert caplog.messages == ["the database is away: no answer within 1.5 s"]
    assert len(world.pool.waiting) == 2, "the call that was given up, and the probe"


def test_a_probe_that_hangs_is_the_only_one(world: World) -> None:
    world.call(1)
    world.pool.begin()
    world.pass_time(DEADLINE_SECONDS)
    world.pool.begin()  # the probe
    world.pass_time(1000)
    assert world.pool.waiting == []
    world.pool.end(1)
    run_queue(world.central)
    assert not world.calls.away


def test_a_probe_that_finds_no_room_is_tried_again(world: World) -> None:
    world.call(1)
    world.pool.full = True
    world.pass_time(DEADLINE_SECONDS)
    world.refused(1)
    world.pool.full = False
    world.pool.waiting.clear()
    world.pass_time(NEXT_PROBE_SECONDS)
    world.step()
    assert not world.calls.away


def test_a_full_pool_and_a_long_queue_are_no_reason_to_take_it_for_away(world: World) -> None:
    world.call(1)
    world.call(2)
    world.pass_time(DEADLINE_SECONDS / 2)
    world.step()
    assert world.take() == [(1, 1, None)]
    world.pass_time(DEADLINE_SECONDS / 2)
    ((number, _, error),) = world.take()
    assert (number, type(error)) == (2, Busy)
    world.pool.full = True
    world.call(3)
    ((number, _, error),) = world.take()
    assert (number, type(error)) == (3, Busy)
    assert not world.calls.away
    world.step()
    assert world.ran == [1]


def test_connections_that_break_off_under_load_are_probed_at_once(world: World) -> None:
    """What waits already is not refused with them."""
    for number in range(3):
        world.call(number)
    world.failure = DatabaseAway("terminated by the administrator")
    world.step()
    world.refused(0)
    world.failure = None
    world.step()
    world.step()
    assert [number for number, _, error in world.take() if error is None] == [1, 2]
    world.step()
    assert not world.calls.away


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (Refusal("name_taken", "the name bob is taken"), "name_taken", "the name bob is taken"),
        (Busy("full"), "busy", "the server is very busy, try again in a moment"),
        (DatabaseAway("x"), "database_away", "the database does not answer, try again in a moment"),
        (
            DatabaseAway("x", outcome_unknown=True),
            "database_away",
            "the database does not answer, so it is not known whether this was done; look again in a moment",
        ),
        (DatabaseFailed("disk full"), "database_failed", "the database failed, try again later"),
        (ValueError("bug"), "database_failed", "the database failed, try again later"),
    ],
)
def test_what_is_told_to_people(error: Exception, code: str, words: str) -> None:
    refusal = refusal_for(error)
    assert (refusal.code, refusal.message) == (code, words)


def test_what_is_told_to_the_operator(caplog: pytest.LogCaptureFixture) -> None:
    refusal_for(DatabaseAway("told once, when it went away"))
    refusal_for(Busy("full"))
    assert caplog.messages == []
    refusal_for(DatabaseFailed("disk full"))
    refusal_for(ValueError("bug"))
    assert caplog.messages == ["the database failed: disk full", "a call to the database failed"]


class AnyOrder(RuleBasedStateMachine):
    """Calls, answers, failures, deadlines and probes in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.world = World()
        self.asked = 0
        self.answered: dict[int, BaseException | None] = {}
        self.due: dict[int, float] = {}

    @rule(writes=st.booleans())
    def call(self, writes: bool) -> None:
        self.due[self.asked] = self.world.clock.now + DEADLINE_SECONDS
        self.world.call(self.asked, writes)
        self.asked += 1

    @precondition(lambda self: self.world.pool.waiting)
    @rule()
    def begin(self) -> None:
        ran = len(self.world.ran)
        self.world.pool.begin()
        for number in self.world.ran[ran:]:
            assert number not in self.answered, "it was given up, and yet it began"

    @precondition(lambda self: self.world.pool.begun)
    @rule(data=st.data())
    def end(self, data: st.DataObject) -> None:
        self.world.pool.end(data.draw(st.integers(0, len(self.world.pool.begun) - 1)))

    @rule(seconds=st.sampled_from([0.1, 0.5, 1.0, 2.0]))
    def pass_time(self, seconds: float) -> None:
        self.world.pass_time(seconds)

    @rule(failure=st.sampled_from([None, DatabaseAway("away"), DatabaseFailed("failed"), ValueError("bug")]))
    def fail(self, failure: Exception | None) -> None:
        self.world.failure = failure

    @rule(full=st.booleans())
    def fill(self, full: bool) -> None:
        self.world.pool.full = full

    @invariant()
    def each_call_has_one_answer_by_its_deadline(self) -> None:
        for number, _, error in self.world.take():
            assert number not in self.answered, "answered twice"
            self.answered[number] = error
        for number, due in self.due.items():
            assert number in self.answered or self.world.clock.now < due

    def teardown(self) -> None:
        """Once it does its work again, it is soon in use again, with nothing left over."""
        world = self.world
        world.failure, world.pool.full = None, False
        for _ in range(3):
            while world.pool.waiting or world.pool.begun:
                if world.pool.waiting:
                    world.pool.begin()
                world.pool.end()
                run_queue(world.central)
            world.pass_time(NEXT_PROBE_SECONDS)
        assert not world.calls.away
        self.call(writes=False)
        world.step()
        self.each_call_has_one_answer_by_its_deadline()
        assert self.answered[self.asked - 1] is None
        assert sorted(self.answered) == list(range(self.asked))
        assert world.central.work_outstanding == 0


TestAnyOrder = AnyOrder.TestCase
TestAnyOrder.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
