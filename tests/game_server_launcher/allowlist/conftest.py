"""Network namespaces: a machine with game servers and two of players, each with an address of its own."""

import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]

PROBE = """
import socket, sys
kind, address, port = sys.argv[1], sys.argv[2], int(sys.argv[3])
with socket.socket(socket.AF_INET, socket.SOCK_STREAM if kind == "tcp" else socket.SOCK_DGRAM) as sock:
    sock.settimeout(0.7)
    try:
        sock.connect((address, port))
        sock.send(b"x")
        print(sock.recv(10) == b"x")
    except TimeoutError:
        print(False)
"""
"""Whether an echo comes back."""

CONNECT = """
import socket, sys
try:
    socket.create_connection((sys.argv[1], int(sys.argv[2])), float(sys.argv[3]))
    print(True)
except TimeoutError:
    print(False)
"""

ECHO = """
import socket, threading
tcp = socket.create_server(("0.0.0.0", 0))
port = tcp.getsockname()[1]
udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
udp.bind(("0.0.0.0", port))
def answer():
    while True:
        data, address = udp.recvfrom(10)
        udp.sendto(data, address)
def serve(sock):
    while data := sock.recv(10):
        sock.sendall(data)
threading.Thread(target=answer, daemon=True).start()
print(port, flush=True)
while True:
    threading.Thread(target=serve, args=(tcp.accept()[0],), daemon=True).start()
"""
"""A game server by TCP and by UDP, on a port that it prints."""


class Machine:
    """One network namespace.

    Attributes:
        address: of this machine.
        server_address: of the servers' machine, as seen from here.
    """

    def __init__(self, name: str, address: str, server_address: str) -> None:
        self.name = name
        self.address = address
        self.server_address = server_address

    def command(self, *command: str) -> list[str]:
        """The command that runs another one there."""
        return ["ip", "netns", "exec", self.name, *command]

    def run(self, *command: str) -> str:
        return subprocess.run(self.command(*command), cwd=ROOT, check=True, capture_output=True, text=True).stdout

    def python(self, program: str, *arguments: str) -> str:
        return self.run(sys.executable, "-c", program, *arguments).strip()

    def connects(self, address: str, port: int, seconds: float = 0.7) -> bool:
        """Whether a TCP connection from here is accepted there."""
        return self.python(CONNECT, address, str(port), str(seconds)) == "True"

    def reaches(self, kind: str, port: int) -> bool:
        """Whether this machine's players come to a server's port, by `tcp` or `udp`."""
        return self.python(PROBE, kind, self.server_address, str(port)) == "True"


def must(*command: str) -> None:
    """Skip the test where the system does not allow this."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"{' '.join(command)}: {done.stderr.strip()}")


class Network:
    """Attributes:
    servers: the machine with the game servers.
    players: two others.
    """

    def __init__(self, open_now: ExitStack) -> None:
        prefix = f"gs{os.getpid()}"
        self._open_now = open_now
        self.servers = Machine(self._add(prefix + "s"), "10.77.1.1", "10.77.1.1")
        self.players: list[Machine] = []
        self.servers.run("ip", "link", "set", "lo", "up")
        for number in (1, 2):
            name = self._add(f"{prefix}p{number}")
            player = Machine(name, f"10.77.{number}.2", f"10.77.{number}.1")
            near, far = f"s{number}", f"p{number}"
            must("ip", "link", "add", near, "netns", self.servers.name, "type", "veth", "peer", far, "netns", name)
            for machine, link, address in ((self.servers, near, player.server_address), (player, far, player.address)):
                machine.run("ip", "address", "add", f"{address}/24", "dev", link)
                machine.run("ip", "link", "set", link, "up")
            player.run("ip", "route", "add", "default", "via", player.server_address)
            self.players.append(player)
        must(*self.servers.command("nft", "list", "ruleset"))

    def _add(self, name: str) -> str:
        must("ip", "netns", "add", name)
        self._open_now.callback(subprocess.run, ["ip", "netns", "delete", name], check=True)
        return name


@contextlib.contextmanager
def helper(machine: Machine, path: Path, *options: str) -> Iterator["subprocess.Popen[str]"]:
    """The program, once it listens."""
    command = [sys.executable, "-m", "game_server_launcher.allowlist", f"--socket={path}", *options]
    with subprocess.Popen(machine.command(*command), cwd=ROOT, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        said = ""
        while "listening on" not in said:
            line = process.stderr.readline()
            assert line, said
            said += line
        try:
            yield process
        finally:
            process.kill()


@pytest.fixture
def network() -> Iterator[Network]:
    missing = [program for program in ("ip", "nft") if shutil.which(program) is None]
    if missing or os.geteuid() != 0:
        pytest.skip(f"no {' and no '.join(missing)} here" if missing else "only root can make network namespaces")
    with ExitStack() as open_now:
        yield Network(open_now)


@pytest.fixture
def game_port(network: Network) -> Iterator[int]:
    """A port of the servers' machine on which somebody answers, by TCP and by UDP."""
    command = network.servers.command(sys.executable, "-c", ECHO)
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        yield int(process.stdout.readline())
        process.kill()
