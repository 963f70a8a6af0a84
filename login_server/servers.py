"""The game servers that players can see, and the seats in them. Plain state: no I/O, no clock."""

import re
from collections import Counter
from collections.abc import Collection, Iterator

from msgspec import Struct, structs

from login_server.protocol import ServerInfo
from login_server.refusal import Refusal

MAX_SERVERS = 1_000

_SERVER_NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}")


RANKS = {"ready": 0, "sleeping": 1, "starting": 2}
"""The states of servers in which players may have a place, and which of them is taken first."""


class Seat(Struct):
    """A seat kept for a player who was given a ticket, until the player has come or the ticket has expired."""

    server_id: str
    expires_at: float


class ServerDirectory:
    """Which launcher offers which servers, what has changed since players were last told, and which seats are kept.

    Attributes:
        servers: all servers, by id, which begins with the name of their launcher and a slash.
        seats: by player; who is given a second ticket leaves the first seat.
    """

    def __init__(self, max_servers: int = MAX_SERVERS) -> None:
        self.servers: dict[str, ServerInfo] = {}
        self.seats: dict[str, Seat] = {}
        self._max_servers = max_servers
        self._kept: Counter[str] = Counter()
        self._changed: dict[str, None] = {}

    def put(self, launcher: str, server: ServerInfo) -> None:
        """Add a server, or replace its description. The players whom it names have come, and need no seat any more.

        Raises:
            Refusal: `not_your_server`, `server_id_invalid` or `too_many_servers`.
        """
        check_owner(launcher, server.server_id)
        if not _SERVER_NAME.fullmatch(server.server_id.removeprefix(launcher + "/")):
            raise Refusal(
                "server_id_invalid",
                f"after {launcher}/ a server id has 1 to 64 letters (a to z), digits or the characters _ . -",
            )
        if server.server_id not in self.servers and len(self.servers) >= self._max_servers:
            raise Refusal("too_many_servers", f"there are {self._max_servers} servers, which is the most")
        if self.servers.get(server.server_id) != server:
            self.servers[server.server_id] = server
            self._changed[server.server_id] = None
        for player in server.names:
            self.take_seat(player, server.server_id)

    def remove(self, launcher: str, server_id: str) -> None:
        """Raises:
        Refusal: `not_your_server` or `no_such_server`.
        """
        check_owner(launcher, server_id)
        if server_id not in self.servers:
            raise Refusal("no_such_server", f"there is no server {server_id}")
        del self.servers[server_id]
        self._changed[server_id] = None

    def remove_all(self, launcher: str) -> list[str]:
        """Take away all servers of a launcher that is lost, and return their ids."""
        removed = [server_id for server_id in self.servers if owner(server_id) == launcher]
        for server_id in removed:
            del self.servers[server_id]
            self._changed[server_id] = None
        return removed

    def set_map(self, server_id: str, name: str) -> None:
        """A server plays another map now; nothing happens when it is not there."""
        server = self.servers.get(server_id)
        if server and server.map != name:
            self.servers[server_id] = structs.replace(server, map=name)
            self._changed[server_id] = None

    def take_changes(self) -> tuple[list[ServerInfo], list[str]]:
        """What has changed since the last call: servers that are new or different, and the ids of those gone."""
        changed = [self.servers[server_id] for server_id in self._changed if server_id in self.servers]
        removed = [server_id for server_id in self._changed if server_id not in self.servers]
        self._changed.clear()
        return changed, removed

    def joinable(self, server_id: str, player: str, returns: bool, now: float) -> ServerInfo:
        """The server, if this player may have a ticket to it, or may once it is awake.

        Args:
            returns: the player belongs to a match there, and so has a place however full it is.

        Raises:
            Refusal: `no_such_server`, `server_not_ready` or `server_full`.
        """
        server = self.servers.get(server_id)
        if server is None:
            raise Refusal("no_such_server", f"there is no server {server_id}")
        if server.state not in RANKS:
            raise Refusal("server_not_ready", f"the server {server_id} is {server.state}")
        self.drop_expired_seats(now)
        seat = self.seats.get(player)
        has_place = returns or (seat is not None and seat.server_id == server_id)
        if not has_place and self.free_seats(server) < 1:
            raise Refusal("server_full", f"the server {server_id} is full")
        return server

    def check_match_players(self, game: str, players: int) -> None:
        """Whether a match of so many can be waited for; while no server of the game is known, any number can.

        Raises:
            Refusal: `players_invalid`.
        """
        numbers = sorted({server.match_players for server in self._of_game(game)})
        if numbers and players not in numbers:
            expected = " or ".join(map(str, numbers))
            raise Refusal("players_invalid", f"a match of {game} here is for {expected} players, not for {players}")

    def choose(self, game: str, players: int, now: float, without: Collection[str] = ()) -> ServerInfo:
        """The server for matches of so many with the most free seats, if they are enough for all these players.

        One that is ready comes first, then one that is frozen, one that is about to be ready, and one that sleeps.

        Args:
            without: ids of servers that are not to be chosen while they are not awake.

        Raises:
            Refusal: `no_server`; its message says what a waiting player waits for.
        """
        of_game = [
            server
            for server in self._of_game(game)
            if server.state in RANKS and (is_awake(server) or server.server_id not in without)
        ]
        fitting = [server for server in of_game if server.match_players == players]
        if of_game and not fitting:
            raise Refusal("no_server", f"no server for this game has matches of {players}")
        if not fitting:
            raise Refusal("no_server", "no server for this game is running")
        self.drop_expired_seats(now)
        free = [server for server in fitting if self.free_seats(server) >= players]
        if not free:
            raise Refusal("no_server", "all servers for this game are full")
        return max(free, key=lambda server: (-_rank(server), self.free_seats(server)))

    def free_seats(self, server: ServerInfo) -> int:
        return server.capacity - server.players - self._kept[server.server_id]

    def keep_seat(self, player: str, server_id: str, expires_at: float) -> None:
        self._give_up_seat(player)
        self.seats[player] = Seat(server_id, expires_at)
        self._kept[server_id] += 1

    def take_seat(self, player: str, server_id: str) -> None:
        """The player has come: from here on the server's own count includes the player."""
        seat = self.seats.get(player)
        if seat and seat.server_id == server_id:
            self._give_up_seat(player)

    def drop_expired_seats(self, now: float) -> None:
        """All tickets live equally long, so the first seat kept is the first to expire."""
        while self.seats:
            player, seat = next(iter(self.seats.items()))
            if now < seat.expires_at:
                return
            self._give_up_seat(player)

    def _give_up_seat(self, player: str) -> None:
        seat = self.seats.pop(player, None)
        if seat:
            self._kept[seat.server_id] -= 1
            if not self._kept[seat.server_id]:
                del self._kept[seat.server_id]

    def _of_game(self, game: str) -> Iterator[ServerInfo]:
        return (server for server in self.servers.values() if server.game == game)


def is_awake(server: ServerInfo) -> bool:
    """Whether players may be sent there at once. One that is frozen has a port; it goes on with the first seat."""
    return server.state == "ready" or (server.state == "sleeping" and server.port != 0)


def _rank(server: ServerInfo) -> int:
    return RANKS[server.state] if server.port or server.state != "sleeping" else len(RANKS)


def owner(server_id: str) -> str:
    """The name of the launcher that a server id begins with."""
    return server_id.partition("/")[0]


def check_owner(launcher: str, server_id: str) -> None:
    """Raises:
    Refusal: `not_your_server`.
    """
    if owner(server_id) != launcher or "/" not in server_id:
        raise Refusal("not_your_server", f"the servers of {launcher} begin with {launcher}/, unlike {server_id!r}")
