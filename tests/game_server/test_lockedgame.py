"""The model with a lock around it: the same interface, and every event published."""

from random import Random
from types import TracebackType
from typing import Any

import pytest
from gevent.monkey import get_original
from gevent.threadpool import ThreadPool
from hypothesis import given
from hypothesis import strategies as st

from game_server.model import FourInARow, GameEnded, IllegalMove, ModelEvent, PieceDropped
from game_server.model.lockedgame import LockedGame

PLAYERS = ["alice", "bob"]


class CountingLock:
    """Counts how often it was taken, and says whether it is held."""

    def __init__(self) -> None:
        self.taken = 0
        self.held = 0

    def __enter__(self) -> None:
        self.taken += 1
        self.held += 1

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.held -= 1


class Table:
    def __init__(self) -> None:
        self.lock = CountingLock()
        self.published: list[ModelEvent] = []
        self.plain, _ = FourInARow.begin(list(PLAYERS), "alice")
        game, _ = FourInARow.begin(list(PLAYERS), "alice")
        self.game = LockedGame(game, self.lock, self._publish)

    def _publish(self, event: ModelEvent) -> None:
        assert self.lock.held
        self.published.append(event)


def public_names(kind: type) -> set[str]:
    return {name for name in dir(kind) if not name.startswith("_")}


def test_it_has_everything_that_the_model_has_but_its_making() -> None:
    assert public_names(LockedGame) >= public_names(FourInARow) - {"begin"}


MOVES = st.lists(st.tuples(st.sampled_from(PLAYERS), st.integers(-1, 7)), max_size=60)
ENDS = st.sampled_from([None, ("resign", "alice"), ("forfeit", "bob"), ("break_off", "abandoned")])


@given(moves=MOVES, end=ENDS)
def test_it_is_the_model_and_publishes_what_each_method_returns(moves: list[tuple[str, int]], end: Any) -> None:
    table = Table()
    calls: list[tuple[str, tuple[Any, ...]]] = [("drop", move) for move in moves]
    if end is not None:
        calls.append((end[0], (end[1],)))
    for method, arguments in calls:
        table.published.clear()
        try:
            expected = getattr(table.plain, method)(*arguments)
        except IllegalMove as refusal:
            with pytest.raises(IllegalMove) as raised:
                getattr(table.game, method)(*arguments)
            assert raised.value.code == refusal.code
            assert table.published == []
        else:
            assert getattr(table.game, method)(*arguments) == expected == table.published
        assert table.lock.held == 0
    assert table.game.copy() == table.plain
    for name in ("players", "beginner", "moves", "winner", "reason", "line", "over", "turn", "columns", "last_cell"):
        assert getattr(table.game, name) == getattr(table.plain, name)
    for player in PLAYERS:
        assert table.game.longest_line(player) == table.plain.longest_line(player)
        assert table.game.opponent_of(player) == table.plain.opponent_of(player)


@pytest.mark.parametrize("name", sorted(public_names(LockedGame)))
def test_everything_takes_the_lock(name: str) -> None:
    table = Table()
    arguments = {"drop": ("alice", 0), "break_off": ("abandoned",)}
    one_player = ("longest_line", "opponent_of", "resign", "forfeit")
    thing = getattr(table.game, name)
    if callable(thing):
        thing(*arguments.get(name, ("alice",) if name in one_player else ()))
    assert table.lock.taken == 1
    assert table.lock.held == 0


def test_what_was_copied_stays_as_it_was() -> None:
    table = Table()
    table.game.drop("alice", 3)
    before = table.game.copy()
    moves = table.game.moves
    table.game.drop("bob", 3)
    assert before.moves == moves == [3]


def test_threads_that_drop_at_once_play_one_game() -> None:
    """With real threads and a lock of theirs: each move is there once, and the events are in the order of the moves."""
    published: list[ModelEvent] = []
    game, _ = FourInARow.begin(list(PLAYERS), "alice")
    locked = LockedGame(game, get_original("_thread", "allocate_lock")(), published.append)

    def play(number: int) -> None:
        random = Random(number)
        for _ in range(100_000):
            if locked.over:
                break
            try:
                locked.drop(PLAYERS[number % 2], random.randrange(7))
            except IllegalMove:
                pass

    pool = ThreadPool(8)
    pool.map(play, range(8))
    pool.kill()
    dropped = [event for event in published if isinstance(event, PieceDropped)]
    assert [event.column for event in dropped] == locked.moves
    assert [event.player for event in dropped] == [PLAYERS[number % 2] for number in range(len(dropped))]
    assert isinstance(published[-1], GameEnded)
    assert len(published) == len(dropped) + 1
