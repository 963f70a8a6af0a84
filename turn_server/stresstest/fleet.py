"""The processes of one machine: starts them, hears how far they are, and adds up what they have measured."""

import signal
import subprocess
import sys
from collections.abc import Callable
from types import TracebackType
from typing import Final, Self

import gevent
import gevent.subprocess
import msgspec

from connhandler import tasks
from turn_server.stresstest.config import Order, StressConfig
from turn_server.stresstest.results import Results, merge
from turn_server.stresstest.worker import Failure, Finished, Progress, Report

WORKER: Final = "turn_server.stresstest.worker"


class WorkerFailed(Exception):
    """A process could not do its work; the text is the sentence to print."""


class Fleet:
    """Some worker processes with one order.

    Args:
        start_at: Unix time.
        listener: called with what all of them have done so far, whenever one of them tells of it.
    """

    def __init__(self, config: StressConfig, start_at: float, listener: Callable[[Progress], None]) -> None:
        self._listener = listener
        self._progress = [Progress() for _ in range(config.processes)]
        self._processes: list[gevent.subprocess.Popen[bytes]] = []
        for number in range(config.processes):
            self._processes.append(_start(Order(config=config, process=number, start_at=start_at)))
        self._readers = [
            tasks.spawn(f"worker[{number}].reader", self._read, number) for number in range(config.processes)
        ]

    def wait(self) -> Results:
        """Return the results of all, once they are there.

        Raises:
            WorkerFailed: one of them could not do its work.
        """
        gevent.joinall(self._readers)
        parts = []
        for reader in self._readers:
            result = reader.get()
            if isinstance(result, Failure):
                raise WorkerFailed(result.sentence)
            parts.append(result)
        return merge(parts)

    def stop(self) -> None:
        """Ask all of them to come to an end."""
        for process in self._processes:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for process in self._processes:
            if process.poll() is None:
                process.kill()
            process.wait()
        gevent.killall(self._readers)
        for process in self._processes:
            assert process.stdout is not None
            process.stdout.close()

    def _read(self, number: int) -> Results | Failure:
        """Hear one process out."""
        process = self._processes[number]
        assert process.stdout is not None
        for line in process.stdout:
            match msgspec.json.decode(line, type=Report):
                case Progress() as progress:
                    self._progress[number] = progress
                    self._listener(self._sum())
                case Finished(results):
                    return results
                case Failure() as failure:
                    return failure
        return Failure(f"worker process {number} ended without results, with exit status {process.wait()}")

    def _sum(self) -> Progress:
        return Progress(*(sum(getattr(one, name) for one in self._progress) for name in Progress.__struct_fields__))


def _start(order: Order) -> "gevent.subprocess.Popen[bytes]":
    # A session of its own: Ctrl-C reaches only the tool itself, which then asks the workers to come to an end.
    process = gevent.subprocess.Popen(
        [sys.executable, "-m", WORKER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
    )
    assert process.stdin is not None
    process.stdin.write(msgspec.json.encode(order, enc_hook=str))
    process.stdin.close()
    return process
