"""A turn server without sockets: scripted conversations through `handle`, and a clock that obeys."""

import random
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from connhandler.http import HttpRequest, HttpResponse
from connhandler.testing import FakeConnection, ManualClock, run_timers
from turn_server.clienthandler import ClientPeer
from turn_server.rules import Rules
from turn_server.server import TurnServer

ADDRESS = ("127.0.0.1", 50000)


class Stopwatch:
    """Says that every request takes a quarter of a second."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        self.seconds += 0.25
        return self.seconds


class Table:
    """A turn server, and what it takes to talk to it.

    Attributes:
        clock: what it reads.
        server: the central task.
    """

    def __init__(self, seed: int = 1, **rules: Any) -> None:
        self.clock = ManualClock()
        self.server = TurnServer(Rules(**rules), clock=self.clock, stopwatch=Stopwatch(), random=random.Random(seed))

    def close(self) -> None:
        self.server.stop()
        run_timers(self.server)

    def pass_time(self, seconds: float) -> None:
        self.clock.advance(seconds)
        run_timers(self.server)

    def request(self, request: HttpRequest, address: Any = ADDRESS) -> HttpResponse:
        """Hand over one request, on a connection of its own, and return the one response."""
        connection = FakeConnection(ClientPeer(), address)
        connection.receives(self.server, request)
        (response,) = connection.take()
        assert isinstance(response, HttpResponse)
        return response

    def post(self, body: str | bytes) -> str:
        """Return the reply; its status must be what its first field says."""
        data = body.encode() if isinstance(body, str) else body
        response = self.request(HttpRequest(method="POST", path="/", headers={"content-length": ""}, body=data))
        text = response.body.decode()
        assert response.status == (200 if text.startswith("0/") else 400)
        return text

    def register(self, name: str = "Davey Jones", key: str = "*", wish: str = "*") -> str:
        """Return the pairing key."""
        reply = self.post(f"0,{name},{key},{wish},*")
        assert reply.startswith("0/0/"), reply
        return reply.removeprefix("0/0/")

    def pair(self, *, first: str = "Ann", second: str = "Bob") -> tuple[str, str]:
        """Return the pairing keys of two players who know of each other; the first one is the server."""
        keys = self.register(first), self.register(second)
        assert self.post(f"2,*,{keys[0]},*,*") == "0/2/*"
        assert self.post(f"2,*,{keys[1]},*,*") == f"0/4/{first}"
        assert self.post(f"2,*,{keys[0]},*,*") == f"0/3/{second}"
        return keys

    def load(self, keys: tuple[str, str]) -> str:
        """Take a pair through loading; return the key of the game."""
        assert self.post(f"3,*,{keys[0]},*,*") == "0/5/"
        assert self.post(f"3,*,{keys[1]},*,*") == "0/6/"
        assert self.post(f"4,*,{keys[0]},*,*") == "0/7/*"
        reply = self.post(f"4,*,{keys[1]},*,*")
        game, _, player = reply.removeprefix("0/8/").partition("|")
        assert player == "1"
        assert self.post(f"4,*,{keys[0]},*,*") == f"0/8/{game}|0"
        return game

    def play(self) -> str:
        """Return the key of a game that has just begun, in which nobody has said anything."""
        return self.load(self.pair())

    def update(self, game: str, player: int, counter: int, data: str = "") -> str:
        return self.post(f"6,{data},{game},{player},{counter}")


MakeTable = Callable[..., Table]


@pytest.fixture
def make_table() -> Iterator[MakeTable]:
    made: list[Table] = []

    def make(**rules: Any) -> Table:
        made.append(Table(**rules))
        return made[-1]

    yield make
    for table in made:
        table.close()


@pytest.fixture
def table(make_table: MakeTable) -> Table:
    return make_table()
