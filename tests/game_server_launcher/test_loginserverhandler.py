"""Conversations with the login server: what it is told, and what each of its messages does."""

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest

from connhandler import DisconnectReason, ProtocolError
from connhandler.jsonmessage import Hello, Ping, Pong, Refused, ShuttingDown, Welcome
from connhandler.testing import FakeConnection
from game_server_launcher import delivery
from game_server_launcher.listing import REGISTER_PAUSE_SECONDS, UPDATE_SECONDS
from game_server_launcher.loginserverhandler import LoginServerHandler, LoginServerPeer, LoginServerReader
from game_server_launcher.protocol import IssuerChanged, PlayerCountChanged, ServerReady, StopServer
from login_server.protocol import (
    LauncherAccepted,
    LauncherLogIn,
    LoggedIn,
    MapChanged,
    MatchEnded,
    MatchRecorded,
    MatchResult,
    MatchStarted,
    MatchTimeChanged,
    PlayerJoined,
    PlayerLeft,
    PlayersExpected,
    RegisterServer,
    ScoreChanged,
    SeatReserved,
    ServerInfo,
    TeamsChanged,
    UnregisterServer,
    UpdateServer,
)

Make = Callable[..., Any]


def info(**changes: Any) -> ServerInfo:
    values: dict[str, Any] = {
        "server_id": "home/four",
        "name": "four",
        "game": "chess",
        "map": "",
        "players": 0,
        "capacity": 10,
        "region": "",
        "address": "127.0.0.1",
        "port": 7000,
        "ping_address": "127.0.0.1:7000",
        "version": "",
    }
    return ServerInfo(**values | changes)


def result(match_id: str = "m1", reason: str = "won", winner: str = "ann") -> MatchEnded:
    return MatchEnded(
        match_id=match_id,
        players=["ann", "bob"],
        result=MatchResult(winner=winner, scores={"ann": 1}, reason=reason, ended_at=7.0),
        server_id="home/four",
    )


def unplaced(message: Any) -> Any:
    """The message as a controller sends it."""
    message.server_id = ""
    return message


@pytest.fixture
def chess_file(chess_with: Make) -> Any:
    return chess_with(address="127.0.0.1")


@pytest.fixture
def world(make_world: Make, chess_file: Any) -> Any:
    return make_world(chess_file)


def test_every_connection_gets_a_login_server_peer(world: Any) -> None:
    handler = LoginServerHandler("login_server", "127.0.0.1", 9001, world.launcher.queue)
    reader, _, peer = handler.create_connection_instances(None, ("127.0.0.1", 1))  # type: ignore[arg-type]
    assert (type(reader), type(peer)) == (LoginServerReader, LoginServerPeer)


def test_however_long_it_was_away_it_is_asked_again_soon(world: Any) -> None:
    handler = LoginServerHandler("login_server", "127.0.0.1", 9001, world.launcher.queue)
    assert handler.limits.max_retry_seconds <= 4  # What the page promises.


def test_it_says_hello_and_logs_in(world: Any) -> None:
    fake = FakeConnection(LoginServerPeer())
    fake.connected(world.launcher)
    assert fake.take() == [Hello(versions=[1, 2], program="game-server-launcher")]
    fake.receives(world.launcher, Welcome(version=1))
    assert fake.take() == [LauncherLogIn(name="home", key="the key")]
    assert world.launcher.state()["login_server"] == "away"
    fake.receives(world.launcher, LauncherAccepted(name="home", issuer="login", public_key="PEM"))
    assert fake.take() == [], "no server is ready"
    assert world.launcher.state()["login_server"] == "connected"


def test_a_version_that_was_not_offered_is_a_protocol_error(world: Any) -> None:
    fake = FakeConnection(LoginServerPeer())
    fake.receives(world.launcher, Welcome(version=9))
    assert isinstance(fake.failure, ProtocolError)


def test_a_message_that_is_not_for_launchers_is_a_protocol_error(world: Any) -> None:
    fake = world.login_server()
    fake.receives(world.launcher, LoggedIn(name="ann"))
    assert isinstance(fake.failure, ProtocolError)


def test_a_ping_is_answered(world: Any) -> None:
    fake = world.login_server()
    fake.receives(world.launcher, Ping())
    assert fake.take() == [Pong()]


def test_a_wrong_key_is_one_log_line_however_often_it_is_refused(world: Any, caplog: pytest.LogCaptureFixture) -> None:
    controller = world.ready()
    for _ in range(3):
        fake = FakeConnection(LoginServerPeer(), ("10.0.0.1", 9001))
        fake.connected(world.launcher)
        fake.receives(world.launcher, Welcome(version=1))
        refused = Refused(code="wrong_key", message="wrong launcher name or key", about="launcher_log_in")
        fake.receives(world.launcher, refused)
        assert fake.disconnected
        fake.disconnects(world.launcher)
    lines = [record.message for record in caplog.records if record.levelname == "ERROR"]
    assert lines == [
        "the login server at 10.0.0.1:9001 does not let launcher home in: wrong launcher name or key (wrong_key). "
        "Matches go on; it is asked again"
    ]
    assert not controller.disconnected
    assert world.state()["state"] == "ready"
    world.login_server()
    assert world.launcher.state()["login_server"] == "connected"


def test_what_is_refused_later_is_logged(world: Any, caplog: pytest.LogCaptureFixture) -> None:
    fake = world.login_server()
    fake.receives(world.launcher, Refused(code="too_many_servers", message="no room", about="register_server"))
    assert "the login server refused register_server: no room (too_many_servers)" in caplog.text
    assert not fake.disconnected


def test_a_server_that_is_ready_is_registered_and_one_that_ends_is_not_any_more(world: Any) -> None:
    fake = world.login_server()
    controller = world.ready()
    assert fake.take() == [RegisterServer(server=info())]
    controller.disconnects(world.launcher)
    world.process_exited(1)
    assert fake.take() == [UnregisterServer(server_id="home/four")]
    world.advance(1)
    world.ready(port=7001)
    assert fake.take() == [RegisterServer(server=info(port=7001, ping_address="127.0.0.1:7001"))]


def test_how_many_play_a_match_is_told(make_world: Make, chess_with: Make) -> None:
    world = make_world(chess_with(match_players=3))
    login = world.login_server()
    world.ready()
    [registered] = login.take()
    assert registered.server.match_players == 3


def test_an_ipv6_address_is_told_in_brackets(make_world: Make, chess_with: Make) -> None:
    world = make_world(chess_with(address="2001:db8::1"))
    login = world.login_server()
    world.ready()
    [registered] = login.take()
    assert registered.server.address == "2001:db8::1"
    assert registered.server.ping_address == "[2001:db8::1]:7000"


def test_changes_that_come_together_are_told_as_one(world: Any) -> None:
    fake = world.login_server()
    controller = world.ready()
    fake.take()
    for players in range(1, 6):
        controller.receives(world.launcher, PlayerCountChanged(players=players))
    assert fake.take() == []
    world.advance(UPDATE_SECONDS)
    assert fake.take() == [UpdateServer(server=info(players=5))]
    controller.receives(world.launcher, PlayerCountChanged(players=6), PlayerCountChanged(players=5))
    world.advance(UPDATE_SECONDS)
    assert fake.take() == [], "nothing has changed"


def test_a_server_that_is_being_stopped_is_shown_so_until_it_has_ended(world: Any) -> None:
    fake = world.login_server()
    controller = world.ready()
    fake.take()
    world.launcher.on_shutdown()
    assert controller.take()[-1] == StopServer(grace_seconds=10.0)
    world.advance(UPDATE_SECONDS)
    assert fake.take() == [UpdateServer(server=info(state="stopping"))]
    controller.disconnects(world.launcher)
    world.process_exited(0)
    assert fake.take() == [UnregisterServer(server_id="home/four")]


def test_a_hiccup_of_the_controller_does_not_lose_the_server(world: Any) -> None:
    fake = world.login_server()
    world.ready().disconnects(world.launcher)
    fake.take()
    world.advance(UPDATE_SECONDS)
    assert fake.take() == []
    world.advance(60)
    world.advance(UPDATE_SECONDS)
    assert fake.take() == [UpdateServer(server=info(state="stopping"))], "nobody new is sent there"
    world.controller().receives(world.launcher, ServerReady(port=7000))
    world.advance(UPDATE_SECONDS)
    assert fake.take() == [UpdateServer(server=info())]


FACTS = [
    MapChanged(map="large", server_id="home/four"),
    MatchStarted(match_id="m1", players=["ann", "bob"], server_id="home/four"),
    PlayerJoined(match_id="m1", player="ann", server_id="home/four"),
    PlayerLeft(match_id="m1", player="ann", server_id="home/four"),
    TeamsChanged(match_id="m1", teams={"red": ["ann"]}, server_id="home/four"),
    ScoreChanged(match_id="m1", scores={"ann": 3}, server_id="home/four"),
    MatchTimeChanged(match_id="m1", elapsed_seconds=9.5, server_id="home/four"),
]


@pytest.mark.parametrize("fact", FACTS, ids=lambda fact: type(fact).__name__)
def test_a_fact_is_forwarded_with_its_server(world: Any, fact: Any) -> None:
    fake = world.login_server()
    controller = world.ready()
    fake.take()
    controller.receives(world.launcher, unplaced(copy.copy(fact)))
    world.settle()
    assert fake.take() == [fact]


def test_the_start_of_a_match_is_told_once_it_is_written_down(world: Any) -> None:
    """With what was told of it meanwhile; else the login server would know of a match that both the launcher and the
    game were killed under, and nobody would ever say how it ended."""
    fake = world.login_server()
    controller = world.ready()
    fake.take()
    started = MatchStarted(match_id="m1", players=["ann", "bob"], server_id="home/four")
    score = ScoreChanged(match_id="m1", scores={"ann": 1}, server_id="home/four")
    controller.receives(world.launcher, unplaced(copy.copy(started)), unplaced(copy.copy(score)))
    assert fake.take() == []
    world.settle()
    assert "m1" in world.saved()["matches"]
    assert fake.take() == [started, score]
    controller.receives(world.launcher, unplaced(copy.copy(score)))
    assert fake.take() == [score]


def test_many_starts_are_written_down_together(world: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = world.login_server()
    controller = world.ready()
    fake.take()
    written: list[bytes] = []
    save_server = world.folder.save_server

    def save(saved: bytes, name: str) -> None:
        written.append(saved)
        save_server(saved, name)

    monkeypatch.setattr(world.folder, "save_server", save)
    for number in range(100):
        controller.receives(world.launcher, MatchStarted(match_id=f"m{number}", players=["ann", "bob"]))
    world.settle()
    assert [message.match_id for message in fake.take()] == [f"m{number}" for number in range(100)]
    assert len(written) <= 3


def test_who_plays_is_in_the_list_by_name(world: Any) -> None:
    controller = world.ready()
    login_server = world.login_server()
    login_server.take()
    facts = [MatchStarted(match_id="m1", players=["ann", "bob"]), PlayerJoined(match_id="m1", player="ann")]
    controller.receives(world.launcher, *facts)
    world.settle()
    world.advance(1)
    updates = [one for one in login_server.take() if isinstance(one, UpdateServer)]
    assert [one.server.names for one in updates] == [["ann"]]
    controller.receives(world.launcher, MatchEnded(match_id="m1", players=["ann", "bob"], result=result().result))
    world.settle()
    world.advance(1)
    (over,) = (one for one in login_server.take() if isinstance(one, UpdateServer))
    assert over.server.names == []


def test_after_a_reconnect_everything_is_told_anew(world: Any) -> None:
    controller = world.ready()
    controller.receives(
        world.launcher,
        MapChanged(map="large"),
        MatchStarted(match_id="m1", players=["ann", "bob"]),
        PlayerJoined(match_id="m1", player="ann"),
        PlayerJoined(match_id="m1", player="bob"),
        PlayerLeft(match_id="m1", player="bob"),
        TeamsChanged(match_id="m1", teams={"red": ["ann"]}),
        ScoreChanged(match_id="m1", scores={"ann": 2}),
        ScoreChanged(match_id="m1", scores={"ann": 3}),
        MatchTimeChanged(match_id="m1", elapsed_seconds=9.5),
        MatchStarted(match_id="m2", players=["eve"]),
        MatchEnded(match_id="m2", players=["eve"], result=result().result),
    )
    world.settle()
    told = [
        RegisterServer(server=info(map="large", names=["ann"])),
        MatchStarted(match_id="m1", players=["ann", "bob"], server_id="home/four"),
        PlayerJoined(match_id="m1", player="ann", server_id="home/four"),
        PlayerLeft(match_id="m1", player="bob", server_id="home/four"),
        TeamsChanged(match_id="m1", teams={"red": ["ann"]}, server_id="home/four"),
        ScoreChanged(match_id="m1", scores={"ann": 3}, server_id="home/four"),
        MatchTimeChanged(match_id="m1", elapsed_seconds=9.5, server_id="home/four"),
        MatchEnded(match_id="m2", players=["eve"], result=result().result, server_id="home/four"),
    ]
    first = world.login_server()
    assert first.take() == told
    first.disconnects(world.launcher, DisconnectReason.CONNECTION_LOST)
    assert world.launcher.state()["login_server"] == "away"
    assert world.login_server().take() == told


def test_many_servers_are_told_one_after_the_other(make_world: Make, chess_with: Make) -> None:
    world = make_world(chess_with(servers=3))
    for number in (1, 2, 3):
        world.ready(f"four-{number}", 1000 + number)
    fake = world.login_server()
    told = [message.server.name for message in fake.take()]
    for _ in range(2):
        world.advance(REGISTER_PAUSE_SECONDS)
        told += [message.server.name for message in fake.take()]
    assert told == ["four-1", "four-2", "four-3"]


def test_a_connection_that_is_lost_while_all_is_told_anew(make_world: Make, chess_with: Make) -> None:
    world = make_world(chess_with(servers=3))
    for number in (1, 2, 3):
        world.ready(f"four-{number}", 1000 + number)
    world.login_server().disconnects(world.launcher)
    fake = world.login_server()
    for _ in range(4):
        world.advance(REGISTER_PAUSE_SECONDS)
    told = [message.server.name for message in fake.take()]
    assert sorted(told) == ["four-1", "four-2", "four-3"]


def test_an_outage_touches_no_match(world: Any) -> None:
    login = world.login_server()
    controller = world.ready()
    login.disconnects(world.launcher)
    controller.take()
    controller.receives(world.launcher, MatchStarted(match_id="m1", players=["ann"]), ScoreChanged("m1", {"ann": 1}))
    assert controller.take() == []
    assert controller.failure is None
    assert world.state()["state"] == "ready"


def test_the_issuer_is_told_to_controllers_and_survives_the_launcher(world: Any, make_world: Make) -> None:
    controller = world.ready()
    world.login_server()
    assert controller.take() == [IssuerChanged(issuer="login", public_key="PEM")]
    again = world.login_server()
    assert controller.take() == [], "it has not changed"
    again.receives(world.launcher, LauncherAccepted(name="home", issuer="login", public_key="PEM 2"))
    assert controller.take() == [IssuerChanged(issuer="login", public_key="PEM 2")]
    world.settle()
    later = make_world()
    later.process_started()
    fake = later.controller()
    assert fake.peer.server == "four"
    assert later.folder.load_issuer().public_key == "PEM 2"


def test_a_login_server_that_is_shutting_down_is_noted(world: Any, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    world.login_server().receives(world.launcher, ShuttingDown(message="maintenance"))
    assert "the login server is shutting down" in caplog.text


@pytest.mark.parametrize("server_id", ["home/none", "elsewhere/four", "four"])
def test_players_expected_at_a_server_that_is_not_here(
    world: Any, server_id: str, caplog: pytest.LogCaptureFixture
) -> None:
    controller = world.ready()
    expected = PlayersExpected(server_id=server_id, match_id="m1", players=["ann"], expires_at=2e9)
    world.login_server().receives(world.launcher, expected)
    assert f"players are expected at {server_id}, which is not here" in caplog.text
    assert expected not in controller.sent


def test_a_seat_is_kept_by_the_next_launcher_too(world: Any) -> None:
    world.ready()
    reserved = SeatReserved("home/four", "ann", "192.0.2.7", "m1", world.clock.now + 1800)
    world.login_server().receives(world.launcher, reserved)
    world.advance(1.0)
    world.settle()
    kept = {"ann": {"address": "192.0.2.7", "game_id": "m1", "expires_at": reserved.expires_at}}
    assert world.state()["seats"] == kept
    assert json.loads((world.path / "four.json").read_text())["seats"] == kept


# --- match results ----------------------------------------------------------------------------------------


def test_a_result_is_sent_until_it_is_recorded(world: Any) -> None:
    controller = world.ready()
    controller.receives(world.launcher, unplaced(result()))
    world.settle()
    assert controller.take() == [MatchRecorded(match_id="m1")]
    first = world.login_server()
    assert first.take()[-1] == result()
    first.disconnects(world.launcher)
    second = world.login_server()
    assert second.take()[-1] == result(), "nobody has said that it is recorded"
    second.receives(world.launcher, MatchRecorded(match_id="m1"), MatchRecorded(match_id="m1"))
    world.settle()
    assert (world.path / "launcher.results").read_bytes() == b""
    assert world.launcher.state()["results_waiting"] == 0
    second.disconnects(world.launcher)
    assert result() not in world.login_server().take()
    assert controller.take()[1:] == [], "its controller has forgotten it long ago"


def test_a_result_survives_the_launcher(world: Any, make_world: Make, chess_file: Any) -> None:
    world.ready().receives(world.launcher, unplaced(result()))
    world.settle()
    later = make_world(chess_file)
    assert later.login_server().take() == [result()]


def test_a_result_that_is_said_again_while_it_is_being_written(world: Any) -> None:
    controller = world.ready()
    controller.receives(world.launcher, unplaced(result()), unplaced(result()))
    world.settle()
    assert controller.take() == [MatchRecorded(match_id="m1")]
    assert world.login_server().take().count(result()) == 1


def test_a_result_is_not_lost_when_the_journal_cannot_be_written(world: Any, caplog: pytest.LogCaptureFixture) -> None:
    login = world.login_server()
    controller = world.ready()
    login.take()
    controller.take()
    journal = world.path / "launcher.results"
    journal.unlink()
    journal.mkdir()
    controller.receives(world.launcher, unplaced(result("m1")), unplaced(result("m2")))
    world.settle()
    assert login.take() == [result("m1"), result("m2")]
    assert controller.take() == [], "it must not forget them yet"
    assert "the journal of match results cannot be written" in caplog.text
    login.receives(world.launcher, MatchRecorded(match_id="m1"))
    assert controller.take() == [MatchRecorded(match_id="m1")], "now it may"
    world.settle()
    journal.rmdir()
    world.advance(delivery.RETRY_SECONDS)
    assert controller.take() == [MatchRecorded(match_id="m2")], "it is on disk"
    assert b'"m2"' in journal.read_bytes()


def test_a_long_backlog_is_sent_in_parts(world: Any) -> None:
    controller = world.ready()
    count = delivery.MAX_UNANSWERED + 50
    controller.receives(world.launcher, *[unplaced(result(f"m{number}")) for number in range(count)])
    world.settle()
    login = world.login_server()
    sent = [message.match_id for message in login.take() if isinstance(message, MatchEnded)]
    assert len(sent) == delivery.MAX_UNANSWERED
    for match_id in sent[:30]:
        login.receives(world.launcher, MatchRecorded(match_id=match_id))
    assert len(login.take()) == 30
    world.settle()


def test_a_result_that_is_never_answered_does_not_hold_up_the_others(
    world: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery, "MAX_UNANSWERED", 2)
    controller = world.ready()
    controller.receives(world.launcher, *[unplaced(result(f"m{number}")) for number in range(4)])
    world.settle()
    login = world.login_server()
    assert [message.match_id for message in login.take()[1:]] == ["m0", "m1"]
    world.advance(delivery.RESEND_SECONDS)
    assert [message.match_id for message in login.take()] == ["m2", "m3"]
    world.advance(delivery.RESEND_SECONDS)
    assert [message.match_id for message in login.take()] == ["m0", "m1"]


def test_too_many_results_stay_with_their_controllers(world: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivery, "MAX_WAITING", 2)
    controller = world.ready()
    controller.receives(world.launcher, *[unplaced(result(f"m{number}")) for number in range(3)])
    world.settle()
    assert controller.take() == [MatchRecorded(match_id="m0"), MatchRecorded(match_id="m1")]
    assert world.launcher.state()["results_waiting"] == 2


def test_a_crash_ends_the_matches_that_ran_and_then_takes_the_server_away(world: Any) -> None:
    login = world.login_server()
    controller = world.ready()
    controller.receives(
        world.launcher,
        MatchStarted(match_id="m1", players=["ann", "bob"]),
        ScoreChanged(match_id="m1", scores={"ann": 2, "bob": 1}),
        MatchStarted(match_id="m2", players=["eve"]),
        MatchEnded(match_id="m2", players=["eve"], result=result().result),
    )
    world.settle()
    login.take()
    controller.disconnects(world.launcher, DisconnectReason.CONNECTION_LOST)
    world.process_exited(-9)
    crashed = MatchResult(winner="", scores={"ann": 2, "bob": 1}, reason="server_crashed", ended_at=world.clock.now)
    assert login.take() == [
        MatchEnded(match_id="m1", players=["ann", "bob"], result=crashed, server_id="home/four"),
        UnregisterServer(server_id="home/four"),
    ]
    assert b"server_crashed" in (world.path / "launcher.results").read_bytes()
    assert world.state()["matches"] == {}


def test_the_last_words_of_a_game_that_crashes_are_heard(world: Any) -> None:
    """Its end is seen at once; what it had sent before may still be on its way."""
    login = world.login_server()
    controller = world.ready()
    controller.receives(world.launcher, MatchStarted(match_id="m1", players=["ann", "bob"]))
    world.settle()
    login.take()
    world.process_exited(1)
    controller.receives(world.launcher, unplaced(result()))
    controller.disconnects(world.launcher)
    world.settle()
    assert login.take() == [result(), UnregisterServer(server_id="home/four")]
    assert world.state()["state"] == "waiting to be restarted"


def test_matches_of_a_game_that_ended_while_no_launcher_ran_have_ended_too(
    world: Any, make_world: Make, chess_file: Any
) -> None:
    world.ready().receives(
        world.launcher, MatchStarted(match_id="m1", players=["ann", "bob"]), ScoreChanged("m1", {"ann": 1})
    )
    world.advance(1)
    later = make_world(chess_file)
    login = later.login_server()
    assert login.take() == []
    later.happens("process_not_found", "four", later.runner.runs["four"].number)
    later.settle()
    [ended] = login.take()
    assert (ended.match_id, ended.result.reason, ended.result.scores) == ("m1", "server_crashed", {"ann": 1})
    assert later.runner.take()[-1][0] == "start"
