"""People at their browsers: what they do on the page, and what they can see there."""

import os
import re
from collections.abc import Sequence
from pathlib import Path

from playwright.sync_api import Browser, ConsoleMessage, Page, expect

PASSWORD = "correct horse"
DESKTOP = (1280, 800)
PHONE = (360, 740)
TOUCHABLE = 44
"""The least width and height of what is tapped, in CSS pixels (WCAG 2.5.5)."""
TOO_SMALL = """least => [...document.querySelectorAll("button, a, input, select, .choice label")].filter(element => {
    const { width, height } = element.getBoundingClientRect();
    return element.checkVisibility() && (width < least || height < least);
}).map(element => element.outerHTML)"""
SCREENSHOTS = os.environ.get("BROWSER_SCREENSHOTS", "")
"""Where to put pictures of the pages, for people to look at; empty for none."""


class Person:
    """Somebody with a browser, on the login server's page.

    Attributes:
        name: to register with.
        page: the tab.
        problems: what the browser complained about: errors of scripts, of loading, of the content security policy.
    """

    def __init__(self, browser: Browser, address: str, name: str, size: tuple[int, int] = DESKTOP) -> None:
        self.name = name
        self.problems: list[str] = []
        self.is_phone = size == PHONE
        width, height = size
        self.context = browser.new_context(
            viewport={"width": width, "height": height}, has_touch=self.is_phone, is_mobile=self.is_phone
        )
        self.page = self.open(address)

    def open(self, address: str) -> Page:
        """Open a tab."""
        page = self.context.new_page()
        page.on("console", self._said)
        page.on("pageerror", lambda error: self.problems.append(str(error)))
        page.goto(address)
        return page

    def _said(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.problems.append(message.text)

    # --- logging in ---

    def register(self) -> None:
        page = self.page
        page.get_by_role("button", name="Create an account").click()
        page.locator("#register-name").fill(self.name)
        page.locator("#register-password").fill(PASSWORD)
        page.get_by_role("button", name="Create account").click()
        self.is_in_lobby()

    def try_to_log_in(self, password: str) -> None:
        self.page.locator("#log-in-name").fill(self.name)
        self.page.locator("#log-in-password").fill(password)
        self.page.locator("#log-in").get_by_role("button", name="Log in").click()

    def is_in_lobby(self) -> None:
        expect(self.page.get_by_role("heading", level=1)).to_have_text(f"Hello, {self.name}")

    def find_match(self, partner: str = "") -> None:
        if partner:
            self.page.locator("label", has_text="A friend").click()
            self.page.get_by_label("Your friend\u2019s name").fill(partner)
        self.page.get_by_role("button", name="Find a match").click()

    # --- playing ---

    def drop(self, column: int) -> None:
        """Click or tap a column, from 1, when it is this person's turn."""
        self.sees("Your turn")
        button = self.page.get_by_role("button", name=re.compile(f"^Column {column},"))
        if self.is_phone:
            button.tap()
        else:
            button.click()

    def sees(self, title: str, detail: str = "") -> None:
        """Wait until the page says how the game stands."""
        expect(self.page.locator("#turn-title")).to_have_text(title)
        if detail:
            expect(self.page.locator("#turn-detail")).to_contain_text(detail)

    def sees_discs(self, count: int) -> None:
        expect(self.page.locator("#board .disc-in-place")).to_have_count(count)

    def hears(self, text: str) -> None:
        """Wait until a screen reader would have said it."""
        expect(self.page.locator("#announcements p", has_text=text)).not_to_have_count(0)

    def hears_nothing_of(self, text: str) -> None:
        expect(self.page.locator("#announcements p", has_text=text)).to_have_count(0)

    def board(self) -> list[str | None]:
        """What a screen reader says of the columns."""
        columns = self.page.locator("#board button")
        return [columns.nth(number).get_attribute("aria-label") for number in range(columns.count())]

    def press(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)

    # --- looking ---

    def fits(self) -> None:
        """Nothing has to be scrolled sideways, and what is tapped is large enough."""
        wide, wanted = self.page.evaluate("[document.documentElement.scrollWidth, window.innerWidth]")
        assert wide <= wanted, f"{wide} pixels wide where there are {wanted}"
        assert self.page.evaluate(TOO_SMALL, TOUCHABLE) == []

    def picture(self, name: str) -> None:
        if SCREENSHOTS:
            folder = Path(SCREENSHOTS)
            folder.mkdir(parents=True, exist_ok=True)
            finished = "Promise.all(document.getAnimations().filter(a => a.effect.getTiming().iterations === 1)"
            self.page.evaluate(f"{finished}.map(a => a.finished))")
            self.page.screenshot(path=folder / f"{name}-{self.name}.png")


def begin(people: Sequence[Person]) -> tuple[Person, Person]:
    """Wait until the game has begun, and return who has the first turn, and the other one."""
    for person in people:
        expect(person.page.locator("#turn")).to_have_attribute("data-mood", re.compile("mine|theirs"))
    first, second = people
    if first.page.locator("#turn").get_attribute("data-mood") == "theirs":
        first, second = second, first
    return first, second
