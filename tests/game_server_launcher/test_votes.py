"""Votes for the next map: who is counted, and when a map is chosen."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from game_server_launcher.votes import MAX_VOTERS, Ballot, voices_needed

NAMES = st.sampled_from(["ann", "bob", "eve", "joe"])
MAPS = st.sampled_from(["small", "large"])


@given(st.floats(0, 1), st.integers(0, 100))
def test_more_than_the_share_is_needed_and_can_be_had(share: float, players: int) -> None:
    needed = voices_needed(share, players)
    assert 1 <= needed <= max(players, 1)
    assert needed > share * players or needed == players or players == 0


@pytest.mark.parametrize(
    ("share", "players", "needed"),
    [(0.5, 0, 1), (0.5, 1, 1), (0.5, 2, 2), (0.5, 3, 2), (0.5, 4, 3), (1, 4, 4), (0, 9, 1)],
)
def test_examples(share: float, players: int, needed: int) -> None:
    assert voices_needed(share, players) == needed


@given(st.lists(st.tuples(NAMES, st.one_of(MAPS, st.none()))), st.integers(1, 4))
def test_the_last_voice_of_each_counts(voices: list[tuple[str, str | None]], needed: int) -> None:
    ballot = Ballot(ends_at=0)
    last: dict[str, str] = {}
    for player, name in voices:
        if name is None:
            ballot.drop(player)
            last.pop(player, None)
        else:
            ballot.cast(player, name)
            last[player] = name
    counts = {name: list(last.values()).count(name) for name in last.values()}
    assert ballot.counts == counts
    enough = {name for name, count in counts.items() if count >= needed}
    assert ballot.chosen(needed) in (enough or {""})


def test_there_is_a_bound() -> None:
    ballot = Ballot(ends_at=0)
    for number in range(MAX_VOTERS):
        ballot.cast(f"player{number}", "large")
    ballot.cast("player0", "small")
    with pytest.raises(ValueError, match="which is the most"):
        ballot.cast("one more", "small")
