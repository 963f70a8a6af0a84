"""A game's output file: what is read from it, and how it is rotated behind the game's back."""

import os
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from game_server_launcher.output import LINE_BYTES, OutputLog

MAX_BYTES = 10_000


@pytest.fixture
def log(tmp_path: Path) -> OutputLog:
    return OutputLog(tmp_path / "output.log", MAX_BYTES, files=2)


@pytest.fixture
def game(log: OutputLog) -> int:
    """The descriptor that the game writes to."""
    return log.open()


def test_lines_are_returned_once_and_whole(log: OutputLog, game: int) -> None:
    assert log.new_lines() == []
    os.write(game, b"one\r\ntwo\nthr")
    assert log.new_lines() == ["one", "two"]
    assert log.new_lines() == []
    os.write(game, b"ee\n")
    assert log.new_lines() == ["three"]


def test_what_an_earlier_run_wrote_is_not_new(log: OutputLog, game: int) -> None:
    os.write(game, b"ready\n")
    again = OutputLog(log.path, MAX_BYTES, files=2)
    os.write(again.open(), b"loading\n")
    assert again.new_lines() == ["loading"]


def test_an_adopted_game_is_read_from_where_it_began(log: OutputLog, game: int) -> None:
    began = log.position
    os.write(game, b"ready\n")
    later = OutputLog(log.path, MAX_BYTES, files=2)
    later.go_on(began)
    assert later.new_lines() == ["ready"]


def test_a_line_without_end_is_bounded(log: OutputLog, game: int) -> None:
    os.write(game, b"x" * (3 * LINE_BYTES))
    assert log.new_lines() == ["x" * LINE_BYTES]
    os.write(game, b"y" * LINE_BYTES)
    assert log.new_lines() == []
    os.write(game, b"z\nnext\n")
    assert log.new_lines() == ["next"]


def test_bytes_that_are_not_text_do_no_harm(log: OutputLog, game: int) -> None:
    os.write(game, b"\xff\xfe ok\n")
    assert log.new_lines() == ["�� ok"]


def test_a_file_that_was_truncated_by_somebody_is_read_from_its_beginning(log: OutputLog, game: int) -> None:
    os.write(game, b"one\ntwo\n")
    log.new_lines()
    os.truncate(log.path, 0)
    os.write(game, b"new\n")
    assert log.new_lines() == ["new"]


def test_a_file_that_is_gone_has_no_lines(log: OutputLog) -> None:
    assert log.new_lines() == []
    assert log.last_lines() == []
    assert not log.rotate()


def test_the_last_lines(log: OutputLog, game: int) -> None:
    os.write(game, b"".join(b"line %d\n\n" % number for number in range(2000)))
    assert log.last_lines(2) == ["line 1998", "line 1999"]


def test_the_last_lines_are_those_of_this_run(log: OutputLog, game: int) -> None:
    os.write(game, b"of an earlier run\n")
    os.write(log.open(), b"of this run\n")
    assert log.last_lines() == ["of this run"]


def test_a_short_file_is_left_alone(log: OutputLog, game: int) -> None:
    os.write(game, b"x" * MAX_BYTES)
    assert not log.rotate()


def test_a_long_file_is_rotated_and_the_game_writes_on_at_its_beginning(log: OutputLog, game: int) -> None:
    for number in range(4):
        os.write(game, b"%d" % number * (MAX_BYTES + 1))
        assert log.rotate()
    os.write(game, b"on\n")
    assert log.path.read_bytes() == b"on\n"
    assert log.new_lines() == ["on"]
    older = sorted(log.path.parent.glob("output.log.*"))
    assert [path.name for path in older] == ["output.log.1", "output.log.2"]
    assert [path.read_bytes()[:1] for path in older] == [b"3", b"2"]


def test_what_is_too_much_for_one_file_is_dropped_and_counted(log: OutputLog, game: int) -> None:
    os.write(game, b"x" * (5 * MAX_BYTES))
    log.rotate()
    assert (log.path.parent / "output.log.1").stat().st_size == MAX_BYTES
    assert log.dropped_bytes == 4 * MAX_BYTES


def test_without_older_files_all_is_dropped(tmp_path: Path) -> None:
    log = OutputLog(tmp_path / "output.log", MAX_BYTES, files=0)
    os.write(log.open(), b"x" * (MAX_BYTES + 1))
    assert log.rotate()
    assert log.dropped_bytes == MAX_BYTES + 1
    assert list(tmp_path.iterdir()) == [log.path]


def test_a_copy_that_fails_is_dropped_and_counted(log: OutputLog, game: int) -> None:
    (log.path.parent / "output.log.1").mkdir()
    (log.path.parent / "output.log.2").mkdir()
    (log.path.parent / "output.log.2" / "file").touch()
    os.write(game, b"x" * (MAX_BYTES + 1))
    assert log.rotate()
    assert log.dropped_bytes == MAX_BYTES + 1
    assert log.path.stat().st_size == 0


def test_on_a_full_disk_output_gives_its_room_back(log: OutputLog, game: int, monkeypatch: pytest.MonkeyPatch) -> None:
    os.write(game, b"x" * (LINE_BYTES + 1))
    assert not log.rotate()
    monkeypatch.setattr(os, "statvfs", lambda path: SimpleNamespace(f_bavail=1, f_frsize=4096))
    assert log.rotate()
    assert log.path.stat().st_size == 0
    assert log.dropped_bytes == LINE_BYTES + 1


@given(st.lists(st.binary(max_size=3000).filter(lambda line: b"\n" not in line and b"\r" not in line), max_size=20))
def test_lines_do_not_depend_on_how_they_were_written(
    tmp_path_factory: pytest.TempPathFactory, lines: list[bytes]
) -> None:
    log = OutputLog(tmp_path_factory.mktemp("game") / "output.log", 1_000_000, files=1)
    game = log.open()
    found: list[str] = []
    data = b"".join(line + b"\n" for line in lines)
    for start in range(0, len(data), 701):
        os.write(game, data[start : start + 701])
        found += log.new_lines()
    os.close(game)
    assert found == [line.decode("utf-8", "replace") for line in lines]


def test_what_was_not_read_before_a_rotation_is_returned_after_it(log: OutputLog, game: int) -> None:
    os.write(game, b"one\n")
    assert log.new_lines() == ["one"]
    os.write(game, b"two\n" + b"x" * 100 + b"\n" * MAX_BYTES)
    assert log.rotate()
    os.write(game, b"three\n")
    assert log.new_lines()[:2] == ["two", "x" * 100]
    assert log.new_lines() == ["three"]
