"""A histogram of times whose buckets are fixed, so that those of many machines add up to one.

Times are whole microseconds. Up to 255 each has a bucket of its own; above, each power of two is cut into 128, so that
a percentile is off by less than 0.8 %. Everything that is kept is a whole number: adding up in another order, or in
other groups, gives the very same histogram.
"""

from fractions import Fraction
from typing import Self

import msgspec


def bucket_of(microseconds: int) -> int:
    """Return the bucket for a time of zero or more."""
    if microseconds < 256:
        return microseconds
    shift = microseconds.bit_length() - 8
    return (shift << 7) + (microseconds >> shift)


def bounds_of(bucket: int) -> tuple[int, int]:
    """Return the shortest and the longest time in a bucket."""
    if bucket < 256:
        return bucket, bucket
    shift = (bucket >> 7) - 1
    shortest = (bucket - (shift << 7)) << shift
    return shortest, shortest + (1 << shift) - 1


class Histogram(msgspec.Struct):
    """How often each time was measured."""

    counts: dict[int, int] = msgspec.field(default_factory=dict)
    """By bucket; buckets without a time are not there."""
    total: int = 0
    """All the times added up."""
    shortest: int = 0
    longest: int = 0

    def record(self, seconds: float) -> None:
        """Take one time. One before zero, from a clock that was read too early, counts as zero."""
        time = int(seconds * 1_000_000) if seconds > 0 else 0
        counts = self.counts
        bucket = bucket_of(time)
        if not counts:
            self.shortest = self.longest = time
        elif time > self.longest:
            self.longest = time
        elif time < self.shortest:
            self.shortest = time
        counts[bucket] = counts.get(bucket, 0) + 1
        self.total += time

    @property
    def count(self) -> int:
        return sum(self.counts.values())

    @property
    def mean(self) -> float:
        """Seconds; 0 for none."""
        return self.total / self.count / 1_000_000 if self.counts else 0.0

    @property
    def maximum(self) -> float:
        """Seconds, exact."""
        return self.longest / 1_000_000

    def percentile(self, percent: float) -> float:
        """Return the seconds within which at least `percent` of all times lie; 0 for none.

        Never less than the true value, and more by at most the width of its bucket.
        """
        # By the text of the number: 99.9 is not quite 99.9 in binary, and would ask for one time too many.
        wanted = max(1, -(-Fraction(str(percent)) * self.count // 100))
        passed = 0
        for bucket in sorted(self.counts):
            passed += self.counts[bucket]
            if passed >= wanted:
                return min(bounds_of(bucket)[1], self.longest) / 1_000_000
        return 0.0

    def cumulative(self) -> list[tuple[float, int]]:
        """Return the seconds of each bucket in use, and how many times are not longer; the shortest first."""
        passed = 0
        points = []
        for bucket in sorted(self.counts):
            passed += self.counts[bucket]
            points.append((min(bounds_of(bucket)[1], self.longest) / 1_000_000, passed))
        return points

    def plus(self, other: Self) -> Self:
        """Return the histogram of the times of both."""
        if not other.counts or not self.counts:
            one = self if self.counts else other
            return type(self)(dict(one.counts), one.total, one.shortest, one.longest)
        counts = dict(self.counts)
        for bucket, count in other.counts.items():
            counts[bucket] = counts.get(bucket, 0) + count
        return type(self)(
            counts,
            self.total + other.total,
            min(self.shortest, other.shortest),
            max(self.longest, other.longest),
        )
