"""The HTTP port: the status, the pages, and nothing else."""

from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from connhandler.http import HttpRequest, HttpResponse
from connhandler.testing import FakeConnection
from login_server.httphandler import VisitorPeer
from login_server.protocol import FindMatch, MatchEnded, MatchResult, MatchStarted

if TYPE_CHECKING:
    from tests.login_server.conftest import House

RESULT = MatchResult(winner="alice", scores={"alice": 1}, reason="won", ended_at=99.0)


def get(house: "House", path: str, method: str = "GET", if_none_match: str = "") -> HttpResponse:
    visitor = FakeConnection(VisitorPeer())
    visitor.connected(house.server)
    headers = {"if-none-match": if_none_match} if if_none_match else {}
    visitor.receives(house.server, HttpRequest(method=method, path=path, headers=headers))
    (response,) = visitor.take()
    visitor.disconnects(house.server)
    assert isinstance(response, HttpResponse)
    return response


def status(house: "House") -> dict[str, Any]:
    response = get(house, "/status")
    assert (response.status, response.content_type) == (200, "application/json")
    decoded: dict[str, Any] = msgspec.json.decode(response.body)
    return decoded


def test_an_empty_house(house: "House") -> None:
    house.clock.advance(90.5)
    assert status(house) == {
        "players": [],
        "servers": [],
        "matches": [],
        "waiting": [],
        "launchers": [],
        "counts": {"players": 0, "servers": 0, "matches": 0, "waiting": 0},
        "counters": {"connections": {}},
        "now": house.clock(),
        "uptime_seconds": 90.5,
        "versions": {"program": "1.2.3", "protocol": [1, 2, 3]},
    }


def test_a_full_house(house: "House") -> None:
    launcher = house.launcher("home", house.info())
    for name in ("bob", "Alice", "carol", "dave"):
        player = house.player(name)
        if name in ("carol", "dave"):
            house.tell(player, FindMatch(game="go", players=3))
    house.tell(house.player("eve"), FindMatch(game="go", partner="frank"))
    house.tell(launcher, MatchStarted(match_id="m1", players=["alice", "bob"], server_id="home/one"))
    house.tell(launcher, MatchStarted(match_id="m2", players=["carol", "dave"], server_id="home/one"))
    house.tell(launcher, MatchEnded(match_id="m1", players=["alice", "bob"], result=RESULT, server_id="home/one"))
    shown = status(house)
    assert shown["players"] == ["Alice", "bob", "carol", "dave", "eve"]
    assert shown["launchers"] == ["home"]
    assert msgspec.convert(shown["servers"][0], type(house.info())) == house.info()
    assert [(match["match_id"], match["state"]) for match in shown["matches"]] == [("m2", "running"), ("m1", "ended")]
    assert shown["matches"][1]["result"] == msgspec.to_builtins(RESULT)
    assert shown["waiting"] == [
        {"game": "go", "players": 3, "waiting": 2, "named": False},
        {"game": "go", "players": 2, "waiting": 1, "named": True},
    ]
    assert shown["counts"] == {"players": 5, "servers": 1, "matches": 1, "waiting": 3}
    assert (shown["counters"]["logged_in"], shown["counters"]["matches_recorded"]) == (5, 1)


def test_results_are_shown_after_a_restart(house: "House") -> None:
    launcher = house.launcher("home", house.info())
    for number in range(3):
        message = MatchEnded(match_id=f"m{number}", players=["alice"], result=RESULT, server_id="home/one")
        house.tell(launcher, message)
        house.clock.advance(1)
    before = status(house)["matches"]
    house.start()
    assert status(house)["matches"] == before
    assert [match["match_id"] for match in before] == ["m2", "m1", "m0"]


def test_the_status_has_an_end(house: "House") -> None:
    launcher = house.launcher("home")
    for number in range(150):
        house.tell(launcher, MatchStarted(match_id=f"m{number}", players=["alice"], server_id="home/one"))
    shown = status(house)
    assert len(shown["matches"]) == 100
    assert shown["matches"][0]["match_id"] == "m149"
    assert shown["counts"]["matches"] == 150


def test_health(house: "House") -> None:
    response = get(house, "/healthz")
    assert (response.status, response.body) == (200, b"ok\n")


@pytest.mark.parametrize(
    "path", ["", "/nothing", "/status/", "/..", "//", "/pages/status.html", "/play", "/play/../status.html", "*"]
)
def test_nothing_else_is_there(house: "House", path: str) -> None:
    response = get(house, path)
    assert response.status == 404
    assert response.body == b"404: there is nothing at this address, only at /, /monitor, /status, /healthz\n"


def test_a_head_is_answered_as_a_get_is(house: "House") -> None:
    """The connection leaves the body out."""
    assert get(house, "/healthz", "HEAD") == get(house, "/healthz")


def test_no_answer_is_taken_for_something_else_and_only_files_are_kept(house: "House") -> None:
    for path in ("/", "/monitor", "/status", "/healthz", "/nothing"):
        headers = get(house, path).headers
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Cache-Control"] == "no-store"
    headers = get(house, "/play/main.js").headers
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Cache-Control"] == "no-cache"
    assert get(house, "/play/main.js", if_none_match=headers["ETag"]).status == 304
