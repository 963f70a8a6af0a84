"""The simple player does what it says of itself."""

from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from game_server.client.strategy import choose_column
from game_server.model import FourInARow


def game_after(moves: list[int]) -> FourInARow:
    game = FourInARow(players=["alice", "bob"], beginner=0)
    for column in moves:
        game.drop(game.turn, column)
    return game


@given(st.integers())
def test_it_wins_if_it_can(seed: int) -> None:
    assert choose_column(game_after([0, 1, 0, 1, 0, 1]), Random(seed)) == 0


@given(st.integers())
def test_it_does_not_let_the_other_one_win(seed: int) -> None:
    assert choose_column(game_after([0, 1, 0, 2, 0]), Random(seed)) == 0


@settings(max_examples=15)
@given(st.integers(), st.integers())
def test_a_game_of_two_comes_to_an_end_and_is_the_same_again_with_the_same_seeds(first: int, second: int) -> None:
    def play() -> FourInARow:
        game = game_after([])
        generators = {"alice": Random(first), "bob": Random(second)}
        while not game.over:
            before = list(game.moves)
            column = choose_column(game, generators[game.turn])
            assert game.moves == before
            game.drop(game.turn, column)
        return game

    assert play() == play()
