"""A real Teeworlds server that is asked by UDP alone: no console, no controller."""

import os
import signal

import pytest

from tests.real_games.teeworldssite import PATIENCE, Site
from tests.real_games.twbot import TeeworldsBot

pytestmark = [pytest.mark.real_game, pytest.mark.timeout(90)]

FILE = """
game = "teeworlds"
name = "teeworlds"
capacity = 12
command = ["/usr/games/teeworlds-server", "-f", "srv.cfg"]
environment = { HOME = "{run_dir}" }

[files]
"srv.cfg" = '''
sv_name "{server}"
sv_port {port}
bindaddr {listen_address}
sv_register 0
sv_map dm1
sv_max_clients 12
'''

[status]
kind = "teeworlds"
seconds = 0.2

[ready]
by = "status"

[stop]
by = "signal"
signal = "INT"
"""


def test_who_is_there_is_asked_by_udp(site: Site) -> None:
    (site.path / "asked.toml").write_text(FILE)
    launcher = site.launch(games=site.path / "asked.toml")
    server = site.wait_for_map("dm1")
    assert (server["players"], server["capacity"]) == (0, 12)
    bot = TeeworldsBot("alice", server["port"])
    site.wait_for(lambda: site.listed().get("names") == ["alice"], "she is listed")
    pid = site.saved()["pid"]
    os.kill(pid, signal.SIGSTOP)
    site.wait_for(lambda: site.saved()["state"] == "away", "it does not answer")
    os.kill(pid, signal.SIGCONT)
    site.wait_for(lambda: site.saved()["state"] == "ready", "it answers again")
    bot.close()
    site.wait_for(lambda: site.listed().get("names") == [], "she has left")
    launcher.terminate()
    assert launcher.wait(PATIENCE) == 0
    assert "Traceback" not in site.log()
    assert site.games_running() == []
