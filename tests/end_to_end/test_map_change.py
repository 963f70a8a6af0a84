"""Players of a whole stack vote for another map while they play, and their games go on in another process."""

import contextlib
import itertools
import json
import random
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gevent
import gevent.lock
import pytest
from gevent.event import Event

from connhandler import tasks
from connhandler.jsonmessage import Hello, Refused, Welcome
from connhandler.testing import JsonClient
from examples.stack import Ports, Stack, free_ports
from game_server.model import GameEnded
from game_server.protocol import GAME
from login_server import protocol as login
from tests.game_server.traveller import Traveller

CLIENTS = 50
QUESTIONS = 20
"""Of a player before each move: so that a game takes longer than a process to start."""

SERVER_ID = "local/four"
MAP = "9x7"
SECONDS = 60


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    stack = Stack(tmp_path / "run", Ports(*free_ports(4)), log_to_files=True)
    stack.start()
    yield stack
    stack.stop()


class Person:
    """Somebody at the login server, who plays match after match against the same other one.

    Attributes:
        games: those that were played, with the ids of their matches.
        news: what the login server said of votes.
    """

    def __init__(self, stack: Stack, name: str) -> None:
        self.name = name
        self.games: list[tuple[str, Traveller]] = []
        self.news: list[login.MapVote] = []
        self._port = 0
        self._lobby = JsonClient("127.0.0.1", stack.ports.player, login.ToPlayer, timeout=SECONDS)
        self._found: gevent.queue.Queue[login.MatchFound] = gevent.queue.Queue()
        self._lobby.send(Hello([2]))
        self._lobby.expect(Welcome)
        self._lobby.send(login.Register(name, "a long password"))
        self._lobby.expect(login.Registered)
        self._lobby.send(login.LogIn(name, "a long password"))
        self._lobby.expect(login.LoggedIn)
        self._reader = tasks.spawn(name, self._read)

    def play(self, partner: str, change: "Change") -> None:
        """Play until the map has changed; the last match to its end."""
        for number in itertools.count():
            self._lobby.send(login.FindMatch(GAME, partner=partner))
            found = self._found.get(timeout=SECONDS)
            chance = random.Random(f"{self.name} {number}")
            traveller = Traveller(self.name, lambda: self._port, chance, QUESTIONS)
            self.games.append((found.match_id, traveller))
            traveller.play(found.match_id, found.ticket, change.happened)
            if change.done.is_set():
                return

    def vote(self) -> None:
        self._lobby.send(login.VoteMap(SERVER_ID, MAP))

    def leave(self) -> None:
        self._reader.kill()
        self._lobby.close()

    def _read(self) -> None:
        with contextlib.suppress(EOFError):
            while True:
                match self._lobby.receive(10 * SECONDS):
                    case login.MatchFound() as found:
                        self._port = found.port
                        self._found.put(found)
                    case login.ServersChanged(changed=[server]) if server.state == "ready":
                        self._port = server.port
                    case login.MapVote() as vote:
                        self.news.append(vote)
                    case Refused() as refused:
                        raise AssertionError(refused)


class Change:
    """When players vote, and when the new map is there.

    Attributes:
        done: the list of servers has the new map.
        decided_at: when the last vote that was needed was cast, on the monotonic clock.
    """

    def __init__(self, when: int) -> None:
        self.done = Event()
        self.decided_at = 0.0
        self.people: list[Person] = []
        self._heard = 0
        self._when = when

    def happened(self) -> None:
        self._heard += 1
        if self._heard == self._when:
            tasks.spawn("votes", self._vote)

    def _vote(self) -> None:
        for person in self.people[: CLIENTS // 2 + 1]:
            person.vote()
        self.decided_at = time.monotonic()


def server_of(stack: Stack) -> dict[str, Any]:
    (server,) = (stack.status() or {"servers": [{}]})["servers"]
    return dict(server)


def recorded_in(stack: Stack) -> dict[str, tuple[str, int]]:
    """Who won each match, and after how many turns, as the login server has it on disk."""
    with contextlib.closing(sqlite3.connect(stack.folder / "login_server.sqlite")) as database:
        rows = database.execute("SELECT match_id, result FROM matches").fetchall()
    results = {match_id: json.loads(result) for match_id, result in rows}
    return {match_id: (result["winner"], result["turns"]) for match_id, result in results.items()}


@pytest.mark.timeout(300)
def test_50_players_vote_for_another_map_and_their_games_go_on_there(
    stack: Stack, capsys: pytest.CaptureFixture[str]
) -> None:
    change = Change(when=random.Random(5).randint(1_000, 6_000))
    before = server_of(stack)
    assert before["map"] == "7x6"
    names = [f"player-{number}" for number in range(CLIENTS)]
    change.people = [Person(stack, name) for name in names]
    playing = [
        tasks.spawn(f"{person.name}.plays", person.play, names[number ^ 1], change)
        for number, person in enumerate(change.people)
    ]
    stack.wait_until("the map has changed", lambda: server_of(stack)["map"] == MAP)
    changed_at = time.monotonic()
    change.done.set()
    with gevent.Timeout(200):
        for task in playing:
            task.get()
    after = server_of(stack)
    assert (after["map"], after["state"]) == (MAP, "ready")
    assert after["port"] != before["port"]

    seen: dict[str, tuple[str, int]] = {}
    games = [(match_id, game) for person in change.people for match_id, game in person.games]
    boards = set()
    for match_id, game in games:
        game.check()
        (ended,) = [event for event in game.events.values() if isinstance(event, GameEnded)]
        assert ended.reason in ("won", "draw")
        assert seen.setdefault(match_id, (ended.winner, ended.turns)) == (ended.winner, ended.turns)
        boards.add((bool(game.away), game.board.width))
    assert (True, 7) in boards  # a game that moved keeps its board
    moved = [game for _, game in games if game.away]
    assert len(moved) >= CLIENTS // 2
    stack.wait_until("all results are recorded", lambda: len(recorded_in(stack)) >= len(seen))
    assert recorded_in(stack) == seen
    for person in change.people:
        person.leave()
    arrived_at = max(game.arrived_at for game in moved)
    with capsys.disabled():
        print(
            f"\n{CLIENTS} players: the new map was in the list {changed_at - change.decided_at:.2f} s after the last "
            f"vote, and the last of {len(moved)} players was there after {arrived_at - change.decided_at:.2f} s; "
            f"they were away for {max(max(game.away) for game in moved):.2f} s at most, and said "
            f"{sum(game.repeated for game in moved)} commands again; {len(seen)} matches were played"
        )
