"""What is said between a player and the game server.

A player opens a WebSocket to `ws://ADDRESS:PORT/GAME_ID`. The last segment of the path is the game's id: the match's id
for a ticket of a match, `*` (`ANY_GAME`) for a ticket without one. The proof of who comes goes with it:

* `?token=TICKET`, or the header `Authorization: Bearer TICKET`; a seat, with which a player comes back, does as well;
* `?resume=RESUME_KEY` after a lost connection, with the game id and the key that `Joined` brought; it goes before a
  ticket that is there too, and one that is not good is answered with a close (`CloseCode.NOT_LET_IN`), which web pages
  are told of;
* on a server that checks nobody (`ENABLE_AUTH=false`): `?player=NAME`, or nothing to be called `guest-N`.

Who else is not let in is told so before the upgrade, by an HTTP status: 400 (no game id), 401 (no ticket, or not a
good one), 403 (the game is not this player's), 503 (not ready, or full); the body is `CODE: reason`. The sub-protocol
`four-in-a-row.v1` may be offered.

Each message is one JSON object in a text frame. The first one comes from the server: `Joined`, which says how the game
stands; every event of the game follows by itself as a `GameEvent`. A player's commands have their name as `"command"`
and, if the player wants to tell answers apart, an `"id"`. Each command has exactly one `Response`, in the order of the
commands and after the events that it caused: `"status"` is `"ok"`, or `"error"` with the `error`; `command` and `id`
are those of the command, and an `id` or `error` or `state` that there is not is left out. A frame that is no command
(binary, not JSON, of an unknown name, out of bounds) is answered with an error too, with an empty `command` if it has
none that can be read, and the connection stays.

The connection ends with one of the codes of `CloseCode`, or of RFC 6455, section 7.4.1: 1001 when the server stops,
1002 and 1007 and 1009 for what is no WebSocket message that is taken here.
"""

from enum import IntEnum
from typing import Annotated, Literal

from msgspec import Meta, Struct

from connhandler.jsonmessage import ShuttingDown
from connhandler.messages import Message
from game_server.model import Event, FourInARow, GameBegan, GameEnded, PieceDropped
from game_server.model.events import Name

PLAYER_PORT = 10020
SUBPROTOCOL = "four-in-a-row.v1"
VERSION = "1"
"""Of this protocol, as the list of servers shows it."""

GAME = "four_in_a_row"
"""The name of this game: what a player asks the login server for."""

ANY_GAME = "*"
"""The game id in the ticket of a player who joined the server without a match."""

Id = Annotated[str, Meta(max_length=128)]
Key = Annotated[str, Meta(max_length=128)]
CommandId = Annotated[str, Meta(max_length=64)] | Annotated[int, Meta(ge=-(2**53), le=2**53)]
Seat = Annotated[int, Meta(ge=0, le=1)]
Sequence = Annotated[int, Meta(ge=0, le=1_000_000)]
UnixTime = Annotated[float, Meta(ge=0, le=1e12)]


class CloseCode(IntEnum):
    """Why the server ends a connection, where RFC 6455 has no code for it; the reason in words comes along."""

    REPLACED = 4001
    """The same player has come with another connection."""
    GAME_CLOSED = 4002
    """The game is over, and was kept long enough."""
    NOT_LET_IN = 4003
    """There is no seat for the resume key any more; or what was true before the upgrade is so no more: the server is
    full or stops."""
    MOVED = 4004
    """The game goes on elsewhere: `Moved` came before, and the connection was not closed by the player."""
    KICKED = 4005
    """Who runs the server has sent the player away."""


# --- events that are not the model's: who is there --------------------------------------------------


class PlayerSeated(Event, frozen=True, tag="player_seated"):
    """A player has come for the first time."""

    player: Name
    seat: Seat


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


class Command(Message, tag_field="command", kw_only=True, omit_defaults=True):
    """Base of what a player wants. Each has one `Response`, which brings the `id` back."""

    id: CommandId | None = None


class Drop(Command):
    """Drop a piece into a column, the left one is 0.

    The bounds are wider than the board, so that a wrong column gets the answer of the game's rules.
    """

    column: Annotated[int, Meta(ge=-100, le=100)]


class Resign(Command):
    """Give the game up."""


class Events(Command):
    """Ask for all events from this number on: a `GameEvent` for each that there is, then the `Response`."""

    from_sequence: Annotated[int, Meta(ge=1, le=1_000_000)]


class State(Command):
    """Ask how the game stands: the `Response` has it as its `state`."""


# --- game server to players -------------------------------------------------------------------------


class Joined(Message):
    """The first message of every connection; the events after `state.sequence` follow by themselves.

    `resume_key` is a secret of this player for this game: whoever shows it within the time that a game waits for a
    lost player gets the seat back. Who only watches has no `seat` (None), and no key (empty).
    """

    game_id: Id
    player: Name
    seat: Seat | None
    state: GameState
    resume_key: Key


class GameEvent(Message):
    """Something has happened. The numbers of a game's events begin at 1 and have no gaps."""

    sequence: Sequence
    at: UnixTime
    event: AnyEvent


class Problem(Struct):
    """Why a command was not carried out: `code` is for programs, `message` for people."""

    code: Annotated[str, Meta(max_length=64)]
    message: Annotated[str, Meta(max_length=1024)]


class Response(Message, kw_only=True, omit_defaults=True):
    """The answer to one command."""

    status: Literal["ok", "error"]
    command: Annotated[str, Meta(max_length=64)]
    id: CommandId | None = None
    error: Problem | None = None
    state: GameState | None = None


class Moved(Message):
    """The game goes on in another process: connect to `address` and `port` with `game_id` and `resume_key`, as after a
    lost connection, and close this one. The key of who has no seat is good once.

    Nothing comes after it. Commands that have no `Response` yet were not carried out and never will be: send them
    again there, after `Joined`.
    """

    address: Name
    port: Annotated[int, Meta(ge=1, le=65535)]
    game_id: Id
    resume_key: Key


class Notice(Message):
    """Who runs the server tells all players something."""

    text: Annotated[str, Meta(max_length=1024)]


FromPlayer = Drop | Resign | Events | State
ToPlayer = Joined | GameEvent | Response | Moved | Notice | ShuttingDown
