"""Two devices that share a UUID must not evict each other forever: who is replaced too often is refused for a while."""

from collections import deque


class FlappingGuard:
    """Args:
    replacements: so many within `seconds` are one too many: after the last of them comes a refusal.
    seconds: in which they are counted.
    refusal_seconds: how long the UUID is refused while a device of it is connected.
    """

    def __init__(self, replacements: int, seconds: float, refusal_seconds: float) -> None:
        self._replacements = replacements
        self._seconds = seconds
        self._refusal_seconds = refusal_seconds
        self._replaced_at: dict[str, deque[float]] = {}
        self._refused_until: dict[str, float] = {}
        self._tidied_at = 0.0

    def may_replace(self, uuid: str, now: float) -> bool:
        """Count a replacement of the device that is connected under this UUID, or refuse it.

        Args:
            uuid: of both.
            now: in seconds, by a clock that nobody sets.
        """
        self._tidy(now)
        if now < self._refused_until.get(uuid, now):
            return False
        times = self._replaced_at.setdefault(uuid, deque())
        while times and times[0] <= now - self._seconds:
            times.popleft()
        if len(times) >= self._replacements:
            self._refused_until[uuid] = now + self._refusal_seconds
            del self._replaced_at[uuid]
            return False
        times.append(now)
        return True

    def _tidy(self, now: float) -> None:
        """Forget what is over, now and then."""
        if now < self._tidied_at + self._seconds:
            return
        self._tidied_at = now
        for uuid in [uuid for uuid, times in self._replaced_at.items() if times[-1] <= now - self._seconds]:
            del self._replaced_at[uuid]
        for uuid in [uuid for uuid, until in self._refused_until.items() if until <= now]:
            del self._refused_until[uuid]
