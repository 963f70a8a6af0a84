"""Attempts that come, wait and end in whatever order, against a plain count of what has happened."""

from collections import Counter

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from login_server.accounts.attempts import FORGET_SECONDS, RULES, Attempt, Attempts, Key, Outcome, Verdict

NOW = 1_000_000.0


class Machine(RuleBasedStateMachine):
    """Whatever comes in whatever order: nobody waits for nothing, nothing is left over, no key is guessed at more often
    than it allows."""

    def __init__(self) -> None:
        super().__init__()
        self.attempts = Attempts()
        self.now = NOW
        self.going: list[Attempt] = []
        self.waiting: set[Attempt] = set()
        self.failures: dict[Key, list[float]] = {}

    @rule(
        name=st.sampled_from(["alice", "bob", "no name"]), host=st.integers(1, 3), times=st.sampled_from([1, 1, 8, 25])
    )
    def come(self, name: str, host: int, times: int) -> None:
        for _ in range(times):
            attempt = self.attempts.new(name, f"192.0.2.{host}")
            self.hear(attempt, self.attempts.begin(attempt, self.now))

    @precondition(lambda self: self.going)
    @rule(
        which=st.integers(0, 1000),
        outcome=st.sampled_from([*Outcome, Outcome.WRONG, Outcome.WRONG]),
        times=st.sampled_from([1, 1, 4]),
    )
    def end(self, which: int, outcome: Outcome, times: int) -> None:
        for _ in range(min(times, len(self.going))):
            self.end_one(which, outcome)

    def end_one(self, which: int, outcome: Outcome) -> None:
        attempt = self.going.pop(which % len(self.going))
        for key in attempt.keys:
            times = self.failures.setdefault(key, [])
            if times and self.now >= times[-1] + FORGET_SECONDS:
                times.clear()
            if outcome is Outcome.WRONG:
                times.append(self.now)
        if outcome is Outcome.RIGHT:
            self.failures.pop(("place", attempt.name, attempt.place or ""), None)
        for one, verdict in self.attempts.finish(attempt, outcome, self.now):
            self.waiting.remove(one)
            assert verdict is not Verdict.WAIT
            self.hear(one, verdict)

    @rule(seconds=st.sampled_from([0.5, 2.0, 60.0, 900.0, FORGET_SECONDS]))
    def pass_time(self, seconds: float) -> None:
        self.now += seconds

    def hear(self, attempt: Attempt, verdict: Verdict | float) -> None:
        """Was it right to say this, by what has happened so far?"""
        closed_for = max((self.closed_for(key) for key in attempt.keys), default=0.0)
        if isinstance(verdict, float):
            assert 0.0 < verdict == closed_for
            return
        # Whoever comes when nothing is closed, or is woken then, is let in or waits: a right password gets in.
        assert closed_for == 0.0
        if verdict is Verdict.GO:
            self.going.append(attempt)
            assert all(self.running(key) <= self.most(key) for key in attempt.keys)
        else:
            assert verdict is Verdict.WAIT
            assert any(self.running(key) >= self.most(key) for key in attempt.keys)
            assert attempt not in self.waiting
            self.waiting.add(attempt)

    def count(self, key: Key) -> int:
        times = self.failures.get(key)
        return len(times) if times and self.now < times[-1] + FORGET_SECONDS else 0

    def closed_for(self, key: Key) -> float:
        rule, count = RULES[key[0]], self.count(key)
        if count < rule.free:
            return 0.0
        delay = min(rule.first_seconds * 2.0 ** (count - rule.free), rule.most_seconds)
        return max(self.failures[key][-1] + delay - self.now, 0.0)

    def running(self, key: Key) -> int:
        return sum(key in attempt.keys for attempt in self.going)

    def most(self, key: Key) -> int:
        """At the same moment."""
        return max(RULES[key[0]].free - self.count(key), 1)

    @invariant()
    def what_is_counted_is_what_is_there(self) -> None:
        keys = {key for attempt in self.going for key in attempt.keys}
        assert self.attempts._running == {key: self.running(key) for key in keys}
        queued = [attempt for queue in self.attempts._queues.values() for attempt in queue]
        assert self.attempts._waiting == len(queued) == len(self.waiting)
        assert set(queued) == self.waiting
        assert self.attempts._waiting_from == Counter(attempt.place for attempt in queued if attempt.place)

    @invariant()
    def whoever_waits_waits_for_somebody(self) -> None:
        assert not self.waiting or self.going

    def teardown(self) -> None:
        while self.going:
            self.end_one(0, Outcome.UNDECIDED)
        assert not self.waiting
        assert not self.attempts._running
        assert not self.attempts._queues
        assert not self.attempts._waiting


Machine.TestCase.settings = settings(max_examples=60, stateful_step_count=60, deadline=None)
TestMachine = Machine.TestCase
