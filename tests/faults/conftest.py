"""A real stack of processes, and players who talk to it over real sockets."""

import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import gevent
import msgspec
import psutil
import pytest

from connhandler.jsonmessage import Hello, Welcome
from connhandler.testing import JsonClient
from examples.stack import Ports, Stack, free_ports
from game_server import protocol as game
from game_server.model import GameBegan, GameEnded, PieceDropped
from login_server import protocol as login
from tests.game_server.gameclient import GameClient

WAIT_SECONDS = 30


class FaultyStack(Stack):
    """A stack whose processes are killed without warning."""

    def kill(self, name: str) -> None:
        process = self.processes.pop(name)
        process.send_signal(signal.SIGKILL)
        process.wait()

    def game_process(self) -> psutil.Process:
        """The process of the one game server, as the launcher's run folder has it."""
        state = msgspec.json.decode((self.folder / "launcher" / "four.json").read_bytes())
        return psutil.Process(state["pid"])

    def game_process_is_new(self, before: psutil.Process) -> bool:
        try:
            return self.game_process().pid != before.pid
        except psutil.NoSuchProcess:
            return False

    def servers(self) -> list[dict[str, Any]]:
        return list((self.status() or {}).get("servers", []))

    def matches(self) -> list[dict[str, Any]]:
        return list((self.status() or {}).get("matches", []))


class Player:
    """One player: at the login server first, then in a game."""

    def __init__(self, stack: Stack, name: str) -> None:
        self.name = name
        self._stack = stack
        self.log_in(register=True)
        self.table: GameClient | None = None
        self.game_id = ""
        self.resume_key = ""

    def log_in(self, register: bool = False) -> None:
        self.lobby = JsonClient("127.0.0.1", self._stack.ports.player, login.ToPlayer)
        self.lobby.send(Hello([1]))
        self.lobby.expect(Welcome)
        if register:
            self.lobby.send(login.Register(self.name, "a long password"))
            self.lobby.expect(login.Registered)
        self.lobby.send(login.LogIn(self.name, "a long password"))
        self.lobby.expect(login.LoggedIn)

    def wish(self) -> None:
        self.lobby.send(login.FindMatch(game.GAME))

    def sit_down(self) -> None:
        """Go to the game with the ticket of the match that was found."""
        found = self.lobby.expect(login.MatchFound)
        self.port = found.port
        self.match_id = self.game_id = found.match_id
        self._connect(token=found.ticket)

    def sit_down_again(self) -> None:
        """Take the seat back after the connection was lost."""
        self._connect(resume=self.resume_key)

    def drop(self, column: int) -> None:
        assert self.table is not None
        self.table.send(game.Drop(column=column))

    def sees(self, event_class: type[Any]) -> Any:
        """Return the next event of this class."""
        assert self.table is not None
        return self.table.event(event_class)

    def leave(self) -> None:
        self.lobby.close()
        if self.table is not None:
            self.table.close()

    def _connect(self, **proof: str) -> None:
        if self.table is not None:
            self.table.close()
        self.table = GameClient(self.port, self.game_id, proof)
        joined = self.table.expect(game.Joined)
        self.resume_key = joined.resume_key


class Match:
    """Two players in a match that goes on."""

    def __init__(self, stack: Stack) -> None:
        self.turn = -1
        self.players = [Player(stack, "alice"), Player(stack, "bob")]
        for player in self.players:
            player.wish()
        for player in self.players:
            player.sit_down()
        began = self.players[0].sees(GameBegan)
        self.players.sort(key=lambda player: player.name != began.beginner)

    def play(self, turns: int) -> None:
        """Play the next turns: the first player builds a column on 0, the second one on 1."""
        for _ in range(turns):
            self.turn += 1
            mover = self.players[self.turn % 2]
            mover.drop(self.turn % 2)
            for player in self.players:
                assert player.sees(PieceDropped).player == mover.name

    def finish(self) -> str:
        """Play to the end, which is the first player's win; return the winner."""
        while self.turn < 5:
            self.play(1)
        self.players[0].drop(0)
        winners = {player.sees(GameEnded).winner for player in self.players}
        assert winners == {self.players[0].name}
        return self.players[0].name

    def leave(self) -> None:
        for player in self.players:
            player.leave()


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[FaultyStack]:
    stack = FaultyStack(tmp_path / "run", Ports(*free_ports(4)), log_to_files=True)
    stack.start()
    yield stack
    stack.stop()


@pytest.fixture
def eventually() -> Callable[[str, Callable[[], Any]], Any]:
    """Wait until a condition holds and return what it gave."""

    def wait(what: str, condition: Callable[[], Any]) -> Any:
        with gevent.Timeout(WAIT_SECONDS, AssertionError(f"not within {WAIT_SECONDS} s: {what}")):
            while not (found := condition()):
                gevent.sleep(0.05)
            return found

    return wait
