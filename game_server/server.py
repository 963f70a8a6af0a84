"""One game by its id: who sits where, who is there, how long it waits for those who are not."""

from collections.abc import Callable

from gevent.lock import RLock
from msgspec import Struct, structs

from game_server import protocol
from game_server.controller import GameController
from game_server.halt import Halt
from game_server.handover import GameContext, Seat
from game_server.model import COLUMNS, ROWS, FourInARow, GameBegan, GameEnded, IllegalMove, Size
from game_server.model.lockedgame import LockedGame
from game_server.playerhandler import PlayerPeer
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
    travel_seconds: float = 10
    """The game comes from a predecessor: after this a player who was there and has not come counts as gone."""


class GameServer:
    """One game, with its publisher and a controller for each connection. It changes only by its methods and by those of
    its model, and says what happened through the publisher.

    It sets no timers: `due_at` says when `pass_time` is to be called next.

    The central task calls what brings players and takes them away; the controllers, each in a task of its own, call the
    model, all at the same time. One lock guards all of a game: its model and its publisher have the same one, so that
    how the game stands and the number of its last event can be read together, and there is no order in which several
    locks would have to be taken. With threads it would be needed. Tasks of gevent switch only where they wait, which
    nothing here does: for them it promises what is so anyway.

    Args:
        game_id: the match's id, or one of the game server's own for an open game.
        is_match: whether the login server made this match: its end is reported even if it never began.
        patience: how long it waits for whom.
        clock: Unix time.
        left: called with each controller whose `run` has come to its end, by that one's own task.
        halt: what every command has to pass through.
        size: of the board.

    Attributes:
        seats: in the order of the model's players.
        model: None while the second player is not known.
        begun: whether both players have come.
        over: whether no more moves are possible.
    """

    def __init__(
        self,
        game_id: str,
        *,
        is_match: bool,
        patience: Patience,
        clock: Callable[[], float],
        left: Callable[[GameController], None],
        halt: Halt | None = None,
        size: Size = (COLUMNS, ROWS),
    ) -> None:
        self.game_id = game_id
        self.is_match = is_match
        self._lock = RLock()
        self.publisher = GamePublisher(self._lock)
        self.seats: list[Seat] = []
        self.model: LockedGame | None = None
        self.begun = False
        self.begun_at = 0.0
        self.halt = halt or Halt()
        self._size = size
        self._patience = patience
        self._clock = clock
        self._left = left
        self._controllers: list[GameController] = []
        self._travellers: set[str] = set()
        """Players who were at the predecessor of this process and are on their way."""
        self._changed_at = clock()
        """When somebody last came or left, or the game ended: what every wait is counted from."""

    @property
    def over(self) -> bool:
        return self.model is not None and self.model.over

    @property
    def players(self) -> list[str]:
        with self._lock:
            return [seat.player for seat in self.seats]

    @property
    def present(self) -> list[str]:
        """The players who are connected, or on their way from the predecessor, in the order of their seats."""
        with self._lock:
            return [
                seat.player
                for seat in self.seats
                if seat.player in self._travellers or self._controller_of(seat) is not None
            ]

    @property
    def lacks_player(self) -> bool:
        """Whether somebody waits here for a second player, whoever that will be."""
        with self._lock:
            return self.model is None and len(self.seats) == len(self.present) == 1

    @property
    def playable(self) -> LockedGame:
        """The model, once moves have a meaning.

        Raises:
            IllegalMove: the game has not begun.
        """
        with self._lock:
            if self.model is None or not (self.begun or self.over):
                raise IllegalMove("game_not_begun", "the other player is not here yet")
            return self.model

    def state(self) -> protocol.GameState:
        with self._lock:
            return protocol.GameState(
                sequence=self.publisher.sequence,
                players=self.players,
                present=self.present,
                begun=self.begun,
                game=None if self.model is None else self.model.copy(),
            )

    def elapsed_seconds(self, now: float) -> float:
        """How long the game has been played."""
        with self._lock:
            return max(0.0, now - self.begun_at) if self.begun else 0.0

    # --- from one process to the next ---------------------------------------------------------------

    def context(self) -> GameContext:
        """All that a successor needs in order to go on."""
        with self._lock:
            return GameContext(
                game_id=self.game_id,
                is_match=self.is_match,
                seats=[structs.replace(seat) for seat in self.seats],
                model=None if self.model is None else self.model.copy(),
                begun=self.begun,
                begun_at=self.begun_at,
                changed_at=self._changed_at,
                present=self.present,
                sequence=self.publisher.sequence,
                events=self.publisher.events_from(self.publisher.oldest),
            )

    def restore(self, context: GameContext) -> None:
        """Go on where a predecessor has ended: its players are on their way, and what the game waits for, it waits for
        from now on. For a game that is new."""
        with self._lock:
            self.seats = context.seats
            if context.model is not None:
                self.model = LockedGame(context.model, self._lock, self._publish)
            self.begun = context.begun
            self.begun_at = context.begun_at
            self._travellers = set(context.present)
            self._changed_at = context.changed_at if self.over else self._clock()
            self.publisher.restore(context.sequence, context.events)

    def stand_still(self, seconds: float) -> None:
        """The game has stood still for so long: nobody has lost time by that."""
        with self._lock:
            self._changed_at += seconds

    # --- who is there -------------------------------------------------------------------------------

    def add_seat(self, player: str, resume_key: str) -> None:
        """Keep a place for a player.

        Raises:
            ValueError: both places are taken, or one of them is this player's.
        """
        with self._lock:
            if len(self.seats) == 2 or player in self.players:
                raise ValueError(f"no seat for {player} beside {self.players}")
            self.seats.append(Seat(player, resume_key))

    def set_up(self, beginner: str) -> None:
        """Both players are known: make the board. The game begins when both have come."""
        with self._lock:
            game, _ = FourInARow.begin(self.players, beginner, self._size)
            self.model = LockedGame(game, self._lock, self._publish)

    def connect(self, peer: PlayerPeer, player: str) -> tuple[GameController, GameController | None]:
        """A connection was let in: tell everybody if its player has come, and it how the game stands; then let its
        controller run.

        Args:
            peer: the connection.
            player: whose it is; who has no seat watches.

        Returns:
            Its controller, and that of the same player's older connection, if there was one in the seat: that is none
            of this game's any more.
        """
        with self._lock:
            seat = next((seat for seat in self.seats if seat.player == player), None)
            controller = GameController(peer, self, player, None if seat is None else self.seats.index(seat))
            replaced = None
            if seat is not None:
                replaced = self._controller_of(seat)
                if replaced is not None:
                    self._remove(replaced)
                self._take_seat(seat, was_away=replaced is None and player not in self._travellers)
                self._travellers.discard(player)
            self._controllers.append(controller)
            controller.joined(self.state())
            self.publisher.subscribe(controller)
            if self.model is not None and not self.begun and not self.over and len(self.present) == 2:
                self.begun = True
                self.begun_at = self._clock()
                model = self.model
                began = GameBegan(self.players, model.players[model.beginner], model.width, model.height)
                self._publish(began)
        controller.start(self._left)
        return controller, replaced

    def leave(self, controller: GameController) -> None:
        """A connection has ended; a seat stays its player's."""
        with self._lock:
            if controller not in self._controllers:
                return
            self._remove(controller)
            if controller.seat is None:
                return
            now = self._clock()
            if not self.over:
                self._changed_at = now
            until = self._ends_at() or now
            self._publish(protocol.PlayerGone(player=controller.player, until=until))

    def dismiss(self) -> list[GameController]:
        """The game is forgotten: give back the controllers of those who still look at it."""
        with self._lock:
            controllers, self._controllers = self._controllers, []
            return controllers

    # --- time ---------------------------------------------------------------------------------------

    def due_at(self) -> float | None:
        """When `pass_time` is to be called, in Unix time; None while the game waits for nobody."""
        with self._lock:
            if self._travellers and not self.over:
                return self._changed_at + self._travel_seconds
            return self._ends_at()

    def pass_time(self) -> bool:
        """End the game if it has waited long enough.

        Returns:
            Whether the game can be forgotten.
        """
        with self._lock:
            due_at = self.due_at()
            if due_at is None or self._clock() < due_at:
                return False
            if self._travellers and not self.over:
                self._give_travellers_up()
                return False
            if self.model is None or self.over:
                return True
            if self.present:
                (winner,) = self.present
                self.model.forfeit(self.model.opponent_of(winner))
            else:
                self.break_off("abandoned")
            return False

    def break_off(self, reason: str) -> None:
        """End the game without a winner, if it is not over."""
        with self._lock:
            if self.model is not None and not self.over:
                self.model.break_off(reason)

    # --- with the lock held -------------------------------------------------------------------------

    def _controller_of(self, seat: Seat) -> GameController | None:
        held = (other for other in self._controllers if other.seat is not None and other.player == seat.player)
        return next(held, None)

    def _take_seat(self, seat: Seat, was_away: bool) -> None:
        """Tell the others that a player is here, if that is news."""
        if not self.over and was_away:
            self._changed_at = self._clock()
        if not seat.has_come:
            seat.has_come = True
            self._publish(protocol.PlayerSeated(player=seat.player, seat=self.seats.index(seat)))
        elif was_away:
            self._publish(protocol.PlayerReturned(player=seat.player))

    def _ends_at(self) -> float | None:
        """When a wait is over, if nobody comes or leaves before."""
        if self.over:
            return self._changed_at + self._patience.keep_seconds
        if not self.present:
            return self._changed_at + self._patience.abandon_seconds
        if self.model is not None and len(self.present) == 1:
            return self._changed_at + self._patience.forfeit_seconds
        return None

    @property
    def _travel_seconds(self) -> float:
        """No player gets more time than one who has lost the connection."""
        patience = self._patience
        return min(patience.travel_seconds, patience.forfeit_seconds, patience.abandon_seconds)

    def _give_travellers_up(self) -> None:
        """Who has not come in time is gone since the game came here."""
        travellers, self._travellers = self._travellers, set()
        until = self._ends_at() or self._clock()
        for seat in self.seats:
            if seat.player in travellers:
                self._publish(protocol.PlayerGone(player=seat.player, until=until))

    def _remove(self, controller: GameController) -> None:
        self._controllers.remove(controller)
        self.publisher.unsubscribe(controller)

    def _publish(self, event: protocol.AnyEvent) -> None:
        now = self._clock()
        if isinstance(event, GameEnded):
            self._changed_at = now
        self.publisher.publish(event, now)
