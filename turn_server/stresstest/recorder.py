"""Takes down what the players of one process measure, as it happens."""

from turn_server.stresstest.results import MAX_EXAMPLES, RequestResults, Results, Second


class Recorder:
    """Makes the results of one process.

    Args:
        start: when second 0 begins, as `time.monotonic()` has it.
    """

    def __init__(self, start: float) -> None:
        self.results = Results()
        self.counts = self.results.counts
        self.sent = 0
        self._start = start

    def request(self, kind: str, planned: float, free: float, sent: float, replied: float, error: str) -> None:
        """Take down one request.

        Args:
            kind: its type.
            planned: when it was to be sent; this and the following as `time.monotonic()` has them.
            free: when the reply before it had come, and it could be sent.
            sent: when it was sent.
            replied: when its reply came, or it was given up.
            error: the name of the error; empty for success.
        """
        results = self.results
        latency = replied - planned
        one = results.requests.get(kind)
        if one is None:
            one = results.requests[kind] = RequestResults()
        one.latency.record(latency)
        one.service.record(replied - sent)
        results.lag.record(sent - (planned if planned > free else free))
        number = int(replied - self._start)
        second = results.seconds.get(number)
        if second is None:
            second = results.seconds[number] = Second()
        second.latency.record(latency)
        self.sent += 1
        if error:
            one.errors[error] = one.errors.get(error, 0) + 1
            second.errors += 1

    def example(self, text: str) -> None:
        """Keep a few words about what went wrong, if there is room."""
        if len(self.results.examples) < MAX_EXAMPLES:
            self.results.examples.append(text)
