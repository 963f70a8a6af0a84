"""The dashboard's requests: who may ask, what is answered, and which orders are taken."""

import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from connhandler.http import HttpError, HttpRequest, HttpResponse
from connhandler.testing import FakeConnection, run_work
from game_server_launcher.pagehandler import PagePeer
from game_server_launcher.protocol import Say
from tests.game_server_launcher.conftest import World

HOST = "127.0.0.1:9004"
Headers = Mapping[str, str]
NONE: Headers = {}
JSON = {"origin": f"http://{HOST}", "content-type": "application/json"}


class Browser:
    """Asks one launcher for its page."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.key = world.launcher.page.key
        world.launcher.page.opened("127.0.0.1", 9004)

    def send(
        self, path: str, method: str = "GET", body: bytes = b"", headers: Headers = NONE
    ) -> "FakeConnection[PagePeer]":
        path, _, query = path.partition("?")
        fields = dict(field.split("=", 1) for field in query.split("&") if field)
        fake = FakeConnection(PagePeer())
        request = HttpRequest(method=method, path=path, query=fields, headers={"host": HOST, **headers}, body=body)
        fake.receives(self.world.launcher, request)
        run_work(self.world.launcher)
        return fake

    def ask(self, path: str, headers: Headers = NONE) -> HttpResponse:
        (answer,) = self.send(path, headers=headers).take()
        assert isinstance(answer, HttpResponse)
        return answer

    def refusal(self, path: str, headers: Headers = NONE) -> int:
        fake = self.send(path, headers=headers)
        assert fake.take() == []
        assert isinstance(fake.failure, HttpError)
        assert self.key not in str(fake.failure)
        return fake.failure.status

    def order(self, body: Any, headers: Headers = NONE) -> Any:
        path = f"/{self.key}/orders"
        return self.send(path, "POST", json.dumps(body).encode(), {**JSON, **headers})


@pytest.fixture
def browser(world: World) -> Browser:
    return Browser(world)


def test_the_address_leads_to_the_page(world: World, browser: Browser) -> None:
    assert world.launcher.overview.page == f"http://127.0.0.1:9004/?key={browser.key}"
    answer = browser.ask(f"/?key={browser.key}")
    assert (answer.status, answer.headers["Location"]) == (303, f"/{browser.key}/")
    page = browser.ask(answer.headers["Location"])
    assert (page.status, page.content_type) == (200, "text/html; charset=utf-8")
    assert page.headers["Content-Security-Policy"].startswith("default-src 'none'; script-src 'self'")
    for name in ("main.js", "base.css", "icon.svg"):
        assert browser.ask(f"/{browser.key}/{name}").status == 200
    assert browser.ask(f"/{browser.key}/nothing").status == 404


@pytest.mark.parametrize(
    ("address", "shown"), [("0.0.0.0", "localhost"), ("::", "localhost"), ("::1", "[::1]"), ("games.lan", "games.lan")]
)
def test_the_address_that_a_person_is_shown(world: World, address: str, shown: str) -> None:
    assert world.launcher.page.opened(address, 80).startswith(f"http://{shown}:80/?key=")


@pytest.mark.parametrize("path", ["/", "/?key=", "/?key=0123456789abcdef", "/state", "/main.js", "//state", "/ü/state"])
def test_nothing_is_answered_without_the_key(browser: Browser, path: str) -> None:
    assert browser.refusal(path) == 403


def test_an_order_is_not_taken_without_the_key(world: World, browser: Browser) -> None:
    controller = world.ready()
    controller.take()
    body = json.dumps({"type": "say", "server": "four", "text": "hi"}).encode()
    fake = browser.send("/guessed/orders", "POST", body, JSON)
    assert isinstance(fake.failure, HttpError)
    assert controller.take() == []


def test_the_key_is_kept_for_the_next_launcher(make_world: Callable[..., World]) -> None:
    first = make_world().launcher.page.key
    assert len(first) == 32
    assert make_world().launcher.page.key == first


def test_a_key_that_makes_no_sense_is_made_anew(make_world: Callable[..., World]) -> None:
    world = make_world()
    (world.path / "launcher.page").write_text('{"key": "../x"}')
    assert make_world().launcher.page.key.isalnum()


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost:9004", 200), ("127.0.0.1", 200), ("[::1]:9004", 200), ("192.0.2.7:80", 200),
        ("evil.example", 421), ("127.0.0.1.evil.example:9004", 421), ("", 421), ("localhost@evil.example", 421),
    ],
)  # fmt: skip
def test_only_addresses_of_machines_are_answered(browser: Browser, host: str, status: int) -> None:
    path = f"/{browser.key}/state"
    assert (
        browser.ask(path, {"host": host}).status if status == 200 else browser.refusal(path, {"host": host})
    ) == status


def test_the_state_and_what_is_new_of_it(world: World, browser: Browser) -> None:
    world.ready(pid=1234)
    world.launcher.servers["four"].rss_bytes = 4096
    for _ in range(2):
        world.advance(5)
    state = json.loads(browser.ask(f"/{browser.key}/state").body)
    (four,) = state["launcher"]["servers"]
    assert (four["name"], four["state"], four["pid"]) == ("four", "ready", 1234)
    assert len(state["samples"]["four"]) == 2
    assert [event["text"] for event in state["events"]["four"]] == ["starting", "ready"]
    assert world.runner.runs["four"].token not in json.dumps(state)
    news = json.loads(browser.ask(f"/{browser.key}/state?since={state['launcher']['at']}").body)
    assert (news["samples"], news["events"]) == ({"four": []}, {"four": []})
    assert json.loads(browser.ask(f"/{browser.key}/state?since=x").body)["samples"] == state["samples"]


def test_the_last_lines_of_the_output(world: World, browser: Browser) -> None:
    assert json.loads(browser.ask(f"/{browser.key}/output?server=four").body) == {"lines": []}
    folder = world.path / "four"
    folder.mkdir()
    (folder / "output.log").write_text("".join(f"line {number}\n" for number in range(150)))
    lines = json.loads(browser.ask(f"/{browser.key}/output?server=four").body)["lines"]
    assert (len(lines), lines[0], lines[-1]) == (100, "line 50", "line 149")
    for name in ("nosuch", "", "../run/four"):
        assert browser.refusal(f"/{browser.key}/output?server={name}") == 404


def test_an_order_is_answered_when_it_is_done(world: World, browser: Browser) -> None:
    controller = world.ready()
    controller.take()
    (answer,) = browser.order({"type": "say", "server": "four", "text": "hi"}).take()
    assert (answer.status, json.loads(answer.body)) == (200, {"succeeded": True, "text": "four: said"})
    assert controller.take() == [Say(text="hi")]
    fake = browser.order({"type": "stop", "server": "four"})
    assert fake.take() == []
    controller.disconnects(world.launcher)
    world.process_exited(0)
    world.advance(0.2)
    (answer,) = fake.take()
    assert json.loads(answer.body)["text"] == "four: stopped after 0.2 s (ended with exit status 0)"
    (answer,) = browser.order({"type": "restart", "server": "fore"}).take()
    assert json.loads(answer.body) == {"succeeded": False, "text": "there is no server fore; did you mean four?"}


@pytest.mark.parametrize(
    ("headers", "body", "status"),
    [
        ({"origin": "http://evil.example"}, {"type": "stop", "server": "four"}, 403),
        ({"origin": "null"}, {"type": "stop", "server": "four"}, 403),
        ({"origin": ""}, {"type": "stop", "server": "four"}, 403),
        ({"content-type": "text/plain"}, {"type": "stop", "server": "four"}, 415),
        ({}, {"type": "hello", "versions": [1]}, 400),
        ({}, {"type": "say", "server": "four"}, 400),
        ({}, [], 400),
    ],
)
def test_other_pages_and_wrong_orders_are_refused(
    world: World, browser: Browser, headers: dict[str, str], body: Any, status: int
) -> None:
    world.ready()
    fake = browser.order(body, headers)
    assert fake.take() == []
    assert isinstance(fake.failure, HttpError)
    assert fake.failure.status == status
    assert world.state()["state"] == "ready"
