"""Players in browsers, on real sockets: they are players as any other, and have the limits of any other."""

import json
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Origin

from connhandler import Limits, tasks
from login_server.browserhandler import BrowserHandler
from login_server.httphandler import VisitorHandler
from login_server.protocol import PLAYERS_PATH, FindMatch

if TYPE_CHECKING:
    from tests.login_server.conftest import House

PASSWORD = "correct horse"
Start = Callable[..., str]


@pytest.fixture
def start(house: "House") -> Iterator[Start]:
    """Serves the house on a port, and gives its origin, such as `http://127.0.0.1:40000`."""
    started: list[tuple[VisitorHandler, tasks.Task]] = []

    def start(limits: Limits | None = None, origins: tuple[str, ...] = ()) -> str:
        queue = house.server.queue
        browsers = BrowserHandler("browsers", "127.0.0.1", 0, queue, limits=limits, origins=["same", *origins])
        visitors = VisitorHandler("visitors", "127.0.0.1", 0, queue, limits=limits, upgrades={PLAYERS_PATH: browsers})
        visitors.start()
        started.append((visitors, tasks.spawn("central", house.server.run)))
        return f"http://127.0.0.1:{visitors.port}"

    yield start
    for visitors, central in started:
        visitors.stop()
        house.server.stop()
        central.get(timeout=10)


def browser(server: str, page: str = "") -> ClientConnection:
    """A connection as a page of the origin `page` opens it; by default one of the server's own pages."""
    return connect(f"{server.replace('http', 'ws')}{PLAYERS_PATH}", origin=Origin(page or server), open_timeout=10)


def tell(client: ClientConnection, **message: Any) -> dict[str, Any]:
    """Say something, and return the answer."""
    client.send(json.dumps(message))
    return hear(client)


def hear(client: ClientConnection) -> dict[str, Any]:
    text = client.recv(timeout=10)
    assert isinstance(text, str)
    heard: dict[str, Any] = json.loads(text)
    return heard


def ending(client: ClientConnection) -> tuple[int, str]:
    """The code and reason that the connection is closed with."""
    with pytest.raises(ConnectionClosed) as caught:
        client.recv(timeout=10)
    assert caught.value.rcvd is not None
    return caught.value.rcvd.code, caught.value.rcvd.reason


def test_a_browser_is_a_player_as_any_other(start: Start, house: "House") -> None:
    bob = house.player("bob")  # over another transport
    with browser(start()) as alice:
        welcome = tell(alice, type="hello", versions=[1], program="browser")
        assert welcome == {"type": "welcome", "version": 1, "program": "login-server"}
        assert tell(alice, type="find_match", game="go")["code"] == "not_logged_in"
        assert tell(alice, type="register", name="alice", password=PASSWORD) == {"type": "registered", "name": "alice"}
        logged_in = tell(alice, type="log_in", name="alice", password=PASSWORD)
        assert (logged_in["type"], logged_in["name"]) == ("logged_in", "alice")
        assert hear(alice) == {"type": "server_list", "servers": []}
        assert house.server.status_desk.status()["players"] == ["alice", "bob"]
        pending = tell(alice, type="find_match", game="go")
        assert (pending["type"], pending["waiting"]) == ("match_pending", 1)
        house.tell(bob, FindMatch(game="go"))
        assert hear(alice)["waiting"] == 2


def test_what_is_no_message_ends_the_connection_with_a_word(start: Start) -> None:
    with browser(start()) as client:
        assert tell(client, type="hello", versions=[1])["type"] == "welcome"
        refused = tell(client, type="match_found")
        assert (refused["type"], refused["code"]) == ("refused", "protocol_error")
        assert ending(client)[0] == 1002


@pytest.mark.parametrize("page", ["http://evil.example", "null", "http://127.0.0.1:1", "https://play.example.org.evil"])
def test_pages_from_elsewhere_are_not_let_in(start: Start, house: "House", page: str) -> None:
    server = start(origins=("https://play.example.org",))
    with pytest.raises(InvalidStatus) as caught:
        browser(server, page)
    assert caught.value.response.status_code == 403
    assert house.server.status_desk.status()["players"] == []


def test_pages_that_the_configuration_names_are_let_in(start: Start) -> None:
    with browser(start(origins=("https://play.example.org",)), "https://play.example.org") as client:
        assert tell(client, type="hello", versions=[1])["type"] == "welcome"


def test_who_does_not_log_in_is_told_and_let_go(start: Start) -> None:
    with browser(start(Limits(login_seconds=0.3))) as client:
        assert tell(client, type="hello", versions=[1])["type"] == "welcome"
        assert hear(client)["code"] == "login_timeout"
        assert ending(client)[0] == 1008


def test_there_is_a_bound_for_those_who_are_not_logged_in(start: Start) -> None:
    server = start(Limits(max_not_logged_in=1))
    with browser(server) as alice:
        with pytest.raises(InvalidStatus) as caught:
            browser(server)
        assert caught.value.response.status_code == 503
        tell(alice, type="hello", versions=[1])
        tell(alice, type="register", name="alice", password=PASSWORD)
        assert tell(alice, type="log_in", name="alice", password=PASSWORD)["type"] == "logged_in"
        with browser(server) as bob:
            assert tell(bob, type="hello", versions=[1])["type"] == "welcome"


def test_there_is_a_bound_for_one_address(start: Start) -> None:
    server = start(Limits(max_connections_per_address=1))
    with browser(server):
        with pytest.raises(InvalidStatus) as caught:
            browser(server)
        assert caught.value.response.status_code == 503
