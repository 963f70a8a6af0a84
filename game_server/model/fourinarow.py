"""Four in a row: two players drop pieces into the columns of a board; the first line of four wins.

Everything that there is to know about a game follows from the board's size, who plays, who began and which columns
were played, so that is all its state holds; it goes to JSON and back as it stands.
"""

from typing import Annotated, Self

from msgspec import Meta, Struct

from game_server.model.events import (
    MAX_HEIGHT,
    MAX_WIDTH,
    MIN_SIDE,
    Cell,
    Column,
    GameBegan,
    GameEnded,
    Height,
    ModelEvent,
    Name,
    PieceDropped,
    Width,
)

COLUMNS = 7
ROWS = 6
"""Of the usual board."""
LENGTH = 4
CELLS = COLUMNS * ROWS

Size = tuple[int, int]
"""Of a board: how many columns, and how many rows."""

DIRECTIONS = ((1, 0), (0, 1), (1, 1), (1, -1))


def read_size(text: str) -> Size:
    """The size of a board that is written as `7x6`.

    Raises:
        ValueError: there is no such board.
    """
    width, _, height = text.partition("x")
    if not (width.isdecimal() and height.isdecimal() and text.isascii() and len(text) <= 5):
        raise ValueError(f"{text!r} is no board: write its columns and rows, such as 7x6")
    if not (MIN_SIDE <= int(width) <= MAX_WIDTH and MIN_SIDE <= int(height) <= MAX_HEIGHT):
        raise ValueError(f"{text!r} is no board: from {MIN_SIDE}x{MIN_SIDE} to {MAX_WIDTH}x{MAX_HEIGHT}")
    return int(width), int(height)


class IllegalMove(Exception):
    """A move that the rules do not allow; nothing has changed.

    Attributes:
        code: `game_over`, `not_your_turn`, `column_invalid` or `column_full`.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class FourInARow(Struct, kw_only=True):
    """One game. Methods that change it return the events that tell what happened."""

    players: Annotated[list[Name], Meta(min_length=2, max_length=2)]
    """In the order of their seats; a player's place here is the player's seat, 0 or 1."""
    beginner: Annotated[int, Meta(ge=0, le=1)]
    width: Width = COLUMNS
    height: Height = ROWS
    moves: Annotated[list[Column], Meta(max_length=MAX_WIDTH * MAX_HEIGHT)] = []
    """The columns played so far."""
    winner: Name = ""
    reason: Name = ""
    """Why the game is over; empty while it is not."""
    line: Annotated[list[Cell], Meta(max_length=2 * LENGTH - 1)] = []

    def __post_init__(self) -> None:
        """Raises:
        ValueError: a piece lies outside of the board.
        """
        for column in set(self.moves):
            if column >= self.width or self.moves.count(column) > self.height:
                raise ValueError(f"there is no room in column {column} of this board")

    @classmethod
    def begin(cls, players: list[str], beginner: str, size: Size = (COLUMNS, ROWS)) -> tuple[Self, GameBegan]:
        """A new game.

        Raises:
            ValueError: there are not two different players, or the beginner is none of them.
        """
        if len(players) != 2 or players[0] == players[1]:
            raise ValueError(f"four in a row is for two different players, not {players}")
        if beginner not in players:
            raise ValueError(f"{beginner} cannot begin a game of {players}")
        width, height = size
        game = cls(players=list(players), beginner=players.index(beginner), width=width, height=height)
        return game, GameBegan(players=list(players), beginner=beginner, width=width, height=height)

    @property
    def over(self) -> bool:
        return bool(self.reason)

    @property
    def turn(self) -> str:
        """The player whose turn it is; empty when the game is over."""
        return "" if self.over else self.players[self._seat_of_move(len(self.moves))]

    @property
    def columns(self) -> list[list[int]]:
        """The seats of the pieces in each column, the lowest first."""
        columns: list[list[int]] = [[] for _ in range(self.width)]
        for number, column in enumerate(self.moves):
            columns[column].append(self._seat_of_move(number))
        return columns

    @property
    def last_cell(self) -> Cell | None:
        """Where the last piece lies."""
        if not self.moves:
            return None
        column = self.moves[-1]
        return column, self.moves.count(column) - 1

    def longest_line(self, player: str) -> int:
        """How many of the player's pieces lie next to each other in a line; 0 without a piece."""
        seat = self.players.index(player)
        columns = self.columns
        cells = ((column, row) for column in range(self.width) for row in range(len(columns[column])))
        lines = (line_through(columns, cell) for cell in cells if owner(columns, cell) == seat)
        return max(map(len, lines), default=0)

    def drop(self, player: str, column: int) -> list[ModelEvent]:
        """Drop a piece.

        Raises:
            IllegalMove: the game is over, it is not the player's turn, or the piece cannot go there.
        """
        if self.over:
            raise IllegalMove("game_over", "the game is over")
        if player != self.turn:
            raise IllegalMove("not_your_turn", f"it is the turn of {self.turn}")
        if not 0 <= column < self.width:
            raise IllegalMove("column_invalid", f"column {column} is none of 0 to {self.width - 1}")
        row = self.moves.count(column)
        if row == self.height:
            raise IllegalMove("column_full", f"column {column} is full")
        self.moves.append(column)
        line = line_through(self.columns, (column, row))
        ended: list[ModelEvent] = []
        if len(line) >= LENGTH:
            ended = self._end("won", player, line)
        elif len(self.moves) == self.width * self.height:
            ended = self._end("draw")
        return [PieceDropped(player=player, column=column, row=row, next_player=self.turn), *ended]

    def resign(self, player: str) -> list[ModelEvent]:
        """Give up, at any moment; the other player wins.

        Raises:
            IllegalMove: the game is over.
        """
        if self.over:
            raise IllegalMove("game_over", "the game is over")
        return self._end("resigned", self.opponent_of(player))

    def forfeit(self, player: str) -> list[ModelEvent]:
        """The player has stayed away for too long; the other one wins.

        Raises:
            IllegalMove: the game is over.
        """
        if self.over:
            raise IllegalMove("game_over", "the game is over")
        return self._end("forfeit", self.opponent_of(player))

    def break_off(self, reason: str) -> list[ModelEvent]:
        """End without a winner, for a reason that lies outside the game.

        Raises:
            IllegalMove: the game is over.
        """
        if self.over:
            raise IllegalMove("game_over", "the game is over")
        return self._end(reason)

    def opponent_of(self, player: str) -> str:
        return self.players[1 - self.players.index(player)]

    def _end(self, reason: str, winner: str = "", line: list[Cell] | None = None) -> list[ModelEvent]:
        self.reason = reason
        self.winner = winner
        self.line = line or []
        return [GameEnded(winner=winner, reason=reason, line=list(self.line), turns=len(self.moves))]

    def _seat_of_move(self, number: int) -> int:
        return (self.beginner + number) % 2


def owner(columns: list[list[int]], cell: Cell) -> int | None:
    """The seat whose piece lies in a cell; None for an empty cell and for one that is not on the board."""
    column, row = cell
    return columns[column][row] if 0 <= column < len(columns) and 0 <= row < len(columns[column]) else None


def line_through(columns: list[list[int]], cell: Cell) -> list[Cell]:
    """The longest line of one player's pieces through a cell that is not empty, from one end to the other."""
    seat = owner(columns, cell)

    def run(right: int, up: int) -> list[Cell]:
        cells: list[Cell] = []
        column, row = cell[0] + right, cell[1] + up
        while owner(columns, (column, row)) == seat:
            cells.append((column, row))
            column, row = column + right, row + up
        return cells

    lines = ([*reversed(run(-right, -up)), cell, *run(right, up)] for right, up in DIRECTIONS)
    return max(lines, key=len)
