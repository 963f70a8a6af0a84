"""The game servers of a launcher as plain state.

No socket, no process, no clock, no timer: the central task owns these and changes them, and they can be serialised.
What facts about matches change in them is in `matchfacts.py`.
"""

import enum

import msgspec

from game_server_launcher.events import Event
from game_server_launcher.gamefile import GameFile
from game_server_launcher.statusformats import GameStatus
from login_server import protocol

MAX_MATCHES = 500
"""Of one server, that are kept to be told again. Facts of further ones are forwarded and forgotten."""

MAX_NAMES = 256
"""Teams, scores and players of one match."""

MAX_NAME = 128
MAX_NAMES_SHOWN = 64
"""Of players, and of characters in one: as the login server takes them."""

MAX_TICKETS = 4000
"""That have not expired, of one server: so many still fit into one message to its controller."""

LEEWAY_SECONDS = 5.0
"""A ticket is remembered so much longer than it is good, since clocks differ."""

MAX_CRASHES = 1000
MAX_EXPECTED = 500
MAX_SEATS = 4000


class State(enum.StrEnum):
    """Where a game server stands.

    STOPPED → STARTING → READY → STOPPING → STOPPED; a crash leads to WAITING and from there to STARTING again,
    or to FAILED. AWAY is READY without its controller: a hiccup, during which players still come with tickets.
    SILENT is AWAY for long: the process runs, its matches may go on, but nobody new is sent there.
    FROZEN is READY with its processes stopped where they are, ASLEEP is STOPPED until somebody wants in; DROWSY comes
    before that: players are told that it is asleep, and it can still be had back at once.
    """

    STOPPED = "stopped"
    STARTING = "starting"
    READY = "ready"
    AWAY = "away"
    SILENT = "silent"
    STOPPING = "stopping"
    WAITING = "waiting to be restarted"
    FAILED = "failed"
    FROZEN = "frozen"
    DROWSY = "falling asleep"
    ASLEEP = "asleep"


READY_ONCE = (State.READY, State.AWAY, State.SILENT, State.FROZEN, State.DROWSY)
"""States of a server whose process has been ready and was not asked to end."""


class Role(enum.StrEnum):
    """What a server is while its map, or its build, is changed by a second process (`succession.py`)."""

    CURRENT = "current"
    SUCCESSOR = "successor"
    PREDECESSOR = "predecessor"


SECOND_PLACE = ".2"
"""What the name of a server's second process ends with: no name in a game file has a dot."""


def other_place(name: str) -> str:
    """The name of the process that succeeds the one of this name."""
    return name.removesuffix(SECOND_PLACE) if name.endswith(SECOND_PLACE) else name + SECOND_PLACE


_SHOWN = {
    State.READY: "ready",
    State.AWAY: "ready",
    State.SILENT: "stopping",
    State.STOPPING: "stopping",
    State.FROZEN: "sleeping",
    State.DROWSY: "sleeping",
    State.ASLEEP: "sleeping",
}
"""States as the login server and players see them. To it, a server that is starting has no matches."""


class RunningMatch(msgspec.Struct):
    """A match that has started and not ended, as far as its server has told."""

    players: list[str]
    teams: dict[str, list[str]] = {}
    scores: dict[str, int] = {}
    elapsed_seconds: float = 0.0
    here: dict[str, bool] = {}
    """By player: whether there now (true) or gone again."""
    ended: bool = False
    """It has ended; it is kept only until its result is safe on disk."""


class Seat(msgspec.Struct, frozen=True):
    """Where a player is expected from, to play what, and until when (unix time). Good often, unlike a ticket."""

    address: str
    game_id: str
    expires_at: float


class Client(msgspec.Struct, frozen=True):
    """Who is in a game, as its console shows it. `address` is `HOST:PORT`, another for each connection."""

    address: str
    name: str


class SavedServer(msgspec.Struct, kw_only=True):
    """What of a server the next launcher must know: the content of `SERVER.json`. `pid` 0: no process runs."""

    name: str
    state: State
    role: Role = Role.CURRENT
    chosen_map: str = ""
    on_trial: bool = False
    reason: str = ""
    pid: int = 0
    group: int = 0
    """Its process group, whose leader is its keeper; 0: it has no keeper, and leads it itself."""
    created_at: float = 0.0
    """When the leader was created, by psutil: with it `group` means one process and no later one."""
    port: int = 0
    token: str = ""
    console_port: int = 0
    console_password: str = ""
    started_at: float = 0.0
    output_from: int = 0
    map: str = ""
    version: str = ""
    capacity: int = 0
    matches: dict[str, RunningMatch] = {}
    used_tickets: dict[str, float] = {}
    seats: dict[str, Seat] = {}
    clients: dict[int, Client] = {}

    @property
    def public_name(self) -> str:
        """What it is called by everybody but the launcher."""
        return self.name.removesuffix(SECOND_PLACE)


class GameServer(msgspec.Struct, kw_only=True):
    """One game server.

    Attributes:
        retired: in no game file any more; only its last process is still to be ended.
        role: whether it is the server that others know, or the process before or after that one.
        chosen_map: the map it was changed to, which it keeps until its file has others; empty for the file's.
        restarting: it is stopped only to be started at once.
        on_trial: its process is of a build that is tried (`builds.py`).
        map_trouble: why the last change of its map came to nothing, in words.
        falls_asleep: it is stopped only until somebody wants in.
        used_at: when somebody was last there or expected (unix time); in the future where longer patience is due.
        run: the number of its process, counted from 1; what comes late from an earlier one is ignored.
        adopted: an earlier launcher has started its process.
        was_ready: that process had been ready when that launcher last knew.
        reason: why it is in its state, in words; may be empty.
        crashes: when it crashed (unix time), as far back as `Restart.within_seconds`.
        backoffs: so many restarts in a row have doubled the time to wait.
        outcome: what the launcher has found out about its process, before it was told to end.
        expected: by match, the players that the login server gave tickets to.
        used_tickets: by ticket id, when it expires (unix time).
        seats: by player, the one reserved last.
        clients: by client id, who was let stay in a game with a console.
        events: what happened among its players, as its console or its output shows it: the last ones.
        here: who is there, as the game's output says: names by what the game calls their connections.
        answer: what the game said of itself when it was last asked; None where it is not asked, or has not answered.
    """

    name: str
    server_id: str
    game: GameFile
    retired: bool = False
    role: Role = Role.CURRENT
    chosen_map: str = ""
    on_trial: bool = False
    state: State = State.STOPPED
    reason: str = ""
    restarting: bool = False
    map_trouble: str = ""
    falls_asleep: bool = False
    used_at: float = 0.0
    run: int = 0
    pid: int = 0
    group: int = 0
    created_at: float = 0.0
    started_at: float = 0.0
    output_from: int = 0
    adopted: bool = False
    was_ready: bool = False
    port: int = 0
    token: str = ""
    console_port: int = 0
    console_password: str = ""
    map: str = ""
    version: str = ""
    capacity: int = 0
    players: int = 0
    restarts: int = 0
    crashes: list[float] = []
    backoffs: int = 0
    outcome: str = ""
    matches: dict[str, RunningMatch] = {}
    expected: dict[str, protocol.PlayersExpected] = {}
    used_tickets: dict[str, float] = {}
    seats: dict[str, Seat] = {}
    clients: dict[int, Client] = {}
    events: list[Event] = []
    here: dict[str, str] = {}
    answer: GameStatus | None = None
    cpu_percent: float = 0.0
    rss_bytes: int = 0
    dropped_output_bytes: int = 0

    @property
    def running(self) -> bool:
        return self.pid != 0

    @property
    def ready_once(self) -> bool:
        """Whether its process has been ready and was not asked to end."""
        return self.state in READY_ONCE

    @property
    def listed(self) -> bool:
        """Whether players see it. One that is started when they want in, they also see while it is not ready."""
        if self.ready_once or self.state is State.ASLEEP or (self.state is State.STOPPING and self.running):
            return True
        on_the_way = self.state in (State.STARTING, State.WAITING) and not self.adopted
        return on_the_way and self.game.idle.on_demand

    @property
    def progress(self) -> str:
        """What those who want in are to know of it on its way to being ready, in words."""
        if self.state is State.STARTING:
            return "its process runs and gets ready" if self.running else "its process is being started"
        if self.state is State.WAITING:
            return f"it is started once more: {self.reason}"
        if self.state is State.FAILED:
            return f"it cannot be started: {self.reason}"
        return "it has to end before it can be started again" if self.restarting else ""

    @property
    def public_name(self) -> str:
        """What it is called by everybody but the launcher, whichever of its two processes runs."""
        return self.name.removesuffix(SECOND_PLACE)

    @property
    def shown_name(self) -> str:
        """For log lines."""
        return self.public_name if self.role is Role.CURRENT else f"{self.public_name} ({self.role.value})"

    def info(self) -> protocol.ServerInfo:
        """Itself as players see it."""
        host = f"[{self.game.address}]" if ":" in self.game.address else self.game.address
        asleep = self.falls_asleep or self.state is State.DROWSY or not self.running
        port = 0 if asleep else self.port
        return protocol.ServerInfo(
            server_id=self.server_id,
            name=self.public_name,
            game=self.game.game,
            map=self.map or self.game.map,
            players=self.players,
            capacity=self.capacity or self.game.capacity,
            region=self.game.region,
            address=self.game.address,
            port=port,
            ping_address=f"{host}:{port}" if port else "",
            version=self.version or self.game.version,
            state="sleeping" if self.falls_asleep else _SHOWN.get(self.state, "starting"),
            match_players=self.game.match_players,
            names=self.names,
            maps=self.game.maps,
        )

    @property
    def everybody(self) -> list[str]:
        """The names of who is there, where that is known."""
        if self.answer is not None:
            return self.answer.players
        if self.clients or self.here:
            return [client.name for client in self.clients.values()] or list(self.here.values())
        matches = (match for match in self.matches.values() if not match.ended)
        return list(dict.fromkeys(player for match in matches for player, is_here in match.here.items() if is_here))

    @property
    def names(self) -> list[str]:
        """Who is there; no more than a list can show."""
        return [name[:MAX_NAME] for name in self.everybody[:MAX_NAMES_SHOWN]]

    def begin_run(self, now: float, token: str, console_password: str = "") -> None:
        """A process is about to be started: what the last one said holds no more."""
        self.run += 1
        self.token = token
        self.console_port = 0
        self.console_password = console_password
        self.started_at = now
        self.used_at = max(self.used_at, now)
        self.adopted = False
        self.port = 0
        self.map = self.game.map
        self.version = self.game.version
        self.capacity = self.game.capacity
        self.players = 0
        self.clients = {}
        self.here = {}
        self.answer = None
        self.outcome = ""

    def end_run(self) -> None:
        """The process has ended."""
        self.pid = 0
        self.group = 0
        self.created_at = 0.0
        self.token = ""
        self.console_port = 0
        self.console_password = ""
        self.players = 0
        self.clients = {}
        self.here = {}
        self.answer = None
        self.cpu_percent = 0.0
        self.rss_bytes = 0

    def save(self) -> SavedServer:
        """What the next launcher must know."""
        return msgspec.convert(self, SavedServer, from_attributes=True)

    def restore(self, saved: SavedServer) -> None:
        """Know what the last launcher knew, but for the state: that is to be found out.

        A match that had ended, and whose result did not come to be safe, counts as running: its controller will
        say once more how it ended.
        """
        for name in SavedServer.__struct_fields__:
            if name not in ("name", "state", "reason", "pid", "group", "created_at"):
                setattr(self, name, getattr(saved, name))
        self.players = len(self.clients)
        for match in self.matches.values():
            match.ended = False
        if self.chosen_map:
            self.game = msgspec.structs.replace(self.game, map=self.chosen_map)

    def succeed(self, before: "GameServer") -> None:
        """Take over what is known of the games and players of another process of the same server.

        A match that has ended there stays with that one, whose controller waits for its result to be safe.
        """
        going_on = {match: one for match, one in before.matches.items() if not one.ended}
        self.matches = going_on | self.matches
        self.expected = before.expected | self.expected
        self.used_tickets = before.used_tickets | self.used_tickets
        self.seats = before.seats | self.seats
        self.restarts = before.restarts
        before.matches = {match: one for match, one in before.matches.items() if one.ended}
        before.expected, before.seats = {}, {}

    def use_ticket(self, ticket: str, expires_at: float, now: float) -> None:
        """Remember a ticket until it has expired. At the bound, the one that was used first is forgotten."""
        if len(self.used_tickets) >= MAX_TICKETS:
            self.forget_tickets(now)
            if len(self.used_tickets) >= MAX_TICKETS:
                del self.used_tickets[next(iter(self.used_tickets))]
        self.used_tickets[ticket] = expires_at

    def forget_tickets(self, now: float) -> None:
        """Forget the tickets that have expired."""
        self.used_tickets = {ticket: at for ticket, at in self.used_tickets.items() if at + LEEWAY_SECONDS > now}

    def expect(self, expected: protocol.PlayersExpected, now: float) -> None:
        """Remember who was given tickets, for a controller that comes back or is not there yet."""
        self.forget_expected(now)
        if len(self.expected) < MAX_EXPECTED or expected.match_id in self.expected:
            self.expected[expected.match_id] = expected

    def forget_expected(self, now: float) -> None:
        self.expected = {match: one for match, one in self.expected.items() if one.expires_at > now}

    def reserve(self, player: str, seat: Seat, now: float) -> None:
        """Keep a seat for a player. At the bound, the one that was reserved first is given up."""
        self.seats.pop(player, None)
        if len(self.seats) >= MAX_SEATS:
            self.seats = {name: one for name, one in self.seats.items() if one.expires_at > now}
            if len(self.seats) >= MAX_SEATS:
                del self.seats[next(iter(self.seats))]
        self.seats[player] = seat


def is_over(server: GameServer) -> bool:
    """Whether it has no process and will have none by itself."""
    return not server.running and server.state in (State.STOPPED, State.FAILED)


def find(servers: dict[str, GameServer], public_name: str) -> GameServer | None:
    """The server that others know by this name."""
    for name in (public_name, other_place(public_name)):
        server = servers.get(name)
        if server is not None and server.role is Role.CURRENT and server.public_name == public_name:
            return server
    return None
