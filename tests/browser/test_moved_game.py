"""A game that moves to another server while people play it in their browsers."""

import contextlib
import re
from typing import Any

import msgspec
from playwright.sync_api import expect
from websockets.sync.client import connect

from connhandler import Message
from connhandler.jsonmessage import Hello, Refused, Welcome
from game_server.protocol import ANY_GAME, Joined
from login_server import protocol as login
from tests.browser.people import PASSWORD, PHONE
from tests.browser.test_play_in_browser import Meet, match
from tests.game_server.gameclient import GameClient

SERVER_ID = "local/four"


class Voter:
    """Somebody who comes to the server without a browser, and votes for another map."""

    def __init__(self, address: str, name: str) -> None:
        self._open = contextlib.ExitStack()
        url = f"{address.replace('http', 'ws', 1)}players"
        self._lobby = self._open.enter_context(connect(url, proxy=None))
        self._ask(Hello([2]), Welcome)
        self._ask(login.Register(name, PASSWORD), login.Registered)
        self._ask(login.LogIn(name, PASSWORD), login.LoggedIn)
        granted = self._ask(login.JoinServer(SERVER_ID), login.JoinGranted)
        game = GameClient(granted.port, ANY_GAME, {"token": granted.ticket})
        self._open.callback(game.close)
        game.expect(Joined)

    def vote(self) -> None:
        self._say(login.VoteMap(SERVER_ID, "9x7"))

    def _say(self, message: Message) -> None:
        self._lobby.send(msgspec.json.encode(message).decode())

    def leave(self) -> None:
        self._open.close()

    def _ask(self, message: Message, answer_class: type[Any]) -> Any:
        """Say something, and return the answer, passing over what else comes."""
        self._say(message)
        while True:
            answer = msgspec.json.decode(self._lobby.recv(20), type=login.ToPlayer)
            assert not isinstance(answer, Refused), answer
            if isinstance(answer, answer_class):
                return answer


def test_a_game_goes_on_where_it_has_moved_to_and_the_next_one_has_another_board(meet: Meet, address: str) -> None:
    alice, bob = meet("alice"), meet("bob", PHONE)
    first, second = match(alice, bob)
    first.drop(3)
    second.drop(4)
    first.sees("Your turn")
    voters = [Voter(address, name) for name in ("carol", "dave", "erin", "frank")]
    for voter in voters:
        voter.vote()
    for person in (first, second):
        person.hears("The game moves to another server.")
        person.sees_discs(2)
    first.drop(3)
    second.sees("Your turn")
    second.sees_discs(3)
    for person in (first, second):
        person.hears_nothing_of("is back")
        person.hears_nothing_of("lost")
        assert len(person.board()) == 7
        person.picture("moved")
    second.page.get_by_role("button", name="Resign").click()
    second.page.locator("#resign-dialog").get_by_role("button", name=re.compile("Resign")).click()
    first.sees("You win!")
    for voter in voters:
        voter.leave()

    for person in (first, second):
        person.page.get_by_role("button", name=re.compile("^Play .* again$")).click()
    for person in (first, second):
        expect(person.page.locator("#board button")).to_have_count(9)
        expect(person.page.locator("#board .rim")).to_have_count(63)
        person.picture("larger")
    mover = next(person for person in (first, second) if "Your turn" in person.page.locator("#turn-title").inner_text())
    mover.drop(9)
    mover.sees_discs(1)
    assert "red" in (mover.board()[8] or "") or "yellow" in (mover.board()[8] or "")
