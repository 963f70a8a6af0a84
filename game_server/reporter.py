"""What the launcher has to know about matches, and whether it knows it already."""

import logging
from collections.abc import Callable
from typing import Any

from connhandler import Message, Peer
from game_server import protocol
from game_server.model import GameBegan, GameEnded, PieceDropped
from game_server.server import GameServer
from login_server.protocol import (
    MatchEnded,
    MatchResult,
    MatchStarted,
    MatchTimeChanged,
    PlayerJoined,
    PlayerLeft,
    ScoreChanged,
    TeamsChanged,
)

logger = logging.getLogger(__name__)

MAX_UNRECORDED = 10_000
"""So many ended matches are kept for a launcher that is away."""

TEAMS = ("red", "yellow")
"""The teams' names, by seat."""


class MatchReporter:
    """Sends the facts of all matches to the launcher, and everything again to one that has come back.

    A fact about a running match that the launcher misses is not kept: the match's state, told after a reconnect, holds
    it. Only an ended match is kept, until the launcher says that it is recorded. The central task calls all of it.
    """

    def __init__(self) -> None:
        self._launcher: Peer | None = None
        self._games: dict[str, GameServer] = {}
        self._unrecorded: dict[str, MatchEnded] = {}

    @property
    def connected(self) -> bool:
        return self._launcher is not None

    @property
    def reporting(self) -> bool:
        """Whether there are matches that go on."""
        return bool(self._games)

    @property
    def unrecorded(self) -> int:
        """How many ended matches nobody has recorded yet."""
        return len(self._unrecorded)

    def report_of(self, game: GameServer) -> "GameReport":
        """What is to be told each event of a game, by the central task."""
        return GameReport(self, game)

    def send(self, fact: Message) -> None:
        """Tell the launcher, if it is here."""
        if self._launcher is not None:
            self._launcher.send(fact)

    def launcher_accepted(self, launcher: Peer, now: float) -> None:
        """The launcher is here, for the first time or again: tell it how everything stands."""
        self._launcher = launcher
        for game in self._games.values():
            self.tell_state(game)
        self.report_times(now)
        for ended in self._unrecorded.values():
            self.send(ended)

    def launcher_lost(self) -> None:
        self._launcher = None

    def match_recorded(self, match_id: str) -> None:
        self._unrecorded.pop(match_id, None)

    def report_times(self, now: float) -> None:
        for game in self._games.values():
            self._report_time(game, now)

    def games_left(self) -> None:
        """The games go on elsewhere, and are reported from there; results that were not recorded yet stay here."""
        self._games.clear()

    def game_came(self, game: GameServer) -> None:
        """The game was another process's until now: tell how it stands, if it is to be reported."""
        if not game.over and (game.begun or (game.is_match and any(seat.has_come for seat in game.seats))):
            self._games[game.game_id] = game
            self.tell_state(game)

    # --- what the games' reports call ---------------------------------------------------------------

    def keep(self, game: GameServer) -> None:
        """This game is a match that goes on, or is about to."""
        self._games[game.game_id] = game

    def match_ended(self, game: GameServer, ended: GameEnded, at: float) -> None:
        self._games.pop(game.game_id, None)
        self._report_time(game, at)
        scores = {player: int(player == ended.winner) for player in game.players}
        result = MatchResult(winner=ended.winner, scores=scores, reason=ended.reason, ended_at=at, turns=ended.turns)
        fact = MatchEnded(match_id=game.game_id, players=game.players, result=result)
        if len(self._unrecorded) >= MAX_UNRECORDED:
            lost = self._unrecorded.pop(next(iter(self._unrecorded)))
            logger.warning("match %s was never recorded: too many ended matches wait", lost.match_id)
        self._unrecorded[game.game_id] = fact
        self.send(fact)

    def score_changed(self, game: GameServer) -> None:
        """The score of a match that goes on is each player's longest line."""
        if game.model is not None:
            scores = {player: game.model.longest_line(player) for player in game.players}
            self.send(ScoreChanged(match_id=game.game_id, scores=scores))

    def tell_state(self, game: GameServer) -> None:
        if game.begun:
            self.send(MatchStarted(match_id=game.game_id, players=game.players))
        for player in game.present:
            self.send(PlayerJoined(match_id=game.game_id, player=player))
        if game.begun:
            teams = {team: [player] for team, player in zip(TEAMS, game.players, strict=True)}
            self.send(TeamsChanged(match_id=game.game_id, teams=teams))
            self.score_changed(game)

    def _report_time(self, game: GameServer, now: float) -> None:
        if game.begun:
            self.send(MatchTimeChanged(match_id=game.game_id, elapsed_seconds=game.elapsed_seconds(now)))


class GameReport:
    """Turns one game's events into the facts that the launcher wants. The central task tells it the events, each when
    it comes to it: how the game stands may be later than that already.

    A match of the login server is reported as soon as one of its players comes, an open game when it begins.
    """

    def __init__(self, reporter: MatchReporter, game: GameServer) -> None:
        self._reporter = reporter
        self._game = game
        self._facts: dict[type, Callable[[Any, float], None]] = {
            protocol.PlayerSeated: self._player_came,
            GameBegan: self._game_began,
            PieceDropped: self._piece_dropped,
            GameEnded: self._game_ended,
            protocol.PlayerGone: self._player_gone,
            protocol.PlayerReturned: self._player_came,
        }

    def event_published(self, event: protocol.GameEvent) -> None:
        report = self._facts.get(type(event.event))
        if report is not None:
            report(event.event, event.at)

    def _game_began(self, event: GameBegan, at: float) -> None:
        self._reporter.keep(self._game)
        self._reporter.tell_state(self._game)

    def _piece_dropped(self, event: PieceDropped, at: float) -> None:
        self._reporter.score_changed(self._game)

    def _game_ended(self, event: GameEnded, at: float) -> None:
        if self._reported:
            self._reporter.match_ended(self._game, event, at)

    def _player_gone(self, event: protocol.PlayerGone, at: float) -> None:
        if self._reported and not self._game.over:
            self._reporter.send(PlayerLeft(match_id=self._game.game_id, player=event.player))

    def _player_came(self, event: protocol.PlayerSeated | protocol.PlayerReturned, at: float) -> None:
        if self._reported and not self._game.over:
            self._reporter.keep(self._game)
            self._reporter.send(PlayerJoined(match_id=self._game.game_id, player=event.player))

    @property
    def _reported(self) -> bool:
        return self._game.is_match or self._game.begun
