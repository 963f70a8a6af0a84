"""The board, character by character."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from game_server.client.board import describe, draw_board, draw_players, result_of
from game_server.client.style import WIDTH, Style
from game_server.client.visit import Visit
from game_server.model import CELLS, COLUMNS, ROWS, FourInARow

ASCII = Style()
UNICODE = Style(unicode=True)
COLOURED = Style(colours=True, unicode=True)


def game_of(moves: list[int]) -> FourInARow:
    game = FourInARow(players=["alice", "bob"], beginner=0)
    for column in moves:
        if not game.over and game.moves.count(column) < ROWS:
            game.drop(game.turn, column)
    return game


def visit_of(game: FourInARow | None, me: str = "alice", players: tuple[str, ...] = ("alice", "bob")) -> Visit:
    visit = Visit(1, "here/four", "127.0.0.1", 1, "m1", "ticket")
    visit.me, visit.game, visit.players, visit.present = me, game, list(players), list(players)
    visit.begun = game is not None
    return visit


def test_an_ascii_board_with_its_last_piece_marked() -> None:
    assert draw_board(game_of([3, 3, 4]), ASCII) == [
        "     1   2   3   4   5   6   7 ",
        "   |   |   |   |   |   |   |   |",
        "   |   |   |   |   |   |   |   |",
        "   |   |   |   |   |   |   |   |",
        "   |   |   |   |   |   |   |   |",
        "   |   |   |   | O |   |   |   |",
        "   |   |   |   | X |[X]|   |   |",
        "   +---+---+---+---+---+---+---+",
    ]


def test_a_line_that_won_stands_between_stars() -> None:
    lines = draw_board(game_of([0, 1, 0, 1, 0, 1, 0]), UNICODE)
    assert lines[3:] == [
        "   │*●*│   │   │   │   │   │   │",
        "   │*●*│ ○ │   │   │   │   │   │",
        "   │*●*│ ○ │   │   │   │   │   │",
        "   │*●*│ ○ │   │   │   │   │   │",
        "   ╰───┴───┴───┴───┴───┴───┴───╯",
    ]


def test_a_larger_board_with_its_numbers() -> None:
    game = FourInARow(players=["alice", "bob"], beginner=0, width=10, height=4, moves=[9])
    assert draw_board(game, ASCII) == [
        "     1   2   3   4   5   6   7   8   9  10 ",
        *["   |   |   |   |   |   |   |   |   |   |   |"] * 3,
        "   |   |   |   |   |   |   |   |   |   |[X]|",
        "   +---+---+---+---+---+---+---+---+---+---+",
    ]
    largest = FourInARow(players=["alice", "bob"], beginner=0, width=12, height=10)
    assert max(map(len, draw_board(largest, UNICODE))) <= WIDTH


def test_a_board_before_the_game_is_empty() -> None:
    assert draw_board(None, ASCII) == draw_board(game_of([]), ASCII)


@given(st.lists(st.integers(0, COLUMNS - 1), max_size=2 * CELLS))
def test_colours_add_nothing_but_colours_and_every_piece_is_drawn(moves: list[int]) -> None:
    game = game_of(moves)
    plain = draw_board(game, ASCII)
    coloured = [re.sub(r"\x1b\[[0-9;]*m", "", line) for line in draw_board(game, COLOURED)]
    signs = str.maketrans("│╰┴╯─●○", "|+++-XO")
    assert [line.translate(signs) for line in coloured] == plain
    text = "".join(plain[1:])
    assert text.count("X") + text.count("O") == len(game.moves)
    assert max(map(len, plain)) <= WIDTH
    assert all(line.isascii() for line in plain)


def test_players_with_their_pieces_and_who_is_not_there() -> None:
    visit = visit_of(game_of([]))
    assert draw_players(visit, ASCII) == "   X alice (you)    O bob"
    visit.present = ["alice"]
    assert draw_players(visit, UNICODE) == "   ● alice (you)    ○ bob (not here)"
    assert "\x1b[31;1m●\x1b[0m \x1b[1malice (you)\x1b[0m    \x1b[33;1m○\x1b[0m" in draw_players(visit, COLOURED)
    assert "\x1b[33;1mO\x1b[0m bob" in draw_players(visit, Style(colours=True))


def test_long_and_hostile_names_stay_within_the_line() -> None:
    visit = visit_of(None, "a" * 128, ("a" * 128, "\x1b[2Jb\n" * 20))
    line = draw_players(visit, UNICODE)
    assert len(line) <= WIDTH
    assert "\x1b" not in line
    assert "\n" not in line


def test_how_the_game_stands_in_a_sentence() -> None:
    assert describe(visit_of(None, players=("alice",)), ASCII) == "Waiting for another player to come."
    waiting = visit_of(game_of([]))
    waiting.begun = False
    assert describe(waiting, ASCII) == "Waiting for bob to come."
    assert describe(visit_of(game_of([])), ASCII) == "It is your turn."
    assert describe(visit_of(game_of([0])), ASCII) == "It is bob's turn."
    assert describe(visit_of(game_of([0, 1, 0, 1, 0, 1, 0])), ASCII) == ("You win with four in a row after 7 turns.")


STOPPED = "The game was broken off: the server stopped."


@pytest.mark.parametrize(
    ("winner", "reason", "for_alice", "for_bob"),
    [
        ("bob", "won", "bob wins with four in a row", "You win with four in a row"),
        ("bob", "resigned", "bob wins because you gave up", "You win because alice gave up"),
        ("bob", "forfeit", "bob wins because you stayed away", "You win because alice stayed away"),
        ("carol", "new", "carol wins (new)", "carol wins (new)"),
        ("", "draw", "A draw: the board is full.", "A draw: the board is full."),
        ("", "abandoned", "The game was abandoned.", "The game was abandoned."),
        ("", "server_stopped", STOPPED, STOPPED),
        ("", "\x1bnew", "The game ended: ?new.", "The game ended: ?new."),
    ],
)
def test_results_in_a_sentence(winner: str, reason: str, for_alice: str, for_bob: str) -> None:
    game = FourInARow(players=["alice", "bob"], beginner=0, winner=winner, reason=reason)
    tail = " after 0 turns." if winner else ""
    assert result_of(game, "alice", ASCII) == for_alice + tail
    assert result_of(game, "bob", ASCII) == for_bob + tail
