"""`python -m turn_server.stresstest.worker`: one process of the stress tool, as `fleet` starts it.

It reads its `Order` from stdin and writes lines of JSON to stdout: `Progress` now and then, in the end `Results` or the
sentence of what went wrong (`Failure`).
"""

import signal
import sys
from typing import TypeAlias

import gevent
import msgspec

from turn_server.stresstest.config import Order
from turn_server.stresstest.generator import Generator, ServerUnreachable
from turn_server.stresstest.results import Results


class Progress(msgspec.Struct, tag="progress"):
    """What one process has done so far."""

    requests: int = 0
    errors: int = 0
    pairs: int = 0


class Failure(msgspec.Struct, tag="failure"):
    """The process could not do its work."""

    sentence: str


class Finished(msgspec.Struct, tag="finished"):
    """The process is done."""

    results: Results


Report: TypeAlias = Progress | Failure | Finished


def say(report: Report) -> None:
    sys.stdout.buffer.write(msgspec.json.encode(report) + b"\n")
    sys.stdout.buffer.flush()


def progress_of(results: Results, requests: int) -> Progress:
    return Progress(requests, results.error_count + results.violation_count, results.counts.pairs_formed)


def main() -> int:
    """Carry out the order on stdin; return the exit status."""
    order = msgspec.json.decode(sys.stdin.buffer.read(), type=Order, dec_hook=lambda kind, value: kind(value))

    def report(results: Results, requests: int) -> None:
        try:
            say(progress_of(results, requests))
        except BrokenPipeError:
            generator.stop()  # nobody wants the results any more

    generator = Generator(order, report)
    for number in (signal.SIGINT, signal.SIGTERM):
        gevent.signal_handler(number, generator.stop)
    try:
        say(Finished(generator.run()))
    except ServerUnreachable as error:
        say(Failure(str(error)))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
