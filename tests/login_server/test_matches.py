"""The book of matches: facts come late, come again, and come from one launcher only."""

from typing import Any

import pytest

from login_server.matches import FactOfMatch, MatchBook
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
from login_server.refusal import Refusal
from login_server.results import RecordedMatch

PLAYERS = ["alice", "bob"]
RESULT = MatchResult(winner="alice", scores={"alice": 1}, reason="won", ended_at=99.0)


@pytest.fixture
def book() -> MatchBook:
    return MatchBook()


def fact(kind: type[Any], match_id: str = "m1", server_id: str = "home/one", **fields: Any) -> Any:
    return kind(match_id=match_id, server_id=server_id, **fields)


def started(match_id: str = "m1", server_id: str = "home/one", players: list[str] = PLAYERS) -> MatchStarted:
    return MatchStarted(match_id=match_id, players=players, server_id=server_id)


def ended(match_id: str = "m1", server_id: str = "home/one", result: MatchResult = RESULT) -> MatchEnded:
    return MatchEnded(match_id=match_id, players=PLAYERS, result=result, server_id=server_id)


def test_a_match_from_its_tickets_to_its_end(book: MatchBook) -> None:
    book.expect("m1", "chess", "home/one", PLAYERS, 60)
    assert book.running["m1"].state == "expected"
    facts: list[FactOfMatch] = [
        fact(PlayerJoined, player="alice"),
        fact(PlayerJoined, player="alice"),
        fact(PlayerJoined, player="bob"),
        started(),
        fact(TeamsChanged, teams={"red": ["alice"], "yellow": ["bob"]}),
        fact(ScoreChanged, scores={"alice": 3}),
        fact(MatchTimeChanged, elapsed_seconds=12.5),
        fact(PlayerLeft, player="bob"),
        fact(PlayerLeft, player="bob"),
    ]
    for one in facts:
        book.apply(one, "chess")
    match = book.running["m1"]
    assert (match.state, match.game, match.server_id, match.players) == ("running", "chess", "home/one", PLAYERS)
    assert (match.present, match.teams) == (["alice"], {"red": ["alice"], "yellow": ["bob"]})
    assert (match.scores, match.elapsed_seconds) == ({"alice": 3}, 12.5)
    book.apply(ended(), "chess")
    assert book.running == {}
    match = book.ended["m1"]
    assert (match.state, match.present, match.scores, match.result) == ("ended", [], {"alice": 1}, RESULT)


def test_a_match_not_heard_of_before(book: MatchBook) -> None:
    """After a restart of this program the launchers tell again what goes on."""
    book.apply(fact(ScoreChanged, scores={"alice": 3}), "chess")
    assert (book.running["m1"].state, book.running["m1"].game, book.running["m1"].scores) == (
        "running",
        "chess",
        {"alice": 3},
    )
    book.apply(ended("m2"), "chess")
    assert book.ended["m2"].players == PLAYERS


def test_what_comes_after_the_end_changes_nothing(book: MatchBook) -> None:
    book.apply(ended(), "chess")
    other = MatchResult(winner="bob", scores={}, reason="won", ended_at=100.0)
    for late in (started(players=["eve"]), fact(ScoreChanged, scores={"bob": 9}), ended(result=other)):
        assert book.apply(late, "chess").result == RESULT
    assert (book.running, book.ended["m1"].players, book.ended["m1"].scores) == ({}, PLAYERS, {"alice": 1})


def test_another_launchers_match(book: MatchBook) -> None:
    book.apply(started(), "chess")
    for stranger in (ended(server_id="away/one"), fact(ScoreChanged, server_id="away/one", scores={})):
        with pytest.raises(Refusal) as caught:
            book.apply(stranger, "chess")
        assert caught.value.code == "not_your_match"
    assert book.running["m1"].state == "running"
    book.apply(ended(), "chess")
    with pytest.raises(Refusal):
        book.apply(ended(server_id="away/one"), "chess")


def test_who_may_come_back_to_which_match(book: MatchBook) -> None:
    book.expect("m1", "chess", "home/one", PLAYERS, 60)
    found = book.find("alice", "home/one")
    assert found and found.match_id == "m1"
    assert book.find("alice", "home/two") is None
    assert book.find("eve", "home/one") is None
    book.apply(started("m2", players=["alice", "eve"]), "chess")
    found = book.find("alice", "home/one")
    assert found and found.match_id == "m2", "the latest"
    book.apply(ended("m2"), "chess")
    assert book.find("alice", "home/one") is None
    assert book.find("eve", "home/one") is None


def test_matches_to_which_nobody_came(book: MatchBook) -> None:
    book.expect("m1", "chess", "home/one", PLAYERS, 60)
    book.expect("m2", "chess", "home/one", ["carol", "dave"], 60)
    book.expect("m3", "chess", "home/one", ["eve", "frank"], 60)
    book.apply(started("m1"), "chess")
    book.apply(fact(PlayerJoined, "m2", player="carol"), "chess")
    assert book.drop_expired(59.9) == []
    assert [match.match_id for match in book.drop_expired(60)] == ["m3"]
    assert book.ended["m3"].state == "lost"
    assert book.drop_expired(61) == []
    book.apply(fact(PlayerLeft, "m2", player="carol"), "chess")
    assert [match.match_id for match in book.drop_expired(61)] == ["m2"]


def test_a_server_that_ended(book: MatchBook) -> None:
    book.apply(started("m1"), "chess")
    book.apply(started("m2", "home/two", ["carol", "dave"]), "chess")
    assert [match.match_id for match in book.lose("home/one")] == ["m1"]
    assert list(book.running) == ["m2"]
    assert book.find("alice", "home/one") is None
    # Its result may have been on its way all the same.
    book.apply(ended("m1"), "chess")
    assert (book.ended["m1"].state, book.ended["m1"].result) == ("ended", RESULT)


def test_a_lost_match_that_begins_after_all(book: MatchBook) -> None:
    book.expect("m1", "chess", "home/one", PLAYERS, 60)
    book.drop_expired(60)
    book.apply(started(), "chess")
    assert list(book.running) == ["m1"]
    assert book.ended == {}


def test_both_lists_have_an_end() -> None:
    book = MatchBook(max_running=3, max_ended=2)
    for number in range(4):
        book.apply(started(f"m{number}", players=[f"player{number}"]), "chess")
        book.apply(fact(ScoreChanged, "m0", scores={"alice": number}), "chess")
    assert list(book.running) == ["m2", "m3", "m0"], "the one without news for the longest is forgotten"
    assert book.find("player1", "home/one") is None
    for number in range(4):
        book.apply(ended(f"e{number}"), "chess")
    assert list(book.ended) == ["e2", "e3"]


def test_what_one_match_can_hold_has_an_end(book: MatchBook) -> None:
    many = {str(number): number for number in range(257)}
    too_many: list[Any] = [
        fact(ScoreChanged, scores=many),
        fact(TeamsChanged, teams={name: [] for name in many}),
        ended(result=MatchResult(winner="", scores=many, reason="won", ended_at=1.0)),
    ]
    for one in too_many:
        with pytest.raises(Refusal) as caught:
            book.apply(one, "chess")
        assert caught.value.code == "too_large"
    assert (book.running, book.ended) == ({}, {})
    for name in many:
        book.apply(fact(PlayerJoined, player=name), "chess")
    assert len(book.running["m1"].present) == 256


def test_recorded_results_are_shown_after_a_restart() -> None:
    recorded = [RecordedMatch(f"m{number}", "chess", "home/one", PLAYERS, RESULT) for number in range(3)]
    book = MatchBook(recorded, max_ended=2)
    assert list(book.ended) == ["m1", "m2"]
    assert (book.ended["m2"].state, book.ended["m2"].result) == ("ended", RESULT)
