"""All of it: who gets a ticket at the login server comes to the game, and nobody from anywhere else does."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.connhandler.support import wait_until

from .conftest import ROOT, Network, helper

TICKET = """
from gevent import monkey
monkey.patch_all()
import sys
from connhandler.jsonmessage import Hello, Welcome
from connhandler.testing import JsonClient
from login_server import protocol as login

client = JsonClient(sys.argv[1], int(sys.argv[2]), login.ToPlayer)
client.send(Hello([1]))
client.expect(Welcome)
client.send(login.Register("ada", "a long password"))
client.expect(login.Registered)
client.send(login.LogIn("ada", "a long password"))
client.expect(login.LoggedIn)
client.send(login.JoinServer(sys.argv[3]))
print(client.expect(login.JoinGranted).port)
"""


@pytest.mark.timeout(180)
def test_a_ticket_opens_the_port_for_its_player(network: Network, tmp_path: Path) -> None:
    guest, stranger = network.players
    address = network.servers.address
    with helper(network.servers, tmp_path / "s"):
        command = [sys.executable, "-m", "tests.game_server_launcher.allowlist.guardedstack"]
        with subprocess.Popen(
            network.servers.command(*command, str(tmp_path), address, str(tmp_path / "s")),
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as stack:
            assert stack.stdout is not None
            assert stack.stdin is not None
            lobby, port = (int(word) for word in stack.stdout.readline().split())
            wait_until(lambda: str(port) in network.servers.run("nft", "list", "ruleset"))
            assert not guest.connects(address, port)
            assert not stranger.connects(address, port)
            assert guest.python(TICKET, address, str(lobby), "local/four") == str(port)
            assert guest.connects(address, port, seconds=5)
            assert not stranger.connects(address, port)
            stack.stdin.close()
            assert stack.wait(60) == 0
        wait_until(lambda: str(port) not in network.servers.run("nft", "list", "ruleset"))
