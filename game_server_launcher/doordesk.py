"""The door: where players get in while the login server is away. Part of the central task.

A player shows a day pass, and gets a seat on one of this launcher's servers. Nobody is asked: the login server's key is
kept on disk, and so is the list of void passes, which it has told while it was there.
"""

import ipaddress
import logging
from collections import Counter
from collections.abc import Callable

import msgspec

from connhandler import Busy, CentralTask, WorkerPool
from connhandler.http import HttpRequest, HttpResponse
from game_server_launcher.doorhandler import DoorPeer
from game_server_launcher.protocol import DoorJoin, DoorRefused, DoorSeat
from game_server_launcher.runfolder import Issuer, RunFolder
from game_server_launcher.servers import GameServer, Role, Seat, find
from game_server_launcher.statefiles import StateFiles
from login_server.passes import PassChecker, PassError
from login_server.protocol import MAX_REVOKED, PassesRevoked
from login_server.tickets import ANY_GAME, SeatIssuer

logger = logging.getLogger(__name__)

MAX_JOINS = 60
"""So many times one address may ask to join …"""

WINDOW_SECONDS = 60.0
"""… in so long: a household has a few players, and each of them tries again a few times."""

STATUSES = {
    "request_malformed": 400,
    "pass_malformed": 401,
    "pass_forged": 401,
    "pass_expired": 401,
    "pass_revoked": 401,
    "no_such_server": 404,
    "nothing_here": 404,
    "too_many_requests": 429,
    "issuer_unknown": 503,
    "server_not_ready": 503,
    "server_full": 503,
}
"""The HTTP status by the code of what is refused."""


class Closed(Exception):
    """What was asked at the door is not done.

    Attributes:
        code: one of `STATUSES`.
        message: the same for people.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class DoorDesk:
    """Everything about day passes.

    Args:
        central: whose task this runs in.
        folder: where the list of void passes is kept; read now.
        pool: of one thread, so that an older list never comes after a newer one.
        servers: by name; owned by the program.
        state_files: of the servers.
        seats: signs seats in this launcher's name.
        issuer: whose passes are good, as far as is known.
        reserved: called with each seat that is given.
        wake: wakes a server that is frozen or asleep.

    Attributes:
        revoked: by player, before when (Unix time) day passes were issued that are void.
        counters: how often players were let in, and refused by code.
    """

    def __init__(
        self,
        central: CentralTask,
        folder: RunFolder,
        pool: WorkerPool,
        servers: dict[str, GameServer],
        state_files: StateFiles,
        seats: SeatIssuer,
        issuer: Callable[[], Issuer],
        reserved: Callable[[GameServer, Seat], None],
        wake: Callable[[GameServer], None],
    ) -> None:
        self.revoked = folder.load_revoked()
        self.counters: Counter[str] = Counter()
        self._central = central
        self._folder = folder
        self._pool = pool
        self._servers = servers
        self._state_files = state_files
        self._seats = seats
        self._issuer = issuer
        self._reserved = reserved
        self._wake = wake
        self._checker: tuple[Issuer, PassChecker] | None = None
        self._joins: Counter[str] = Counter()
        self._joins_until = 0.0

    # --- what the login server says ------------------------------------------------------------------

    def passes_revoked(self, message: PassesRevoked) -> None:
        """The login server has said whose passes are void."""
        if message.whole and message.revoked == self.revoked:
            return
        if message.whole:
            self.revoked = {}
        self.revoked |= message.revoked
        if len(self.revoked) > MAX_REVOKED:
            latest = sorted(self.revoked.items(), key=lambda one: one[1], reverse=True)
            self.revoked = dict(latest[:MAX_REVOKED])
        try:
            self._central.perform(self._pool, self._folder.save_revoked, dict(self.revoked), then=self._saved)
        except Busy as error:
            self._saved(None, error)

    @staticmethod
    def _saved(_: None, error: BaseException | None) -> None:
        if error is not None:
            logger.error("the list of void day passes cannot be written to the run folder: %s", error)

    # --- what players ask ----------------------------------------------------------------------------

    def answer(self, peer: DoorPeer, request: HttpRequest) -> None:
        """Answer one request, at once."""
        try:
            response = self._answer(peer.address[0], request)
        except Closed as closed:
            self.counters[closed.code] += 1
            logger.debug("door: refused, %s: %s (%s)", closed.code, closed.message, peer.name)
            refused = DoorRefused(code=closed.code, message=closed.message)
            response = HttpResponse.json(refused, STATUSES[closed.code])
            if closed.code == "too_many_requests":
                response.headers = {"Retry-After": str(int(WINDOW_SECONDS))}
        response.headers = {**response.headers, "Cache-Control": "no-store"}
        peer.send(response)

    def _answer(self, address: str, request: HttpRequest) -> HttpResponse:
        match request.method, request.path:
            case ("GET" | "HEAD", "/servers"):
                shown = [one.info() for one in self._servers.values() if one.listed and one.role is Role.CURRENT]
                return HttpResponse.json(shown)
            case ("POST", "/join"):
                self._count(address)
                return HttpResponse.json(self._join(address, request.body))
        raise Closed("nothing_here", "there are GET /servers and POST /join")

    def _join(self, address: str, body: bytes) -> DoorSeat:
        try:
            wish = msgspec.json.decode(body, type=DoorJoin)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise Closed("request_malformed", f"not understood: {error}") from error
        now = self._central.now
        try:
            player = self._pass_checker().check(wish.day_pass, self.revoked, now).player
        except PassError as error:
            raise Closed(error.code, error.message) from error
        server = self._server(wish.server)
        match_id, players = _match_of(server, player, now)
        self._check_open(server, match_id)
        game_id = match_id or ANY_GAME
        token, expires_at = self._seats.issue(
            player, server.server_id, game_id, players, now, self._central.new_id("seat-")
        )
        seat = Seat(address, game_id, expires_at)
        server.reserve(player, seat, now)
        self._reserved(server, seat)
        self._state_files.save_soon(server)
        self.counters["admitted"] += 1
        logger.info("door: player %s may join %s, match %s", player, server.server_id, game_id)
        return DoorSeat(
            server_id=server.server_id,
            address=server.game.address,
            port=server.port,
            seat=token,
            seat_expires_at=expires_at,
            match_id=match_id,
        )

    def _count(self, address: str) -> None:
        """Raises:
        Closed: there were too many from there.
        """
        if self._central.now >= self._joins_until:
            self._joins.clear()
            self._joins_until = self._central.now + WINDOW_SECONDS
        network = _network_of(address)
        self._joins[network] += 1
        if self._joins[network] > MAX_JOINS:
            raise Closed("too_many_requests", f"more than {MAX_JOINS} in a minute from your address; wait a minute")

    def _pass_checker(self) -> PassChecker:
        """Raises:
        Closed: it is not known yet whose passes are good.
        """
        issuer = self._issuer()
        if self._checker is None or self._checker[0] != issuer:
            try:
                self._checker = issuer, PassChecker(issuer.public_key, issuer.issuer)
            except ValueError as error:
                words = "this launcher has not heard from the login server yet, so it cannot tell whose passes are good"
                raise Closed("issuer_unknown", words) from error
        return self._checker[1]

    def _server(self, name: str) -> GameServer:
        """Raises:
        Closed: there is none of this name or id.
        """
        server = find(self._servers, name) or next(
            (one for one in self._servers.values() if one.server_id == name and one.role is Role.CURRENT), None
        )
        if server is None or server.retired:
            raise Closed("no_such_server", "there is no such server here; GET /servers shows those that are")
        return server

    def _check_open(self, server: GameServer, match_id: str) -> None:
        """Raises:
        Closed: nobody can come now, or nobody but those who belong to a match there.
        """
        self._wake(server)
        info = server.info()
        if info.state != "ready":
            raise Closed("server_not_ready", f"{server.server_id} is {server.state.value}; try again in a moment")
        if not match_id and info.players >= info.capacity:
            raise Closed("server_full", f"{server.server_id} is full: {info.players} of {info.capacity} are there")


def _match_of(server: GameServer, player: str, now: float) -> tuple[str, list[str]]:
    """The match there that a player belongs to, and its players; none, and the player alone."""
    for match_id, running in server.matches.items():
        if player in running.players and not running.ended:
            return match_id, running.players
    for expected in server.expected.values():
        if player in expected.players and expected.expires_at > now:
            return expected.match_id, expected.players
    return "", [player]


def _network_of(address: str) -> str:
    """What one household or host has: an IPv4 address, or the first 64 bits of an IPv6 address."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address[:64]
    if isinstance(parsed, ipaddress.IPv6Address) and parsed.ipv4_mapped is None:
        return str(ipaddress.ip_network((int(parsed), 64), strict=False))
    return str(parsed)
