"""Scripted conversations with the launcher: what it is told, what it may say, and what its absence means."""

import os
from typing import TYPE_CHECKING, Any

import pytest

from connhandler import DisconnectReason, testing
from connhandler.jsonmessage import Hello, Ping, Pong, Refused, ShuttingDown, Welcome
from game_server.launcherhandler import LauncherPeer
from game_server.protocol import CloseCode, Drop, GameEvent, Joined, Notice, Resign
from game_server_launcher.protocol import (
    ControllerLogIn,
    IssuerChanged,
    KickPlayer,
    MatchRecorded,
    PlayerCountChanged,
    PlayersExpected,
    Say,
    ServerReady,
    StopServer,
    TicketUsed,
)
from login_server.protocol import (
    MatchEnded,
    MatchResult,
    MatchStarted,
    MatchTimeChanged,
    PlayerJoined,
    PlayerLeft,
    ScoreChanged,
    TeamsChanged,
)
from login_server.tickets import TicketIssuer, generate_key_pair

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.game_server.conftest import Hall, Launcher

PLAYERS = ["alice", "bob"]


def of(messages: list[Any], *classes: type) -> list[Any]:
    return [message for message in messages if isinstance(message, classes)]


def expected(hall: "Hall", match_id: str = "m1", players: list[str] | None = None) -> PlayersExpected:
    return PlayersExpected(
        server_id="here/four", match_id=match_id, players=players or PLAYERS, expires_at=hall.clock.now + 60
    )


def result(hall: "Hall", winner: str, reason: str, turns: int) -> MatchResult:
    scores = {player: int(player == winner) for player in PLAYERS}
    return MatchResult(winner=winner, scores=scores, reason=reason, ended_at=hall.clock.now, turns=turns)


def test_the_controller_logs_in_and_says_that_the_server_is_ready(launched: "Hall") -> None:
    launcher = testing.FakeConnection(LauncherPeer())
    launcher.connected(launched.listener)
    assert launcher.take() == [Hello(versions=[1], program="game-server")]
    launched.say(launcher, Welcome(version=1))
    assert launcher.take() == [ControllerLogIn(server="four", token="secret", pid=os.getpid())]
    launched.listener.players.port = 12345
    assert launched.launcher().take() == [
        ServerReady(port=12345, version="1", map="7x6"),
        PlayerCountChanged(players=0),
    ]
    launched.say(launcher, Ping())
    assert launcher.take() == [Pong()]


def test_a_match_is_reported_from_its_first_player_to_its_end(launched: "Hall") -> None:
    launcher = launched.launcher()
    launcher.take()
    alice = launched.join("alice")
    used = TicketUsed(ticket_id="t1", expires_at=launched.clock.now + 60)
    assert launcher.take() == [used, PlayerJoined(match_id="m1", player="alice"), PlayerCountChanged(players=1)]
    bob = launched.join("bob")
    assert launcher.take()[1:] == [
        PlayerJoined(match_id="m1", player="bob"),
        PlayerCountChanged(players=2),
        MatchStarted(match_id="m1", players=PLAYERS),
        PlayerJoined(match_id="m1", player="alice"),
        PlayerJoined(match_id="m1", player="bob"),
        TeamsChanged(match_id="m1", teams={"red": ["alice"], "yellow": ["bob"]}),
        ScoreChanged(match_id="m1", scores={"alice": 0, "bob": 0}),
    ]
    launched.pass_seconds(10)
    assert launcher.take() == [MatchTimeChanged(match_id="m1", elapsed_seconds=10)]
    first, second = (alice, bob) if bob.sent[-1].event.beginner == "alice" else (bob, alice)
    names = PLAYERS if first is alice else PLAYERS[::-1]
    launched.say(first, Drop(column=3))
    launched.say(second, Drop(column=0))
    launched.say(first, Drop(column=3))
    assert [message.scores[names[0]] for message in of(launcher.take(), ScoreChanged)] == [1, 1, 2]
    launched.lose(second)
    assert launcher.take() == [PlayerLeft(match_id="m1", player=names[1]), PlayerCountChanged(players=1)]
    launched.pass_seconds(60)
    *_, time, ended = of(launcher.take(), MatchTimeChanged, MatchEnded)
    assert time == MatchTimeChanged(match_id="m1", elapsed_seconds=70)
    assert ended == MatchEnded(match_id="m1", players=PLAYERS, result=result(launched, names[0], "forfeit", 3))
    launched.say(launcher, MatchRecorded(match_id="m1"))
    launched.pass_seconds(100)
    assert launcher.take() == []


def test_how_long_a_match_took_is_told_before_its_end(launched: "Hall") -> None:
    launcher = launched.launcher()
    first, _ = launched.pair()
    launcher.take()
    launched.clock.advance(7)
    launched.say(first, Resign())
    assert [type(message) for message in launcher.sent] == [MatchTimeChanged, MatchEnded]
    assert launcher.sent[0] == MatchTimeChanged(match_id="m1", elapsed_seconds=7)


def test_a_match_that_never_began_took_no_time(launched: "Hall") -> None:
    launcher = launched.launcher()
    launched.join("alice")
    launched.pass_seconds(60)
    told = of(launcher.take(), MatchTimeChanged, MatchEnded)
    assert [type(message) for message in told] == [MatchEnded]


def test_an_open_game_is_reported_once_it_begins(launched: "Hall") -> None:
    launcher = launched.launcher()
    launcher.take()
    alice = launched.join("alice", "*")
    assert [type(message) for message in launcher.take()] == [TicketUsed, PlayerCountChanged]
    launched.lose(alice)
    launched.pass_seconds(60)
    assert launcher.take() == [PlayerCountChanged(players=0)]
    launched.join("bob", "*")
    game_id = launched.join("carol", "*").sent[0].game_id
    assert of(launcher.take(), MatchStarted) == [MatchStarted(match_id=game_id, players=["bob", "carol"])]


def test_ended_matches_are_told_again_until_they_are_recorded(launched: "Hall") -> None:
    launcher = launched.launcher()
    first, _ = launched.pair()
    launched.say(first, Resign())
    (ended,) = of(launcher.take(), MatchEnded)
    for _ in range(2):
        launched.lose(launcher, DisconnectReason.CONNECTION_LOST)
        launcher = launched.launcher()
        assert of(launcher.take(), MatchStarted, MatchEnded) == [ended]
    launched.say(launcher, MatchRecorded(match_id="m1"), MatchRecorded(match_id="never heard of"))
    launched.lose(launcher)
    assert of(launched.launcher().take(), MatchEnded) == []


def test_losing_the_launcher_touches_no_game_and_it_is_told_how_things_stand_when_it_is_back(
    launched: "Hall",
) -> None:
    launcher = launched.launcher()
    first, second = launched.pair()
    launcher.take()
    launched.lose(launcher, DisconnectReason.CONNECTION_LOST)
    launched.say(first, Drop(column=3))
    assert len(second.take()) == 1
    carol = launched.join("carol", "m2", players=("carol", "dave"))
    assert isinstance(carol.sent[0], Joined)
    launched.pass_seconds(30)
    launcher = launched.launcher(used_tickets=[TicketUsed(ticket_id="t1", expires_at=1.0)])
    told = launcher.take()
    assert told[:2] == [ServerReady(port=10020, version="1", map="7x6"), PlayerCountChanged(players=3)]
    assert {message.ticket_id for message in of(told, TicketUsed)} == {"t2", "t3"}
    assert [message for message in told if getattr(message, "match_id", "") == "m1"] == [
        MatchStarted(match_id="m1", players=PLAYERS),
        PlayerJoined(match_id="m1", player="alice"),
        PlayerJoined(match_id="m1", player="bob"),
        TeamsChanged(match_id="m1", teams={"red": ["alice"], "yellow": ["bob"]}),
        ScoreChanged(match_id="m1", scores={player: int(player == told_first(launched)) for player in PLAYERS}),
        MatchTimeChanged(match_id="m1", elapsed_seconds=30),
    ]
    assert [message for message in told if getattr(message, "match_id", "") == "m2"] == [
        PlayerJoined(match_id="m2", player="carol")
    ]


def told_first(hall: "Hall") -> str:
    game = hall.listener.games.get("m1")
    assert game is not None
    assert game.model is not None
    return game.model.players[game.model.beginner]


def test_tickets_used_before_a_restart_stay_used_however_late_the_key_comes(launched: "Hall") -> None:
    ticket = launched.ticket("alice")
    used = [TicketUsed(ticket_id="t1", expires_at=launched.clock.now + 60)]
    launcher = launched.launcher(public_key="", issuer="", used_tickets=used)
    assert launched.refusal("m1", token=ticket) == (503, "not_ready")
    launched.say(launcher, IssuerChanged(issuer=launched.issuer.issuer, public_key=launched.public_key))
    assert launched.refusal("m1", token=ticket) == (401, "ticket_reused")
    launched.join("bob")
    other = generate_key_pair()
    launched.say(launcher, IssuerChanged(issuer="other", public_key=other[1]))
    launched.say(launcher, IssuerChanged(issuer="bad", public_key="no key"))
    assert set(launched.listener.launcher.checker.used) == {"t1", "t2"}  # type: ignore[union-attr]
    launched.join("carol", "*", issuer=TicketIssuer(other[0], "other"))
    assert len(launched.listener.games) == 2


# --- matches that are expected ----------------------------------------------------------------------


def test_an_expected_match_to_which_nobody_comes_is_abandoned(launched: "Hall") -> None:
    launcher = launched.launcher()
    launched.say(launcher, expected(launched))
    launcher.take()
    launched.pass_seconds(60)
    assert launcher.take() == [MatchEnded(match_id="m1", players=PLAYERS, result=result(launched, "", "abandoned", 0))]


def test_an_expected_match_is_the_one_that_its_players_come_to(launched: "Hall") -> None:
    launcher = launched.launcher()
    launched.say(launcher, expected(launched))
    launched.pair()
    launched.say(launcher, expected(launched))
    assert len(launched.listener.games) == 1
    assert launched.listener.games.going_on == 1


def test_what_cannot_be_expected_is_not(launched: "Hall") -> None:
    launcher = launched.launcher()
    launched.say(launcher, expected(launched, "*"), expected(launched, "m2", ["a", "b", "c"]))
    late = expected(launched, "m3")
    launched.clock.advance(61)
    launched.say(launcher, late)
    assert len(launched.listener.games) == 0
    assert launcher.failure is None


# --- what the operator wants ------------------------------------------------------------------------


def test_what_the_operator_says_comes_to_all_players(launched: "Hall") -> None:
    launcher = launched.launcher()
    players = [*launched.pair(), launched.join("carol", "*")]
    launched.say(launcher, Say(text="a restart at ten"))
    assert [player.take()[-1] for player in players] == [Notice(text="a restart at ten")] * 3


@pytest.mark.parametrize(("reason", "told"), [("language", "you were sent away: language"), ("", "you were sent away")])
def test_a_player_who_is_kicked_leaves_alone_and_may_come_back(launched: "Hall", reason: str, told: str) -> None:
    launcher = launched.launcher()
    alice, bob = launched.join("alice"), launched.join("bob")
    launched.say(launcher, KickPlayer(player="alice", reason=reason), KickPlayer(player="nobody"))
    assert (alice.disconnected, alice.disconnect_detail) == (True, told)
    assert alice.peer.disconnect_code == CloseCode.KICKED
    assert not bob.disconnected
    alice.disconnects(launched.listener)
    launched.settle()
    game = launched.listener.games.get("m1")
    assert game is not None
    assert game.present == ["bob"]
    assert isinstance(launched.open("m1", resume=game.seats[0].resume_key).take()[0], Joined)


# --- the end ----------------------------------------------------------------------------------------


def test_asked_to_stop_it_begins_nothing_new_and_ends_when_the_last_game_is_recorded(launched: "Hall") -> None:
    launcher = launched.launcher()
    first, second = launched.pair()
    key = launched.listener.games.get("m1").seats[0].resume_key  # type: ignore[union-attr]
    launched.say(launcher, StopServer(grace_seconds=10))
    assert isinstance(first.take()[0], ShuttingDown)
    assert launched.refusal("*", token=launched.ticket("carol", "*")) == (503, "server_stopping")
    assert isinstance(launched.open("m1", resume=key).take()[0], Joined)
    launched.say(first if not first.disconnected else second, Resign())
    assert launched.ends == []
    launched.say(launcher, MatchRecorded(match_id="m1"))
    assert len(launched.ends) == 1


def test_asked_to_stop_with_nothing_to_do_it_ends_at_once(launched: "Hall") -> None:
    launcher = launched.launcher()
    launched.say(launcher, StopServer(grace_seconds=10), StopServer(grace_seconds=5))
    assert len(launched.ends) == 1


def test_a_game_that_goes_on_too_long_when_asked_to_stop_is_broken_off(launched: "Hall") -> None:
    launcher = launched.launcher()
    first, _ = launched.pair()
    launched.say(launcher, StopServer(grace_seconds=10))
    launcher.take()
    launched.pass_seconds(2.9)
    assert launched.ends == []
    launched.pass_seconds(0.2)
    assert launched.ends == ["stopped by the launcher"]
    finished = launched.listener.on_shutdown()
    launched.settle()
    assert not finished.is_set()
    assert of(first.take(), GameEvent)[-1].event.reason == "server_stopped"
    assert [message.result.reason for message in of(launcher.take(), MatchEnded)] == ["server_stopped"]
    launched.say(launcher, MatchRecorded(match_id="m1"))
    assert finished.is_set()


def test_at_the_end_nobody_waits_for_a_launcher_that_is_away(launched: "Hall") -> None:
    launcher = launched.launcher()
    launched.pair()
    finished = launched.listener.on_shutdown()
    launched.settle()
    launched.lose(launcher, DisconnectReason.CONNECTION_LOST)
    assert finished.is_set()


def test_a_server_whose_launcher_stays_away_ends_once_no_game_goes_on(launched: "Hall") -> None:
    launcher = launched.launcher()
    first, _ = launched.pair()
    launched.lose(launcher, DisconnectReason.CONNECTION_LOST)
    launched.pass_seconds(599)
    assert not launched.listener.launcher.forlorn
    launched.pass_seconds(1)
    assert launched.listener.launcher.forlorn
    assert launched.ends == []
    launched.say(first, Resign())
    assert len(launched.ends) >= 1


def test_a_server_that_never_sees_its_launcher_ends_too(launched: "Hall") -> None:
    launched.pass_seconds(600)
    assert len(launched.ends) == 1


def test_a_launcher_that_is_back_in_time_keeps_the_server_alive(launched: "Hall") -> None:
    for _ in range(3):
        launched.pass_seconds(599)
        launched.lose(launched.launcher())
    launched.launcher()
    launched.pass_seconds(10_000)
    assert launched.ends == []


def test_without_a_launcher_there_is_none_to_miss(hall: "Hall") -> None:
    hall.pass_seconds(10_000)
    assert hall.ends == []


def refused(hall: "Hall", code: str, about: str) -> "Launcher":
    launcher = testing.FakeConnection(LauncherPeer())
    launcher.connected(hall.listener)
    hall.say(launcher, Welcome(version=1), Refused(code=code, message="no", about=about))
    return launcher


def test_a_launcher_that_does_not_know_the_server_makes_it_end_after_its_games(launched: "Hall") -> None:
    launched.lose(launched.launcher())
    first, _ = launched.pair()
    assert refused(launched, "wrong_token", "controller_log_in").disconnected
    assert launched.listener.launcher.refused
    assert launched.refusal("*", token=launched.ticket("carol", "*")) == (503, "server_stopping")
    assert launched.ends == []
    launched.say(first, Resign())
    assert len(launched.ends) >= 1


def test_a_farewell_of_the_launcher_is_no_refusal(launched: "Hall", open_hall: "Callable[..., Hall]") -> None:
    assert not refused(launched, "idle_timeout", "").disconnected
    launcher = launched.launcher()
    launched.say(launcher, Refused(code="x", message="y", about="controller_log_in"), ShuttingDown())
    assert not launched.listener.launcher.refused
    assert launched.ends == []
