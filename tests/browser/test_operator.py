"""What players in browsers see of what the person who runs the launcher does."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import ROOT
from tests.browser.people import Person, begin

Command = Callable[..., str]
Meet = Callable[..., Person]


@pytest.fixture
def command(stack_folder: Path) -> Command:
    """Carries out a command of the launcher; returns what it says."""

    def command(*words: str) -> str:
        arguments = [sys.executable, "-m", "game_server_launcher", *words, f"--run-dir={stack_folder / 'launcher'}"]
        return subprocess.run(arguments, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True, timeout=30).stdout

    return command


def test_what_is_said_to_all_players_and_who_is_sent_away(meet: Meet, command: Command) -> None:
    people = [meet("ada"), meet("ben")]
    for person in people:
        person.register()
    for person in people:
        person.find_match()
    begin(people)
    assert command("say", "four", "a restart", "<b>at ten</b>") == "four: said\n"
    for person in people:
        expect(person.page.locator("#notice")).to_have_text("The game server says: a restart <b>at ten</b>")
    status = command("status")
    assert "connected" in status
    assert "four: ada, ben" in status
    assert command("kick", "four", "ben", "language") == "four: ben is sent away\n"
    ada, ben = people
    expect(ben.page.get_by_role("heading", level=1)).to_have_text("Hello, ben")
    expect(ben.page.locator("#trouble")).to_have_text("You were sent away: language.")
    ada.sees("ben is gone")
