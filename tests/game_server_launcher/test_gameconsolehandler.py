"""External consoles: what their lines mean, what the launcher makes of them, and the connection on a real socket.

The lines were said by a real Teeworlds 0.7.5 server; `tests/real_games/test_teeworlds.py` talks to one.
"""

from collections.abc import Callable
from typing import Any

import gevent
import gevent.socket
import pytest
from gevent.queue import Queue
from hypothesis import given
from hypothesis import strategies as st

from connhandler import PeerConnected, PeerDisconnected
from game_server_launcher import gameconsolehandler as console
from game_server_launcher.consoledesk import STATUS_SECONDS
from game_server_launcher.gameconsolehandler import ConsolePeer, GameConsoles, parse, quote
from game_server_launcher.gametables import Console
from login_server.protocol import RegisterServer, UnregisterServer, UpdateServer
from tests.game_server_launcher.consoles import PORT, connect, log_in, reconnect, says

MEANING: list[tuple[str, console.ConsoleMessage]] = [
    ("Enter password:", console.PasswordAsked()),
    ("Wrong password 1/3.", console.WrongPassword()),
    ("Authentication successful. External console access granted.", console.Admitted()),
    ("[21:13:45][server]: cid=0 cmd='status'", console.CommandEchoed("status")),
    ("[21:13:48][server]: cid=0 cmd='kick 0 \"go away\"'", console.CommandEchoed('kick 0 "go away"')),
    ("[21:11:28][Console]: Value: dm1", console.ValueShown("dm1")),
    (
        "[21:13:45][server]: id=0 addr=127.0.0.1:41617 client=705 name='it's 0' score=0 ",
        console.PlayerListed(0, "127.0.0.1:41617", "it's 0"),
    ),
    (
        "[21:13:45][server]: id=1 addr=[::1]:41617 client=705 name='x' score=5 y' score=0 ",
        console.PlayerListed(1, "[::1]:41617", "x' score=5 y"),
    ),
    ("[21:13:45][server]: id=2 addr=127.0.0.1:41618 connecting", console.ClientListed(2, "127.0.0.1:41618")),
    (
        "[21:13:41][server]: player has entered the game. ClientID=0 addr=127.0.0.1:41617",
        console.PlayerEntered(0),
    ),
    ("[21:13:41][game]: team_join player='0:it's 0' team=0", console.TeamJoined(0, "it's 0", 0)),
    ("[21:13:42][game]: team_join player='0:it's 0' team=0->-1", console.TeamJoined(0, "it's 0", -1)),
    (
        "[21:13:48][server]: client dropped. cid=0 addr=127.0.0.1:41617 reason='Kicked (go away)'",
        console.PlayerLeft(0, "Kicked (go away)"),
    ),
    ("[21:13:49][server]: client dropped. cid=1 addr=127.0.0.1:45226 reason=''", console.PlayerLeft(1, "")),
    (
        "[21:13:46][server]: maps/dm2.map sha256 is fd97366eedd89c254db464bcd3ce355a84efb7a806346b08171b7e4942cb6964",
        console.MapChanged("dm2"),
    ),
    ("[21:11:29][server]: failed to load map. mapname='nosuch'", console.MapNotChanged("nosuch")),
    ("[21:11:26][chat]: *** hello there", console.Said(-1, 1, "", "hello there")),
    ("[21:16:37][chat]: 1:0:it's 0: hello: it's me", console.Said(0, 1, "it's 0", "hello: it's me")),
]
PASSED_OVER = [
    "",
    "Closing console",
    "[21:13:41][econ]: cid=0 authed",
    "[21:13:41][server]: player is ready. ClientID=0 addr=127.0.0.1:41617",
    "[21:13:46][server]: maps/dm2.map crc is 054b1259",
    "[21:13:49][game]: leave player='1:it's 0'",
    "[21:11:33][econ]: client dropped. cid=0 addr=127.0.0.1:54372 reason='Closing console'",
    "[21:11:32][Console]: No such command: version.",
    "[21:11:31][server]: invalid client id to kick",
    "[21:13:42][chat]: [server]: player has entered the game. ClientID=0 addr=1:1",
    "[21:13:42][server]: player has entered the game. ClientID=99999999999999999999 addr=1:1",
    "Enter password: ",
    "[21:13",
]


@pytest.mark.parametrize(("line", "meaning"), MEANING)
def test_what_a_console_says(line: str, meaning: console.ConsoleMessage) -> None:
    assert parse(line) == meaning


@pytest.mark.parametrize("line", PASSED_OVER)
def test_lines_that_mean_nothing_to_us(line: str) -> None:
    assert parse(line) is None


@given(st.text() | st.sampled_from(MEANING).flatmap(lambda one: st.text().map(lambda more: one[0] + more)))
def test_no_line_is_an_error(line: str) -> None:
    parse(line)


@pytest.mark.parametrize(
    ("command", "line"),
    [
        (console.Say('all; "well"'), 'say "all; \\"well\\""'),
        (console.Say("a\\"), 'say "a\\\\"'),
        (console.Say("one\nshutdown\0\r"), 'say "one shutdown  "'),
        (console.Kick(3, "no ticket"), 'kick 3 "no ticket"'),
        (console.ChangeMap("dm2; shutdown"), 'sv_map "dm2; shutdown"'),
        (console.ShowMap(), "sv_map"),
        (console.ShowStatus(), "status"),
        (console.Shutdown(), "shutdown"),
    ],
)
def test_commands(command: console.Command, line: str) -> None:
    assert command.line == line


@given(st.text())
def test_a_quoted_text_is_one_argument_of_one_line(text: str) -> None:
    quoted = quote(text)
    inside = quoted[1:-1].replace("\\\\", "").replace('\\"', "")
    assert '"' not in inside and "\\" not in inside
    assert quoted.isprintable()
    assert len(quoted) <= 2 * console.MAX_TEXT + 2


def test_a_password_is_not_shown() -> None:
    assert "secret" not in repr(console.Password("secret"))
    assert console.Password("secret").line == "secret"


# --- a scripted conversation --------------------------------------------------------------------------


@pytest.fixture
def world(make_world: Callable[..., Any], chess_with: Callable[..., Any]) -> Any:
    return make_world(chess_with(console=Console("econ"), map="dm1"))


def test_ready_when_the_console_lets_us_in_and_stopped_by_a_command(world: Any) -> None:
    login = world.login_server()
    fake = connect(world)
    assert world.state()["state"] == "starting"
    log_in(world, fake)
    assert world.state()["state"] == "ready"
    (registered,) = login.take()
    assert isinstance(registered, RegisterServer)
    assert (registered.server.map, registered.server.players) == ("dm1", 0)
    world.launcher.on_shutdown()
    assert fake.take() == [console.Shutdown()]
    assert world.state()["state"] == "stopping"
    world.process_exited(0)
    fake.disconnects(world.launcher)
    world.settle()
    assert world.state()["state"] == "stopped"
    assert isinstance(login.take()[-1], UnregisterServer)
    assert world.consoles.opened == {}
    assert world.runner.take() == [("start", "four", 1)], "no signal"


def test_the_map_is_told_to_the_login_server(world: Any) -> None:
    login = world.login_server()
    fake = connect(world)
    log_in(world, fake)
    login.take()
    says(
        world,
        fake,
        "[21:13:46][server]: maps/dm2.map sha256 is fd97",
        "[21:11:29][server]: failed to load map. mapname='nosuch'",
    )
    world.advance(0.2)
    (update,) = login.take()
    assert isinstance(update, UpdateServer)
    assert update.server.map == "dm2"
    says(world, fake, "[21:13:45][server]: cid=7 cmd='sv_map'", "[21:13:45][Console]: Value: ctf1")
    says(world, fake, "[21:13:45][server]: cid=7 cmd='sv_name'", "[21:13:45][Console]: Value: a name")
    assert world.state()["map"] == "ctf1"
    world.advance(2.0)
    assert world.saved()["map"] == "ctf1"


def test_a_console_that_is_lost_is_away_until_it_is_back(world: Any) -> None:
    fake = connect(world)
    log_in(world, fake)
    fake.disconnects(world.launcher)
    assert world.state()["state"] == "away"
    run, _ = world.consoles.opened["four"]
    world.advance(STATUS_SECONDS)
    assert fake.take() == [], "an old connection is not asked"
    assert world.state()["state"] == "silent"
    log_in(world, reconnect(world, run))
    assert world.state()["state"] == "ready"


def test_without_its_console_a_game_is_stopped_by_term(world: Any) -> None:
    connect(world)
    world.runner.take()
    world.launcher.on_shutdown()
    assert world.runner.take() == [("signal", "four", 15)]


def test_a_console_of_an_earlier_process_is_told_no_password(world: Any) -> None:
    fake = connect(world)
    world.process_exited(1)
    says(world, fake, "Enter password:")
    assert (fake.take(), fake.disconnected) == ([], True)


def test_a_console_that_lets_us_in_too_late_is_none(world: Any) -> None:
    fake = connect(world)
    says(world, fake, "Enter password:")
    world.process_exited(1)
    says(world, fake, "Authentication successful. External console access granted.")
    assert fake.disconnected
    assert not world.state()["controller"]


def test_a_wrong_password_is_one_line_for_the_operator(world: Any, caplog: pytest.LogCaptureFixture) -> None:
    fake = connect(world)
    says(world, fake, "Enter password:", "Wrong password 1/3.")
    assert fake.disconnected
    assert "four: its console does not take the password" in caplog.text
    assert world.runner.runs["four"].console_password not in caplog.text


def test_what_is_reported_before_we_are_in_ends_the_connection(world: Any) -> None:
    fake = connect(world)
    says(world, fake, "[21:13:46][server]: maps/dm2.map sha256 is fd97")
    assert fake.failure is not None
    assert world.state()["map"] == "dm1"


def test_the_next_launcher_finds_the_console_again(
    world: Any, make_world: Callable[..., Any], chess_with: Callable[..., Any]
) -> None:
    log_in(world, connect(world))
    saved = world.saved()
    assert (saved["console_port"], len(saved["console_password"])) == (PORT, 16)
    assert (world.path / "four.json").stat().st_mode & 0o777 == 0o600
    later = make_world(chess_with(console=Console("econ")))
    assert later.runner.found["four"].console_port == PORT
    fake = connect(later)
    assert later.runner.runs["four"].console_password == saved["console_password"]
    log_in(later, fake)
    assert later.state()["state"] == "ready"


def test_each_process_has_a_password_of_its_own_that_no_page_shows(world: Any) -> None:
    connect(world)
    first = world.runner.runs["four"].console_password
    assert first and first not in repr(world.launcher.state())
    world.process_exited(1)
    world.advance(1.0)
    assert world.runner.runs["four"].console_password not in ("", first)


# --- on a real socket ---------------------------------------------------------------------------------


def test_the_connection_is_made_again_until_it_is_closed() -> None:
    with gevent.Timeout(20, AssertionError("nothing more came")), gevent.socket.create_server(("127.0.0.1", 0)) as game:
        queue: Queue[Any] = Queue()
        consoles = GameConsoles(queue)
        consoles.open("four", 3, game.getsockname()[1])
        for _ in range(2):
            sock, _ = game.accept()
            with sock:
                sock.sendall(b"Enter pass")
                sock.sendall(b"word:\n\0\0garbage \xff\n\0\0[21:11:26][chat]: *** \xff\n\0\0")
                connected = queue.get()
                assert isinstance(connected, PeerConnected)
                peer = connected.peer
                assert isinstance(peer, ConsolePeer)
                assert (peer.server, peer.run) == ("four", 3)
                assert queue.get() == console.PasswordAsked()
                assert queue.get() == console.Said(-1, 1, "", "\ufffd")
                peer.send(console.Password("secret"))
                peer.send(console.Say("hello"))
                assert received(sock, 20) == b'secret\nsay "hello"\n'
            assert isinstance(queue.get(), PeerDisconnected)
        sock, _ = game.accept()
        with sock:
            consoles.close("four")
            assert sock.recv(1) == b""
        consoles.close_all()


def received(sock: gevent.socket.socket, size: int) -> bytes:
    data: bytes = sock.recv(size, gevent.socket.MSG_WAITALL)
    return data
