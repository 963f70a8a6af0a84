"""`login-server`, which also says on SIGUSR1 for how long its hub has stood still at most since it was last asked."""

# ruff: noqa: E402 - as in a program's __main__

from gevent import monkey

monkey.patch_all()

import signal
import sys
import time

import gevent

from connhandler import tasks
from login_server.__main__ import main

BEAT_SECONDS = 0.005


class Pulse:
    """Notes by how much a short sleep was too long."""

    def __init__(self) -> None:
        self._worst = 0.0

    def run(self) -> None:
        while True:
            begun = time.monotonic()
            gevent.sleep(BEAT_SECONDS)
            self._worst = max(self._worst, time.monotonic() - begun - BEAT_SECONDS)

    def tell(self) -> None:
        print(f"worst stall: {self._worst:.4f} s", file=sys.stderr, flush=True)
        self._worst = 0.0


if __name__ == "__main__":
    pulse = Pulse()
    tasks.spawn("pulse", pulse.run)
    gevent.signal_handler(signal.SIGUSR1, pulse.tell)
    sys.exit(main())
