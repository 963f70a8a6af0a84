"""A whole stack as processes, and a browser without a screen."""

import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect, sync_playwright

from tests.browser.people import DESKTOP, Person

ROOT = Path(__file__).parents[2]
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
OPTIONS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-quic",
    "--no-first-run",
]
PATIENCE_SECONDS = 10

Meet = Callable[..., Person]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    executable = next(filter(None, map(shutil.which, BROWSERS)), None)
    if executable is None:
        pytest.skip("no Chromium here, which these tests need: apt-get install chromium")
    expect.set_options(timeout=PATIENCE_SECONDS * 1000)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=OPTIONS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def stack_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of the stack that `address` is of."""
    return tmp_path_factory.mktemp("stack")


@pytest.fixture(scope="module")
def address(browser: Browser, stack_folder: Path) -> Iterator[str]:
    """Where the page for players is: a login server, a launcher and a game server run behind it."""
    folder = stack_folder
    with (folder / "log").open("w+") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "examples.stack", "run", "--free-ports", f"--folder={folder}"],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            start_new_session=True,
        )
        assert process.stdout is not None
        with process.stdout as output:
            said = ""
            while "Ctrl-C ends everything" not in said:
                line = output.readline()
                assert line, f"it ended with exit status {process.wait()}:\n{said}{Path(log.name).read_text()}"
                said += line
            yield re.findall(r"http://\S+:\d+/", said)[0]
            process.send_signal(signal.SIGTERM)
            output.read()
        assert process.wait(60) == 0, Path(log.name).read_text()
        assert "Traceback" not in Path(log.name).read_text()


@pytest.fixture
def meet(browser: Browser, address: str) -> Iterator[Meet]:
    """Brings people to the page; at the end, none of their browsers may have complained about anything."""
    people: list[Person] = []

    def meet(name: str, size: tuple[int, int] = DESKTOP) -> Person:
        people.append(Person(browser, address, name, size))
        return people[-1]

    yield meet
    for person in people:
        person.context.close()
    assert {person.name: person.problems for person in people if person.problems} == {}
