"""The stress tool's figures: that they are right, that they add up, and that nothing wrong goes unnoticed."""

import json
import math
import random
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from turn_server.stresstest import plots, summary
from turn_server.stresstest.config import Order, StressConfig
from turn_server.stresstest.conversation import Inbox, Kind, Violation, message
from turn_server.stresstest.histogram import Histogram, bounds_of, bucket_of
from turn_server.stresstest.pace import Pace
from turn_server.stresstest.recorder import Recorder
from turn_server.stresstest.results import Generator as GeneratorResults
from turn_server.stresstest.results import Results, ResultsUnreadable, load, merge, save

# --- histograms -------------------------------------------------------------------------------------

microseconds = st.one_of(st.integers(0, 2_000), st.integers(0, 10**10))


def histogram_of(times: Sequence[int]) -> Histogram:
    histogram = Histogram()
    for time_ in times:
        histogram.record(time_ / 1_000_000 + 1e-9)
    return histogram


@given(microseconds)
def test_each_time_is_in_the_bucket_that_says_so(time_: int) -> None:
    shortest, longest = bounds_of(bucket_of(time_))
    assert shortest <= time_ <= longest
    assert longest - shortest <= time_ / 128
    assert bucket_of(longest + 1) == bucket_of(time_) + 1


@given(st.lists(microseconds, min_size=1), st.sampled_from([0.1, 25.0, 50.0, 90.0, 99.0, 99.9, 100.0]))
def test_percentiles_are_those_of_the_times(times: list[int], percent: float) -> None:
    histogram = histogram_of(times)
    in_order = sorted(times)
    exact = in_order[max(0, math.ceil(round(percent * len(times) / 100, 6)) - 1)]
    assert exact / 1e6 <= histogram.percentile(percent) <= exact * (1 + 1 / 128) / 1e6 + 1e-9
    assert histogram.percentile(100.0) == histogram.maximum == max(times) / 1e6
    assert (histogram.count, histogram.total, histogram.shortest) == (len(times), sum(times), min(times))
    assert histogram.cumulative()[-1] == (max(times) / 1e6, len(times))


def test_a_thousand_times_have_a_percentile_of_99_9() -> None:
    assert histogram_of([*range(100, 1_100)]).percentile(99.9) == pytest.approx(1_098 / 1e6, rel=0.008)
    assert histogram_of([0] * 999 + [5_000_000]).percentile(99.9) == 0


def test_no_times_at_all() -> None:
    histogram = Histogram()
    assert (histogram.percentile(50.0), histogram.mean, histogram.maximum, histogram.cumulative()) == (0, 0, 0, [])
    histogram.record(-0.5)
    assert (histogram.count, histogram.maximum) == (1, 0)


@given(st.lists(st.lists(microseconds), min_size=3, max_size=3))
def test_histograms_add_up_to_that_of_all_times(parts: list[list[int]]) -> None:
    one, two, three = map(histogram_of, parts)
    whole = histogram_of([time_ for part in parts for time_ in part])
    assert one.plus(two).plus(three) == one.plus(two.plus(three)) == three.plus(one).plus(two) == whole


# --- results -----------------------------------------------------------------------------------------


def random_results(seed: int) -> Results:
    """Results with something in every field."""
    generator = random.Random(seed)
    recorder = Recorder(100.0)
    for _ in range(generator.randrange(20)):
        planned = 100 + generator.random() * 5
        sent = planned + generator.random() / 10
        error = generator.choice(["", "", "18 counter behind", "no reply"])
        recorder.request(generator.choice("abc"), planned, 100, sent, sent + generator.expovariate(10), error)
    results = recorder.results
    for name in results.counts.__struct_fields__:
        setattr(results.counts, name, generator.randrange(100))
    results.compute.record(generator.random())
    results.violations = {generator.choice("xyz"): generator.randrange(1, 9) for _ in range(generator.randrange(3))}
    results.examples = [f"example {generator.randrange(40):02}" for _ in range(generator.randrange(20))]
    results.server_cpu_milliseconds = generator.choice([None, generator.randrange(1000)])
    results.generators = [random_generator(generator) for _ in range(generator.randrange(1, 3))]
    return results


def random_generator(generator: random.Random) -> GeneratorResults:
    given_: dict[str, Any] = {
        "name": f"machine.{generator.randrange(10)}",
        "target": "127.0.0.1:80",
        "started_at": generator.random() * 1e9,
        "late_seconds": generator.random(),
        "seconds": 5 + generator.random(),
        "players": generator.randrange(10),
        "rate": 5.0,
        "data_size": 64,
        "pairing": "random",
        "keep_alive": True,
        "cpu_seconds": generator.random(),
        "requests": generator.randrange(1000),
    }
    return GeneratorResults(**given_)


results_strategy = st.integers(0, 10**6).map(random_results)


@given(results_strategy, results_strategy, results_strategy)
def test_results_add_up_in_any_order_and_any_groups(one: Results, two: Results, three: Results) -> None:
    whole = one.plus(two).plus(three)
    assert whole == one.plus(two.plus(three)) == three.plus(two).plus(one) == merge([two, three, one])
    assert whole.request_count == sum(part.request_count for part in (one, two, three))
    assert whole.error_count == sum(part.error_count for part in (one, two, three))
    assert sum(second.latency.count for second in whole.seconds.values()) == whole.request_count
    assert len(whole.generators) == sum(len(part.generators) for part in (one, two, three))


@given(results_strategy)
def test_results_are_the_same_after_a_file(tmp_path_factory: pytest.TempPathFactory, results: Results) -> None:
    file = tmp_path_factory.mktemp("results") / "results.json"
    save(results, file, summary.figures(results))
    assert load(file) == results
    assert merge([load(file)]) == merge([results])
    assert json.loads(file.read_text())["summary"]["requests"] == results.request_count


@pytest.mark.parametrize("text", ["", "[]", '{"format": "turn-stress 2"}', '{"counts": {"repeats": "many"}}'])
def test_what_holds_no_results(tmp_path: Path, text: str) -> None:
    file = tmp_path / "results.json"
    file.write_text(text)
    with pytest.raises(ResultsUnreadable, match="results"):
        load(file)


# --- the pace -----------------------------------------------------------------------------------------


def test_a_late_reply_does_not_move_the_plan() -> None:
    start = time.monotonic() - 10
    pace = Pace(start, 0.5, end=start + 100)
    assert [pace.wait() for _ in range(3)] == [start, start + 0.5, start + 1]
    assert pace.never_sent == 0


def test_what_is_due_in_future_is_waited_for() -> None:
    start = time.monotonic() + 0.05
    assert Pace(start, 0.5, start + 1).wait() == start
    assert time.monotonic() >= start - 0.001


def test_what_was_never_sent_is_counted() -> None:
    start = time.monotonic() - 10
    pace = Pace(start, 0.5, end=start + 5)
    assert pace.wait() >= start + 10
    assert pace.never_sent == 10
    pace.wait()
    assert pace.never_sent == 10


def test_the_wait_of_later_requests_for_a_late_reply_is_latency() -> None:
    recorder = Recorder(0.0)
    # Planned for 1.0 and 1.2; the reply to the first took a second.
    recorder.request("game update", 1.0, 0.5, 1.001, 2.0, "")
    recorder.request("game update", 1.2, 2.0, 2.003, 2.004, "")
    (one,) = recorder.results.requests.values()
    assert (one.latency.shortest, one.latency.longest) == (804_000, 1_000_000)
    assert one.service.shortest == pytest.approx(1_000, abs=1)
    # Only what came after the reply before it is the generator's own lateness.
    assert recorder.results.lag.longest == pytest.approx(3_000, abs=1)
    assert {second: found.latency.count for second, found in recorder.results.seconds.items()} == {2: 2}


def test_players_begin_evenly_spread() -> None:
    order = Order(config=StressConfig(pairs=4, processes=3), process=1, start_at=0.0)
    assert [order.offset(player) for player in range(8)] == [player / 8 for player in range(8)]
    orders = [msgspec.structs.replace(order, process=process) for process in range(3)]
    assert [(one.first_pair, one.pairs) for one in orders] == [(0, 1), (1, 1), (2, 2)]


# --- what the partner says ----------------------------------------------------------------------------


def words(sender: str, count: int) -> list[str]:
    return [message(sender, number, Kind.WORD, 64) for number in range(count)]


@given(st.integers(0, 10_000), st.integers(1, 2_000))
def test_a_message_has_its_length_and_nothing_that_divides(number: int, length: int) -> None:
    text = message("host.1", number, Kind.WORD, length)
    assert len(text) == length or len(text) < 25
    assert "|" not in text
    inbox = Inbox("host.1")
    inbox.take(text)
    assert inbox.verified == 1
    assert inbox.violations[Violation.DAMAGED] == 0


@pytest.mark.parametrize("length", [64, 10], ids=["expected", "other length"])
def test_messages_once_and_in_order_are_right(length: int) -> None:
    inbox = Inbox("a", length)
    for text in [*words("a", 5), "*", "", message("a", 5, Kind.LAST, 1)]:
        inbox.take(text)
    inbox.end()
    assert (inbox.verified, inbox.violations, inbox.kinds) == (6, {}, {Kind.WORD, Kind.LAST})


zero, one, two, three = words("a", 4)


@pytest.mark.parametrize(
    ("texts", "violations"),
    [
        ([zero, zero], {Violation.REPEATED: 1}),
        ([zero, one, zero, one, two], {Violation.REPEATED: 2}),
        ([zero, three], {Violation.MISSING: 2}),
        ([zero, two, one], {Violation.MISSING: 1, Violation.REPEATED: 1}),
        ([zero, one[:-1], two], {Violation.DAMAGED: 1}),
        ([zero, one.replace("a", "e"), two], {Violation.DAMAGED: 1}),
        ([f"{zero}|{one}"], {Violation.DAMAGED: 1}),
        (["hello"], {Violation.DAMAGED: 1}),
        (["a:0:w:999999999999:"], {Violation.DAMAGED: 1}),
        (["a:0:?:1:"], {Violation.DAMAGED: 1}),
        ([words("b", 1)[0], zero], {Violation.STRAY: 1}),
    ],
)
def test_violations_are_found(texts: list[str], violations: dict[Violation, int]) -> None:
    inbox = Inbox("a", 64)
    for text in texts:
        inbox.take(text)
    assert inbox.violations == violations
    assert len(inbox.examples) == sum(inbox.violations.values()) or Violation.MISSING in violations
    inbox.end()
    assert inbox.violations == violations | {Violation.UNFINISHED: 1}


# --- what is shown -------------------------------------------------------------------------------------


@given(results_strategy)
def test_any_results_can_be_told(results: Results) -> None:
    text = summary.text(results)
    assert summary.verdict(results) in text
    for kind in results.requests:
        assert kind in text


@pytest.mark.parametrize("seed", range(3))
def test_any_results_can_be_drawn(seed: int, tmp_path: Path) -> None:
    pictures = plots.draw_all(random_results(seed), tmp_path)
    assert all(file.stat().st_size > 5_000 for file in pictures.values())


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.0, "0.00"), (0.000214, "0.21"), (0.0214, "21.4"), (0.2144, "214"), (3.5, "3,500")]
)
def test_milliseconds(seconds: float, text: str) -> None:
    assert summary.in_milliseconds(seconds) == text
