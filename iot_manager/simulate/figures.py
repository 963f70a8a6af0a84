"""What the simulated devices have seen, and how it is told."""

from collections import Counter, deque
from collections.abc import Iterable, Iterator
from typing import Final

KEPT_TIMES: Final = 100_000
"""Of each kind, the latest so many are kept."""


class Times:
    """Some durations, in seconds."""

    def __init__(self) -> None:
        self._seconds: deque[float] = deque(maxlen=KEPT_TIMES)

    def __len__(self) -> int:
        return len(self._seconds)

    def add(self, seconds: float) -> None:
        self._seconds.append(seconds)

    def at(self, share: float) -> float:
        """Return the time that this share of all (0 to 1) did not exceed; 0 if there is none."""
        ordered = sorted(self._seconds)
        return ordered[min(int(share * len(ordered)), len(ordered) - 1)] if ordered else 0.0

    def __str__(self) -> str:
        if not self._seconds:
            return "-"
        shares = ((0, "least"), (0.5, "median"), (0.99, "99 %"), (1, "most"))
        return ", ".join(f"{name} {_seconds(self.at(share))}" for share, name in shares)


class Figures:
    """Counts of a run.

    Attributes:
        devices: how many there are.
        connected: how many are connected now, or were when the end began.
        ever_connected: how many were, at some time.
        counts: `connections`, `beats`, `messages`, `commands`, `requests`.
        drops: of connections that neither fell silent nor flapped, by reason, while the run went on.
        failures: attempts to connect that failed.
        connecting: from the TCP connection until the device had said who it is.
        noticed: of silent devices, from their silence until the manager ended the connection.
    """

    def __init__(self, devices: int) -> None:
        self.devices = devices
        self.connected = 0
        self.most_connected = 0
        self.ever_connected = 0
        self.silent = 0
        self.flaps = 0
        self.counts: Counter[str] = Counter()
        self.drops: Counter[str] = Counter()
        self.failures = 0
        self.connecting = Times()
        self.noticed = Times()
        self.ramp_seconds = 0.0
        self.steady_seconds = 0.0
        self.processor_seconds = 0.0

    @property
    def problems(self) -> list[str]:
        """What did not go as it should, a sentence each."""
        found = []
        if self.ever_connected < self.devices:
            found.append(f"{self.devices - self.ever_connected:,} devices were never connected")
        if dropped := sum(self.drops.values()):
            found.append(f"{dropped:,} connections ended that should have stayed")
        if len(self.noticed) < self.silent:
            found.append(f"{self.silent - len(self.noticed):,} silent devices were not noticed")
        return found

    def lines(self) -> Iterator[str]:
        """The summary."""
        counts = self.counts
        yield from _table(
            [
                (
                    "devices",
                    f"{self.devices:,}, connected {self.most_connected:,} at most, {self.connected:,} at the end",
                ),
                ("connections", f"{counts['connections']:,} made, {self.failures:,} attempts failed"),
                ("time to connect", str(self.connecting)),
                ("ramp-up", _seconds(self.ramp_seconds)),
                ("steady", _seconds(self.steady_seconds)),
                ("beats answered", f"{counts['beats']:,}"),
                ("messages sent", f"{counts['messages']:,}"),
                ("commands heard", f"{counts['commands']:,}, requests answered {counts['requests']:,}"),
                ("dropped wrongly", _by_reason(self.drops)),
                *([("flapped", f"{self.flaps:,} times")] if self.flaps else []),
                *([("fell silent", f"{self.silent:,}, noticed {len(self.noticed):,}")] if self.silent else []),
                *([("noticed after", str(self.noticed))] if self.silent else []),
                ("this process", f"{_seconds(self.processor_seconds)} of processor time"),
            ]
        )
        for problem in self.problems:
            yield f"PROBLEM: {problem}"


def _table(rows: Iterable[tuple[str, str]]) -> Iterator[str]:
    for name, value in rows:
        yield f"{name:<16}  {value}"


def _by_reason(counts: Counter[str]) -> str:
    if not counts:
        return "none"
    return (
        f"{sum(counts.values()):,} ("
        + ", ".join(f"{reason}: {count:,}" for reason, count in counts.most_common())
        + ")"
    )


def _seconds(seconds: float) -> str:
    return f"{seconds * 1000:.1f} ms" if seconds < 1 else f"{seconds:.2f} s"
