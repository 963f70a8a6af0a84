"""`kill -9` of the launcher, the login server and a game process in turn, at random moments of matches that go on.

Nothing may be lost or doubled: no process, no match, no result; and all programs agree soon again. What was killed
when, and what the players saw, is printed as a table, and written to the file that `RANDOM_KILLS_REPORT` names. The
moments come from a seed that is printed: `RANDOM_KILLS_SEED` sets it.
"""

import json
import os
import random
import sqlite3
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import gevent
import pytest
from msgspec import Struct

from tests.faults.killedstack import GAME, LAUNCHER_PROGRAM, LOGIN_SERVER, KilledStack
from tests.faults.matchplayers import Absence, Chronicle, MatchPlayer, SeenMatch

PLAYERS = ("ada", "ben", "cleo", "dan", "eve", "finn", "gwen", "hugo")
IN_TURN = ((LAUNCHER_PROGRAM,), (LOGIN_SERVER,), (GAME,))
AT_ONCE = (
    (LAUNCHER_PROGRAM, GAME),
    (LOGIN_SERVER, GAME),
    (LAUNCHER_PROGRAM, LOGIN_SERVER),
    (LAUNCHER_PROGRAM, LOGIN_SERVER, GAME),
)
LOOK_SECONDS = 0.1
PATIENCE_SECONDS = 60.0
"""Longer than anything here takes on a machine that is busy with other things."""

UNTIL_KILL_SECONDS = 3.0
"""At most, once matches go on: about as long as a match."""


START_SECONDS = 0.25
"""Until the start of a match is in the launcher's state file, and then known at the login server: some hundredths."""


class Kill(Struct):
    """One row of the table; times in seconds."""

    programs: str
    at: float
    running: int
    moves: int
    up: float = 0.0
    """From the kill until the program runs again and answers."""
    equal: float = 0.0
    """From then on until all programs agree."""
    what: str = ""
    """The same in words, with the game's name."""


class Battery:
    """The stack, its players, and what is done to them."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.random = random.Random(seed)
        self.chronicle = Chronicle()
        self.stack = KilledStack(folder)
        self.players: list[MatchPlayer] = []
        self.kills: list[Kill] = []

    def begin(self) -> None:
        self.stack.start()
        for name in PLAYERS:
            self.players.append(MatchPlayer(name, self.stack.ports.player, self.chronicle, self.random.randrange(1000)))

    def kill(self, programs: tuple[str, ...]) -> None:
        self._wait("a match goes on and nobody is away", self._settled)
        gevent.sleep(self.random.uniform(0, UNTIL_KILL_SECONDS))
        going_on = {player.visit.game_id: player.visit for player in self.players if player.playing and player.visit}
        kill = Kill(
            " and ".join(programs),
            time.time(),
            len(going_on),
            sum(len(one.game.moves) for one in going_on.values() if one.game),
        )
        self.kills.append(kill)
        kill.what = self.stack.kill(programs, self.random)
        self._wait(f"{kill.what} is up again", lambda: all(map(self.stack.is_up, programs)))
        up_at = time.time()
        kill.up = up_at - kill.at
        self._wait(
            "all programs agree",
            lambda: not self.stack.differences(self.players),
            lambda: self.stack.differences(self.players),
        )
        kill.equal = time.time() - up_at

    def finish(self) -> None:
        """Let every match be played to its end, and every result arrive."""
        for player in self.players:
            player.be_content()
        self._wait("everybody has played to the end", lambda: all(player.visit is None for player in self.players))
        self._wait("nobody is away", lambda: not self.chronicle.lasting("login server"))
        journal = self.stack.folder / "launcher" / "launcher.results"
        self._wait("every result has arrived", lambda: not journal.read_bytes())
        self._wait(
            "all programs agree that there is no match",
            lambda: (
                not any(one.matches for one in self.stack.saved().values()) and not self.stack.differences(self.players)
            ),
            lambda: self.stack.differences(self.players),
        )

    def end(self) -> None:
        for player in self.players:
            player.leave()
        self.stack.stop()
        assert not self.stack.game_processes()

    def recorded(self) -> dict[str, dict[str, Any]]:
        """The results in the login server's database, by match."""
        with closing(sqlite3.connect(self.stack.folder / "login_server.sqlite")) as database:
            rows = database.execute("SELECT match_id, players, result FROM matches").fetchall()
        assert len({match_id for match_id, _, _ in rows}) == len(rows)
        return {match_id: {"players": json.loads(names), **json.loads(result)} for match_id, names, result in rows}

    def _settled(self) -> bool:
        return any(player.playing for player in self.players) and not (
            self.chronicle.lasting("login server") or self.chronicle.lasting("game")
        )

    def _wait(self, what: str, condition: Callable[[], bool], why: Callable[[], object] = lambda: "") -> None:
        deadline = time.time() + PATIENCE_SECONDS
        while not condition():
            rejected = [f"{player.name}: {player.rejected}" for player in self.players if player.rejected]
            assert not rejected
            assert time.time() < deadline, f"not within {PATIENCE_SECONDS:g} s: {what}; {why()}; {self.kills[-1:]}"
            gevent.sleep(LOOK_SECONDS)


@pytest.fixture
def battery(tmp_path: Path) -> Iterator[Battery]:
    seed = int(os.environ.get("RANDOM_KILLS_SEED", 0)) or random.randrange(1, 1_000_000)
    print(f"RANDOM_KILLS_SEED={seed}")
    battery = Battery(tmp_path, seed)
    battery.begin()
    yield battery
    battery.end()


@pytest.mark.parametrize(
    ("kills", "what", "seconds"),
    [
        pytest.param(6, IN_TURN, 15.0, marks=pytest.mark.timeout(240), id="six"),
        pytest.param(50, IN_TURN, 5.0, marks=[pytest.mark.slow, pytest.mark.timeout(1800)], id="fifty"),
        pytest.param(32, AT_ONCE, 10.0, marks=[pytest.mark.slow, pytest.mark.timeout(1800)], id="at-once"),
    ],
)
def test_nothing_is_lost_or_doubled_by_kills_at_random_moments(
    battery: Battery, tmp_path: Path, kills: int, what: tuple[tuple[str, ...], ...], seconds: float
) -> None:
    try:
        for number in range(kills):
            battery.kill(what[number % len(what)])
        battery.finish()
        recorded = battery.recorded()
    finally:
        report = table(battery)
        Path(os.environ.get("RANDOM_KILLS_REPORT") or tmp_path / "random_kills.md").write_text(report)
        print(report)
    assert not mistakes(battery, recorded)
    late = [kill for kill in battery.kills if kill.equal > seconds]
    assert not late


def mistakes(battery: Battery, recorded: dict[str, dict[str, Any]]) -> list[str]:
    """Where the database says something else than the players saw."""
    seen = battery.chronicle.matches
    # The players had tickets, and the game was killed before they came, or before they saw that they had.
    unseen = {match_id: recorded[match_id]["reason"] for match_id in recorded.keys() - seen.keys()}
    wrong = [
        f"{one} was recorded as {why}" for one, why in unseen.items() if why not in ("abandoned", "server_crashed")
    ]
    for match_id, match in seen.items():
        result = recorded.get(match_id)
        if result is None:
            if match.begun_at and not killed_at_its_start(battery.kills, match):
                wrong.append(f"{match_id} began and was never recorded: {match}")
        elif match.ended is None:
            if result["reason"] not in ("server_crashed", "forfeit", "abandoned"):
                wrong.append(f"{match_id} was recorded as {result}, and nobody saw its end: {match}")
        elif (match.ended.winner, match.ended.reason, match.ended.turns) != (
            result["winner"],
            result["reason"],
            result["turns"],
        ):
            wrong.append(f"{match_id} was recorded as {result}, and its players saw {match}")
    return wrong


def killed_at_its_start(kills: list[Kill], match: SeenMatch) -> bool:
    """Whether both who could remember a match were killed before either could write it down."""
    both = [kill for kill in kills if LAUNCHER_PROGRAM in kill.programs and GAME in kill.programs]
    return any(abs(kill.at - match.begun_at) < START_SECONDS for kill in both)


def table(battery: Battery) -> str:
    """What was killed when, and what came of it, as Markdown."""
    began = battery.kills[0].at if battery.kills else 0.0
    lines = [
        "| # | at | killed | matches (moves) | up after | all agree | what the players saw |",
        "|---|---|---|---|---|---|---|",
    ]
    for number, kill in enumerate(battery.kills):
        until = battery.kills[number + 1].at if number + 1 < len(battery.kills) else float("inf")
        saw = in_words(battery.chronicle, kill.at, until)
        lines.append(
            f"| {number + 1} | {kill.at - began:.1f} s | {kill.what} | {kill.running} ({kill.moves}) "
            f"| {kill.up:.1f} s | {kill.equal:.1f} s | {saw} |"
        )
    return "\n".join([*lines, "", *summary(battery.kills, battery.chronicle.matches), ""])


def in_words(chronicle: Chronicle, since: float, until: float) -> str:
    """What the players noticed of one kill."""
    absences = [one for one in chronicle.absences if since <= one.lost_at < until]
    parts = []
    for what in ("login server", "game"):
        back = [one.back_at - one.lost_at for one in absences if one.what == what and one.back_at]
        if back:
            parts.append(f"{len(back)} lost the {what} for {min(back):.1f} to {max(back):.1f} s")
        gone = [one for one in absences if one.what == what and not one.back_at]
        if gone:
            parts.append(f"{len(gone)} lost {games_of(gone) if what == 'game' else what + ' for good'}")
    return "; ".join(parts) or "nothing"


def games_of(absences: list[Absence]) -> str:
    games = len({one.match_id for one in absences})
    return f"their game, {games} of them" if games > 1 else "their game"


def summary(kills: list[Kill], matches: dict[str, SeenMatch]) -> list[str]:
    lines = []
    whats = [" and ".join(programs) for programs in (*IN_TURN, *AT_ONCE)]
    for what in whats:
        equal = sorted(kill.equal for kill in kills if kill.programs == what)
        if equal:
            lines.append(
                f"* the {what}: {len(equal)} kills, all programs agree {statistics.median(equal):.1f} s (median), "
                f"{equal[-1]:.1f} s (most) after it is up"
            )
    ended = sum(match.ended is not None for match in matches.values())
    begun = sum(bool(match.begun_at) for match in matches.values())
    return [*lines, f"* {begun} matches began, {ended} of them were played to an end that the players saw"]
