"""A `signalled_server` in a process of its own, which a test sends signals to."""

import signal
import subprocess
import sys
import time

import gevent
import msgspec

from connhandler import testing
from tests.connhandler.askserver import PATIENCE_SECONDS, ToClient
from tests.connhandler.signalled_server import Settings
from tests.connhandler.source import ROOT


class Program:
    """A `signalled_server` in a process of its own."""

    def __init__(self, settings: Settings) -> None:
        command = [sys.executable, "-m", "tests.connhandler.signalled_server", msgspec.json.encode(settings).decode()]
        self.process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        assert self.process.stdout is not None
        assert self.process.stderr is not None
        self.output = self.process.stdout
        self.errors = self.process.stderr
        self.port = int(self.output.readline())
        self.signalled_at = 0.0

    def __enter__(self) -> "Program":
        return self

    def __exit__(self, *exception: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.output.close()
        self.errors.close()

    def client(self) -> testing.JsonClient:
        return testing.JsonClient("127.0.0.1", self.port, ToClient, timeout=PATIENCE_SECONDS)

    def signal(self, number: signal.Signals) -> None:
        self.signalled_at = time.monotonic()
        self.process.send_signal(number)

    def seconds_to_line(self, words: str) -> float:
        """How long after the signal it logged something."""
        for line in self.errors:
            if words in line.decode():
                return time.monotonic() - self.signalled_at
        raise AssertionError(f"it did not log {words!r}")

    def seconds_to_exit(self) -> float:
        """How long after the signal it was gone, which must be in good order."""
        with gevent.Timeout(PATIENCE_SECONDS, AssertionError("it does not end")):
            errors = self.errors.read().decode()
            status = self.process.wait()
        assert status == 0, errors
        assert "Traceback" not in errors, errors
        return time.monotonic() - self.signalled_at
