"""What lines of a game's output mean."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from game_server_launcher.gametables import Log
from game_server_launcher.logpatterns import (
    MAX_NAME,
    MAX_TEXT,
    Joined,
    Left,
    LogPatterns,
    MapBegun,
    Said,
    check,
)

LOG = Log(
    joined=r"^(?P<player>\w+) joins(?: as (?P<id>\d+))?",
    left=r"^(?P<player>\w+) leaves",
    map=r"^map: (?P<map>.*)",
    chat=r"^<(?P<player>.*?)> (?P<text>.*)",
)


def test_what_lines_say() -> None:
    lines = ["alice joins", "bob joins as 7", "nothing", "map: oa_dm1 ", "<bob> hi, alice leaves", "alice leaves"]
    assert LogPatterns(LOG).facts(lines) == [
        Joined("alice"),
        Joined("bob", "7"),
        MapBegun("oa_dm1"),
        Said("bob", "hi, alice leaves"),
        Left("alice"),
    ]


def test_who_left_may_be_known_by_the_connection_alone() -> None:
    log = Log(left=r"^ClientDisconnect: (?P<id>\d+)")
    check(log)
    assert LogPatterns(log).facts(["ClientDisconnect: 3"]) == [Left("", "3")]


def test_long_names_and_texts_are_cut() -> None:
    (said,) = LogPatterns(LOG).facts([f"<{'x' * 4000}> {'y' * 4000}"])
    assert said == Said("x" * MAX_NAME, "y" * MAX_TEXT)


@given(st.lists(st.text()))
def test_whatever_a_game_prints_is_taken(lines: list[str]) -> None:
    assert len(LogPatterns(LOG).facts(lines)) <= len(lines)


@pytest.mark.parametrize(
    ("log", "expected"),
    [
        (Log(joined="("), "Expected a regular expression: .* - at `log.joined`"),
        (Log(joined="joins"), r"a group is missing; Expected \(\?P<player>…\) in it - at `log.joined`"),
        (Log(left="leaves"), r"Expected \(\?P<player>…\) or \(\?P<id>…\) in it - at `log.left`"),
        (Log(map="(?P<name>.*)"), r"unknown group 'name'; Expected one of: \(\?P<map>…\) - at `log.map`"),
        (Log(chat="(?P<text>.*)"), r"Expected \(\?P<player>…\) in it - at `log.chat`"),
    ],
)
def test_an_expression_must_have_its_groups(log: Log, expected: str) -> None:
    with pytest.raises(ValueError, match=expected):
        check(log)
