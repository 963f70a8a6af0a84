"""Scripted conversations with the helper; nftables is a list here."""

from collections.abc import Iterator
from typing import Any

import pytest

from connhandler import ProtocolError, TaskPool
from connhandler.jsonmessage import Hello, Refused, ShuttingDown, Welcome
from connhandler.testing import FakeConnection, ManualClock, run_timers, run_work
from game_server_launcher.allowlist import gatekeeper, ruleset
from game_server_launcher.allowlist.gatekeeper import HOUSEKEEPING_SECONDS, RETRY_SECONDS, Gatekeeper
from game_server_launcher.allowlist.gates import Gates
from game_server_launcher.allowlist.launcherhandler import LauncherHandler, LauncherPeer, LauncherReader
from game_server_launcher.allowlist.nft import NftFailed
from game_server_launcher.allowlist.protocol import AllowAddress, ProtectPort, UnprotectPort

KEEP_SECONDS = 60.0


class FakeNft:
    """Attributes:
    applied: the changes, oldest first.
    fails: whether it does nothing.
    ports: what it says when it is asked.
    """

    def __init__(self) -> None:
        self.applied: list[list[ruleset.Command]] = []
        self.fails = False
        self.ports: set[int] = set()

    def apply(self, commands: list[ruleset.Command]) -> None:
        if self.fails:
            raise NftFailed("it does not work")
        self.applied.append(commands)

    def gates(self) -> dict[int, dict[str, float]]:
        return {port: {} for port in self.ports}

    def take(self) -> list[list[ruleset.Command]]:
        applied, self.applied = self.applied, []
        return applied


class World:
    def __init__(self) -> None:
        self.clock = ManualClock()
        self.nft = FakeNft()
        self.gates = Gates(range(7000, 7100), max_ports=50, max_addresses=50)
        self.pool = TaskPool("nft", tasks=1, max_queued=1)
        self.central = Gatekeeper(self.gates, self.nft, self.pool, KEEP_SECONDS, clock=self.clock)

    def begin(self) -> None:
        self.central.on_start()
        self.settle()

    def settle(self) -> None:
        run_work(self.central)

    def advance(self, seconds: float) -> None:
        self.clock.advance(seconds)
        run_timers(self.central)
        self.settle()

    def launcher(self) -> FakeConnection[LauncherPeer]:
        connection = FakeConnection(LauncherPeer())
        connection.connected(self.central)
        connection.receives(self.central, Hello(versions=[1]))
        (welcome,) = connection.take()
        assert isinstance(welcome, Welcome)
        return connection

    def says(self, connection: FakeConnection[LauncherPeer], *messages: Any) -> None:
        connection.receives(self.central, *messages)
        self.settle()


@pytest.fixture
def world() -> Iterator[World]:
    world = World()
    world.begin()
    assert world.nft.take() == [ruleset.whole({})]
    yield world
    world.pool.close()


def test_every_connection_gets_a_launcher_peer(world: World) -> None:
    handler = LauncherHandler("launchers", "/nowhere", 0, world.central.queue)
    reader, _, peer = handler.create_connection_instances(None, ("/nowhere", 0))  # type: ignore[arg-type]
    assert (type(reader), type(peer)) == (LauncherReader, LauncherPeer)


def test_what_is_asked_for_is_done(world: World) -> None:
    launcher = world.launcher()
    world.says(launcher, ProtectPort(port=7000))
    world.says(launcher, AllowAddress(port=7000, address="::ffff:10.0.0.1", seconds=30))
    world.says(launcher, UnprotectPort(port=7000))
    assert world.nft.take() == [
        ruleset.protect(7000),
        ruleset.allow(7000, "10.0.0.1", 30),
        ruleset.unprotect(7000, {"10.0.0.1": 30}),
    ]
    assert launcher.take() == []


def test_what_changes_nothing_is_not_done_again(world: World) -> None:
    launcher = world.launcher()
    world.says(launcher, ProtectPort(port=7000), ProtectPort(port=7000), UnprotectPort(port=7001))
    assert world.nft.take() == [ruleset.protect(7000)]


def test_what_comes_while_nft_is_at_work_is_one_change(world: World) -> None:
    launcher = world.launcher()
    launcher.receives(world.central, *(ProtectPort(port=port) for port in (7000, 7001, 7002)))
    world.settle()
    assert world.nft.take() == [ruleset.protect(7000), ruleset.protect(7001) + ruleset.protect(7002)]


def test_much_of_it_makes_the_table_anew(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gatekeeper, "MAX_PENDING", 1)
    launcher = world.launcher()
    launcher.receives(world.central, *(ProtectPort(port=port) for port in (7000, 7001, 7002, 7003)))
    world.settle()
    assert world.nft.take() == [ruleset.protect(7000), ruleset.whole({port: {} for port in range(7000, 7004)})]


def test_what_is_refused_says_why(world: World) -> None:
    launcher = world.launcher()
    world.says(launcher, ProtectPort(port=22), AllowAddress(port=7000, address="x", seconds=1), UnprotectPort(port=22))
    answers = launcher.take()
    assert [(type(one), one.code, one.about) for one in answers] == [
        (Refused, "port_not_ours", "protect_port"),
        (Refused, "not_protected", "allow_address"),
        (Refused, "port_not_ours", "unprotect_port"),
    ]
    assert world.nft.take() == []
    assert not launcher.disconnected


def test_it_begins_with_hello(world: World) -> None:
    connection = FakeConnection(LauncherPeer())
    connection.connected(world.central)
    connection.receives(world.central, ProtectPort(port=7000))
    assert isinstance(connection.failure, ProtocolError)
    world.settle()
    assert world.nft.take() == []


def test_another_version_is_refused(world: World) -> None:
    connection = FakeConnection(LauncherPeer())
    connection.connected(world.central)
    connection.receives(world.central, Hello(versions=[9]))
    assert connection.take()[0].code == "incompatible_version"
    assert connection.disconnected


def test_after_a_failure_the_table_is_made_anew(world: World) -> None:
    launcher = world.launcher()
    world.nft.fails = True
    world.says(launcher, ProtectPort(port=7000))
    world.says(launcher, ProtectPort(port=7001))
    world.nft.fails = False
    assert world.nft.take() == []
    world.advance(RETRY_SECONDS)
    assert world.nft.take() == [ruleset.whole({7000: {}, 7001: {}})]


def test_a_table_that_somebody_has_thrown_away_is_made_anew(world: World) -> None:
    launcher = world.launcher()
    world.says(launcher, ProtectPort(port=7000))
    world.nft.take()
    world.nft.ports = {7000}
    world.advance(HOUSEKEEPING_SECONDS)
    assert world.nft.take() == []
    world.nft.ports = set()
    world.advance(HOUSEKEEPING_SECONDS)
    assert world.nft.take() == [ruleset.whole({7000: {}})]


def test_a_launcher_that_is_gone_has_its_ports_protected_for_a_while(world: World) -> None:
    launcher = world.launcher()
    world.says(launcher, ProtectPort(port=7000), AllowAddress(port=7000, address="10.0.0.1", seconds=900))
    world.nft.take()
    world.nft.ports = {7000}
    launcher.disconnects(world.central)
    world.advance(KEEP_SECONDS)
    assert world.nft.take() == []
    world.advance(HOUSEKEEPING_SECONDS)
    assert world.nft.take() == [ruleset.unprotect(7000, {"10.0.0.1": 1})]


def test_what_an_earlier_process_left_stays_in_force() -> None:
    world = World()
    world.gates.take_over({7000: {"10.0.0.1": 30.0}}, world.clock.now)
    world.begin()
    assert world.nft.take() == [ruleset.whole({7000: {"10.0.0.1": 30.0}})]
    world.pool.close()


@pytest.mark.parametrize("fails", [False, True])
def test_at_an_orderly_end_the_table_goes(world: World, fails: bool) -> None:
    launcher = world.launcher()
    world.says(launcher, ProtectPort(port=7000))
    world.nft.take()
    world.nft.fails = fails
    finished = world.central.on_shutdown()
    world.settle()
    assert finished.is_set()
    assert world.nft.take() == ([] if fails else [ruleset.removal()])
    assert isinstance(launcher.take()[-1], ShuttingDown)


def test_its_state_is_plain(world: World) -> None:
    launcher = world.launcher()
    world.says(launcher, ProtectPort(port=7000), AllowAddress(port=7000, address="10.0.0.1", seconds=30))
    assert world.central.state() == {
        "7000": {"owner": launcher.peer.name, "left_at": 0.0, "allowed": {"10.0.0.1": world.clock.now + 30}}
    }
