"""A folder with settings and games, and launchers that are started in it as processes."""

import json
import os
import signal
import socket
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import gevent
import psutil
from gevent import subprocess
from gevent.queue import Queue

import game_server_launcher
from connhandler import IncomingConnectionHandler, Peer, PeerConnected
from connhandler.jsonmessage import Hello, JsonMessageReader, JsonMessageWriter, Welcome
from login_server.protocol import FromLauncher, LauncherAccepted, LauncherLogIn

PATIENCE = 30.0

Wanted = TypeVar("Wanted")

WITH_TOKEN = '[environment]\nTOKEN = "{token}"\n'

GAME = '''
"""A game server that has learnt the controller protocol by heart. SIGUSR1 ends its match."""
import json, os, signal, socket, struct, sys, time

ended = None
signal.signal(signal.SIGHUP, signal.SIG_DFL)


def end_match(*_):
    global ended
    result = {"winner": "ann", "scores": {"ann": 1}, "reason": "won", "ended_at": time.time()}
    ended = {"type": "match_ended", "match_id": "m1", "players": ["ann", "bob"], "result": result}
    print("the match has ended", flush=True)


signal.signal(signal.SIGUSR1, end_match)


def send(sock, **message):
    data = json.dumps(message).encode()
    sock.sendall(struct.pack("<H", len(data)) + data)


def messages(sock):
    data = b""
    while True:
        try:
            more = sock.recv(65536)
        except TimeoutError:
            yield None
            continue
        if not more:
            return
        data += more
        while len(data) >= 2 and len(data) >= 2 + (size := struct.unpack_from("<H", data)[0]):
            yield json.loads(data[2 : 2 + size])
            data = data[2 + size :]


def live(sock):
    global ended
    accepted = sent = False
    sock.settimeout(0.02)
    send(sock, type="hello", versions=[1])
    send(sock, type="controller_log_in", server=sys.argv[1], token=os.environ["TOKEN"], pid=os.getpid())
    for message in messages(sock):
        kind = message and message["type"]
        if kind == "refused":
            sys.exit(5)
        if kind == "controller_accepted":
            send(sock, type="server_ready", port=int(sys.argv[2]), version="1", map="large")
            if not ended:
                send(sock, type="match_started", match_id="m1", players=["ann", "bob"])
                send(sock, type="score_changed", match_id="m1", scores={"ann": 1})
            accepted = True
            print("accepted", flush=True)
        if kind == "players_expected":
            print("expects", message["match_id"], flush=True)
        if kind == "match_recorded":
            print("recorded", flush=True)
        if kind == "stop_server" and "STUBBORN" not in os.environ:
            sys.exit(0)
        if ended and accepted and not sent:
            send(sock, **ended)
            sent = True


if "STUBBORN" in os.environ:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
while True:
    try:
        with socket.create_connection(("127.0.0.1", int(sys.argv[3]))) as sock:
            live(sock)
    except OSError:
        pass
    time.sleep(0.02)
'''


class LauncherPeer(Peer):
    pass


class LauncherReader(JsonMessageReader):
    message_type = FromLauncher


class LoginServer(IncomingConnectionHandler):
    """What the test is for the launcher."""

    peer: LauncherPeer

    def create_connection_instances(self, sock: Any, address: Any) -> Any:
        return LauncherReader(sock), JsonMessageWriter(sock), LauncherPeer()

    def expect(self, wanted: type[Wanted]) -> Wanted:
        """Return the next message of this class; those before it are passed over."""
        passed = []
        with gevent.Timeout(PATIENCE, AssertionError(f"no {wanted.__name__} came")):
            while True:
                message = self.incoming_queue.get()  # type: ignore[attr-defined]
                if isinstance(message, wanted):
                    return message
                passed.append(message)

    def let_in(self) -> None:
        """Answer the launcher until it is logged in."""
        self.peer = self.expect(PeerConnected).peer  # type: ignore[assignment]
        self.expect(Hello)
        self.peer.send(Welcome(version=1))
        log_in = self.expect(LauncherLogIn)
        assert (log_in.name, log_in.key) == ("home", "the key")
        self.peer.send(LauncherAccepted(name="home", issuer="login", public_key="PEM"))


class Place:
    """A folder with settings and games, and the launchers that were started in it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.launchers: list[subprocess.Popen[bytes]] = []
        self.games = path / "games"
        self.games.mkdir()
        (path / "game.py").write_text(GAME)
        (path / "launcher.key").write_text("the key\n")
        self.login_server = LoginServer("login", "127.0.0.1", 0, Queue())
        self.login_server.start()
        with socket.socket() as sock:
            sock.bind(("127.0.0.1", 0))
            self.controller_port = sock.getsockname()[1]
        self.settings = {
            "name": "home",
            "login_port": self.login_server.port,
            "controller_port": self.controller_port,
        }

    def game(self, name: str = "four", text: str = "", command: str = "") -> None:
        command = command or '["{python}", "-I", "-S", "../game.py", "{server}", "{port}", "{controller_port}"]'
        (self.games / f"{name}.toml").write_text(
            f'game = "chess"\ncapacity = 4\nfolder = "."\ncommand = {command}\n' + textwrap.dedent(text)
        )

    def launch(self, *arguments: str) -> "subprocess.Popen[bytes]":
        (self.path / "launcher.toml").write_text("".join(f"{k} = {json.dumps(v)}\n" for k, v in self.settings.items()))
        root = Path(game_server_launcher.__file__).parents[1]
        with (self.path / "log").open("ab") as log:
            launcher = subprocess.Popen(
                [sys.executable, "-m", "game_server_launcher", "--config", "launcher.toml", *arguments],
                cwd=self.path,
                env=os.environ | {"PYTHONPATH": str(root), "PYTHONWARNINGS": "default"},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=log,
            )
        self.launchers.append(launcher)
        return launcher

    def log(self) -> str:
        return (self.path / "log").read_text()

    def output(self, server: str = "four") -> str:
        path = self.path / "run" / server / "output.log"
        return path.read_text() if path.exists() else ""

    def saved(self, server: str = "four") -> dict[str, Any]:
        path = self.path / "run" / f"{server}.json"
        saved: dict[str, Any] = json.loads(path.read_bytes()) if path.exists() else {"state": "none", "pid": 0}
        return saved

    def wait_for(self, condition: Callable[[], object], what: str) -> None:
        try:
            with gevent.Timeout(PATIENCE):
                while not condition():
                    gevent.sleep(0.01)
        except gevent.Timeout:
            raise AssertionError(f"not within {PATIENCE:g} s: {what}\n{self.log()}") from None

    def wait_until_ready(self, server: str = "four") -> int:
        """Wait until a server is ready; return its pid."""
        self.wait_for(lambda: self.saved(server)["state"] == "ready", f"{server} is ready")
        return int(self.saved(server)["pid"])

    def end(self, launcher: "subprocess.Popen[bytes]", number: int = signal.SIGTERM) -> int:
        launcher.send_signal(number)
        return self.status(launcher)

    def status(self, launcher: "subprocess.Popen[bytes]") -> int:
        return int(launcher.wait(timeout=PATIENCE))

    def games_running(self) -> list[int]:
        return [one.pid for one in psutil.process_iter() if folder_of(one) == str(self.games)]

    def close(self) -> None:
        for launcher in self.launchers:
            if launcher.poll() is None:
                launcher.kill()
                launcher.wait()
        for pid in self.games_running():
            os.kill(pid, signal.SIGKILL)
        self.login_server.stop(0)


def folder_of(process: psutil.Process) -> str:
    try:
        return process.cwd() if process.status() != psutil.STATUS_ZOMBIE else ""
    except psutil.Error:
        return ""
