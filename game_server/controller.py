"""What stands between one connection and the game: commands in, responses and events out."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from connhandler import tasks
from connhandler.conversation import Conversation, ConversationEnded
from game_server import protocol
from game_server.model import IllegalMove
from game_server.playerhandler import Misunderstood, PlayerPeer

if TYPE_CHECKING:
    from game_server.server import GameServer


class CommandRefused(Exception):
    """A command that is not carried out, for a reason that lies outside the game's rules.

    Attributes:
        code: for programs.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class GameController:
    """One connection to one game, with a task of its own that carries out one command after the other.

    Each command is one method here, which calls the one method of the model that belongs to it; what comes of that,
    this player learns as an event, as everybody else does, and then that it was done. The controllers of one game work
    at the same time: the model sees to it that its methods do not get into each other's way.

    Args:
        peer: the connection.
        game: the game that it is for.
        player: whose it is.
        seat: the player's; None for who only watches.

    Attributes:
        conversation: where the central task puts the player's commands.
        resume_key: of the seat; empty for who only watches.
    """

    def __init__(self, peer: PlayerPeer, game: "GameServer", player: str, seat: int | None) -> None:
        self.peer = peer
        self.game = game
        self.player = player
        self.seat = seat
        self.conversation = Conversation(peer)
        self.resume_key = "" if seat is None else game.seats[seat].resume_key
        self._commands: dict[type, Callable[[Any], protocol.GameState | None]] = {
            protocol.Drop: self._drop,
            protocol.Resign: self._resign,
            protocol.Events: self._events,
            protocol.State: self._state,
        }

    def start(self, left: Callable[["GameController"], None]) -> None:
        """Run in a task of its own, which calls `left` as the last thing."""
        tasks.spawn(f"{self.peer.name}.controller", self._live, left)

    def run(self) -> None:
        """Wait for a command, carry it out, respond; until the connection has ended and nothing is left to do.

        The end wakes this task, so that there is no need to wait for a while only and look whether to stop: an idle
        player costs nothing.
        """
        while True:
            try:
                command = self.conversation.receive()
            except ConversationEnded:
                return
            if not self.game.halt.pass_through():
                return
            self.execute(command)

    def execute(self, command: protocol.Command | Misunderstood) -> None:
        """Do what the player wants, or say why not."""
        if isinstance(command, Misunderstood):
            self.peer.send(command.response)
            return
        name = str(command.__struct_config__.tag)
        try:
            state = self._commands[type(command)](command)
        except (IllegalMove, CommandRefused) as refusal:
            problem = protocol.Problem(code=refusal.code, message=str(refusal))
            self.peer.send(protocol.Response(status="error", command=name, id=command.id, error=problem))
        else:
            self.peer.send(protocol.Response(status="ok", command=name, id=command.id, state=state))

    # --- called by the game, with its lock held -----------------------------------------------------

    def joined(self, state: protocol.GameState) -> None:
        """The connection belongs to the game now; events after this state follow."""
        message = protocol.Joined(
            game_id=self.game.game_id, player=self.player, seat=self.seat, state=state, resume_key=self.resume_key
        )
        self.peer.send(message)

    def event_published(self, event: protocol.GameEvent) -> None:
        """Something has happened. Whatever the far end does, this returns at once: `Peer.send` puts into a queue of its
        own, and who does not read it is dropped alone."""
        self.peer.send(event)

    # --- the commands -------------------------------------------------------------------------------

    def _drop(self, command: protocol.Drop) -> None:
        self._check_seated()
        self.game.playable.drop(self.player, command.column)

    def _resign(self, command: protocol.Resign) -> None:
        self._check_seated()
        self.game.playable.resign(self.player)

    def _events(self, command: protocol.Events) -> None:
        try:
            events = self.game.publisher.events_from(command.from_sequence)
        except LookupError as error:
            raise CommandRefused("events_gone", str(error)) from error
        for event in events:
            self.peer.send(event)

    def _state(self, command: protocol.State) -> protocol.GameState:
        return self.game.state()

    def _check_seated(self) -> None:
        if self.seat is None:
            raise CommandRefused("not_seated", "you watch this game, others play it")

    def _live(self, left: Callable[["GameController"], None]) -> None:
        try:
            self.run()
        except Exception as error:
            self.peer.fail(error)  # A mistake of ours costs this connection; the task's end is logged with it.
            raise
        finally:
            self.conversation.abandon()
            left(self)
