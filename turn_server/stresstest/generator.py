"""All players of one process, in one thread, and what they measure together."""

import gc
import time
from collections.abc import Callable
from time import monotonic
from typing import Final

import gevent
import gevent.socket

from connhandler import tasks
from turn_server.client import ReplyLost, TurnClient, UnexpectedReply
from turn_server.stresstest import results
from turn_server.stresstest.config import Order
from turn_server.stresstest.player import Player
from turn_server.stresstest.recorder import Recorder
from turn_server.stresstest.results import Results

PROGRESS_SECONDS: Final = 0.5
WATCH_SECONDS: Final = 0.25


class ServerUnreachable(Exception):
    """Nobody listens there; the text is the sentence to print."""


class Generator:
    """Simulates the players of one process.

    Args:
        progress: called twice a second with the results so far and the number of requests.
    """

    def __init__(self, order: Order, progress: Callable[[Results, int], None]) -> None:
        self._order = order
        self._progress = progress
        self._players: list[Player] = []
        self._over = False

    def run(self) -> Results:
        """Play from the beginning to the end.

        Raises:
            ServerUnreachable: the server cannot be connected to at all.
        """
        config = self._order.config
        address = self._find_server()
        gevent.sleep(max(0.0, self._order.start_at - time.time()))
        late = time.time() - self._order.start_at
        gc.collect()
        gc.freeze()  # what is there now need not be looked through again in the middle of the test
        start, cpu_start = monotonic(), time.process_time()
        recorder = Recorder(start)
        numbers = range(2 * self._order.first_pair, 2 * (self._order.first_pair + self._order.pairs))
        self._players = [Player(self._order, number, address, start, recorder) for number in numbers]
        if self._over:
            self.stop()
        running = [
            tasks.spawn(f"player[{number}]", player.live) for number, player in zip(numbers, self._players, strict=True)
        ]
        aside = [tasks.spawn("progress", self._report, recorder), tasks.spawn("watch", self._watch)]
        if self._order.process == 0:
            aside.append(tasks.spawn("look", self._look, address, recorder))
        try:
            for task in running:
                task.get()
        finally:
            gevent.killall([*running, *aside])
        recorder.results.generators = [
            results.Generator(
                name=f"{config.players_label()}.{self._order.process}",
                target=f"{config.address}:{config.port}",
                started_at=self._order.start_at + late,
                late_seconds=late,
                seconds=monotonic() - start,
                players=len(self._players),
                rate=config.rate,
                data_size=config.data_size,
                pairing=config.pairing,
                keep_alive=config.keep_alive,
                cpu_seconds=time.process_time() - cpu_start,
                requests=recorder.sent,
            )
        ]
        return recorder.results

    def stop(self) -> None:
        """Let the test be over now; what has been said already may still arrive."""
        self._over = True
        for player in self._players:
            player.stop()

    def _find_server(self) -> str:
        """Return the server's address in numbers, so that it is not looked up for each connection.

        Raises:
            ServerUnreachable: it cannot be connected to.
        """
        config = self._order.config
        try:
            with gevent.socket.create_connection((config.address, config.port), config.timeout) as sock:
                return str(sock.getpeername()[0])
        except OSError as error:
            where = f"{config.address}:{config.port}"
            raise ServerUnreachable(f"cannot connect to {where}: {error.strerror or error}") from error

    def _report(self, recorder: Recorder) -> None:
        while True:
            gevent.sleep(PROGRESS_SECONDS)
            self._progress(recorder.results, recorder.sent)

    def _watch(self) -> None:
        """Look after replies that do not come."""
        while True:
            gevent.sleep(WATCH_SECONDS)
            now = monotonic()
            for player in self._players:
                player.watch(now)

    def _look(self, address: str, recorder: Recorder) -> None:
        """Ask the server once a second how long it computed."""
        config = self._order.config
        with TurnClient(address, config.port, timeout=config.timeout, tries=1) as client:
            while True:
                gevent.sleep(1)
                try:
                    recorder.results.compute.record(client.compute_seconds())
                except (ReplyLost, UnexpectedReply) as error:
                    recorder.example(f"the compute time was asked for: {error}")
