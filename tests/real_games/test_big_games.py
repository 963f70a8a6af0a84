"""Real servers of games that know nothing of the launcher, with the ready-made game files (`make big-games`)."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.real_games.bigbots import FreecivBot, MinetestBot
from tests.real_games.teeworldssite import PACKAGE, PATIENCE, Site

pytestmark = [pytest.mark.big_game, pytest.mark.timeout(180)]

NOT_ROOT = ["unshare", "--user", "--map-user=1000"]
"""Freeciv does not run as root, as whom tests may run; so it believes that it is somebody else."""


class GameSite(Site):
    """A login server, launchers one after the other, and the server of one of the ready-made game files."""

    def __init__(self, path: Path, game: str) -> None:
        super().__init__(path)
        self.game = game
        text = (PACKAGE / "games" / f"{game}.toml").read_text()
        if game == "freeciv" and os.getuid() == 0:
            before = ", ".join(f'"{word}"' for word in NOT_ROOT)
            text = text.replace('command = ["', f'command = [{before}, "')
        (path / f"{game}.toml").write_text(text)

    def launch(self, *arguments: str, games: Path | None = None) -> "subprocess.Popen[bytes]":
        return super().launch(*arguments, games=games or self.path / f"{self.game}.toml")

    def order(self, *words: str) -> None:
        """Have the running launcher carry out a command."""
        command = [sys.executable, "-m", "game_server_launcher", *words]
        subprocess.run(command, cwd=self.path, env=self.environment, check=True, timeout=PATIENCE)

    def saved(self) -> dict[str, Any]:
        return self.saved_of(self.game)

    def games_running(self) -> list[psutil.Process]:
        return self.running_in(self.game)

    def output(self) -> str:
        return (self.path / "run" / self.game / "output.log").read_text(errors="replace")

    def wait_listed(self, **wanted: Any) -> dict[str, Any]:
        """Wait until the login server shows the game so."""
        server: dict[str, Any] = self.wait_for(
            lambda: (server := self.listed()) and all(server.get(key) == wanted[key] for key in wanted) and server,
            f"it is listed with {wanted}, and not {self.listed()}",
        )
        return server

    def kill_game(self) -> None:
        """Kill its process, and see that another comes into its place."""
        before = self.saved()["pid"]
        os.kill(before, signal.SIGKILL)
        self.wait_for(lambda: self.saved()["pid"] not in (0, before), "another process")
        self.wait_listed(state="ready", players=0)

    def kill_launcher(self, launcher: "subprocess.Popen[bytes]") -> "subprocess.Popen[bytes]":
        """Kill it, start the next, and see that this one takes the process up."""
        before = self.saved()["pid"]
        launcher.kill()
        launcher.wait()
        self.wait_for(lambda: not self.listed(), "it is not listed any more")
        launcher = self.launch()
        self.wait_listed(state="ready")
        assert self.saved()["pid"] == before
        return launcher

    def stop_all(self, launcher: "subprocess.Popen[bytes]", how: str) -> None:
        """End the launcher, and see that the game ended in its own way: `how`, as the log says."""
        launcher.terminate()
        assert launcher.wait(PATIENCE) == 0, self.log()
        assert f"{self.game}: stopped ({how})" in self.log()
        assert "sending TERM" not in self.log()
        assert "Traceback" not in self.log()
        assert self.games_running() == []


MakeSite = Callable[[str, str, str], GameSite]


@pytest.fixture
def make_site(tmp_path: Path) -> Iterator[MakeSite]:
    sites: list[GameSite] = []

    def make(game: str, program: str, package: str) -> GameSite:
        if not Path(program).exists():
            pytest.skip(f"{program} is not here; on Debian: apt install {package}")
        sites.append(GameSite(tmp_path, game))
        sites[-1].start_login_server()
        return sites[-1]

    yield make
    for site in sites:
        site.close()


def test_openarena(make_site: MakeSite) -> None:
    site = make_site("openarena", "/usr/games/openarena-server", "openarena-server openarena-data")
    launcher = site.launch()
    server = site.wait_listed(state="ready", map="oa_dm1", capacity=8, players=0)
    assert server["game"] == "openarena"
    site.order("say", "openarena", 'hello "all"; quit')
    site.wait_for(lambda: "console: hello 'all', quit" in site.output(), "it says so")
    with (site.path / "run" / "openarena.stdin").open("w") as console:
        console.write("addbot Gargoyle 3\naddbot Grism 3\n")
    site.wait_listed(players=2, names=["Gargoyle", "Grism"])
    site.order("map", "openarena", "oa_dm2")
    site.wait_listed(map="oa_dm2", players=2)
    launcher = site.kill_launcher(launcher)
    site.wait_listed(map="oa_dm2", names=["Gargoyle", "Grism"])
    site.order("kick", "openarena", "Gargoyle")
    site.wait_listed(names=["Grism"])
    site.kill_game()
    site.wait_listed(map="oa_dm1")
    site.stop_all(launcher, "ended with exit status 0")


def test_minetest(make_site: MakeSite) -> None:
    site = make_site("minetest", "/usr/lib/minetest/minetestserver", "minetest-server")
    launcher = site.launch()
    server = site.wait_listed(state="ready", map="world", players=0)
    bot = MinetestBot("alice", server["port"])
    site.wait_listed(players=1, names=["alice"])
    bot.say("hello all")
    site.wait_for(lambda: "CHAT: <alice> hello all" in site.output(), "she says so")
    launcher = site.kill_launcher(launcher)
    site.wait_listed(players=1, names=["alice"])
    bot.close()
    site.wait_listed(players=0, names=[])
    site.kill_game()
    site.stop_all(launcher, "ended with exit status 0")


def test_freeciv(make_site: MakeSite) -> None:
    site = make_site("freeciv", "/usr/games/freeciv-server", "freeciv-server")
    launcher = site.launch()
    server = site.wait_listed(state="ready", players=0)
    alice = FreecivBot("alice", server["port"])
    site.wait_listed(players=1, names=["alice"])
    site.order("say", "freeciv", "hello all")
    alice.expect(b"hello all")
    launcher = site.kill_launcher(launcher)
    site.wait_listed(players=1, names=["alice"])
    site.order("kick", "freeciv", "alice")
    alice.expect_end()
    alice.close()
    site.wait_listed(players=0, names=[])
    site.kill_game()
    site.stop_all(launcher, "ended with exit status 0")
