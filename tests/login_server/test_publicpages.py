"""The pages, as files: each may do only what it does, and nothing in them is ever made of text."""

import base64
import hashlib
import importlib.resources
import re
from html.parser import HTMLParser
from pathlib import PurePosixPath

import pytest

from connhandler.http import HttpRequest, HttpResponse
from login_server.publicpages import PublicPages

FOLDER = importlib.resources.files("login_server").joinpath("pages")
FILES = sorted(file.name for file in FOLDER.joinpath("play").iterdir())
TYPES = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
PAGES = PublicPages()


def get(path: str) -> HttpResponse:
    response = PAGES.answer(HttpRequest(method="GET", path=path))
    assert response is not None, path
    assert response.status == 200
    return response


def policy_of(response: HttpResponse) -> dict[str, str]:
    rules = response.headers["Content-Security-Policy"].split("; ")
    return dict(rule.split(" ", 1) for rule in rules)


class Links(HTMLParser):
    """What a page refers to, and the ids in it."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.links: set[str] = set()
        self.ids: list[str] = []
        self.inline: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name in ("src", "href") and value:
                self.links.add(value)
            if name == "id" and value:
                self.ids.append(value)
            if name == "style" or name.startswith("on"):
                self.inline.append(f"{tag} {name}")


def test_the_page_for_players_may_run_nothing_but_its_files() -> None:
    response = get("/")
    assert response.content_type == "text/html; charset=utf-8"
    policy = policy_of(response)
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["img-src"] == "'self'"
    assert policy["connect-src"] == "'self' ws: wss:"
    assert policy["require-trusted-types-for"] == "'script'"
    page = Links(response.body.decode())
    assert not page.inline
    assert not re.search(r"<style|<script[^>]*>[^<]", response.body.decode())
    assert len(page.ids) == len(set(page.ids))


def test_all_that_the_pages_refer_to_is_here() -> None:
    for path in ("/", "/monitor"):
        for link in Links(get(path).body.decode()).links:
            if not link.startswith("data:"):
                assert not re.match(r"[a-z]+:|//|/", link), f"{link}: from elsewhere, or of a fixed place"
                assert link in ("./", "monitor", "status") or get(f"/{link}").body


@pytest.mark.parametrize("name", FILES)
def test_a_file_has_its_type_and_what_it_imports(name: str) -> None:
    response = get(f"/play/{name}")
    assert response.content_type.split(";")[0] == TYPES[PurePosixPath(name).suffix]
    text = response.body.decode()
    assert text == FOLDER.joinpath("play", name).read_text(encoding="utf-8")
    for module in re.findall(r'^import .*? from "(.*?)";$|^} from "(.*?)";$', text, re.MULTILINE):
        (path,) = filter(None, module)
        assert path.removeprefix("./") in FILES, f"{name} imports {path}"
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function", text)
    assert not re.findall(r"https?://(?!www\.w3\.org/2000/svg)", text), "it needs nothing from elsewhere"


def test_what_the_scripts_look_for_is_in_the_page() -> None:
    ids = set(Links(get("/").body.decode()).ids)
    wanted = set()
    for name in FILES:
        wanted |= set(re.findall(r'\bfind\("([a-z-]+)"\)', get(f"/play/{name}").body.decode()))
    assert wanted
    assert wanted <= ids


def test_the_monitor_may_do_only_what_it_does() -> None:
    response = get("/monitor")
    policy = policy_of(response)
    assert policy["default-src"] == "'none'"
    assert policy["connect-src"] == "'self'"
    page = response.body.decode()
    for tag in ("script", "style"):
        (text,) = re.findall(rf"<{tag}[^>]*>(.*?)</{tag}>", page, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert policy[f"{tag}-src"] == f"'sha256-{digest}'"
    # Inline handlers and styles would be blocked, and markup made from text would not be safe.
    assert not Links(page).inline
    assert not re.search(r"innerHTML|insertAdjacentHTML|document\.write", page)


@pytest.mark.parametrize("path", ["/play/", "/play/nothing.js", "/play/../play.html", "/pages/play.html", "/play.html"])
def test_nothing_else_is_served(path: str) -> None:
    assert PAGES.answer(HttpRequest(method="GET", path=path)) is None
