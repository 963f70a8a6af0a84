"""The central task of the game server: it owns all games by id, and answers everybody who is connected."""

import logging
from collections.abc import Callable
from typing import Any

from gevent.event import Event

from connhandler import CentralTask, Peer, PeerConnected, PeerDisconnected, ProtocolError, Timer
from connhandler.jsonmessage import Hello, Ping, Pong, Refused, ShuttingDown, Welcome, agree_on_version
from game_server import protocol
from game_server.config import PROGRAM, Configuration
from game_server.controller import GameController
from game_server.games import Denial, GameCollection
from game_server.launcherhandler import LauncherPeer
from game_server.launcherlink import LauncherLink
from game_server.playerhandler import PlayerPeer
from game_server.server import GameServer
from game_server_launcher.protocol import (
    ControllerAccepted,
    IssuerChanged,
    MatchRecorded,
    PlayersExpected,
    StopServer,
)
from login_server.tickets import TicketChecker, TicketError

logger = logging.getLogger(__name__)

TIME_REPORT_SECONDS = 10.0
"""How often the launcher hears how long each match has been going on."""

BREAK_OFF_PART = 0.3
"""After this part of the grace that the launcher gives for a stop, the games that go on are broken off. The rest is
for telling the launcher how they ended, and for closing the connections to players who do not read."""


class GameListener(CentralTask):
    """All games, and the connections to them.

    Args:
        configuration: the program's settings.
        checker: what tickets are checked with; None to hear from the launcher whose tickets are taken.
        **kwargs: those of `CentralTask`.

    Attributes:
        games: all of them.
        launcher: the link to the launcher.
        end: called with a reason when nobody needs this server any more; the program sets it.
    """

    def __init__(self, configuration: Configuration, checker: TicketChecker | None = None, **kwargs: Any) -> None:
        super().__init__("game_listener", **kwargs)
        self.launcher = LauncherLink(self, configuration, checker, self._end_if_done)
        self.games = GameCollection(
            configuration.patience,
            configuration.max_games,
            self.new_id,
            self.random,
            self.launcher.reporter.follow,
        )
        self.end: Callable[[str], None] = lambda why: self.stop()
        self._address = configuration.address
        self._controllers: dict[Peer, GameController] = {}
        self._waits: dict[str, tuple[float, Timer]] = {}
        self._time_report: Timer | None = None
        self._stopping = False
        self._finished: Event | None = None
        self.dispatch = {
            (PlayerPeer, Hello): self.hello,
            (PlayerPeer, Pong): self.pong,
            (PlayerPeer, protocol.JoinGame): self.join_game,
            (PlayerPeer, protocol.Resume): self.resume,
            (PlayerPeer, protocol.Drop): self.execute,
            (PlayerPeer, protocol.Resign): self.execute,
            (PlayerPeer, protocol.Events): self.execute,
            (PlayerPeer, PeerDisconnected): self.player_disconnected,
            (LauncherPeer, PeerConnected): self.launcher.connected,
            (LauncherPeer, Welcome): self.launcher.welcome,
            (LauncherPeer, Ping): self.launcher.ping,
            (LauncherPeer, Refused): self.launcher.refused_by_launcher,
            (LauncherPeer, ShuttingDown): self.launcher.shutting_down,
            (LauncherPeer, ControllerAccepted): self.launcher.controller_accepted,
            (LauncherPeer, IssuerChanged): self.launcher.issuer_changed,
            (LauncherPeer, MatchRecorded): self.launcher.match_recorded,
            (LauncherPeer, PlayersExpected): self.players_expected,
            (LauncherPeer, StopServer): self.stop_server,
            (LauncherPeer, PeerDisconnected): self.launcher.disconnected,
        }

    def on_start(self) -> None:
        logger.info("players connect to %s:%d", self._address, self.launcher.port)
        self.launcher.start()

    def on_shutdown(self) -> Event | None:
        self._stopping = True
        self._break_off_games()
        self._tell_players("the server stops")
        if not self._awaits_record:
            return None
        self._finished = Event()
        return self._finished

    # --- players ------------------------------------------------------------------------------------

    def hello(self, peer: PlayerPeer, message: Hello) -> None:
        answer = agree_on_version(message, protocol.VERSIONS, PROGRAM)
        peer.send(answer)
        if isinstance(answer, Welcome):
            peer.version = answer.version
        else:
            peer.disconnect(answer.code)

    def pong(self, peer: PlayerPeer, message: object) -> None:
        """A sign of life; that it was received is all there is to it."""

    def join_game(self, peer: PlayerPeer, message: protocol.JoinGame) -> None:
        self._let_in(peer, "join_game", self._by_ticket, message.ticket)

    def resume(self, peer: PlayerPeer, message: protocol.Resume) -> None:
        self._let_in(peer, "resume", self.games.by_key, message.resume_key)

    def execute(self, peer: PlayerPeer, message: protocol.Drop | protocol.Resign | protocol.Events) -> None:
        controller = self._controllers.get(peer)
        if controller is None:
            about = type(message).__name__.lower()
            peer.send(Refused(code="not_seated", message="join a game first", about=about))
            return
        controller.execute(message, self.now)
        self._settle(controller.game)

    def player_disconnected(self, peer: PlayerPeer, message: PeerDisconnected) -> None:
        controller = self._controllers.pop(peer, None)
        if controller is not None:
            logger.info("%s: %s left %s", peer.name, controller.player, controller.game.game_id)
            controller.game.leave(controller, self.now)
            self._settle(controller.game)

    def _let_in(self, peer: PlayerPeer, about: str, find: Callable[[str], tuple[GameServer, str]], proof: str) -> None:
        """Seat the player in the game that `find` finds by what he shows, or end the connection."""
        if not peer.version:
            raise ProtocolError("say hello first")
        if peer in self._controllers:
            peer.send(Refused(code="already_seated", message="you have a seat already", about=about))
            return
        try:
            game, player = find(proof)
        except Denial as denial:
            logger.info("%s: not let in: %s", peer.name, denial)
            peer.send(Refused(code=denial.code, message=str(denial), about=about))
            peer.disconnect(denial.code)
            return
        logger.info("%s: %s takes a seat in %s", peer.name, player, game.game_id)
        peer.logged_in = True
        controller = GameController(peer, game, player)
        self._controllers[peer] = controller
        replaced = game.enter(controller, self.now)
        if replaced is not None:
            self._dismiss(replaced, "replaced", "you came back with another connection")
        self._settle(game)

    def _by_ticket(self, text: str) -> tuple[GameServer, str]:
        if self.launcher.checker is None:
            raise Denial("not_ready", "the server has not heard from the login server yet; try again soon")
        try:
            ticket = self.launcher.checker.check(text, self.now)
        except TicketError as error:
            raise Denial(error.code, error.message) from error
        self.launcher.ticket_used(ticket)
        return self.games.for_ticket(ticket, self.now, open_for_new=not self._closing), ticket.player

    def _dismiss(self, controller: GameController, code: str, text: str) -> None:
        """This connection has no seat any more: what comes from it from now on changes nothing."""
        self._controllers.pop(controller.peer, None)
        controller.peer.send(Refused(code=code, message=text))
        controller.peer.disconnect(code)

    def _tell_players(self, text: str) -> None:
        for peer in self._controllers:
            peer.send(ShuttingDown(message=text))

    # --- games --------------------------------------------------------------------------------------

    def _settle(self, game: GameServer) -> None:
        """Something has happened in a game: see to it that its time passes, and that everybody knows who is here."""
        due_at = game.due_at()
        wait = self._waits.get(game.game_id)
        if wait is None or wait[0] != due_at:
            if wait is not None:
                wait[1].cancel()
                del self._waits[game.game_id]
            if due_at is not None:
                timer = self.call_later(due_at - self.now, self._time_passed, game)
                self._waits[game.game_id] = (due_at, timer)
        if self.launcher.reporter.reporting and self._time_report is None:
            self._time_report = self.call_later(TIME_REPORT_SECONDS, self._report_times)
        self.launcher.players_counted(len(self._controllers))
        self._end_if_done()

    def _time_passed(self, game: GameServer) -> None:
        del self._waits[game.game_id]
        if game.pass_time(self.now):
            self.games.forget(game)
            for controller in game.dismiss():
                self._dismiss(controller, "game_closed", "the game is over and closed")
            self.launcher.players_counted(len(self._controllers))
        else:
            self._settle(game)

    def _report_times(self) -> None:
        self._time_report = None
        if self.launcher.reporter.reporting:
            self.launcher.reporter.report_times(self.now)
            self._time_report = self.call_later(TIME_REPORT_SECONDS, self._report_times)

    def _break_off_games(self) -> None:
        for game in self.games:
            game.break_off("server_stopped", self.now)
            self._settle(game)

    # --- the launcher's wishes, and the end ---------------------------------------------------------

    def players_expected(self, peer: LauncherPeer, message: PlayersExpected) -> None:
        """A match was made for this server: its game waits from now on, and ends if nobody comes."""
        if message.match_id in ("", protocol.ANY_GAME) or message.expires_at <= self.now or self._closing:
            return
        try:
            self._settle(self.games.expect(message.match_id, message.players, self.now))
        except Denial as denial:
            logger.warning("%s: no game for match %s: %s", peer.name, message.match_id, denial)

    def stop_server(self, peer: LauncherPeer, message: StopServer) -> None:
        if self._stopping:
            return
        self._stopping = True
        seconds = message.grace_seconds * BREAK_OFF_PART
        logger.info("the launcher stops this server: %d games may go on for %g s", self.games.going_on, seconds)
        self._tell_players(f"the server stops: a game that is not over in {seconds:.0f} s is broken off")
        self.call_later(seconds, self.end, "stopped by the launcher")
        self._end_if_done()

    @property
    def _closing(self) -> bool:
        """Whether this server begins no new games."""
        return self._stopping or self.launcher.refused

    @property
    def _awaits_record(self) -> bool:
        """Whether the launcher is here and has still to say that it has recorded how a match ended."""
        return self.launcher.reporter.connected and self.launcher.reporter.unrecorded > 0

    def _end_if_done(self) -> None:
        """End once nobody needs this server any more."""
        if self._finished is not None and not self._awaits_record:
            self._finished.set()
        if (self._closing or self.launcher.forlorn) and not self.games.going_on and not self._awaits_record:
            self.end("nobody needs this server any more")
