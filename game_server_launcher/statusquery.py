"""Asks games about themselves by UDP: a task of its own for each process whose game file has a `[status]`.

The central task is told of each answer, and of each question without one. The socket is connected, so only the game
itself is heard.
"""

import secrets
from collections.abc import Callable
from typing import Protocol

import gevent
import gevent.socket

from connhandler import tasks
from game_server_launcher.gamefile import GameFile
from game_server_launcher.gametables import Status
from game_server_launcher.statusformats import QUESTIONS, GameStatus, Question

ANSWER_SECONDS = 2.0
"""So long an answer is waited for: it is asked on the same machine."""

FIRST_SECONDS = 0.25
"""Between two questions until the first answer."""

MAX_PACKET = 65_536

_EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}
"""Where to ask a game that listens on every interface."""


class StatusEvents(Protocol):
    """What the central task is told. Both say which run of which server it is about."""

    def answered(self, server: str, run: int, status: GameStatus) -> None:
        """The game says so of itself."""

    def unanswered(self, server: str, run: int) -> None:
        """It did not answer."""


class StatusQueries:
    """The tasks that ask. `open` and `close` return at once: the central task calls them."""

    def __init__(self) -> None:
        self._tasks: dict[str, tasks.Task] = {}

    def report_to(self, post: Callable[..., None], events: StatusEvents) -> None:
        """Call `events` through `post`, which is `CentralTask.post`. Comes before everything else."""
        self._post = post
        self._events = events

    def open(self, server: str, run: int, game: GameFile, port: int) -> None:
        """Ask a process, again and again until `close`."""
        self.close(server)
        if game.status is not None:
            host = _EVERYWHERE.get(game.listen_address, game.listen_address)
            self._tasks[server] = tasks.spawn(f"status[{server}]", self._ask, server, run, game.status, (host, port))

    def close(self, server: str) -> None:
        """The process has ended; does nothing when it is not asked."""
        task = self._tasks.pop(server, None)
        if task is not None:
            task.kill(block=False)

    def close_all(self) -> None:
        """At the end, outside the central task: end every task, and wait for that."""
        gevent.killall(list(self._tasks.values()))
        self._tasks.clear()

    def _ask(self, server: str, run: int, status: Status, address: tuple[str, int]) -> None:
        """The task that asks one process."""
        pause = min(FIRST_SECONDS, status.seconds)
        while True:
            answer = ask(status.kind, address)
            if answer is not None:
                pause = status.seconds
                self._post(self._events.answered, server, run, answer)
            else:
                self._post(self._events.unanswered, server, run)
            gevent.sleep(pause)


def ask(kind: str, address: tuple[str, int]) -> GameStatus | None:
    """Ask one game once; None if it does not answer in `ANSWER_SECONDS`, or nobody listens there."""
    question = QUESTIONS[kind](secrets.randbits(64))
    found: GameStatus | None = None
    try:
        found = gevent.with_timeout(ANSWER_SECONDS, _converse, question, address, timeout_value=None)
    except OSError:
        pass  # Nobody listens there.
    return found


def _converse(question: Question, address: tuple[str, int]) -> GameStatus:
    """Raises:
    OSError: nobody listens there.
    """
    with _connect(address) as sock:
        sock.send(question.begin)
        while True:
            taken = question.take(sock.recv(MAX_PACKET))
            if isinstance(taken, GameStatus):
                return taken
            if taken is not None:
                sock.send(taken)


def _connect(address: tuple[str, int]) -> gevent.socket.socket:
    """Raises:
    OSError: there is no such address.
    """
    family, kind, protocol, _, place = gevent.socket.getaddrinfo(*address, type=gevent.socket.SOCK_DGRAM)[0]
    sock = gevent.socket.socket(family, kind, protocol)
    try:
        sock.connect(place)
    except OSError:
        sock.close()
        raise
    return sock
