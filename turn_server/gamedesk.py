"""What is asked in a game: updates and quitting. Part of the central task."""

import logging

from connhandler import CentralTask
from connhandler.http import HttpResponse
from turn_server.game import Game
from turn_server.player import Player, Stage
from turn_server.protocol import (
    BAD_COUNTER,
    BAD_PLAYER_KEY,
    BAD_REGISTER_SYMBOL,
    DROPPED,
    MAX_COUNTER_DIGITS,
    NO_GAME,
    NO_PLAYER,
    PARTNER_DROPPED,
    PARTNER_GONE,
    PLAYER_NUMBERS,
    REGISTER_KEYS,
    UNREGISTERED,
)
from turn_server.silence import SilenceWatch
from turn_server.state import State
from turn_server.symbols import IncomingSymbol

logger = logging.getLogger(__name__)


class GameDesk:
    """Answers each request with a reply at once.

    A player leaves a game by quitting, by silence, or by hearing that the partner has left. What the partner sent
    before is heard first; but not for longer than a player may be silent in a game, lest the game stay for good.

    Args:
        central: whose clock and timers.
        state: shared by all desks.
        watch: of silent players.
    """

    def __init__(self, central: CentralTask, state: State, watch: SilenceWatch) -> None:
        self._central = central
        self._state = state
        self._watch = watch

    def begin(self, first: Player, second: Player) -> bool:
        """Begin a game of two players; False when all game keys are used up."""
        state = self._state
        if len(state.games) >= state.rules.max_game_keys:
            logger.debug("all %s game keys are used up: %s and %s must wait", len(state.games), first, second)
            return False
        players = (first, second)
        game = Game(state.new_key(), players)
        state.games[game.key] = game
        for number, player in enumerate(players):
            player.number = number
            player.game = game
            player.stage = Stage.PLAYING
        logger.debug("%s and %s play", first, second)
        return True

    def update(self, data: bytes, key: bytes, number: bytes, counter: bytes) -> HttpResponse:
        """Pass the data to the partner, and give what the partner has sent."""
        game = self._state.games.get(key)
        player = game.player(number) if game is not None else None
        if game is None or player is None:
            return self._nobody(IncomingSymbol.NOTIFY_GAME_UPDATE, game, key, number)
        player.heard = self._central.now
        if not player.agreed:
            self._agree(player)
        if not counter.isdigit() or len(counter) > MAX_COUNTER_DIGITS:
            return BAD_COUNTER
        reply = game.update(player, int(counter), data)
        return self._bereave(game, player) if reply is None else reply

    def quit(self, data: bytes, key: bytes, number: bytes, counter: bytes) -> HttpResponse:
        """Leave the game. The counter has no meaning here."""
        game = self._state.games.get(key)
        player = game.player(number) if game is not None else None
        if game is None or player is None:
            return self._nobody(IncomingSymbol.NOTIFY_GAME_QUIT, game, key, number)
        logger.debug("%s quits the game", player)
        self._leave(game, player, UNREGISTERED)
        return UNREGISTERED

    def drop(self, game: Game, player: Player) -> None:
        """A player in a game was silent for too long."""
        self._leave(game, player, DROPPED)

    def _agree(self, player: Player) -> None:
        """The player knows the game's key: it is done with loading, and with the pairing key."""
        player.agreed = True
        self._watch.watch(player, self._state.rules.game_seconds)
        self._state.remove(player)

    def _nobody(self, symbol: IncomingSymbol, game: Game | None, key: bytes, number: bytes) -> HttpResponse:
        """Return what somebody hears who is not in this game, or not any more."""
        if key in REGISTER_KEYS:
            return BAD_REGISTER_SYMBOL
        if game is not None and number not in PLAYER_NUMBERS:
            return NO_PLAYER if number.isdigit() else BAD_PLAYER_KEY
        return self._state.departed.answer(symbol, seat(key, number), NO_GAME)

    def _bereave(self, game: Game, player: Player) -> HttpResponse:
        """The partner has left, and the player has had all that was left of it."""
        partner = game.players[1 - player.number]
        farewell = PARTNER_DROPPED if partner.left is DROPPED else PARTNER_GONE
        self._leave(game, player, farewell)
        return farewell

    def _leave(self, game: Game, player: Player, farewell: HttpResponse) -> None:
        """End the game for one player; for good, if the partner has left before."""
        state = self._state
        game.leave(player, farewell)
        self._watch.forget(player)
        state.departed.add(seat(game.key, b"%d" % player.number), farewell)
        if not player.agreed:
            state.remove(player)
            state.departed.add(player.key, farewell)
        partner = game.players[1 - player.number]
        if partner.left is None:
            self._central.call_later(state.rules.game_seconds, self._close, game, partner)
        else:
            del state.games[game.key]
            logger.debug("the game of %s and %s is over", *game.players)

    def _close(self, game: Game, player: Player) -> None:
        """The time is over in which a player can fetch what the partner, who has left, had sent."""
        if player.left is None:
            self._bereave(game, player)


def seat(key: bytes, number: bytes) -> bytes:
    """Return what stands for one player of a game among the keys of those who have departed."""
    return key + b"/" + number
