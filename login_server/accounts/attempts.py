"""How often somebody may be wrong about a password: failures counted, and delays that grow. Plain state, no clock.

    begin → GO      … finish(RIGHT | WRONG | UNDECIDED)
          → WAIT    … later one of the results of some other attempt's `finish`
          → seconds   that have to pass before it is worth while to try again

An attempt counts by two keys: the address that it comes from and the account that it is for, whether there is such an
account or not. Each key has some free failures; from then on every failure closes it for a time that doubles, up to a
bound: nobody is locked out for good. An attempt that is refused counts for nothing: trying on makes it no worse.

From a place where the account's owner has logged in before (this account, from this address), an attempt counts by a
third kind of key, the place, and by that alone. So whoever attacks an account from elsewhere closes it to strangers,
and not to its owner.

No key ever has more attempts under way than it has failures left, and one alone when it has none: the others wait
for those before them. So many at the same moment cannot be wrong more often than one after the other, and many
who are right, behind one address, all get in.
"""

import ipaddress
import math
from collections import deque
from collections.abc import Iterable
from enum import Enum

from msgspec import Struct

from login_server.accounts.rules import NAME, fold

FORGET_SECONDS = 3600.0
"""So long after the last failure of a key it is as if there had never been one."""

MAX_KEYS = 100_000
"""Of which failures are remembered; those whose last failure is the longest ago are forgotten first."""

MAX_OWNERS = 100_000
"""Accounts of which the places are remembered; those who were there the longest ago are forgotten first."""

MAX_PLACES = 16
"""Of one account."""

MAX_WAITING = 10_000

MAX_WAITING_FROM_PLACE = 2_000
"""So that one host cannot take all the room."""

Key = tuple[str, ...]


class Rule(Struct, frozen=True):
    """Attributes:
    free: so many failures cost nothing.
    first_seconds: how long the key is closed after the last of them.
    most_seconds: what that grows to, twice as long with each failure.
    """

    free: int
    first_seconds: float
    most_seconds: float

    def delay(self, failures: int) -> float:
        if failures < self.free:
            return 0.0
        return min(self.first_seconds * 2.0 ** min(failures - self.free, 60), self.most_seconds)


RULES = {
    # Behind one address there may be a household or a school. Its delay grows to more than an account's, so that one
    # address cannot keep an account closed all the time.
    "address": Rule(20, 2.0, 900.0),
    "account": Rule(5, 2.0, 60.0),
    "place": Rule(5, 2.0, 60.0),
}
"""By the first part of a key."""


class Verdict(Enum):
    """What `begin` says, if not how many seconds are to pass."""

    GO = "go"
    WAIT = "wait"
    FULL = "full"
    """Too many wait already; the attempt is forgotten."""


class Outcome(Enum):
    RIGHT = "right"
    WRONG = "wrong"
    UNDECIDED = "undecided"
    """Nobody knows, or nobody is to know: it counts for nothing."""


class Failures(Struct):
    """Of one key.

    Attributes:
        last: when the last one was, in seconds since 1970.
    """

    count: int
    last: float


class Attempt:
    """One attempt, from `begin` to `finish`. Two are never equal."""

    __slots__ = ("keys", "name", "place")

    def __init__(self, name: str, place: str | None, keys: tuple[Key, ...]) -> None:
        self.name = name
        self.place = place
        self.keys = keys


class Attempts:
    """Counts attempts. Belongs to a central task; every `now` is its own.

    Args:
        proxies: addresses from which many people come who have nothing to do with one another, such as that of a
            reverse proxy. They are not counted by address, and are nobody's place.
    """

    def __init__(self, proxies: Iterable[str] = ()) -> None:
        self._proxies = {network_of(address) for address in proxies}
        self._failures: dict[Key, Failures] = {}  # the last failure longest ago first
        self._owners: dict[str, dict[str, None]] = {}  # the last log-in longest ago first, in both
        self._running: dict[Key, int] = {}
        self._queues: dict[Key, deque[Attempt]] = {}
        self._waiting = 0
        self._waiting_from: dict[str, int] = {}  # by place

    def new(self, name: str, address: str) -> Attempt:
        """An attempt that has not begun."""
        network = network_of(address)
        place = None if network in self._proxies else network
        if not NAME.fullmatch(name):  # there can be no such account to guess at
            return Attempt("", None, (("address", place),) if place else ())
        name = fold(name)
        if place is None:
            return Attempt(name, None, (("account", name),))
        if place in self._owners.get(name, ()):
            return Attempt(name, place, (("place", name, place),))
        return Attempt(name, place, (("address", place), ("account", name)))

    def begin(self, attempt: Attempt, now: float) -> Verdict | float:
        """Whether an attempt may be made now.

        Returns:
            `GO`: make it, then call `finish`. `WAIT`: it will be among the results of a `finish`. `FULL`, or the
            seconds until it is worth while to try again: it is over.
        """
        seconds = max((self._closed_for(key, now) for key in attempt.keys), default=0.0)
        if seconds > 0:
            return seconds
        for key in attempt.keys:
            if not self._has_room(key, now):
                return self._wait(attempt, key)
        for key in attempt.keys:
            self._running[key] = self._running.get(key, 0) + 1
        return Verdict.GO

    def finish(self, attempt: Attempt, outcome: Outcome, now: float) -> list[tuple[Attempt, Verdict | float]]:
        """Count how an attempt came out.

        Returns:
            those that have waited for it and wait no more, each with what `begin` would say: `GO`, or seconds.
        """
        for key in attempt.keys:
            self._running[key] -= 1
            if not self._running[key]:
                del self._running[key]
            if outcome is Outcome.WRONG:
                self._count(key, now)
        if outcome is Outcome.RIGHT and attempt.place is not None:
            self._remember(attempt.name, attempt.place)
        return [verdict for key in attempt.keys for verdict in self._wake(key, now)]

    def _wait(self, attempt: Attempt, key: Key) -> Verdict:
        if self._waiting >= MAX_WAITING:
            return Verdict.FULL
        if attempt.place is not None:
            from_there = self._waiting_from.get(attempt.place, 0)
            if from_there >= MAX_WAITING_FROM_PLACE:
                return Verdict.FULL
            self._waiting_from[attempt.place] = from_there + 1
        self._waiting += 1
        self._queues.setdefault(key, deque()).append(attempt)
        return Verdict.WAIT

    def _wait_no_more(self, attempt: Attempt) -> None:
        self._waiting -= 1
        if attempt.place is not None:
            self._waiting_from[attempt.place] -= 1
            if not self._waiting_from[attempt.place]:
                del self._waiting_from[attempt.place]

    def _wake(self, key: Key, now: float) -> Iterable[tuple[Attempt, Verdict | float]]:
        queue = self._queues.get(key)
        # A key that is closed has room: it was closed by the only attempt that was under way.
        while queue and self._has_room(key, now):
            attempt = queue.popleft()
            self._wait_no_more(attempt)
            verdict = self.begin(attempt, now)
            if verdict is not Verdict.WAIT:
                yield attempt, verdict
        if not queue:
            self._queues.pop(key, None)

    def _closed_for(self, key: Key, now: float) -> float:
        failures = self._remembered(key, now)
        if failures is None:
            return 0.0
        return max(failures.last + RULES[key[0]].delay(failures.count) - now, 0.0)

    def _has_room(self, key: Key, now: float) -> bool:
        failures = self._remembered(key, now)
        left = RULES[key[0]].free - (failures.count if failures else 0)
        return self._running.get(key, 0) < max(left, 1)

    def _remembered(self, key: Key, now: float) -> Failures | None:
        failures = self._failures.get(key)
        if failures is None:
            return None
        # The clock may have been set back: a delay that has begun lasts no longer than it would from now on.
        failures.last = min(failures.last, now)
        return failures if now < failures.last + FORGET_SECONDS else None

    def _count(self, key: Key, now: float) -> None:
        failures = self._remembered(key, now)
        count = failures.count if failures else 0
        self._failures.pop(key, None)
        self._failures[key] = Failures(count + 1, now)
        while True:
            oldest = next(iter(self._failures))
            if len(self._failures) <= MAX_KEYS and self._remembered(oldest, now):
                break
            del self._failures[oldest]

    def _remember(self, name: str, place: str) -> None:
        """The owner of this account is there."""
        self._failures.pop(("place", name, place), None)
        places = self._owners.pop(name, {})
        places.pop(place, None)
        places[place] = None
        self._owners[name] = places
        if len(places) > MAX_PLACES:
            del places[next(iter(places))]
        if len(self._owners) > MAX_OWNERS:
            del self._owners[next(iter(self._owners))]


def network_of(address: str) -> str:
    """What one household or host has: an IPv4 address, or the first 64 bits of an IPv6 address."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address[:64]  # of a socket that is no internet socket
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped is None:
            return str(ipaddress.ip_network((int(parsed), 64), strict=False))
        parsed = parsed.ipv4_mapped
    return str(parsed)


def in_words(seconds: float) -> str:
    """A delay as people say it, rounded up."""
    whole = math.ceil(seconds)
    if whole >= 120:
        return f"{math.ceil(whole / 60)} minutes"
    return f"{whole} second" + ("s" if whole != 1 else "")
