"""The program as a process: real sockets, a real launcher's port, signals, and what goes wrong at the start."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import gevent
import gevent.queue
import gevent.socket
import pytest

from connhandler import IncomingConnectionHandler, Peer, testing
from connhandler.framing.chunks import encode_chunks
from connhandler.jsonmessage import Hello, JsonMessageReader, JsonMessageWriter, Refused, ShuttingDown, Welcome
from game_server import protocol
from game_server.model import Event, GameBegan, GameEnded, PieceDropped
from game_server_launcher.protocol import (
    ControllerAccepted,
    ControllerLogIn,
    FromController,
    PlayerCountChanged,
    ServerReady,
    StopServer,
    TicketUsed,
)
from login_server.protocol import MatchEnded, MatchRecorded, MatchStarted
from login_server.tickets import TicketIssuer, generate_key_pair

EventType = TypeVar("EventType", bound=Event)

SECONDS = 20.0
"""Longer than anything here takes."""


class ControllerPeer(Peer):
    pass


class ControllerReader(JsonMessageReader):
    message_type = FromController


class ControllerHandler(IncomingConnectionHandler):
    def create_connection_instances(
        self, sock: gevent.socket.socket, address: Any
    ) -> tuple[ControllerReader, JsonMessageWriter, ControllerPeer]:
        return ControllerReader(sock), JsonMessageWriter(sock), ControllerPeer()


class FakeLauncher:
    """Listens for controllers as a launcher does; the test says what it answers."""

    def __init__(self) -> None:
        self.queue: gevent.queue.Queue[Any] = gevent.queue.Queue()
        self.handler = ControllerHandler("controllers", "127.0.0.1", 0, self.queue)
        self.handler.start()

    def expect(self, message_class: type[Any]) -> Any:
        """The next message of a class, passing over others; `peer` is the controller."""
        with gevent.Timeout(SECONDS):
            while True:
                message = self.queue.get()
                if isinstance(message, message_class):
                    return message

    def accept(self, public_key: str, issuer: str) -> Peer:
        """Let the next controller in."""
        peer: Peer = self.expect(Hello).peer
        peer.send(Welcome(version=1))
        log_in = self.expect(ControllerLogIn)
        assert (log_in.server, log_in.token) == ("four", "secret")
        peer.send(ControllerAccepted(server_id="here/four", issuer=issuer, public_key=public_key, used_tickets=[]))
        return peer


class Keys:
    """A login server's key pair, and tickets signed with it."""

    def __init__(self) -> None:
        private, self.public = generate_key_pair()
        self.issuer = TicketIssuer(private, "login", life_seconds=3600)
        self._count = 0

    def ticket(self, player: str, game_id: str = "*", players: tuple[str, ...] = ()) -> str:
        self._count += 1
        names = players or (player,)
        return self.issuer.issue(player, "here/four", game_id, names, time.time(), f"t{self._count}")[0]


Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def keys() -> Keys:
    return Keys()


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts game servers; those that still run at the end are killed."""
    processes: list[subprocess.Popen[str]] = []

    def start(*argv: str, **environ: str) -> "subprocess.Popen[str]":
        process = subprocess.Popen(
            [sys.executable, "-m", "game_server", *argv],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, **environ},
        )
        processes.append(process)
        return process

    yield start
    for process in processes:
        if process.poll() is None:
            process.kill()
        process.wait(SECONDS)
        if process.stderr is not None:
            process.stderr.close()


@pytest.fixture
def launcher() -> Iterator[FakeLauncher]:
    launcher = FakeLauncher()
    yield launcher
    launcher.handler.stop(0)


def port_of(process: "subprocess.Popen[str]") -> int:
    """The port that a game server says it listens on."""
    assert process.stderr is not None
    with gevent.Timeout(SECONDS):
        for line in process.stderr:
            found = re.search(r"players connect to 127\.0\.0\.1:(\d+)", line)
            if found:
                return int(found[1])
    raise AssertionError("the game server did not start")


def alone(start: Start, keys: Keys, folder: Path, *argv: str) -> "subprocess.Popen[str]":
    """A game server without a launcher."""
    key_file = folder / "public_key.pem"
    key_file.write_text(keys.public)
    options = ("--port", "0", "--issuer", "login", "--server-id", "here/four")
    return start(*options, *argv, PUBLIC_KEY_FILE=str(key_file))


Connect = Callable[[int], testing.JsonClient]


@pytest.fixture
def connect() -> Iterator[Connect]:
    """Makes players' connections; all are closed at the end."""
    clients: list[testing.JsonClient] = []

    def connect(port: int) -> testing.JsonClient:
        clients.append(testing.JsonClient("127.0.0.1", port, protocol.ToPlayer, timeout=SECONDS))
        return clients[-1]

    yield connect
    for client in clients:
        client.close()


def seated(client: testing.JsonClient, ticket: str) -> protocol.Joined:
    client.send(Hello(versions=[1]), protocol.JoinGame(ticket=ticket))
    client.expect(Welcome)
    return client.expect(protocol.Joined)


def event(client: testing.JsonClient, event_class: type[EventType]) -> EventType:
    """The next event of this class, passing over others."""
    while True:
        happened = client.expect(protocol.GameEvent).event
        if isinstance(happened, event_class):
            return happened


def test_a_game_over_real_sockets_with_a_lost_connection_in_it(
    start: Start, connect: Connect, keys: Keys, tmp_path: Path
) -> None:
    process = alone(start, keys, tmp_path)
    port = port_of(process)
    alice = connect(port)
    joined = seated(alice, keys.ticket("alice"))
    bob = connect(port)
    seated(bob, keys.ticket("bob"))
    beginner = event(alice, GameBegan).beginner
    assert event(bob, GameBegan).beginner == beginner
    order = [alice, bob] if beginner == "alice" else [bob, alice]
    order[0].send(protocol.Drop(column=3))
    event(alice, PieceDropped)
    alice.close()
    assert event(bob, protocol.PlayerGone).player == "alice"
    again = connect(port)
    again.send(Hello(versions=[1]), protocol.Resume(resume_key=joined.resume_key))
    state = again.expect(protocol.Joined).state
    assert state.game is not None
    assert state.game.moves == [3]
    again.send(protocol.Resign())
    for client in (again, bob):
        assert event(client, GameEnded) == GameEnded(winner="bob", reason="resigned", line=[], turns=1)
    process.send_signal(signal.SIGTERM)
    for client in (again, bob):
        client.expect(ShuttingDown)
        client.close()
    assert process.wait(SECONDS) == 0


def test_bad_input_costs_its_own_connection_and_nobody_else(
    start: Start, connect: Connect, keys: Keys, tmp_path: Path
) -> None:
    port = port_of(alone(start, keys, tmp_path))
    alice = connect(port)
    seated(alice, keys.ticket("alice"))
    for data in (
        b"hello",
        b'{"type":"no_such"}',
        b'{"type":"drop"}',
        b'{"type":"drop","column":1e9}',
        b'{"type":"log_in","name":"a","password":"b"}',
        b"\xff\xfe",
        b"[" * 100_000,
    ):
        with gevent.socket.create_connection(("127.0.0.1", port), timeout=SECONDS) as sock:
            sock.sendall(encode_chunks(data))
            answer = b""
            while more := sock.recv(4096):
                answer += more
            assert b'"code":"protocol_error"' in answer
    connection = connect(port)
    connection.send(Hello(versions=[1]), protocol.JoinGame(ticket="forged"))
    assert connection.expect(Refused).code == "ticket_malformed"
    with pytest.raises(EOFError):
        connection.receive()
    bob = connect(port)
    seated(bob, keys.ticket("bob"))
    assert event(alice, GameBegan) == event(bob, GameBegan)


def test_a_game_goes_on_while_the_launcher_is_away_and_its_end_is_told_until_it_is_recorded(
    start: Start, connect: Connect, keys: Keys, launcher: FakeLauncher
) -> None:
    options = ("--port", "0", "--launcher-port", str(launcher.handler.port), "--server", "four")
    process = start(*options, GAME_CONTROLLER_TOKEN="secret")
    controller = launcher.accept(keys.public, "login")
    port = launcher.expect(ServerReady).port
    players = ("alice", "bob")
    alice = connect(port)
    seated(alice, keys.ticket("alice", "m1", players))
    assert launcher.expect(TicketUsed).ticket_id == "t1"
    bob = connect(port)
    seated(bob, keys.ticket("bob", "m1", players))
    assert launcher.expect(MatchStarted).players == ["alice", "bob"]
    assert launcher.expect(PlayerCountChanged).players == 2
    controller.abort()
    alice.send(protocol.Resign())
    event(bob, GameEnded)
    for _ in range(2):
        controller = launcher.accept(keys.public, "login")
        ended = launcher.expect(MatchEnded)
        assert (ended.match_id, ended.result.winner, ended.result.reason) == ("m1", "bob", "resigned")
        controller.abort()
    controller = launcher.accept(keys.public, "login")
    launcher.expect(MatchEnded)
    controller.send(StopServer(grace_seconds=10))
    controller.send(MatchRecorded(match_id="m1"))
    for client in (alice, bob):
        client.expect(ShuttingDown)
        client.close()
    assert process.wait(SECONDS) == 0


def test_a_launcher_that_refuses_it_ends_it(start: Start, launcher: FakeLauncher) -> None:
    options = ("--port", "0", "--launcher-port", str(launcher.handler.port), "--server", "four", "--token", "x")
    process = start(*options)
    peer = launcher.expect(Hello).peer
    peer.send(Welcome(version=1))
    launcher.expect(ControllerLogIn)
    peer.send(Refused(code="wrong_token", message="unknown server or token", about="controller_log_in"))
    assert process.wait(SECONDS) == 1


def test_without_its_launcher_for_too_long_it_ends(start: Start) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = str(unused.getsockname()[1])
    options = ("--port", "0", "--launcher-port", port, "--server", "four", "--orphan-seconds", "0.3")
    process = start(*options, GAME_CONTROLLER_TOKEN="secret")
    assert process.wait(SECONDS) == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_in_order(start: Start, keys: Keys, tmp_path: Path, number: signal.Signals) -> None:
    process = alone(start, keys, tmp_path)
    port_of(process)
    process.send_signal(number)
    assert process.wait(SECONDS) == 0


# --- what goes wrong at the start -------------------------------------------------------------------


def failed(process: "subprocess.Popen[str]") -> tuple[int, str]:
    _, text = process.communicate(timeout=SECONDS)
    assert "Traceback" not in text
    return process.returncode, text.strip().splitlines()[-1]


def test_a_port_in_use(start: Start, keys: Keys, tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        status, text = failed(alone(start, keys, tmp_path, "--port", str(port)))
    assert status == 1
    assert text == f"game-server: players: cannot listen on 127.0.0.1:{port}: Address already in use"


WITHOUT_TOKEN = "with --launcher-port, --server and the token (GAME_CONTROLLER_TOKEN) are needed too"


@pytest.mark.parametrize(
    ("argv", "sentence"),
    [
        ((), "whose tickets are taken?"),
        (("--issuer", "login", "--server-id", "a/b"), "whose tickets are taken?"),
        (("--launcher-port", "9002"), WITHOUT_TOKEN),
        (("--launcher-port", "9002", "--server", "four"), WITHOUT_TOKEN),
        (("--issuer", "i", "--server-id", "s", "--public-key-file", "nowhere.pem"), "No such file"),
        (("--issuer", "i", "--server-id", "s", "--public-key-file", "setup.cfg"), "not a public key"),
    ],
)
def test_settings_that_do_not_go_together(start: Start, argv: tuple[str, ...], sentence: str) -> None:
    status, text = failed(start("--port", "0", *argv))
    assert status == 2
    assert text.startswith("game-server: ")
    assert sentence in text
