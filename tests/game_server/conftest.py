"""A game server without sockets: its central task and controllers, a clock that stands still, and whoever connects."""

import random
from collections.abc import Callable, Iterator
from typing import Any

import gevent
import pytest

from connhandler import testing
from connhandler.framing.httprequest import HttpError, HttpRequest
from connhandler.jsonmessage import Welcome
from game_server import protocol
from game_server.config import Configuration
from game_server.launcherhandler import LauncherPeer
from game_server.listener import GameListener
from game_server.playerhandler import PlayerPeer
from game_server_launcher.protocol import ControllerAccepted
from login_server.tickets import GameTokenChecker, TicketChecker, TicketIssuer, generate_key_pair

SERVER_ID = "here/four"
ISSUER = "https://login.example"

Connection = testing.FakeConnection[PlayerPeer]
Launcher = testing.FakeConnection[LauncherPeer]


class Hall:
    """The game server under test, and what comes to it.

    Args:
        clock: by default one of its own.
        seed: of ids and lots.
        **settings: of the program.

    Attributes:
        ends: why the game server wanted to end, each time.
    """

    def __init__(self, clock: testing.ManualClock | None = None, seed: int = 7, **settings: Any) -> None:
        self.clock = clock or testing.ManualClock()
        self.private_key, self.public_key = generate_key_pair()
        self.issuer = TicketIssuer(self.private_key, ISSUER)
        configuration = Configuration(**{"server_id": SERVER_ID, **settings})
        checker: TicketChecker | GameTokenChecker | None = None
        if not configuration.launcher_port and configuration.server_id:
            checker = TicketChecker(self.public_key, ISSUER, configuration.server_id)
        elif not configuration.launcher_port:
            checker = GameTokenChecker(self.public_key, ISSUER)
        self.listener = GameListener(configuration, checker, clock=self.clock, random=random.Random(seed))
        self.ends: list[str] = []
        self.listener.end = self.ends.append
        self.listener.on_start()
        self.tickets = 0

    def ticket(
        self, player: str, game_id: str = "m1", players: tuple[str, ...] = ("alice", "bob"), **other: Any
    ) -> str:
        self.tickets += 1
        if game_id == "*":
            players = (player,)
        server_id = other.get("server_id", SERVER_ID)
        issuer = other.get("issuer", self.issuer)
        text: str = issuer.issue(player, server_id, game_id, players, self.clock.now, f"t{self.tickets}")[0]
        return text

    def open(self, game_id: str, headers: dict[str, str] | None = None, **query: str) -> Connection:
        """A connection that was let in.

        Raises:
            HttpError: it was refused before the upgrade.
        """
        connection = testing.FakeConnection(PlayerPeer())
        request = HttpRequest(method="GET", path=f"/{game_id}", query=query, headers=headers or {})
        self.listener.authenticate(connection.peer, request)
        testing.run_queue(self.listener)
        connection.connected(self.listener)
        self.settle()
        return connection

    def arrive(self, player: str, game_id: str = "m1") -> tuple[Connection, str]:
        """A player who is let in with a ticket, and whose connection the central task has not heard of yet."""
        connection = testing.FakeConnection(PlayerPeer())
        ticket = self.ticket(player, game_id)
        request = HttpRequest(method="GET", path=f"/{game_id}", query={"token": ticket}, headers={})
        self.listener.authenticate(connection.peer, request)
        return connection, ticket

    def refusal(self, game_id: str, **query: Any) -> tuple[int, str]:
        """The status and the code with which a connection is refused before the upgrade."""
        with pytest.raises(HttpError) as raised:
            self.open(game_id, **query)
        code, _, reason = raised.value.text.partition(": ")
        assert reason
        assert ("WWW-Authenticate" in raised.value.headers) == (raised.value.status == 401)
        return raised.value.status, code

    def closed_at_once(self, game_id: str, **query: Any) -> tuple[int | None, str]:
        """The close code and the code of the reason with which a connection is ended after the upgrade."""
        connection = self.open(game_id, **query)
        assert connection.sent == []
        assert connection.disconnected
        code, _, reason = connection.disconnect_detail.partition(": ")
        assert reason
        connection.disconnects(self.listener)
        return connection.peer.disconnect_code, code

    def join(self, player: str, game_id: str = "m1", **other: Any) -> Connection:
        """A player who has come with a ticket; the `Joined` is the first of what was sent."""
        return self.open(game_id, token=self.ticket(player, game_id, **other))

    def pair(self) -> tuple[Connection, Connection]:
        """A game that has begun: the beginner first. Nothing that was sent so far is kept."""
        connections = [self.join("alice"), self.join("bob")]
        game = self.listener.games.get("m1")
        assert game is not None
        assert game.model is not None
        for connection in connections:
            connection.take()
        first = game.model.beginner
        return connections[first], connections[1 - first]

    def say(self, connection: Connection | Launcher, *messages: Any) -> None:
        connection.receives(self.listener, *messages)
        self.settle()

    def lose(self, connection: Connection | Launcher, *reason: Any) -> None:
        connection.disconnects(self.listener, *reason)
        self.settle()

    def settle(self) -> None:
        """Let the controllers carry out what they were handed, and the central task what comes of it."""
        gevent.idle()
        while not self.listener.queue.empty() or self.listener.work_outstanding:
            testing.run_queue(self.listener)
            gevent.idle()

    def pass_seconds(self, seconds: float) -> None:
        self.clock.advance(seconds)
        testing.run_timers(self.listener)
        self.settle()

    def launcher(self, **accepted: Any) -> Launcher:
        """A launcher that has accepted this controller; everything that it was told since then is in `sent`."""
        launcher = testing.FakeConnection(LauncherPeer())
        launcher.connected(self.listener)
        self.say(launcher, Welcome(version=1))
        launcher.take()
        values = {"server_id": SERVER_ID, "issuer": ISSUER, "public_key": self.public_key, "used_tickets": []}
        self.say(launcher, ControllerAccepted(**{**values, **accepted}))
        return launcher

    def close(self) -> None:
        for peer in list(self.listener.controllers):
            assert peer._connection is not None
            self.lose(peer._connection)  # type: ignore[arg-type]
        self.listener.stop()
        testing.run_queue(self.listener)
        self.listener.pool.close()


@pytest.fixture
def open_hall() -> Iterator[Callable[..., Hall]]:
    """Makes game servers with settings of one's own."""
    halls: list[Hall] = []

    def open_hall(**settings: Any) -> Hall:
        halls.append(Hall(**settings))
        return halls[-1]

    yield open_hall
    for hall in halls:
        hall.close()


@pytest.fixture
def hall(open_hall: Callable[..., Hall]) -> Hall:
    """A game server that knows whose tickets to take, without a launcher."""
    return open_hall()


@pytest.fixture
def open_house(open_hall: Callable[..., Hall]) -> Hall:
    """A game server that checks nobody."""
    return open_hall(enable_auth=False, server_id="")


@pytest.fixture
def launched(open_hall: Callable[..., Hall]) -> Hall:
    """A game server that has a launcher, which is not here yet."""
    return open_hall(launcher_port=9002, server="four", token="secret")


def response(connection: Connection) -> protocol.Response:
    """The only message that was sent since the last look, a response."""
    (message,) = connection.take()
    assert isinstance(message, protocol.Response)
    return message
