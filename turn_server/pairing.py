"""What is asked before a game: registration, a partner, and loading until both are ready. Part of the central task."""

import itertools
import logging

from connhandler import CentralTask
from connhandler.http import HttpResponse
from turn_server.gamedesk import GameDesk
from turn_server.player import Player, Stage
from turn_server.protocol import (
    BAD_PARTNER_NAME,
    BAD_REGISTER_KEY,
    BAD_REGISTER_SYMBOL,
    DROPPED,
    GAME_KEYS_USED_UP,
    INIT_CLIENT,
    INIT_SERVER,
    KEEP_ALIVE_FAILED,
    LONG_WAIT,
    NAMED_PARTNER_DROPPED,
    NOTHING,
    PAIRING,
    PAIRING_KEYS_USED_UP,
    PARTNER_DROPPED,
    PARTNER_GONE,
    PARTNER_LOADS,
    REGISTER_FAILED,
    REGISTER_KEYS,
    UNREGISTERED,
    done,
    is_name,
)
from turn_server.silence import SilenceWatch
from turn_server.state import State
from turn_server.symbols import IncomingSymbol, OutgoingSymbol

logger = logging.getLogger(__name__)


class PairingDesk:
    """Answers each request with a reply at once.

    Args:
        central: whose clock and timers.
        state: shared by all desks.
        watch: of silent players.
        games: where players go from here.
    """

    def __init__(self, central: CentralTask, state: State, watch: SilenceWatch, games: GameDesk) -> None:
        self._central = central
        self._state = state
        self._watch = watch
        self._games = games
        self._serials = itertools.count(1)

    def register(self, name: bytes, key: bytes, wish: bytes, counter: bytes) -> HttpResponse:
        """Register a player. Each time a new one: of a lost reply, the player that nobody knows is dropped in time."""
        state, rules = self._state, self._state.rules
        if key not in REGISTER_KEYS:
            return BAD_REGISTER_KEY
        if not is_name(name):
            return REGISTER_FAILED
        if wish != NOTHING and (not is_name(wish) or wish == name):
            return BAD_PARTNER_NAME
        if len(state.players) >= rules.max_pairing_keys:
            return PAIRING_KEYS_USED_UP
        patient = key == LONG_WAIT
        player = Player(next(self._serials), state.new_key(), name, wish, patient, rules.max_cache_bytes)
        player.heard = self._central.now
        state.add(player)
        self._watch.watch(player, rules.pairing_seconds)
        logger.debug(
            "%s has registered%s%s",
            player,
            "" if wish == NOTHING else f", for {wish.decode(errors='backslashreplace')!r} alone",
            ", with the long wait" if patient else "",
        )
        return done(OutgoingSymbol.C_MSG_REGISTER_OK, player.key)

    def unregister(self, data: bytes, key: bytes, number: bytes, counter: bytes) -> HttpResponse:
        """Forget a registration; a partner that loads hears that this player is gone."""
        player = self._state.players.get(key)
        if player is None:
            return self._unknown(IncomingSymbol.NOTIFY_UNREGISTER, key)
        if player.game is not None:
            return self._games.quit(data, player.game.key, b"%d" % player.number, counter)
        logger.debug("%s unregisters", player)
        self._part(player, UNREGISTERED, PARTNER_GONE)
        return UNREGISTERED

    def request_pair(self, data: bytes, key: bytes, number: bytes, counter: bytes) -> HttpResponse:
        """Wait for a partner, or say who it is."""
        player = self._state.players.get(key)
        if player is None:
            return self._unknown(IncomingSymbol.NOTIFY_REQUEST_PAIR, key)
        player.heard = self._central.now
        if player.stage is Stage.REGISTERED:
            if player.bereaved is not None:
                player.bereaved = None
                self._watch.watch(player, self._state.rules.pairing_seconds)
            self._look_for_partner(player)
        if player.partner is None:
            return PAIRING
        symbol = OutgoingSymbol.C_MSG_START_CLIENT if player.number else OutgoingSymbol.C_MSG_START_SERVER
        return done(symbol, player.partner.name)

    def map_init(self, data: bytes, key: bytes, number: bytes, counter: bytes) -> HttpResponse:
        """Say which side of the game is set up here."""
        player = self._state.players.get(key)
        if player is None:
            return self._unknown(IncomingSymbol.NOTIFY_MAP_INIT, key)
        player.heard = self._central.now
        if player.partner is None:
            return player.bereaved or KEEP_ALIVE_FAILED
        if player.stage is Stage.PAIRED:
            player.stage = Stage.INITIALISED
        return INIT_CLIENT if player.number else INIT_SERVER

    def map_ready(self, data: bytes, key: bytes, number: bytes, counter: bytes) -> HttpResponse:
        """Begin the game when both sides are ready."""
        player = self._state.players.get(key)
        if player is None:
            return self._unknown(IncomingSymbol.NOTIFY_MAP_READY, key)
        player.heard = self._central.now
        if player.partner is None or player.stage is Stage.PAIRED:
            return player.bereaved or KEEP_ALIVE_FAILED
        if player.stage is not Stage.PLAYING:
            player.stage = Stage.READY
            partner = player.partner
            if partner.stage is not Stage.READY:
                return PARTNER_LOADS
            first, second = (partner, player) if player.number else (player, partner)
            if not self._games.begin(first, second):
                return GAME_KEYS_USED_UP
        assert player.game is not None
        return done(OutgoingSymbol.C_MSG_START_PLAY, b"%b|%d" % (player.game.key, player.number))

    def drop(self, player: Player) -> None:
        """A player who is not in a game yet was silent for too long."""
        self._part(player, DROPPED, PARTNER_DROPPED)

    def _unknown(self, symbol: IncomingSymbol, key: bytes) -> HttpResponse:
        if key in REGISTER_KEYS:
            return BAD_REGISTER_SYMBOL
        return self._state.departed.answer(symbol, key)

    def _look_for_partner(self, player: Player) -> None:
        """Pair a player with the first of those who wait that both want, or let it wait.

        Those who wait already cannot be paired with each other: they have been looked at here.
        """
        waiting = self._state.waiting
        player.stage = Stage.WAITING
        for other in waiting.values():
            if player.wish in (NOTHING, other.name) and other.wish in (NOTHING, player.name):
                del waiting[other.key]
                self._pair(other, player)
                return
        waiting[player.key] = player

    def _pair(self, first: Player, second: Player) -> None:
        """The one who came first is the server."""
        for number, (player, partner) in enumerate([(first, second), (second, first)]):
            player.number = number
            player.partner = partner
            player.stage = Stage.PAIRED
            self._watch.watch(player, self._state.rules.loading_seconds)
        logger.debug("%s and %s are paired", first, second)

    def _part(self, player: Player, farewell: HttpResponse, news: HttpResponse) -> None:
        """A player goes before its game has begun, and with it those who wanted nobody else.

        Args:
            player: who goes.
            farewell: what this player hears from now on.
            news: what the partner hears, if there is one; it may ask for another with the same key.
        """
        partner = player.partner
        if partner is not None:
            partner.partner = None
            partner.number = 0
            partner.stage = Stage.REGISTERED
            partner.bereaved = news
        self._end(player, farewell)
        gone = [player.name]
        while gone:
            name = gone.pop()
            if name in self._state.names:
                continue  # Somebody else of this name is still here.
            for other in list(self._state.wishes.get(name, {}).values()):
                if other.partner is None:
                    self._end(other, NAMED_PARTNER_DROPPED)
                    gone.append(other.name)

    def _end(self, player: Player, farewell: HttpResponse) -> None:
        self._watch.forget(player)
        self._state.remove(player)
        self._state.departed.add(player.key, farewell)
