"""The rules of four in a row, and nothing else: no networking, no clock, no randomness, no threads."""

from game_server.model.events import Cell, Event, GameBegan, GameEnded, ModelEvent, PieceDropped
from game_server.model.fourinarow import CELLS, COLUMNS, LENGTH, ROWS, FourInARow, IllegalMove, Size, read_size

__all__ = [
    "CELLS",
    "COLUMNS",
    "LENGTH",
    "ROWS",
    "Cell",
    "Event",
    "FourInARow",
    "GameBegan",
    "GameEnded",
    "IllegalMove",
    "ModelEvent",
    "PieceDropped",
    "Size",
    "read_size",
]
