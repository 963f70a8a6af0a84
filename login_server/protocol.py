"""What is said to the login server: by players (TCP 9000, or WebSocket at `/players` on 9080) and launchers (TCP 9001).

Every message is a JSON object with a `"type"`: on TCP in 16-bit chunks (`connhandler.tcpmessage`), on WebSocket in a
text frame. Every connection begins with the far end's `Hello` and the login server's `Welcome`. Text and numbers
carry bounds here, so that decoding refuses what is out of them; what a *name* or a *password* must look like is
decided, with a clear answer, by `accounts.py`.
"""

from typing import Annotated

from msgspec import Meta, Struct

from connhandler.jsonmessage import Hello, Ping, Pong, Refused, ShuttingDown, Welcome
from connhandler.messages import Message

VERSIONS = (1, 2)
"""The protocol versions that this program speaks with launchers. Who speaks version 2 is also told of seats, of
day passes that are void and of players who want into a server that sleeps."""

PLAYER_VERSIONS = (1, 2, 3)
"""Those that it speaks with players. Who speaks version 2 is also told, without having asked, what `PlayerNews` holds:
an old client would take that for a mistake of the login server. Who speaks version 3 is also told of votes
and of servers that are being woken."""

PLAYER_PORT = 9000
LAUNCHER_PORT = 9001
HTTP_PORT = 9080
PLAYERS_PATH = "/players"
"""Where on the HTTP port browsers open their WebSocket."""

Text = Annotated[str, Meta(max_length=128)]
LongText = Annotated[str, Meta(max_length=1024)]
Password = Annotated[str, Meta(max_length=4096)]
"""Longer than any password may be, so that one that is a little too long is told so instead of not understood."""
TicketText = Annotated[str, Meta(max_length=4096)]
Pem = Annotated[str, Meta(max_length=4096)]
Port = Annotated[int, Meta(ge=0, le=65535)]
Count = Annotated[int, Meta(ge=0, le=1_000_000)]
MatchPlayers = Annotated[int, Meta(ge=2, le=16)]
Names = Annotated[list[Text], Meta(max_length=64)]
Seconds = Annotated[float, Meta(ge=0, le=1e12)]
Counts = Annotated[dict[Text, Count], Meta(max_length=64)]
MAX_REVOKED = 10_000
"""Players whose day passes are void, in one message: the latest."""
Revoked = Annotated[dict[Text, Seconds], Meta(max_length=MAX_REVOKED)]


class ServerInfo(Struct):
    """One game server, as players see it.

    `server_id` is `LAUNCHER/NAME`. `address` and `port` are where players connect; `ping_address` is
    `HOST:PORT` to measure the round trip to. `state` is `starting`, `ready`, `stopping` or `sleeping`: one that sleeps
    wakes when somebody wants in, at once if it has a port; without one, it has no process. `match_players` is how many
    players a match there has. `names` are the players who are there, where the launcher knows them; `maps` those that
    may be voted for.
    """

    server_id: Text
    name: Text
    game: Text
    map: Text
    players: Count
    capacity: Count
    region: Text
    address: Text
    port: Port
    ping_address: Text
    version: Text
    state: Text = "ready"
    match_players: MatchPlayers = 2
    names: Names = []
    maps: Names = []


class MatchResult(Struct):
    """How a match ended: `winner` is empty for a draw or a match without result."""

    winner: Text
    scores: dict[Text, int]
    reason: Text
    """`won`, `draw`, `resigned`, `abandoned`, …"""
    ended_at: Seconds
    """Unix time."""
    turns: Count = 0


# --- players to login server ------------------------------------------------------------------------


class Register(Message):
    """Create an account. Answer: `Registered` or `Refused`."""

    name: Text
    password: Password


class LogIn(Message):
    """Answer: `LoggedIn` and then `ServerList`, or `Refused`."""

    name: Text
    password: Password


class ChangePassword(Message):
    """Answer: `PasswordChanged` or `Refused`. Only when logged in."""

    old_password: Password
    new_password: Password


class JoinServer(Message):
    """Ask for a ticket to one server. Answer: `JoinGranted` or `Refused`; before that, while the server is being woken,
    `JoinPending`. Only when logged in."""

    server_id: Text


class FindMatch(Message):
    """Ask for a match. Answer: `MatchPending`, later `MatchFound`; or `Refused`. Only when logged in.

    First come, first served among those who ask for the same game and number of players, which must be one that a
    server of the game has matches of, if any server of the game is known. With `partner` named, a match of two with
    that player alone, who must name this player too.
    """

    game: Text
    players: MatchPlayers = 2
    partner: Text = ""


class CancelMatch(Message):
    """Stop waiting for a match. Answer: `MatchCancelled`, or `Refused` when not waiting."""


class VoteMap(Message):
    """Vote for the next map of a server that one plays on. Answer: `MapVote`, or `Refused`. Only when logged in."""

    server_id: Text
    map: Text


# --- login server to players ------------------------------------------------------------------------


class Registered(Message):
    name: Text


class LoggedIn(Message):
    """`day_pass` lets the player in at a launcher's door, while the login server is away."""

    name: Text
    day_pass: TicketText = ""
    day_pass_expires_at: Seconds = 0.0


class PasswordChanged(Message):
    """Earlier day passes are void; this one is not."""

    day_pass: TicketText = ""
    day_pass_expires_at: Seconds = 0.0


class ServerList(Message):
    """All servers; sent once after `LoggedIn`."""

    servers: list[ServerInfo]


class ServersChanged(Message):
    """What has changed in the list since the last `ServerList` or `ServersChanged`."""

    changed: list[ServerInfo]
    removed: list[Text]


class JoinGranted(Message):
    """A single-use ticket to a server, and where that server is.

    `match_id` is the match there that the player belongs to and the ticket is for; empty when there is none. With the
    `seat`, the player may come back as often as needed until it expires.
    """

    server_id: Text
    address: Text
    port: Port
    ticket: TicketText
    expires_at: Seconds
    match_id: Text = ""
    seat: TicketText = ""
    seat_expires_at: Seconds = 0.0


class MatchPending(Message):
    """Waiting: so many of the wanted `players` are here. `reason` is empty or why the match cannot start yet."""

    game: Text
    players: Count
    waiting: Count
    reason: Text = ""


class MatchFound(Message):
    """A match, and this player's single-use ticket to it; and the `seat` in it, which is good until it expires."""

    match_id: Text
    game: Text
    players: Names
    server_id: Text
    address: Text
    port: Port
    ticket: TicketText
    expires_at: Seconds
    seat: TicketText = ""
    seat_expires_at: Seconds = 0.0


class MatchCancelled(Message):
    reason: Text


# The next ones come from version 2 on.


class MatchRunning(Message):
    """A match of this player goes on without the player, who may come back with `JoinServer`."""

    match_id: Text
    game: Text
    players: Names
    server_id: Text


class MatchOver(Message):
    """A match that was told of with `MatchRunning` goes on no more."""

    match_id: Text


class MatchRequest(Struct):
    """Somebody who waits for a match with the player who is told."""

    player: Text
    game: Text


class MatchRequests(Message):
    """All who wait for a match with this player, whenever that has changed. `FindMatch` with one as the `partner` is
    the way to say yes."""

    requests: Annotated[list[MatchRequest], Meta(max_length=64)]


# The next ones come from version 3 on.


class MapVote(Message):
    """How a vote for the next map stands: the `votes` for each map, and how many are `needed` until `ends_at`.

    `outcome` is empty while it goes on, and says what came of it when it has ended.
    """

    server_id: Text
    votes: Counts
    needed: Count
    ends_at: Seconds
    outcome: LongText = ""


class JoinPending(Message):
    """The server that was asked for sleeps, and is being woken. Sent again when there is more to tell; `JoinGranted` or
    `Refused` follows within a minute."""

    server_id: Text
    reason: LongText


# --- launchers to login server ----------------------------------------------------------------------


class LauncherLogIn(Message):
    """Show the key that `login-server launcher add NAME` printed. Answer: `LauncherAccepted` or `Refused`."""

    name: Text
    key: LongText


class RegisterServer(Message):
    """A server that players may see. The `server_id` must begin with the launcher's name and a slash."""

    server: ServerInfo


class UpdateServer(Message):
    """The server's whole new description."""

    server: ServerInfo


class UnregisterServer(Message):
    server_id: Text


class MapVoteChanged(Message):
    """How a vote for a server's next map stands, for these players. From version 2 on."""

    server_id: Text
    players: Names
    votes: Counts
    needed: Count
    ends_at: Seconds
    outcome: LongText = ""


class MapVoteRefused(Message):
    """A player's vote does not count. From version 2 on."""

    player: Text
    reason: LongText


class WakeProgress(Message):
    """How far a server is on its way to being ready, in words, where players may wait for that. From version 2 on."""

    server_id: Text
    text: LongText


# The next ones tell what happens in a match. A game controller sends them to its launcher with an empty
# `server_id`, which the launcher fills in before it forwards them here.


class MapChanged(Message):
    map: Text
    server_id: Text = ""


class MatchStarted(Message):
    match_id: Text
    players: Names
    server_id: Text = ""


class PlayerJoined(Message):
    match_id: Text
    player: Text
    server_id: Text = ""


class PlayerLeft(Message):
    match_id: Text
    player: Text
    server_id: Text = ""


class TeamsChanged(Message):
    """Players by team name."""

    match_id: Text
    teams: dict[Text, Names]
    server_id: Text = ""


class ScoreChanged(Message):
    """Score by player or team name."""

    match_id: Text
    scores: dict[Text, int]
    server_id: Text = ""


class MatchTimeChanged(Message):
    match_id: Text
    elapsed_seconds: Seconds
    server_id: Text = ""


class MatchEnded(Message):
    """Sent again until it is answered with `MatchRecorded`; recorded once however often it is sent."""

    match_id: Text
    players: Names
    result: MatchResult
    server_id: Text = ""


# --- login server to launchers ----------------------------------------------------------------------


class LauncherAccepted(Message):
    """`public_key` (PEM) is what tickets are checked with; `issuer` is their `iss`."""

    name: Text
    issuer: Text
    public_key: Pem


class PlayersExpected(Message):
    """Tickets were given out: these players may come to this match. The launcher forwards it to the controller."""

    server_id: Text
    match_id: Text
    players: Names
    expires_at: Seconds


class SeatReserved(Message):
    """A ticket was given out: this player may come, from this address, and again until `expires_at`. From version 2 on.

    `address` is the IP address that the player is connected to the login server from; `game_id` the match, or `*`.
    """

    server_id: Text
    player: Text
    address: Text
    game_id: Text
    expires_at: Seconds


class PassesRevoked(Message):
    """By player, before when (Unix time) day passes were issued that are void. From version 2 on.

    All that matter when it is the `whole` list, sent once after `LauncherAccepted`; else what has changed.
    """

    revoked: Revoked
    whole: bool


class MapVoteCast(Message):
    """A player wants this map. Answer: `MapVoteChanged` or `MapVoteRefused`. From version 2 on."""

    server_id: Text
    player: Text
    map: Text


class WakeServer(Message):
    """Somebody wants into a server that sleeps. `WakeProgress` tells how far it is, `UpdateServer` that it is ready.
    From version 2 on."""

    server_id: Text


class MatchRecorded(Message):
    match_id: Text


FromPlayer = Hello | Pong | Register | LogIn | ChangePassword | JoinServer | FindMatch | CancelMatch | VoteMap
PlayerNews = MatchRunning | MatchOver | MatchRequests
ToPlayer = (
    Welcome
    | Ping
    | Refused
    | ShuttingDown
    | Registered
    | LoggedIn
    | PasswordChanged
    | ServerList
    | ServersChanged
    | JoinGranted
    | MatchPending
    | MatchFound
    | MatchCancelled
    | PlayerNews
    | MapVote
    | JoinPending
)
MatchFact = (
    MapChanged | MatchStarted | PlayerJoined | PlayerLeft | TeamsChanged | ScoreChanged | MatchTimeChanged | MatchEnded
)
FromLauncher = (
    Hello
    | Pong
    | LauncherLogIn
    | RegisterServer
    | UpdateServer
    | UnregisterServer
    | MapVoteChanged
    | MapVoteRefused
    | WakeProgress
    | MatchFact
)
ToLauncher = (
    Welcome
    | Ping
    | Refused
    | ShuttingDown
    | LauncherAccepted
    | PlayersExpected
    | SeatReserved
    | PassesRevoked
    | MapVoteCast
    | WakeServer
    | MatchRecorded
)
