"""A client without sockets or terminal: its central task, a clock that stands still, and both servers by hand."""

import random
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from connhandler import testing
from connhandler.jsonmessage import Hello, Welcome
from game_server import protocol
from game_server.client.gameserverhandler import GameServerPeer
from game_server.client.loginserverhandler import LoginServerPeer
from game_server.client.playclient import Credentials, PlayClient
from game_server.client.view import View
from game_server.client.visit import Visit
from game_server.model import Event, FourInARow
from login_server.protocol import JoinGranted, LoggedIn, LogIn, MatchFound, ServerInfo, ServerList

GameServer = testing.FakeConnection[GameServerPeer]
LoginServer = testing.FakeConnection[LoginServerPeer]


class Diary(View):
    """Writes down what it is told: the method's name, and what it was told."""

    def __init__(self) -> None:
        self.entries: list[Any] = []
        self.missed_match: Any = None
        self.names: list[str] = []

    def take(self) -> list[Any]:
        entries, self.entries = self.entries, []
        return entries

    def said(self, text: str) -> None:
        self.entries.append(text)

    def troubled(self, text: str) -> None:
        self.entries.append(f"trouble: {text}")

    def in_lobby(self) -> None:
        self.entries.append("in_lobby")

    def servers_changed(self, servers: Any) -> None:
        self.entries.append(sorted(server.server_id for server in servers))

    def waiting(self, pending: Any) -> None:
        self.entries.append(pending)

    def waking(self, pending: Any) -> None:
        self.entries.append(f"waking: {pending.server_id}, {pending.reason}")

    def missed(self, match: Any) -> None:
        if match != self.missed_match:
            self.missed_match = match
            self.entries.append(f"missed: {match and match.match_id}")

    def wanted(self, requests: Any) -> None:
        names = [request.player for request in requests]
        if names != self.names:
            self.names = names
            self.entries.append(f"wanted by {names}")

    def joining(self, visit: Visit) -> None:
        self.entries.append(f"joining {visit.server_id}")

    def game_changed(self, visit: Visit) -> None:
        self.entries.append(visit.last)

    def came_along(self, visit: Visit) -> None:
        self.entries.append("came_along")

    def game_over(self, visit: Visit) -> None:
        self.entries.append("game_over")


class FakeGameConnection:
    """What would keep a connection to a game server."""

    def __init__(self, visit: Visit) -> None:
        self.visit = visit
        self.closed = False

    def close(self) -> None:
        self.closed = True


class Desk:
    """The client under test, and what it talks to."""

    def __init__(self, view: View, register: bool = False) -> None:
        self.clock = testing.ManualClock()
        self.view = view
        self.connections: list[FakeGameConnection] = []
        self.client = PlayClient(
            Credentials("alice", "secret", register),
            view,
            self._connect,
            clock=self.clock,
            random=random.Random(1),
        )
        self.ends: list[str] = []
        self.client.end = self.ends.append
        self.client.on_start()
        self.sequence = 0

    def _connect(self, visit: Visit) -> FakeGameConnection:
        self.connections.append(FakeGameConnection(visit))
        return self.connections[-1]

    def pass_seconds(self, seconds: float) -> None:
        self.clock.advance(seconds)
        testing.run_timers(self.client)

    def login_server(self) -> LoginServer:
        """A connection to the login server, up to the client's answer to `Welcome`."""
        connection = testing.FakeConnection(LoginServerPeer())
        connection.connected(self.client)
        assert connection.take() == [Hello(versions=[1, 2, 3], program="play")]
        connection.receives(self.client, Welcome(version=3))
        return connection

    def logged_in(self, *server_ids: str) -> LoginServer:
        """A connection to the login server on which the player is logged in; nothing sent so far is kept."""
        connection = self.login_server()
        assert isinstance(connection.take()[-1], LogIn)
        servers = [server(server_id) for server_id in server_ids or ("here/four",)]
        connection.receives(self.client, LoggedIn(name="alice"), ServerList(servers=servers))
        return connection

    def game_server(self) -> GameServer:
        """A connection to the game server of the current visit."""
        connection = testing.FakeConnection(GameServerPeer(self.connections[-1].visit.number))
        connection.connected(self.client)
        return connection

    def playing(self, beginner: str = "alice") -> GameServer:
        """A game of alice and bob that has begun; nothing sent or told so far is kept."""
        self.logged_in().receives(self.client, match_found())
        connection = self.game_server()
        connection.receives(self.client, joined(beginner))
        connection.take()
        self.sequence = 3
        return connection

    def happens(self, connection: GameServer, *events: Event) -> None:
        for event in events:
            self.sequence += 1
            numbered = protocol.GameEvent(sequence=self.sequence, at=1.0, event=event)  # type: ignore[arg-type]
            connection.receives(self.client, numbered)


def server(server_id: str, port: int = 7000) -> ServerInfo:
    return ServerInfo(
        server_id=server_id, name="four", game="four_in_a_row", map="7x6", players=0, capacity=10, region="eu",
        address="127.0.0.1", port=port, ping_address="127.0.0.1:7000", version="1",
    )  # fmt: skip


def match_found() -> MatchFound:
    return MatchFound(
        match_id="m1", game="four_in_a_row", players=["alice", "bob"], server_id="here/four",
        address="127.0.0.1", port=7000, ticket="ticket", expires_at=9.0,
    )  # fmt: skip


def join_granted() -> JoinGranted:
    return JoinGranted(server_id="here/four", address="127.0.0.1", port=7000, ticket="ticket", expires_at=9.0)


def joined(beginner: str = "alice", moves: tuple[int, ...] = ()) -> protocol.Joined:
    players = ["alice", "bob"]
    game = FourInARow(players=players, beginner=players.index(beginner), moves=list(moves))
    state = protocol.GameState(sequence=3 + len(moves), players=players, present=list(players), begun=True, game=game)
    return protocol.Joined(game_id="m1", player="alice", seat=0, state=state, resume_key="key")


class Made:
    """The messages that a test needs, and the makers of clients."""

    server = staticmethod(server)
    match_found = staticmethod(match_found)
    join_granted = staticmethod(join_granted)
    joined = staticmethod(joined)


@pytest.fixture
def made() -> type[Made]:
    return Made


@pytest.fixture
def open_desk() -> Iterator[Callable[..., Desk]]:
    """Makes clients with a view of one's own."""
    desks: list[Desk] = []

    def open_desk(view: View | None = None, register: bool = False) -> Desk:
        desks.append(Desk(view or Diary(), register))
        return desks[-1]

    yield open_desk
    for desk in desks:
        desk.client.stop()
        testing.run_queue(desk.client)


@pytest.fixture
def desk(open_desk: Callable[..., Desk]) -> Desk:
    return open_desk()
