"""The tasks that ask games about themselves, on real sockets."""

from collections.abc import Callable, Iterator
from typing import Any

import gevent
import gevent.socket
import pytest
from gevent.queue import Queue

from connhandler import tasks
from connhandler.testing import check_leaks
from game_server_launcher import statusquery
from game_server_launcher.gamefile import GameFile
from game_server_launcher.gametables import Status
from game_server_launcher.statusformats import GameStatus
from game_server_launcher.statusquery import StatusQueries

PATIENCE = 20.0


class Game:
    """Answers `getstatus`, as long as it is to.

    Attributes:
        before: what it sends before each answer.
    """

    def __init__(self) -> None:
        self.socket = gevent.socket.socket(type=gevent.socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.port: int = self.socket.getsockname()[1]
        self.before: list[bytes] = []
        self.task = tasks.spawn("game", self.run)

    def run(self) -> None:
        while True:
            question, address = self.socket.recvfrom(1000)
            _, challenge = question.split()
            settings = b"\\challenge\\" + challenge + b"\\mapname\\dm1\\sv_maxclients\\8"
            for packet in (*self.before, b"\xff\xff\xff\xffstatusResponse\n" + settings + b'\n3 40 "alice"\n'):
                self.socket.sendto(packet, address)

    def close(self) -> None:
        self.task.kill()
        self.socket.close()


class Events:
    """Takes what is told."""

    def __init__(self) -> None:
        self.queue: Queue[tuple[Any, ...]] = Queue()

    def answered(self, server: str, run: int, status: GameStatus) -> None:
        self.queue.put((server, run, status))

    def unanswered(self, server: str, run: int) -> None:
        self.queue.put((server, run, None))

    def post(self, function: Callable[..., None], *args: Any) -> None:
        function(*args)

    def expect(self) -> tuple[Any, ...]:
        came: tuple[Any, ...] = self.queue.get(timeout=PATIENCE)
        return came


ALICE = GameStatus("", "dm1", 8, ["alice"])


@pytest.fixture
def game() -> Iterator[Game]:
    game = Game()
    yield game
    game.close()


def file(seconds: float = 0.1, address: str = "127.0.0.1") -> GameFile:
    status = Status(kind="quake3", seconds=seconds)
    return GameFile(game="x", command=["x"], capacity=8, listen_address=address, status=status)


@pytest.mark.parametrize("address", ["127.0.0.1", "0.0.0.0"])
def test_a_game_is_asked_again_and_again(game: Game, address: str) -> None:
    with check_leaks():
        queries, events = StatusQueries(), Events()
        queries.report_to(events.post, events)
        queries.open("four", 7, file(address=address), game.port)
        assert [events.expect() for _ in range(3)] == [("four", 7, ALICE)] * 3
        queries.close("four")
        queries.close("four")
        queries.close_all()


def test_a_game_that_is_not_there_does_not_answer_until_it_is(game: Game) -> None:
    queries, events = StatusQueries(), Events()
    queries.report_to(events.post, events)
    game.close()
    queries.open("four", 1, file(seconds=60), game.port)
    assert events.expect() == ("four", 1, None)
    assert events.expect() == ("four", 1, None), "the first answer is waited for with short pauses"
    with gevent.socket.socket(type=gevent.socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", game.port))
        _, address = sock.recvfrom(1000)
        sock.sendto(b"no answer at all", address)
    queries.close_all()


def test_one_that_is_silent_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(statusquery, "ANSWER_SECONDS", 0.1)
    with gevent.socket.socket(type=gevent.socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        assert statusquery.ask("quake3", sock.getsockname()) is None


def test_what_comes_besides_the_answer_is_passed_over(game: Game) -> None:
    game.before = [b"", b"garbage", b"\xff\xff\xff\xffstatusResponse\n\\challenge\\0\\mapname\\forged\n"]
    assert statusquery.ask("quake3", ("127.0.0.1", game.port)) == ALICE


def test_an_address_that_is_none() -> None:
    assert statusquery.ask("quake3", ("no such host.invalid", 1)) is None


def test_close_all_waits_for_the_tasks(game: Game) -> None:
    with check_leaks():
        queries, events = StatusQueries(), Events()
        queries.report_to(events.post, events)
        queries.open("four", 1, file(), game.port)
        queries.open("four", 2, file(), game.port)
        assert events.expect() == ("four", 2, ALICE), "the older task has ended"
        queries.close_all()
        with pytest.raises(gevent.queue.Empty):
            while True:
                events.queue.get_nowait()
