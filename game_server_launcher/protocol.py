"""What is said between a launcher and the game controller inside each game process it runs (127.0.0.1:9002).

Every message is a JSON object with a `"type"`, in 16-bit chunks. A connection begins with the controller's
`Hello`, the launcher's `Welcome` and the controller's `ControllerLogIn`. The facts about matches are those of
`login_server.protocol`, with `server_id` left empty: the launcher fills it in.
"""

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
)

VERSIONS = (1,)
CONTROLLER_PORT = 9002

__all__ = [
    "CONTROLLER_PORT",
    "VERSIONS",
    "ControllerAccepted",
    "ControllerLogIn",
    "FromController",
    "IssuerChanged",
    "MatchEnded",
    "MatchFact",
    "MatchRecorded",
    "PlayerCountChanged",
    "PlayersExpected",
    "ServerReady",
    "StopServer",
    "TicketUsed",
    "ToController",
]


# --- controllers to launcher ------------------------------------------------------------------------


class ControllerLogIn(Message):
    """`server` and `token` are the ones the launcher gave to the process it started (`{server}`, `{token}`)."""

    server: Text
    token: LongText
    pid: Count


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


# --- launcher to controllers ------------------------------------------------------------------------


class ControllerAccepted(Message):
    """`public_key` (PEM) and `issuer` are empty until the login server has been reached once."""

    server_id: Text
    issuer: Text
    public_key: Pem
    used_tickets: list[TicketUsed]


class IssuerChanged(Message):
    issuer: Text
    public_key: Pem


class StopServer(Message):
    """Let no one in, tell the players, and end within `grace_seconds`."""

    grace_seconds: Seconds


FromController = Hello | Pong | ControllerLogIn | ServerReady | PlayerCountChanged | TicketUsed | MatchFact
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
)
