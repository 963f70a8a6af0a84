"""The web page for devices: in a real browser, with real devices behind it."""

import json
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import gevent
import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, expect

from iot_manager.device import Device
from tests.browser.people import DESKTOP, PHONE, SCREENSHOTS, TOO_SMALL, TOUCHABLE

ROOT = Path(__file__).parents[2]
SECONDS = 10.0
LAMP = "1862cfe1-5dab-4d8e-a946-50d6728f830f"
LOCK = "2222cfe1-5dab-4d8e-a946-50d6728f8222"
EVIL = "<img src=x onerror=\"document.title='injected'\">"

Open = Callable[..., Page]


class Web(NamedTuple):
    address: str
    device_port: int


def serve(*options: str) -> Iterator[Web]:
    """Run the example on free ports."""
    with subprocess.Popen(
        [sys.executable, "-m", "examples.iot_web", "--port=0", "--device-port=0", *options],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        said = ""
        with gevent.Timeout(30):
            while "Ctrl-C ends everything" not in said:
                line = process.stdout.readline()
                assert line, f"it ended: {said}{process.communicate()[1]}"
                said += line
        yield Web(re.findall(r"http://\S+", said)[0], int(re.findall(r"connect to 127.0.0.1:(\d+)", said)[0]))
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=30)
        assert process.returncode == 0, errors
        assert "Traceback" not in errors, errors


@pytest.fixture(scope="module")
def web() -> Iterator[Web]:
    yield from serve("--empty")


@pytest.fixture(scope="module")
def house() -> Iterator[Web]:
    yield from serve()


@pytest.fixture
def visit(browser: Browser) -> Iterator[Open]:
    """Opens the page; at the end, no browser may have complained about anything."""
    problems: list[str] = []
    contexts = []

    def said(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            problems.append(message.text)

    def visit(web: Web, size: tuple[int, int] = DESKTOP, dark: bool = False) -> Page:
        width, height = size
        context = browser.new_context(
            viewport={"width": width, "height": height},
            has_touch=size == PHONE,
            is_mobile=size == PHONE,
            color_scheme="dark" if dark else "light",
        )
        contexts.append(context)
        page = context.new_page()
        page.on("console", said)
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.goto(web.address)
        expect(page.locator("#link")).to_have_text("live")
        return page

    yield visit
    for context in contexts:
        context.close()
    assert problems == []


def connect(web: Web, uuid: str = LAMP, type: str = "light", **data: object) -> Device:
    device = Device(uuid, type, data, port=web.device_port, dialect="framed", answer=lambda payload: {"got": payload})
    assert device.wait_connected(SECONDS)
    return device


def card(page: Page, name: str) -> "CardOnPage":
    return CardOnPage(page, name)


class CardOnPage:
    """What the page says of one device."""

    def __init__(self, page: Page, name: str) -> None:
        self._card = page.locator("label.device", has_text=name)

    def says(self, text: str) -> None:
        expect(self._card).to_contain_text(text)

    def choose(self) -> None:
        self._card.locator("input").check()


def picture(page: Page, name: str) -> None:
    if SCREENSHOTS:
        Path(SCREENSHOTS).mkdir(parents=True, exist_ok=True)
        page.screenshot(path=Path(SCREENSHOTS) / f"iot-web-{name}.png")


def test_a_device_comes_is_commanded_answers_goes_and_gets_its_queued_command_when_it_is_back(
    web: Web, visit: Open
) -> None:
    page = visit(web)
    with connect(web, name="Reading lamp") as lamp:
        reading_lamp = card(page, "Reading lamp")
        reading_lamp.says("here")
        reading_lamp.choose()
        page.locator("#text").fill("on")
        page.locator("#text").press("Enter")
        assert lamp.receive(SECONDS) == b"on"
        expect(page.locator("#told")).to_have_text("sent")
        expect(page.locator("#text")).to_have_value("")
        lamp.send(b"the lamp is on")
        expect(page.locator("#said li.device").last).to_contain_text("the lamp is on")
        page.locator("#text").fill("state")
        page.get_by_role("button", name="Ask").click()
        expect(page.locator("#said li.device").last).to_contain_text('{"got": {"ask": "state"}}')
        expect(page.locator("#told")).to_have_text("it has answered")
    reading_lamp.says("away")
    expect(page.get_by_role("button", name="Ask")).to_be_disabled()
    page.locator("#text").fill("off")
    page.get_by_role("button", name="Send").click()
    expect(page.locator("#told")).to_contain_text("the command waits for it")
    reading_lamp.says("1 command waiting")
    with connect(web, name="Reading lamp") as lamp:
        assert lamp.receive(SECONDS) == b"off"
        reading_lamp.says("here")
        expect(page.locator(".queued:visible")).to_have_count(0)
    reading_lamp.says("away")
    page.locator("#keep").select_option("no time")
    page.locator("#text").fill("lost")
    page.get_by_role("button", name="Send").click()
    expect(page.locator("#told")).to_have_text("it is away, and has missed this")


def test_commands_to_a_type_and_to_all(web: Web, visit: Open) -> None:
    page = visit(web)
    with connect(web, name="Lamp") as lamp, connect(web, LOCK, "lock", name="Door") as lock:
        card(page, "Door").says("here")
        card(page, "Lamp").says("here")
        page.get_by_role("radio", name="Every lock").check()
        page.locator("#text").fill("lock up")
        page.locator("#text").press("Enter")
        expect(page.locator("#told")).to_have_text("sent to 1 device")
        assert lock.receive(SECONDS) == b"lock up"
        page.get_by_role("radio", name="Every device").check()
        page.locator("#text").fill("report")
        page.locator("#text").press("Enter")
        assert lock.receive(SECONDS) == lamp.receive(SECONDS) == b"report"
        expect(page.locator("#said li.page").last).to_contain_text("to every device")


def test_all_of_it_by_keyboard(web: Web, visit: Open) -> None:
    page = visit(web)
    with connect(web, name="Lamp", understands=["on", "off"]) as lamp:
        card(page, "Lamp").says("here")
        page.keyboard.press("Tab")
        expect(page.get_by_role("radio", name="Every device")).to_be_focused()
        while page.locator("#recipient").text_content() != "Lamp":
            page.keyboard.press("ArrowDown")
        page.keyboard.press("Tab")
        page.keyboard.type("hello")
        page.keyboard.press("Enter")
        assert lamp.receive(SECONDS) == b"hello"
        for _ in range(3):  # Send, Ask, the first suggestion
            page.keyboard.press("Tab")
        expect(page.get_by_role("button", name="on", exact=True)).to_be_focused()
        page.keyboard.press("Enter")
        assert lamp.receive(SECONDS) == b"on"


def test_what_a_device_says_is_text_whatever_it_says(web: Web, visit: Open) -> None:
    page = visit(web)
    hostile = EVIL + "x" * (36 - len(EVIL) % 36) if len(EVIL) < 36 else EVIL[:36]
    with connect(web, hostile, "light", name=EVIL, understands=[EVIL, 7, None], **{EVIL: EVIL}) as device:
        cards = page.locator(".card", has_text=EVIL)
        expect(cards).to_have_count(1)
        page.locator(f"input[value={json.dumps(hostile)}]").check()
        expect(page.locator("#suggestions button")).to_have_text([EVIL])
        device.send(
            f"{EVIL}</script><script>document.title = 'injected'</script>\nevent: said\ndata: {{}}\n\n".encode()
        )
        expect(page.locator("#said li.device").last).to_contain_text("<script>")
        assert page.locator("img").count() == 0
        expect(page).to_have_title("Devices")


def test_a_device_without_a_name_and_with_odd_data(web: Web, visit: Open) -> None:
    page = visit(web)
    with connect(web, LOCK, "lock", name=["no", "text"], understands="on", nested={"a": [1, None]}):
        card(page, "lock 2222cfe1").says('{"nested":{"a":[1,null]}}')


def test_the_page_finds_its_way_back_to_the_server_and_misses_nothing(web: Web, visit: Open) -> None:
    page = visit(web)
    with connect(web, name="Lamp") as lamp:
        card(page, "Lamp").says("here")
        page.context.set_offline(True)
        lamp.send(b"said meanwhile")
        page.context.set_offline(False)
        expect(page.locator("#said li.device").last).to_contain_text("said meanwhile")


@pytest.mark.parametrize(
    ("size", "dark"), [(DESKTOP, False), (DESKTOP, True), (PHONE, False)], ids=["desktop", "dark", "phone"]
)
def test_the_simulated_house_fits_every_screen(house: Web, visit: Open, size: tuple[int, int], dark: bool) -> None:
    page = visit(house, size, dark)
    card(page, "Kitchen lamp").says("light, simulated")
    expect(page.locator("footer")).to_contain_text("simulated")
    card(page, "Kitchen lamp").choose()
    page.get_by_role("button", name="on", exact=True).click()
    expect(page.locator("#said li.device").last).to_contain_text("Kitchen lamp: on")
    wide, wanted = page.evaluate("[document.documentElement.scrollWidth, window.innerWidth]")
    assert wide <= wanted
    assert page.evaluate(TOO_SMALL.replace("input", "input:not([type=radio])"), TOUCHABLE) == []
    picture(page, f"{size[0]}-{'dark' if dark else 'light'}")


def ask(request: urllib.request.Request) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(request, timeout=SECONDS) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


@pytest.mark.parametrize(
    ("headers", "body", "status", "said"),
    [
        ({}, "{}", 403, "only the page itself"),
        ({"Origin": "http://evil.example"}, "{}", 403, "only the page itself"),
        ({"Origin": "null"}, "{}", 403, "only the page itself"),
        ({"Origin": "http://evil.example", "Host": "evil.example"}, "{}", 421, "not called"),
        ({"Origin": "OWN"}, "{}", 400, "expected a JSON object"),
        ({"Origin": "OWN"}, "[", 400, ""),
        ({"Origin": "OWN"}, '{"to": "all", "target": "all", "text": ""}', 400, "nothing to send"),
        ({"Origin": "OWN"}, '{"to": "device", "target": "x", "text": "on", "queue_seconds": "no"}', 400, "a number"),
        ({"Origin": "OWN"}, '{"to": "type", "target": "spaceship", "text": "on"}', 400, "spaceship"),
        ({"Origin": "OWN", "Content-Type": "text/plain"}, "{}", 415, ""),
        ({"Origin": "OWN"}, " " * 20_000, 413, ""),
    ],
)
def test_other_sites_and_wrong_orders_are_refused(
    web: Web, headers: dict[str, str], body: str, status: int, said: str
) -> None:
    own = web.address.rstrip("/")
    sent = {"Content-Type": "application/json", **headers}
    sent = {name: own if value == "OWN" else value for name, value in sent.items()}
    found, text = ask(urllib.request.Request(f"{own}/send", body.encode(), sent, method="POST"))
    assert (found, said in text) == (status, True), text


def test_asking_a_device_that_is_not_there(web: Web) -> None:
    own = web.address.rstrip("/")
    headers = {"Content-Type": "application/json", "Origin": own}
    began = time.monotonic()
    status, text = ask(
        urllib.request.Request(f"{own}/ask", b'{"target": "nobody", "text": "?"}', headers, method="POST")
    )
    assert (status, "no answer" in text) == (504, True), text
    assert time.monotonic() - began < SECONDS


def test_a_port_in_use_is_one_sentence(web: Web) -> None:
    page_port = web.address.rstrip("/").rpartition(":")[2]
    for options in ([f"--port={page_port}"], ["--port=0", f"--device-port={web.device_port}"]):
        command = [sys.executable, "-m", "examples.iot_web", *options]
        ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=30)
        assert ended.returncode == 1
        assert re.fullmatch(r"iot_web: .*[Aa]ddress already in use.*\n", ended.stderr), ended.stderr


@pytest.mark.parametrize("option", ["--port=99999", "--device-port=99999", "--heartbeat-rate=0", "--prot=1"])
def test_a_mistyped_option_is_a_sentence_and_exit_2(option: str) -> None:
    command = [sys.executable, "-m", "examples.iot_web", "--port=0", "--device-port=0", option]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=30)
    assert (ended.returncode, "Traceback" in ended.stderr, "iot_web: " in ended.stderr) == (2, False, True), (
        ended.stderr
    )
