"""People play four in a row in real browsers, against a real stack."""

import json
import re
import urllib.request
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import WebSocketRoute, expect

from tests.browser.people import PASSWORD, PHONE, Person, begin

Meet = Callable[..., Person]

DIAGONAL = [1, 2, 2, 3, 3, 4, 3, 4, 4, 7, 4]
"""Columns that let the beginner win from the lower left corner upwards."""


def status_of(address: str) -> dict[str, Any]:
    with urllib.request.urlopen(f"{address}status", timeout=10) as answer:
        status: dict[str, Any] = json.load(answer)
        return status


def match(*people: Person) -> tuple[Person, Person]:
    """Let two people register and play each other; return who begins, and the other one."""
    one, two = people
    one.register()
    two.register()
    one.find_match(two.name)
    two.find_match(one.name)
    return begin(people)


def test_two_people_register_are_matched_and_play_a_whole_game(meet: Meet, address: str) -> None:
    alice, bob = meet("alice"), meet("bob", PHONE)
    for person in (alice, bob):
        person.picture("1-entry")
        person.fits()
        person.register()
        expect(person.page.locator("#servers li")).to_have_count(1)
        person.picture("2-lobby")
        person.fits()
    alice.find_match()
    expect(alice.page.get_by_role("heading", name="Looking for an opponent …")).to_be_visible()
    alice.picture("3-waiting")
    bob.find_match()
    first, second = begin([alice, bob])
    expect(first.page).to_have_title(re.compile("Your turn"))
    first.sees("Your turn", "You play ")
    own, theirs = ("red", "yellow") if "red" in first.page.locator("#turn-detail").inner_text() else ("yellow", "red")
    for number, column in enumerate(DIAGONAL, 1):
        (first, second)[(number - 1) % 2].drop(column)
        second.sees_discs(number)
        if number == 6:
            for person in (alice, bob):
                person.picture("4-game")
                person.fits()
    first.sees("You win!", "Four in a row after 11 turns.")
    second.sees(f"{first.name} wins", "Four in a row after 11 turns.")
    for person in (alice, bob):
        expect(person.page.locator("#board .line")).to_have_count(1)
        expect(person.page.locator("#board .beaten")).to_have_count(7)
        expect(person.page.get_by_role("button", name=re.compile("^Play .* again$"))).to_be_visible()
        person.picture("5-over")
        person.fits()
    assert first.board() == second.board()
    assert first.board()[2] == f"Column 3, from the bottom: {theirs}, {own}, {own}"

    # Who watches the server sees the result; then it is recorded.
    monitor = alice.open(f"{address}monitor")
    expect(monitor.locator("#matches")).to_contain_text(f"{first.name} won")
    expect(monitor.locator("#matches")).to_contain_text("final score: ")
    (recorded,) = status_of(address)["matches"]
    assert recorded["state"] == "ended"
    assert sorted(recorded["players"]) == ["alice", "bob"]
    result = recorded["result"]
    assert (result["winner"], result["reason"], result["turns"]) == (first.name, "won", 11)
    told = status_of(address)
    monitor.route(f"{address}status", lambda route: route.fulfill(json=told))
    for reason, text in (("server_stopped", "no winner (the server was stopped)"), ("out_of_time", "(out of time)")):
        ended = {**recorded, "result": {**recorded["result"], "winner": "", "reason": reason}}
        told["matches"] = [ended]
        expect(monitor.locator("#matches")).to_contain_text(text)
    (server,) = told["servers"]
    server["names"] = [first.name, "<b>it's me</b>"]
    expect(monitor.locator("#servers li")).to_contain_text(f"{first.name}, <b>it's me</b>")
    server["names"] = []
    expect(monitor.locator("#servers li")).not_to_contain_text("it's me")
    monitor.get_by_role("link", name="Play").click()
    expect(monitor.get_by_role("heading", name="Log in")).to_be_visible()

    alice.page.get_by_role("button", name="Back to lobby").click()
    alice.is_in_lobby()


def test_a_phone_on_its_side_and_a_window_magnified_show_the_board_and_whose_turn_it_is(meet: Meet) -> None:
    people = meet("walter", PHONE), meet("yvonne")
    match(*people)
    for person, (width, height) in zip(people, ((740, 360), (640, 400)), strict=True):
        person.page.set_viewport_size({"width": width, "height": height})
        for part in ("#board .frame", "#turn-title"):
            expect(person.page.locator(part)).to_be_in_viewport(ratio=1)
        person.fits()
        person.picture("9-low")


def test_by_keyboard_alone(meet: Meet) -> None:
    people = carol, dave = meet("carol"), meet("dave")
    for person in people:
        expect(person.page.locator("#log-in-name")).to_be_focused()
        person.press("Tab", "Tab", "Tab", "Enter")
        expect(person.page.locator("#register-name")).to_be_focused()
        person.page.keyboard.type(person.name)
        person.press("Tab")
        person.page.keyboard.type(PASSWORD)
        person.press("Enter")
        person.is_in_lobby()
    for person, partner in ((carol, "dave"), (dave, "carol")):
        expect(person.page.locator("#lobby-title")).to_be_focused()
        person.press("Tab", "ArrowRight", "Tab")
        person.page.keyboard.type(partner)
        person.press("Enter")
    first, second = begin(people)
    for person in people:
        expect(person.page.locator("#game-title")).to_be_focused()
        person.press("Tab")
        expect(person.page.get_by_role("button", name="Column 4, empty")).to_be_focused()
    first.press("ArrowLeft", "ArrowLeft", "Enter")
    second.hears(f"{first.name} dropped into column 2, row 1. Your turn.")
    second.press("End", "Space")
    first.hears(f"{second.name} dropped into column 7, row 1. Your turn.")
    first.press("7")
    second.hears(f"{first.name} dropped into column 7, row 2. Your turn.")
    expect(first.page.get_by_role("button", name=re.compile("^Column 7,"))).to_be_focused()
    first.press("1")
    first.hears(f"It is the turn of {second.name}.")
    second.sees_discs(3)

    # Resigning is asked back.
    second.press("Tab", "Enter")
    expect(second.page.get_by_role("dialog", name="Resign this game?")).to_be_visible()
    second.press("Escape")
    expect(second.page.get_by_role("dialog")).to_have_count(0)
    second.press("Enter", "Tab", "Enter")
    second.sees("You resigned", f"{first.name} wins.")
    expect(second.page.locator("#turn-title")).to_be_focused()
    first.sees("You win!", f"{second.name} resigned after 3 turns.")
    first.hears("Game over. You win!")

    # Once more, as both of them want it.
    for person, partner in ((first, second.name), (second, first.name)):
        again = person.page.get_by_role("button", name=f"Play {partner} again")
        again.focus()
        person.press("Enter")
    begin(people)


def test_a_reload_goes_on_with_the_game(meet: Meet) -> None:
    first, second = match(meet("erin"), meet("frank", PHONE))
    first.drop(4)
    second.drop(4)
    first.sees_discs(2)
    second.page.reload()
    second.sees(f"{first.name}\u2019s turn")
    second.sees_discs(2)
    expect(second.page.locator("#board .last")).to_have_count(1)
    first.drop(5)
    second.drop(5)
    first.sees_discs(4)
    stored = second.page.evaluate("JSON.stringify({...sessionStorage, ...localStorage}) + document.cookie")
    assert "resumeKey" in stored
    assert PASSWORD not in stored
    second.page.get_by_role("button", name="Resign").click()
    second.page.get_by_role("dialog").get_by_role("button", name="Resign").click()
    second.sees("You resigned")
    # The log-in did not survive the reload: to play again takes the password, with the name filled in.
    second.page.get_by_role("button", name="Back to lobby").click()
    expect(second.page.locator("#log-in-name")).to_have_value(second.name)
    expect(second.page.locator("#log-in-password")).to_be_focused()
    second.try_to_log_in(PASSWORD)
    second.is_in_lobby()


def test_a_lost_connection_is_made_again_and_nothing_is_missed(meet: Meet) -> None:
    grace, heidi = meet("grace"), meet("heidi")
    cut: list[Callable[[], None]] = []
    lost = False

    def pass_on(page_side: WebSocketRoute) -> None:
        if lost:
            page_side.close(code=1011)
            return
        server_side = page_side.connect_to_server()
        cut[:] = [server_side.close, lambda: page_side.close(code=1011)]

    heidi.page.route_web_socket(re.compile(r"/match-|/players$"), pass_on)
    match(grace, heidi)
    if grace.page.locator("#turn").get_attribute("data-mood") == "theirs":
        heidi.drop(1)
    lost = True
    for side in cut:
        side()
    heidi.sees("Connection lost")
    heidi.hears("The connection is lost.")
    expect(heidi.page.get_by_role("button", name="Leave")).to_be_visible()
    grace.sees("heidi is gone", "You win if heidi is not back in")
    grace.page.get_by_role("button", name=re.compile("^Column 3,")).click()
    heidi.hears_nothing_of("grace dropped into column 3")
    lost = False
    heidi.hears("grace dropped into column 3, row 1. Your turn.")
    heidi.drop(3)
    grace.hears("heidi is back.")
    grace.sees("Your turn")
    assert grace.board() == heidi.board()


def test_another_tab_takes_the_game_over(meet: Meet, address: str) -> None:
    first, second = match(meet("ivan"), meet("judy"))
    first.drop(2)
    second.sees("Your turn")
    one = second.page
    two = second.open(address)
    two.evaluate(
        "stored => sessionStorage.setItem(...Object.entries(stored)[0])", one.evaluate("({...sessionStorage})")
    )
    two.reload()
    second.sees("Open somewhere else")
    second.page = two
    second.sees("Your turn")
    second.drop(2)
    first.sees("Your turn")
    one.get_by_role("button", name="Play here").click()
    second.sees("Open somewhere else")
    second.page = one
    second.sees(f"{first.name}\u2019s turn")
    second.sees_discs(2)


def test_every_refusal_is_said_where_it_belongs(meet: Meet) -> None:
    kate = meet("kate", PHONE)
    page = kate.page
    kate.try_to_log_in("wrong password")
    expect(page.get_by_role("alert")).to_have_text(re.compile("^That name and password do not go together"))
    expect(page.locator("#log-in-password")).to_be_focused()
    kate.fits()
    kate.register()
    page.get_by_role("button", name="Log out").click()
    expect(page.locator("#log-in-password")).to_have_value("")
    kate.try_to_log_in("wrong password")
    expect(page.get_by_role("alert")).to_have_text(re.compile("^That name and password do not go together"))

    page.get_by_role("button", name="Create an account").click()
    for name, password, place, text in (
        ("", PASSWORD, "name", "Enter a name."),
        ("kate", "", "password", "Enter a password."),
        ("KATE", PASSWORD, "name", "That name is taken."),
        ("<b>kate</b>", PASSWORD, "name", "A name has 2 to 24 letters"),
        ("leo", "short", "password", "A password has at least 8 characters."),
    ):
        page.locator("#register-name").fill(name)
        page.locator("#register-password").fill(password)
        page.get_by_role("button", name="Create account").click()
        expect(page.locator(f"#register-{place}-error")).to_contain_text(text)
        expect(page.locator(f"#register-{place}")).to_have_attribute("aria-invalid", "true")
        expect(page.locator(f"#register-{place}")).to_be_focused()
    kate.fits()
    kate.picture("6-refused")


def test_the_lobby_waits_and_cancels_and_fits_a_phone(meet: Meet) -> None:
    name = "a-name-as-long-as-it-gets"[:24]
    someone = meet(name, PHONE)
    page = someone.page
    someone.register()
    someone.find_match("a-friend-of-a-long-name")
    expect(page.get_by_role("heading", name="Waiting for a-friend-of-a-long-name …")).to_be_visible()
    expect(page.get_by_role("button", name="Cancel")).to_be_focused()
    someone.fits()
    someone.picture("7-friend")
    page.get_by_role("button", name="Cancel").click()
    someone.find_match(name.upper())
    expect(page.get_by_role("alert")).to_contain_text("you cannot be your own partner")
    # A seat without a match: the game waits for whoever comes.
    page.get_by_role("button", name="Join four").click()
    someone.sees("Waiting for another player …")
    someone.fits()
    someone.picture("8-open")
    page.get_by_role("button", name="Leave").click()
    someone.is_in_lobby()


def test_a_server_that_sleeps_is_waited_for(meet: Meet) -> None:
    kira = meet("kira")
    asked: list[Callable[[], None]] = []

    def pass_on(page_side: WebSocketRoute) -> None:
        server_side = page_side.connect_to_server()

        def ask(message: str | bytes) -> None:
            if b"join_server" not in (message if isinstance(message, bytes) else message.encode()):
                server_side.send(message)
                return
            server_id = json.loads(message)["server_id"]
            reason = "the server is being woken: it gets ready"
            page_side.send(json.dumps({"type": "join_pending", "server_id": server_id, "reason": reason}))
            asked.append(lambda: server_side.send(message))

        page_side.on_message(ask)

    kira.page.route_web_socket(re.compile("/players$"), pass_on)
    kira.register()
    kira.page.locator("#servers li button").click()
    expect(kira.page.get_by_role("heading", name=re.compile("^Waiting for .* …$"))).to_be_focused()
    detail = "The server is being woken: it gets ready. You are in as soon as it is ready."
    expect(kira.page.locator("#waiting-detail")).to_have_text(detail)
    expect(kira.page.get_by_role("button", name="Cancel")).to_be_hidden()
    kira.picture("3-waking")
    kira.fits()
    asked[0]()
    kira.sees("Waiting for another player …")


def test_nothing_but_the_pages_own_files_runs(meet: Meet) -> None:
    mallory = meet("mallory")
    page = mallory.page
    with pytest.raises(Exception, match="TrustedHTML"):
        page.evaluate("document.body.innerHTML = '<img src=x onerror=alert(1)>'")
    page.evaluate(
        """() => {
            window.violated = new Promise(tell => addEventListener("securitypolicyviolation", tell, {once: true}));
            const style = document.createElement("style");
            style.textContent = "body { display: none }";
            document.head.append(style);
        }"""
    )
    assert page.evaluate("window.violated.then(event => event.effectiveDirective)") == "style-src-elem"
    assert page.evaluate("getComputedStyle(document.body).display") != "none"
    assert mallory.problems, "the browser says so, too"
    mallory.problems.clear()
