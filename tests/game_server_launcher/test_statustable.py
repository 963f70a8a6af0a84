"""How the status looks in a terminal."""

import pytest

from game_server_launcher.control import LauncherStatus, ServerStatus
from game_server_launcher.servers import Role, SavedServer, State
from game_server_launcher.statustable import describe, describe_saved, duration


def server(name: str, **fields: object) -> ServerStatus:
    values: dict[str, object] = {
        "name": name, "game": "chess", "state": "ready", "reason": "", "pid": 4711, "address": "127.0.0.1",
        "port": 7000, "version": "1", "map": "fjord", "maps": [], "players": 2, "capacity": 10,
        "names": ["alice", "bob"], "matches": 1, "cpu_percent": 12.4, "rss_bytes": 50 * 1024 * 1024,
        "started_at": 1000.0, "restarts": 3, "crashes": 1,
    }  # fmt: skip
    return ServerStatus(**(values | fields))  # type: ignore[arg-type]


def test_a_launcher_and_its_servers() -> None:
    status = LauncherStatus(
        name="home", pid=99, at=4725.0, login_server="away", results_waiting=2, page="http://127.0.0.1:9004/?key=k",
        servers=[
            server("four", changing="the players move"),
            server("race-10", state="failed", reason="no program", pid=0, started_at=0.0, names=[], map=""),
        ],
    )  # fmt: skip
    assert describe(status).splitlines() == [
        "launcher home (process 99), login server away, 2 results wait for it",
        "page: http://127.0.0.1:9004/?key=k",
        "",
        "SERVER   STATE   PLAYERS  MAP    PORT   PID   CPU  MEMORY         UP  RESTARTS",
        "four     ready      2/10  fjord  7000  4711  12 %  50 MiB  1 h 2 min         3",
        "race-10  failed     2/10  -         -     -     -       -          -         3",
        "",
        "four: its map is being changed: the players move",
        "four: alice, bob",
        "race-10: no program",
    ]


def test_what_was_not_measured_yet_is_not_shown_as_nothing() -> None:
    text = describe(LauncherStatus(
        name="home", pid=99, at=1001.0, login_server="away", results_waiting=0, page="",
        servers=[server("four", cpu_percent=0.0, rss_bytes=0)],
    ))  # fmt: skip
    assert text.splitlines()[3].split() == ["four", "ready", "2/10", "fjord", "7000", "4711", "-", "-", "1", "s", "3"]


def test_what_a_launcher_has_left_has_the_names_that_commands_take() -> None:
    left = [
        SavedServer(name="four.2", state=State.READY, pid=4711, port=7000),
        SavedServer(name="four", state=State.STARTING, role=Role.SUCCESSOR, reason="of four"),
    ]
    assert describe_saved(left).splitlines() == [
        "four: ready: process 4711, port 7000, 0 matches",
        "four (successor): starting: of four",
    ]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(-1, "0 s"), (59.9, "59 s"), (60, "1 min 0 s"), (3725, "1 h 2 min"), (90_000, "1 d 1 h")],
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text
