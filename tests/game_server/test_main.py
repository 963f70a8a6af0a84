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
from typing import Any

import gevent
import gevent.queue
import gevent.socket
import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from websockets.exceptions import ConnectionClosed

from connhandler import IncomingConnectionHandler, Peer
from connhandler.jsonmessage import Hello, JsonMessageReader, JsonMessageWriter, Refused, ShuttingDown, Welcome
from game_server import protocol
from game_server.model import GameBegan, GameEnded, PieceDropped
from game_server_launcher.gamecontrollerhandler import LIMITS
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
from tests.game_server.gameclient import SECONDS, GameClient, refusal


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
        self.handler = ControllerHandler("controllers", "127.0.0.1", 0, self.queue, limits=LIMITS)
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
            found = re.search(r"players connect to ws://127\.0\.0\.1:(\d+)", line)
            if found:
                return int(found[1])
    raise AssertionError("the game server did not start")


def alone(start: Start, keys: Keys, folder: Path, *argv: str) -> "subprocess.Popen[str]":
    """A game server without a launcher, for the login server's tickets."""
    key_file = folder / "public_key.pem"
    key_file.write_text(keys.public)
    options = ("--port", "0", "--issuer", "login", "--server-id", "here/four")
    return start(*options, *argv, PUBLIC_KEY_FILE=str(key_file))


def open_house(start: Start, *argv: str) -> int:
    """The port of a game server that checks nobody."""
    return port_of(start(*argv, WS_LISTENER_PORT="0", ENABLE_AUTH="false"))


Connect = Callable[..., GameClient]


@pytest.fixture
def connect() -> Iterator[Connect]:
    """Makes players' connections; all are closed at the end."""
    clients: list[GameClient] = []

    def connect(port: int, game_id: str = "*", headers: dict[str, str] | None = None, **query: str) -> GameClient:
        clients.append(GameClient(port, game_id, query, additional_headers=headers))
        return clients[-1]

    yield connect
    for client in clients:
        client.close()


def test_a_game_over_real_sockets_with_a_lost_connection_in_it(
    start: Start, connect: Connect, keys: Keys, tmp_path: Path
) -> None:
    process = alone(start, keys, tmp_path)
    port = port_of(process)
    alice = connect(port, token=keys.ticket("alice"))
    joined = alice.expect(protocol.Joined)
    bob = connect(port, headers={"Authorization": f"Bearer {keys.ticket('bob')}"})
    assert bob.expect(protocol.Joined).game_id == joined.game_id
    beginner = alice.event(GameBegan).beginner
    assert bob.event(GameBegan).beginner == beginner
    order = [alice, bob] if beginner == "alice" else [bob, alice]
    order[0].send(protocol.Drop(column=3, id=1))
    alice.event(PieceDropped)
    assert order[0].expect(protocol.Response) == protocol.Response(status="ok", command="drop", id=1)
    alice.socket.socket.shutdown(socket.SHUT_RDWR)
    assert bob.event(protocol.PlayerGone).player == "alice"
    again = connect(port, joined.game_id, resume=joined.resume_key)
    state = again.expect(protocol.Joined).state
    assert state.game is not None
    assert state.game.moves == [3]
    again.send(protocol.Resign())
    for client in (again, bob):
        assert client.event(GameEnded) == GameEnded(winner="bob", reason="resigned", line=[], turns=1)
    process.send_signal(signal.SIGTERM)
    for client in (again, bob):
        client.expect(ShuttingDown)
        assert client.close_code() == 1001
    assert process.wait(SECONDS) == 0


def test_bad_input_is_answered_and_what_is_no_websocket_message_costs_its_own_connection(
    start: Start, connect: Connect
) -> None:
    port = open_house(start)
    alice = connect(port, "den", player="alice")
    for data in ("hello", "", "[" * 50_000, b"\xff\xfe", b"", '{"command":"fly"}', '{"command":"drop"}'):
        alice.socket.send(data)
        assert alice.expect(protocol.Response).status == "error"
    alice.send(protocol.State(id="still here"))
    assert alice.expect(protocol.Response).id == "still here"
    watchers = [connect(port, "den", player=f"watcher {number}") for number in range(3)]
    with pytest.raises(ConnectionClosed):  # The second frame may find the connection closed already.
        for data in (b"x" * 70_000, b"x"):
            watchers[0].socket.send(data)
            watchers[0].socket.recv(SECONDS)
            watchers[0].socket.recv(SECONDS)
    assert watchers[0].close_code() == 1009
    watchers[1].socket.send(b"\xff", text=True)
    assert watchers[1].close_code() == 1007
    watchers[2].socket.socket.sendall(b"\xf1\x80\x00\x00\x00\x00")  # reserved bits (RFC 6455, 5.2)
    assert watchers[2].close_code() == 1002
    alice.send(protocol.State(id="and still"))
    assert alice.expect(protocol.Response).id == "and still"


def test_who_is_not_let_in_is_told_before_the_upgrade(
    start: Start, connect: Connect, keys: Keys, tmp_path: Path
) -> None:
    process = alone(start, keys, tmp_path, "--max-games", "1", "--origins", "https://play.example")
    port = port_of(process)
    assert refusal(port, "") == (400, "no_game_id")
    assert refusal(port, "m1") == (401, "no_ticket")
    assert refusal(port, "m1", {"token": "forged"}) == (401, "ticket_malformed")
    assert connect(port, "m1", resume="guessed").close_code() == protocol.CloseCode.NOT_LET_IN
    alice = connect(port, "m1", token=keys.ticket("alice", "m1", ("alice", "bob")))
    alice.expect(protocol.Joined)
    assert refusal(port, "m1", {"token": keys.ticket("eve", "m1", ("eve", "bob"))}) == (403, "not_in_game")
    assert refusal(port, "m2", {"token": keys.ticket("eve", "m2", ("eve", "bob"))}) == (503, "server_full")
    ticket = keys.ticket("bob", "m1", ("alice", "bob"))
    assert refusal(port, "m1", {"token": ticket}, origin="https://evil.example")[0] == 403
    bob = GameClient(port, "m1", {"token": ticket}, origin="https://play.example")
    assert bob.expect(protocol.Joined).seat == 1
    bob.close()


def test_tokens_of_any_issuer_with_the_claims_of_a_ticket(start: Start, connect: Connect, tmp_path: Path) -> None:
    """RS256, and the settings of the programs that such issuers know."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    (tmp_path / "public_key.pem").write_bytes(public)
    process = start(
        WS_LISTENER_PORT="0", TOKEN_ISSUER_URI="urn:our-issuer", PUBLIC_KEY_FILE=str(tmp_path / "public_key.pem")
    )
    port = port_of(process)

    def token(player: str, signed_with: Any = key, algorithm: str = "RS256", **changed: Any) -> str:
        now = int(time.time())
        claims = {
            "jti": f"id of {player}", "iss": "urn:our-issuer", "sub": player, "aud": "chess club",
            "iat": now, "exp": now + 60, "ply": ["alice", "bob"],
        }  # fmt: skip
        claims = {name: value for name, value in {**claims, **changed}.items() if value is not None}
        return jwt.encode(claims, signed_with, algorithm=algorithm)

    wrong: list[dict[str, Any]] = [
        *({claim: None} for claim in ("jti", "iss", "sub", "aud", "iat", "exp", "ply")),
        {"aud": "another game"},
        {"iss": "urn:else"},
        {"exp": time.time() - 31},
        {"ply": ["bob", "carol"]},
        {"signed_with": None, "algorithm": "none"},
        {"signed_with": rsa.generate_private_key(public_exponent=65537, key_size=2048)},
    ]
    for changed in wrong:
        assert refusal(port, "chess club", {"token": token("alice", **changed)})[0] == 401, changed
    alice = connect(port, "chess club", token=token("alice"))
    assert alice.expect(protocol.Joined).seat == 0
    bob = connect(port, "chess club", token=token("bob", exp=time.time() - 25))
    assert bob.expect(protocol.Joined).seat == 1
    assert alice.event(GameBegan) == bob.event(GameBegan)
    assert refusal(port, "chess club", {"token": token("alice")}) == (401, "ticket_reused")


def test_a_subprotocol_may_be_offered(start: Start) -> None:
    port = open_house(start)
    for offered, chosen in ((["other", protocol.SUBPROTOCOL], protocol.SUBPROTOCOL), (None, None)):
        client = GameClient(port, "den", subprotocols=offered)
        assert client.socket.subprotocol == chosen
        client.close()


def test_a_game_goes_on_while_the_launcher_is_away_and_its_end_is_told_until_it_is_recorded(
    start: Start, connect: Connect, keys: Keys, launcher: FakeLauncher
) -> None:
    options = ("--port", "0", "--launcher-port", str(launcher.handler.port), "--server", "four")
    process = start(*options, GAME_CONTROLLER_TOKEN="secret")
    controller = launcher.accept(keys.public, "login")
    port = launcher.expect(ServerReady).port
    players = ("alice", "bob")
    alice = connect(port, "m1", token=keys.ticket("alice", "m1", players))
    assert launcher.expect(TicketUsed).ticket_id == "t1"
    bob = connect(port, "m1", token=keys.ticket("bob", "m1", players))
    while launcher.expect(PlayerCountChanged).players != 2:
        pass
    assert launcher.expect(MatchStarted).players == ["alice", "bob"]
    controller.abort()
    alice.send(protocol.Resign())
    bob.event(GameEnded)
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
        assert client.close_code() == 1001
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
        (("--public-key-file", "nowhere.pem"), "cannot read nowhere.pem: No such file"),
        (("--public-key-file", "nowhere.pem"), "see docs/tokens.md, or let everybody in with ENABLE_AUTH=false"),
        (("--launcher-port", "9002", "--server", "four", "--token", "x", "--no-enable-auth"), "leave ENABLE_AUTH on"),
        (("--launcher-port", "9002"), WITHOUT_TOKEN),
        (("--launcher-port", "9002", "--server", "four"), WITHOUT_TOKEN),
        (("--server-id", "s", "--public-key-file", "nowhere.pem"), "No such file"),
        (("--public-key-file", "setup.cfg"), "not a public key"),
    ],
)
def test_settings_that_do_not_go_together(start: Start, argv: tuple[str, ...], sentence: str) -> None:
    status, text = failed(start("--port", "0", *argv))
    assert status == 2
    assert text.startswith("game-server: ")
    assert sentence in text
