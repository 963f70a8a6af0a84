"""What one look at a game's output brings."""

import os
from pathlib import Path

import pytest

from game_server_launcher.gamefile import GameFile
from game_server_launcher.gametables import Log, ReadyByOutput
from game_server_launcher.logpatterns import Joined, Said
from game_server_launcher.output import OutputLog
from game_server_launcher.outputreader import MAX_FACTS, OutputReader, Seen

JOINS = Log(joined=r"^(?P<player>\w+) joins", chat=r"^<(?P<player>\w+)> (?P<text>.*)")


@pytest.fixture
def log(tmp_path: Path) -> OutputLog:
    return OutputLog(tmp_path / "output.log", 10_000, files=1)


@pytest.fixture
def game(log: OutputLog) -> int:
    """The descriptor that the game writes to."""
    return log.open()


def reader(log: OutputLog, ready: bool = False, follow: bool = True) -> OutputReader:
    by = ReadyByOutput(pattern="^ready$")
    file = GameFile(game="x", command=["x"], capacity=1, ready=by, log=JOINS if follow else None)
    return OutputReader(file, log, ready)


def test_a_line_can_say_that_it_is_ready_and_others_who_joins(log: OutputLog, game: int) -> None:
    it = reader(log)
    assert (it.waits, it.follows) == (True, True)
    os.write(game, b"loading\n")
    assert it.look() == Seen(False, [])
    os.write(game, b"ready\nalice joins\n")
    assert it.look() == Seen(True, [Joined("alice")])
    assert (it.waits, it.follows) == (False, True)
    os.write(game, b"ready\n")
    assert it.look() == Seen(False, [])


def test_one_that_is_ready_and_has_no_log_is_not_read(log: OutputLog, game: int) -> None:
    it = reader(log, ready=True, follow=False)
    assert (it.waits, it.follows) == (False, False)


def test_a_flood_is_told_in_portions_and_in_order(log: OutputLog, game: int) -> None:
    it = reader(log, ready=True)
    os.write(game, b"".join(b"p%d joins\n" % number for number in range(MAX_FACTS + 50)))
    told = [it.look().facts for _ in range(3)]
    assert [len(facts) for facts in told] == [MAX_FACTS, 50, 0]
    assert [fact for facts in told for fact in facts] == [Joined(f"p{number}") for number in range(MAX_FACTS + 50)]


def test_what_players_said_before_this_launcher_came_is_past(log: OutputLog, game: int) -> None:
    os.write(game, b"alice joins\n<alice> hello\n")
    it = reader(log, ready=True)
    assert it.look().facts == [Joined("alice")]
    os.write(game, b"<alice> hello again\n")
    assert it.look().facts == [Said("alice", "hello again")]
