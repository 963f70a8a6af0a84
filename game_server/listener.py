"""The central point of control of the game server, and its central task: it owns the listener for players and all games
by their ids, and hands each connection to the one that it is for."""

import logging
import time
from collections.abc import Callable
from typing import Any

from gevent.event import Event
from gevent.lock import RLock

from connhandler import CentralTask, Limits, PeerConnected, PeerDisconnected, Timer
from connhandler.framing.httprequest import HttpError, HttpRequest
from connhandler.jsonmessage import Ping, Refused, ShuttingDown, Welcome
from connhandler.workers import Pool, WorkerPool
from game_server import protocol
from game_server.admission import Denial
from game_server.arrival import Arrival
from game_server.config import Configuration
from game_server.controller import GameController
from game_server.departure import Departure
from game_server.door import Door
from game_server.games import GameCollection
from game_server.launcherhandler import LauncherPeer
from game_server.launcherlink import Checker, LauncherLink
from game_server.playerhandler import Misunderstood, PlayerHandler, PlayerPeer
from game_server.protocol import CloseCode
from game_server.reporter import GameReport
from game_server.server import GameServer
from game_server.waits import Waits
from game_server_launcher.protocol import (
    CancelHandOver,
    ControllerAccepted,
    HandOver,
    IssuerChanged,
    KickPlayer,
    MatchRecorded,
    MovePlayers,
    PlayersExpected,
    Say,
    StopServer,
    TakeOver,
)

logger = logging.getLogger(__name__)

TIME_REPORT_SECONDS = 10.0
"""How often the launcher hears how long each match has been going on."""

BREAK_OFF_PART = 0.3
"""After this part of the grace that the launcher gives for a stop, the games that go on are broken off. The rest is
for telling the launcher how they ended, and for closing the connections to players who do not read."""

MAX_MESSAGE_BYTES = 64 * 1024
"""A player has nothing to say that is longer than a line."""


class GameListener(CentralTask):
    """All games, and the connections to them.

    Who comes is found out by each connection's own task (`authenticate`), and commands are carried out by the tasks of
    the controllers. All else is done here: connections come and go, timers fire, the launcher speaks. What happens in a
    game, in whichever task, comes here as a message, and the game is then settled: its timer set, the launcher told.

    The lock guards what the connections' tasks share with this one: the games by id and the tickets that were used.
    With threads it would be needed; tasks of gevent switch only where they wait, and nothing waits with the lock held.

    Args:
        configuration: the program's settings.
        checker: what tickets are checked with; None to hear from the launcher whose tickets are taken.
        clock: Unix time.
        **kwargs: those of `CentralTask`.

    Attributes:
        players: listens for players.
        lock: guards what the connections' tasks share with this one.
        games: all of them.
        waits: the games' timers.
        controllers: one for each player who is at a game.
        pool: packs the games for a successor, and unpacks those of a predecessor.
        launcher: the link to the launcher.
        end: called with a reason when nobody needs this server any more; the program sets it.
    """

    def __init__(
        self,
        configuration: Configuration,
        checker: Checker | None = None,
        *,
        clock: Callable[[], float] = time.time,
        **kwargs: Any,
    ) -> None:
        super().__init__("game_listener", clock=clock, **kwargs)
        self.lock = RLock()
        self._patience = configuration.patience
        self._size = configuration.size
        self.players = PlayerHandler(
            "players",
            configuration.address,
            configuration.port,
            self.queue,
            authenticate=self.authenticate,
            origins=configuration.origins or None,
            limits=Limits(
                max_connections=configuration.max_connections,
                max_connections_per_address=configuration.max_connections_per_address,
                max_message_bytes=MAX_MESSAGE_BYTES,
            ),
        )
        self.launcher = LauncherLink(self, configuration, checker, self.lock, self._end_if_done)
        self.games = GameCollection(configuration.max_games, self._make_game, self.new_id, self.random)
        self.end: Callable[[str], None] = lambda why: self.stop()
        self.pool: Pool = WorkerPool("contexts", threads=1, max_queued=1)
        self.departure = Departure(self)
        self.arrival = Arrival(self)
        self.controllers: dict[PlayerPeer, GameController] = {}
        self._door = Door(configuration.enable_auth, self.launcher, self.departure, self.post)
        self.waits = Waits(self, self._time_passed)
        self._time_report: Timer | None = None
        self._stopping = False
        self._finished: Event | None = None
        self.dispatch = {
            (PlayerPeer, PeerConnected): self.player_connected,
            (PlayerPeer, protocol.Command): self.hand_over,
            (PlayerPeer, Misunderstood): self.hand_over,
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
            (LauncherPeer, HandOver): self.departure.hand_over,
            (LauncherPeer, CancelHandOver): self.departure.cancel,
            (LauncherPeer, MovePlayers): self.departure.move_players,
            (LauncherPeer, TakeOver): self.arrival.take_over,
            (LauncherPeer, Say): self.say,
            (LauncherPeer, KickPlayer): self.kick_player,
            (LauncherPeer, PeerDisconnected): self.launcher.disconnected,
        }

    def on_start(self) -> None:
        logger.info("players connect to ws://%s:%d", self.players.address, self.players.port)
        self.launcher.start()

    def on_shutdown(self) -> Event:
        self.departure.go_on("the server stops")
        self._stopping = True
        for game in self.games:
            game.break_off("server_stopped")
        self._tell_players("the server stops")
        self._finished = Event()
        self.post(self._end_if_done)  # after what the games have just told
        return self._finished

    # --- in the tasks of the connections, before the upgrade ----------------------------------------

    def authenticate(self, peer: PlayerPeer, request: HttpRequest) -> None:
        """Find out who comes and whether the game can be this player's, and keep it as the peer's `admission`.

        A resume key is looked up after the upgrade only: web pages come with one, and are never told of an HTTP status,
        only of a close code.

        Raises:
            HttpError: the player is not let in.
        """
        try:
            with self.lock:
                peer.admission = self._door.admit(request, self._clock())
                if not peer.admission.resume_key:
                    self.games.find(peer.admission, open_for_new=not self.closing)
                self.departure.let_in(peer)
        except Denial as denial:
            headers = {"WWW-Authenticate": "Bearer"} if denial.status == 401 else {}
            raise HttpError(denial.status, str(denial), headers) from denial

    # --- players ------------------------------------------------------------------------------------

    def player_connected(self, peer: PlayerPeer, message: PeerConnected) -> None:
        if self.departure.keeps(self.player_connected, peer, message) or self.departure.sends_on(peer):
            return
        try:
            with self.lock:
                if peer.admission.resume_key:
                    peer.admission = self.games.by_key(peer.admission.game_id, peer.admission.resume_key)
                game = self.games.find_or_create(peer.admission, open_for_new=not self.closing)
        except Denial as denial:  # A wrong resume key, or what was true before the upgrade is so no more.
            logger.info("%s: not let in: %s", peer.name, denial)
            peer.disconnect(str(denial), CloseCode.NOT_LET_IN)
            return
        logger.info("%s: %s comes to %s", peer.name, peer.admission.player, game.game_id)
        peer.logged_in = True
        controller, replaced = game.connect(peer, peer.admission.player)
        self.controllers[peer] = controller
        if replaced is not None:
            self._dismiss(replaced, CloseCode.REPLACED, "you came back with another connection")
        self.post(self.settle, game)

    def hand_over(self, peer: PlayerPeer, message: protocol.Command | Misunderstood) -> None:
        """The connection's controller sees to it, in its own task."""
        if peer in self.controllers:
            self.controllers[peer].conversation.hand_over(message)
        elif self.departure.keeps(self.heard_late, peer, message):
            peer.hold()

    def heard_late(self, peer: PlayerPeer, message: protocol.Command | Misunderstood) -> None:
        """What was kept while the games stood still."""
        peer.release()
        self.hand_over(peer, message)

    def player_disconnected(self, peer: PlayerPeer, message: PeerDisconnected) -> None:
        """The controller leaves the game when it has carried out what came before."""
        if peer in self.controllers:
            self.controllers[peer].conversation.end()
        elif not self.departure.keeps(self.player_disconnected, peer, message):
            self.departure.gone(peer)

    def _left(self, controller: GameController) -> None:
        """A controller's task is over. Of one that was dismissed, the game knows already."""
        if self.departure.keeps(self._left, controller):
            return
        if self.controllers.pop(controller.peer, None) is not None:
            logger.info("%s: %s left %s", controller.peer.name, controller.player, controller.game.game_id)
            controller.game.leave(controller)
            self.post(self.settle, controller.game)

    def _dismiss(self, controller: GameController, code: CloseCode, text: str) -> None:
        """This connection is none of a game any more: what came from it and was not carried out yet is forgotten."""
        self.controllers.pop(controller.peer, None)
        controller.conversation.abandon()
        controller.peer.disconnect(text, code)

    def _tell_players(self, text: str) -> None:
        for peer in self.controllers:
            peer.send(ShuttingDown(message=text))

    # --- games --------------------------------------------------------------------------------------

    def _make_game(self, game_id: str, is_match: bool) -> GameServer:
        game = GameServer(
            game_id,
            is_match=is_match,
            patience=self._patience,
            clock=self._clock,
            left=lambda controller: self.post(self._left, controller),
            halt=self.departure.halt,
            size=self._size,
        )
        game.publisher.subscribe(CentralSubscriber(self, game, self.launcher.reporter.report_of(game)))
        return game

    def happened(self, game: GameServer, report: GameReport, event: protocol.GameEvent) -> None:
        """Something has happened in a game: called for each event, as a message."""
        report.event_published(event)
        self.settle(game)

    def settle(self, game: GameServer) -> None:
        """See to it that a game's time passes, and that everybody knows who is here.

        Comes as a message, after the events that are the reason for it.
        """
        if self.departure.under_way:
            return
        self.waits.set(game, game.due_at() if self.games.get(game.game_id) is game else None)
        if self.launcher.reporter.reporting and self._time_report is None:
            self._time_report = self.call_later(TIME_REPORT_SECONDS, self._report_times)
        self.launcher.players_counted(len(self.controllers))
        self.post(self._end_if_done)  # after what the game has told on the way

    def _time_passed(self, game: GameServer) -> None:
        if game.pass_time():
            with self.lock:
                self.games.forget(game)
            for controller in game.dismiss():
                self._dismiss(controller, CloseCode.GAME_CLOSED, "the game is over and closed")
        self.post(self.settle, game)

    def _report_times(self) -> None:
        self._time_report = None
        if self.launcher.reporter.reporting:
            self.launcher.reporter.report_times(self.now)
            self._time_report = self.call_later(TIME_REPORT_SECONDS, self._report_times)

    # --- the launcher's wishes, and the end ---------------------------------------------------------

    def players_expected(self, peer: LauncherPeer, message: PlayersExpected) -> None:
        """A match was made for this server: its game waits from now on, and ends if nobody comes."""
        if self.departure.keeps(self.players_expected, peer, message):
            return
        if message.match_id in ("", protocol.ANY_GAME) or message.expires_at <= self.now or self.closing:
            return
        try:
            with self.lock:
                game = self.games.expect(message.match_id, message.players)
        except Denial as denial:
            logger.warning("%s: no game for match %s: %s", peer.name, message.match_id, denial)
            return
        self.settle(game)

    def say(self, peer: LauncherPeer, message: Say) -> None:
        for player in self.controllers:
            player.send(protocol.Notice(text=message.text))

    def kick_player(self, peer: LauncherPeer, message: KickPlayer) -> None:
        """The seat stays: it is as if the connection had been lost."""
        reason = "you were sent away" + (f": {message.reason}" if message.reason else "")
        for controller in list(self.controllers.values()):
            if controller.player == message.player:
                logger.info("%s: %s is kicked: %s", controller.peer.name, message.player, reason)
                controller.peer.disconnect(reason, CloseCode.KICKED)

    def stop_server(self, peer: LauncherPeer, message: StopServer) -> None:
        if self._stopping:
            return
        self.departure.go_on("the launcher stops this server")
        self._stopping = True
        seconds = message.grace_seconds * BREAK_OFF_PART
        logger.info("the launcher stops this server: %d games may go on for %g s", self.games.going_on, seconds)
        self._tell_players(f"the server stops: a game that is not over in {seconds:.0f} s is broken off")
        self.call_later(seconds, self.end, "stopped by the launcher")
        self._end_if_done()

    @property
    def closing(self) -> bool:
        """Whether this server begins no new games."""
        return self._stopping or self.launcher.refused or self.departure.departed

    @property
    def _awaits_record(self) -> bool:
        """Whether the launcher is here and has still to say that it has recorded how a match ended."""
        return self.launcher.reporter.connected and self.launcher.reporter.unrecorded > 0

    def _end_if_done(self) -> None:
        """End once nobody needs this server any more."""
        if self.departure.under_way:
            return
        if self._finished is not None and not self._awaits_record:
            self._finished.set()
        if (self.closing or self.launcher.forlorn) and not self.games.going_on and not self._awaits_record:
            self.end("nobody needs this server any more")


class CentralSubscriber:
    """Subscribes the central task to one game: it hears each event as a message, whichever task made it happen."""

    def __init__(self, listener: GameListener, game: GameServer, report: GameReport) -> None:
        self._listener = listener
        self._game = game
        self._report = report

    def event_published(self, event: protocol.GameEvent) -> None:
        self._listener.post(self._listener.happened, self._game, self._report, event)
