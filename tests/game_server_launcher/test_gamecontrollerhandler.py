"""Conversations with game controllers: what each message does."""

from collections.abc import Callable
from typing import Any

import pytest

from connhandler import ProtocolError
from connhandler.jsonmessage import Hello, Pong, Refused, Welcome
from connhandler.testing import FakeConnection
from game_server_launcher.gamecontrollerhandler import ControllerPeer, ControllerReader, GameControllerHandler
from game_server_launcher.protocol import (
    ControllerAccepted,
    ControllerLogIn,
    PlayerCountChanged,
    ServerReady,
    TicketUsed,
)
from game_server_launcher.servers import MAX_NAMES, MAX_TICKETS
from login_server.protocol import (
    LauncherAccepted,
    MapChanged,
    MatchEnded,
    MatchRecorded,
    MatchResult,
    MatchStarted,
    MatchTimeChanged,
    PlayerJoined,
    PlayerLeft,
    PlayersExpected,
    ScoreChanged,
    TeamsChanged,
)

Make = Callable[..., Any]

RESULT = MatchResult(winner="ann", scores={"ann": 1, "bob": 0}, reason="won", ended_at=7.0)


def test_every_connection_gets_a_controller_peer(world: Any) -> None:
    handler = GameControllerHandler("controllers", "127.0.0.1", 0, world.launcher.queue)
    reader, _, peer = handler.create_connection_instances(None, ("127.0.0.1", 1))  # type: ignore[arg-type]
    assert (type(reader), type(peer)) == (ControllerReader, ControllerPeer)
    assert peer.requires_login


def test_a_controller_logs_in_with_the_token_of_its_process(world: Any) -> None:
    world.process_started()
    fake = FakeConnection(ControllerPeer())
    fake.connected(world.launcher)
    fake.receives(world.launcher, Hello(versions=[1, 2]))
    assert fake.take() == [Welcome(version=1, program="game-server-launcher")]
    token = world.runner.runs["four"].token
    assert len(token) == 32
    fake.receives(world.launcher, ControllerLogIn(server="four", token=token, pid=1000))
    (accepted,) = fake.take()
    assert isinstance(accepted, ControllerAccepted)
    assert (accepted.server_id, accepted.issuer, accepted.public_key) == ("home/four", "", "")
    assert accepted.used_tickets == []
    assert fake.peer.logged_in
    assert world.state()["controller"]
    assert world.state()["state"] == "starting", "it has not said that it is ready"


def test_a_version_that_is_not_spoken_is_refused(world: Any) -> None:
    fake = FakeConnection(ControllerPeer())
    fake.receives(world.launcher, Hello(versions=[7]))
    [refused] = fake.take()
    assert refused.code == "incompatible_version"
    assert fake.disconnected


@pytest.mark.parametrize(("server", "token"), [("four", "wrong"), ("four", ""), ("five", "wrong"), ("four", "é")])
def test_a_wrong_token_is_refused(world: Any, server: str, token: str, caplog: pytest.LogCaptureFixture) -> None:
    world.process_started()
    fake = FakeConnection(ControllerPeer())
    fake.receives(world.launcher, Hello(versions=[1]), ControllerLogIn(server=server, token=token, pid=1))
    assert fake.take()[1:] == [
        Refused(code="wrong_token", message="there is no such server with this token", about="controller_log_in")
    ]
    assert fake.disconnected
    assert not fake.peer.logged_in
    assert f"server '{server}' with a wrong token" in caplog.text
    assert "wrong" not in caplog.text.replace("wrong token", ""), "the token itself is not logged"


def test_the_token_of_a_process_that_has_ended_is_wrong(world: Any) -> None:
    world.process_started()
    token = world.runner.runs["four"].token
    world.process_exited(1)
    fake = FakeConnection(ControllerPeer())
    fake.receives(world.launcher, Hello(versions=[1]), ControllerLogIn(server="four", token=token, pid=1))
    assert fake.take()[1].code == "wrong_token"
    fake = FakeConnection(ControllerPeer())
    fake.receives(world.launcher, Hello(versions=[1]), ControllerLogIn(server="four", token="", pid=1))
    assert fake.take()[1].code == "wrong_token"


@pytest.mark.parametrize(
    "message",
    [
        ControllerLogIn(server="four", token="", pid=1),
        ServerReady(port=1),
        PlayerCountChanged(players=1),
        TicketUsed(ticket_id="t", expires_at=1),
        MapChanged(map="m"),
        MatchStarted(match_id="m", players=[]),
        PlayerJoined(match_id="m", player="ann"),
        PlayerLeft(match_id="m", player="ann"),
        TeamsChanged(match_id="m", teams={}),
        ScoreChanged(match_id="m", scores={}),
        MatchTimeChanged(match_id="m", elapsed_seconds=1),
        MatchEnded(match_id="m", players=[], result=RESULT),
    ],
    ids=lambda message: type(message).__name__,
)
def test_nothing_is_taken_from_whoever_has_not_logged_in(world: Any, message: Any) -> None:
    fake = FakeConnection(ControllerPeer())
    fake.receives(world.launcher, message)
    assert isinstance(fake.failure, ProtocolError)
    assert world.launcher.state()["results_waiting"] == 0


def test_a_message_of_the_other_side_is_not_expected(world: Any) -> None:
    fake = world.ready()
    fake.receives(world.launcher, LauncherAccepted(name="x", issuer="", public_key=""))
    assert isinstance(fake.failure, ProtocolError)


def test_logging_in_twice_is_a_protocol_error(world: Any) -> None:
    fake = world.ready()
    token = world.runner.runs["four"].token
    fake.receives(world.launcher, ControllerLogIn(server="four", token=token, pid=1))
    assert isinstance(fake.failure, ProtocolError)


def test_a_pong_is_no_more_than_a_sign_of_life(world: Any) -> None:
    fake = world.ready()
    fake.receives(world.launcher, Pong())
    assert fake.failure is None


def test_a_second_controller_replaces_the_first(world: Any) -> None:
    first = world.ready()
    second = world.controller()
    assert first.disconnected
    assert first.disconnect_detail == "replaced by a newer connection"
    first.disconnects(world.launcher)
    assert world.state()["controller"]
    assert world.state()["state"] == "ready"
    second.receives(world.launcher, PlayerCountChanged(players=3))
    assert world.state()["players"] == 3


def test_server_ready_says_what_the_server_is(world: Any) -> None:
    world.process_started()
    fake = world.controller()
    fake.receives(world.launcher, ServerReady(port=7123, version="2", map="small", capacity=4))
    state = world.state()
    assert (state["state"], state["port"], state["version"]) == ("ready", 7123, "2")
    assert (state["map"], state["capacity"]) == ("small", 4)
    world.settle()
    assert world.saved()["state"] == "ready"


def test_server_ready_leaves_what_it_does_not_say(make_world: Make, chess_with: Make) -> None:
    world = make_world(chess_with(map="classic", version="1"))
    world.process_started()
    world.controller().receives(world.launcher, ServerReady(port=0))
    state = world.state()
    assert (state["port"], state["version"], state["map"], state["capacity"]) == (7000, "1", "classic", 10)


def test_a_used_ticket_is_told_to_the_next_process_until_it_has_expired(world: Any) -> None:
    fake = world.ready()
    fake.receives(
        world.launcher,
        TicketUsed(ticket_id="short", expires_at=world.clock.now + 1),
        TicketUsed(ticket_id="long", expires_at=world.clock.now + 60),
    )
    fake.disconnects(world.launcher)
    world.process_exited(1)
    world.advance(10)
    world.process_started()
    again = FakeConnection(ControllerPeer())
    token = world.runner.runs["four"].token
    again.receives(world.launcher, Hello(versions=[1]), ControllerLogIn(server="four", token=token, pid=1))
    [accepted] = [message for message in again.take() if isinstance(message, ControllerAccepted)]
    assert [ticket.ticket_id for ticket in accepted.used_tickets] == ["long"]


def test_the_number_of_used_tickets_is_bounded(world: Any) -> None:
    fake = world.ready()
    for number in range(MAX_TICKETS + 10):
        fake.receives(world.launcher, TicketUsed(ticket_id=f"t{number}", expires_at=world.clock.now + 60))
    tickets = world.state()["used_tickets"]
    assert len(tickets) == MAX_TICKETS
    assert f"t{MAX_TICKETS + 9}" in tickets


def test_used_tickets_survive_the_launcher(world: Any, make_world: Make) -> None:
    world.ready().receives(world.launcher, TicketUsed(ticket_id="t1", expires_at=world.clock.now + 60))
    world.advance(1)
    assert list(world.saved()["used_tickets"]) == ["t1"]
    assert list(make_world().state()["used_tickets"]) == ["t1"]


def test_facts_about_a_match_are_kept(world: Any) -> None:
    fake = world.ready()
    fake.receives(
        world.launcher,
        MapChanged(map="large"),
        MatchStarted(match_id="m1", players=["ann", "bob"]),
        PlayerJoined(match_id="m1", player="ann"),
        PlayerJoined(match_id="m1", player="bob"),
        PlayerLeft(match_id="m1", player="bob"),
        TeamsChanged(match_id="m1", teams={"red": ["ann"], "blue": ["bob"]}),
        ScoreChanged(match_id="m1", scores={"ann": 2}),
        MatchTimeChanged(match_id="m1", elapsed_seconds=12.5),
        ScoreChanged(match_id="unknown", scores={"eve": 99}),
    )
    assert world.state()["map"] == "large"
    assert world.state()["matches"] == {
        "m1": {
            "players": ["ann", "bob"],
            "teams": {"red": ["ann"], "blue": ["bob"]},
            "scores": {"ann": 2},
            "elapsed_seconds": 12.5,
            "here": {"ann": True, "bob": False},
            "ended": False,
        }
    }
    world.advance(1)
    assert world.saved()["matches"]["m1"]["scores"] == {"ann": 2}


def test_a_match_with_too_many_names_is_refused(world: Any) -> None:
    fake = world.ready()
    fake.receives(world.launcher, MatchStarted(match_id="m1", players=["ann"]))
    for number in range(MAX_NAMES + 10):
        fake.receives(world.launcher, PlayerJoined(match_id="m1", player=f"p{number}"))
    assert len(world.state()["matches"]["m1"]["here"]) == MAX_NAMES
    fake.receives(world.launcher, ScoreChanged(match_id="m1", scores={f"p{n}": n for n in range(MAX_NAMES + 1)}))
    assert isinstance(fake.failure, ProtocolError)


def test_a_result_is_on_disk_before_its_controller_may_forget_it(world: Any) -> None:
    fake = world.ready()
    fake.receives(world.launcher, MatchStarted(match_id="m1", players=["ann", "bob"]))
    ended = MatchEnded(match_id="m1", players=["ann", "bob"], result=RESULT)
    fake.receives(world.launcher, ended)
    assert fake.take() == []
    assert world.state()["matches"]["m1"]["ended"]
    world.settle()
    assert b'"m1"' in (world.path / "launcher.results").read_bytes()
    assert fake.take() == [MatchRecorded(match_id="m1")]
    assert world.state()["matches"] == {}
    fake.receives(world.launcher, MatchEnded(match_id="m1", players=["ann", "bob"], result=RESULT))
    assert fake.take() == [MatchRecorded(match_id="m1")], "the first answer may have been lost"
    assert world.launcher.state()["results_waiting"] == 1


def test_players_who_are_expected_are_told_to_the_controller(world: Any) -> None:
    login = world.login_server()
    fake = world.ready()
    soon = PlayersExpected(server_id="home/four", match_id="m1", players=["ann"], expires_at=world.clock.now + 60)
    login.receives(world.launcher, soon)
    assert fake.take() == [soon]
    fake.disconnects(world.launcher)
    late = PlayersExpected(server_id="home/four", match_id="m2", players=["eve"], expires_at=world.clock.now + 5)
    login.receives(world.launcher, late)
    world.clock.advance(10)
    again = FakeConnection(ControllerPeer())
    token = world.runner.runs["four"].token
    again.receives(world.launcher, Hello(versions=[1]), ControllerLogIn(server="four", token=token, pid=1))
    assert again.take()[2:] == [soon], "it may have missed it; the other one has expired"


def test_a_controller_that_is_away_for_long_gets_nobody_new(world: Any, caplog: pytest.LogCaptureFixture) -> None:
    fake = world.ready()
    fake.disconnects(world.launcher)
    assert world.state()["state"] == "away"
    world.advance(10)
    assert world.state()["state"] == "silent"
    assert "its controller is away, for 10 s now" in caplog.text
    world.controller().receives(world.launcher, ServerReady(port=7000))
    assert world.state()["state"] == "ready"
    world.advance(100)
    assert world.state()["state"] == "ready"


def test_an_exception_in_a_handler_costs_that_controller_alone(
    make_world: Make, chess_with: Make, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    world = make_world(chess_with(servers=["one", "two"]))
    one, two = world.ready("one", 1001), world.ready("two", 1002)

    def fail(*arguments: Any) -> None:
        raise RuntimeError("a bug")

    with monkeypatch.context() as patch:
        patch.setattr("game_server_launcher.controllerdesk.learn", fail)
        one.receives(world.launcher, MapChanged(map="large"))
    assert isinstance(one.failure, RuntimeError)
    assert "a bug" in caplog.text
    two.receives(world.launcher, MapChanged(map="large"))
    assert two.failure is None
    assert world.state("two")["map"] == "large"
