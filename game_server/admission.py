"""Who comes, and to which game: what a player's request to connect says. Pure: a request in, an admission out."""

from msgspec import Struct

from connhandler.framing.httprequest import HttpRequest
from game_server.protocol import ANY_GAME
from login_server.tickets import Ticket

MAX_LENGTH = 128
"""Of a game's id and of a player's name, in characters."""


class Denial(Exception):
    """A player is not let in.

    Attributes:
        code: for programs.
        status: the HTTP status that says so, unless it is found out after the upgrade.
    """

    def __init__(self, code: str, message: str, status: int) -> None:
        super().__init__(message)
        self.code = code
        self.status = status

    def __str__(self) -> str:
        return f"{self.code}: {self.args[0]}"


class Admission(Struct, frozen=True):
    """A player who may come to a game.

    Attributes:
        player: the player's name.
        game_id: the game, or `ANY_GAME` for the player's own open one, else the first that lacks a player.
        players: who have the seats; None if they are for whoever comes first.
        returning: with a seat, which leads to a match that goes on and never begins one.
        resume_key: not checked yet, and says who the player is; empty for who comes with something else.
    """

    player: str
    game_id: str
    players: list[str] | None = None
    returning: bool = False
    resume_key: str = ""


class Presented(Struct, frozen=True):
    """What a request shows, not checked yet; empty for what it does not show."""

    game_id: str
    token: str
    resume_key: str
    name: str


def read_request(request: HttpRequest) -> Presented:
    """Take a player's request apart.

    Raises:
        Denial: it names no game.
    """
    game_id = request.path.rpartition("/")[2]
    if not 0 < len(game_id) <= MAX_LENGTH:
        raise Denial("no_game_id", f"the path must end with the id of a game, of up to {MAX_LENGTH} characters", 400)
    scheme, _, credentials = request.headers.get("authorization", "").partition(" ")
    bearer = credentials.strip() if scheme.lower() == "bearer" else ""
    query = request.query
    return Presented(game_id, bearer or query.get("token", ""), query.get("resume", ""), query.get("player", ""))


def admit_with_ticket(ticket: Ticket) -> Admission:
    """The admission that a valid ticket is.

    Raises:
        Denial: nobody can be called as one of its players is: other issuers of tokens may have other rules.
    """
    for name in ticket.players:
        _check_name(name, 401)
    if ticket.game_id == ANY_GAME:
        return Admission(ticket.player, ANY_GAME)
    return Admission(ticket.player, ticket.game_id, ticket.players, returning=not ticket.once)


def admit_by_name(presented: Presented, number: int) -> Admission:
    """The admission of somebody whom nobody checks.

    Args:
        presented: may have a name.
        number: makes a name for who has none.

    Raises:
        Denial: nobody can be called that.
    """
    name = presented.name or f"guest-{number}"
    _check_name(name, 400)
    return Admission(name, presented.game_id)


def _check_name(name: str, status: int) -> None:
    """A name goes into log lines and terminals, so nothing in it may be a command to them.

    Raises:
        Denial: nobody can be called that.
    """
    if len(name) > MAX_LENGTH or not name.isprintable() or name.isspace():
        raise Denial("name_invalid", f"a name has up to {MAX_LENGTH} characters that can be seen", status)
