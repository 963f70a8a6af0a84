"""Coming in through a launcher's door: what is asked there, and what the client makes of the answer."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from connhandler import CentralTask, tasks
from connhandler.http import HttpRequest, HttpResponse
from connhandler.testing import FakeConnection
from examples.stack import free_ports
from game_server.client.door import Door, DoorClosed
from game_server_launcher.doorhandler import DoorHandler, DoorPeer
from game_server_launcher.protocol import DoorJoin, DoorRefused, DoorSeat
from login_server.protocol import JoinServer, LoggedIn, ServerList
from tests.game_server.client.conftest import server

if TYPE_CHECKING:
    from tests.game_server.client.conftest import Desk

SEAT = DoorSeat("here/four", "127.0.0.1", 7000, "the seat", 9.0)


class SmallLauncher(CentralTask):
    """Answers at its door what it is told to."""

    def __init__(self) -> None:
        super().__init__("small_launcher")
        self.servers: Any = []
        self.answer = HttpResponse.json(SEAT)
        self.joins: list[DoorJoin] = []
        self.dispatch = {(DoorPeer, HttpRequest): self.requested}

    def requested(self, peer: DoorPeer, request: HttpRequest) -> None:
        if request.method == "GET":
            peer.send(HttpResponse.json(self.servers))
        else:
            self.joins.append(msgspec.json.decode(request.body, type=DoorJoin))
            peer.send(self.answer)


@pytest.fixture
def launcher() -> Iterator[SmallLauncher]:
    launcher = SmallLauncher()
    handler = DoorHandler("door", "127.0.0.1", 0, launcher.queue)
    handler.start()
    task = tasks.spawn("launcher", launcher.run)
    launcher.port = handler.port  # type: ignore[attr-defined]
    yield launcher
    handler.stop(0)
    task.kill()


def door_of(launcher: Any) -> Door:
    return Door("127.0.0.1", launcher.port, "four_in_a_row")


def test_a_seat_on_the_server_that_is_named(launcher: SmallLauncher) -> None:
    assert door_of(launcher).ask("the pass", "four") == SEAT
    assert launcher.joins == [DoorJoin("the pass", "four")]


def test_a_seat_on_the_first_server_of_the_game_that_has_room(launcher: SmallLauncher) -> None:
    full, other, good = server("here/full"), server("here/other"), server("here/good")
    full.players, other.game = full.capacity, "chess"
    launcher.servers = [full, other, good]
    door_of(launcher).ask("the pass")
    assert launcher.joins == [DoorJoin("the pass", "here/good")]
    launcher.servers = [full, other]
    with pytest.raises(DoorClosed, match="no server of four_in_a_row has room"):
        door_of(launcher).ask("the pass")


def test_why_there_is_no_seat(launcher: SmallLauncher) -> None:
    refused = DoorRefused(code="pass_expired", message="this day pass has expired")
    launcher.answer = HttpResponse.json(refused, 401)
    with pytest.raises(DoorClosed, match="this day pass has expired"):
        door_of(launcher).ask("the pass", "four")
    for launcher.answer in (HttpResponse.text("hello"), HttpResponse.error(500, "no")):
        with pytest.raises(DoorClosed, match="is no launcher's door"):
            door_of(launcher).ask("the pass", "four")
    with pytest.raises(DoorClosed, match="cannot be reached: Connection refused"):
        Door("127.0.0.1", free_ports(1)[0], "four_in_a_row").ask("the pass", "four")


# --- the client -------------------------------------------------------------------------------------


def asked(desk: "Desk") -> list[tuple[str, str]]:
    """What was asked at the door, from now on."""
    wishes: list[tuple[str, str]] = []
    desk.client.ask_door = lambda *wish: wishes.append(wish)
    return wishes


def test_a_login_server_that_does_not_answer_makes_the_client_ask_at_the_door(desk: "Desk") -> None:
    wishes = asked(desk)
    desk.client.day_pass = "the pass"
    desk.pass_seconds(3)
    assert wishes == [("the pass", "")]
    desk.client.door_opened(SEAT)
    visit = desk.connections[0].visit
    assert (visit.server_id, visit.port, visit.game_id, visit.ticket) == ("here/four", 7000, "*", "the seat")


def test_the_last_log_in_brings_the_pass_for_the_next_outage(desk: "Desk") -> None:
    wishes = asked(desk)
    kept: list[str] = []
    desk.client.keep_pass = kept.append
    connection = desk.login_server()
    connection.receives(desk.client, LoggedIn(name="alice", day_pass="new"), ServerList(servers=[]))
    assert kept == ["new"]
    desk.client.join_server("here/four")
    assert isinstance(connection.take()[-1], JoinServer)
    assert wishes == []
    connection.disconnects(desk.client)
    desk.client.join_server("here/five")
    assert wishes == [("new", "here/five")]
    desk.client.door_closed("this day pass was revoked")
    assert "this day pass was revoked" in str(vars(desk.view)["entries"])
    assert desk.connections == []


def test_without_a_pass_nobody_asks_at_the_door(desk: "Desk") -> None:
    wishes = asked(desk)
    desk.pass_seconds(3)
    desk.client.join_server("here/four")
    assert wishes == []


def test_a_seat_that_comes_when_the_login_server_is_back_is_left_alone(desk: "Desk") -> None:
    asked(desk)
    desk.client.day_pass = "the pass"
    desk.pass_seconds(3)
    connection: FakeConnection[Any] = desk.logged_in()
    desk.client.door_opened(SEAT)
    desk.client.door_closed("never mind")
    assert desk.connections == []
    assert not connection.disconnected
