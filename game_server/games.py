"""All games of one game server: by id, by resume key, and which one a ticket leads to."""

from collections.abc import Callable, Iterator
from random import Random

from game_server.protocol import ANY_GAME
from game_server.server import GameServer, Patience
from login_server.tickets import Ticket


class Denial(Exception):
    """A player is not let in.

    Attributes:
        code: for programs.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class GameCollection:
    """Makes games and finds them. The central task calls all of it.

    Args:
        patience: how long each game waits for its players.
        max_games: so many at most, those that are over but still kept among them.
        new_id: makes the ids of open games, and the resume keys: secrets, so it must not be guessable.
        random: draws who begins.
        created: called with each new game.
    """

    def __init__(
        self,
        patience: Patience,
        max_games: int,
        new_id: Callable[[str], str],
        random: Random,
        created: Callable[[GameServer], None],
    ) -> None:
        self._patience = patience
        self._max_games = max_games
        self._new_id = new_id
        self._random = random
        self._created = created
        self._by_id: dict[str, GameServer] = {}
        self._by_key: dict[str, tuple[GameServer, str]] = {}

    def __len__(self) -> int:
        return len(self._by_id)

    def __iter__(self) -> Iterator[GameServer]:
        return iter(tuple(self._by_id.values()))

    def get(self, game_id: str) -> GameServer | None:
        return self._by_id.get(game_id)

    @property
    def going_on(self) -> int:
        """How many games have begun and are not over."""
        return sum(game.begun and not game.over for game in self._by_id.values())

    def by_key(self, resume_key: str) -> tuple[GameServer, str]:
        """The game and the player that a resume key is for.

        Raises:
            Denial: there is none.
        """
        try:
            return self._by_key[resume_key]
        except KeyError:
            raise Denial("resume_key_unknown", "there is no seat for this resume key any more") from None

    def expect(self, match_id: str, players: list[str], now: float) -> GameServer:
        """The game of a match; made now if it is not here yet.

        Raises:
            Denial: it cannot be made.
        """
        game = self._by_id.get(match_id)
        if game is None:
            if len(players) != 2 or players[0] == players[1]:
                raise Denial("players_invalid", f"this game is for two different players, not for {len(players)}")
            game = self._create(match_id, True, now)
            for player in players:
                self._add_seat(game, player)
            self._set_up(game)
        return game

    def for_ticket(self, ticket: Ticket, now: float, open_for_new: bool) -> GameServer:
        """The game that a valid ticket leads to, with a seat for its player.

        Args:
            ticket: of a match, or of a player who joined the server without one: that player comes to the game in which
                he has a seat already, else to the first one that lacks a player, else to a new one.
            now: Unix time.
            open_for_new: whether new games may be made and open ones be filled.

        Raises:
            Denial: there is no such game.
        """
        player = ticket.player
        if ticket.game_id == ANY_GAME:
            own = (game for game in self if not game.is_match and not game.over and player in game.players)
            game = next(own, None)
            if game is None:
                self._check_open(open_for_new)
                game = next((game for game in self if game.lacks_player), None)
                if game is None:
                    game = self._create(self._new_id("open-"), False, now)
                self._add_seat(game, player)
                if len(game.players) == 2:
                    self._set_up(game)
            return game
        if ticket.game_id not in self._by_id:
            self._check_open(open_for_new)
        game = self.expect(ticket.game_id, ticket.players, now)
        if player not in game.players:
            raise Denial("not_in_game", "this game is one of other players")
        return game

    def forget(self, game: GameServer) -> None:
        del self._by_id[game.game_id]
        for seat in game.seats:
            del self._by_key[seat.resume_key]

    @staticmethod
    def _check_open(open_for_new: bool) -> None:
        if not open_for_new:
            raise Denial("server_stopping", "the server is about to stop and begins no new games")

    def _create(self, game_id: str, is_match: bool, now: float) -> GameServer:
        if len(self._by_id) >= self._max_games:
            raise Denial("server_full", f"the server has {self._max_games} games and takes no more")
        game = GameServer(game_id, is_match=is_match, patience=self._patience, now=now)
        self._by_id[game_id] = game
        self._created(game)
        return game

    def _add_seat(self, game: GameServer, player: str) -> None:
        resume_key = self._new_id("") + self._new_id("")
        game.add_seat(player, resume_key)
        self._by_key[resume_key] = (game, player)

    def _set_up(self, game: GameServer) -> None:
        game.set_up(self._random.choice(game.players))
