"""Match results on disk."""

import os
from pathlib import Path

import pytest

from game_server_launcher import journal as journal_module
from game_server_launcher.journal import Journal
from login_server.protocol import MatchEnded, MatchResult


def result(number: int, reason: str = "won") -> MatchEnded:
    return MatchEnded(
        match_id=f"m{number}",
        players=["ann", "bob"],
        result=MatchResult(winner="ann", scores={"ann": 1}, reason=reason, ended_at=5.0),
        server_id="launcher/four",
    )


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "results"


def reopened(path: Path) -> list[MatchEnded]:
    return Journal(path).load()


def test_results_survive(path: Path) -> None:
    journal = Journal(path)
    assert journal.load() == []
    journal.add([result(1), result(2)])
    journal.add([result(3)])
    assert reopened(path) == [result(1), result(2), result(3)]


def test_what_was_recorded_is_gone(path: Path) -> None:
    journal = Journal(path)
    journal.load()
    journal.add([result(1), result(2)])
    journal.remove(["m1", "unknown"])
    assert reopened(path) == [result(2)]


def test_the_file_is_empty_when_nothing_waits(path: Path) -> None:
    journal = Journal(path)
    journal.load()
    journal.add([result(1), result(2)])
    journal.remove(["m2", "m1"])
    assert path.read_bytes() == b""


def test_the_same_result_twice_waits_once(path: Path) -> None:
    journal = Journal(path)
    journal.load()
    journal.add([result(1)])
    journal.add([result(1)])
    assert reopened(path) == [result(1)]


def test_a_line_that_was_cut_off_costs_itself_alone(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    journal = Journal(path)
    journal.load()
    journal.add([result(1), result(2)])
    os.truncate(path, path.stat().st_size - 20)
    assert reopened(path) == [result(1)]
    assert "line 2 is not whole" in caplog.text


def test_after_half_a_line_the_next_begins_anew(path: Path) -> None:
    journal = Journal(path)
    journal.load()
    journal.add([result(1)])
    with path.open("ab") as file:
        file.write(b'{"type":"match_en')
    journal.add([result(2)])
    assert reopened(path) == [result(1), result(2)]


def test_rubbish_does_no_harm(path: Path) -> None:
    path.write_bytes(b"\xff\x00\n[]\n{}\n\n")
    assert reopened(path) == []


def test_it_does_not_grow_for_ever(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal_module, "COMPACT_LINES", 10)
    journal = Journal(path)
    journal.load()
    journal.add([result(0)])
    for number in range(1, 100):
        journal.add([result(number)])
        journal.remove([f"m{number}"])
    assert path.read_bytes().count(b"\n") <= 24
    assert reopened(path) == [result(0)]


def test_a_journal_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "results")
    journal.load()
    (tmp_path / "results").unlink()
    (tmp_path / "results").mkdir()
    with pytest.raises(OSError, match="directory"):
        journal.add([result(1)])
