"""What the reporter keeps for a launcher that is away."""

import pytest

from connhandler import Peer, testing
from game_server import reporter
from game_server.reporter import MatchReporter
from game_server.server import GameServer, Patience
from login_server.protocol import MatchEnded


class LauncherPeer(Peer):
    pass


def ended_match(match_id: str, to: MatchReporter) -> None:
    game = GameServer(match_id, is_match=True, patience=Patience(), clock=lambda: 1.0, left=lambda controller: None)
    game.publisher.subscribe(to.report_of(game))
    for player in ("alice", "bob"):
        game.add_seat(player, f"{match_id} {player}")
    game.set_up("alice")
    game.break_off("abandoned")


def test_of_too_many_ended_matches_the_oldest_are_lost(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(reporter, "MAX_UNRECORDED", 2)
    matches = MatchReporter()
    for match_id in ("m1", "m2", "m3"):
        ended_match(match_id, matches)
    assert matches.unrecorded == 2
    assert "match m1 was never recorded" in caplog.text
    launcher = testing.FakeConnection(LauncherPeer())
    matches.launcher_accepted(launcher.peer, 2.0)
    assert [message.match_id for message in launcher.sent if isinstance(message, MatchEnded)] == ["m2", "m3"]
