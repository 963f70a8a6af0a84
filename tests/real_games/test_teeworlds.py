"""A real Teeworlds server under the real launcher, in the list of the real login server (`make real-game`)."""

import signal
import socket

import pytest

from game_server_launcher import gameconsolehandler as console
from tests.real_games.teeworldssite import PATIENCE, Operator, Site

pytestmark = [pytest.mark.real_game, pytest.mark.timeout(90)]


def test_started_listed_and_stopped_by_its_console(site: Site) -> None:
    launcher = site.launch()
    server = site.wait_for_map("dm1")
    assert (server["game"], server["players"], server["capacity"]) == ("teeworlds", 0, 16)
    (game,) = site.games_running()
    saved = site.saved()
    password = saved["console_password"]
    assert game.pid == saved["pid"]
    assert server["port"] == saved["port"]
    assert password not in " ".join(game.cmdline())
    for path in (site.path / "run" / "teeworlds.json", site.path / "run" / "teeworlds" / "srv.cfg"):
        assert path.stat().st_mode & 0o777 == 0o600
    operator = Operator(saved["console_port"], password)
    assert operator.ask(console.ShowMap(), console.ValueShown).value == "dm1"
    assert operator.ask(console.Say('all "well"; shutdown'), console.Said).text == 'all "well"; shutdown'
    assert operator.ask(console.ChangeMap("nosuch; shutdown"), console.MapNotChanged).map == "nosuch; shutdown"
    assert operator.ask(console.Kick(0), console.CommandEchoed).command == 'kick 0 ""'
    site.stop(launcher)
    assert "teeworlds: stopped (ended with exit status 0)" in site.log()
    assert site.listed() == {}
    operator.consoles.close_all()
    for text in (site.log(), site.log("login_server"), (site.path / "run" / "teeworlds" / "output.log").read_text()):
        assert password not in text
        assert "Traceback" not in text
        assert "ResourceWarning" not in text


def test_the_map_is_changed_in_place_and_the_next_launcher_adopts(site: Site) -> None:
    killed = site.launch()
    before = site.wait_for_map("dm1")
    (game,) = site.games_running()
    operator = Operator(site.saved()["console_port"], site.saved()["console_password"])
    assert operator.ask(console.ChangeMap("dm2"), console.MapChanged).map == "dm2"
    assert site.wait_for_map("dm2")["port"] == before["port"]
    killed.send_signal(signal.SIGKILL)
    killed.wait(PATIENCE)
    site.wait_for(lambda: not site.listed(), "it is not listed without its launcher")
    assert operator.ask(console.ChangeMap("ctf1"), console.MapChanged).map == "ctf1"
    launcher = site.launch()
    assert site.wait_for_map("ctf1")["port"] == before["port"]
    assert [one.pid for one in site.games_running()] == [game.pid]
    assert operator.ask(console.ChangeMap("dm1"), console.MapChanged).map == "dm1"
    site.wait_for_map("dm1")
    operator.consoles.close_all()
    site.stop(launcher)


def test_a_console_that_goes_while_it_is_told_something_does_not_end_the_game(site: Site) -> None:
    launcher = site.launch()
    site.wait_for_map("dm1")
    (game,) = site.games_running()
    with socket.create_connection(("127.0.0.1", site.saved()["console_port"]), PATIENCE) as sock:
        sock.sendall(site.saved()["console_password"].encode() + b"\n")
        with sock.makefile("rb") as lines:
            while b"access granted" not in lines.readline():
                pass
        game.suspend()
        sock.sendall(b"say hello\n" * 20)
    game.resume()  # It answers nobody.
    operator = Operator(site.saved()["console_port"], site.saved()["console_password"])
    assert operator.ask(console.ChangeMap("dm2"), console.MapChanged).map == "dm2"
    site.wait_for_map("dm2")
    assert [one.pid for one in site.games_running()] == [game.pid]
    operator.consoles.close_all()
    site.stop(launcher)


def test_a_launcher_that_leaves_the_game_running_lets_go_of_its_console(site: Site) -> None:
    launcher = site.launch("--leave-running")
    site.wait_for_map("dm1")
    (game,) = site.games_running()
    launcher.terminate()
    assert launcher.wait(PATIENCE) == 0
    assert [one.pid for one in site.games_running()] == [game.pid]
    launcher = site.launch()
    site.wait_for_map("dm1")
    assert [one.pid for one in site.games_running()] == [game.pid]
    site.stop(launcher)
    log = site.log()
    assert "Traceback" not in log
    assert "ResourceWarning" not in log
