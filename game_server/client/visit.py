"""One game as the player's client sees it. Plain state: no connection, no terminal."""

from game_server import protocol
from game_server.model import FourInARow, GameBegan, GameEnded, PieceDropped


class Visit:
    """A player's visit to one game: from the ticket to the game's end, over as many connections as it takes.

    Args:
        number: of this visit, in this client; another one after each move.
        server_id: of the game server.
        address: of the game server.
        port: of the game server.
        game_id: what the ticket is for; once there is a seat, the game that it is in.
        ticket: good once.

    Attributes:
        resume_key: what a new connection shows instead of the ticket; empty before the first `Joined`.
        me: this player's name, as the game server says it.
        game: the model; None while the second player is not known.
        players: in the order of their seats.
        present: those who are connected.
        last: the last event, if it was seen to happen.
        unanswered: the commands that were sent and have no response yet, the oldest first.
        moving: whether the game goes on at another game server, and the player is on the way there.
    """

    def __init__(self, number: int, server_id: str, address: str, port: int, game_id: str, ticket: str) -> None:
        self.number = number
        self.server_id = server_id
        self.address = address
        self.port = port
        self.game_id = game_id
        self.ticket = ticket
        self.resume_key = ""
        self.me = ""
        self.game: FourInARow | None = None
        self.players: list[str] = []
        self.present: list[str] = []
        self.begun = False
        self.last: protocol.AnyEvent | None = None
        self.unanswered: list[protocol.Drop | protocol.Resign | protocol.Events] = []
        self.moving = False
        self._sequence = 0

    @property
    def over(self) -> bool:
        return self.game is not None and self.game.over

    @property
    def my_turn(self) -> bool:
        return self.game is not None and self.begun and self.game.turn == self.me

    @property
    def opponent(self) -> str:
        """The other player's name; empty while nobody knows it."""
        return next((player for player in self.players if player != self.me), "")

    @property
    def next_sequence(self) -> int:
        """The number of the next event."""
        return self._sequence + 1

    def joined(self, message: protocol.Joined) -> None:
        """A seat was taken, for the first time or again: this is how the game stands."""
        state = message.state
        self.game_id = message.game_id
        self.resume_key = message.resume_key
        self.me = message.player
        self.game = state.game
        self.players = state.players
        self.present = state.present
        self.begun = state.begun
        self.last = None
        self.moving = False
        self._sequence = state.sequence

    def apply(self, event: protocol.GameEvent) -> bool:
        """Let an event happen here too.

        Returns:
            Whether it was the next one; any other changes nothing.

        Raises:
            IllegalMove: the server tells of a move that the rules do not allow.
            ValueError: the server tells of a game that cannot be.
        """
        if event.sequence != self.next_sequence:
            return False
        self._sequence = event.sequence
        self.last = event.event
        match event.event:
            case protocol.PlayerSeated(player=player):
                if player not in self.players:
                    self.players.append(player)
                self._is_here(player)
            case protocol.PlayerReturned(player=player):
                self._is_here(player)
            case protocol.PlayerGone(player=player):
                self.present = [other for other in self.present if other != player]
            case GameBegan(players=players, beginner=beginner) as began:
                self.begun = True
                self.players = list(players)
                self.game, _ = FourInARow.begin(self.players, beginner, (began.width, began.height))
            case PieceDropped(player=player, column=column) if self.game is not None:
                self.game.drop(player, column)
            case GameEnded() as ended if self.game is not None:
                self.game.winner, self.game.reason, self.game.line = ended.winner, ended.reason, ended.line
        return True

    def _is_here(self, player: str) -> None:
        if player not in self.present:
            self.present.append(player)
