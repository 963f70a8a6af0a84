"""The rules, against a naive checker that looks at every four cells in a row of the whole board."""

from collections import Counter

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from game_server.model import (
    CELLS,
    COLUMNS,
    LENGTH,
    ROWS,
    FourInARow,
    GameBegan,
    GameEnded,
    IllegalMove,
    PieceDropped,
    read_size,
)

PLAYERS = ["alice", "bob"]
DRAW = [
    0,
    1,
    0,
    1,
    0,
    1,
    1,
    0,
    1,
    0,
    1,
    0,
    2,
    3,
    2,
    3,
    2,
    3,
    3,
    2,
    3,
    2,
    3,
    2,
    4,
    5,
    4,
    5,
    4,
    5,
    5,
    4,
    5,
    4,
    5,
    4,
] + [6] * 6


def new_game(beginner: str = "alice") -> FourInARow:
    return FourInARow.begin(PLAYERS, beginner)[0]


def played(moves: list[int], beginner: str = "alice") -> FourInARow:
    """A game after these moves; those that the rules do not allow are left out."""
    game = new_game(beginner)
    for column in moves:
        if not game.over and game.moves.count(column) < ROWS:
            game.drop(game.turn, column)
    return game


def windows() -> list[list[tuple[int, int]]]:
    every = []
    for column in range(COLUMNS):
        for row in range(ROWS):
            for right, up in ((1, 0), (0, 1), (1, 1), (1, -1)):
                cells = [(column + right * step, row + up * step) for step in range(LENGTH)]
                if all(0 <= c < COLUMNS and 0 <= r < ROWS for c, r in cells):
                    every.append(cells)
    return every


WINDOWS = windows()


def naive_winners(game: FourInARow) -> set[str]:
    board: dict[tuple[int, int], str] = {}
    heights: Counter[int] = Counter()
    player = game.players[game.beginner]
    for column in game.moves:
        board[column, heights[column]] = player
        heights[column] += 1
        player = game.opponent_of(player)
    owners = ({board.get(cell, "") for cell in window} for window in WINDOWS)
    return {next(iter(names)) for names in owners if len(names) == 1} - {""}


moves = st.lists(st.integers(0, COLUMNS - 1), max_size=3 * CELLS)
beginners = st.sampled_from(PLAYERS)


def test_there_are_69_ways_to_win() -> None:
    assert len(WINDOWS) == 69


@given(moves, beginners)
def test_a_game_is_won_exactly_when_the_naive_checker_says_so(columns: list[int], beginner: str) -> None:
    game = played(columns, beginner)
    assert naive_winners(game) == ({game.winner} if game.winner else set())
    assert (game.reason == "won") == bool(game.winner)


@given(moves, beginners)
def test_invariants(columns: list[int], beginner: str) -> None:
    game = played(columns, beginner)
    assert all(len(column) <= ROWS for column in game.columns)
    assert sum(len(column) for column in game.columns) == len(game.moves) <= CELLS
    seats = Counter(seat for column in game.columns for seat in column)
    assert seats[game.beginner] - seats[1 - game.beginner] == len(game.moves) % 2
    assert game.over == (game.turn == "")
    if game.reason == "won":
        cell = game.last_cell
        assert cell in game.line
        assert len(game.line) >= LENGTH
        assert game.longest_line(game.winner) >= LENGTH > game.longest_line(game.opponent_of(game.winner))
        assert {game.columns[column][row] for column, row in game.line} == {game.players.index(game.winner)}
    else:
        assert game.line == []
        assert all(game.longest_line(player) < LENGTH for player in PLAYERS)
        assert game.reason == ("draw" if len(game.moves) == CELLS else "")


@given(moves, beginners)
def test_the_state_goes_to_json_and_back_and_the_game_goes_on_from_there(columns: list[int], beginner: str) -> None:
    game = played(columns, beginner)
    restored = msgspec.json.decode(msgspec.json.encode(game), type=FourInARow)
    assert restored == game
    if not game.over:
        column = next(column for column in range(COLUMNS) if game.moves.count(column) < ROWS)
        assert restored.drop(restored.turn, column) == game.drop(game.turn, column)
        assert restored == game


@given(moves, beginners, st.integers(-3, COLUMNS + 3), st.sampled_from(PLAYERS))
def test_a_move_is_refused_for_one_reason_and_changes_nothing_or_else_is_made(
    columns: list[int], beginner: str, column: int, player: str
) -> None:
    game = played(columns, beginner)
    before = msgspec.json.encode(game)
    expected = ""
    if game.over:
        expected = "game_over"
    elif player != game.turn:
        expected = "not_your_turn"
    elif column not in range(COLUMNS):
        expected = "column_invalid"
    elif game.moves.count(column) == ROWS:
        expected = "column_full"
    if expected:
        with pytest.raises(IllegalMove) as raised:
            game.drop(player, column)
        assert raised.value.code == expected
        assert msgspec.json.encode(game) == before
    else:
        dropped = game.drop(player, column)[0]
        assert isinstance(dropped, PieceDropped)
        assert (dropped.column, dropped.row) == game.last_cell
        assert game.columns[dropped.column][dropped.row] == PLAYERS.index(player)


def test_the_beginner_begins_and_then_they_take_turns() -> None:
    game, began = FourInARow.begin(PLAYERS, "bob")
    assert began == GameBegan(players=PLAYERS, beginner="bob")
    assert game.drop("bob", 3) == [PieceDropped(player="bob", column=3, row=0, next_player="alice")]
    assert game.drop("alice", 3) == [PieceDropped(player="alice", column=3, row=1, next_player="bob")]


@pytest.mark.parametrize(
    ("columns", "line"),
    [
        ([0, 0, 1, 1, 2, 2, 3], [(0, 0), (1, 0), (2, 0), (3, 0)]),
        ([5, 4, 5, 4, 5, 4, 5], [(5, 0), (5, 1), (5, 2), (5, 3)]),
        ([0, 1, 1, 2, 2, 3, 2, 3, 3, 6, 3], [(0, 0), (1, 1), (2, 2), (3, 3)]),
        ([6, 5, 5, 4, 4, 3, 4, 3, 3, 0, 3], [(3, 3), (4, 2), (5, 1), (6, 0)]),
        ([0, 0, 1, 1, 2, 2, 4, 4, 5, 5, 6, 6, 3], [(column, 0) for column in range(7)]),
    ],
    ids=["row", "column", "rising", "falling", "seven at once"],
)
def test_lines_that_win(columns: list[int], line: list[tuple[int, int]]) -> None:
    game = played(columns[:-1])
    assert game.drop("alice", columns[-1])[1:] == [
        GameEnded(winner="alice", reason="won", line=line, turns=len(columns))
    ]
    assert (game.winner, game.line, game.turn) == ("alice", line, "")


def test_a_full_board_without_a_line_is_a_draw() -> None:
    game = played(DRAW[:-1])
    assert game.drop(game.turn, DRAW[-1])[1:] == [GameEnded(winner="", reason="draw", line=[], turns=CELLS)]


def test_ends_that_are_not_moves() -> None:
    for end, winner in (("resign", "bob"), ("forfeit", "bob")):
        game = played([3])
        (ended,) = getattr(game, end)("alice")
        assert ended == GameEnded(winner=winner, reason=game.reason, line=[], turns=1)
    game = new_game()
    assert game.break_off("abandoned") == [GameEnded(winner="", reason="abandoned", line=[], turns=0)]


def test_what_is_over_stays_over() -> None:
    game = new_game()
    game.resign("bob")
    for method, argument in ((game.resign, "alice"), (game.forfeit, "alice"), (game.break_off, "abandoned")):
        with pytest.raises(IllegalMove, match="the game is over"):
            method(argument)
    with pytest.raises(IllegalMove, match="the game is over"):
        game.drop("alice", 0)
    assert (game.winner, game.reason) == ("alice", "resigned")


@pytest.mark.parametrize("players", [["alice"], ["alice", "alice"], ["alice", "bob", "carol"]])
def test_a_game_is_for_two_different_players(players: list[str]) -> None:
    with pytest.raises(ValueError, match="two different players"):
        FourInARow.begin(players, "alice")


def test_the_beginner_is_one_of_them() -> None:
    with pytest.raises(ValueError, match="carol cannot begin"):
        FourInARow.begin(PLAYERS, "carol")


@pytest.mark.parametrize(("text", "size"), [("7x6", (7, 6)), ("4x4", (4, 4)), ("12x10", (12, 10))])
def test_a_board_is_written_as_columns_and_rows(text: str, size: tuple[int, int]) -> None:
    assert read_size(text) == size
    game, began = FourInARow.begin(PLAYERS, "alice", read_size(text))
    assert (game.width, game.height) == (began.width, began.height) == size
    assert len(game.columns) == size[0]


@pytest.mark.parametrize("text", ["", "7", "x", "3x6", "7x3", "13x6", "7x11", "7X6", "7x6x5", "-7x6", "\u0667x6"])
def test_anything_else_is_no_board(text: str) -> None:
    with pytest.raises(ValueError, match="is no board"):
        read_size(text)


@given(st.integers(4, 12), st.integers(4, 10), st.lists(st.integers(0, 11), max_size=200))
def test_a_board_of_any_size_is_played_to_its_edges(width: int, height: int, columns: list[int]) -> None:
    game, _ = FourInARow.begin(PLAYERS, "alice", (width, height))
    for column in columns:
        if game.over:
            break
        if column >= width:
            with pytest.raises(IllegalMove, match=f"none of 0 to {width - 1}"):
                game.drop(game.turn, column)
        elif game.moves.count(column) < height:
            game.drop(game.turn, column)
    assert all(column < width and row < height for column, row in game.line)
    assert (game.reason == "draw") == (len(game.moves) == width * height and not game.winner)
    assert msgspec.json.decode(msgspec.json.encode(game), type=FourInARow) == game


@pytest.mark.parametrize("moves", [[7], [3] * 7])
def test_a_piece_outside_of_the_board_is_no_game(moves: list[int]) -> None:
    text = msgspec.json.encode({"players": PLAYERS, "beginner": 0, "moves": moves})
    with pytest.raises(msgspec.ValidationError, match="there is no room in column"):
        msgspec.json.decode(text, type=FourInARow)
    larger = msgspec.json.encode({"players": PLAYERS, "beginner": 0, "moves": moves, "width": 8, "height": 7})
    assert msgspec.json.decode(larger, type=FourInARow).moves == moves
