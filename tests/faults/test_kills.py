"""`kill -9` of each program in the middle of a match."""

import os
import signal
from collections.abc import Callable
from typing import Any

import psutil
import pytest

from game_server import protocol as game
from game_server.model import GameBegan
from login_server.protocol import MatchFound
from tests.game_server.gameclient import GameClient, refusal

from .conftest import FaultyStack, Match, Player

pytestmark = pytest.mark.timeout(120)

Eventually = Callable[[str, Callable[[], Any]], Any]


def test_login_server_killed_during_a_match(stack: FaultyStack, eventually: Eventually) -> None:
    """The match ends normally; its result is known after the login server is back, once."""
    match = Match(stack)
    match.play(3)
    stack.kill("login server")
    match.play(2)
    winner = match.finish()
    stack.start_login_server()
    (recorded,) = eventually("the result is known", lambda: [m for m in stack.matches() if m.get("result")])
    assert recorded["result"]["winner"] == winner
    assert recorded["match_id"] == match.players[0].match_id
    eventually("the server is in the list again", stack.servers)
    journal = stack.folder / "launcher" / "launcher.results"
    eventually("the launcher has nothing left to report", lambda: not journal.read_bytes())

    # Once more: nothing reports it again, and a restart still knows it once.
    stack.kill("login server")
    stack.start_login_server()
    eventually("the server is in the list a third time", stack.servers)
    assert [m["match_id"] for m in stack.matches()] == [recorded["match_id"]]
    match.leave()


def test_game_process_killed_during_a_match(stack: FaultyStack, eventually: Eventually) -> None:
    """It is restarted; the match ends as crashed, players are told, and the next match is played."""
    match = Match(stack)
    match.play(3)
    before = stack.game_process()
    os.kill(before.pid, signal.SIGKILL)
    for player in match.players:
        assert player.table is not None
        assert player.table.close_code() == 1006  # lost: there was no Close
    (ended,) = eventually("the match has ended", lambda: [m for m in stack.matches() if m.get("result")])
    assert ended["result"]["reason"] == "server_crashed"
    assert ended["result"]["winner"] == ""
    eventually("the server is back", lambda: stack.game_process_is_new(before) and stack.servers())
    for player in match.players:
        player.wish()
    for player in match.players:
        player.sit_down()
    for player in match.players:
        player.sees(GameBegan)
    match.leave()


def test_launcher_killed_during_a_match(stack: FaultyStack, eventually: Eventually) -> None:
    """The game process plays on; the next launcher takes it up: same process, one only, and the result arrives."""
    match = Match(stack)
    match.play(3)
    process = stack.game_process()
    stack.kill("launcher")
    eventually("the list is empty", lambda: stack.status() is not None and not stack.servers())
    assert process.is_running()
    match.play(2)
    stack.start_launcher()
    eventually("the server is in the list again", stack.servers)
    assert stack.game_process() == process
    assert games_of(process) == [process.pid]
    winner = match.finish()
    (recorded,) = eventually("the result is known", lambda: [m for m in stack.matches() if m.get("result")])
    assert recorded["result"]["winner"] == winner
    match.leave()


def test_launcher_killed_and_the_match_ends_before_the_next_one(stack: FaultyStack, eventually: Eventually) -> None:
    """The game keeps the result until there is somebody to tell."""
    match = Match(stack)
    match.play(1)
    stack.kill("launcher")
    winner = match.finish()
    stack.start_launcher()
    (recorded,) = eventually("the result is known", lambda: [m for m in stack.matches() if m.get("result")])
    assert recorded["result"]["winner"] == winner
    match.leave()


def test_used_ticket_stays_used_in_a_restarted_game(stack: FaultyStack, eventually: Eventually) -> None:
    """A ticket is good once, even when the process that took it is gone."""
    players = [Player(stack, "alice"), Player(stack, "bob")]
    for player in players:
        player.wish()
    found = players[0].lobby.expect(MatchFound)
    first = GameClient(found.port, found.match_id, {"token": found.ticket})
    first.expect(game.Joined)
    before = stack.game_process()
    state = stack.folder / "launcher" / "four.json"
    eventually("the launcher has it on disk", lambda: b'"used_tickets":{}' not in state.read_bytes())
    os.kill(before.pid, signal.SIGKILL)
    server = eventually("the server is back", lambda: stack.game_process_is_new(before) and stack.servers())[0]
    first.close()
    status, code = refusal(server["port"], found.match_id, {"token": found.ticket})
    assert status == 401
    assert code in {"ticket_reused", "ticket_expired"}
    for player in players:
        player.leave()


def games_of(process: psutil.Process) -> list[int]:
    """The pids of all games with the same command line, port aside; not those of their keepers, which lead sessions."""
    command = process.cmdline()
    server = command[command.index("--server") :]
    return [
        other.pid
        for other in psutil.process_iter(["cmdline"])
        if (other.info["cmdline"] or [])[-len(server) :] == server
        and os.getsid(other.pid) != other.pid
        and other.environ().get("GAME_CONTROLLER_TOKEN") == process.environ().get("GAME_CONTROLLER_TOKEN")
    ]
