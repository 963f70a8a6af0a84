"""Failures counted and delays that grow, without a clock: each rule."""

from collections import Counter

import pytest

from login_server.accounts import attempts as module
from login_server.accounts.attempts import (
    FORGET_SECONDS,
    RULES,
    Attempt,
    Attempts,
    Outcome,
    Verdict,
    in_words,
    network_of,
)

HOME, AWAY = "192.0.2.1", "198.51.100.7"
NOW = 1_000_000.0


def try_once(attempts: Attempts, name: str, address: str, outcome: Outcome, now: float) -> Verdict | float:
    attempt = attempts.new(name, address)
    verdict = attempts.begin(attempt, now)
    if verdict is Verdict.GO:
        assert attempts.finish(attempt, outcome, now) == []
    return verdict


def fail(attempts: Attempts, name: str, address: str, times: int, now: float = NOW) -> float:
    """Fail so often, each time as soon as it may be; return the time after."""
    for _ in range(times):
        verdict = try_once(attempts, name, address, Outcome.WRONG, now)
        if isinstance(verdict, float):
            now += verdict
            assert try_once(attempts, name, address, Outcome.WRONG, now) is Verdict.GO
    return now


def test_the_delay_of_an_account_doubles_up_to_a_bound() -> None:
    attempts = Attempts()
    now, delays = NOW, []
    for number in range(12):
        address = f"192.0.2.{number}"  # each once, so that no address is closed
        verdict = try_once(attempts, "alice", address, Outcome.WRONG, now)
        if isinstance(verdict, float):
            delays.append(verdict)
            now += verdict
            assert try_once(attempts, "alice", address, Outcome.WRONG, now) is Verdict.GO
    assert delays == [2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0]


def test_an_address_is_closed_to_whatever_account() -> None:
    attempts = Attempts()
    for number in range(RULES["address"].free):
        assert try_once(attempts, f"player{number}", AWAY, Outcome.WRONG, NOW) is Verdict.GO
    assert try_once(attempts, "another", AWAY, Outcome.WRONG, NOW) == 2.0
    assert try_once(attempts, "another", HOME, Outcome.WRONG, NOW) is Verdict.GO


def test_trying_on_makes_it_no_worse() -> None:
    attempts = Attempts()
    now = fail(attempts, "alice", AWAY, 5)
    for _ in range(1000):
        assert try_once(attempts, "alice", AWAY, Outcome.WRONG, now) == 2.0
    assert try_once(attempts, "alice", AWAY, Outcome.WRONG, now + 2.0) is Verdict.GO


def test_it_is_forgotten_after_a_while() -> None:
    attempts = Attempts()
    now = fail(attempts, "alice", AWAY, 9)
    now += FORGET_SECONDS
    for _ in range(RULES["account"].free):
        assert try_once(attempts, "alice", AWAY, Outcome.WRONG, now) is Verdict.GO
    assert try_once(attempts, "alice", AWAY, Outcome.WRONG, now) == 2.0


def test_an_attack_from_elsewhere_does_not_keep_the_owner_out_where_the_owner_was_before() -> None:
    attempts = Attempts()
    assert try_once(attempts, "Alice", HOME, Outcome.RIGHT, NOW) is Verdict.GO
    now = fail(attempts, "alice", AWAY, 15)
    assert isinstance(try_once(attempts, "alice", "203.0.113.1", Outcome.RIGHT, now), float)
    assert try_once(attempts, "ALICE", HOME, Outcome.RIGHT, now) is Verdict.GO


def test_the_owner_gets_in_though_somebody_else_has_closed_the_address() -> None:
    attempts = Attempts()
    try_once(attempts, "alice", HOME, Outcome.RIGHT, NOW)
    for number in range(RULES["address"].free):
        try_once(attempts, f"player{number}", HOME, Outcome.WRONG, NOW)
    assert try_once(attempts, "bob", HOME, Outcome.RIGHT, NOW) == 2.0
    assert try_once(attempts, "alice", HOME, Outcome.RIGHT, NOW) is Verdict.GO


def test_an_account_is_the_same_in_any_case() -> None:
    attempts = Attempts()
    for name in ("alice", "ALICE", "Alice", "aLICE", "alicE"):
        assert try_once(attempts, name, AWAY, Outcome.WRONG, NOW) is Verdict.GO
    assert try_once(attempts, "AliCe", AWAY, Outcome.WRONG, NOW) == 2.0


def test_the_owners_place_is_closed_too_when_the_guesses_come_from_there() -> None:
    attempts = Attempts()
    try_once(attempts, "alice", HOME, Outcome.RIGHT, NOW)
    now = fail(attempts, "alice", HOME, 5)
    assert try_once(attempts, "alice", HOME, Outcome.RIGHT, now) == 2.0
    assert try_once(attempts, "alice", HOME, Outcome.RIGHT, now + 2.0) is Verdict.GO
    for _ in range(5):  # the log-in has cleared it
        assert try_once(attempts, "alice", HOME, Outcome.WRONG, now + 2.0) is Verdict.GO


def test_ones_own_log_ins_do_not_buy_guesses_at_others() -> None:
    attempts = Attempts()
    for number in range(RULES["address"].free):
        try_once(attempts, "mallory", AWAY, Outcome.RIGHT, NOW)
        try_once(attempts, f"player{number}", AWAY, Outcome.WRONG, NOW)
    assert try_once(attempts, "another", AWAY, Outcome.WRONG, NOW) == 2.0


def test_one_address_cannot_keep_an_account_closed_all_the_time() -> None:
    attempts = Attempts()
    now = fail(attempts, "alice", AWAY, 40)
    verdict = try_once(attempts, "alice", AWAY, Outcome.WRONG, now)
    assert verdict == RULES["address"].most_seconds
    assert try_once(attempts, "alice", HOME, Outcome.RIGHT, now + RULES["account"].most_seconds) is Verdict.GO


def test_what_nobody_knows_counts_for_nothing() -> None:
    attempts = Attempts()
    for _ in range(100):
        assert try_once(attempts, "alice", AWAY, Outcome.UNDECIDED, NOW) is Verdict.GO


def test_many_at_the_same_moment_do_not_slip_past_the_count() -> None:
    attempts = Attempts()
    many = [attempts.new("alice", f"192.0.2.{number}") for number in range(100)]
    verdicts = [attempts.begin(attempt, NOW) for attempt in many]
    assert Counter(verdicts) == {Verdict.GO: 5, Verdict.WAIT: 95}
    woken: list[tuple[Attempt, Verdict | float]] = []
    for attempt in many[:5]:
        woken += attempts.finish(attempt, Outcome.WRONG, NOW)
    assert woken == [(attempt, 2.0) for attempt in many[5:]]


def test_many_at_the_same_moment_who_are_right_all_get_in() -> None:
    attempts = Attempts()
    going, waiting = [], set()
    for number in range(500):
        attempt = attempts.new(f"player{number}", HOME)
        if attempts.begin(attempt, NOW) is Verdict.GO:
            going.append(attempt)
        else:
            waiting.add(attempt)
    assert (len(going), len(waiting)) == (20, 480)
    done = 0
    while going:
        for attempt, verdict in attempts.finish(going.pop(0), Outcome.RIGHT, NOW):
            assert verdict is Verdict.GO
            waiting.remove(attempt)
            going.append(attempt)
        done += 1
    assert (done, waiting) == (500, set())


def test_who_waits_for_an_address_may_then_have_to_wait_for_the_account() -> None:
    attempts = Attempts()
    full = [attempts.new(f"player{number}", AWAY) for number in range(RULES["address"].free)]
    taken = [attempts.new("alice", f"203.0.113.{number}") for number in range(RULES["account"].free)]
    assert {attempts.begin(attempt, NOW) for attempt in full + taken} == {Verdict.GO}
    late = attempts.new("alice", AWAY)
    assert attempts.begin(late, NOW) is Verdict.WAIT
    assert attempts.finish(full[0], Outcome.UNDECIDED, NOW) == []
    assert attempts.finish(taken[0], Outcome.UNDECIDED, NOW) == [(late, Verdict.GO)]
    assert [attempts.finish(attempt, Outcome.UNDECIDED, NOW) for attempt in full[1:] + taken[1:]] == [[]] * 23
    assert attempts.finish(late, Outcome.RIGHT, NOW) == []


def test_those_who_wait_go_in_the_order_they_came() -> None:
    attempts = Attempts()
    many = [attempts.new("alice", f"192.0.2.{number}") for number in range(8)]
    for attempt in many:
        attempts.begin(attempt, NOW)
    for number in range(3):
        assert attempts.finish(many[number], Outcome.RIGHT, NOW) == [(many[number + 5], Verdict.GO)]


def test_one_alone_at_a_time_when_no_failure_is_free() -> None:
    attempts = Attempts()
    now = fail(attempts, "alice", AWAY, 5) + 2.0
    first, second = attempts.new("alice", HOME), attempts.new("alice", AWAY)
    assert attempts.begin(first, now) is Verdict.GO
    assert attempts.begin(second, now) is Verdict.WAIT
    assert attempts.finish(first, Outcome.WRONG, now + 1.0) == [(second, 4.0)]


def test_who_can_have_no_account_is_counted_by_address_alone() -> None:
    attempts = Attempts(["192.0.2.2"])
    for name in ("", "a", "no name", "x" * 25, "x" * 4096, "álice", "alice\n"):
        assert attempts.new(name, AWAY).keys == (("address", AWAY),)
        assert attempts.new(name, "192.0.2.2").keys == ()
    for number in range(RULES["address"].free):
        assert try_once(attempts, f"no name {number}", AWAY, Outcome.WRONG, NOW) is Verdict.GO
    assert try_once(attempts, "no name", AWAY, Outcome.WRONG, NOW) == 2.0
    assert try_once(attempts, "no name", "192.0.2.2", Outcome.WRONG, NOW) is Verdict.GO


def test_a_host_with_many_ipv6_addresses_is_one() -> None:
    attempts = Attempts()
    for number in range(RULES["address"].free):
        assert try_once(attempts, f"player{number}", f"2001:db8::{number:x}", Outcome.WRONG, NOW) is Verdict.GO
    assert try_once(attempts, "another", "2001:db8::ffff:1", Outcome.WRONG, NOW) == 2.0
    assert try_once(attempts, "another", "2001:db8:0:1::1", Outcome.WRONG, NOW) is Verdict.GO


def test_a_clock_that_is_set_back_makes_no_delay_longer() -> None:
    attempts = Attempts()
    now = fail(attempts, "alice", AWAY, 5) - 86_400
    assert try_once(attempts, "alice", HOME, Outcome.RIGHT, now) == 2.0
    assert try_once(attempts, "alice", HOME, Outcome.RIGHT, now + 2.0) is Verdict.GO


def test_a_proxy_is_not_counted_and_is_nobodys_place() -> None:
    attempts = Attempts(["::ffff:192.0.2.1"])
    for number in range(100):
        assert try_once(attempts, f"player{number}", HOME, Outcome.WRONG, NOW) is Verdict.GO
    try_once(attempts, "alice", HOME, Outcome.RIGHT, NOW)
    assert attempts.new("alice", HOME).keys == (("account", "alice"),)


def test_what_is_counted_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, most in (("MAX_KEYS", 10), ("MAX_OWNERS", 10), ("MAX_PLACES", 3), ("MAX_WAITING", 4)):
        monkeypatch.setattr(module, name, most)
    attempts = Attempts()
    for number in range(100):
        try_once(attempts, f"player{number}", f"10.0.0.{number}", Outcome.WRONG, NOW + number)
        try_once(attempts, f"owner{number}", f"10.1.0.{number}", Outcome.RIGHT, NOW)
        try_once(attempts, "alice", f"10.2.0.{number}", Outcome.RIGHT, NOW)
    assert len(attempts._failures) <= 10
    assert len(attempts._owners) <= 10
    assert list(attempts._owners["alice"]) == ["10.2.0.97", "10.2.0.98", "10.2.0.99"]
    # The failure longest ago goes first, never the latest.
    assert ("account", "player99") in attempts._failures
    assert ("account", "player0") not in attempts._failures
    verdicts = [attempts.begin(attempts.new("bob", f"10.3.0.{number}"), NOW) for number in range(20)]
    assert Counter(verdicts) == {Verdict.GO: 5, Verdict.WAIT: 4, Verdict.FULL: 11}


def test_one_host_cannot_take_all_the_room_to_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, most in (("MAX_WAITING", 100), ("MAX_WAITING_FROM_PLACE", 30)):
        monkeypatch.setattr(module, name, most)
    attempts = Attempts(["192.0.2.2"])
    try_once(attempts, "mallory", AWAY, Outcome.RIGHT, NOW)
    mallorys = [attempts.new("mallory", AWAY) for _ in range(200)]
    verdicts = Counter(attempts.begin(attempt, NOW) for attempt in mallorys)
    assert verdicts == {Verdict.GO: 5, Verdict.WAIT: 30, Verdict.FULL: 165}
    school = [attempts.begin(attempts.new(f"player{number}", HOME), NOW) for number in range(60)]
    assert Counter(school) == {Verdict.GO: 20, Verdict.WAIT: 30, Verdict.FULL: 10}
    # Through a proxy, nobody knows who is one host.
    proxied = [attempts.begin(attempts.new("alice", "192.0.2.2"), NOW) for _ in range(60)]
    assert Counter(proxied) == {Verdict.GO: 5, Verdict.WAIT: 40, Verdict.FULL: 15}
    for attempt in mallorys[:5]:
        assert [verdict for _, verdict in attempts.finish(attempt, Outcome.RIGHT, NOW)] == [Verdict.GO]
    again = Counter(attempts.begin(attempts.new("mallory", AWAY), NOW) for _ in range(200))
    assert again == {Verdict.WAIT: 5, Verdict.FULL: 195}


def test_what_is_forgotten_first_was_last_used_the_longest_ago(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, most in (("MAX_KEYS", 6), ("MAX_PLACES", 3)):
        monkeypatch.setattr(module, name, most)
    attempts = Attempts()
    for name, host in (("alice", 1), ("bob", 2), ("carol", 3), ("alice", 1), ("dora", 4)):
        try_once(attempts, name, f"10.0.0.{host}", Outcome.WRONG, NOW)
    assert [key[1] for key in attempts._failures if key[0] == "account"] == ["carol", "alice", "dora"]
    for host in (1, 2, 3, 1, 4):
        try_once(attempts, "owner", f"10.0.1.{host}", Outcome.RIGHT, NOW)
    assert list(attempts._owners["owner"]) == ["10.0.1.3", "10.0.1.1", "10.0.1.4"]


def test_no_memory_is_kept_for_what_is_over() -> None:
    attempts = Attempts()
    for number in range(100):
        try_once(attempts, f"player{number}", f"10.0.0.{number}", Outcome.WRONG, NOW)
    try_once(attempts, "alice", HOME, Outcome.WRONG, NOW + FORGET_SECONDS)
    assert set(attempts._failures) == {("address", HOME), ("account", "alice")}


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::1%eth0", "2001:db8:1:2::/64"),
        ("", ""),
        ("/run/" + "x" * 100, "/run/" + "x" * 59),
    ],
)
def test_what_counts_as_one_address(address: str, network: str) -> None:
    assert network_of(address) == network


def test_delays_in_words() -> None:
    said = {seconds: in_words(seconds) for seconds in (0.1, 1.0, 1.5, 60.0, 119.5, 899.0)}
    assert list(said.values()) == ["1 second", "1 second", "2 seconds", "60 seconds", "2 minutes", "15 minutes"]
