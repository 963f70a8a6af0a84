"""The program as a process: real sockets, a real database, real signals."""

import json
import os
import re
import signal
import socket
import ssl
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import quantiles
from time import perf_counter
from typing import Any

import gevent
import msgspec
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from websockets.sync.client import connect
from websockets.typing import Origin

from connhandler import tasks
from connhandler.framing.chunks import encode_chunks
from connhandler.jsonmessage import Hello, Refused, ShuttingDown, Welcome
from connhandler.testing import JsonClient
from login_server.protocol import (
    CancelMatch,
    FindMatch,
    LauncherAccepted,
    LauncherLogIn,
    LoggedIn,
    LogIn,
    MatchEnded,
    MatchFound,
    MatchPending,
    MatchRecorded,
    MatchResult,
    MatchStarted,
    PlayersExpected,
    Register,
    Registered,
    RegisterServer,
    ServerInfo,
    ServerList,
    ServersChanged,
    ToLauncher,
    ToPlayer,
)
from login_server.tickets import TicketChecker

ROOT = Path(__file__).parents[2]
PASSWORD = "correct horse"
SERVER = ServerInfo(
    server_id="home/one",
    name="One",
    game="fourinarow",
    map="classic",
    players=0,
    capacity=8,
    region="eu",
    address="127.0.0.1",
    port=10020,
    ping_address="127.0.0.1:10020",
    version="1",
)
HANDLERS = ("players", "launchers", "visitors")


class Program:
    """`python -m login_server` in a folder of its own, on free ports.

    Attributes:
        ports: by connection handler.
        lines: what it has logged so far.
    """

    def __init__(self, folder: Path, *arguments: str) -> None:
        self.folder = folder
        self.ports: dict[str, int] = {}
        self.lines: list[str] = []
        ports = [option for name in ("player", "launcher", "http") for option in (f"--{name}-port", "0")]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "login_server", *ports, *arguments],
            cwd=folder,
            env=environment(),
            stderr=subprocess.PIPE,
            text=True,
        )
        with gevent.Timeout(30, TimeoutError("it does not start")):
            while len(self.ports) < len(HANDLERS):
                line = self._read_line()
                assert line, f"it ended: {self.lines}"
                found = re.search(r"(\w+): listening on 127\.0\.0\.1:(\d+)", line)
                if found:
                    self.ports[found[1]] = int(found[2])

    def _read_line(self) -> str:
        assert self.process.stderr is not None
        line = self.process.stderr.readline()
        self.lines.append(line)
        return line

    def player(self) -> JsonClient:
        return self._client("players", ToPlayer)

    def launcher(self) -> JsonClient:
        return self._client("launchers", ToLauncher)

    def _client(self, handler: str, union: Any) -> JsonClient:
        client = JsonClient("127.0.0.1", self.ports[handler], union, timeout=60)
        client.send(Hello(versions=[1], program="test"))
        client.expect(Welcome)
        return client

    def get(self, path: str) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and body."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.ports['visitors']}{path}", timeout=10) as answer:
                return answer.status, dict(answer.headers), answer.read()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, dict(error.headers), error.read()

    def status(self) -> Any:
        return json.loads(self.get("/status")[2])

    def end(self, number: int = signal.SIGTERM) -> int:
        """Send a signal, and return the exit status."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        with gevent.Timeout(20, TimeoutError("it does not end")):
            assert self.process.stderr is not None
            self.lines.extend(self.process.stderr)
            self.process.stderr.close()
            return self.process.wait()


def environment() -> dict[str, str]:
    plain = {name: value for name, value in os.environ.items() if not name.startswith("LOGIN_SERVER_")}
    return {**plain, "PYTHONPATH": str(ROOT)}


def command(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "login_server", *arguments],
        cwd=folder,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


@pytest.fixture
def key(tmp_path: Path) -> str:
    done = command(tmp_path, "launcher", "add", "home")
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.fixture
def program(tmp_path: Path) -> Iterator[Program]:
    made = Program(tmp_path)
    yield made
    if made.process.poll() is None:
        made.process.kill()
        made.end()


def enter(program: Program, name: str, register: bool = True) -> JsonClient:
    player = program.player()
    if register:
        player.send(Register(name=name, password=PASSWORD))
        assert player.expect(Registered).name == name
    player.send(LogIn(name=name, password=PASSWORD))
    player.expect(LoggedIn)
    player.expect(ServerList)
    return player


def admit(program: Program, key: str) -> tuple[JsonClient, LauncherAccepted]:
    launcher = program.launcher()
    launcher.send(LauncherLogIn(name="home", key=key))
    accepted = launcher.expect(LauncherAccepted)
    launcher.send(RegisterServer(server=SERVER))
    return launcher, accepted


def test_two_players_a_launcher_and_a_match(key: str, program: Program) -> None:
    with enter(program, "alice") as alice, enter(program, "bob") as bob:
        launcher, accepted = admit(program, key)
        with launcher:
            assert alice.expect(ServersChanged).changed == [SERVER]
            alice.send(FindMatch(game="fourinarow"))
            assert alice.expect(MatchPending).waiting == 1
            bob.send(FindMatch(game="fourinarow", partner=""))
            found = bob.expect(MatchFound)
            ticket = TicketChecker(accepted.public_key, accepted.issuer, "home/one").check(
                found.ticket, found.expires_at - 30
            )
            assert (ticket.player, ticket.game_id, ticket.players) == ("bob", found.match_id, ["alice", "bob"])
            assert launcher.expect(PlayersExpected).match_id == found.match_id
            assert alice.expect(MatchFound).match_id == found.match_id

            players = ["alice", "bob"]
            launcher.send(MatchStarted(match_id=found.match_id, players=players, server_id="home/one"))
            result = MatchResult(winner="bob", scores={"bob": 1}, reason="won", ended_at=1.0)
            ended = MatchEnded(match_id=found.match_id, players=players, result=result, server_id="home/one")
            launcher.send(ended, ended)
            for _ in range(2):
                assert launcher.expect(MatchRecorded).match_id == found.match_id
            shown = program.status()
            assert shown["players"] == players
            assert [server["server_id"] for server in shown["servers"]] == ["home/one"]
            assert [(match["match_id"], match["result"]["winner"]) for match in shown["matches"]] == [
                (found.match_id, "bob")
            ]

            program.process.send_signal(signal.SIGTERM)
            for far_end in (alice, bob, launcher):
                far_end.expect(ShuttingDown)
            assert program.end() == 0
    story = "".join(program.lines)
    assert "player alice logged in (players[1], 127.0.0.1:" in story
    assert "launcher home logged in (launchers[1]" in story
    assert "winner: bob" in story
    assert "Traceback" not in story

    again = Program(program.folder)
    try:
        assert [match["match_id"] for match in again.status()["matches"]] == [found.match_id]
        enter(again, "alice", register=False).close()
        launcher, accepted_again = admit(again, key)
        assert accepted_again.public_key == accepted.public_key
        launcher.send(ended)
        launcher.expect(MatchRecorded)
        assert len(again.status()["matches"]) == 1
        launcher.close()
    finally:
        assert again.end(signal.SIGINT) == 0


def test_what_was_answered_survives_a_sudden_end(key: str, program: Program) -> None:
    enter(program, "alice").close()
    launcher, _ = admit(program, key)
    result = MatchResult(winner="", scores={}, reason="draw", ended_at=1.0)
    launcher.send(MatchEnded(match_id="m1", players=["alice"], result=result, server_id="home/one"))
    launcher.expect(MatchRecorded)
    program.end(signal.SIGKILL)
    launcher.close()
    again = Program(program.folder)
    try:
        enter(again, "alice", register=False).close()
        assert [match["match_id"] for match in again.status()["matches"]] == ["m1"]
    finally:
        assert again.end() == 0


def test_bad_input_costs_only_who_sent_it(key: str, program: Program) -> None:
    with enter(program, "alice") as alice:
        with program.player() as mallory:
            mallory.send(RegisterServer(server=SERVER))
            assert mallory.expect(Refused).code == "protocol_error"
            with pytest.raises(EOFError):
                mallory.receive()
        with program.launcher() as mallory:
            mallory.send(LauncherLogIn(name="home", key="wrong"))
            assert mallory.expect(Refused).code == "wrong_key"
            with pytest.raises(EOFError):
                mallory.receive()
        with program.player() as mallory:
            mallory.sock.sendall(b"\x04\x00\xff\xfe{}")
            assert mallory.expect(Refused).code == "protocol_error"
        with program.player() as mallory:
            mallory.send(Register(name="eve", password="x" * 1025))
            assert mallory.expect(Refused).code == "password_too_long"
            mallory.send(Register(name="eve", password="x" * 4097))
            assert mallory.expect(Refused).code == "protocol_error"
        alice.send(CancelMatch())
        assert alice.expect(Refused).code == "not_waiting"
    assert program.end() == 0
    assert "wrong key for launcher 'home'" in "".join(program.lines)


def test_the_http_port(program: Program) -> None:
    status, headers, body = program.get("/")
    assert (status, headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert body.startswith(b"<!doctype html>")
    assert program.get("/monitor")[2].startswith(b"<!doctype html>")
    assert program.get("/play/main.js")[1]["Content-Type"].startswith("text/javascript")
    assert program.get("/healthz")[::2] == (200, b"ok\n")
    assert program.get("/nothing")[0] == 404
    request = urllib.request.Request(f"http://127.0.0.1:{program.ports['visitors']}/status", method="POST", data=b"")
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(request, timeout=10)
    with caught.value as error:
        assert error.code == 405


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_two_hundred_players_register_and_log_in_at_the_same_moment(program: Program) -> None:
    """All succeed, and somebody who is there already gets an answer from the central task at once, meanwhile."""
    pinger = enter(program, "pinger")
    players = [program.player() for _ in range(200)]
    outcomes: list[type] = []

    def register_and_log_in(number: int, player: JsonClient) -> None:
        player.send(Register(name=f"player{number}", password=PASSWORD))
        assert isinstance(player.receive(), Registered)
        player.send(LogIn(name=f"player{number}", password=PASSWORD))
        outcomes.append(type(player.receive()))

    burst = [
        tasks.spawn(f"player{number}", register_and_log_in, number, player) for number, player in enumerate(players)
    ]
    seconds = []
    while not all(task.ready() for task in burst):
        begun = perf_counter()
        pinger.send(CancelMatch())
        pinger.expect(Refused)
        seconds.append(perf_counter() - begun)
        gevent.sleep(0.01)
    gevent.joinall(burst, raise_error=True)
    assert outcomes == [LoggedIn] * 200
    assert len(program.status()["players"]) == 201
    assert quantiles(seconds, n=100)[98] < 0.050
    for player in (pinger, *players):
        player.close()


@pytest.mark.parametrize("handler", HANDLERS)
def test_a_port_in_use_is_one_sentence(program: Program, handler: str) -> None:
    option = {"players": "--player-port", "launchers": "--launcher-port", "visitors": "--http-port"}[handler]
    ports = ["--player-port", "0", "--launcher-port", "0", "--http-port", "0"]
    done = command(program.folder, "serve", *ports, option, str(program.ports[handler]), "--log-level", "error")
    assert done.returncode == 1
    assert done.stderr == (
        f"login-server: {handler}: cannot listen on 127.0.0.1:{program.ports[handler]}: Address already in use\n"
    )


def test_browsers_are_players_too(program: Program) -> None:
    address = f"127.0.0.1:{program.ports['visitors']}"
    with connect(f"ws://{address}/players", origin=Origin(f"http://{address}")) as browser:
        for message, answer in (
            ({"type": "hello", "versions": [1]}, "welcome"),
            ({"type": "register", "name": "alice", "password": "correct horse"}, "registered"),
            ({"type": "log_in", "name": "alice", "password": "correct horse"}, "logged_in"),
        ):
            browser.send(json.dumps(message))
            assert json.loads(browser.recv(timeout=30))["type"] == answer
        shown = program.status()
        assert shown["players"] == ["alice"]
        assert shown["counters"]["connections"]["browsers"] == {"accepted": 1}
        assert shown["counters"]["connections"]["visitors"]["switched protocols"] == 1
        assert json.loads(browser.recv(timeout=30))["type"] == "server_list"
        program.process.send_signal(signal.SIGTERM)
        assert {json.loads(text)["type"] for text in browser} == {"shutting_down"}
        assert browser.close_code == 1001
    assert program.end() == 0


def test_players_speak_tls_when_there_is_a_certificate(tmp_path: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    begin = datetime.now(UTC) - timedelta(minutes=1)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(begin + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    (tmp_path / "certificate.pem").write_bytes(certificate.public_bytes(Encoding.PEM))
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (tmp_path / "key.pem").write_bytes(private)
    program = Program(tmp_path, "--tls-certificate", "certificate.pem", "--tls-key", "key.pem")
    try:
        context = ssl.create_default_context(cafile=str(tmp_path / "certificate.pem"))
        address = "127.0.0.1", program.ports["players"]
        with (
            socket.create_connection(address, timeout=10) as plain,
            context.wrap_socket(plain, server_hostname="localhost") as secure,
        ):
            secure.sendall(encode_chunks(msgspec.json.encode(Hello(versions=[1]))))
            answer = encode_chunks(msgspec.json.encode(Welcome(version=1, program="login-server")))
            assert secure.recv(len(answer)) == answer
        program.launcher().close()
    finally:
        assert program.end() == 0


def test_a_missing_extra_is_one_sentence(tmp_path: Path) -> None:
    without_sqlalchemy = """
import importlib.util, runpy, sys
find = importlib.util.find_spec
importlib.util.find_spec = lambda name, *rest: None if name == "sqlalchemy" else find(name, *rest)
sys.argv = ["login-server"]
runpy.run_module("login_server", run_name="__main__")
"""
    done = subprocess.run(
        [sys.executable, "-c", without_sqlalchemy],
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 2
    sentence = "login-server needs the extra 'login-server': pip install 'connhandler[login-server]'\n"
    assert done.stderr == sentence
