"""One simulated player: registers, is paired, plays by its pace and checks what its partner says, to the end."""

import math
import random
from collections.abc import Callable
from time import monotonic
from typing import Final, TypeVar

from turn_server.client import ReplyLost, TurnError, UnexpectedReply
from turn_server.stresstest.config import Order
from turn_server.stresstest.conversation import Inbox, Kind, message
from turn_server.stresstest.pace import Pace
from turn_server.stresstest.recorder import Recorder
from turn_server.stresstest.simulatedclient import SimulatedClient
from turn_server.symbols import ANY, ERROR_TEXTS, ErrorSymbol, IncomingSymbol

Answer = TypeVar("Answer")

PARTNER_LEFT: Final = {
    ErrorSymbol.PARTNER_DROPPED,
    ErrorSymbol.NO_GAME,
    ErrorSymbol.NO_PLAYER,
    ErrorSymbol.PARTNER_GONE,
}
"""How the server tells the second of two players that the first has quit."""


def kind_of(symbol: IncomingSymbol) -> str:
    """The name of a type of requests in the results, such as `game update`."""
    return symbol.name.removeprefix("NOTIFY_").lower().replace("_", " ")


REGISTER, UNREGISTER, REQUEST_PAIR, MAP_INIT, MAP_READY, GAME_QUIT, GAME_UPDATE = map(kind_of, IncomingSymbol)


class OutOfTime(Exception):
    """The test was over so long ago that nothing more is waited for."""


class Player:
    """Lives in a task of its own.

    Args:
        number: among the players of this machine; 0 and 1 ask for each other, then 2 and 3, if pairing is by name.
        address: of the server, in numbers.
        start: of the test, as `time.monotonic()` has it.
    """

    def __init__(self, order: Order, number: int, address: str, start: float, recorder: Recorder) -> None:
        config = order.config
        label = config.players_label()
        self.name = f"{label}.{number}"
        self._wanted = f"{label}.{number ^ 1}" if config.pairing == "named" else ANY
        self._config = config
        self._recorder = recorder
        self._counts = recorder.counts
        self._end = start + config.seconds
        self._pace = Pace(start + order.offset(number), 1 / config.rate, self._end)
        self._free = start
        self._playing = False
        self._said_all = False
        self._client = SimulatedClient(
            address,
            config.port,
            config.lose,
            random.Random(f"{config.seed}/{self.name}"),
            keep_alive=config.keep_alive,
            timeout=config.timeout,
        )
        self._timeout = config.timeout
        self._waits_since = math.inf

    def live(self) -> None:
        """Play until the test is over."""
        paired = False
        try:
            while not paired or monotonic() < self._end:
                if self._find_partner():
                    if not paired:
                        self._counts.players_paired += 1
                    paired = True
                    self._play_one_game()
                elif monotonic() >= self._end:
                    break
        except OutOfTime:
            pass  # what this left unfinished has been counted
        finally:
            self._counts.players_never_paired += not paired
            self._counts.connections_lost += self._client.connections_lost
            self._counts.replies_thrown_away += self._client.thrown_away
            self._counts.repeats += self._client.repeats
            self._counts.requests_never_sent += self._pace.never_sent
            self._client.close()

    def stop(self) -> None:
        """Let the test be over now."""
        self._end = min(self._end, monotonic())
        self._pace.end_now()

    def watch(self, now: float) -> None:
        """Have the request sent again whose reply has been missing for too long."""
        if now - self._waits_since > self._timeout:
            self._waits_since = now
            self._client.interrupt()

    def _find_partner(self) -> bool:
        """Return whether there is one now; else try again, if there is time."""
        client = self._client
        try:
            self._ask(REGISTER, client.register, self.name, self._wanted)
            while not self._ask(REQUEST_PAIR, client.request_pair):
                if monotonic() >= self._end:
                    self._ask(UNREGISTER, client.unregister)
                    return False
        except (TurnError, ReplyLost, UnexpectedReply):
            return False
        return True

    def _play_one_game(self) -> None:
        """Play with the partner, until both have everything that the other has said."""
        client, counts = self._client, self._counts
        inbox = Inbox(client.partner, self._config.data_size)
        try:
            self._ask(MAP_INIT, client.init_map)
            while not self._ask(MAP_READY, client.map_ready):
                pass
            self._playing = True
            counts.pairs_formed += client.player == 0
            self._talk(inbox)
            counts.games_finished += client.player == 0
        except (TurnError, ReplyLost, UnexpectedReply) as error:
            # The protocol's way out is to register again.
            counts.games_lost += not self._expects(error)
        except OutOfTime:
            counts.games_lost += 1
            inbox.end()
            raise
        finally:
            self._playing = self._said_all = False
            self._take_down(inbox)

    def _talk(self, inbox: Inbox) -> None:
        """Say something with each request. In the end, player 0 leaves when both have everything, and player 1 when
        the server tells it so."""
        client = self._client
        seconds = self._config.game_seconds
        over = monotonic() + seconds if seconds else self._end
        number = 0
        said = Kind.WORD
        while True:
            kind = self._next_kind(said, inbox, over)
            text = message(self.name, number, kind, self._config.data_size) if kind else ANY
            try:
                arrived = self._ask(GAME_UPDATE, client.update, text)
            except TurnError as error:
                if self._expects(error):
                    return
                raise
            if kind:
                said = kind
                number += 1
                self._counts.messages_sent += 1
            for one in arrived:
                inbox.take(one)
            if said is Kind.COMPLETE:
                self._said_all = True
                if client.player == 0 and Kind.COMPLETE in inbox.kinds:
                    self._ask(GAME_QUIT, client.quit)
                    return

    def _next_kind(self, said: Kind, inbox: Inbox, over: float) -> Kind | None:
        if said is Kind.WORD:
            return Kind.LAST if monotonic() >= min(over, self._end) else Kind.WORD
        return Kind.COMPLETE if said is Kind.LAST and Kind.LAST in inbox.kinds else None

    def _take_down(self, inbox: Inbox) -> None:
        violations = self._recorder.results.violations
        self._counts.messages_verified += inbox.verified
        for violation, times in inbox.violations.items():
            violations[violation] = violations.get(violation, 0) + times
        for text in inbox.examples:
            self._recorder.example(f"{self.name}: {text}")

    def _ask(self, kind: str, request: Callable[..., Answer], *arguments: str) -> Answer:
        """Send one request when it is due, and measure it.

        Raises:
            OutOfTime: there is no time left for more.
            TurnError, ReplyLost, UnexpectedReply: as every request.
        """
        planned = self._pace.wait()
        sent = monotonic()
        if sent >= self._end + self._config.finish_seconds:
            raise OutOfTime
        trouble = ""
        self._waits_since = sent
        try:
            return request(*arguments)
        except (TurnError, ReplyLost, UnexpectedReply) as error:
            trouble = self._name_of(error)
            if trouble:
                self._recorder.example(f"{self.name}: {kind}: {error}")
            raise
        finally:
            replied = monotonic()
            self._waits_since = math.inf
            self._recorder.request(kind, planned, self._free, sent, replied, trouble)
            self._free = replied

    def _expects(self, error: Exception) -> bool:
        """Whether this is how a player hears that its partner has left when it was time to.

        That is when all is said, or when the test was over before the game began: a player that has not heard of its
        partner by then unregisters.
        """
        time_to_leave = self._said_all if self._playing else monotonic() >= self._end
        return time_to_leave and isinstance(error, TurnError) and error.symbol in PARTNER_LEFT

    def _name_of(self, error: Exception) -> str:
        """What the error is counted as; nothing if it was to come."""
        if self._expects(error):
            return ""
        if isinstance(error, TurnError):
            return f"{error.symbol.value} {ERROR_TEXTS[error.symbol]}"
        return "no reply" if isinstance(error, ReplyLost) else "unexpected reply"
