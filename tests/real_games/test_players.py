"""Players of a real Teeworlds server, who have their seats from the login server, and one who has none.

The players are bots that speak the protocols of the login server and of the game; everything else is real.
"""

import os
import signal
import time
from collections.abc import Iterator

import pytest

from connhandler.jsonmessage import Hello, Welcome
from connhandler.testing import JsonClient
from game_server_launcher.admission import HERE_ALREADY, NO_SEAT
from login_server import protocol as login
from tests.real_games.teeworldssite import PATIENCE, Site
from tests.real_games.twbot import TeeworldsBot

pytestmark = [pytest.mark.real_game, pytest.mark.timeout(120)]

SERVER = "home/teeworlds"
KICKED_WITHIN_SECONDS = 1.0


class Player:
    """Somebody with an account, logged in at the login server."""

    def __init__(self, site: Site, name: str) -> None:
        self.name = name
        self._lobby = JsonClient("127.0.0.1", site.ports["players"], login.ToPlayer, PATIENCE)
        self._lobby.send(Hello([1]))
        self._lobby.expect(Welcome)
        self._lobby.send(login.Register(name, "a long password"))
        self._lobby.expect(login.Registered)
        self._lobby.send(login.LogIn(name, "a long password"))
        self._lobby.expect(login.LoggedIn)

    def take_seat(self) -> int:
        """Get a ticket, and return the port of the game."""
        self._lobby.send(login.JoinServer(SERVER))
        return self._lobby.expect(login.JoinGranted).port

    def close(self) -> None:
        self._lobby.close()


class Crowd:
    """Players and bots, who all go at the end."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._all: list[Player | TeeworldsBot] = []

    def player(self, name: str) -> Player:
        player = Player(self._site, name)
        self._all.append(player)
        return player

    def enter(self, name: str, port: int) -> TeeworldsBot:
        """Let a bot enter the game."""
        bot = TeeworldsBot(name, port)
        self._all.append(bot)
        bot.expect("sv_ready_to_enter")
        return bot

    def close(self) -> None:
        for one in self._all:
            one.close()


@pytest.fixture
def crowd(site: Site) -> Iterator[Crowd]:
    crowd = Crowd(site)
    yield crowd
    crowd.close()


def wait_for_names(site: Site, *names: str) -> None:
    site.wait_for(lambda: sorted(site.listed().get("names", [])) == sorted(names), f"{names} are listed")
    assert site.listed()["players"] == len(names)


def test_who_has_a_seat_plays_and_who_has_none_is_kicked(
    site: Site, crowd: Crowd, capsys: pytest.CaptureFixture[str]
) -> None:
    launcher = site.launch()
    site.wait_for_map("dm1")
    tokens = {site.saved()["token"]}
    players = [crowd.player("anna"), crowd.player("bartholomew_the_2nd")]  # The game cuts the longer name.
    anna, bart = (crowd.enter(player.name, player.take_seat()) for player in players)
    wait_for_names(site, "anna", "bartholomew_the")

    anna.say("hello")
    assert bart.expect("sv_chat", "hello") == "hello"
    bart.say("hello, too")
    assert anna.expect("sv_chat", "too") == "hello, too"

    port = site.saved()["port"]
    for name, reason in (("mallory", NO_SEAT), ("Anna", HERE_ALREADY)):
        unwanted = crowd.enter(name, port)
        entered_at = time.monotonic()
        assert reason in unwanted.expect("close")
        seconds = time.monotonic() - entered_at
        with capsys.disabled():
            print(f"\n{name} was kicked {seconds * 1000:.0f} ms after entering")
        assert seconds < KICKED_WITHIN_SECONDS
    wait_for_names(site, "anna", "bartholomew_the")

    site.command("say", "teeworlds", "The map is changed")
    assert bart.expect("sv_chat", "The map") == "The map is changed"
    site.command("map", "teeworlds", "dm2")
    for bot in (anna, bart):
        assert bot.expect("map_change") == "dm2"
        bot.expect("sv_ready_to_enter")
    site.wait_for_map("dm2")
    wait_for_names(site, "anna", "bartholomew_the")

    # While there is no launcher, nobody is looked at; the next one makes up for that.
    launcher.send_signal(signal.SIGKILL)
    launcher.wait(PATIENCE)
    unwanted = crowd.enter("mallory", port)
    launcher = site.launch()
    assert NO_SEAT in unwanted.expect("close", seconds=PATIENCE)
    wait_for_names(site, "anna", "bartholomew_the")
    anna.say("still here")
    assert bart.expect("sv_chat", "still") == "still here"

    # Seats outlive the game's process.
    (game,) = site.games_running()
    os.kill(game.pid, signal.SIGKILL)
    for bot in (anna, bart):
        with pytest.raises(AssertionError, match="refused"):
            bot.expect("map_change")
    site.wait_for(lambda: site.listed() and site.saved()["pid"] not in (0, game.pid), "it is restarted")
    assert site.wait_for_map("dm1")["port"] != port
    tokens.add(site.saved()["token"])
    again = [crowd.enter(player.name, site.saved()["port"]) for player in players]
    assert NO_SEAT in crowd.enter("mallory", site.saved()["port"]).expect("close")
    wait_for_names(site, "anna", "bartholomew_the")

    site.command("kick", "teeworlds", "anna", "enough for today")
    assert "enough for today" in again[0].expect("close")
    wait_for_names(site, "bartholomew_the")

    assert len(tokens) == 2
    (game,) = site.games_running()
    assert game.pid in {one.pid for one in site.with_tokens(tokens)} <= {game.pid, game.ppid()}
    site.stop(launcher)
    site.wait_for(lambda: site.with_tokens(tokens) == [], "no process is left")
    assert site.listed() == {}
    for line in ("anna joined", f"mallory (127.0.0.1) was kicked: {NO_SEAT}"):
        assert f"teeworlds: {line}" in site.log()
    for text in (site.log(), site.log("login_server")):
        assert "Traceback" not in text
        assert "ResourceWarning" not in text
