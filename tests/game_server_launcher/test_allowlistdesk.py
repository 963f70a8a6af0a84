"""Conversations with the allow-list helper: what it is told of servers and seats."""

from collections.abc import Callable
from typing import Any

import pytest

from connhandler import ProtocolError
from connhandler.jsonmessage import Hello, Ping, Pong, Refused, ShuttingDown, Welcome
from connhandler.testing import FakeConnection
from game_server_launcher.allowlist.protocol import MAX_SECONDS, AllowAddress, ProtectPort, UnprotectPort
from game_server_launcher.allowlistdesk import warn_without_helper
from game_server_launcher.allowlisthandler import AllowlistHandler, AllowlistPeer, AllowlistReader
from game_server_launcher.servers import State
from login_server.protocol import SeatReserved

Make = Callable[..., Any]
PORT = 7000


@pytest.fixture
def world(make_world: Make, chess_with: Make) -> Any:
    return make_world(chess_with(allowlist=True))


@pytest.fixture
def open_world(make_world: Make, chess_with: Make) -> Any:
    return make_world(chess_with())


def helper(world: Any) -> FakeConnection[AllowlistPeer]:
    """The helper is there."""
    fake = FakeConnection(AllowlistPeer())
    fake.connected(world.launcher)
    assert [type(one) for one in fake.take()] == [Hello]
    fake.receives(world.launcher, Welcome(version=1))
    return fake


def seat(world: Any, player: str, address: str, seconds: float = 1800) -> SeatReserved:
    return SeatReserved(
        server_id="home/four", player=player, address=address, game_id="*", expires_at=world.clock.now + seconds
    )


def test_every_connection_gets_an_allowlist_peer(world: Any) -> None:
    handler = AllowlistHandler("allowlist", "/nowhere", 0, world.launcher.queue)
    reader, _, peer = handler.create_connection_instances(None, ("/nowhere", 0))  # type: ignore[arg-type]
    assert (type(reader), type(peer)) == (AllowlistReader, AllowlistPeer)
    assert handler.limits.max_retry_seconds <= 2


def test_a_guarded_server_is_protected_once_it_is_ready_until_it_has_ended(world: Any) -> None:
    fake = helper(world)
    world.process_started(port=PORT)
    assert fake.take() == []
    controller = world.ready(port=PORT)
    assert fake.take() == [ProtectPort(port=PORT)]
    world.process_exited(1)
    controller.disconnects(world.launcher)
    assert fake.take() == [UnprotectPort(port=PORT)]


@pytest.mark.parametrize("state", [State.AWAY, State.SILENT, State.FROZEN, State.DROWSY, State.STOPPING])
def test_a_server_that_was_ready_stays_protected(world: Any, state: State) -> None:
    fake = helper(world)
    world.ready(port=PORT)
    fake.take()
    server = world.launcher.servers["four"]
    server.state = state
    world.launcher.server_changed(server)
    assert fake.take() == []


def test_whoever_has_a_seat_is_allowed(world: Any) -> None:
    fake = helper(world)
    login = world.login_server()
    login.receives(world.launcher, seat(world, "ada", "10.0.0.1"))
    assert fake.take() == []
    world.ready(port=PORT)
    login.receives(world.launcher, seat(world, "ben", "10.0.0.2"), seat(world, "cleo", ""))
    login.receives(world.launcher, seat(world, "dan", "10.0.0.4", seconds=10 * MAX_SECONDS))
    assert fake.take() == [
        ProtectPort(port=PORT),
        AllowAddress(port=PORT, address="10.0.0.1", seconds=1800),
        AllowAddress(port=PORT, address="10.0.0.2", seconds=1800),
        AllowAddress(port=PORT, address="10.0.0.4", seconds=MAX_SECONDS),
    ]


def test_a_helper_that_comes_back_is_told_everything_anew(world: Any) -> None:
    world.ready(port=PORT)
    login = world.login_server()
    login.receives(world.launcher, seat(world, "ada", "10.0.0.1"), seat(world, "ben", "10.0.0.2", seconds=60))
    for _ in range(2):
        fake = helper(world)
        assert fake.take() == [
            ProtectPort(port=PORT),
            AllowAddress(port=PORT, address="10.0.0.1", seconds=1800),
            AllowAddress(port=PORT, address="10.0.0.2", seconds=60),
        ]
        fake.disconnects(world.launcher)
    world.advance(600)
    assert helper(world).take() == [
        ProtectPort(port=PORT),
        AllowAddress(port=PORT, address="10.0.0.1", seconds=1200),
    ]


def test_a_server_for_everybody_opens_a_port_that_may_be_protected_still(open_world: Any) -> None:
    fake = helper(open_world)
    open_world.ready(port=PORT)
    login = open_world.login_server()
    login.receives(open_world.launcher, seat(open_world, "ada", "10.0.0.1"))
    assert fake.take() == [UnprotectPort(port=PORT)]


def test_it_answers_pings_and_bears_refusals(world: Any) -> None:
    fake = helper(world)
    fake.receives(world.launcher, Ping(), Refused(code="port_not_ours", message="no", about="protect_port"))
    fake.receives(world.launcher, ShuttingDown())
    assert fake.take() == [Pong()]
    assert not fake.disconnected


def test_a_helper_that_speaks_another_version(world: Any) -> None:
    fake = FakeConnection(AllowlistPeer())
    fake.connected(world.launcher)
    fake.receives(world.launcher, Welcome(version=2))
    assert isinstance(fake.failure, ProtocolError)
    fake = FakeConnection(AllowlistPeer())
    fake.connected(world.launcher)
    fake.receives(world.launcher, Refused(code="incompatible_version", message="no", about="hello"))
    assert fake.disconnected


def test_who_forgets_the_helper_is_told(chess_with: Make, caplog: pytest.LogCaptureFixture) -> None:
    warn_without_helper([chess_with(allowlist=True), chess_with(name="five")])
    assert [record.message for record in caplog.records] == [
        "four: everybody can reach its port: allowlist = true needs --allowlist SOCKET"
    ]
