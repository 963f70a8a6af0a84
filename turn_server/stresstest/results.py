"""What was measured, in a form that adds up: over the players of a process, over processes, over machines.

Adding up is associative and commutative, for every field: counts and histograms are added, the rest are collections
in an order of their own.
"""

from collections.abc import Callable, Iterable, Mapping
from functools import reduce
from pathlib import Path
from typing import Any, Final, Self, TypeVar

import msgspec

from turn_server.stresstest.histogram import Histogram

FORMAT: Final = "turn-stress 1"

MAX_EXAMPLES: Final = 20

Value = TypeVar("Value")


class ResultsUnreadable(Exception):
    """A file holds no results; the text is the sentence to print."""


class RequestResults(msgspec.Struct, kw_only=True):
    """All requests of one type."""

    latency: Histogram = msgspec.field(default_factory=Histogram)
    """From the moment for which the request was planned to its reply."""
    service: Histogram = msgspec.field(default_factory=Histogram)
    """From the moment at which it was sent to its reply."""
    errors: dict[str, int] = msgspec.field(default_factory=dict)
    """How many were not answered with success, by the error's name."""

    def plus(self, other: Self) -> Self:
        return type(self)(
            latency=self.latency.plus(other.latency),
            service=self.service.plus(other.service),
            errors=_added(self.errors, other.errors),
        )


class Second(msgspec.Struct, kw_only=True):
    """One second of the test, counted from its start; a request counts when its reply comes."""

    latency: Histogram = msgspec.field(default_factory=Histogram)
    errors: int = 0

    def plus(self, other: Self) -> Self:
        return type(self)(latency=self.latency.plus(other.latency), errors=self.errors + other.errors)


class Generator(msgspec.Struct, frozen=True, order=True, kw_only=True):
    """One process that simulated players."""

    name: str
    target: str
    started_at: float
    """Unix time."""
    late_seconds: float
    """How long after the time it was told it began."""
    seconds: float
    """How long it ran, the end of the games included."""
    players: int
    rate: float
    """Requests a second for each player."""
    data_size: int
    pairing: str
    keep_alive: bool
    cpu_seconds: float
    requests: int


class Counts(msgspec.Struct, kw_only=True):
    """What happened how often."""

    players_paired: int = 0
    players_never_paired: int = 0
    pairs_formed: int = 0
    games_finished: int = 0
    """Games in which both players have everything that the partner has sent."""
    games_lost: int = 0
    """Games that an error has ended, for one of the two."""
    messages_sent: int = 0
    messages_verified: int = 0
    connections_lost: int = 0
    replies_thrown_away: int = 0
    """On purpose, as `--lose` says."""
    repeats: int = 0
    requests_never_sent: int = 0
    """Their time had come, but replies to earlier ones were still missing when the test ended."""

    def plus(self, other: Self) -> Self:
        return type(self)(**{name: getattr(self, name) + getattr(other, name) for name in self.__struct_fields__})


class Results(msgspec.Struct, kw_only=True):
    """The results of a whole test, or of a part of one."""

    format: str = FORMAT
    generators: list[Generator] = msgspec.field(default_factory=list)
    requests: dict[str, RequestResults] = msgspec.field(default_factory=dict)
    seconds: dict[int, Second] = msgspec.field(default_factory=dict)
    lag: Histogram = msgspec.field(default_factory=Histogram)
    """How much later than it could have a request was sent: the generator's own lateness, not the server's."""
    compute: Histogram = msgspec.field(default_factory=Histogram)
    """What the server itself says about how long it computed; asked once a second."""
    counts: Counts = msgspec.field(default_factory=Counts)
    violations: dict[str, int] = msgspec.field(default_factory=dict)
    """What the partner's messages were that should have come exactly once and in order."""
    examples: list[str] = msgspec.field(default_factory=list)
    """Some of the violations and errors, in words."""
    server_cpu_milliseconds: int | None = None
    """Of the process that `--server-pid` names."""

    def plus(self, other: Self) -> Self:
        return type(self)(
            generators=sorted(self.generators + other.generators),
            requests=_merged(self.requests, other.requests, RequestResults.plus),
            seconds=_merged(self.seconds, other.seconds, Second.plus),
            lag=self.lag.plus(other.lag),
            compute=self.compute.plus(other.compute),
            counts=self.counts.plus(other.counts),
            violations=_added(self.violations, other.violations),
            examples=sorted({*self.examples, *other.examples})[:MAX_EXAMPLES],
            server_cpu_milliseconds=_added_if_any(self.server_cpu_milliseconds, other.server_cpu_milliseconds),
        )

    @property
    def request_count(self) -> int:
        return sum(one.latency.count for one in self.requests.values())

    @property
    def error_count(self) -> int:
        """Replies that were refusals or did not come, and connections that were lost."""
        refused = sum(sum(one.errors.values()) for one in self.requests.values())
        return refused + self.counts.connections_lost

    @property
    def violation_count(self) -> int:
        return sum(self.violations.values())

    @property
    def passed(self) -> bool:
        """Whether everybody played, nothing went wrong, and the whole plan was carried out."""
        counts = self.counts
        return not (
            self.error_count
            or self.violation_count
            or counts.games_lost
            or counts.players_never_paired
            or counts.requests_never_sent
        )

    @property
    def overall(self) -> RequestResults:
        """All types of requests together."""
        return reduce(RequestResults.plus, self.requests.values(), RequestResults())

    @property
    def started_at(self) -> float:
        return min((one.started_at for one in self.generators), default=0.0)

    @property
    def duration(self) -> float:
        """Seconds of the longest part."""
        return max((one.seconds for one in self.generators), default=0.0)

    @property
    def throughput(self) -> float:
        """Replies a second in the middle half of the test, after everybody came and before anybody left."""
        seconds = sorted(self.seconds)
        if not seconds:
            return 0.0
        quarter = len(seconds) // 4
        middle = seconds[quarter : len(seconds) - quarter]
        return sum(self.seconds[second].latency.count for second in middle) / len(middle)

    @property
    def planned_rate(self) -> float:
        """Requests a second once everybody is there."""
        return sum(one.players * one.rate for one in self.generators)

    @property
    def server_cpu_per_request(self) -> float | None:
        """Seconds of the server's processor for each request; None if nobody has looked."""
        if self.server_cpu_milliseconds is None:
            return None
        return self.server_cpu_milliseconds / 1000 / max(1, self.request_count)

    @property
    def cpu_per_request(self) -> float:
        """Seconds of the generators' processors for each request; 0 without any."""
        return sum(one.cpu_seconds for one in self.generators) / max(1, sum(one.requests for one in self.generators))


def merge(parts: Iterable[Results]) -> Results:
    """Return what the parts are together, in whatever order and groups they come."""
    return reduce(Results.plus, parts, Results())


def save(results: Results, file: Path, summary: Mapping[str, Any] | None = None) -> None:
    """Write results.

    Args:
        summary: figures for whoever reads the file without adding up histograms; not read again.

    Raises:
        OSError: it cannot be written.
    """
    parts = {} if summary is None else {"summary": summary}
    file.write_bytes(msgspec.json.encode(parts | msgspec.structs.asdict(results)) + b"\n")


def load(file: Path) -> Results:
    """Raises:
    ResultsUnreadable: there are no results in this file.
    """
    try:
        results = msgspec.json.decode(file.read_bytes(), type=Results)
    except OSError as error:
        raise ResultsUnreadable(f"cannot read {file}: {error.strerror}") from error
    except msgspec.DecodeError as error:
        raise ResultsUnreadable(f"{file} holds no results: {error}") from error
    if results.format != FORMAT:
        raise ResultsUnreadable(f"{file} holds results of the form {results.format!r}, not {FORMAT!r}")
    return results


Key = TypeVar("Key", int, str)


def _merged(one: dict[Key, Value], other: dict[Key, Value], add: Callable[[Value, Value], Value]) -> dict[Key, Value]:
    """The values of a key that is in both are added."""
    merged = one | other
    for key in one.keys() & other.keys():
        merged[key] = add(one[key], other[key])
    return dict(sorted(merged.items()))


def _added(one: dict[str, int], other: dict[str, int]) -> dict[str, int]:
    return _merged(one, other, int.__add__)


def _added_if_any(one: int | None, other: int | None) -> int | None:
    return other if one is None else one if other is None else one + other
