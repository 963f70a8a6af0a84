"""Day passes at the launcher: which are void, and who gets in with one."""

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from connhandler.http import HttpRequest, HttpResponse
from connhandler.jsonmessage import Hello, Welcome
from connhandler.testing import FakeConnection, run_work
from game_server_launcher import doordesk
from game_server_launcher import gameconsolehandler as console
from game_server_launcher.admission import NO_SEAT, OTHER_ADDRESS
from game_server_launcher.allowlist.protocol import AllowAddress
from game_server_launcher.allowlisthandler import AllowlistPeer
from game_server_launcher.doordesk import STATUSES
from game_server_launcher.doorhandler import DoorPeer
from game_server_launcher.gamecontrollerhandler import ControllerPeer
from game_server_launcher.gametables import Admission, Console, Idle
from game_server_launcher.protocol import (
    ControllerAccepted,
    ControllerLogIn,
    DoorRefused,
    DoorSeat,
    PlayerCountChanged,
)
from login_server.keys import load_private_key, public_pem
from login_server.passes import PassIssuer
from login_server.protocol import (
    LauncherAccepted,
    MatchEnded,
    MatchResult,
    MatchStarted,
    PassesRevoked,
    PlayersExpected,
    ServerInfo,
)
from login_server.tickets import SeatChecker, TicketIssuer, generate_key_pair
from tests.game_server_launcher.consoles import connect, log_in
from tests.game_server_launcher.test_consoleplayers import line, shows

if TYPE_CHECKING:
    from tests.game_server_launcher.conftest import World


PRIVATE, PUBLIC = generate_key_pair()
PASSES = PassIssuer(PRIVATE, "login")


def revoked(world: "World", fake: Any, *, whole: bool = False, **players: float) -> dict[str, float]:
    """What is known to be void once the login server has said this."""
    fake.receives(world.launcher, PassesRevoked(revoked=players, whole=whole))
    run_work(world.launcher)
    known: dict[str, float] = world.launcher.state()["revoked"]
    return known


def test_void_passes_are_remembered_by_the_next_launcher(make_world: Callable[..., "World"]) -> None:
    world = make_world()
    fake = world.login_server()
    assert revoked(world, fake, whole=True, alice=5.0, bob=6.0) == {"alice": 5.0, "bob": 6.0}
    assert revoked(world, fake, alice=7.0, carol=8.0) == {"alice": 7.0, "bob": 6.0, "carol": 8.0}
    world = make_world()
    assert world.launcher.state()["revoked"] == {"alice": 7.0, "bob": 6.0, "carol": 8.0}
    assert revoked(world, world.login_server(), whole=True, carol=8.0) == {"carol": 8.0}
    world = make_world()
    assert world.launcher.state()["revoked"] == {"carol": 8.0}


def test_of_too_many_void_passes_the_latest_are_kept(world: "World", monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doordesk, "MAX_REVOKED", 2)
    fake = world.login_server()
    assert revoked(world, fake, alice=5.0, bob=6.0, carol=4.0) == {"alice": 5.0, "bob": 6.0}


def test_a_list_that_cannot_be_written_is_said(world: "World", caplog: pytest.LogCaptureFixture) -> None:
    fake = world.login_server()
    (world.folder.path / "launcher.revoked.new").mkdir()
    assert revoked(world, fake, alice=5.0) == {"alice": 5.0}
    assert "the list of void day passes cannot be written" in caplog.text
    assert caplog.records[-1].levelno == logging.ERROR


# --- who gets in ------------------------------------------------------------------------------------


class Door:
    """A world with one server that is ready, whose launcher has heard whose passes are good; and its door."""

    def __init__(self, world: "World") -> None:
        self.world = world
        self.controller = world.ready()
        self.login_server = world.login_server()
        accepted = LauncherAccepted(name="home", issuer="login", public_key=PUBLIC)
        self.login_server.receives(world.launcher, accepted)
        world.settle()
        self.controller.take()
        self.passes = 0

    def request(self, method: str, path: str, body: bytes = b"", address: str = "192.0.2.7") -> HttpResponse:
        visitor = FakeConnection(DoorPeer(), (address, 50000))
        visitor.connected(self.world.launcher)
        visitor.receives(self.world.launcher, HttpRequest(method=method, path=path, body=body))
        self.world.settle()
        (response,) = visitor.take()
        assert isinstance(response, HttpResponse)
        assert response.headers["Cache-Control"] == "no-store"
        return response

    def day_pass(self, player: str = "alice", issuer: PassIssuer = PASSES) -> str:
        self.passes += 1
        return issuer.issue(player, self.world.clock(), f"pass-{self.passes}")[0]

    def ask(self, day_pass: str, server: str = "four", address: str = "192.0.2.7") -> HttpResponse:
        body = msgspec.json.encode({"day_pass": day_pass, "server": server})
        return self.request("POST", "/join", body, address)

    def crash(self) -> None:
        self.controller.disconnects(self.world.launcher)
        self.world.process_exited(1)

    def seat(self, day_pass: str, server: str = "four") -> DoorSeat:
        response = self.ask(day_pass, server)
        assert response.status == 200, response.body
        return msgspec.json.decode(response.body, type=DoorSeat)

    def refusal(self, response: HttpResponse) -> str:
        refused = msgspec.json.decode(response.body, type=DoorRefused)
        assert response.status == STATUSES[refused.code]
        assert refused.message
        return refused.code


@pytest.fixture
def door(make_world: Callable[..., "World"], chess_with: Callable[..., Any]) -> Door:
    return Door(make_world(chess_with(address="play.example.org")))


def test_a_day_pass_gets_a_seat_that_the_games_take(door: Door) -> None:
    now = door.world.clock()
    day_pass = door.day_pass()
    door.login_server.disconnects(door.world.launcher)
    seat = door.seat(day_pass)
    where = ("home/four", "play.example.org", 7000, "", now + 1800)
    assert (seat.server_id, seat.address, seat.port, seat.match_id, seat.seat_expires_at) == where
    key = load_private_key(door.world.folder.seat_key).public_key()
    ticket = SeatChecker(public_pem(key), "launcher/home", "home/four").check(seat.seat, now)
    assert (ticket.player, ticket.game_id, ticket.players, ticket.once) == ("alice", "*", ["alice"], False)
    assert door.world.state()["seats"] == {"alice": {"address": "192.0.2.7", "game_id": "*", "expires_at": now + 1800}}
    door.world.advance(1)
    assert door.world.saved()["seats"] == door.world.state()["seats"]
    assert door.seat(day_pass, "home/four").server_id == "home/four", "a pass is good again, and an id is a name too"


def test_the_allow_list_hears_of_a_seat_too(make_world: Callable[..., "World"], chess_with: Callable[..., Any]) -> None:
    door = Door(make_world(chess_with(allowlist=True)))
    helper = FakeConnection(AllowlistPeer())
    helper.connected(door.world.launcher)
    helper.receives(door.world.launcher, Welcome(version=1))
    helper.take()
    door.seat(door.day_pass())
    assert helper.take() == [AllowAddress(port=7000, address="192.0.2.7", seconds=1800)]


def test_controllers_hear_whose_seats_are_good(world: "World") -> None:
    world.process_started()
    fake = FakeConnection(ControllerPeer())
    fake.connected(world.launcher)
    fake.receives(world.launcher, Hello(versions=[1]))
    fake.receives(world.launcher, ControllerLogIn(server="four", token=world.runner.runs["four"].token, pid=1))
    (accepted,) = [message for message in fake.take() if isinstance(message, ControllerAccepted)]
    assert accepted.seat_issuer == "launcher/home"
    assert accepted.seat_key == public_pem(load_private_key(world.folder.seat_key).public_key())


def test_who_is_not_let_in_is_told_why(door: Door) -> None:
    good, old, stolen = door.day_pass(), door.day_pass("bob"), door.day_pass("carol")
    forged = door.day_pass(issuer=PassIssuer(generate_key_pair()[0], "login"))
    ticket, _ = TicketIssuer(PRIVATE, "login").issue("alice", "home/four", "*", ["alice"], door.world.clock(), "t")
    door.world.clock.advance(60)
    revoked(door.world, door.login_server, whole=True, carol=door.world.clock())
    assert door.refusal(door.ask(forged)) == "pass_forged"
    assert door.refusal(door.ask("what is this")) == "pass_malformed"
    assert door.refusal(door.ask(ticket)) == "pass_malformed"
    assert door.refusal(door.ask(stolen)) == "pass_revoked"
    assert door.seat(door.day_pass("carol")).server_id == "home/four", "a new one is good"
    assert door.refusal(door.ask(good, "five")) == "no_such_server"
    door.world.clock.advance(24 * 3600)
    assert door.refusal(door.ask(old)) == "pass_expired"
    assert "bob" not in door.world.state()["seats"]
    assert door.world.launcher.state()["door"]["pass_expired"] == 1


@pytest.mark.parametrize("body", [b"", b"{}", b'{"day_pass":1,"server":"four"}', b"\xff", b"[" * 5000])
def test_what_is_no_request(door: Door, body: bytes) -> None:
    assert door.refusal(door.request("POST", "/join", body)) == "request_malformed"


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=200) | st.text(max_size=200).map(lambda text: msgspec.json.encode({"day_pass": text})))
def test_whatever_comes_is_answered(door: Door, body: bytes) -> None:
    door.world.clock.advance(61)
    assert door.refusal(door.request("POST", "/join", body)) in {"request_malformed", "pass_malformed"}


def test_other_addresses(door: Door) -> None:
    for method, path in (("GET", "/"), ("GET", "/join"), ("POST", "/servers"), ("POST", "/")):
        assert door.refusal(door.request(method, path)) == "nothing_here"


def test_the_list_has_the_servers_that_are_ready(door: Door) -> None:
    (info,) = msgspec.json.decode(door.request("GET", "/servers").body, type=list[ServerInfo])
    assert (info.server_id, info.state, info.port) == ("home/four", "ready", 7000)
    door.crash()
    assert door.request("GET", "/servers").body == b"[]"
    assert door.refusal(door.ask(door.day_pass())) == "server_not_ready"


def test_a_full_server_takes_those_alone_who_belong_to_a_match_there(door: Door) -> None:
    started = MatchStarted(match_id="m1", players=["alice", "bob"])
    door.controller.receives(door.world.launcher, started, PlayerCountChanged(players=10))
    assert door.refusal(door.ask(door.day_pass("carol"))) == "server_full"
    seat = door.seat(door.day_pass("alice"))
    assert seat.match_id == "m1"
    assert door.world.state()["seats"]["alice"]["game_id"] == "m1"
    result = MatchResult(winner="bob", scores={}, reason="won", ended_at=1.0)
    ended = MatchEnded(match_id="m1", players=["alice", "bob"], result=result)
    door.controller.receives(door.world.launcher, ended, PlayerCountChanged(players=9))
    assert door.seat(door.day_pass("alice")).match_id == ""


def test_without_the_login_servers_key_nobody_gets_in(world: "World") -> None:
    """Nor with one that is none: `world` says that its login server has the key `PEM`."""
    world.ready()
    door = Door.__new__(Door)
    door.world, door.passes = world, 0
    assert door.refusal(door.ask(door.day_pass())) == "issuer_unknown"
    world.login_server()
    assert door.refusal(door.ask(door.day_pass())) == "issuer_unknown"


def test_the_next_launcher_lets_the_same_players_in_without_a_login_server(make_world: Callable[..., "World"]) -> None:
    before = Door(make_world())
    seat, day_pass, void = before.seat(before.day_pass()), before.day_pass("bob"), before.day_pass("carol")
    before.world.clock.advance(1)
    revoked(before.world, before.login_server, carol=before.world.clock())
    before.world.advance(1)
    world = make_world()
    world.clock.advance(2)
    world.ready()
    after = Door.__new__(Door)
    after.world, after.passes = world, 100
    assert after.seat(day_pass).port == 7000
    assert after.refusal(after.ask(void)) == "pass_revoked"
    key = public_pem(load_private_key(world.folder.seat_key).public_key())
    assert SeatChecker(key, "launcher/home", "home/four").check(seat.seat, world.clock()).player == "alice"
    assert set(world.state()["seats"]) == {"alice", "bob"}


def test_one_address_asks_so_often_and_no_more(door: Door) -> None:
    day_pass = door.day_pass()
    for _ in range(doordesk.MAX_JOINS):
        assert door.ask(day_pass, address="2001:db8::1").status == 200
    response = door.ask(day_pass, address="2001:db8::2")
    assert door.refusal(response) == "too_many_requests"
    assert response.headers["Retry-After"] == "60"
    assert door.ask(day_pass, address="2001:db8:0:1::1").status == 200
    door.world.clock.advance(61)
    assert door.ask(day_pass, address="2001:db8::2").status == 200


def test_what_was_cut_short_with_its_process_is_not_expected_again(door: Door) -> None:
    expected = PlayersExpected(
        server_id="home/four", match_id="m1", players=["alice", "bob"], expires_at=door.world.clock() + 60
    )
    door.login_server.receives(door.world.launcher, expected)
    assert door.seat(door.day_pass()).match_id == "m1", "who was matched a moment ago belongs to it already"
    door.controller.receives(door.world.launcher, MatchStarted(match_id="m1", players=["alice", "bob"]))
    door.crash()
    assert door.world.state()["expected"] == {}


def test_who_comes_wakes_a_server_that_sleeps(
    make_world: Callable[..., "World"], chess_with: Callable[..., Any]
) -> None:
    door = Door(make_world(chess_with(idle=Idle(action="freeze", after_seconds=10.0))))
    for _ in range(10):
        door.world.advance(1.0)
    assert door.world.state()["state"] == "frozen"
    (shown,) = msgspec.json.decode(door.request("GET", "/servers").body, type=list[ServerInfo])
    assert shown.state == "sleeping"
    assert door.seat(door.day_pass()).port == 7000
    assert door.world.state()["state"] == "ready"


def test_who_comes_to_one_without_a_process_is_told_to_come_again(
    make_world: Callable[..., "World"], chess_with: Callable[..., Any]
) -> None:
    door = Door(make_world(chess_with(idle=Idle(action="stop", after_seconds=10.0))))
    for _ in range(11):
        door.world.advance(1.0)
    door.controller.disconnects(door.world.launcher)
    door.world.process_exited(0)
    assert door.world.state()["state"] == "asleep"
    assert door.refusal(door.ask(door.day_pass())) == "server_not_ready"
    door.world.ready(port=7001)
    assert door.seat(door.day_pass()).port == 7001


def test_a_game_with_a_console_lets_stay_who_has_a_seat_from_the_door(
    make_world: Callable[..., "World"], chess_with: Callable[..., Any]
) -> None:
    """By name and address, as with any seat."""
    world = make_world(chess_with(console=Console("econ"), admission=Admission("address")))
    fake = connect(world)
    log_in(world, fake)
    shows(world, fake)
    door = Door.__new__(Door)
    door.world, door.passes = world, 0
    login_server = world.login_server()
    login_server.receives(world.launcher, LauncherAccepted(name="home", issuer="login", public_key=PUBLIC))
    world.settle()
    login_server.disconnects(world.launcher)
    assert door.ask(door.day_pass("anna"), address="192.0.2.1").status == 200
    fake.take()
    shows(world, fake, line(0, "anna"), line(1, "bertha"), line(2, "anna", host="192.0.2.9"))
    assert fake.take() == [console.Kick(1, NO_SEAT), console.Kick(2, OTHER_ADDRESS)]
    assert world.launcher.servers["four"].info().names == ["anna"]
