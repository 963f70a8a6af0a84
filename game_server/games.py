"""All games of one game server: by id, by resume key, and which one an admission leads to."""

from collections.abc import Callable, Iterator
from random import Random

from game_server.admission import Admission, Denial
from game_server.handover import Context, ContextError, Pass
from game_server.protocol import ANY_GAME
from game_server.server import GameServer


class GameCollection:
    """Makes games and finds them. Whoever calls any of it holds the listener's lock.

    Args:
        max_games: so many at most, those that are over but still kept among them.
        make: makes a game, by its id and whether it is a match of the login server.
        new_id: makes the ids of open games, and the resume keys: secrets, so it must not be guessable.
        random: draws who begins.
    """

    def __init__(
        self, max_games: int, make: Callable[[str, bool], GameServer], new_id: Callable[[str], str], random: Random
    ) -> None:
        self._max_games = max_games
        self._make = make
        self._new_id = new_id
        self._random = random
        self._by_id: dict[str, GameServer] = {}
        self._by_key: dict[str, tuple[GameServer, str]] = {}
        self._passes: dict[str, Pass] = {}

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

    def by_key(self, game_id: str, resume_key: str) -> Admission:
        """Who comes with a resume key, or with a pass from the predecessor, which is good once.

        Raises:
            Denial: it is none to this game.
        """
        way_in = self._passes.get(resume_key)
        if way_in is not None and way_in.game_id == game_id:
            del self._passes[resume_key]
            return Admission(way_in.player, game_id, way_in.players, way_in.returning)
        game, player = self._by_key.get(resume_key, (None, ""))
        if game is None or game.game_id != game_id:
            raise Denial("resume_key_unknown", "there is no seat for this resume key any more", 401)
        return Admission(player, game_id)

    def find(self, admission: Admission, open_for_new: bool) -> GameServer | None:
        """The game that an admission leads to.

        Args:
            admission: where `ANY_GAME` leads to the open game in which the player has a seat already, else to the first
                one that lacks a player.
            open_for_new: whether new games may be made and open ones be filled.

        Returns:
            None if it is to be made, and can be.

        Raises:
            Denial: there is no such game, and will not be.
        """
        if admission.game_id == ANY_GAME:
            game = self._own(admission.player)
            if game is None:
                self._check_open(open_for_new)
                game = next((game for game in self if game.lacks_player), None)
        else:
            game = self._by_id.get(admission.game_id)
            if game is None and admission.returning:
                raise Denial("match_gone", "this match is over, or ended with the server that it was played on", 403)
            if game is None:
                self._check_open(open_for_new)
        if game is None:
            self._check_new(admission.players)
        elif game.is_match and admission.player not in game.players:
            raise Denial("not_in_game", "this game is one of other players", 403)
        return game

    def find_or_create(self, admission: Admission, open_for_new: bool) -> GameServer:
        """The game that an admission leads to, with a seat for its player if there was one left.

        Raises:
            Denial: as for `find`.
        """
        game = self.find(admission, open_for_new)
        if game is None:
            if admission.players is not None:
                return self.expect(admission.game_id, admission.players)
            open_game = admission.game_id == ANY_GAME
            game = self._create(self._new_id("open-") if open_game else admission.game_id, False)
        if len(game.seats) < 2 and admission.player not in game.players:
            self._add_seat(game, admission.player)
            if len(game.seats) == 2:
                self._set_up(game)
        return game

    def expect(self, match_id: str, players: list[str]) -> GameServer:
        """The game of a match; made now if it is not here yet.

        Raises:
            Denial: it cannot be made.
        """
        game = self._by_id.get(match_id)
        if game is None:
            self._check_new(players)
            game = self._create(match_id, True)
            for player in players:
                self._add_seat(game, player)
            self._set_up(game)
        return game

    def forget(self, game: GameServer) -> None:
        del self._by_id[game.game_id]
        for seat in game.seats:
            del self._by_key[seat.resume_key]

    def restore(self, context: Context) -> list[GameServer]:
        """Have the games of a predecessor, and let those come who have a pass.

        Raises:
            ContextError: there are games here already, or there is no room for so many; nothing has changed.
        """
        if self._by_id:
            raise ContextError(f"this server has {len(self._by_id)} games of its own")
        if len(context.games) > self._max_games:
            raise ContextError(f"{len(context.games)} games are too many: this server takes {self._max_games}")
        for one in context.games:
            game = self._create(one.game_id, one.is_match)
            game.restore(one)
            self._by_key |= {seat.resume_key: (game, seat.player) for seat in game.seats}
        self._passes = {one.key: one for one in context.passes}
        return list(self)

    def forget_passes(self) -> None:
        self._passes.clear()

    def clear(self) -> None:
        """The games go on elsewhere."""
        self._by_id.clear()
        self._by_key.clear()

    def _own(self, player: str) -> GameServer | None:
        own = (game for game in self if not game.is_match and not game.over and player in game.players)
        return next(own, None)

    @staticmethod
    def _check_open(open_for_new: bool) -> None:
        if not open_for_new:
            raise Denial("server_stopping", "the server is about to stop and begins no new games", 503)

    def _check_new(self, players: list[str] | None) -> None:
        if players is not None and (len(players) != 2 or players[0] == players[1]):
            named = ", ".join(players)
            raise Denial("players_invalid", f"this game is for two different players, not for these: {named}", 403)
        if len(self._by_id) >= self._max_games:
            raise Denial("server_full", f"the server has {self._max_games} games and takes no more", 503)

    def _create(self, game_id: str, is_match: bool) -> GameServer:
        game = self._by_id[game_id] = self._make(game_id, is_match)
        return game

    def _add_seat(self, game: GameServer, player: str) -> None:
        resume_key = self._new_id("") + self._new_id("")
        game.add_seat(player, resume_key)
        self._by_key[resume_key] = (game, player)

    def _set_up(self, game: GameServer) -> None:
        game.set_up(self._random.choice(game.players))
