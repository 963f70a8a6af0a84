"""A simple player: wins if it can, does not let the other one win, and likes the middle."""

from random import Random

import msgspec

from game_server.model import FourInARow


def choose_column(game: FourInARow, random: Random) -> int:
    """A column for the player whose turn it is. The same game and the same `random` give the same column."""
    me = game.turn
    open_columns = _open_columns(game)
    for column in open_columns:
        if _after(game, column).winner == me:
            return column
    safe = [column for column in open_columns if not _lets_win(_after(game, column))]
    candidates = safe or open_columns
    weights = [1 + min(column, game.width - 1 - column) for column in candidates]
    return random.choices(candidates, weights)[0]


def _open_columns(game: FourInARow) -> list[int]:
    return [column for column in range(game.width) if game.moves.count(column) < game.height]


def _after(game: FourInARow, column: int) -> FourInARow:
    copy = msgspec.structs.replace(game, moves=list(game.moves))
    copy.drop(copy.turn, column)
    return copy


def _lets_win(game: FourInARow) -> bool:
    """Whether the player whose turn it is can win at once."""
    player = game.turn
    columns = [] if game.over else _open_columns(game)
    return any(_after(game, column).winner == player for column in columns)
