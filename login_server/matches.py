"""The matches that go on, and how the last ones ended. Plain state: no I/O, no clock, no database."""

from collections.abc import Sequence

from msgspec import Struct, field

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
from login_server.refusal import Refusal
from login_server.results import RecordedMatch
from login_server.servers import owner

FactOfMatch = MatchStarted | PlayerJoined | PlayerLeft | TeamsChanged | ScoreChanged | MatchTimeChanged | MatchEnded
"""Every `MatchFact` but `MapChanged`, which is about a server."""

MAX_RUNNING = 10_000
MAX_ENDED = 100
MAX_ENTRIES = 256
"""In the scores and teams of one match."""


class Match(Struct):
    """One match, as far as it is known here.

    Attributes:
        state: `expected` (tickets were given out), `running`, `ended`, or `lost` (its server ended without a result).
        present: the players who are connected to the game server.
    """

    match_id: str
    game: str
    server_id: str
    players: list[str]
    state: str
    expires_at: float = 0
    """Of the tickets, while it is expected."""
    present: list[str] = field(default_factory=list)
    teams: dict[str, list[str]] = field(default_factory=dict)
    scores: dict[str, int] = field(default_factory=dict)
    elapsed_seconds: float = 0
    result: MatchResult | None = None


class MatchBook:
    """Matches by id. A match's facts come from the launcher of its server alone, and may come again.

    Attributes:
        running: those expected or running, the one with the latest news last; beyond the bound the first is forgotten.
        ended: the last ones that ended or were lost, oldest first.
    """

    def __init__(
        self,
        recorded: Sequence[RecordedMatch] = (),
        max_running: int = MAX_RUNNING,
        max_ended: int = MAX_ENDED,
    ) -> None:
        self.running: dict[str, Match] = {}
        self.ended: dict[str, Match] = {}
        self._match_of: dict[str, str] = {}
        self._max_running = max_running
        self._max_ended = max_ended
        for old in recorded:
            match = Match(old.match_id, old.game, old.server_id, old.players, "ended")
            match.scores, match.result = old.result.scores, old.result
            self._put(match)

    def expect(self, match_id: str, game: str, server_id: str, players: list[str], expires_at: float) -> None:
        """Tickets were given out."""
        self._put(Match(match_id, game, server_id, players, "expected", expires_at))

    def apply(self, fact: FactOfMatch, game: str) -> Match:
        """Take in what a launcher tells of a match; a match not heard of before is taken in with it.

        Nothing that comes late changes a match that has ended.

        Args:
            fact: with its `server_id`.
            game: of that server, as far as known.

        Returns:
            The match as it is now.

        Raises:
            Refusal: `not_your_match`, or `too_large`.
        """
        match = self.running.get(fact.match_id) or self.ended.get(fact.match_id)
        if match is None:
            match = Match(fact.match_id, game, fact.server_id, [], "running")
        elif owner(match.server_id) != owner(fact.server_id):
            raise Refusal("not_your_match", f"the match {fact.match_id} is not on your servers")
        if match.state != "ended":
            _check_size(fact)
            self._take_out(match)
            _apply(fact, match)
            self._put(match)
        return match

    def find(self, player: str, server_id: str) -> Match | None:
        """The match on a server that a player belongs to and may come back to."""
        match = self.current(player)
        return match if match and match.server_id == server_id else None

    def current(self, player: str) -> Match | None:
        """The match that a player belongs to, wherever it is; of several the one that was heard of last."""
        return self.running.get(self._match_of.get(player, ""))

    def lose(self, server_id: str) -> list[Match]:
        """A server has ended: its matches have no result, unless that comes late. Returns those matches."""
        return self._lose([match for match in self.running.values() if match.server_id == server_id])

    def drop_expired(self, now: float) -> list[Match]:
        """Lose the matches to which nobody came while the tickets were good, and return them."""
        expected = (match for match in self.running.values() if match.state == "expected")
        return self._lose([match for match in expected if not match.present and now >= match.expires_at])

    def _lose(self, matches: list[Match]) -> list[Match]:
        for match in matches:
            self._take_out(match)
            match.state = "lost"
            match.present = []
            self._put(match)
        return matches

    def _put(self, match: Match) -> None:
        if match.state in ("expected", "running"):
            self.running[match.match_id] = match
            self._match_of.update(dict.fromkeys(match.players, match.match_id))
            if len(self.running) > self._max_running:
                self._take_out(next(iter(self.running.values())))
        else:
            self.ended[match.match_id] = match
            if len(self.ended) > self._max_ended:
                del self.ended[next(iter(self.ended))]

    def _take_out(self, match: Match) -> None:
        self.ended.pop(match.match_id, None)
        if self.running.pop(match.match_id, None):
            for player in match.players:
                if self._match_of.get(player) == match.match_id:
                    del self._match_of[player]


def _apply(fact: FactOfMatch, match: Match) -> None:
    match fact:
        case MatchStarted():
            match.state = "running"
            match.players = fact.players
        case PlayerJoined(player=player) if player not in match.present and len(match.present) < MAX_ENTRIES:
            match.present.append(player)
        case PlayerLeft(player=player) if player in match.present:
            match.present.remove(player)
        case TeamsChanged():
            match.teams = fact.teams
        case ScoreChanged():
            match.scores = fact.scores
        case MatchTimeChanged():
            match.elapsed_seconds = fact.elapsed_seconds
        case MatchEnded():
            match.state = "ended"
            match.players = fact.players
            match.present = []
            match.scores = fact.result.scores
            match.result = fact.result


def _check_size(fact: FactOfMatch) -> None:
    """Raises:
    Refusal: `too_large`.
    """
    match fact:
        case TeamsChanged(teams=entries) | ScoreChanged(scores=entries):
            size = len(entries)
        case MatchEnded():
            size = len(fact.result.scores)
        case _:
            return
    if size > MAX_ENTRIES:
        raise Refusal("too_large", f"a match has at most {MAX_ENTRIES} scores or teams, not {size}")
