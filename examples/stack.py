"""The whole stack on one machine: login server, launcher and a game.

    python -m examples.stack run     serve on the default ports until Ctrl-C          (`make run`)
    python -m examples.stack demo    play a match on free ports, then stop and report (`make demo`)

Everything that is made (database, keys, logs) goes into one folder: `run/`, or a temporary one for the demo.
"""

from gevent import monkey

monkey.patch_all()

import argparse
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import gevent
from gevent.event import Event

from connhandler import tasks
from game_server_launcher.config import PAGE_PORT
from game_server_launcher.controlclient import ControlClient

GAME_FILES = Path(__file__).parent.parent / "game_server" / "games"
LAUNCHER = "local"
LOOPBACK = "127.0.0.1"
START_SECONDS = 30
STOP_SECONDS = 40
DEMO_SECONDS = 60


class Failure(Exception):
    """The stack cannot go on; the text says where and why."""


class Ports(NamedTuple):
    """`page` is that of the launcher's dashboard; 0 for none."""

    player: int = 9000
    launcher: int = 9001
    controller: int = 9002
    http: int = 9080
    page: int = 0


class Stack:
    """A login server and a launcher, each in a process of its own, and the game servers that the launcher starts.

    Args:
        folder: for everything they make.
        ports: to listen on.
        log_to_files: whether their log lines go to files in `folder`, or to this terminal.
        address: of this machine, that players connect to.
        games: the folder of the game files.

    Attributes:
        processes: those of the login server and the launcher, by name.
    """

    def __init__(
        self, folder: Path, ports: Ports, log_to_files: bool, address: str = LOOPBACK, games: Path = GAME_FILES
    ) -> None:
        self.folder = folder
        self.ports = ports
        self.address = address
        self.games = games
        self._log_to_files = log_to_files
        self.processes: dict[str, subprocess.Popen[bytes]] = {}

    def start(self) -> None:
        """Start everything and wait until a game server is ready.

        Raises:
            Failure: a port is in use, or something ended or did not get ready in time.
        """
        self._check_ports()
        self.start_login_server()
        self.start_launcher()
        self.wait_until("a game server is in the list", lambda: bool((self.status() or {}).get("servers")))

    def start_login_server(self) -> None:
        """Start the login server and wait until it answers.

        Raises:
            Failure: it did not begin.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        if self._database_file.exists():  # A stack of an older version may have made it.
            command = [sys.executable, "-m", "login_server", "database", "upgrade", self._database()]
            if subprocess.run(command, stdout=subprocess.DEVNULL, check=False).returncode:
                raise Failure("the database cannot be used (see above)")
        self.spawn_login_server()
        self.wait_until("the login server answers", lambda: self.status() is not None)

    def spawn_login_server(self) -> None:
        """Start the login server, whose database is as it is to be."""
        self._spawn(
            "login server",
            "login_server",
            f"--address={self.address}",
            f"--http-address={self.address}",
            f"--player-port={self.ports.player}",
            f"--launcher-port={self.ports.launcher}",
            f"--http-port={self.ports.http}",
            f"--private-key-file={self.folder / 'private_key.pem'}",
            f"--public-key-file={self.folder / 'public_key.pem'}",
            self._database(),
        )

    def start_launcher(self) -> None:
        """Start the launcher; it starts the games by itself."""
        self._spawn(
            "launcher",
            "game_server_launcher",
            f"--name={LAUNCHER}",
            f"--key-file={self._launcher_key()}",
            f"--login-address={self.address}",
            f"--login-port={self.ports.launcher}",
            f"--controller-port={self.ports.controller}",
            f"--page-port={self.ports.page}",
            f"--games={self._game_files()}",
            f"--run-dir={self._run_folder}",
        )

    def stop(self) -> None:
        """Stop everything in order, the launcher (which stops its games) before the login server.

        Raises:
            Failure: something did not end by itself, or not with exit status 0.
        """
        wrong = []
        for name, process in reversed(self.processes.items()):
            if process.poll() is None:
                process.terminate()
            try:
                status = process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
                wrong.append(f"the {name} did not end within {STOP_SECONDS} s and was killed")
            else:
                if status:
                    wrong.append(f"the {name} ended with exit status {status}")
        self.processes.clear()
        if wrong:
            raise Failure("; ".join(wrong))

    def status(self) -> dict[str, Any] | None:
        """Return what the login server says of itself, or None when it does not answer."""
        try:
            with urllib.request.urlopen(f"http://{self.address}:{self.ports.http}/status", timeout=5) as answer:
                status: dict[str, Any] = json.load(answer)
                return status
        except (OSError, ValueError, urllib.error.URLError):
            return None

    def page(self) -> str:
        """Return the address of the launcher's dashboard."""
        with ControlClient(self._run_folder) as client:
            return client.status().page

    def check(self) -> None:
        """Raises:
        Failure: one of the processes has ended.
        """
        for name, process in self.processes.items():
            if process.poll() is not None:
                raise Failure(f"the {name} ended with exit status {process.returncode}{self._last_lines(name)}")

    def _check_ports(self) -> None:
        """Else the answers of another stack would be taken for those of this one.

        Raises:
            Failure: one is in use, or the address not one of this machine.
        """
        for port in self.ports:
            try:
                socket.create_server((self.address, port)).close()
            except OSError as error:
                raise Failure(
                    f"{self.address}:{port}: {os.strerror(error.errno or 0)}; does another stack run? "
                    "'python -m examples.stack run --free-ports --folder FOLDER' takes other ports"
                ) from error

    def _game_files(self) -> Path:
        """Return the folder of the game files; of copies, where their players come from other machines."""
        if self.address == LOOPBACK:
            return self.games
        folder = self.folder / "games"
        folder.mkdir(exist_ok=True)
        for file in self.games.glob("*.toml"):
            text = f'listen_address = "{self.address}"\n{file.read_text(encoding="utf-8")}'
            (folder / file.name).write_text(text, encoding="utf-8")
        return folder

    def _launcher_key(self) -> Path:
        """Return the file with the launcher's key, made at the first start."""
        file = self.folder / "launcher.key"
        if not file.exists():
            for verb in ("rotate", "add"):  # a database may be left from before, whose key is lost
                result = subprocess.run(
                    [sys.executable, "-m", "login_server", "launcher", verb, LAUNCHER, self._database()],
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE if verb == "rotate" else None,
                    check=False,
                )
                if not result.returncode:
                    break
            else:
                raise Failure("no launcher key could be made (see above)")
            descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "wb") as stream:
                stream.write(result.stdout.split()[-1] + b"\n")
        return file

    def _database(self) -> str:
        return f"--database-url=sqlite:///{self._database_file}"

    @property
    def _run_folder(self) -> Path:
        return self.folder / "launcher"

    @property
    def _database_file(self) -> Path:
        return self.folder / "login_server.sqlite"

    def _spawn(self, name: str, *command: str) -> None:
        # A session of its own: Ctrl-C reaches this process alone, which then stops the others in order.
        with contextlib.ExitStack() as files:
            output = files.enter_context(self._log_file(name).open("ab")) if self._log_to_files else None
            self.processes[name] = subprocess.Popen(
                [sys.executable, "-m", *command],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    def wait_until(self, what: str, condition: Callable[[], bool]) -> None:
        """Raises:
        Failure: it has not come true in time, or one of the processes has ended.
        """
        deadline = time.monotonic() + START_SECONDS
        while not condition():
            self.check()
            if time.monotonic() > deadline:
                raise Failure(f"{START_SECONDS} s have passed and not yet: {what}")
            gevent.sleep(0.1)

    def _log_file(self, name: str) -> Path:
        return self.folder / f"{name.replace(' ', '_')}.log"

    def _last_lines(self, name: str) -> str:
        if not self._log_to_files:
            return ""
        lines = self._log_file(name).read_text(encoding="utf-8", errors="replace").splitlines()
        return "; its last lines:\n  " + "\n  ".join(lines[-10:])


def run(folder: Path, ports: Ports, address: str) -> None:
    """Serve until Ctrl-C or SIGTERM."""
    asked_to_end = Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        gevent.signal_handler(number, asked_to_end.set)
    stack = Stack(folder, ports, log_to_files=False, address=address)
    options = ("" if address == LOOPBACK else f" --address {address}") + (
        "" if ports.player == Ports().player else f" --port {ports.player}"
    )
    try:
        stack.start()
        print(
            f"""
The stack is up.

  play in the browser               http://{address}:{ports.http}/
  who is online, servers, matches   http://{address}:{ports.http}/monitor
  the same for programs             http://{address}:{ports.http}/status
  the launcher's dashboard          {stack.page()}
  players' programs log in at       {address}:{ports.player}

To play in a terminal, open two more and start in each:

  {sys.executable} -m game_server.play{options}

Ctrl-C ends everything.
""",
            flush=True,
        )
        while not asked_to_end.wait(1.0):
            stack.check()
    finally:
        print("Stopping ...", flush=True)
        stack.stop()
    print("All stopped.", flush=True)


def demo() -> None:
    """Play one match with two scripted players, each in a process of its own, and check what became of it."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="connhandler-demo-") as folder:
        stack = Stack(Path(folder), Ports(*free_ports(4)), log_to_files=True)
        print("Starting a login server, a launcher and a game server on free ports ...", flush=True)
        try:
            stack.start()
            for server in (stack.status() or {})["servers"]:
                print(f"  server {server['server_id']}: {server['game']} on port {server['port']}", flush=True)
            with play("alice", stack.ports), play("bob", stack.ports):
                pass
            match = recorded_match(stack)
        finally:
            stack.stop()
    winner = match["result"]["winner"]
    outcome = f"{winner} won" if winner else "a draw"
    print(
        f"demo ok: {outcome} after {match['result']['turns']} turns, recorded once; "
        f"all stopped after {time.monotonic() - began:.1f} s"
    )


@contextlib.contextmanager
def play(name: str, ports: Ports) -> Iterator[None]:
    """Run a scripted player beside the block; wait for its end after it.

    Raises:
        Failure: the player did not finish a game.
    """
    options = [f"--port={ports.player}", f"--name={name}", "--register", "--match", "--auto"]
    process = subprocess.Popen(
        [sys.executable, "-m", "game_server.play", *options],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env={**os.environ, "PLAY_PASSWORD": f"the password of {name}", "NO_COLOR": "1"},
        text=True,
    )
    story = tasks.spawn(f"story of {name}", tell, process)
    try:
        yield
        status = process.wait(DEMO_SECONDS)
        story.get()
    except subprocess.TimeoutExpired:
        raise Failure(f"player {name} did not finish within {DEMO_SECONDS} s") from None
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
    if status:
        raise Failure(f"player {name} ended with exit status {status}")


def tell(process: "subprocess.Popen[str]") -> None:
    assert process.stdout is not None
    for line in process.stdout:
        print(f"  {line.rstrip()}", flush=True)


def recorded_match(stack: Stack) -> dict[str, Any]:
    """Return the one match that `/status` knows to have ended.

    Raises:
        Failure: there is none in time, or more than one.
    """
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        stack.check()
        matches: list[dict[str, Any]] = (stack.status() or {}).get("matches", [])
        ended = [match for match in matches if match.get("result")]
        if ended:
            if len(matches) != 1:
                raise Failure(f"/status knows {len(matches)} matches where one was played: {matches}")
            return ended[0]
        gevent.sleep(0.1)
    raise Failure("the match's result did not come into /status")


def free_ports(count: int) -> list[int]:
    """Return ports that nobody listens on at this moment."""
    with contextlib.ExitStack() as sockets:
        listeners = [sockets.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [listener.getsockname()[1] for listener in listeners]


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m examples.stack", description=__doc__.split("\n", 1)[0])
    commands = parser.add_subparsers(dest="command", required=True)
    serve = commands.add_parser("run", help="serve on the default ports until Ctrl-C")
    serve.add_argument("--folder", type=Path, default=Path("run"), help="for database, keys and state (default: run)")
    serve.add_argument("--free-ports", action="store_true", help="on any free ports, not 9000, 9001, 9002 and 9080")
    serve.add_argument(
        "--address",
        default=LOOPBACK,
        help="address of this machine that players connect to, from other machines and phones too; their passwords "
        f"then cross that network unencrypted (default: {LOOPBACK}, for this machine alone)",
    )
    commands.add_parser("demo", help="play a match on free ports, then stop and report")
    arguments = parser.parse_args()
    try:
        if arguments.command == "run":
            ports = Ports(*free_ports(5)) if arguments.free_ports else Ports(page=PAGE_PORT)
            run(arguments.folder.absolute(), ports, arguments.address)
        else:
            demo()
    except Failure as failure:
        print(f"{arguments.command} failed: {failure}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
