"""Which game a ticket leads to, and the description of this game for the launcher."""

from pathlib import Path
from random import Random

import pytest

import game_server
from game_server.games import Denial, GameCollection
from game_server.protocol import GAME
from game_server.server import GameServer, Patience
from game_server_launcher.gamefile import ReadyByController, StopByController, load_game_file
from login_server.tickets import Ticket


def collection(max_games: int = 10) -> GameCollection:
    count = iter(range(1_000_000))
    return GameCollection(Patience(), max_games, lambda prefix: f"{prefix}{next(count)}", Random(1), lambda game: None)


def ticket(player: str, game_id: str, players: list[str]) -> Ticket:
    return Ticket(player=player, game_id=game_id, players=players, ticket_id="t", expires_at=60.0)


def test_both_tickets_of_a_match_lead_to_one_game_with_a_seat_for_each() -> None:
    games = collection()
    game = games.for_ticket(ticket("bob", "m1", ["alice", "bob"]), 0.0, open_for_new=True)
    assert games.for_ticket(ticket("alice", "m1", ["alice", "bob"]), 0.0, open_for_new=False) is game
    assert game.players == ["alice", "bob"]
    assert [games.by_key(seat.resume_key) for seat in game.seats] == [(game, "alice"), (game, "bob")]


def test_a_game_that_is_forgotten_leaves_nothing_behind() -> None:
    games = collection(max_games=1)
    game = games.expect("m1", ["alice", "bob"], 0.0)
    keys = [seat.resume_key for seat in game.seats]
    games.forget(game)
    assert len(games) == 0
    for key in keys:
        with pytest.raises(Denial):
            games.by_key(key)
    games.expect("m2", ["alice", "bob"], 0.0)
    with pytest.raises(Denial, match="1 games and takes no more"):
        games.for_ticket(ticket("carol", "*", ["carol"]), 0.0, open_for_new=True)


def test_no_seat_twice_and_none_beside_two() -> None:
    game = GameServer("g", is_match=False, patience=Patience(), now=0.0)
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
