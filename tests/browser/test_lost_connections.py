"""Connections that end, that are dead without a word, and that cannot be made again."""

import json
import re
from collections.abc import Callable

from playwright.sync_api import WebSocketRoute, expect

from tests.browser.people import Person
from tests.browser.test_play_in_browser import Meet, match

LONG_MILLISECONDS = 6_500
"""Longer than the page waits for an answer, and than it waits before its first attempt to connect again."""
QUIET_MILLISECONDS = 30_000
"""So long after the last word the page asks the login server for one."""


class Wires:
    """The WebSockets of one person, which the test can cut.

    Attributes:
        made: so many were made so far.
        dead: nothing comes through the ones that there are, in either direction, and nobody is told.
    """

    def __init__(self, person: Person, pattern: str) -> None:
        self.made = 0
        self.dead = False
        self._cut: Callable[[], None] = lambda: None
        person.page.clock.install()
        person.page.route_web_socket(re.compile(pattern), self._connect)

    def cut(self) -> None:
        """End the last one, as an accident of the server would."""
        self._cut()

    def _connect(self, page_side: WebSocketRoute) -> None:
        self.made += 1
        self.dead = False
        number = self.made
        server_side = page_side.connect_to_server()

        def alive() -> bool:
            return not self.dead or number < self.made

        page_side.on_message(lambda data: server_side.send(data) if alive() else None)
        server_side.on_message(lambda data: page_side.send(data) if alive() else None)

        def cut() -> None:
            server_side.close()
            page_side.close(code=1011)

        self._cut = cut


GAMES = r"/match-"
LOGIN = r"/players$"


def test_a_connection_that_is_dead_without_a_word_is_noticed_and_made_again(meet: Meet) -> None:
    niaj, olivia = meet("niaj"), meet("olivia")
    wires = {person.name: Wires(person, GAMES) for person in (niaj, olivia)}
    first, second = match(niaj, olivia)

    # What is played gets no answer.
    first.sees("Your turn")
    wires[first.name].dead = True
    first.page.get_by_role("button", name=re.compile("^Column 2,")).click()
    first.page.clock.fast_forward(LONG_MILLISECONDS)
    first.sees("Your turn")
    expect(first.page.get_by_role("button", name="Resign")).to_be_visible()
    assert wires[first.name].made == 2
    first.drop(2)
    second.sees("Your turn")

    # Nobody plays, and the network comes back.
    wires[second.name].dead = True
    second.page.evaluate("dispatchEvent(new Event('online'))")
    second.page.clock.fast_forward(LONG_MILLISECONDS)
    second.drop(3)
    first.sees_discs(2)
    assert wires[second.name].made == 2


def test_a_dead_connection_to_the_login_server_is_noticed_and_what_was_wanted_is_wanted_again(meet: Meet) -> None:
    peggy = meet("peggy")
    wires = Wires(peggy, LOGIN)
    peggy.register()
    wires.dead = True
    peggy.find_match()
    peggy.page.clock.fast_forward(QUIET_MILLISECONDS)
    peggy.page.clock.fast_forward(LONG_MILLISECONDS)
    expect(peggy.page.locator("#offline")).to_be_hidden()
    assert wires.made == 2
    other = meet("quentin")
    other.register()
    other.find_match()
    peggy.hears("Matched with quentin.")


def test_a_game_that_is_over_is_not_connected_to_again(meet: Meet) -> None:
    rupert, sybil = meet("rupert"), meet("sybil")
    wires = Wires(rupert, GAMES)
    match(rupert, sybil)
    sybil.page.get_by_role("button", name="Resign").click()
    sybil.page.get_by_role("dialog").get_by_role("button", name="Resign").click()
    rupert.sees("You win!")
    wires.cut()
    rupert.page.wait_for_function("!JSON.stringify(sessionStorage).includes('resumeKey')")
    rupert.page.clock.run_for(LONG_MILLISECONDS)
    rupert.sees("You win!")
    assert wires.made == 1


def test_a_game_that_is_no_more_is_not_looked_for_any_longer(meet: Meet) -> None:
    trent, victor = meet("trent"), meet("victor")
    match(trent, victor)
    ((key, text),) = trent.page.evaluate("Object.entries(sessionStorage)")
    stored = json.loads(text)
    stored["game"]["resumeKey"] = "of a game long ago"
    trent.page.evaluate("([key, text]) => sessionStorage.setItem(key, text)", [key, json.dumps(stored)])
    trent.page.reload()
    expect(trent.page.locator("#entry-note")).to_have_text("That game is over, or its server was started anew.")
    expect(trent.page.locator("#log-in-password")).to_be_focused()
