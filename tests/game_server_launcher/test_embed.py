"""The controller that a game embeds, against a launcher of which the test has the hands; and a whole game with it."""

import ast
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import gevent
import gevent.event
import gevent.socket
import msgspec
import pytest
from gevent.queue import Queue
from hypothesis import given
from hypothesis import strategies as st

from connhandler.framing.chunks import ChunkDecoder, encode_chunks
from connhandler.jsonmessage import Hello, Ping, Pong, Refused, Welcome
from connhandler.testing import JsonClient
from game_server_launcher import embed, protocol
from game_server_launcher.embed import Controller
from login_server import protocol as login
from login_server.protocol import MatchEnded, MatchRecorded, MatchStarted, PlayerJoined, PlayersExpected, ScoreChanged
from tests.connhandler.source import ROOT
from tests.real_games.teeworldssite import PATIENCE, Site


class Launcher:
    """Listens, and takes one controller after the other."""

    def __init__(self) -> None:
        self._listener = gevent.socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(PATIENCE)
        self._connections: list[Connection] = []
        self.port: int = self._listener.getsockname()[1]
        self.environment = {
            "LAUNCHER_PORT": "7000",
            "LAUNCHER_SERVER": "four",
            "LAUNCHER_TOKEN": "the token",
            "LAUNCHER_CONTROLLER_ADDRESS": "127.0.0.1",
            "LAUNCHER_CONTROLLER_PORT": str(self.port),
        }

    def accept(self) -> "Connection":
        sock, _ = self._listener.accept()
        self._connections.append(Connection(sock))
        return self._connections[-1]

    def close(self) -> None:
        for connection in self._connections:
            connection.close()
        self._listener.close()


class Connection:
    """One controller's, as the launcher has it."""

    def __init__(self, sock: gevent.socket.socket) -> None:
        self._socket = sock
        self._socket.settimeout(PATIENCE)
        self._decoder = ChunkDecoder()
        self._waiting: list[bytes] = []

    def receive(self) -> Any:
        """The next message, which must be one that a launcher takes."""
        while not self._waiting:
            data = self._socket.recv(65536)
            if not data:
                raise EOFError
            self._waiting += self._decoder.receive_data(data)
        return msgspec.json.decode(self._waiting.pop(0), type=protocol.FromController)

    def send(self, message: Any) -> None:
        self._socket.sendall(encode_chunks(msgspec.json.encode(message)))

    def greet(self) -> None:
        assert self.receive() == Hello(versions=[1], program="chess")
        self.send(Welcome(version=1, program="game-server-launcher"))
        log_in = self.receive()
        assert (log_in.server, log_in.token) == ("four", "the token")

    def let_in(self) -> None:
        self.greet()
        self.send(protocol.ControllerAccepted("home/four", "login-server", "PEM", []))

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def launcher() -> Iterator[Launcher]:
    launcher = Launcher()
    yield launcher
    launcher.close()


class Calls:
    """What the callbacks were called with."""

    def __init__(self) -> None:
        self.queue: Queue[tuple[Any, ...]] = Queue()

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *args: self.queue.put((name, *args))

    def expect(self) -> tuple[Any, ...]:
        call: tuple[Any, ...] = self.queue.get(timeout=PATIENCE)
        return call


@pytest.fixture
def calls() -> Calls:
    return Calls()


@pytest.fixture
def controller(launcher: Launcher, calls: Calls, monkeypatch: pytest.MonkeyPatch) -> Iterator[Controller]:
    monkeypatch.setattr(embed, "RETRY_SECONDS", 0.01)
    controller = Controller(
        on_stop=calls.stop,
        on_say=calls.say,
        on_kick=calls.kick,
        on_players_expected=calls.expected,
        program="chess",
        environment=launcher.environment,
    )
    controller.start()
    yield controller
    controller.close()


def test_what_the_game_tells_is_told(launcher: Launcher, controller: Controller) -> None:
    connection = launcher.accept()
    controller.ready(version="2", map="dm1")
    controller.player_count_changed(1)
    connection.let_in()
    assert connection.receive() == protocol.ServerReady(port=7000, version="2", map="dm1")
    assert connection.receive() == protocol.PlayerCountChanged(players=1)
    assert (controller.port, controller.server_id, controller.issuer) == (7000, "home/four", "login-server")
    controller.player_count_changed(2)
    controller.ticket_used("ticket-1", 5.0)
    controller.map_changed("dm2")
    controller.match_started("m", ["alice", "bob"])
    controller.player_joined("m", "alice")
    controller.player_left("m", "alice")
    controller.score_changed("m", {"alice": 3})
    assert [type(connection.receive()).__struct_config__.tag for _ in range(7)] == [
        "player_count_changed",
        "ticket_used",
        "map_changed",
        "match_started",
        "player_joined",
        "player_left",
        "score_changed",
    ]


def test_a_launcher_that_comes_back_is_told_how_things_stand(launcher: Launcher, controller: Controller) -> None:
    first = launcher.accept()
    first.let_in()
    first.close()
    controller.ready()
    controller.map_changed("dm2")
    controller.match_started("m", ["alice", "bob"])
    controller.player_joined("m", "alice")
    controller.score_changed("m", {"alice": 3})
    controller.match_started("n", ["carol", "dave"])
    controller.match_ended("n", ["carol", "dave"], winner="dave", scores={"dave": 1})
    assert not controller.wait_recorded(0)
    for _ in range(2):
        connection = launcher.accept()
        connection.let_in()
        assert connection.receive() == protocol.ServerReady(port=7000, map="dm2")
        assert connection.receive() == protocol.PlayerCountChanged(players=0)
        assert connection.receive() == MatchStarted("m", ["alice", "bob"])
        assert connection.receive() == PlayerJoined("m", "alice")
        assert connection.receive() == ScoreChanged("m", {"alice": 3})
        ended = connection.receive()
        assert isinstance(ended, MatchEnded)
        assert (ended.match_id, ended.result.winner, ended.result.scores) == ("n", "dave", {"dave": 1})
        connection.close()
    connection = launcher.accept()
    connection.let_in()
    connection.send(MatchRecorded("n"))
    assert controller.wait_recorded(PATIENCE)


def test_what_the_launcher_says_is_called(launcher: Launcher, controller: Controller, calls: Calls) -> None:
    connection = launcher.accept()
    connection.let_in()
    connection.receive()
    connection.send(Ping())
    assert connection.receive() == Pong()
    connection.send(protocol.HandOver())  # Not understood.
    connection.send(PlayersExpected("home/four", "m", ["alice"], 9.0))
    connection.send(protocol.Say("x" * 1000))
    connection.send(protocol.KickPlayer("bob", "rude"))
    connection.send(protocol.IssuerChanged("another", "PEM 2"))
    connection.send(protocol.StopServer(10.0))
    assert calls.expect() == ("expected", "m", ["alice"], 9.0)
    assert calls.expect() == ("say", "x" * 1000)
    assert calls.expect() == ("kick", "bob", "rude")
    assert calls.expect() == ("stop", 10.0)
    assert (controller.server_id, controller.issuer, controller.public_key) == ("home/four", "another", "PEM 2")


def test_a_callback_that_fails_costs_nothing_else(launcher: Launcher, calls: Calls) -> None:
    def fail(text: str) -> None:
        raise RuntimeError(text)

    controller = Controller(on_stop=calls.stop, on_say=fail, program="chess", environment=launcher.environment)
    controller.start()
    connection = launcher.accept()
    connection.let_in()
    connection.send(protocol.Say("hello"))
    connection.send(protocol.KickPlayer("bob"))
    connection.send(protocol.StopServer(1.0))
    assert calls.expect() == ("stop", 1.0)
    controller.close()


def test_one_whose_place_another_has_taken_comes_to_an_end(
    launcher: Launcher, controller: Controller, calls: Calls
) -> None:
    connection = launcher.accept()
    connection.greet()
    connection.send(Refused("wrong_token", "there is no such server", "controller_log_in"))
    assert calls.expect() == ("stop", 0.0)
    connection.close()


def test_a_launcher_that_does_not_read_holds_nobody_up(
    launcher: Launcher, controller: Controller, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embed, "MAX_WAITING", 100)
    connection = launcher.accept()
    connection.let_in()
    connection.receive()
    with gevent.Timeout(PATIENCE):
        for number in range(300):
            controller.player_count_changed(number)
    again = launcher.accept()
    again.let_in()
    assert again.receive() == protocol.PlayerCountChanged(players=299)


@pytest.mark.parametrize("data", [b"\x05\x00hello", b"\x02\x00[]", b"\x02\x00{}", b"\x00\x00" + b"x" * 2_000_000])
def test_nonsense_ends_the_connection_and_it_comes_again(
    launcher: Launcher, controller: Controller, data: bytes
) -> None:
    connection = launcher.accept()
    connection.receive()
    try:
        connection._socket.sendall(data)
    except OSError:
        pass  # It has ended before all was sent.
    launcher.accept().let_in()


def test_without_a_launcher_nothing_happens(calls: Calls) -> None:
    controller = Controller(on_stop=calls.stop, environment={})
    controller.start()
    controller.ready()
    controller.match_ended("m", ["alice"], "alice", {})
    assert controller.port == 0
    controller.close()


def test_what_no_launcher_takes_is_refused_at_once(calls: Calls) -> None:
    controller = Controller(on_stop=calls.stop, environment={})
    with pytest.raises(ValueError, match="a text of 129 characters; at most 128"):
        controller.player_joined("m", "x" * 129)
    with pytest.raises(ValueError, match="at most 64"):
        controller.match_started("m", [str(number) for number in range(65)])


def test_of_too_many_results_the_oldest_is_lost(calls: Calls, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embed, "MAX_RESULTS", 2)
    controller = Controller(on_stop=calls.stop, environment={})
    for match in "abc":
        controller.match_ended(match, [], "", {})
    assert list(controller._results) == ["b", "c"]


@given(st.text(min_size=1, max_size=10), st.integers(0, 30_000))
def test_messages_are_encoded_as_the_launcher_reads_them(text: str, times: int) -> None:
    decoder = ChunkDecoder(max_message_bytes=10 * 1024 * 1024)
    (data,) = decoder.receive_data(embed._encode({"text": text * times}))
    assert msgspec.json.decode(data) == {"text": text * times}


def test_it_needs_the_standard_library_alone() -> None:
    tree = ast.parse((ROOT / "game_server_launcher" / "embed.py").read_text())
    names = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    names |= {str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert {name.partition(".")[0] for name in names} <= sys.stdlib_module_names


# --- the example, in a whole stack ------------------------------------------------------------------


class Guesser:
    """A player with an account, and then in the game."""

    def __init__(self, site: Site, name: str) -> None:
        self.name = name
        self._lobby = JsonClient("127.0.0.1", site.ports["players"], login.ToPlayer, PATIENCE)
        self._lobby.send(Hello([1]))
        self._lobby.expect(Welcome)
        self._lobby.send(login.Register(name, "a long password"))
        self._lobby.expect(login.Registered)
        self._lobby.send(login.LogIn(name, "a long password"))
        self._lobby.expect(login.LoggedIn)
        self._lobby.send(login.FindMatch("guess"))

    def enter(self) -> None:
        found = self._lobby.expect(login.MatchFound)
        self._socket = gevent.socket.create_connection(("127.0.0.1", found.port), timeout=PATIENCE)
        self._stream = self._socket.makefile("rw")
        assert self._stream.readline() == "Who are you?\n"
        assert self.say(self.name) == "Guess a number from 1 to 100.\n"

    def say(self, text: str) -> str:
        self._stream.write(text + "\n")
        self._stream.flush()
        return self._stream.readline()

    def win(self) -> None:
        low, high = 1, 100
        while (answer := self.say(str((low + high) // 2))) != "right\n":
            middle = (low + high) // 2
            low, high = (middle + 1, high) if answer == "higher\n" else (low, middle - 1)

    def close(self) -> None:
        self._stream.close()
        self._socket.close()
        self._lobby.close()


@pytest.mark.timeout(90)
def test_the_example_game_in_a_whole_stack(tmp_path: Path) -> None:
    site = Site(tmp_path)
    try:
        site.start_login_server()
        launcher = site.launch(games=ROOT / "examples" / "embedded_game.toml")
        site.wait_for(lambda: site.listed().get("state") == "ready", "it is ready")
        alice, bob = Guesser(site, "alice"), Guesser(site, "bob")
        for player in (alice, bob):
            player.enter()
        site.wait_for(lambda: site.listed()["players"] == 2, "both are counted")
        bob.win()
        site.wait_for(lambda: " ended: won, winner: bob" in site.log("login_server"), "the result is recorded")
        assert alice.say("50") == "too late: somebody else was right\n"
        for player in (alice, bob):
            player.close()
        launcher.terminate()
        assert launcher.wait(PATIENCE) == 0
        assert "embedded_game: stopped (ended with exit status 0)" in site.log()
        assert "Traceback" not in site.log() + site.log("login_server")
    finally:
        site.close()
