"""Players in their browsers vote for the next map of the server that they play on, and see who is on a server."""

import json
import re

from playwright.sync_api import WebSocketRoute, expect

from tests.browser.people import PHONE, Person
from tests.browser.test_play_in_browser import Meet, match

MARKUP = "<img src=x>"
LONG = "x" * 128


def chosen(person: Person, maps: list[str]) -> None:
    """Wait until these maps can be voted for, and another one than now is chosen."""
    offered = person.page.get_by_label("Next map")
    expect(offered.locator("option")).to_have_text(maps)
    expect(offered).not_to_have_value(next(name.removesuffix(" (now)") for name in maps if name.endswith(" (now)")))


def vote(person: Person, name: str) -> None:
    person.page.get_by_label("Next map").select_option(name)
    person.page.get_by_role("button", name="Vote", exact=True).click()


def reads(person: Person, text: str) -> None:
    """Wait until the page says of the vote what a screen reader says, too."""
    expect(person.page.locator("#vote-news")).to_contain_text(text)
    person.hears(text)


def test_two_players_vote_and_the_game_moves(meet: Meet) -> None:
    nina, otto = meet("nina"), meet("otto", PHONE)
    match(nina, otto)
    for person in (nina, otto):
        chosen(person, ["7x6 (now)", "8x7", "9x7"])
        expect(person.page.locator("#vote-news")).to_be_hidden()
        person.fits()
        person.picture("votes-before")

    # By keyboard alone: a digit chooses a map, and drops nothing.
    nina.page.get_by_label("Next map").focus()
    nina.press("9")
    expect(nina.page.get_by_label("Next map")).to_have_value("9x7")
    nina.press("8")
    nina.press("Tab", "Enter")
    for person in (nina, otto):
        reads(person, "Vote for the next map: 9x7 1 of 2 needed")
        person.sees_discs(0)
    vote(nina, "8x7")
    for person in (nina, otto):
        reads(person, "Vote for the next map: 8x7 1 of 2 needed")
        person.fits()
        person.picture("votes-begun")

    vote(otto, "8x7")
    for person in (nina, otto):
        reads(person, "The vote for the next map has ended: 8x7 was chosen.")
        person.hears("The game moves to another server.")
        chosen(person, ["7x6", "8x7 (now)", "9x7"])
        assert len(person.board()) == 7
        person.fits()
        person.picture("votes-passed")
    vote(otto, "7x6")
    reads(otto, "Your vote does not count: the last vote has just ended; the next may begin in ")
    otto.fits()
    otto.picture("votes-refused")

    # The next game has the board that was voted for.
    nina.page.get_by_role("button", name="Resign").click()
    nina.page.get_by_role("dialog").get_by_role("button", name="Resign").click()
    otto.sees("You win!")
    for person in (nina, otto):
        expect(person.page.locator("#vote")).to_be_hidden()
    for person in (nina, otto):
        person.page.get_by_role("button", name=re.compile("^Play .* again$")).click()
    for person in (nina, otto):
        expect(person.page.locator("#board button")).to_have_count(8)
        expect(person.page.locator("#vote-news")).to_be_hidden()


def test_the_list_shows_who_is_on_a_server(meet: Meet) -> None:
    def pass_on(page_side: WebSocketRoute) -> None:
        server_side = page_side.connect_to_server()

        def told(data: str | bytes) -> None:
            message = json.loads(data)
            for server in message.get("servers", []):
                server["names"] = names
            page_side.send(json.dumps(message))

        server_side.on_message(told)

    cases = {
        f"Here: rosa, {MARKUP}, {LONG[:23]}\u2026 and 2 more": ["rosa", MARKUP, LONG, "sven", "tara"],
        "Here: rosa, sven": ["rosa", "sven"],
    }
    for person, (text, names) in zip((meet("pia", PHONE), meet("quin")), cases.items(), strict=True):
        person.page.route_web_socket(re.compile("/players$"), pass_on)
        person.register()
        here = person.page.locator("#servers .what").get_by_text("Here: ")
        expect(here).to_have_text(text)
        expect(here).to_have_attribute("title", ", ".join(names))
        expect(person.page.locator("#servers img")).to_have_count(0)
        person.fits()
        person.picture("names")
