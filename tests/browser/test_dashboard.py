"""The launcher's dashboard in a browser: a real launcher, with two real game servers."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from playwright.sync_api import Browser, Locator, Page, Route, expect

from tests.browser.people import DESKTOP, PHONE, SCREENSHOTS, TOO_SMALL, TOUCHABLE

ROOT = Path(__file__).parents[2]
GAMES = """
game = "four_in_a_row"
servers = ["four", "five"]
capacity = 200
map = "7x6"
command = [
    "{python}", "-m", "game_server", "--address", "{listen_address}", "--port", "{port}", "--server", "{server}",
    "--launcher-address", "{controller_address}", "--launcher-port", "{controller_port}",
]
environment = { GAME_CONTROLLER_TOKEN = "{token}" }
"""

Visit = Callable[..., Page]


class Launcher(NamedTuple):
    """One that runs.

    Attributes:
        page: the address of its dashboard, with the key.
    """

    folder: Path
    page: str


@pytest.fixture(scope="module")
def launcher(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Launcher]:
    folder = tmp_path_factory.mktemp("launcher")
    (folder / "games").mkdir()
    (folder / "games" / "four_in_a_row.toml").write_text(GAMES)
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        page_port = sock.getsockname()[1]
    options = ["--key=none", "--name=harbour", "--login-port=1", "--controller-port=0", f"--page-port={page_port}"]
    with (folder / "log").open("w+") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "game_server_launcher", *options, "--figures-seconds=0.5"],
            cwd=folder, env={**os.environ, "PYTHONPATH": str(ROOT)}, stderr=log, start_new_session=True,
        )  # fmt: skip
        found = None
        while found is None:
            assert process.poll() is None, (folder / "log").read_text()
            found = re.search(r"dashboard is at (\S+)", (folder / "log").read_text())
        yield Launcher(folder, found[1])
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0, (folder / "log").read_text()
        assert "Traceback" not in (folder / "log").read_text()


@pytest.fixture
def visit(browser: Browser, launcher: Launcher) -> Iterator[Visit]:
    """Opens the dashboard; at the end, no browser may have complained about anything."""
    problems: list[str] = []
    contexts = []

    def visit(size: tuple[int, int] = DESKTOP, dark: bool = False) -> Page:
        width, height = size
        context = browser.new_context(
            viewport={"width": width, "height": height}, color_scheme="dark" if dark else "light"
        )
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda said: problems.append(said.text) if said.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.goto(launcher.page)
        for name in ("four", "five"):
            expect(card(page, name).locator(".badge")).to_have_text("ready")
        return page

    yield visit
    for context in contexts:
        context.close()
    assert problems == []


def card(page: Page, name: str) -> Locator:
    return page.get_by_role("article", name=name, exact=True)


def fact(page: Page, server: str, term: str) -> str:
    row = card(page, server).locator(".facts div", has=page.locator("dt", has_text=re.compile(f"^{term}$")))
    return row.locator("dd").inner_text()


def test_it_shows_how_the_servers_stand(visit: Visit) -> None:
    page = visit()
    expect(page.get_by_role("heading", level=1)).to_have_text("harbour")
    expect(page.locator("#totals")).to_contain_text("2 of 2")
    expect(page.locator("#login")).to_contain_text("away")
    expect(card(page, "four")).to_contain_text("four_in_a_row · 7x6 · version 1")
    assert (fact(page, "four", "Players"), fact(page, "four", "Restarts")) == ("0 / 200", "0")
    assert fact(page, "four", "Process").isdigit()
    plot = card(page, "four").get_by_role("img", name=re.compile(r"^Memory: \d+ MiB, at most \d+ MiB"))
    expect(plot.locator(".curve")).to_have_attribute("d", re.compile(r"M[\d.]+ [\d.]+L"))


def test_a_restart_by_button_and_what_came_of_it(visit: Visit) -> None:
    page = visit()
    before, other = fact(page, "four", "Process"), fact(page, "five", "Process")
    card(page, "four").get_by_role("button", name="Restart").click()
    expect(card(page, "four").get_by_role("status")).to_contain_text("four: ready again on port")
    expect(card(page, "four").locator(".badge")).to_have_text("ready")
    assert fact(page, "four", "Process").isdigit()
    assert fact(page, "four", "Process") != before
    assert fact(page, "five", "Process") == other
    card(page, "four").get_by_role("button", name="Events").click()
    events = card(page, "four").get_by_role("listitem")
    expect(events.first).to_contain_text("ready")
    expect(card(page, "four").locator("ol")).to_contain_text("the operator: restart")


def test_a_server_is_stopped_and_started(visit: Visit) -> None:
    page = visit()
    five = card(page, "five")
    five.get_by_role("button", name="Stop").click()
    expect(five.locator(".badge")).to_have_text("stopped")
    expect(five.get_by_role("button", name="Stop")).to_be_hidden()
    expect(five.get_by_role("button", name="Restart")).to_be_hidden()
    expect(page.locator("#totals")).to_contain_text("1 of 2")
    five.get_by_role("button", name="Start").click()
    expect(five.locator(".badge")).to_have_text("ready")


@pytest.mark.parametrize(("state", "look"), [("asleep", ""), ("frozen", ""), ("silent", "call")])
def test_servers_that_sleep_are_no_reason_to_look(visit: Visit, state: str, look: str) -> None:
    page = visit()

    def change(route: Route) -> None:
        told = route.fetch().json()
        told["launcher"]["servers"][0]["state"] = state
        route.fulfill(json=told)

    page.route("**/state?*", change)
    expect(page.locator("#totals")).to_contain_text("1 of 2")
    expect(page.locator("#totals dd").first).to_have_class(look)


def test_the_output_is_shown_live(visit: Visit, launcher: Launcher) -> None:
    page = visit()
    card(page, "four").get_by_role("button", name="Output").click()
    expect(card(page, "four").locator("pre")).to_contain_text("players connect to ws://127.0.0.1:")
    evil = "<img src=x onerror=alert(1)>"
    with (launcher.folder / "run" / "four" / "output.log").open("a") as output:
        output.write(evil + "\n")
    expect(card(page, "four").locator("pre")).to_contain_text(evil)
    assert card(page, "four").locator("img").count() == 0
    card(page, "four").get_by_role("button", name="Output").click()
    expect(card(page, "four").locator("pre")).to_be_hidden()


def test_words_for_players_and_what_cannot_be_done(visit: Visit) -> None:
    page = visit()
    four = card(page, "four")
    four.get_by_role("button", name="Control").click()
    four.get_by_label("Say to all players").fill("a restart at ten")
    four.get_by_role("button", name="Say").click()
    expect(four.get_by_role("status")).to_have_text("four: said")
    expect(four.get_by_label("Say to all players")).to_have_value("")
    four.get_by_label("Map").fill("8x7")
    four.get_by_role("button", name="Change map").click()
    expect(four.get_by_role("status")).to_contain_text("four cannot change its map")
    expect(four.get_by_label("Map")).to_have_value("8x7")


def test_a_launcher_that_does_not_answer_is_noticed_and_comes_back(visit: Visit) -> None:
    page = visit()
    page.route("**/state?*", lambda route: route.fulfill(status=200, body="none", content_type="application/json"))
    expect(page.locator("#lost")).to_be_visible()
    page.unroute("**/state?*")
    expect(page.locator("#lost")).to_be_hidden()


@pytest.mark.parametrize(("size", "dark"), [(DESKTOP, False), (DESKTOP, True), (PHONE, False)])
def test_it_fits_the_screen(visit: Visit, size: tuple[int, int], dark: bool) -> None:
    page = visit(size, dark)
    card(page, "four").get_by_role("button", name="Control").click()
    wide, wanted = page.evaluate("[document.documentElement.scrollWidth, window.innerWidth]")
    assert wide <= wanted, f"{wide} pixels wide where there are {wanted}"
    if size == PHONE:
        assert page.evaluate(TOO_SMALL, TOUCHABLE) == []
    if SCREENSHOTS:
        page.screenshot(path=Path(SCREENSHOTS) / f"dashboard-{size[0]}-{'dark' if dark else 'light'}.png")


@pytest.mark.parametrize(
    "path", ["", "?key=", "?key=guess", "guess/", "guess/state", "state", "main.js", "guess/orders"]
)
def test_nobody_gets_in_without_the_key(launcher: Launcher, path: str) -> None:
    base = launcher.page.partition("?")[0]
    body = json.dumps({"type": "stop", "server": "four"}).encode() if path.endswith("orders") else None
    headers = {"Content-Type": "application/json", "Origin": base.rstrip("/")}
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(urllib.request.Request(base + path, body, headers), timeout=10)
    with refused.value as answer:
        assert answer.status == 403
        assert launcher.page.partition("key=")[2] not in answer.read().decode()
