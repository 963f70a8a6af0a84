"""The view for scripts: plays by itself, and tells what happens in a line for each event."""

from collections.abc import Callable
from random import Random

from connhandler import Timer
from game_server.client.board import COLOURS, result_of
from game_server.client.strategy import choose_column
from game_server.client.style import Style
from game_server.client.view import View
from game_server.client.visit import Visit
from game_server.model import GameBegan, PieceDropped
from game_server.protocol import PlayerGone, PlayerReturned, PlayerSeated
from login_server.protocol import JoinPending, MatchPending

PLAIN = Style(colours=False, unicode=False)


class Story(View):
    """Wishes once, plays one game, and ends.

    Args:
        name: of the player: how each line begins.
        tell: takes each line.
        wish: asks the client for a match or a server.
        random: what the moves are drawn from.
        pace_seconds: how long it thinks.

    Attributes:
        finished: whether a game was played to its end.
        trouble: what went wrong last.
    """

    def __init__(
        self,
        name: str,
        tell: Callable[[str], None],
        wish: Callable[[], None],
        random: Random,
        pace_seconds: float,
    ) -> None:
        self.finished = False
        self.trouble = ""
        self._name = name
        self._tell = tell
        self._wish = wish
        self._wished = False
        self._random = random
        self._pace_seconds = pace_seconds
        self._thought: Timer | None = None
        self._thought_of = -1

    def said(self, text: str) -> None:
        self._tell(f"{self._name}: {PLAIN.clean(text, 1000)}")

    def troubled(self, text: str) -> None:
        self.trouble = text
        self.said(text)

    def shut_out(self, text: str) -> None:
        self.troubled(text)
        self.client.end(text)

    def in_lobby(self) -> None:
        if not self._wished:
            self._wished = True
            servers = self.client.servers
            count = "1 server" if len(servers) == 1 else f"{len(servers)} servers"
            self.said(f"sees {count}: {', '.join(servers) or 'none'}")
            self._wish()
        elif not self.finished:
            self.client.end(self.trouble or "there was no game")

    def waiting(self, pending: MatchPending) -> None:
        text = f"waits for a match of {pending.game}, {pending.waiting} of {pending.players} are here"
        self.said(text + (f" ({pending.reason})" if pending.reason else ""))

    def waking(self, pending: JoinPending) -> None:
        self.said(f"waits for {pending.server_id} ({pending.reason})")

    def joining(self, visit: Visit) -> None:
        self.said(f"goes to {visit.server_id} at {visit.address}:{visit.port} with a ticket")

    def game_changed(self, visit: Visit) -> None:
        match visit.last:
            case None:
                self.said(f"has a seat: {COLOURS[visit.players.index(visit.me)]}")
                self._thought_of = -1
            case PlayerSeated(player=player):
                self.said(f"sees {player} come")
            case GameBegan(beginner=beginner):
                self.said(f"the game begins; {beginner} has the first turn")
            case PieceDropped(player=player, column=column) if player == visit.me:
                self.said(f"drops into column {column + 1}")
            case PlayerGone(player=player) if not visit.over:
                self.said(f"sees {player} go")
            case PlayerReturned(player=player):
                self.said(f"sees {player} return")
        self._move_if_it_is_my_turn(visit)

    def came_along(self, visit: Visit) -> None:
        """What it has thought of is said, or will be."""
        self.said(f"goes on at {visit.address}:{visit.port}")
        self._move_if_it_is_my_turn(visit)

    def game_over(self, visit: Visit) -> None:
        self.finished = True
        if visit.game is not None:
            self.said(f"game over: {result_of(visit.game, visit.me, PLAIN)}")
        self.client.end("the game is over")

    def _move_if_it_is_my_turn(self, visit: Visit) -> None:
        """Once for each turn, and again after a lost connection: the move may be lost with it."""
        if visit.my_turn and visit.game is not None and self._thought_of != len(visit.game.moves):
            self._thought_of = len(visit.game.moves)
            if self._thought is not None:
                self._thought.cancel()
            column = choose_column(visit.game, self._random)
            self._thought = self.client.call_later(self._pace_seconds, self.client.drop, column)
