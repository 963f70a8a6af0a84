"""One game by its id: who sits where, who is there, how long it waits for those who are not."""

from collections.abc import Sequence

from msgspec import Struct

from game_server import protocol
from game_server.controller import GameController
from game_server.model import FourInARow, GameBegan, IllegalMove, ModelEvent
from game_server.publisher import GamePublisher


class Patience(Struct, frozen=True):
    """How long a game waits, in seconds."""

    forfeit_seconds: float = 60
    """One player is alone: after this the one who is there has won."""
    abandon_seconds: float = 60
    """Nobody is there: after this the game is over without a winner."""
    keep_seconds: float = 120
    """The game is over: so long it can still be looked at. Longer than a ticket lives, so that a player who comes
    late finds the game that is over and does not begin it anew."""


class Seat(Struct):
    """A player's place in a game, and the secret that gives it back after a lost connection."""

    player: str
    resume_key: str
    has_come: bool = False


class GameServer:
    """One game. It changes only by its methods, each of which says what happened through the publisher.

    It reads no clock and sets no timers: the time is an argument, and `due_at` says when `pass_time` is to be called
    next. The central task calls all of it.

    Args:
        game_id: the match's id, or one of the game server's own for an open game.
        is_match: whether the login server made this match: its end is reported even if it never began.
        patience: how long it waits for whom.
        now: Unix time.

    Attributes:
        seats: in the order of the model's players.
        model: None while the second player is not known.
        begun: whether both players have come.
        over: whether no more moves are possible.
    """

    def __init__(self, game_id: str, *, is_match: bool, patience: Patience, now: float) -> None:
        self.game_id = game_id
        self.is_match = is_match
        self.publisher = GamePublisher()
        self.seats: list[Seat] = []
        self.model: FourInARow | None = None
        self.begun = False
        self.begun_at = 0.0
        self._patience = patience
        self._controllers: dict[str, GameController] = {}
        self._changed_at = now
        """When somebody last came or left, or the game ended: what every wait is counted from."""

    @property
    def over(self) -> bool:
        return self.model is not None and self.model.over

    @property
    def players(self) -> list[str]:
        return [seat.player for seat in self.seats]

    @property
    def present(self) -> list[str]:
        """The players who are connected, in the order of their seats."""
        return [player for player in self.players if player in self._controllers]

    @property
    def lacks_player(self) -> bool:
        """Whether somebody waits here for a second player, whoever that will be."""
        return self.model is None and len(self.seats) == len(self.present) == 1

    def state(self) -> protocol.GameState:
        return protocol.GameState(
            sequence=self.publisher.sequence,
            players=self.players,
            present=self.present,
            begun=self.begun,
            game=self.model,
        )

    def elapsed_seconds(self, now: float) -> float:
        """How long the game has been played."""
        return max(0.0, now - self.begun_at) if self.begun else 0.0

    # --- who is there -------------------------------------------------------------------------------

    def add_seat(self, player: str, resume_key: str) -> None:
        """Keep a place for a player.

        Raises:
            ValueError: both places are taken, or one of them is this player's.
        """
        if len(self.seats) == 2 or player in self.players:
            raise ValueError(f"no seat for {player} beside {self.players}")
        self.seats.append(Seat(player, resume_key))

    def set_up(self, beginner: str) -> None:
        """Both players are known: make the board. The game begins when both have come."""
        self.model, _ = FourInARow.begin(self.players, beginner)

    def enter(self, controller: GameController, now: float) -> GameController | None:
        """A player comes or comes back: tell everybody, then this controller how the game stands.

        Returns:
            The controller of the same player's older connection, if there was one: it has no seat any more.
        """
        seat = self.seats[self.players.index(controller.player)]
        replaced = self._controllers.get(seat.player)
        if replaced is not None:
            self.publisher.unsubscribe(replaced)
        self._controllers[seat.player] = controller
        if not self.over:
            self._changed_at = now
        if not seat.has_come:
            seat.has_come = True
            number = self.players.index(seat.player)
            self.publisher.publish(protocol.PlayerSeated(player=seat.player, seat=number), now)
        elif replaced is None:
            self.publisher.publish(protocol.PlayerReturned(player=seat.player), now)
        controller.entered(seat)
        self.publisher.subscribe(controller)
        if self.model is not None and not self.begun and not self.over and len(self.present) == 2:
            self.begun = True
            self.begun_at = now
            beginner = self.model.players[self.model.beginner]
            self.publisher.publish(GameBegan(players=self.players, beginner=beginner), now)
        return replaced

    def leave(self, controller: GameController, now: float) -> None:
        """A player's connection has ended; the seat stays the player's."""
        del self._controllers[controller.player]
        self.publisher.unsubscribe(controller)
        if not self.over:
            self._changed_at = now
        until = self.due_at() or now
        self.publisher.publish(protocol.PlayerGone(player=controller.player, until=until), now)

    # --- commands: one method of the model each -----------------------------------------------------

    def drop(self, player: str, column: int, now: float) -> None:
        """Raises:
        IllegalMove: the game has not begun, or the rules do not allow it.
        """
        self._publish(self._begun_model().drop(player, column), now)

    def resign(self, player: str, now: float) -> None:
        """Raises:
        IllegalMove: the game has not begun, or is over.
        """
        self._publish(self._begun_model().resign(player), now)

    def break_off(self, reason: str, now: float) -> None:
        """End the game without a winner, if it is not over."""
        if self.model is not None and not self.over:
            self._publish(self.model.break_off(reason), now)

    # --- time ---------------------------------------------------------------------------------------

    def due_at(self) -> float | None:
        """When `pass_time` is to be called, in Unix time; None while the game waits for nobody."""
        if self.over:
            return self._changed_at + self._patience.keep_seconds
        if not self.present:
            return self._changed_at + self._patience.abandon_seconds
        if self.model is not None and len(self.present) == 1:
            return self._changed_at + self._patience.forfeit_seconds
        return None

    def pass_time(self, now: float) -> bool:
        """End the game if it has waited long enough.

        Returns:
            Whether the game can be forgotten.
        """
        due_at = self.due_at()
        if due_at is None or now < due_at:
            return False
        if self.model is None or self.over:
            return True
        if self.present:
            (winner,) = self.present
            self._publish(self.model.forfeit(self.model.opponent_of(winner)), now)
        else:
            self.break_off("abandoned", now)
        return False

    def dismiss(self) -> Sequence[GameController]:
        """The game is forgotten: give back the controllers of those who still look at it."""
        controllers = tuple(self._controllers.values())
        self._controllers.clear()
        return controllers

    def _begun_model(self) -> FourInARow:
        if self.model is None or not (self.begun or self.over):
            raise IllegalMove("game_not_begun", "the other player is not here yet")
        return self.model

    def _publish(self, events: Sequence[ModelEvent], now: float) -> None:
        if self.over:
            self._changed_at = now
        for event in events:
            self.publisher.publish(event, now)
