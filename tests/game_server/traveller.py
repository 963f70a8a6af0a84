"""A player's connection for tests of games that move: it plays by itself, goes along, and keeps account of all."""

import time
from collections import Counter
from collections.abc import Callable
from random import Random
from typing import Any

import msgspec
from websockets.exceptions import ConnectionClosed, InvalidStatus

from game_server import protocol
from game_server.model import FourInARow, GameBegan, GameEnded, PieceDropped
from tests.game_server.gameclient import SECONDS, GameClient


class Traveller:
    """Plays one game from its ticket to its end, asking how it stands now and then.

    Args:
        name: of the player.
        place: the port of the game server, as the login server would say it now.
        random: what it does is drawn from.
        questions: it asks so often how the game stands before it drops a piece, one question after the other's answer.

    Attributes:
        events: those that came, by number; each number that came by itself is counted in `pushed`.
        first: the number of the first event that was to come.
        sent: the ids of all commands; `answered` counts the responses to each, `errors` has what went wrong.
        repeated: how many commands were said again, because they had no response before a move.
        away: how long each move took, in seconds, from `Moved` to `Joined`.
        arrived_at: when the last move was over, on the monotonic clock.
        board: the game as it stands.
    """

    def __init__(self, name: str, place: Callable[[], int], random: Random, questions: int = 0) -> None:
        self.name = name
        self.events: dict[int, protocol.AnyEvent] = {}
        self.pushed: Counter[int] = Counter()
        self.first = 0
        self.sent: list[int] = []
        self.answered: Counter[Any] = Counter()
        self.errors: list[str] = []
        self.repeated = 0
        self.away: list[float] = []
        self.arrived_at = 0.0
        self.board: Any = None
        self._questions = questions
        self._asked = 0
        self._place = place
        self._random = random
        self._outstanding: dict[int, protocol.Command] = {}
        self._thought_of = -1
        self._catching_up: int | None = None
        self._moved_at = 0.0

    @property
    def over(self) -> bool:
        return any(isinstance(event, GameEnded) for event in self.events.values()) and not self._outstanding

    def play(self, game_id: str, ticket: str, happened: Callable[[], None]) -> None:
        """Args:
        game_id: of the match.
        ticket: to it.
        happened: called after each message.
        """
        client = self._come(self._place, game_id, {"token": ticket})
        while not self.over:
            message = client.receive()
            if isinstance(message, protocol.Moved):
                self._moved_at = time.monotonic()
                port = message.port
                client.close()
                client = self._come(lambda: port, message.game_id, {"resume": message.resume_key})  # noqa: B023
            else:
                self._hear(client, message)
            happened()
        client.close()

    def check(self) -> None:
        """Nothing was lost, and nothing was doubled."""
        assert self.errors == []
        assert sorted(self.events) == list(range(self.first, max(self.events) + 1)), self.name
        assert set(self.pushed.values()) <= {1}, self.name
        assert self.answered == Counter(self.sent), self.name

    @staticmethod
    def _come(place: Callable[[], int], game_id: str, query: dict[str, str]) -> GameClient:
        deadline = time.monotonic() + SECONDS
        while True:
            try:
                return GameClient(place(), game_id, query)
            except (InvalidStatus, OSError, ConnectionClosed) as error:
                refused = isinstance(error, InvalidStatus) and error.response.status_code != 503
                if refused or time.monotonic() > deadline:
                    raise

    def _hear(self, client: GameClient, message: Any) -> None:
        match message:
            case protocol.Joined():
                self._joined(client, message)
            case protocol.GameEvent():
                self._event(message)
            case protocol.Response():
                self._response(message)
        board = self.board
        if board is not None and self._thought_of != len(board.moves) and self.name == board.turn:
            if self._asked < self._questions and not self._outstanding:
                self._asked += 1
                self._say(client, protocol.State())
            elif self._asked >= self._questions:
                self._asked = 0
                self._move(client, board)

    def _move(self, client: GameClient, board: FourInARow) -> None:
        self._thought_of = len(board.moves)
        free = [column for column in range(board.width) if board.moves.count(column) < board.height]
        self._say(client, protocol.Drop(column=self._random.choice(free)))
        if self._random.random() < 0.5:
            self._say(client, protocol.State())

    def _say(self, client: GameClient, command: protocol.Command) -> None:
        command.id = len(self.sent)
        self.sent.append(command.id)
        self._outstanding[command.id] = command
        client.send(command)

    def _joined(self, client: GameClient, message: protocol.Joined) -> None:
        sequence = message.state.sequence
        if not self.first:
            self.first = sequence + 1
        else:
            self.arrived_at = time.monotonic()
            self.away.append(self.arrived_at - self._moved_at)
            self.repeated += len(self._outstanding)
            client.send(*self._outstanding.values())
            if sequence + 1 > self.first + len(self.events):
                self._catching_up = sequence
                self._say(client, protocol.Events(from_sequence=self.first + len(self.events)))
        self.board = message.state.game if message.state.begun else None
        if self.board is not None:
            self._thought_of = len(self.board.moves) if self._has_said_drop() else -1

    def _has_said_drop(self) -> bool:
        return any(isinstance(command, protocol.Drop) for command in self._outstanding.values())

    def _event(self, message: protocol.GameEvent) -> None:
        known = message.sequence in self.events
        if self._catching_up is None or (message.sequence > self._catching_up and not known):
            self.pushed[message.sequence] += 1
        if known:
            return
        self.events[message.sequence] = message.event
        past = self._catching_up is not None and message.sequence <= self._catching_up
        match message.event:
            case GameBegan(players=players, beginner=beginner) as began if not past:
                self.board, _ = FourInARow.begin(players, beginner, (began.width, began.height))
            case PieceDropped(player=player, column=column) if not past:
                self.board.drop(player, column)
            case GameEnded(reason=reason):
                self.board.reason = reason

    def _response(self, message: protocol.Response) -> None:
        self.answered[message.id] += 1
        command = self._outstanding.pop(message.id, None)  # type: ignore[arg-type]
        if isinstance(command, protocol.Events):
            self._catching_up = None
        if message.error is not None:
            self.errors.append(f"{self.name}: {msgspec.to_builtins(message)}")
