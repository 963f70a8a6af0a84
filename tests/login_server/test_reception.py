"""What both ports have in common: hello, log-in, pools that are full or fail, and a clear no."""

import logging
import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import text

from connhandler import DisconnectReason
from connhandler.jsonmessage import Hello, Pong, Refused, Welcome
from connhandler.testing import FakeConnection, run_work
from login_server.gameserverlauncherhandler import LauncherPeer
from login_server.protocol import (
    CancelMatch,
    ChangePassword,
    FindMatch,
    JoinServer,
    LauncherLogIn,
    LogIn,
    MapChanged,
    MatchEnded,
    MatchRecorded,
    MatchResult,
    MatchStarted,
    MatchTimeChanged,
    PlayerJoined,
    PlayerLeft,
    Register,
    Registered,
    RegisterServer,
    ScoreChanged,
    TeamsChanged,
    UnregisterServer,
    UpdateServer,
)

if TYPE_CHECKING:
    from tests.login_server.conftest import House

PASSWORD = "correct horse"
RESULT = MatchResult(winner="", scores={}, reason="draw", ended_at=1.0)


def strange_launcher(house: "House") -> FakeConnection[LauncherPeer]:
    launcher = FakeConnection(LauncherPeer())
    launcher.connected(house.server)
    return launcher


def test_the_highest_common_version_is_agreed_on(house: "House") -> None:
    for stranger in (house.stranger(), strange_launcher(house)):
        answers = house.tell(stranger, Hello(versions=[7, 1], program="test"))
        assert answers == [Welcome(version=1, program="login-server")]
        assert not stranger.disconnected


def test_a_hello_that_comes_again_is_answered_again(house: "House") -> None:
    """A page, which is not shown pings, finds out in this way whether its connection is alive."""
    player = house.player("alice")
    player.take()
    assert house.tell(player, Hello(versions=[1])) == [Welcome(version=1, program="login-server")]
    assert player.peer.logged_in


def test_an_incompatible_peer_is_told_which_versions_are_spoken(house: "House") -> None:
    for stranger in (house.stranger(), strange_launcher(house)):
        words = house.refused("incompatible_version", "hello", house.tell(stranger, Hello(versions=[8, 9])))
        assert words == f"login-server speaks versions {list(stranger.peer.versions)} of this protocol, not [8, 9]"
        assert stranger.disconnected


def test_hello_comes_first(house: "House") -> None:
    player, launcher = house.stranger(), strange_launcher(house)
    answers = house.tell(player, LogIn(name="alice", password=PASSWORD))
    assert house.refused("hello_expected", "log_in", answers) == "the first message must be a hello"
    house.refused("hello_expected", "launcher_log_in", house.tell(launcher, LauncherLogIn(name="home", key="k")))
    assert player.disconnected
    assert launcher.disconnected


@pytest.mark.parametrize(
    "message",
    [
        ChangePassword(old_password=PASSWORD, new_password=PASSWORD),
        JoinServer(server_id="home/one"),
        FindMatch(game="chess"),
        CancelMatch(),
    ],
    ids=lambda message: type(message).__name__,
)
def test_a_player_who_has_not_logged_in_is_refused_and_may_try_again(house: "House", message: Any) -> None:
    player = house.visitor()
    about = message.__struct_config__.tag
    assert house.refused("not_logged_in", about, house.tell(player, message)) == "log in first"
    assert not player.disconnected
    assert house.tell(player, Register(name="alice", password=PASSWORD)) == [Registered(name="alice")]


@pytest.mark.parametrize(
    "kind",
    [
        "RegisterServer", "UpdateServer", "UnregisterServer", "MapChanged", "MatchStarted", "PlayerJoined",
        "PlayerLeft", "TeamsChanged", "ScoreChanged", "MatchTimeChanged", "MatchEnded",
    ],
)  # fmt: skip
def test_a_launcher_that_has_not_logged_in_is_refused_and_disconnected(house: "House", kind: str) -> None:
    before = house.server.state()
    message = {
        "RegisterServer": RegisterServer(server=house.info()),
        "UpdateServer": UpdateServer(server=house.info()),
        "UnregisterServer": UnregisterServer(server_id="home/one"),
        "MapChanged": MapChanged(map="m", server_id="home/one"),
        "MatchStarted": MatchStarted(match_id="m1", players=["alice"], server_id="home/one"),
        "PlayerJoined": PlayerJoined(match_id="m1", player="alice", server_id="home/one"),
        "PlayerLeft": PlayerLeft(match_id="m1", player="alice", server_id="home/one"),
        "TeamsChanged": TeamsChanged(match_id="m1", teams={}, server_id="home/one"),
        "ScoreChanged": ScoreChanged(match_id="m1", scores={}, server_id="home/one"),
        "MatchTimeChanged": MatchTimeChanged(match_id="m1", elapsed_seconds=1, server_id="home/one"),
        "MatchEnded": MatchEnded(match_id="m1", players=["alice"], result=RESULT, server_id="home/one"),
    }[kind]
    launcher = house.program()
    house.refused("not_logged_in", str(message.__struct_config__.tag), house.tell(launcher, message))
    assert launcher.disconnected
    assert house.server.state() == {**before, "counters": {"refused_not_logged_in": 1}}


def test_messages_on_the_wrong_kind_of_connection_cost_that_peer_alone(house: "House") -> None:
    alice, bob = house.player("alice"), house.player("bob")
    launcher = house.launcher()
    assert house.tell(alice, RegisterServer(server=house.info())) == []
    assert alice.ending is DisconnectReason.PROTOCOL_ERROR
    assert "RegisterServer" in alice.disconnect_detail
    assert house.tell(launcher, FindMatch(game="chess")) == []
    assert launcher.ending is DisconnectReason.PROTOCOL_ERROR
    house.refused("not_waiting", "cancel_match", house.tell(bob, CancelMatch()))


def test_a_heartbeats_answer_is_taken(house: "House") -> None:
    for stranger in (house.stranger(), strange_launcher(house)):
        assert house.tell(stranger, Pong()) == []
        assert not stranger.disconnected


def test_a_pool_that_is_full_says_so(house: "House") -> None:
    house.password_pool.close()
    player = house.visitor()
    answers = house.tell(player, Register(name="alice", password=PASSWORD))
    assert "try again" in house.refused("busy", "register", answers)
    assert not player.disconnected
    assert player.peer.work == 0


def test_a_pool_that_is_full_by_the_second_step_says_so_too(house: "House") -> None:
    player = house.visitor()
    player.receives(house.server, Register(name="alice", password=PASSWORD))
    house.database_pool.close()
    run_work(house.server)
    house.refused("busy", "register", player.take())
    assert player.peer.work == 0


def test_one_request_of_a_player_is_at_work_at_a_time(house: "House") -> None:
    player = house.visitor()
    answers = house.tell(player, Register(name="alice", password=PASSWORD), LogIn(name="alice", password=PASSWORD))
    assert [type(answer) for answer in answers] == [Refused, Registered]
    assert answers[0].code == "busy"
    house.log_in("alice", player)


def test_a_database_that_fails_is_a_refusal_and_a_line_in_the_log(
    house: "House", caplog: pytest.LogCaptureFixture
) -> None:
    bob = house.player("bob")
    with house.database.transaction() as connection:
        connection.execute(text("DROP TABLE accounts"))
    visitor = house.visitor()
    caplog.clear()
    for message in (Register(name="alice", password=PASSWORD), LogIn(name="alice", password=PASSWORD)):
        house.refused("database_failed", message.__struct_config__.tag, house.tell(visitor, message))
    lines = [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR]
    assert lines == ["the database failed: OperationalError: no such table: accounts"] * 2
    assert not visitor.disconnected
    house.refused("not_waiting", "cancel_match", house.tell(bob, CancelMatch()))


def test_a_database_that_is_away_is_told_to_all_who_need_it_until_it_is_back(
    house: "House", caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    bob, launcher = house.player("bob"), house.launcher("home", house.info())
    bob.take()
    visitor, program = house.visitor(), house.program()
    ended = MatchEnded(match_id="m1", players=["bob"], result=RESULT, server_id="home/one")
    other = sqlite3.connect(tmp_path / "login_server.sqlite", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    caplog.clear()
    words = house.refused("database_away", "register", house.tell(visitor, Register(name="alice", password=PASSWORD)))
    assert words == "the database does not answer, try again in a moment"
    for connection, message in (
        (visitor, LogIn(name="bob", password=PASSWORD)),
        (bob, ChangePassword(old_password=PASSWORD, new_password="another word")),
        (program, LauncherLogIn(name="home", key=house.keys["home"])),
        (launcher, ended),
    ):
        house.refused("database_away", message.__struct_config__.tag, house.tell(connection, message))
        assert not connection.disconnected
    house.refused("not_waiting", "cancel_match", house.tell(bob, CancelMatch()))
    assert house.server.state()["counters"]["refused_database_away"] == 5

    other.execute("ROLLBACK")
    other.close()
    house.pass_time(1.25)
    run_work(house.server)
    assert house.tell(launcher, ended) == [MatchRecorded(match_id="m1")]
    assert house.tell(visitor, Register(name="alice", password=PASSWORD)) == [Registered(name="alice")]
    lines = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert lines == [
        "the database is away: OperationalError: database is locked",
        "the database is back after 1.2 s",
    ]


def test_who_has_gone_is_not_answered(house: "House") -> None:
    visitor = house.visitor()
    visitor.receives(house.server, LogIn(name="nobody", password=PASSWORD))
    visitor.disconnects(house.server)
    run_work(house.server)
    assert visitor.take() == []


def test_a_bug_in_a_pool_costs_the_peer_it_was_for(
    house: "House", caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    bob = house.player("bob")
    alice = house.visitor()

    def broken(password: str) -> str:
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr(house.passwords, "hash", broken)
    assert house.tell(alice, Register(name="alice", password=PASSWORD)) == []
    assert alice.ending is DisconnectReason.INTERNAL_ERROR
    assert any(record.exc_info for record in caplog.records)
    house.refused("not_waiting", "cancel_match", house.tell(bob, CancelMatch()))


def test_who_is_gone_gets_no_further_work_done(house: "House") -> None:
    player = house.visitor()
    player.receives(house.server, Register(name="alice", password=PASSWORD))
    player.disconnects(house.server)
    run_work(house.server)
    assert house.accounts.find("alice") is None
    house.player("bob")
