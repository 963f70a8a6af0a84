"""What can happen in a game, in the past tense: what a method of the model returns and the game publishes.

On the wire an event is an object with its `kind`, inside a `GameEvent` that gives its number.
"""

from typing import Annotated

from msgspec import Meta, Struct

MIN_SIDE = 4
MAX_WIDTH = 12
MAX_HEIGHT = 10
"""Of a board, in columns and rows."""

Name = Annotated[str, Meta(max_length=128)]
Width = Annotated[int, Meta(ge=MIN_SIDE, le=MAX_WIDTH)]
Height = Annotated[int, Meta(ge=MIN_SIDE, le=MAX_HEIGHT)]
Column = Annotated[int, Meta(ge=0, lt=MAX_WIDTH)]
Row = Annotated[int, Meta(ge=0, lt=MAX_HEIGHT)]
Cell = tuple[Column, Row]
"""A place on the board; column 0 is the left one, row 0 the lowest."""


class Event(Struct, frozen=True, tag_field="kind"):
    """Base of everything that can happen in a game."""


class GameBegan(Event, frozen=True, tag="game_began"):
    """Both players have come: `players` in the order of their seats; it is the turn of `beginner`, on an empty board of
    `width` columns and `height` rows."""

    players: Annotated[list[Name], Meta(max_length=2)]
    beginner: Name
    width: Width = 7
    height: Height = 6


class PieceDropped(Event, frozen=True, tag="piece_dropped"):
    """`next_player` is empty when this piece ended the game."""

    player: Name
    column: Column
    row: Row
    next_player: Name


class GameEnded(Event, frozen=True, tag="game_ended"):
    """`winner` is empty for a draw and for a game that was given up; `line` holds the cells that won."""

    winner: Name
    reason: Name
    """`won`, `draw`, `resigned`, `forfeit`, `abandoned` or `server_stopped`."""
    line: Annotated[list[Cell], Meta(max_length=7)]
    turns: Annotated[int, Meta(ge=0, le=MAX_WIDTH * MAX_HEIGHT)]


ModelEvent = GameBegan | PieceDropped | GameEnded
