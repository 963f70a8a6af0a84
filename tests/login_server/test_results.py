"""Results: recorded exactly once, however often and by however many."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import text

from login_server.database import Database, DatabaseFailed
from login_server.protocol import MatchResult
from login_server.results import RecordedMatch, Results
from login_server.schema import prepare


@pytest.fixture
def results(database: Database) -> Results:
    return Results(database)


def match(match_id: str, winner: str = "alice") -> RecordedMatch:
    result = MatchResult(winner=winner, scores={"alice": 1, "bob": -(10**15)}, reason="won", ended_at=5.5, turns=9)
    return RecordedMatch(match_id, "fourinarow", "home/one", ["alice", "bob"], result)


def test_what_was_recorded_is_read_back(results: Results) -> None:
    assert results.record(match("m1"), 1.0)
    assert results.recent(10) == [match("m1")]


def test_the_first_record_stays(results: Results) -> None:
    assert results.record(match("m1"), 1.0)
    assert not results.record(match("m1", winner="bob"), 2.0)
    assert results.recent(10) == [match("m1")]


def test_at_the_same_moment_one_wins(results: Results) -> None:
    with ThreadPoolExecutor(8) as threads:
        outcomes = list(threads.map(lambda _: results.record(match("m1"), 1.0), range(40)))
    assert sorted(outcomes) == [False] * 39 + [True]


def test_the_latest_come_last(results: Results) -> None:
    for number in range(5):
        results.record(match(f"m{number}"), float(number))
    assert [one.match_id for one in results.recent(3)] == ["m2", "m3", "m4"]


def test_they_outlive_the_program(tmp_path: Path) -> None:
    for _ in range(2):
        database = Database(f"sqlite:///{tmp_path}/file.sqlite")
        prepare(database)
        Results(database).record(match("m1"), 1.0)
        assert Results(database).recent(10) == [match("m1")]
        database.close()


def test_a_failure_is_no_duplicate(results: Results, database: Database) -> None:
    with database.transaction() as connection:
        connection.execute(text("DROP TABLE matches"))
    with pytest.raises(DatabaseFailed):
        results.record(match("m1"), 1.0)
