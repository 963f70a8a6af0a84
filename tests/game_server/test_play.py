"""The terminal client as a process, between a login server of the test's own and a real game server."""

import codecs
import contextlib
import datetime
import ipaddress
import os
import pty
import random
import re
import signal
import socket
import subprocess
import sys
import termios
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import gevent
import gevent.socket
import gevent.ssl
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from connhandler import CentralTask, IncomingConnectionHandler, Peer, tasks
from connhandler.jsonmessage import Hello, JsonMessageReader, JsonMessageWriter, Pong, Refused, Welcome
from game_server.config import Configuration
from game_server.listener import GameListener
from login_server import protocol
from login_server.tickets import TicketChecker, TicketIssuer, generate_key_pair

SECONDS = 30.0
PASSWORD = "correct horse"


class ClientPeer(Peer):
    player = ""


class ClientReader(JsonMessageReader):
    message_type = protocol.FromPlayer


class ClientHandler(IncomingConnectionHandler):
    def create_connection_instances(
        self, sock: gevent.socket.socket, address: Any
    ) -> tuple[ClientReader, JsonMessageWriter, ClientPeer]:
        return ClientReader(sock), JsonMessageWriter(sock), ClientPeer()


class SmallLoginServer(CentralTask):
    """Lets everybody in who knows the one password, and matches every two."""

    def __init__(self, issuer: TicketIssuer, game_port: int) -> None:
        super().__init__("small_login_server", random=random.Random(5))
        self.issuer = issuer
        self.game_port = game_port
        self.waiting: list[ClientPeer] = []
        self.dispatch = {
            (ClientPeer, Hello): lambda peer, message: peer.send(Welcome(version=1)),
            (ClientPeer, Pong): lambda peer, message: None,
            (ClientPeer, protocol.Register): self.register,
            (ClientPeer, protocol.LogIn): self.log_in,
            (ClientPeer, protocol.FindMatch): self.find_match,
            (ClientPeer, protocol.JoinServer): self.join_server,
        }

    def register(self, peer: ClientPeer, message: protocol.Register) -> None:
        peer.send(protocol.Registered(name=message.name))

    def log_in(self, peer: ClientPeer, message: protocol.LogIn) -> None:
        if message.password != PASSWORD:
            peer.send(Refused(code="wrong_login", message="wrong name or password", about="log_in"))
            return
        peer.player = message.name
        server = protocol.ServerInfo(
            server_id="here/four", name="four", game="four_in_a_row", map="7x6", players=0, capacity=10,
            region="eu", address="127.0.0.1", port=self.game_port, ping_address="", version="1",
        )  # fmt: skip
        peer.send(protocol.LoggedIn(name=message.name))
        peer.send(protocol.ServerList(servers=[server]))

    def find_match(self, peer: ClientPeer, message: protocol.FindMatch) -> None:
        self.waiting.append(peer)
        peer.send(protocol.MatchPending(game=message.game, players=2, waiting=len(self.waiting)))
        if len(self.waiting) == 2:
            players = [other.player for other in self.waiting]
            match_id = self.new_id("match-")
            for other in self.waiting:
                ticket, expires_at = self._ticket(other.player, match_id, players)
                found = protocol.MatchFound(
                    match_id=match_id, game=message.game, players=players, server_id="here/four",
                    address="127.0.0.1", port=self.game_port, ticket=ticket, expires_at=expires_at,
                )  # fmt: skip
                other.send(found)
            self.waiting.clear()

    def join_server(self, peer: ClientPeer, message: protocol.JoinServer) -> None:
        if message.server_id != "here/four":
            peer.send(Refused(code="no_such_server", message="there is no such server", about="join_server"))
            return
        ticket, expires_at = self._ticket(peer.player, "*", [peer.player])
        peer.send(
            protocol.JoinGranted(
                server_id="here/four", address="127.0.0.1", port=self.game_port, ticket=ticket, expires_at=expires_at
            )
        )

    def _ticket(self, player: str, game_id: str, players: list[str]) -> tuple[str, float]:
        return self.issuer.issue(player, "here/four", game_id, players, self.now, self.new_id())


class Stack:
    """A login server and a game server, in this process.

    Attributes:
        port: of the login server.
        games: the game server's connections of players.
    """

    def __init__(self, ssl_context: gevent.ssl.SSLContext | None = None) -> None:
        private, public = generate_key_pair()
        checker = TicketChecker(public, "login", "here/four")
        self.listener = GameListener(Configuration(port=0), checker, random=random.Random(9))
        self.games = self.listener.players
        self.games.start()
        login_server = SmallLoginServer(TicketIssuer(private, "login"), self.games.port)
        self.clients = ClientHandler("clients", "127.0.0.1", 0, login_server.queue, ssl_context=ssl_context)
        self.clients.start()
        self.port = self.clients.port
        self._tasks = [tasks.spawn(central.name, central.run) for central in (self.listener, login_server)]

    def drop_players(self) -> None:
        """Lose every connection to the game server."""
        self.games.disconnect_all(politely=False)

    def close(self) -> None:
        for handler in (self.games, self.clients):
            handler.stop(0)
        gevent.killall(self._tasks)


class Play:
    """A client process.

    Attributes:
        process: it.
    """

    def __init__(self, port: int, *argv: str, terminal: bool = False, **environ: str) -> None:
        self.seen = ""
        self._decoder = codecs.getincrementaldecoder("utf-8")()  # What is read may end in the middle of a character.
        self._descriptor = -1
        streams: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "stdin": subprocess.DEVNULL}
        if terminal:
            self._descriptor, other_end = pty.openpty()
            streams = dict.fromkeys(("stdin", "stdout", "stderr"), other_end)
        self.process = subprocess.Popen(
            [sys.executable, "-m", "game_server.play", "--port", str(port), *argv],
            env={**os.environ, "TERM": "xterm", "PYTHONIOENCODING": "utf-8", **environ},
            start_new_session=terminal,
            **streams,
        )
        if terminal:
            self._modes = termios.tcgetattr(other_end)
            self._other_end = other_end

    def finish(self) -> tuple[int, str]:
        """The exit status, and everything that was printed."""
        output, _ = self.process.communicate(timeout=SECONDS)
        return self.process.returncode, output.decode()

    def types(self, text: str) -> None:
        os.write(self._descriptor, text.encode())

    def sees(self, text: str) -> None:
        """Wait until this stands on the screen, and forget what stood there before.

        Raises:
            AssertionError: it does not come.
        """
        with gevent.Timeout(SECONDS, AssertionError(f"no {text!r} in {self.seen[-3000:]!r}")):
            while text not in self.seen:
                gevent.socket.wait_read(self._descriptor)
                text_read = self._decoder.decode(os.read(self._descriptor, 65536))
                self.seen += re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", text_read)
        self.seen = self.seen.partition(text)[2]

    def modes_restored(self) -> bool:
        return termios.tcgetattr(self._other_end) == self._modes

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(SECONDS)
        if self.process.stdout is not None:
            self.process.stdout.close()
        if self._descriptor >= 0:
            os.close(self._descriptor)
            os.close(self._other_end)


@pytest.fixture
def stack() -> Iterator[Stack]:
    stack = Stack()
    yield stack
    stack.close()


Start = Callable[..., Play]


@pytest.fixture
def start(stack: Stack) -> Iterator[Start]:
    """Starts clients; those that still run at the end are killed."""
    clients: list[Play] = []

    def start(*argv: str, **options: Any) -> Play:
        options.setdefault("PLAY_PASSWORD", PASSWORD)
        clients.append(Play(stack.port, *argv, **options))
        return clients[-1]

    yield start
    for client in clients:
        client.close()


def test_two_processes_play_a_whole_game_by_themselves(start: Start) -> None:
    alice = start("--name", "alice", "--register", "--auto", "--match", "--pace", "0", "--seed", "1")
    bob = start("--name", "bob", "--auto", "--match", "--pace", "0", "--seed", "2")
    ends = []
    for client, name in ((alice, "alice"), (bob, "bob")):
        status, text = client.finish()
        assert status == 0, text
        lines = text.splitlines()
        assert f"{name}: logged in as {name}" in lines
        assert all(line.startswith(f"{name}: ") for line in lines)
        assert "lost" not in text
        ends += [line for line in lines if "game over" in line]
    turns = {re.sub(r".*after (\d+) turns\.", r"\1", end) for end in ends}
    assert len(ends) == 2
    assert len(turns) == 1 or "draw" in ends[0]


def test_a_game_played_by_itself_survives_lost_connections(stack: Stack, start: Start) -> None:
    clients = [
        start("--name", name, "--auto", "--join", "here/four", "--pace", "0.05", "--seed", "3")
        for name in ("alice", "bob")
    ]
    with gevent.Timeout(SECONDS):
        while not stack.listener.games.going_on:
            gevent.sleep(0.01)
    stack.drop_players()
    for client in clients:
        status, text = client.finish()
        assert status == 0, text
        assert "the connection to the game is lost; connecting again" in text
        assert text.count("has a seat") >= 2


@pytest.mark.parametrize(
    ("argv", "environ", "status", "sentence"),
    [
        (("--name", "alice"), {"PLAY_PASSWORD": "wrong"}, 1, "play: alice played no game: wrong name or password"),
        (("--name", "alice", "--join", "x/y"), {}, 1, "play: alice played no game: there is no such server"),
        (("--name", "alice", "--timeout", "0.5"), {}, 1, "play: alice played no game: no game was played in 0.5 s"),
        ((), {}, 2, "play: error: --auto needs --name"),
        (("--name", "a", "--tls-ca", "no/where"), {}, 2, "--tls-ca: there is no file no/where"),
        (("--name", "a", "--password-file", "no/where"), {}, 2, "play: --password-file: cannot read no/where"),
        (("--name", "a", "--match", "--join", "x"), {}, 2, "not allowed with argument"),
    ],
)
def test_a_game_that_is_not_played_is_a_sentence(
    start: Start, argv: tuple[str, ...], environ: dict[str, str], status: int, sentence: str
) -> None:
    code, text = start("--auto", *argv, **environ).finish()
    assert code == status
    assert sentence in text
    assert "Traceback" not in text


def test_without_a_password_nothing_can_be_played_by_itself(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PLAY_PASSWORD", raising=False)
    client = Play(stack.port, "--auto", "--name", "alice")
    assert client.finish() == (1, "play: --auto needs a password: PLAY_PASSWORD or --password-file\n")
    client.close()


def test_the_password_may_stand_in_a_file(start: Start, tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text(PASSWORD + "\n")
    argv = ("--name", "alice", "--auto", "--join", "x/y", "--password-file", str(file))
    assert "logged in as alice" in start(*argv, PLAY_PASSWORD="wrong").finish()[1]


def certificate(folder: Path) -> Path:
    """A file with a certificate for 127.0.0.1 that signs itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.UTC)
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    built = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        .sign(key, hashes.SHA256())
    )
    file = folder / "certificate.pem"
    file.write_bytes(
        built.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return file


def test_the_login_server_may_speak_tls(tmp_path: Path) -> None:
    file = certificate(tmp_path)
    context = gevent.ssl.SSLContext(gevent.ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    stack = Stack(context)
    argv = ("--auto", "--name", "alice", "--join", "x/y", "--timeout", "10")
    client = Play(stack.port, *argv, "--tls-ca", str(file), PLAY_PASSWORD=PASSWORD)
    assert "logged in as alice" in client.finish()[1]
    client.close()
    stack.close()


NOT_TRUSTED = "the login server's certificate is not trusted: "
HOW_TO_TRUST = "; if it is the right one, give the certificate of who signed it with --tls-ca FILE"


def test_a_certificate_that_is_not_trusted_is_a_sentence(tmp_path: Path) -> None:
    file = certificate(tmp_path)
    context = gevent.ssl.SSLContext(gevent.ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    stack = Stack(context)
    alone = Play(stack.port, "--auto", "--name", "alice", "--tls", PLAY_PASSWORD=PASSWORD)
    status, text = alone.finish()
    assert status == 1
    assert text.startswith(f"play: alice played no game: {NOT_TRUSTED}self")
    assert text.endswith(f"{HOW_TO_TRUST}\n")
    elsewhere = ("--tls-ca", str(file), "--address", "localhost")
    other_name = Play(stack.port, "--auto", "--name", "alice", *elsewhere, PLAY_PASSWORD=PASSWORD)
    status, text = other_name.finish()
    assert status == 1
    assert text.endswith("; give --address the name that it is for\n")
    person = Play(stack.port, "--name", "alice", "--tls", terminal=True, PLAY_PASSWORD=PASSWORD)
    person.sees(f"play: {NOT_TRUSTED}")
    assert person.process.wait(SECONDS) == 1
    assert person.modes_restored()
    for client in (alone, other_name, person):
        client.close()
    stack.close()


def test_a_person_plays_on_a_terminal(stack: Stack, start: Start) -> None:
    alice = start(terminal=True, PLAY_PASSWORD=PASSWORD)
    alice.sees("Name: ")
    alice.types("alice\n")
    alice.sees("account already?")
    alice.types("\n")
    alice.sees("1   here/four")
    alice.types("zm\x7f\x7fm\n")
    alice.sees("waiting for a match: 1 of 2 players are here")
    bob = start("--name", "bob", terminal=True)
    bob.sees("1   here/four")
    bob.types("m\n")
    for person in (alice, bob):
        person.sees("turn.")
    game = next(iter(stack.listener.games))
    assert game.model is not None
    first, second = (alice, bob) if game.model.turn == "alice" else (bob, alice)
    first.types("4\n")
    second.sees("dropped into column 4.")
    stack.drop_players()
    second.sees("connecting again")
    second.sees("You have taken your seat.")
    second.types("q\n")
    second.sees("Really give up?")
    second.types("y\n")
    second.sees("because you gave up")
    first.sees("You win because")
    second.types("q\n")
    assert second.process.wait(SECONDS) == 0
    assert second.modes_restored()
    first.process.send_signal(signal.SIGINT)
    assert first.process.wait(SECONDS) == 0
    assert first.modes_restored()


def test_what_is_neither_yes_nor_no_is_asked_again(start: Start) -> None:
    alice = start(terminal=True)
    alice.sees("Name: ")
    alice.types("alice\n")
    alice.sees("account already? [Y/n] ")
    alice.types("wrongwrong\n")
    alice.sees("Please type y or n.")
    alice.sees("account already? [Y/n] ")
    alice.types("N\n")
    alice.sees("registered as alice")
    alice.types("\x04")
    assert alice.process.wait(SECONDS) == 0


def test_nobody_types_a_password_for_a_login_server_that_is_not_there() -> None:
    with socket.socket() as taken:  # Bound, but nobody listens.
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        client = Play(port, "--name", "alice", terminal=True)
        client.sees(f"play: the login server at 127.0.0.1:{port} cannot be reached: Connection refused")
        assert client.process.wait(SECONDS) == 1
        client.close()


def test_a_missing_extra_is_one_sentence() -> None:
    without_websockets = """
import importlib.util, runpy, sys
find = importlib.util.find_spec
importlib.util.find_spec = lambda name, *rest: None if name == "websockets" else find(name, *rest)
sys.modules["websockets"] = None
runpy.run_module("game_server.play", run_name="__main__")
"""
    command = [sys.executable, "-c", without_websockets]
    done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)
    assert done.returncode == 2
    assert done.stderr == "play needs the extra 'game-server': pip install 'connhandler[game-server]'\n"


def test_a_wrong_password_is_asked_for_again(start: Start) -> None:
    alice = start("--name", "alice", terminal=True, PLAY_PASSWORD="wrong")
    alice.sees("The login server says: wrong name or password.")
    alice.types("alice\n\n")
    alice.sees("Password: ")
    alice.types(f"{PASSWORD}\n")
    alice.sees("1   here/four")
    alice.types("\x04")
    assert alice.process.wait(SECONDS) == 0


def test_leaving_at_the_first_question(start: Start) -> None:
    alice = start(terminal=True)
    alice.sees("Name: ")
    with gevent.Timeout(SECONDS):
        while alice.process.poll() is None:  # One that comes just before the question waits is noticed with the next.
            alice.process.send_signal(signal.SIGINT)
            with contextlib.suppress(subprocess.TimeoutExpired):
                alice.process.wait(0.2)
    assert alice.process.returncode == 0
    alice.sees("bye")
