"""Launchers: their keys, their servers, and what they tell of the matches, as conversations."""

import logging
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import text

from connhandler import DisconnectReason
from connhandler.jsonmessage import Refused
from connhandler.testing import run_work
from login_server.protocol import (
    LauncherAccepted,
    LauncherLogIn,
    MapChanged,
    MatchEnded,
    MatchRecorded,
    MatchResult,
    MatchStarted,
    MatchTimeChanged,
    PlayerJoined,
    PlayerLeft,
    RegisterServer,
    ScoreChanged,
    ServersChanged,
    TeamsChanged,
    UnregisterServer,
    UpdateServer,
)
from login_server.tickets import TicketChecker

if TYPE_CHECKING:
    from tests.login_server.conftest import House

RESULT = MatchResult(winner="alice", scores={"alice": 1, "bob": 0}, reason="won", ended_at=99.0, turns=7)


def started(match_id: str = "m1", server_id: str = "home/one") -> MatchStarted:
    return MatchStarted(match_id=match_id, players=["alice", "bob"], server_id=server_id)


def ended(match_id: str = "m1", server_id: str = "home/one") -> MatchEnded:
    return MatchEnded(match_id=match_id, players=["alice", "bob"], result=RESULT, server_id=server_id)


# --- logging in -------------------------------------------------------------------------------------


def test_a_launcher_learns_how_tickets_are_checked(house: "House") -> None:
    launcher = house.program()
    key = house.launcher_keys.add("home", 1.0)
    (accepted,) = house.tell(launcher, LauncherLogIn(name="home", key=key))
    assert isinstance(accepted, LauncherAccepted)
    assert (accepted.name, accepted.issuer) == ("home", "login-server")
    TicketChecker(accepted.public_key, accepted.issuer, "home/one")
    assert launcher.peer.logged_in
    assert house.server.state()["launchers"] == {"home": launcher.peer.name}


@pytest.mark.parametrize("name", ["home", "nobody", "", "\0"])
def test_a_wrong_key(house: "House", name: str, caplog: pytest.LogCaptureFixture) -> None:
    house.launcher_keys.add("home", 1.0)
    launcher = house.program()
    answers = house.tell(launcher, LauncherLogIn(name=name, key="wrong"))
    assert house.refused("wrong_key", "launcher_log_in", answers) == "wrong launcher name or key"
    assert launcher.disconnected
    assert not launcher.peer.logged_in
    assert [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING] == [
        f"wrong key for launcher {name!r} ({launcher.peer})"
    ]


def test_a_connection_logs_in_once(house: "House") -> None:
    launcher = house.launcher("home")
    again = LauncherLogIn(name="home", key=house.keys["home"])
    house.refused("already_logged_in", "launcher_log_in", house.tell(launcher, again))
    other = house.program()
    answers = house.tell(other, again, again)
    assert sorted(type(answer).__name__ for answer in answers) == ["LauncherAccepted", "Refused"]


def test_a_database_that_fails_is_no_wrong_key(house: "House") -> None:
    key = house.launcher_keys.add("home", 1.0)
    with house.database.transaction() as connection:
        connection.execute(text("ALTER TABLE launchers RENAME TO away"))
    launcher = house.program()
    log_in = LauncherLogIn(name="home", key=key)
    house.refused("database_failed", "launcher_log_in", house.tell(launcher, log_in))
    assert not launcher.disconnected
    with house.database.transaction() as connection:
        connection.execute(text("ALTER TABLE away RENAME TO launchers"))
    (accepted,) = house.tell(launcher, log_in)
    assert isinstance(accepted, LauncherAccepted)


# --- servers ----------------------------------------------------------------------------------------


def test_servers_come_change_and_go(house: "House") -> None:
    launcher = house.launcher("home", house.info())
    alice = house.player("alice")
    assert house.tell(launcher, UpdateServer(server=house.info(players=2))) == []
    house.settle()
    assert alice.take() == [ServersChanged(changed=[house.info(players=2)], removed=[])]
    assert house.tell(launcher, UnregisterServer(server_id="home/one")) == []
    house.settle()
    assert alice.take() == [ServersChanged(changed=[], removed=["home/one"])]


@pytest.mark.parametrize("server_id", ["away/one", "one", "", "homer/one"])
def test_a_launcher_speaks_for_its_own_servers_only(house: "House", server_id: str) -> None:
    house.launcher("away", house.info("away/one"))
    launcher = house.launcher("home")
    before = house.server.state()
    messages: list[Any] = [
        RegisterServer(server=house.info(server_id)),
        UpdateServer(server=house.info(server_id)),
        UnregisterServer(server_id=server_id),
        MapChanged(map="m", server_id=server_id),
        started(server_id=server_id),
        PlayerJoined(match_id="m1", player="alice", server_id=server_id),
        PlayerLeft(match_id="m1", player="alice", server_id=server_id),
        TeamsChanged(match_id="m1", teams={}, server_id=server_id),
        ScoreChanged(match_id="m1", scores={}, server_id=server_id),
        MatchTimeChanged(match_id="m1", elapsed_seconds=1, server_id=server_id),
        ended(server_id=server_id),
    ]
    for message in messages:
        house.refused("not_your_server", message.__struct_config__.tag, house.tell(launcher, message))
    assert not launcher.disconnected
    counters = {"refused_not_your_server": len(messages), **before["counters"]}
    assert house.server.state() == {**before, "counters": counters}
    assert house.results.recent(10) == []


def test_a_server_that_is_not_there(house: "House") -> None:
    launcher = house.launcher("home")
    answers = house.tell(launcher, UnregisterServer(server_id="home/one"))
    house.refused("no_such_server", "unregister_server", answers)
    bad = RegisterServer(server=house.info("home/a b"))
    house.refused("server_id_invalid", "register_server", house.tell(launcher, bad))


def test_a_lost_launchers_servers_disappear_and_come_back(house: "House") -> None:
    launcher = house.launcher("home", house.info())
    house.launcher("away", house.info("away/one"))
    alice = house.player("alice")
    launcher.disconnects(house.server, DisconnectReason.CONNECTION_LOST)
    house.settle()
    assert alice.take() == [ServersChanged(changed=[], removed=["home/one"])]
    assert house.server.state()["launchers"].keys() == {"away"}
    house.launcher("home", house.info())
    assert alice.take() == [ServersChanged(changed=[house.info()], removed=[])]


def test_a_second_connection_of_a_launcher_replaces_the_first(house: "House") -> None:
    old = house.launcher("home", house.info(), house.info("home/stale"))
    alice = house.player("alice")
    new = house.program()
    house.tell(new, LauncherLogIn(name="home", key=house.keys["home"]))
    assert old.disconnected
    assert [type(message) for message in old.take()] == [Refused]
    house.tell(new, RegisterServer(server=house.info(players=1)))
    # What the old one still had to say, and its end, change nothing any more.
    house.tell(old, RegisterServer(server=house.info("home/stale")))
    old.disconnects(house.server)
    house.settle()
    assert alice.take() == [ServersChanged(changed=[house.info(players=1)], removed=["home/stale"])]
    assert house.server.state()["launchers"] == {"home": new.peer.name}


def test_a_wrong_key_replaces_nobody(house: "House") -> None:
    old = house.launcher("home", house.info())
    house.tell(house.program(), LauncherLogIn(name="home", key="wrong"))
    assert not old.disconnected
    assert house.server.state()["servers"].keys() == {"home/one"}


# --- matches ----------------------------------------------------------------------------------------


def test_what_happens_in_a_match(house: "House") -> None:
    launcher = house.launcher("home", house.info())
    facts: list[Any] = [
        started(),
        PlayerJoined(match_id="m1", player="alice", server_id="home/one"),
        PlayerJoined(match_id="m1", player="bob", server_id="home/one"),
        PlayerLeft(match_id="m1", player="bob", server_id="home/one"),
        TeamsChanged(match_id="m1", teams={"red": ["alice"]}, server_id="home/one"),
        ScoreChanged(match_id="m1", scores={"alice": 3}, server_id="home/one"),
        MatchTimeChanged(match_id="m1", elapsed_seconds=12.5, server_id="home/one"),
    ]
    assert house.tell(launcher, *facts) == []
    match = house.server.state()["running"]["m1"]
    assert {name: match[name] for name in ("game", "state", "present", "teams", "scores", "elapsed_seconds")} == {
        "game": "fourinarow",
        "state": "running",
        "present": ["alice"],
        "teams": {"red": ["alice"]},
        "scores": {"alice": 3},
        "elapsed_seconds": 12.5,
    }


def test_a_result_is_answered_when_the_database_has_it(house: "House") -> None:
    launcher = house.launcher("home", house.info())
    house.tell(launcher, started())
    launcher.receives(house.server, ended())
    assert launcher.take() == []
    run_work(house.server)
    assert launcher.take() == [MatchRecorded(match_id="m1")]
    (recorded,) = house.results.recent(10)
    assert (recorded.match_id, recorded.game, recorded.server_id) == ("m1", "fourinarow", "home/one")
    assert (recorded.players, recorded.result) == (["alice", "bob"], RESULT)


def test_a_result_told_again_is_recorded_once_and_answered_again(
    house: "House", caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "login_server")
    launcher = house.launcher("home", house.info())
    assert house.tell(launcher, ended(), ended()) == [MatchRecorded(match_id="m1")] * 2
    launcher.disconnects(house.server)
    house.start()
    launcher = house.launcher("home", house.info())
    assert house.tell(launcher, ended()) == [MatchRecorded(match_id="m1")]
    assert len(house.results.recent(10)) == 1
    assert sum("m1 ended" in record.getMessage() for record in caplog.records) == 1


def test_what_was_recorded_first_stays(house: "House") -> None:
    launcher = house.launcher("home", house.info())
    house.tell(launcher, ended())
    other = ended()
    other.result = MatchResult(winner="bob", scores={}, reason="won", ended_at=100.0)
    assert house.tell(launcher, other) == [MatchRecorded(match_id="m1")]
    assert house.results.recent(10)[0].result == RESULT
    assert house.server.state()["ended"]["m1"]["result"]["winner"] == "alice"


def test_a_result_whose_launcher_is_gone_is_recorded(house: "House") -> None:
    launcher = house.launcher("home", house.info())
    launcher.receives(house.server, ended())
    launcher.disconnects(house.server)
    run_work(house.server)
    assert len(house.results.recent(10)) == 1


def test_a_result_that_could_not_be_recorded_is_told_again(house: "House") -> None:
    launcher = house.launcher("home", house.info())
    with house.database.transaction() as connection:
        connection.execute(text("ALTER TABLE matches RENAME TO away"))
    house.refused("database_failed", "match_ended", house.tell(launcher, ended()))
    assert not launcher.disconnected
    with house.database.transaction() as connection:
        connection.execute(text("ALTER TABLE away RENAME TO matches"))
    assert house.tell(launcher, ended()) == [MatchRecorded(match_id="m1")]


def test_another_launchers_match(house: "House") -> None:
    home = house.launcher("home", house.info())
    away = house.launcher("away", house.info("away/one"))
    house.tell(home, started())
    house.refused("not_your_match", "match_ended", house.tell(away, ended(server_id="away/one")))
    assert house.results.recent(10) == []
    assert house.tell(home, ended()) == [MatchRecorded(match_id="m1")]


def test_a_launcher_that_comes_back_tells_what_goes_on(house: "House") -> None:
    """The login server was away: the match went on."""
    launcher = house.launcher("home", house.info())
    house.tell(launcher, started())
    house.start()
    assert house.server.state()["running"] == {}
    launcher = house.launcher("home", house.info())
    house.tell(launcher, started(), ScoreChanged(match_id="m1", scores={"alice": 2}, server_id="home/one"))
    assert house.server.state()["running"]["m1"]["scores"] == {"alice": 2}
    house.tell(launcher, ended())
    assert house.server.state()["ended"]["m1"]["state"] == "ended"


def test_a_lost_launchers_matches_go_on(house: "House") -> None:
    launcher = house.launcher("home", house.info())
    house.tell(launcher, started())
    launcher.disconnects(house.server)
    house.settle()
    assert house.server.state()["running"]["m1"]["state"] == "running"


@pytest.mark.parametrize("way", ["unregistered", "started anew"])
def test_the_matches_of_a_server_that_ended_are_lost(house: "House", way: str) -> None:
    launcher = house.launcher("home", house.info(), house.info("home/two"))
    house.tell(launcher, started(), started("m2", "home/two"))
    if way == "unregistered":
        house.tell(launcher, UnregisterServer(server_id="home/one"))
    else:
        house.tell(launcher, UpdateServer(server=house.info(state="starting")))
    state = house.server.state()
    assert state["running"].keys() == {"m2"}
    assert state["ended"]["m1"]["state"] == "lost"
    assert house.tell(launcher, ended()) == [MatchRecorded(match_id="m1")], "its result was on its way"


def test_many_results_at_once_are_all_answered(house: "House") -> None:
    launcher = house.launcher("home", house.info())
    answers = house.tell(launcher, *(ended(f"m{number}") for number in range(300)))
    assert {answer.match_id for answer in answers} == {f"m{number}" for number in range(300)}
    assert len(house.results.recent(1000)) == 300
    assert len(house.server.state()["ended"]) == 100
