"""Players who play one match after the other with the project's own client, and note all that they see."""

import random
import time
from collections.abc import Callable

from msgspec import Struct

from connhandler import PeerDisconnected, Service, tasks
from game_server import protocol as game
from game_server.client.gameserverhandler import GameServerHandler, GameServerPeer
from game_server.client.loginserverhandler import LoginServerHandler, LoginServerPeer
from game_server.client.playclient import Credentials, PlayClient
from game_server.client.strategy import choose_column
from game_server.client.view import View
from game_server.client.visit import Visit
from game_server.model import GameEnded
from game_server.play import LIMITS
from login_server import protocol as login

PACE_SECONDS = 0.15
WISH_SECONDS = 0.2
"""Between a game, or a wish that was refused, and the next wish."""


class Absence(Struct):
    """A connection that a player lost, and what became of it."""

    player: str
    what: str
    """`login server` or `game`."""
    lost_at: float
    back_at: float = 0.0
    """0 while it is not back, and for good if the game was lost with it."""
    match_id: str = ""


class SeenMatch(Struct):
    """A match as its players saw it."""

    players: list[str]
    seen_by: set[str]
    begun_at: float = 0.0
    ended: GameEnded | None = None
    ended_at: float = 0.0


class Chronicle:
    """What all players saw.

    Attributes:
        matches: those that somebody had a seat in, by id.
        absences: in the order of their beginning.
        complaints: what players were told went wrong, with when and whom.
    """

    def __init__(self) -> None:
        self.matches: dict[str, SeenMatch] = {}
        self.absences: list[Absence] = []
        self.complaints: list[tuple[float, str, str]] = []

    def lost(self, player: str, what: str, match_id: str = "") -> None:
        if not any(absence.player == player for absence in self.lasting(what)):
            self.absences.append(Absence(player, what, time.time(), match_id=match_id))

    def back(self, player: str, what: str) -> None:
        for absence in self.lasting(what):
            if absence.player == player:
                absence.back_at = time.time()

    def gave_up(self, player: str, match_id: str) -> None:
        """The game that a player had lost the connection to is no more."""
        for absence in self.lasting("game"):
            if absence.player == player and absence.match_id == match_id:
                absence.match_id = match_id + " lost"

    def lasting(self, what: str) -> list[Absence]:
        return [one for one in self.absences if one.what == what and not one.back_at and " lost" not in one.match_id]

    def saw(self, visit: Visit) -> None:
        match = self.matches.setdefault(visit.game_id, SeenMatch(players=[], seen_by=set()))
        match.players = list(visit.players)
        match.seen_by.add(visit.me)
        if visit.begun and not match.begun_at:
            match.begun_at = time.time()
        if isinstance(visit.last, GameEnded) and match.ended is None:
            match.ended, match.ended_at = visit.last, time.time()
        elif visit.game is not None and visit.over and match.ended is None:  # It ended while this player was away.
            ended = visit.game
            match.ended = GameEnded(winner=ended.winner, reason=ended.reason, line=ended.line, turns=len(ended.moves))
            match.ended_at = time.time()


class Regular(View):
    """Wishes for a match whenever there is none, goes back to one that was left, and plays like `--auto`."""

    def __init__(self, name: str, chronicle: Chronicle, generator: random.Random) -> None:
        self.name = name
        self.content = False
        """No wish any more."""
        self._chronicle = chronicle
        self._random = generator
        self._missed: login.MatchRunning | None = None
        self._thinks_of = ("", -1)
        self._wishing = False

    def in_lobby(self) -> None:
        if not self._wishing:
            self._wishing = True
            self.client.call_later(WISH_SECONDS, self._wish)

    def missed(self, match: login.MatchRunning | None) -> None:
        self._missed = match

    def troubled(self, text: str) -> None:
        self._chronicle.complaints.append((time.time(), self.name, text))

    def game_changed(self, visit: Visit) -> None:
        self._chronicle.saw(visit)
        if visit.last is None:
            self._thinks_of = ("", -1)  # The last move may be lost with the connection.
        if visit.my_turn and visit.game is not None and self._thinks_of != (visit.game_id, len(visit.game.moves)):
            self._thinks_of = (visit.game_id, len(visit.game.moves))
            pace = self._random.uniform(0.5, 1.5) * PACE_SECONDS
            self.client.call_later(pace, self._drop, visit, len(visit.game.moves))

    def _wish(self) -> None:
        self._wishing = False
        if self._missed is not None:
            self.client.join_server(self._missed.server_id)
        elif not self.content and self.client.visit is None:
            self.client.find_match(game.GAME)

    def _drop(self, visit: Visit, move: int) -> None:
        if self.client.visit is visit and visit.my_turn and visit.game is not None and len(visit.game.moves) == move:
            self.client.drop(choose_column(visit.game, self._random))


class ObservedClient(PlayClient):
    """The client, whose connections' ends are noted."""

    def __init__(self, chronicle: Chronicle, *args: object, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]
        self._chronicle = chronicle

    def login_server_disconnected(self, peer: LoginServerPeer, message: PeerDisconnected) -> None:
        if self._login_server is peer:
            self._chronicle.lost(self.credentials.name, "login server")
        super().login_server_disconnected(peer, message)

    def logged_in(self, peer: LoginServerPeer, message: login.LoggedIn) -> None:
        self._chronicle.back(self.credentials.name, "login server")
        super().logged_in(peer, message)

    def game_server_disconnected(self, peer: GameServerPeer, message: PeerDisconnected) -> None:
        if self.visit is not None and self._is_current(peer):
            self._chronicle.lost(self.credentials.name, "game", self.visit.game_id)
        super().game_server_disconnected(peer, message)

    def joined(self, peer: GameServerPeer, message: game.Joined) -> None:
        self._chronicle.back(self.credentials.name, "game")
        super().joined(peer, message)

    def leave_game(self) -> None:
        if self.visit is not None:
            self._chronicle.gave_up(self.credentials.name, self.visit.game_id)
        super().leave_game()


class MatchPlayer:
    """One player, who begins to play at once and goes on until `leave`.

    Args:
        name: new at the login server.
        port: of the login server.
        chronicle: where everything is noted.
        seed: of the moves.
    """

    def __init__(self, name: str, port: int, chronicle: Chronicle, seed: int) -> None:
        self.name = name
        self._view = Regular(name, chronicle, random.Random(seed))
        self._client = ObservedClient(chronicle, Credentials(name, "a long password", True), self._view, self._connect)
        handler = LoginServerHandler(
            f"{name}.login_server", "127.0.0.1", port, self._client.queue, limits=LIMITS, untrusted=print
        )
        self._service = Service(self._client, [handler], owns_process=False)
        self._client.end = self._service.end
        self._task = tasks.spawn(name, self._service.run)

    @property
    def visit(self) -> Visit | None:
        """The game that the player is in."""
        return self._client.visit

    @property
    def playing(self) -> bool:
        """Whether the player is connected to a game that goes on."""
        return self.visit is not None and self.visit.begun and self._client._game_server is not None

    @property
    def rejected(self) -> str:
        return self._client.rejected

    def be_content(self) -> None:
        """Play the match to its end, and no more after it."""
        self._client.post(setattr, self._view, "content", True)
        self._client.post(self._cancel)

    def leave(self) -> None:
        self._service.end("the test is over")
        self._task.join(20)

    def _cancel(self) -> None:
        if self._client._wish is not None:
            self._client.cancel_wish()

    def _connect(self, visit: Visit) -> GameServerHandler:
        refused: Callable[[int, int, str], None] = lambda *refusal: self._client.post(  # noqa: E731
            self._client.game_server_refused, *refusal
        )
        handler = GameServerHandler(
            f"{self.name}.game_server",
            visit.address,
            visit.port,
            self._client.queue,
            visit=visit,
            refused=refused,
            limits=LIMITS,
        )
        handler.start()
        return handler
