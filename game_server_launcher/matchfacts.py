"""What the facts about matches change in a game server, and which facts tell how its matches stand. Plain state."""

from typing import TypeVar

from connhandler import ProtocolError
from game_server_launcher.servers import MAX_MATCHES, MAX_NAMES, GameServer, RunningMatch
from login_server import protocol

_T = TypeVar("_T")


def learn(server: GameServer, fact: protocol.MatchFact) -> None:
    """Let a fact change what is kept of a server's running matches. `MatchEnded` ends one.

    Raises:
        ProtocolError: it has more names in it than a match can have.
    """
    if isinstance(fact, protocol.MapChanged):
        server.map = fact.map
        return
    if isinstance(fact, protocol.MatchStarted):
        if fact.match_id in server.matches:
            server.matches[fact.match_id].players = fact.players
        elif len(server.matches) < MAX_MATCHES:
            server.matches[fact.match_id] = RunningMatch(players=fact.players)
        return
    if isinstance(fact, protocol.MatchEnded):
        if fact.match_id in server.matches:
            server.matches[fact.match_id].ended = True
        return
    match = server.matches.get(fact.match_id)
    if match is None:
        return
    if isinstance(fact, protocol.PlayerJoined | protocol.PlayerLeft):
        match.here[fact.player] = isinstance(fact, protocol.PlayerJoined)
        if len(match.here) > MAX_NAMES:
            del match.here[next(iter(match.here))]
    elif isinstance(fact, protocol.TeamsChanged):
        match.teams = _bounded(fact.teams)
    elif isinstance(fact, protocol.ScoreChanged):
        match.scores = _bounded(fact.scores)
    elif isinstance(fact, protocol.MatchTimeChanged):
        match.elapsed_seconds = fact.elapsed_seconds


def retell(server: GameServer) -> list[protocol.MatchFact]:
    """The facts that tell a login server which was away how things stand."""
    return [fact for match_id in server.matches for fact in retell_match(server, match_id)]


def retell_match(server: GameServer, match_id: str) -> list[protocol.MatchFact]:
    """The facts that tell how one match stands; none when it is not running."""
    match = server.matches.get(match_id)
    if match is None or match.ended:
        return []
    which = {"match_id": match_id, "server_id": server.server_id}
    facts: list[protocol.MatchFact] = [protocol.MatchStarted(players=match.players, **which)]
    for player, here in match.here.items():
        facts.append((protocol.PlayerJoined if here else protocol.PlayerLeft)(player=player, **which))
    if match.teams:
        facts.append(protocol.TeamsChanged(teams=match.teams, **which))
    if match.scores:
        facts.append(protocol.ScoreChanged(scores=match.scores, **which))
    if match.elapsed_seconds:
        facts.append(protocol.MatchTimeChanged(elapsed_seconds=match.elapsed_seconds, **which))
    return facts


def cut_short(server: GameServer, reason: str, now: float) -> list[protocol.MatchEnded]:
    """End every running match of a server whose process has ended: no winner, the scores last known."""
    results = []
    for match_id, match in server.matches.items():
        if not match.ended:
            match.ended = True
            result = protocol.MatchResult(winner="", scores=match.scores, reason=reason, ended_at=now)
            results.append(
                protocol.MatchEnded(match_id=match_id, players=match.players, result=result, server_id=server.server_id)
            )
    return results


def _bounded(names: dict[str, _T]) -> dict[str, _T]:
    if len(names) > MAX_NAMES:
        raise ProtocolError(f"{len(names)} names in one match; at most {MAX_NAMES}")
    return names
