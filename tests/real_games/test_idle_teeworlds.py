"""A real Teeworlds server that is frozen while nobody is there (`make real-game`)."""

import psutil
import pytest

from game_server_launcher.statusquery import ask
from tests.real_games.teeworldssite import PACKAGE, Site

pytestmark = [pytest.mark.real_game, pytest.mark.timeout(90)]


def test_frozen_thawed_and_stopped_by_its_console(site: Site) -> None:
    file = site.path / "teeworlds.toml"
    idle = '\n[idle]\naction = "freeze"\nafter_seconds = 0.5\n'
    file.write_text((PACKAGE / "games" / "teeworlds.toml").read_text() + idle)
    launcher = site.launch(games=file)
    (game,) = site.wait_for(site.games_running, "it runs")
    site.wait_for(lambda: site.listed().get("state") == "sleeping", "it is listed as sleeping")
    site.wait_for(lambda: game.status() == psutil.STATUS_STOPPED, "it is stopped where it is")
    port = site.listed()["port"]
    assert ask("teeworlds", ("127.0.0.1", port)) is None
    before = site.log().count("its console is connected")
    site.command("start", "teeworlds")
    site.wait_for(lambda: site.listed().get("state") == "ready", "it is ready again")
    status = ask("teeworlds", ("127.0.0.1", port))
    assert status is not None
    assert status.players == []
    site.wait_for(lambda: site.log().count("its console is connected") == before + 1, "its console is connected again")
    assert [one.pid for one in site.games_running()] == [game.pid]
    site.stop(launcher)


def test_a_frozen_server_is_stopped(site: Site) -> None:
    file = site.path / "teeworlds.toml"
    idle = '\n[idle]\naction = "freeze"\nafter_seconds = 0.5\n'
    file.write_text((PACKAGE / "games" / "teeworlds.toml").read_text() + idle)
    launcher = site.launch(games=file)
    site.wait_for(lambda: site.listed().get("state") == "sleeping", "it is listed as sleeping")
    launcher.terminate()
    assert launcher.wait(20) == 0
    assert site.games_running() == []
    assert site.saved()["state"] == "stopped"
