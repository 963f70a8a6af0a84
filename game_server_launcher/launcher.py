"""The launcher's central task: owns all its state, and handles every message of controllers and login server.

What controllers say is handled in `controllerdesk.py`, what consoles say in `consoledesk.py`, what the output of games
says in `logdesk.py`, what games answer in `statusdesk.py`, what is done about processes in `supervision.py`, what the
login server says in `loginserverdesk.py`, what it is told in `listing.py`, how match results get there in
`delivery.py`. All of it runs in this one task.
"""

import logging
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
from gevent.event import Event

from connhandler import (
    CentralTask,
    Peer,
    PeerConnected,
    PeerDisconnected,
    WorkerPool,
)
from connhandler.http import HttpRequest
from connhandler.jsonmessage import Hello, Ping, Pong, Refused, ShuttingDown, Welcome
from game_server_launcher import gameconsolehandler as console
from game_server_launcher import protocol
from game_server_launcher.allowlistdesk import AllowlistDesk
from game_server_launcher.allowlisthandler import AllowlistPeer
from game_server_launcher.builddesk import BuildDesk
from game_server_launcher.consoledesk import ConsoleConnections, ConsoleDesk
from game_server_launcher.controldesk import ControlDesk
from game_server_launcher.controllerdesk import ControllerDesk
from game_server_launcher.crashdesk import CrashDesk
from game_server_launcher.delivery import Delivery
from game_server_launcher.doordesk import DoorDesk
from game_server_launcher.doorhandler import DoorPeer
from game_server_launcher.figures import FigureKeeper
from game_server_launcher.gameconsolehandler import ConsolePeer
from game_server_launcher.gamecontrollerhandler import ControllerPeer
from game_server_launcher.gamefile import GameFile
from game_server_launcher.gametables import Restart, StopBySignal
from game_server_launcher.healthdesk import HealthDesk
from game_server_launcher.history import History
from game_server_launcher.host import GameRunner
from game_server_launcher.idling import Idling
from game_server_launcher.journal import Journal
from game_server_launcher.listing import Listing
from game_server_launcher.logdesk import LogDesk
from game_server_launcher.loginserverdesk import Keeping, LoginServerDesk, Welcoming
from game_server_launcher.logpatterns import Fact
from game_server_launcher.mapchange import MapChanger
from game_server_launcher.matchfacts import cut_short
from game_server_launcher.operations import Operations
from game_server_launcher.orders import Orders
from game_server_launcher.overview import Overview
from game_server_launcher.pagedesk import PageDesk
from game_server_launcher.runaway import Runaways
from game_server_launcher.runfolder import RunFolder, load_servers
from game_server_launcher.servers import GameServer, Role, SavedServer, find, is_over
from game_server_launcher.statefiles import StateFiles
from game_server_launcher.statusdesk import Queries, StatusDesk
from game_server_launcher.stdincommands import StdinCommands
from game_server_launcher.stopping import patience
from game_server_launcher.succession import Outcome, Succession, who_is_current
from game_server_launcher.supervision import Supervision
from game_server_launcher.talk import TalkingPeer
from game_server_launcher.votedesk import VoteDesk
from login_server import protocol as login_protocol
from login_server.tickets import SEAT_SECONDS, SeatIssuer

logger = logging.getLogger(__name__)

PROGRAM = "game-server-launcher"


class Launcher(CentralTask):
    """Runs game servers and stands between them and the login server.

    Args:
        name: that it logs in with; the ids of its servers begin with it.
        key: that it logs in with.
        games: the game files.
        folder: locked by this process.
        runner: of the processes.
        consoles: the connections to those that have one.
        queries: to those that can be asked by UDP.
        read_games: reads the game files anew, in a worker thread.
        file_pool: of one thread, for the journal and the state files.
        work_pool: for measuring.
        leave_running: at the end, leave the processes running.
        figures_seconds: between two measurements.
        seat_seconds: how long a seat is good that this launcher gives away itself.

    Attributes:
        servers: all game servers, by name.
        maps: changes the maps of servers.
        operations: what the person who runs this may do to them.
        overview: how all of this stands.
        page: the dashboard.
    """

    def __init__(
        self,
        name: str,
        key: str,
        games: list[GameFile],
        folder: RunFolder,
        runner: GameRunner,
        consoles: ConsoleConnections,
        queries: Queries,
        *,
        read_games: Callable[[], list[GameFile]],
        file_pool: WorkerPool,
        work_pool: WorkerPool,
        leave_running: bool = False,
        figures_seconds: float = 5.0,
        seat_seconds: float = SEAT_SECONDS,
        **kwargs: Any,
    ) -> None:
        super().__init__("launcher", **kwargs)
        self.launcher_name = name
        self._leave_running = leave_running
        self._read_games = read_games
        self.servers = {
            server: GameServer(name=server, server_id=f"{name}/{server}", game=game)
            for game in games
            for server in game.server_names
        }
        # Read before the hub has anything else to do.
        self._saved = load_servers(folder.path)
        journal = Journal(folder.journal)
        waiting = journal.load()
        self._state_files = StateFiles(self, folder, file_pool)
        self._listing = Listing(self, self.servers)
        self._delivery = Delivery(self, journal, file_pool, self._result_is_safe, waiting)
        seats = SeatIssuer(folder.seat_key, f"launcher/{name}", seat_seconds)
        self._controllers = ControllerDesk(
            PROGRAM, self, self.servers, folder.load_issuer(), self._listing, self._delivery, self._state_files, seats
        )
        self._crashes = CrashDesk(self, folder, file_pool)
        self._supervision = Supervision(self, self, self.servers, runner)
        self._succession = Succession(self, self, self.servers, self._supervision)
        self._controllers.supervision = self._supervision
        self._controllers.succession = self._succession
        self._idling = Idling(self, self.servers, self._supervision, self._succession)
        self._consoles = ConsoleDesk(self, self.servers, consoles, self._listing, self._state_files, self._supervision)
        self._status = StatusDesk(self, self.servers, queries, self._listing, self._state_files, self._supervision)
        self._allowlist = AllowlistDesk(PROGRAM, self, self.servers)
        self._door = DoorDesk(
            self,
            folder,
            file_pool,
            self.servers,
            self._state_files,
            seats,
            lambda: self._controllers.issuer,
            self._allowlist.seat_reserved,
            self._idling.wake,
        )
        self._logs = LogDesk(self, self._listing, self._state_files)
        self._commands = commands = StdinCommands(runner)
        self._builds = BuildDesk(self, folder, file_pool, games)
        self._controllers.match_is_over = self._builds.match_ended
        self.maps = MapChanger(self._consoles, commands, self._succession, self._builds.choose)
        self.operations = Operations(
            self,
            self.servers,
            self._supervision,
            self._consoles,
            self._controllers,
            commands,
            self.maps,
            self._idling.wake,
        )
        votes = VoteDesk(self, self.maps, lambda news: self._login_server.tell(news), self._say)
        self._consoles.players.votes = self._logs.votes = votes.said
        self._health = HealthDesk(self, self.servers, self._peer_of, self._supervision, work_pool)
        runaways = Runaways(self._supervision.end_as_crashed)
        self._figures = FigureKeeper(self, self.servers, work_pool, figures_seconds, runaways.measured)
        self.overview = Overview(
            self, name, self.servers, self._delivery.waiting, lambda: self._login_server.connected, self._how_far
        )
        self._history = History(self, lambda: self.overview.current, figures_seconds)
        orders = Orders(self, self.servers, self.operations)
        control_desk = ControlDesk(PROGRAM, self.overview.status, orders, self.reload)
        self.page = PageDesk(self, self.servers, folder, work_pool, self.overview, self._history, orders)
        self._login_server = LoginServerDesk(
            PROGRAM,
            self,
            name,
            key,
            self.servers,
            Keeping(folder, file_pool, self._state_files),
            self._controllers,
            self._listing,
            self._delivery,
            Welcoming(self._idling, self._allowlist, self._door, votes),
        )
        self._all_stopped = Event()
        self.shutdown_seconds = self.limits.drain_seconds + max(
            (patience(server.game) for server in self.servers.values()), default=0.0
        )
        self.dispatch = {
            (ControllerPeer, Hello): self._controllers.hello,
            (ControllerPeer, Pong): self._controllers.pong,
            (ControllerPeer, protocol.ControllerLogIn): self._controllers.log_in,
            (ControllerPeer, protocol.ServerReady): self._controllers.server_ready,
            (ControllerPeer, protocol.PlayerCountChanged): self._controllers.player_count_changed,
            (ControllerPeer, protocol.TicketUsed): self._controllers.ticket_used,
            (ControllerPeer, login_protocol.MapChanged): self._controllers.match_fact,
            (ControllerPeer, login_protocol.MatchStarted): self._controllers.match_started,
            (ControllerPeer, login_protocol.PlayerJoined): self._controllers.match_fact,
            (ControllerPeer, login_protocol.PlayerLeft): self._controllers.match_fact,
            (ControllerPeer, login_protocol.TeamsChanged): self._controllers.match_fact,
            (ControllerPeer, login_protocol.ScoreChanged): self._controllers.match_fact,
            (ControllerPeer, login_protocol.MatchTimeChanged): self._controllers.match_fact,
            (ControllerPeer, login_protocol.MatchEnded): self._controllers.match_ended,
            (ControllerPeer, protocol.HandOverContext): self._controllers.hand_over_context,
            (ControllerPeer, protocol.HandOverFailed): self._controllers.hand_over_failed,
            (ControllerPeer, protocol.TookOver): self._controllers.took_over,
            (ControllerPeer, protocol.TakeOverFailed): self._controllers.take_over_failed,
            (ControllerPeer, protocol.PlayersMoved): self._controllers.players_moved,
            (ControllerPeer, PeerDisconnected): self._controllers.disconnected,
            (ConsolePeer, console.PasswordAsked): self._consoles.password_asked,
            (ConsolePeer, console.Admitted): self._consoles.admitted,
            (ConsolePeer, console.WrongPassword): self._consoles.wrong_password,
            (ConsolePeer, console.CommandEchoed): self._consoles.players.command_echoed,
            (ConsolePeer, console.ValueShown): self._consoles.value_shown,
            (ConsolePeer, console.PlayerListed): self._consoles.players.player_listed,
            (ConsolePeer, console.ClientListed): self._consoles.players.client_listed,
            (ConsolePeer, console.PlayerEntered): self._consoles.players.player_entered,
            (ConsolePeer, console.PlayerLeft): self._consoles.players.player_left,
            (ConsolePeer, console.MapChanged): self._consoles.map_changed,
            (ConsolePeer, console.MapNotChanged): self._consoles.map_not_changed,
            (ConsolePeer, console.TeamJoined): self._consoles.team_joined,
            (ConsolePeer, console.Said): self._consoles.players.said,
            (ConsolePeer, PeerDisconnected): self._consoles.disconnected,
            (DoorPeer, HttpRequest): self._door.answer,
            (AllowlistPeer, PeerConnected): self._allowlist.connected,
            (AllowlistPeer, Welcome): self._allowlist.welcome,
            (AllowlistPeer, Ping): self._allowlist.ping,
            (AllowlistPeer, Refused): self._allowlist.refused,
            (AllowlistPeer, ShuttingDown): self._allowlist.shutting_down,
            (AllowlistPeer, PeerDisconnected): self._allowlist.disconnected,
            **self._login_server.rows(),
            **control_desk.rows(),
            **self.page.rows(),
        }

    def handle_burst(self, peer: Peer | None, messages: Sequence[Any]) -> int:
        handled = super().handle_burst(peer, messages)
        if isinstance(peer, TalkingPeer):
            self._crashes.talks.heard(peer, messages[:handled])
            self._health.heard(peer)
        return handled

    # --- beginning and end ---------------------------------------------------------------------------

    def on_start(self) -> None:
        saved, self._saved = self._saved, {}
        for one in saved.values():
            one.matches = {match: state for match, state in one.matches.items() if match not in self._delivery.waiting}
        for name in list(self.servers):
            self._begin(name, saved)
        for name, left in saved.items():
            self._retire(name, left)
        self._figures.start()
        self._health.start()
        self._history.start()
        self._builds.start()
        self._idling.start()

    def reload(self, then: Callable[[bool, str], None] | None = None) -> None:
        """Read the game files anew; what comes of it is logged, and told to `then`."""
        self._builds.reload(self._read_games, then)

    def on_shutdown(self) -> Event:
        if self._leave_running:
            logger.info("leaving %d game servers running", sum(one.running for one in self.servers.values()))
            self._supervision.leave_all()
            self.all_stopped()
        else:
            self._supervision.stop_all()
        return self._all_stopped

    def hurry(self) -> None:
        """A second signal while stopping: no more patience with any process."""
        if not self._leave_running:
            self._supervision.kill_all()

    def on_stopped(self) -> None:
        self._state_files.save_all(self.servers)

    def state(self) -> dict[str, Any]:
        """Everything that is worth seeing, as plain data."""
        return {
            "name": self.launcher_name,
            "login_server": "connected" if self._login_server.connected else "away",
            "door": dict(self._door.counters),
            "revoked": dict(self._door.revoked),
            "results_waiting": len(self._delivery.waiting),
            "servers": {
                name: {
                    key: msgspec.to_builtins(getattr(server, key))
                    for key in server.__struct_fields__
                    if key not in ("game", "token", "console_password")
                }
                | {"controller": self.has_controller(server)}
                for name, server in self.servers.items()
            },
        }

    def _begin(self, name: str, saved: dict[str, SavedServer]) -> None:
        """Go on with what an earlier launcher left of a server, which may be in the middle of a change; or start it."""
        current, other = who_is_current(name, saved)
        server = self.servers[name]
        if current is not None and current.name != name:
            del self.servers[name]
            server = GameServer(name=current.name, server_id=server.server_id, game=server.game)
            self.servers[current.name] = server
        if current is not None:
            server.on_trial = current.on_trial
            server.game = self._builds.running(server)
        if other is not None:
            self._succession.adopt(server, other)
        self._supervision.begin(server, current)

    def _retire(self, name: str, saved: SavedServer) -> None:
        """A server that is in no game file any more: end what is left of it."""
        game = GameFile(game="", command=[""], capacity=1, stop=StopBySignal(), restart=Restart(policy="never"))
        server = GameServer(name=name, server_id=f"{self.launcher_name}/{name}", game=game, retired=True)
        self.servers[name] = server
        if saved.pid:
            logger.warning("%s: in no game file any more; ending its process %d", name, saved.pid)
            self._supervision.begin(server, saved)
        else:
            server.restore(saved)
            self.run_ended(server, "server_crashed")
        self._supervision.stop(server)
        self.server_changed(server)

    # --- what the supervision tells (host.Host) -------------------------------------------------

    def server_changed(self, server: GameServer) -> None:
        self._succession.server_changed(server)
        self._history.server_changed(server)
        self._listing.changed(server)
        self._allowlist.server_changed(server)
        self._state_files.save_now(server)
        if server.role is not Role.CURRENT and server.retired and is_over(server):
            self.post(self._forget, server)

    def choose_game(self, server: GameServer) -> None:
        if server.role is Role.CURRENT and not server.retired:
            self._builds.set_game(server)

    def crashed(self, server: GameServer) -> bool:
        return self._builds.failed(server)

    def save_then(self, server: GameServer, then: Callable[[], None]) -> None:
        self._state_files.save_now(server, then)

    def run_began(self, server: GameServer) -> None:
        self._consoles.open(server)
        self._status.open(server)

    def run_frozen(self, server: GameServer) -> None:
        self._consoles.close(server)
        self._status.close(server)

    def ask_to_stop(self, server: GameServer, grace_seconds: float) -> bool:
        return self._consoles.send(server, console.Shutdown()) or self._controllers.send(
            server, protocol.StopServer(grace_seconds=grace_seconds)
        )

    def _peer_of(self, server: GameServer) -> TalkingPeer | None:
        return self._consoles.peers.get(server.name) or self._controllers.peers.get(server.name)

    def has_controller(self, server: GameServer) -> bool:
        return server.name in self._consoles.peers or server.name in self._controllers.peers

    def process_crashed(self, server: GameServer, how: str, status: int | None) -> None:
        self._crashes.crashed(server, how, status, self._figures.history(server.group))

    def run_ended(self, server: GameServer, reason: str) -> None:
        self._consoles.close(server)
        self._status.close(server)
        self._controllers.dismiss(server)
        results = cut_short(server, reason, self.now)
        for result in results:
            logger.warning("%s: match %s ends with its server (%s)", server.shown_name, result.match_id, reason)
            server.expected.pop(result.match_id, None)
        self._crashes.run_ended(server)
        self._delivery.add(results, from_controller=False)

    def game_said(self, server: GameServer, facts: list[Fact]) -> None:
        self._logs.said(server, facts)

    def all_stopped(self) -> None:
        self._delivery.when_idle(self._all_stopped.set)

    def _say(self, server: GameServer, text: str) -> None:
        """In the chat of a game; who plays one with a controller is told by the login server."""
        if self._consoles.send(server, console.Say(text)):
            return
        if server.game.commands is not None and server.game.commands.say:
            try:
                self._commands.say(server, text)
            except ValueError as error:
                logger.warning("%s cannot be told: %s", server.public_name, error)

    def _how_far(self, server: GameServer) -> str:
        step = self._succession.step_of(server)
        return step.value if step is not None else ""

    def _forget(self, server: GameServer) -> None:
        """Nothing is left of one of two processes of a server."""
        if self.servers.get(server.name) is server and is_over(server):
            del self.servers[server.name]

    # --- what the succession tells (succession.Host) ---------------------------------------------------

    def tell_controller(self, server: GameServer, message: object) -> bool:
        return self._controllers.send(server, message)

    def places_changed(self, before: GameServer, after: GameServer) -> None:
        self._listing.succeeded(before, after)
        self._allowlist.seats_changed(after)
        for expected in after.expected.values():
            self._controllers.send(after, expected)

    def change_ended(self, outcome: Outcome) -> None:
        server = find(self.servers, outcome.server)
        if server is not None:
            server.map_trouble = outcome.error
        if not outcome.error:
            logger.info("%s: on map %s (after %.1f s)", outcome.server, outcome.map or "-", outcome.seconds)

    # --- what the delivery tells -----------------------------------------------------------------------

    def _result_is_safe(self, result: login_protocol.MatchEnded) -> None:
        for server in self.servers.values():
            if server.server_id == result.server_id:
                self._controllers.result_is_safe(server, result)
