"""The helper as a process, with a real nftables in a network namespace: who comes through, and who does not."""

import grp
import os
import signal
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from connhandler.jsonmessage import Hello, Refused, ShuttingDown, Welcome
from connhandler.testing import JsonClient
from game_server_launcher.allowlist.protocol import AllowAddress, ProtectPort, ToLauncher, UnprotectPort
from tests.connhandler.support import wait_until

from .conftest import ROOT, Machine, Network, helper

pytestmark = pytest.mark.timeout(120)


class Launcher(JsonClient):
    """Says what a launcher says."""

    def __init__(self, path: Path) -> None:
        super().__init__(str(path), 0, ToLauncher)
        self.send(Hello(versions=[1]))
        self.expect(Welcome)


def reached(network: Network, port: int) -> list[tuple[bool, bool]]:
    """By player: whether it comes to the port by TCP, and by UDP."""
    return [(player.reaches("tcp", port), player.reaches("udp", port)) for player in network.players]


def is_listed(machine: Machine, *words: str) -> bool:
    """Whether all these are in nftables."""
    listing = machine.run("nft", "list", "ruleset")
    return all(word in listing for word in words)


def test_who_is_allowed_comes_through_and_nobody_else(network: Network, game_port: int, tmp_path: Path) -> None:
    first, second = network.players
    everybody = [(True, True), (True, True)]
    assert reached(network, game_port) == everybody
    with helper(network.servers, tmp_path / "s", "--ports=1024-65535") as process, Launcher(tmp_path / "s") as launcher:
        launcher.send(ProtectPort(port=game_port))
        launcher.send(AllowAddress(port=game_port, address=first.address, seconds=600))
        wait_until(lambda: is_listed(network.servers, first.address))
        assert reached(network, game_port) == [(True, True), (False, False)]
        assert network.servers.reaches("tcp", game_port), "whoever is on the machine itself may come"

        launcher.send(AllowAddress(port=game_port, address=second.address, seconds=600))
        wait_until(lambda: is_listed(network.servers, second.address))
        assert reached(network, game_port) == everybody

        launcher.send(UnprotectPort(port=game_port))
        wait_until(lambda: not is_listed(network.servers, str(game_port)))
        assert reached(network, game_port) == everybody

        launcher.send(ProtectPort(port=game_port))
        wait_until(lambda: is_listed(network.servers, str(game_port)))
        assert reached(network, game_port) == [(False, False)] * 2, "who was allowed before is not any more"

        process.send_signal(signal.SIGTERM)
        launcher.expect(ShuttingDown)
        assert process.wait(20) == 0
    assert not is_listed(network.servers, "game_servers")
    assert reached(network, game_port) == everybody


def test_an_address_expires_and_who_plays_plays_on(network: Network, game_port: int, tmp_path: Path) -> None:
    player = network.players[0]
    with helper(network.servers, tmp_path / "s"), Launcher(tmp_path / "s") as launcher:
        launcher.send(ProtectPort(port=game_port))
        launcher.send(AllowAddress(port=game_port, address=player.address, seconds=2))
        wait_until(lambda: is_listed(network.servers, player.address))
        conversation = (
            "import socket, sys\n"
            f"sock = socket.create_connection(({player.server_address!r}, {game_port}))\n"
            "print('connected', flush=True)\n"
            "sys.stdin.readline(); sock.settimeout(5); sock.send(b'x'); print(sock.recv(10) == b'x', flush=True)"
        )
        with subprocess.Popen(
            player.command(sys.executable, "-c", conversation), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as playing:
            assert playing.stdin is not None
            assert playing.stdout is not None
            assert playing.stdout.readline() == "connected\n"
            wait_until(lambda: not is_listed(network.servers, player.address))
            assert not player.reaches("tcp", game_port)
            assert not player.reaches("udp", game_port)
            playing.stdin.write("\n")
            playing.stdin.flush()
            assert playing.stdout.readline() == "True\n"


def test_a_helper_that_was_killed_leaves_the_ports_protected(network: Network, game_port: int, tmp_path: Path) -> None:
    first = network.players[0]
    with helper(network.servers, tmp_path / "s"), Launcher(tmp_path / "s") as launcher:
        launcher.send(ProtectPort(port=game_port))
        launcher.send(AllowAddress(port=game_port, address=first.address, seconds=600))
        wait_until(lambda: is_listed(network.servers, first.address))
    assert reached(network, game_port) == [(True, True), (False, False)]
    with helper(network.servers, tmp_path / "s", "--keep-seconds=0"):
        # It has taken over what was there, and forgets it, since no launcher comes.
        wait_until(lambda: not is_listed(network.servers, str(game_port)))
        assert is_listed(network.servers, "game_servers")


def test_a_table_that_somebody_throws_away_comes_back(network: Network, game_port: int, tmp_path: Path) -> None:
    with helper(network.servers, tmp_path / "s"), Launcher(tmp_path / "s") as launcher:
        launcher.send(ProtectPort(port=game_port))
        wait_until(lambda: is_listed(network.servers, str(game_port)))
        network.servers.run("nft", "flush", "ruleset")
        wait_until(lambda: is_listed(network.servers, str(game_port)))


def test_the_group_may_connect_and_asks_for_nothing_else(network: Network, tmp_path: Path) -> None:
    group = grp.getgrgid(os.getgid()).gr_name
    path = tmp_path / "s"
    with helper(network.servers, path, f"--group={group}", "--ports=7000-7009"), Launcher(path) as launcher:
        assert stat.S_IMODE(path.stat().st_mode) == 0o660
        launcher.send(ProtectPort(port=22))
        assert launcher.expect(Refused).code == "port_not_ours"


@pytest.mark.parametrize(
    ("option", "status", "words"),
    [
        ("--ports=9-1", 2, "ports must be FIRST-LAST"),
        ("--group=no-such-group-here", 2, "no such group: 'no-such-group-here'"),
        ("--nft=/nowhere/nft", 1, "nftables cannot be used: /nowhere/nft"),
        ("--socket=/nowhere/s", 1, "cannot listen on /nowhere/s: No such file or directory"),
    ],
)
def test_what_is_wrong_is_said(network: Network, tmp_path: Path, option: str, status: int, words: str) -> None:
    command: list[Any] = [sys.executable, "-m", "game_server_launcher.allowlist", f"--socket={tmp_path / 's'}", option]
    ended = subprocess.run(network.servers.command(*command), cwd=ROOT, capture_output=True, text=True, check=False)
    assert ended.returncode == status
    assert words in ended.stderr
    assert "Traceback" not in ended.stderr
    assert not (tmp_path / "s").exists()
