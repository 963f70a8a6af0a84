"""The plan of one player: when each request is to be sent, whatever the server does.

A player that waited for a slow reply before planning the next request would hide the slowness: the requests that it
had no time to send would be missing in the statistics ("coordinated omission"). So the plan is fixed beforehand, a
request that could not be sent in time goes out as soon as it can, and its latency counts from the moment for which it
was planned.
"""

from time import monotonic

import gevent


class Pace:
    """Gives the moments for which one player's requests are planned.

    Args:
        start: of the first, as `time.monotonic()` has it.
        interval: seconds between two.
        end: when the test is over. What is then still due is not sent any more, but counted.
    """

    def __init__(self, start: float, interval: float, end: float) -> None:
        self.never_sent = 0
        self._next = start
        self._interval = interval
        self._end = end

    def wait(self) -> float:
        """Sleep until the next request is due, if it is not overdue, and return the moment for which it was planned."""
        planned = self._next
        delay = planned - monotonic()
        if delay > 0:
            gevent.sleep(delay)
        elif planned < self._end <= planned - delay:
            planned = self._give_up(planned, planned - delay)
        self._next = planned + self._interval
        return planned

    def end_now(self) -> None:
        """Let the test be over; what is due later is not missed."""
        self._end = min(self._end, monotonic())

    def _give_up(self, planned: float, now: float) -> float:
        overdue = int((self._end - planned) / self._interval)
        self.never_sent += overdue
        return now if overdue else planned
