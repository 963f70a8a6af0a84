"""Nim: what is a move, whose turn it is, who has won."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connman.nim.matchmaker import RANK_STEP, rank_step
from connman.nim.rules import IllegalMove, Nim


def test_a_game() -> None:
    nim = Nim([7, 9])
    for player, heap, count, heaps in [(7, 3, 5, [3, 4, 0]), (9, 1, 1, [2, 4, 0]), (7, 1, 2, [0, 4, 0])]:
        assert (nim.turn, nim.winner) == (player, None)
        nim.take(player, heap, count)
        assert nim.heaps == heaps
    nim.take(9, 2, 4)
    assert nim.winner == 9


@pytest.mark.parametrize(
    ("player", "heap", "count", "text"),
    [
        (9, 1, 1, "it is not your turn"),
        (7, 0, 1, "there are the heaps 1 to 3"),
        (7, 4, 1, "there are the heaps 1 to 3"),
        (7, "1", 1, "there are the heaps 1 to 3"),
        (7, True, 1, "there are the heaps 1 to 3"),
        (7, None, None, "there are the heaps 1 to 3"),
        (7, 1, 0, "from heap 1 you can take 1 to 3"),
        (7, 1, 4, "from heap 1 you can take 1 to 3"),
        (7, 1, -1, "from heap 1 you can take 1 to 3"),
        (7, 1, 1.0, "from heap 1 you can take 1 to 3"),
        (7, 2, 1, "heap 2 is empty"),
    ],
)
def test_what_is_no_move_changes_nothing(player: int, heap: Any, count: Any, text: str) -> None:
    nim = Nim([7, 9], (3, 0, 5))
    with pytest.raises(IllegalMove, match=text):
        nim.take(player, heap, count)
    assert (nim.turn, nim.heaps) == (7, [3, 0, 5])


@given(st.lists(st.tuples(st.sampled_from([1, 2]), st.integers(0, 4), st.integers(0, 6)), max_size=60))
def test_who_takes_the_last_match_wins(moves: list[tuple[int, int, int]]) -> None:
    nim = Nim([1, 2])
    last = 0
    for player, heap, count in moves:
        before = sum(nim.heaps)
        try:
            nim.take(player, heap, count)
        except IllegalMove:
            assert sum(nim.heaps) == before
            continue
        last = player
        assert sum(nim.heaps) == before - count
        if nim.winner:
            break
    assert nim.winner == (last if not any(nim.heaps) else None)


@given(st.integers(0, 3000), st.integers(0, 3000))
def test_ranks(winner: int, loser: int) -> None:
    assert 0 <= rank_step(winner, loser) <= RANK_STEP
    assert rank_step(winner, loser) + rank_step(loser, winner) in (RANK_STEP - 1, RANK_STEP, RANK_STEP + 1)
    assert rank_step(1000, 1000) == 12
