"""What is said between a player and the game server on its port.

Every message is a JSON object with a `"type"`, in 16-bit chunks (`connhandler.tcpmessage`). A connection begins with
the player's `Hello` and the server's `Welcome`; then the player shows a ticket (`JoinGame`) or, after a lost
connection, the resume key that the first `Joined` brought (`Resume`). From then on the server sends every event of
the game as a `GameEvent`. A wrong move is answered with `Refused` and the connection stays; a ticket or resume key
that is not accepted is answered with `Refused` and the connection ends.
"""

from typing import Annotated

from msgspec import Meta, Struct

from connhandler.jsonmessage import Hello, Ping, Pong, Refused, ShuttingDown, Welcome
from connhandler.messages import Message
from game_server.model import Event, FourInARow, GameBegan, GameEnded, PieceDropped
from game_server.model.events import Name

VERSIONS = (1,)
PLAYER_PORT = 10020

GAME = "four_in_a_row"
"""The name of this game: what a player asks the login server for."""

ANY_GAME = "*"
"""The game id in the ticket of a player who joined the server without a match."""

Id = Annotated[str, Meta(max_length=128)]
Key = Annotated[str, Meta(min_length=1, max_length=128)]
Ticket = Annotated[str, Meta(min_length=1, max_length=8192)]
Sequence = Annotated[int, Meta(ge=0, le=1_000_000)]
UnixTime = Annotated[float, Meta(ge=0, le=1e12)]


# --- events that are not the model's: who is there --------------------------------------------------


class PlayerSeated(Event, frozen=True, tag="player_seated"):
    """A player has come for the first time."""

    player: Name
    seat: Annotated[int, Meta(ge=0, le=1)]


class PlayerGone(Event, frozen=True, tag="player_gone"):
    """A player's connection is lost; whoever is not back `until` then (Unix time) loses the game."""

    player: Name
    until: UnixTime


class PlayerReturned(Event, frozen=True, tag="player_returned"):
    player: Name


AnyEvent = PlayerSeated | PlayerGone | PlayerReturned | GameBegan | PieceDropped | GameEnded


class GameState(Struct):
    """A game as it stands after event number `sequence`."""

    sequence: Sequence
    players: Annotated[list[Name], Meta(max_length=2)]
    """In the order of their seats."""
    present: Annotated[list[Name], Meta(max_length=2)]
    """Those of them who are connected."""
    begun: bool
    game: FourInARow | None
    """The model; None while it is not known yet who the second player will be."""


# --- players to game server -------------------------------------------------------------------------


class JoinGame(Message):
    """Take the seat that a ticket is for. Answer: `Joined`, or `Refused` and the end of the connection."""

    ticket: Ticket


class Resume(Message):
    """Take back the seat of a lost connection. Answer: `Joined`, or `Refused` and the end of the connection."""

    resume_key: Key


class Drop(Message):
    """Drop a piece into a column from 0 to 6. Answer: the event, or `Refused`.

    The bounds are wider than the board, so that a wrong column gets a clear answer and not the end of the connection.
    """

    column: Annotated[int, Meta(ge=-100, le=100)]


class Resign(Message):
    """Give the game up. Answer: the event, or `Refused`."""


class Events(Message):
    """Ask for all events from this number on. Answer: those that there are, or `Refused` if some are gone."""

    from_sequence: Annotated[int, Meta(ge=1, le=1_000_000)]


# --- game server to players -------------------------------------------------------------------------


class Joined(Message):
    """A seat was taken; the events after `state.sequence` follow by themselves.

    `resume_key` is a secret of this player for this game: whoever shows it within the time that a game waits for a
    lost player gets the seat back.
    """

    game_id: Id
    player: Name
    seat: Annotated[int, Meta(ge=0, le=1)]
    state: GameState
    resume_key: Key


class GameEvent(Message):
    """Something has happened. The numbers of a game's events begin at 1 and have no gaps."""

    sequence: Sequence
    at: UnixTime
    event: AnyEvent


FromPlayer = Hello | Pong | JoinGame | Resume | Drop | Resign | Events
ToPlayer = Welcome | Ping | Refused | ShuttingDown | Joined | GameEvent
