"""What shows a player what happens. The client calls it; it calls the client's wishes (`PlayClient.find_match`, …)."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from game_server.client.visit import Visit
from login_server.protocol import JoinPending, MapVote, MatchPending, MatchRequest, MatchRunning, ServerInfo

if TYPE_CHECKING:
    from game_server.client.playclient import PlayClient


class View:
    """Shows nothing. Subclasses override what they want to show. All methods return at once.

    Attributes:
        client: set by the client before anything else is called.
    """

    client: "PlayClient"

    def started(self) -> None:
        """The client has begun to run."""

    def said(self, text: str) -> None:
        """Something to know, in a sentence."""

    def troubled(self, text: str) -> None:
        """Something went wrong, in a sentence; the client goes on."""

    def shut_out(self, text: str) -> None:
        """While the login server does not answer, there is no other way in either; the text says why."""
        self.troubled(text)

    def left_outside(self) -> None:
        """The player is in no game any more, while the login server is away."""

    def in_lobby(self) -> None:
        """The player is logged in and may choose what to do: now, and again after each game or wish that ended."""

    def servers_changed(self, servers: Sequence[ServerInfo]) -> None:
        """This is the list of servers now."""

    def waiting(self, pending: MatchPending) -> None:
        """The player waits for a match."""

    def waking(self, pending: JoinPending) -> None:
        """The player waits for a server that sleeps."""

    def missed(self, match: MatchRunning | None) -> None:
        """This match goes on without the player, who can go back to it; None: there is none any more."""

    def wanted(self, requests: Sequence[MatchRequest]) -> None:
        """These are all who want a match with the player now."""

    def map_voted(self, vote: MapVote) -> None:
        """So stands the vote for the next map of the server that the player plays on, or so it ended."""

    def joining(self, visit: Visit) -> None:
        """The player goes to a game server."""

    def game_changed(self, visit: Visit) -> None:
        """The player's game stands otherwise than before; `visit.last` says why, if it was seen to happen."""

    def came_along(self, visit: Visit) -> None:
        """The player's game goes on at another game server; what was said on the way there is said."""

    def game_over(self, visit: Visit) -> None:
        """The player's game has ended; `in_lobby` follows."""
