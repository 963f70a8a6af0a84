"""The figures of a test: for the terminal, for the page, and for whoever reads `results.json`."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from turn_server.stresstest.histogram import Histogram
from turn_server.stresstest.results import RequestResults, Results

PERCENTILES: Final = (50.0, 90.0, 99.0, 99.9)

BUSY_SHARE: Final = 0.85
"""Of one processor: a generator that uses more is too busy to trust what it measures."""

LAG_SECONDS: Final = 0.01
"""If one request in a hundred is sent later than that, the generator is a good part of what is measured."""

ALL: Final = "all requests"


class Row(NamedTuple):
    """One type of requests in the table. Times are in seconds."""

    kind: str
    requests: int
    errors: int
    percentiles: tuple[float, ...]
    maximum: float


def rows(results: Results, *, planned: bool = True) -> list[Row]:
    """Return the table of latencies, the most frequent type first, all of them together last.

    Args:
        planned: count from the moment for which a request was planned; otherwise, from when it was sent.
    """
    by_count = sorted(results.requests.items(), key=lambda item: -item[1].latency.count)
    return [_row(kind, one, planned) for kind, one in [*by_count, (ALL, results.overall)]]


def _row(kind: str, one: RequestResults, planned: bool) -> Row:
    times = one.latency if planned else one.service
    percentiles = tuple(times.percentile(percent) for percent in PERCENTILES)
    return Row(kind, times.count, sum(one.errors.values()), percentiles, times.maximum)


def errors(results: Results) -> list[tuple[str, str, int]]:
    """Return type of request, error and how often, the most frequent first."""
    found = [(kind, error, count) for kind, one in results.requests.items() for error, count in one.errors.items()]
    return sorted(found, key=lambda item: -item[2])


def facts(results: Results) -> list[tuple[str, str]]:
    """Return the figures that are not latencies, each with its name."""
    counts = results.counts
    players = sum(one.players for one in results.generators)
    found = [
        ("players", f"{players:,} at {_rates(results)} requests/s each"),
        ("throughput", f"{results.throughput:,.1f} requests/s of {results.planned_rate:,.1f} planned"),
        ("requests", f"{results.request_count:,}, of them {results.error_count:,} errors"),
        ("players paired", f"{counts.players_paired:,} of {players:,}"),
        ("pairs formed", f"{counts.pairs_formed:,}; {counts.games_finished:,} played to the end"),
        ("messages", f"{counts.messages_sent:,} sent, {counts.messages_verified:,} arrived once, in order and intact"),
        ("violations", _listed(results.violations) or "none"),
        ("connections lost", f"{counts.connections_lost:,}"),
        ("replies thrown away", f"{counts.replies_thrown_away:,} on purpose"),
        ("requests repeated", f"{counts.repeats:,}"),
        ("requests never sent", f"{counts.requests_never_sent:,}"),
        (
            "generator lag",
            f"p99 {in_milliseconds(results.lag.percentile(99.0))}, max {in_milliseconds(results.lag.maximum)} ms",
        ),
        ("generator", f"{results.cpu_per_request * 1e6:.0f} µs of processor time for each request"),
    ]
    if results.compute.counts:
        compute = results.compute
        found.append(
            ("server computes", f"p50 {in_milliseconds(compute.percentile(50.0))} ms for a request, as it says itself")
        )
    if (cpu := results.server_cpu_per_request) is not None:
        found.append(("server", f"{cpu * 1e6:.0f} µs of processor time for each request"))
    return found


def warnings(results: Results) -> Iterator[str]:
    """Yield what to know before believing the figures, a sentence each."""
    for one in results.generators:
        if one.seconds and one.cpu_seconds / one.seconds > BUSY_SHARE:
            share = one.cpu_seconds / one.seconds
            yield (
                f"Generator {one.name} used {share:.0%} of a processor: it was too busy, and latencies are partly its "
                "own. Use more --processes, or machines."
            )
        if one.late_seconds > 0.1:
            yield f"Generator {one.name} began {one.late_seconds:.1f} s late: leave it more time with --start-at."
    if (lag := results.lag.percentile(99.0)) > LAG_SECONDS:
        yield (
            f"One request in a hundred was sent {in_milliseconds(lag)} ms or more later than possible: the "
            "generator, or its machine, was busy. Latencies from the planned moment contain this."
        )
    if results.counts.players_never_paired:
        yield f"{results.counts.players_never_paired:,} players never had a partner."
    if results.counts.requests_never_sent:
        yield f"{results.counts.requests_never_sent:,} requests were never sent: the replies before them came too late."


def verdict(results: Results) -> str:
    """Return one sentence on how it went."""
    if not results.request_count:
        return "Nothing was measured."
    if results.passed:
        return "Passed: no errors, no violations, every message arrived."
    if results.error_count or results.violation_count:
        return f"Failed: {results.error_count:,} errors, {results.violation_count:,} violations."
    return "Failed: not everything that was planned was done."


def text(results: Results) -> str:
    """Return all of it for a terminal."""
    lines = [f"{name:<20} {value}" for name, value in facts(results)]
    lines += ["", "latency in ms, from the moment for which a request was planned:"]
    lines += _table(rows(results))
    lines += ["", "the same from the moment at which it was sent:"]
    lines += _table(rows(results, planned=False))
    if found := errors(results):
        lines += ["", "errors:", *(f"  {count:>9,}  {kind}: {error}" for kind, error, count in found)]
    if results.examples:
        lines += ["", "for example:", *(f"  {example}" for example in results.examples)]
    lines += ["", *(f"Note: {warning}" for warning in warnings(results)), verdict(results)]
    return "\n".join(lines)


def figures(results: Results) -> dict[str, Any]:
    """Return the figures for `results.json`: times in seconds."""
    return {
        "verdict": verdict(results),
        "passed": results.passed,
        "started_at": datetime.fromtimestamp(results.started_at, UTC).isoformat(timespec="seconds"),
        "duration": results.duration,
        "throughput": results.throughput,
        "requests": results.request_count,
        "errors": results.error_count,
        "violations": results.violation_count,
        "latency": {row.kind: _percentiles(row) for row in rows(results)},
        "service": {row.kind: _percentiles(row) for row in rows(results, planned=False)},
        "lag": _times(results.lag),
        "generator_cpu_per_request": results.cpu_per_request,
        "server_cpu_per_request": results.server_cpu_per_request,
        "warnings": list(warnings(results)),
    }


def in_milliseconds(seconds: float) -> str:
    """Return a time as a number with three digits that mean something, such as `0.21` or `1,250`."""
    value = seconds * 1000
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def percent_name(percent: float) -> str:
    """Return the usual name of a percentile, such as `p99.9`."""
    return f"p{percent:g}"


def _table(table: list[Row]) -> list[str]:
    titles = ["", "requests", "errors", *map(percent_name, PERCENTILES), "max"]
    cells = [
        [row.kind, f"{row.requests:,}", f"{row.errors:,}", *map(in_milliseconds, (*row.percentiles, row.maximum))]
        for row in table
    ]
    first = max(len(line[0]) for line in cells)
    return [f"  {line[0]:<{first}}" + "".join(f"{cell:>10}" for cell in line[1:]) for line in [titles, *cells]]


def _percentiles(row: Row) -> dict[str, float]:
    names = map(percent_name, PERCENTILES)
    return {
        "requests": row.requests,
        "errors": row.errors,
        **dict(zip(names, row.percentiles, strict=True)),
        "max": row.maximum,
    }


def _times(times: Histogram) -> dict[str, float]:
    return {percent_name(percent): times.percentile(percent) for percent in PERCENTILES} | {"max": times.maximum}


def _rates(results: Results) -> str:
    return " or ".join(sorted({f"{one.rate:g}" for one in results.generators}))


def _listed(counts: dict[str, int]) -> str:
    return ", ".join(f"{count:,} {name}" for name, count in counts.items())
