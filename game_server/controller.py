"""What stands between one player's connection and the game: commands in, events out."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from connhandler import Peer
from connhandler.jsonmessage import Refused
from game_server import protocol
from game_server.model import IllegalMove

if TYPE_CHECKING:
    from game_server.server import GameServer, Seat


class GameController:
    """One connection of one player to one game. The central task calls all of it.

    Each command is one method here, which calls the method of the same name of the game; what comes of it, this player
    learns as an event, as everybody else does.

    Args:
        peer: the connection.
        game: the game that the player has a seat in.
        player: the player's name.
    """

    def __init__(self, peer: Peer, game: "GameServer", player: str) -> None:
        self.peer = peer
        self.game = game
        self.player = player
        self._commands: dict[type, Callable[[Any, float], None]] = {
            protocol.Drop: self._drop,
            protocol.Resign: self._resign,
            protocol.Events: self._events,
        }

    def execute(self, command: protocol.Drop | protocol.Resign | protocol.Events, now: float) -> None:
        """Do what the player wants, or say why not."""
        try:
            self._commands[type(command)](command, now)
        except IllegalMove as error:
            about = type(command).__name__.lower()
            self.peer.send(Refused(code=error.code, message=str(error), about=about))

    def entered(self, seat: "Seat") -> None:
        """The player has taken the seat."""
        state = self.game.state()
        self.peer.send(
            protocol.Joined(
                game_id=self.game.game_id,
                player=seat.player,
                seat=state.players.index(seat.player),
                state=state,
                resume_key=seat.resume_key,
            )
        )

    def event_published(self, event: protocol.GameEvent) -> None:
        self.peer.send(event)

    def _drop(self, command: protocol.Drop, now: float) -> None:
        self.game.drop(self.player, command.column, now)

    def _resign(self, command: protocol.Resign, now: float) -> None:
        self.game.resign(self.player, now)

    def _events(self, command: protocol.Events, now: float) -> None:
        try:
            for event in self.game.publisher.events_from(command.from_sequence):
                self.peer.send(event)
        except LookupError as error:
            self.peer.send(Refused(code="events_gone", message=str(error), about="events"))
