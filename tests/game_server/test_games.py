"""Which game an admission leads to, and the description of this game for the launcher."""

from pathlib import Path
from random import Random

import pytest

import game_server
from game_server.admission import Admission, Denial
from game_server.games import GameCollection
from game_server.protocol import GAME
from game_server.server import GameServer, Patience
from game_server_launcher.gamefile import load_game_file
from game_server_launcher.gametables import ReadyByController, StopByController


def make_game(game_id: str, is_match: bool) -> GameServer:
    return GameServer(game_id, is_match=is_match, patience=Patience(), clock=lambda: 0.0, left=lambda controller: None)


def collection(max_games: int = 10) -> GameCollection:
    count = iter(range(1_000_000))
    return GameCollection(max_games, make_game, lambda prefix: f"{prefix}{next(count)}", Random(1))


def admission(player: str, game_id: str, *players: str) -> Admission:
    return Admission(player, game_id, list(players) or None)


def test_both_players_of_a_match_come_to_one_game_with_a_seat_for_each() -> None:
    games = collection()
    bob, alice = (admission(player, "m1", "alice", "bob") for player in ("bob", "alice"))
    assert games.find(bob, open_for_new=True) is None
    game = games.find_or_create(bob, open_for_new=True)
    assert games.find(alice, open_for_new=False) is games.find_or_create(alice, open_for_new=False) is game
    assert game.players == ["alice", "bob"]
    assert [games.by_key("m1", seat.resume_key).player for seat in game.seats] == ["alice", "bob"]


def test_looking_for_a_game_makes_none() -> None:
    games = collection()
    for one in (admission("alice", "m1", "alice", "bob"), admission("alice", "den"), admission("alice", "*")):
        assert games.find(one, open_for_new=True) is None
    assert len(games) == 0


def test_a_game_that_is_forgotten_leaves_nothing_behind() -> None:
    games = collection(max_games=1)
    game = games.expect("m1", ["alice", "bob"])
    keys = [seat.resume_key for seat in game.seats]
    games.forget(game)
    assert len(games) == 0
    for key in keys:
        with pytest.raises(Denial):
            games.by_key("m1", key)
    games.expect("m2", ["alice", "bob"])
    with pytest.raises(Denial, match="1 games and takes no more"):
        games.find_or_create(admission("carol", "*"), open_for_new=True)


def test_no_seat_twice_and_none_beside_two() -> None:
    game = make_game("g", False)
    game.add_seat("alice", "k1")
    with pytest.raises(ValueError, match="no seat for alice"):
        game.add_seat("alice", "k2")
    game.add_seat("bob", "k2")
    with pytest.raises(ValueError, match="no seat for carol"):
        game.add_seat("carol", "k3")


def test_the_launcher_can_read_how_to_start_this_game() -> None:
    file = Path(game_server.__file__).parent / "games" / "four_in_a_row.toml"
    game = load_game_file(file)
    assert (game.game, game.server_names) == (GAME, ["four"])
    assert game.command[:3] == ["{python}", "-m", "game_server"]
    assert "{token}" not in " ".join(game.command)
    assert game.environment == {"GAME_CONTROLLER_TOKEN": "{token}"}
    assert isinstance(game.ready, ReadyByController)
    assert isinstance(game.stop, StopByController)
