"""Who is in a game, as its console shows it, and who of them may stay: scripted conversations."""

import logging
from collections.abc import Callable
from typing import Any

import pytest

from connhandler.testing import FakeConnection
from game_server_launcher import gameconsolehandler as console
from game_server_launcher.admission import HERE_ALREADY, NO_SEAT, OTHER_ADDRESS
from game_server_launcher.consoledesk import STATUS_SECONDS
from game_server_launcher.consoleplayers import MAX_CLIENTS
from game_server_launcher.gameconsolehandler import ConsolePeer
from game_server_launcher.gametables import Admission, Console
from login_server.protocol import SeatReserved, UpdateServer
from tests.game_server_launcher.consoles import ASK_WHO_IS_THERE, connect, log_in, reconnect, says


def line(number: int, name: str, port: int = 5000, host: str = "192.0.2.1") -> str:
    """What `status` shows of a player; an empty name: of a client on its way into the game."""
    what = f"client=705 name='{name}' score=0 " if name else "connecting"
    return f"[21:13:45][server]: id={number} addr={host}:{port + number} {what}"


def entered(number: int) -> str:
    return f"[21:13:41][server]: player has entered the game. ClientID={number} addr=192.0.2.1:{5000 + number}"


def left(number: int, reason: str = "") -> str:
    return f"[21:13:49][server]: client dropped. cid={number} addr=192.0.2.1:{5000 + number} reason='{reason}'"


def shows(world: Any, fake: "FakeConnection[ConsolePeer]", *lines: str) -> None:
    """The console answers the question who is there."""
    says(
        world,
        fake,
        "[21:13:45][server]: cid=0 cmd='status'",
        *lines,
        "[21:13:45][server]: cid=0 cmd='sv_map'",
        "[21:13:45][Console]: Value: dm1",
    )


def reserve(
    world: Any, login: Any, player: str, address: str = "192.0.2.1", seconds: float = 1800.0, server: str = "home/four"
) -> None:
    reserved = SeatReserved(server, player, address, "*", world.launcher.now + seconds)
    login.receives(world.launcher, reserved)
    world.settle()


def players(world: Any) -> list[str]:
    return [client["name"] for client in world.state()["clients"].values()]


def events(world: Any) -> list[str]:
    return [event["text"] for event in world.state()["events"]]


@pytest.fixture
def make(make_world: Callable[..., Any], chess_with: Callable[..., Any]) -> Callable[[str], Any]:
    """A launcher of a game with a console and this admission."""

    def make(by: str) -> Any:
        return make_world(chess_with(console=Console("econ"), map="dm1", admission=Admission(by)))  # type: ignore[arg-type]

    return make


def join(world: Any) -> "FakeConnection[ConsolePeer]":
    """A console that has let us in, with nobody in the game."""
    fake = connect(world)
    log_in(world, fake)
    shows(world, fake)
    return fake


def test_who_is_there_is_told_to_the_login_server(make: Callable[[str], Any]) -> None:
    world = make("open")
    login = world.login_server()
    fake = join(world)
    login.take()
    says(world, fake, entered(0), entered(1))
    assert fake.take() == ASK_WHO_IS_THERE, "both will be in one answer"
    shows(world, fake, line(0, "anna"), line(1, "it's me"), line(2, ""))
    world.advance(0.2)
    (update,) = login.take()
    assert isinstance(update, UpdateServer)
    assert (update.server.players, update.server.names) == (2, ["anna", "it's me"])
    says(world, fake, left(0), left(2))
    world.advance(0.2)
    (update,) = login.take()
    assert (update.server.players, update.server.names) == (1, ["it's me"])


def test_no_more_names_are_told_than_a_list_can_show(make: Callable[[str], Any]) -> None:
    world = make("open")
    fake = join(world)
    shows(world, fake, *(line(number, f"{number:x<200}") for number in range(100)))
    info = world.launcher.servers["four"].info()
    assert (info.players, len(info.names), len(info.names[0])) == (100, 64, 128)


def test_who_is_there_is_asked_now_and_then(make: Callable[[str], Any]) -> None:
    world = make("open")
    fake = join(world)
    world.advance(STATUS_SECONDS)
    assert fake.take() == ASK_WHO_IS_THERE
    says(world, fake, entered(0))
    assert fake.take() == [], "it is in the answer that is to come"
    says(world, fake, "[21:13:45][server]: cid=0 cmd='status'", entered(1))
    assert fake.take() == ASK_WHO_IS_THERE, "it may not be in the one that has begun"


def test_who_leaves_while_it_is_shown_is_gone(make: Callable[[str], Any]) -> None:
    world = make("open")
    fake = join(world)
    says(world, fake, "[21:13:45][server]: cid=0 cmd='status'", line(0, "anna"), line(1, ""), left(0), left(1))
    says(world, fake, "[21:13:45][server]: cid=0 cmd='sv_map'")
    assert players(world) == []


def test_what_is_shown_unasked_is_no_status(make: Callable[[str], Any]) -> None:
    world = make("open")
    fake = join(world)
    says(world, fake, line(0, "anna"), line(1, ""), "[21:13:45][server]: cid=0 cmd='sv_map'")
    assert players(world) == []


def test_who_has_no_seat_is_kicked(make: Callable[[str], Any], caplog: pytest.LogCaptureFixture) -> None:
    world = make("name")
    caplog.set_level(logging.INFO)
    login = world.login_server()
    reserve(world, login, "anna")
    reserve(world, login, "bertha", server="home/other")
    fake = join(world)
    fake.take()
    shows(world, fake, line(0, "anna"), line(1, "bertha"), line(2, "Anna"))
    assert fake.take() == [console.Kick(1, NO_SEAT), console.Kick(2, HERE_ALREADY)]
    assert (players(world), world.state()["players"]) == (["anna"], 1)
    shows(world, fake, line(0, "anna"), line(1, "bertha"))
    assert fake.take() == [], "once is enough"
    says(world, fake, left(1, "Kicked"), left(2, "Kicked"))
    shows(world, fake, line(1, "bertha"))
    assert fake.take() == [console.Kick(1, NO_SEAT)], "who comes back is another client"
    kicked = f"bertha (192.0.2.1) was kicked: {NO_SEAT}"
    assert events(world)[0] == kicked
    assert f"four: {kicked}" in caplog.text


def test_the_address_counts_where_the_game_file_says_so(make: Callable[[str], Any]) -> None:
    world = make("address")
    login = world.login_server()
    reserve(world, login, "anna")
    reserve(world, login, "bertha", "192.0.2.99")
    fake = join(world)
    fake.take()
    shows(world, fake, line(0, "anna"), line(1, "bertha"))
    assert fake.take() == [console.Kick(1, OTHER_ADDRESS)]


def test_a_player_may_come_back_until_the_seat_expires_and_stay_after_that(make: Callable[[str], Any]) -> None:
    world = make("name")
    login = world.login_server()
    reserve(world, login, "anna", seconds=100)
    reserve(world, login, "bertha", seconds=100)
    fake = join(world)
    shows(world, fake, line(0, "anna"), line(1, "bertha"))
    says(world, fake, left(0))
    shows(world, fake, line(0, "anna", 6000), line(1, "bertha"))
    fake.take()
    world.advance(101.0)
    fake.take()
    says(world, fake, left(0))
    shows(world, fake, line(0, "anna", 7000), line(1, "bertha"))
    assert fake.take() == [console.Kick(0, NO_SEAT)]
    assert players(world) == ["bertha"]


def test_seats_are_good_in_the_next_process(make: Callable[[str], Any]) -> None:
    world = make("name")
    reserve(world, world.login_server(), "anna")
    fake = join(world)
    shows(world, fake, line(0, "anna"))
    world.process_exited(-9)
    fake.disconnects(world.launcher)
    world.settle()
    assert players(world) == []
    world.advance(1.0)
    fake = join(world)
    fake.take()
    shows(world, fake, line(0, "anna", 6000))
    assert (fake.take(), players(world)) == ([], ["anna"])


def test_the_next_launcher_checks_everybody_but_whom_the_last_one_let_in(make: Callable[[str], Any]) -> None:
    world = make("name")
    login = world.login_server()
    reserve(world, login, "anna", seconds=10)
    reserve(world, login, "bertha", seconds=1000)
    fake = join(world)
    shows(world, fake, line(0, "anna"))
    world.advance(30.0)
    later = make("name")
    later.clock.advance(30.0)
    fake = connect(later)
    log_in(later, fake)
    assert (later.state()["players"], players(later)) == (1, ["anna"]), "as far as is known"
    shows(later, fake, line(0, "anna"), line(1, "bertha"), line(2, "mallory"))
    assert fake.take() == [console.Kick(2, NO_SEAT)]
    assert players(later) == ["anna", "bertha"]


def test_who_came_and_went_while_the_console_was_away(make: Callable[[str], Any]) -> None:
    world = make("open")
    fake = join(world)
    shows(world, fake, line(0, "anna"), line(1, "bertha"))
    run, _ = world.consoles.opened["four"]
    fake.disconnects(world.launcher)
    again = reconnect(world, run)
    log_in(world, again)
    assert players(world) == ["anna", "bertha"]
    shows(world, again, line(0, "anna", 6000), line(2, "carl"))
    assert players(world) == ["anna", "carl"]
    assert events(world)[2:] == ["anna left", "bertha left", "anna joined", "carl joined"]


def test_nobody_is_gone_while_the_map_changes(make: Callable[[str], Any]) -> None:
    world = make("name")
    reserve(world, world.login_server(), "anna", seconds=10)
    fake = join(world)
    shows(world, fake, line(0, "anna"))
    world.advance(15.0)
    fake.take()
    shows(world, fake, line(0, ""))
    says(world, fake, entered(0))
    assert fake.take() == ASK_WHO_IS_THERE
    shows(world, fake, line(0, "anna"))
    assert (fake.take(), players(world), events(world)) == ([], ["anna"], ["anna joined"])


def test_what_players_say_and_do_is_kept(make: Callable[[str], Any], caplog: pytest.LogCaptureFixture) -> None:
    world = make("open")
    caplog.set_level(logging.INFO)
    fake = join(world)
    shows(world, fake, line(0, "anna"))
    says(
        world,
        fake,
        "[21:16:37][chat]: 1:0:anna: hello",
        "[21:16:37][chat]: 3:0:anna: a secret",
        "[21:16:37][chat]: 1:9:bertha: who is there",
        "[21:11:26][chat]: *** the server speaks",
        left(0, "Timeout"),
        left(0),
    )
    assert events(world) == [
        "anna joined",
        "anna: hello",
        "bertha: who is there",
        "***: the server speaks",
        "anna left: Timeout",
    ]
    assert "four: anna joined" in caplog.text
    assert "hello" not in caplog.text


def test_a_console_shows_no_end_of_players(make: Callable[[str], Any]) -> None:
    world = make("open")
    fake = join(world)
    says(world, fake, "[21:13:45][server]: cid=0 cmd='status'")
    for number in range(MAX_CLIENTS + 1):
        message: Any = console.PlayerListed(number, "192.0.2.1:1", "anna")
        fake.receives(world.launcher, message if number % 2 else console.ClientListed(number, "192.0.2.1:1"))
    assert fake.failure is not None


@pytest.mark.parametrize("message", [console.PlayerEntered(0), console.PlayerLeft(0, ""), console.Said(0, 1, "a", "b")])
def test_what_is_told_before_we_are_in_ends_the_connection(make: Callable[[str], Any], message: Any) -> None:
    world = make("open")
    fake = connect(world)
    fake.receives(world.launcher, message)
    assert fake.failure is not None
