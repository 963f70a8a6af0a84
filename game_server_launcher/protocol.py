"""What is said between a launcher and the game controller inside each game process it runs (127.0.0.1:9002).

Every message is a JSON object with a `"type"`, in 16-bit chunks. A connection begins with the controller's
`Hello`, the launcher's `Welcome` and the controller's `ControllerLogIn`. The facts about matches are those of
`login_server.protocol`, with `server_id` left empty: the launcher fills it in.
"""

from typing import Annotated

from msgspec import Meta, Struct

from connhandler.jsonmessage import Hello, Ping, Pong, Refused, ShuttingDown, Welcome
from connhandler.messages import Message
from login_server.protocol import (
    Count,
    LongText,
    MatchEnded,
    MatchFact,
    MatchRecorded,
    Pem,
    PlayersExpected,
    Port,
    Seconds,
    Text,
    TicketText,
)

VERSIONS = (1,)
CONTROLLER_PORT = 9002
DOOR_PORT = 9003
"""Where a launcher's door is by custom: it has none unless it is told a port."""

MAX_PART_LENGTH = 256 * 1024
"""Of a part of a context, in characters."""

MAX_CONTEXT_LENGTH = 64 * 1024 * 1024
"""Of all parts of a context together, in characters."""

Part = Annotated[int, Meta(ge=1, le=100_000)]
PartText = Annotated[str, Meta(max_length=MAX_PART_LENGTH)]

__all__ = [
    "CONTROLLER_PORT",
    "DOOR_PORT",
    "MAX_CONTEXT_LENGTH",
    "MAX_PART_LENGTH",
    "VERSIONS",
    "CancelHandOver",
    "ControllerAccepted",
    "ControllerLogIn",
    "DoorJoin",
    "DoorRefused",
    "DoorSeat",
    "FromController",
    "HandOver",
    "HandOverContext",
    "HandOverFailed",
    "IssuerChanged",
    "KickPlayer",
    "MatchEnded",
    "MatchFact",
    "MatchRecorded",
    "MovePlayers",
    "PlayerCountChanged",
    "PlayersExpected",
    "PlayersMoved",
    "Say",
    "ServerReady",
    "StopServer",
    "TakeOver",
    "TakeOverFailed",
    "TicketUsed",
    "ToController",
    "TookOver",
]


# --- controllers to launcher ------------------------------------------------------------------------


class ControllerLogIn(Message):
    """`server` and `token` are the ones the launcher gave to the process it started (`{server}`, `{token}`)."""

    server: Text
    token: LongText
    pid: Count
    handed_over: bool = False
    """It has been told `MovePlayers`: its games are a successor's."""


class ServerReady(Message):
    """The server takes players on `port` now. `capacity` 0 leaves what the launcher's file says."""

    port: Port
    version: Text = ""
    map: Text = ""
    capacity: Count = 0


class PlayerCountChanged(Message):
    players: Count


class TicketUsed(Message):
    """A ticket was taken. The launcher remembers it until it expires and tells a restarted game process."""

    ticket_id: Text
    expires_at: Seconds


class HandOverContext(Message):
    """A part of what a successor needs in order to go on with this server's games; `data` is the game's own affair."""

    part: Part
    last: bool
    data: PartText


class HandOverFailed(Message):
    """Nothing is handed over, and this server goes on as before: the answer to `HandOver` or `MovePlayers`, or word
    that it has waited for too long for what comes after `HandOver`."""

    reason: LongText


class PlayersMoved(Message):
    """All players have gone to the successor, or were given up: this server can be stopped."""


class TookOver(Message):
    """The context is whole, and the games go on here as soon as their players come."""


class TakeOverFailed(Message):
    """The context cannot be taken: nothing of it is here."""

    reason: LongText


# --- launcher to controllers ------------------------------------------------------------------------


class ControllerAccepted(Message):
    """`public_key` (PEM) and `issuer` are empty until the login server has been reached once. `seat_key` (PEM) and
    `seat_issuer` are those of the seats that the launcher itself gives away."""

    server_id: Text
    issuer: Text
    public_key: Pem
    used_tickets: list[TicketUsed]
    seat_key: Pem = ""
    seat_issuer: Text = ""


class IssuerChanged(Message):
    issuer: Text
    public_key: Pem


class StopServer(Message):
    """Let no one in, tell the players, and end within `grace_seconds`."""

    grace_seconds: Seconds


class HandOver(Message):
    """Stand still, and tell with `HandOverContext` what a successor needs."""


class CancelHandOver(Message):
    """Go on: there is no successor."""


class MovePlayers(Message):
    """The successor has taken over: send all players to it."""

    address: Text
    port: Annotated[int, Meta(ge=1, le=65535)]


class TakeOver(Message):
    """A part of the predecessor's context, as it came."""

    part: Part
    last: bool
    data: PartText


class Say(Message):
    """Show a text to all players."""

    text: LongText


class KickPlayer(Message):
    """End every connection of a player, who is told the reason; it may be empty."""

    player: Text
    reason: LongText = ""


FromController = (
    Hello
    | Pong
    | ControllerLogIn
    | ServerReady
    | PlayerCountChanged
    | TicketUsed
    | MatchFact
    | HandOverContext
    | HandOverFailed
    | PlayersMoved
    | TookOver
    | TakeOverFailed
)
ToController = (
    Welcome
    | Ping
    | Refused
    | ShuttingDown
    | ControllerAccepted
    | IssuerChanged
    | PlayersExpected
    | MatchRecorded
    | StopServer
    | HandOver
    | CancelHandOver
    | MovePlayers
    | TakeOver
    | Say
    | KickPlayer
)


# --- players at the door, over HTTP -----------------------------------------------------------------


class DoorJoin(Struct):
    """The body of `POST /join`: a day pass, and the name or id of a server."""

    day_pass: TicketText
    server: Text


class DoorSeat(Struct):
    """The answer: where the server is, and what lets the player in there until it expires.

    `match_id` is the match there that the player belongs to; empty when there is none.
    """

    server_id: Text
    address: Text
    port: Port
    seat: TicketText
    seat_expires_at: Seconds
    match_id: Text = ""


class DoorRefused(Struct):
    """Or why not, with an HTTP status of its own: `code` is for programs, `message` for people."""

    code: Text
    message: LongText
