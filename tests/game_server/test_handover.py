"""The context as text: what goes in comes out, and what is none is refused with the reason."""

import base64
import zlib
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from game_server.handover import (
    Context,
    ContextError,
    GameContext,
    Parts,
    Pass,
    Seat,
    export_context,
    import_context,
    parts_of,
)
from game_server.model import FourInARow
from game_server.protocol import GameEvent, PlayerReturned
from game_server_launcher.protocol import MAX_CONTEXT_LENGTH, MAX_PART_LENGTH

NAMES = st.text(min_size=1, max_size=20)
TIMES = st.floats(0, 2e9)


@st.composite
def games(draw: st.DrawFn, number: int = 0) -> GameContext:
    players = draw(st.lists(NAMES, min_size=1, max_size=2, unique=True))
    model = None
    if len(players) == 2:
        model, _ = FourInARow.begin(players, players[0])
        for column in draw(st.lists(st.integers(0, 6), max_size=20)):
            if not model.over and model.moves.count(column) < 6:
                model.drop(model.turn, column)
    first = draw(st.integers(1, 1000))
    count = draw(st.integers(0, 5))
    return GameContext(
        game_id=f"game-{number}",
        is_match=draw(st.booleans()),
        seats=[Seat(player, f"key-{number}-{seat}", draw(st.booleans())) for seat, player in enumerate(players)],
        model=model,
        begun=model is not None and draw(st.booleans()),
        begun_at=draw(TIMES),
        changed_at=draw(TIMES),
        present=[player for player in players if draw(st.booleans())],
        sequence=first + count - 1,
        events=[
            GameEvent(sequence=first + one, at=draw(TIMES), event=PlayerReturned(players[0])) for one in range(count)
        ],
    )


@st.composite
def contexts(draw: st.DrawFn) -> Context:
    return Context(
        games=[draw(games(number)) for number in range(draw(st.integers(0, 4)))],
        used_tickets=draw(st.dictionaries(NAMES, TIMES, max_size=4)),
        passes=[
            Pass(f"pass-{number}", name, "*", draw(st.none() | st.just([name, "x"])))
            for number, name in enumerate(draw(st.lists(NAMES, max_size=3)))
        ],
    )


@given(contexts(), st.integers(1, 300))
def test_what_is_exported_is_imported(context: Context, cut: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("game_server.handover.MAX_PART_LENGTH", cut)
        parts = Parts()
        lasts = []
        for part, last, data in parts_of(export_context(context)):
            assert len(data) <= cut
            assert data.isascii()
            parts.add(part, data)
            lasts.append(last)
    assert lasts == [False] * (len(lasts) - 1) + [True]
    assert import_context(parts.text()) == context


@given(st.text() | st.binary().map(lambda data: base64.b64encode(zlib.compress(data)).decode()))
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ContextError):
        import_context(text)


def packed(**values: Any) -> str:
    whole = {"games": [], "used_tickets": {}, "passes": [], "format": 1, **values}
    return base64.b64encode(zlib.compress(msgspec.json.encode(whole))).decode()


def one_game(**values: Any) -> dict[str, Any]:
    players = ["alice", "bob"]
    model, _ = FourInARow.begin(players, "alice")
    game = GameContext(
        game_id="m1",
        is_match=True,
        seats=[Seat(player, f"key of {player}") for player in players],
        model=model,
        begun=False,
        begun_at=0.0,
        changed_at=0.0,
        present=[],
        sequence=0,
        events=[],
    )
    changed: dict[str, Any] = msgspec.to_builtins(game) | values
    return changed


BOARD = {"players": ["alice", "bob"], "beginner": 0}


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ({"format": 2}, "the format 2"),
        ({"games": [one_game(), one_game()]}, "the same id"),
        ({"games": [one_game()], "passes": [Pass("key of bob", "carol", "m1")]}, "the same key"),
        ({"games": [one_game(present=["carol"])]}, "who plays"),
        ({"games": [one_game(seats=[Seat("alice", "1"), Seat("alice", "2")])]}, "who plays"),
        ({"games": [one_game(sequence=3)]}, ""),
        ({"games": [one_game(sequence=1, events=[GameEvent(2, 0.0, PlayerReturned("bob"))])]}, "gaps"),
        ({"games": [one_game(sequence=0, events=[GameEvent(0, 0.0, PlayerReturned("bob"))])]}, "gaps"),
        ({"games": [one_game(model={**BOARD, "players": ["alice", "carol"]})]}, "board"),
        ({"games": [one_game(model={**BOARD, "moves": [3] * 7})]}, "no room in column 3"),
        ({"games": [one_game(model={**BOARD, "moves": [7]})]}, "no room in column 7"),
        ({"games": [one_game(model=None)]}, "no board"),
    ],
)
def test_a_context_that_contradicts_itself_is_refused(values: dict[str, Any], why: str) -> None:
    if not why:  # Events before the last ones are not kept.
        import_context(packed(**values))
        return
    with pytest.raises(ContextError, match=why):
        import_context(packed(**values))


def test_what_unpacks_to_too_much_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("game_server.handover.MAX_JSON_BYTES", 1000)
    with pytest.raises(ContextError, match="too long"):
        import_context(packed(used_tickets={str(number): 0.0 for number in range(1000)}))


def test_so_many_parts_are_taken_and_no_more() -> None:
    parts = Parts()
    part = "x" * MAX_PART_LENGTH
    count = MAX_CONTEXT_LENGTH // MAX_PART_LENGTH
    for number in range(count):
        parts.add(number + 1, part)
    with pytest.raises(ContextError, match="more than"):
        parts.add(count + 1, "x")
