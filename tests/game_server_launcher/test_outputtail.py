"""The end of a game's output, and what comes after it, across rotations."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from game_server_launcher.output import OutputLog
from game_server_launcher.outputtail import OutputTail


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "output.log"


def test_the_last_lines(path: Path) -> None:
    path.write_bytes(b"one\ntwo\nthree\nunfini\xff")
    assert last_lines(path, 2) == ["three", "unfini\ufffd"]
    assert last_lines(path, 99) == ["one", "two", "three", "unfini\ufffd"]
    assert last_lines(path, 0) == []


def test_older_files_are_looked_at_when_the_youngest_has_not_enough(path: Path) -> None:
    path.with_name("output.log.2").write_text("a\nb\n")
    path.with_name("output.log.1").write_text("c\nd\n")
    path.write_text("e\n")
    assert last_lines(path, 1) == ["e"]
    assert last_lines(path, 4) == ["b", "c", "d", "e"]
    assert last_lines(path, 9) == ["a", "b", "c", "d", "e"]


def test_no_more_is_read_than_allowed(path: Path) -> None:
    path.write_text("x" * 100 + "\nlast\n")
    assert last_lines(path, 5, 10) == ["xxxx", "last"]


def test_no_output_at_all(path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        last_lines(path, 5)


def last_lines(path: Path, *options: int) -> list[str]:
    return OutputTail(path).last_lines(*options)


def follow(path: Path, wait: Callable[[float], None]) -> Iterator[str]:
    """What comes after the last line."""
    tail = OutputTail(path)
    tail.last_lines(1)
    return tail.follow(wait)


def script(*steps: Callable[[], object]) -> Callable[[float], None]:
    """Do the next of these whenever there is nothing new."""
    left = list(steps)

    def wait(seconds: float) -> None:
        left.pop(0)()

    return wait


def test_what_is_printed_is_followed(path: Path) -> None:
    path.write_text("before\n")

    def say(data: bytes) -> Callable[[], object]:
        def write() -> None:
            with path.open("ab") as file:
                file.write(data)

        return write

    shown = follow(path, script(say(b"one\n"), say("ü".encode()[:1]), say("ü".encode()[1:] + b"\n")))
    assert [next(shown) for _ in range(3)] == ["one\n", "", "ü\n"]


def test_nothing_is_missed_when_the_file_is_rotated(path: Path) -> None:
    log = OutputLog(path, 4096, 2)
    path.write_text("x" * 4090 + "\nseen\n")

    def rotate() -> None:
        with path.open("a") as file:
            file.write("printed just before\n")
        assert log.rotate()
        with path.open("a") as file:
            file.write("printed after\n")

    shown = follow(path, script(rotate))
    assert next(shown) == "printed just before\nprinted after\n"


def test_what_is_printed_between_the_last_lines_and_the_following_is_not_missed(path: Path) -> None:
    path.write_text("before\n")
    tail = OutputTail(path)
    assert tail.last_lines(9) == ["before"]
    path.write_text("before\nafter\n")
    assert next(tail.follow(script())) == "after\n"


def test_a_file_that_somebody_emptied_is_begun_anew(path: Path) -> None:
    path.write_text("much text\n")
    shown = follow(path, script(lambda: path.write_text("new\n")))
    assert next(shown) == "new\n"
