"""What the page tells players without having been asked: a match goes on without them, somebody wants to play."""

from playwright.sync_api import expect

from tests.browser.people import PASSWORD, PHONE, Person, begin
from tests.browser.test_play_in_browser import Meet, match


def come_back(person: Person, address: str) -> None:
    """Open the page anew, in a tab that remembers nothing, and log in."""
    person.page = person.open(address)
    person.try_to_log_in(PASSWORD)
    person.is_in_lobby()


def wants_to_play(person: Person, *names: str) -> None:
    """Wait until the page says who wants to play this person."""
    expect(person.page.locator("#requests p")).to_have_text([f"{name} wants to play you" for name in names])


def test_who_closed_the_tab_goes_back_and_plays_again(meet: Meet, address: str) -> None:
    ann, ben = meet("ann", PHONE), meet("ben")
    match(ann, ben)
    ann.fits()
    ann.page.close()
    ben.sees("ann is gone")
    come_back(ann, address)
    missed = ann.page.locator("#missed")
    expect(missed).to_contain_text("You are in a game with ben.")
    ann.find_match()
    expect(ann.page.get_by_role("alert")).to_have_text(
        "You are in a game already, and it goes on without you. Go back to it first."
    )
    ann.fits()
    ann.picture("10-missed")
    ann.page.get_by_role("button", name="Go back").click()
    first, second = begin([ann, ben])
    first.drop(4)
    second.sees_discs(1)
    monitor = ann.open(f"{address}monitor")
    running = monitor.locator("#matches li", has_text="ann")
    expect(running).to_contain_text("Four in a row")
    expect(running).to_contain_text("longest line: ")
    monitor.close()

    # Logging out in the middle of a game is asked back.
    for choice in ("Keep playing", "Log out"):
        ann.page.get_by_role("banner").get_by_role("button", name="Log out").click()
        ann.page.get_by_role("dialog").get_by_role("button", name=choice).click()
    ann.try_to_log_in(PASSWORD)
    ann.is_in_lobby()
    expect(missed).to_be_visible()
    ben.page.get_by_role("button", name="Resign").click()
    ben.page.get_by_role("dialog").get_by_role("button", name="Resign").click()
    expect(missed).to_be_hidden()

    # Who is asked for a rematch sees it, in the lobby too.
    ben.page.get_by_role("button", name="Play ann again").click()
    wants_to_play(ann, "ben")
    ann.hears("ben wants to play you.")
    ann.fits()
    ann.picture("11-wanted")
    ann.page.get_by_role("button", name="Play ben").click()
    begin([ann, ben])


def test_who_is_asked_for_sees_it_whatever_else_is_done(meet: Meet) -> None:
    cid, dot, eve = meet("cid"), meet("dot", PHONE), meet("eve")
    cid.register()
    cid.find_match("dot")
    detail = cid.page.locator("#waiting-detail")
    expect(detail).to_contain_text("dot is not online.")
    dot.register()
    expect(detail).to_have_text("It begins when dot asks for a match with you.")
    eve.register()
    eve.find_match("dot")
    wants_to_play(dot, "cid", "eve")
    eve.page.get_by_role("button", name="Cancel").click()
    wants_to_play(dot, "cid")

    # A reload in the lobby ends the log-in, and says so once.
    note = eve.page.locator("#entry-note")
    eve.page.reload()
    expect(note).to_have_text("The reload has logged you out. Log in again.")
    eve.page.reload()
    expect(note).to_be_hidden()
    eve.try_to_log_in(PASSWORD)
    eve.is_in_lobby()

    # Who waits for anybody need not cancel first.
    dot.find_match()
    expect(dot.page.get_by_role("heading", name="Looking for an opponent …")).to_be_visible()
    dot.fits()
    dot.page.get_by_role("button", name="Play cid").click()
    begin([cid, dot])
    expect(dot.page.locator("#who")).to_have_text("dot")

    # And after a game.
    eve.find_match("dot")
    dot.hears("eve wants to play you.")
    expect(dot.page.locator("#requests")).to_be_hidden()
    cid.page.get_by_role("button", name="Resign").click()
    cid.page.get_by_role("dialog").get_by_role("button", name="Resign").click()
    wants_to_play(dot, "eve")
    dot.fits()
    dot.picture("12-wanted")
    dot.page.get_by_role("button", name="Play eve").click()
    begin([dot, eve])
