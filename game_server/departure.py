"""Handing all games over to a successor: the side that is left."""

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

from connhandler import Timer
from game_server import protocol
from game_server.admission import Admission, Denial, Presented
from game_server.controller import GameController
from game_server.halt import Halt
from game_server.handover import Context, Pass, export_context, parts_of
from game_server.launcherhandler import LauncherPeer
from game_server.playerhandler import PlayerPeer
from game_server.protocol import CloseCode
from game_server_launcher.protocol import (
    CancelHandOver,
    HandOver,
    HandOverContext,
    HandOverFailed,
    MovePlayers,
    PlayersMoved,
)

if TYPE_CHECKING:
    from game_server.listener import GameListener

logger = logging.getLogger(__name__)

HALT_SECONDS = 30.0
"""A successor that has not taken over after so long never will: players do not wait any longer."""

CLOSE_SECONDS = 3.0
"""Players who were told where to go are disconnected after so long."""

LEAVE_SECONDS = 10.0
"""Connections that are still there after so long are cut."""


class Departure:
    """From the launcher's wish that the games stand still to the last player's departure.

    While the games stand still, no command is carried out, no time passes for them, and what comes is kept: so the
    context that was told stays true. If the hand-over fails, all goes on from there. If it succeeds, the games are not
    this process's any more, and what was kept is forgotten: the players say it again to the successor.

    The central task calls all of it, but `let_in`.

    Args:
        central: whose games they are.

    Attributes:
        halt: what every command has to pass through.
    """

    def __init__(self, central: "GameListener") -> None:
        self.halt = Halt()
        self._central = central
        self._attempt = 0
        self._kept: list[tuple[Callable[..., None], tuple[Any, ...]]] = []
        self._arriving: WeakSet[PlayerPeer] = WeakSet()
        self._passes: dict[PlayerPeer, Pass] = {}
        self._told = False
        self._halted_at = 0.0
        self._patience: Timer | None = None
        self._successor: MovePlayers | None = None
        self._leaving: set[PlayerPeer] = set()
        self._moved = False

    @property
    def under_way(self) -> bool:
        """Whether the games stand still."""
        return self.halt.closed and self._successor is None

    @property
    def departed(self) -> bool:
        """Whether the games are not this process's any more."""
        return self._successor is not None

    # --- who comes meanwhile ------------------------------------------------------------------------

    def check_door(self, presented: Presented) -> None:
        """Let in who can be told where to go, and nobody else. Called by the tasks of the players' connections.

        Raises:
            Denial: not now.
        """
        if self.under_way or (self.departed and not presented.resume_key):
            raise Denial("server_moving", "the games move to another process; try again soon", 503)

    def let_in(self, peer: PlayerPeer) -> None:
        """This player is let in, and comes to a game in a moment. Called by the tasks of the players' connections."""
        self._arriving.add(peer)

    def keeps(self, function: Callable[..., None], *args: Any) -> bool:
        """Whether this has to wait: it is done when the games go on, if they do so here."""
        if self.under_way:
            self._kept.append((function, args))
        return self.under_way

    def sends_on(self, peer: PlayerPeer) -> bool:
        """Whether a player who has just come has to go on to the successor."""
        self._arriving.discard(peer)
        if self.departed:
            self._send_on(peer, peer.admission.game_id, peer.admission.resume_key)
        return self.departed

    def gone(self, peer: PlayerPeer) -> None:
        """A connection has ended."""
        self._leaving.discard(peer)
        self._end_if_all_are_gone()

    # --- the launcher's wishes ----------------------------------------------------------------------

    def hand_over(self, peer: LauncherPeer, message: HandOver) -> None:
        if self.halt.closed:
            self._fail("a hand-over is under way already")
            return
        self.halt.close()
        self._attempt += 1
        self._halted_at = self._central.now
        self._patience = self._central.call_later(HALT_SECONDS, self._lose_patience)
        self._central.waits.clear()
        logger.info("the games stand still: a successor is to take them over")
        self._central.post(self._export, self._attempt)  # after what the games have just told

    def cancel(self, peer: LauncherPeer, message: CancelHandOver) -> None:
        self.go_on("the launcher has cancelled the hand-over")

    def move_players(self, peer: LauncherPeer, message: MovePlayers) -> None:
        if not (self.under_way and self._told):
            self._fail("no hand-over is under way")
            return
        self._forget_patience()
        self._successor = message
        self.halt.close_for_good()
        controllers = self._give_games_up()
        logger.info("%d players go on to %s port %d", len(controllers), message.address, message.port)
        for player, controller in controllers.items():
            if player.connected:
                key = self._passes[player].key if controller.seat is None else controller.resume_key
                self._send_on(player, controller.game.game_id, key)
        kept, self._kept = self._kept, []
        for function, args in kept:
            self._send_kept_on(function, args)
        self._central.call_later(LEAVE_SECONDS, self._cut)
        self._end_if_all_are_gone()

    def go_on(self, why: str) -> None:
        """The games go on here, from where they stood still; nothing if they do not stand still."""
        if not self.under_way:
            return
        logger.info("the games go on: %s", why)
        self._forget_patience()
        self._told = False
        self._passes.clear()
        self.halt.open()
        for game in self._central.games:
            game.stand_still(self._central.now - self._halted_at)
            self._central.settle(game)
        kept, self._kept = self._kept, []
        for function, args in kept:
            function(*args)

    def tell_again(self) -> None:
        """A launcher is here that may not have heard that all players have gone."""
        if self._moved:
            self._central.launcher.reporter.send(PlayersMoved())

    # --- on the way ---------------------------------------------------------------------------------

    def _export(self, attempt: int) -> None:
        if not self._is(attempt):
            return
        for peer, controller in self._central.controllers.items():
            if controller.seat is None:
                self._give_pass(peer, Admission(controller.player, controller.game.game_id))
        for peer in sorted(self._arriving, key=lambda one: one.serial):
            if not peer.admission.resume_key:
                self._give_pass(peer, peer.admission)
        context = Context(
            games=[game.context() for game in self._central.games],
            used_tickets=self._central.launcher.used_tickets,
            passes=list(self._passes.values()),
        )

        def exported(text: str, error: BaseException | None) -> None:
            self._exported(attempt, text, error)

        self._central.perform(self._central.pool, export_context, context, then=exported)

    def _exported(self, attempt: int, text: str, error: BaseException | None) -> None:
        if not self._is(attempt):
            return
        if error is not None:
            self.go_on(str(error))
            self._fail(str(error))
            return
        for part, last, data in parts_of(text):
            self._central.launcher.reporter.send(HandOverContext(part=part, last=last, data=data))
        self._told = True

    def _give_games_up(self) -> dict[PlayerPeer, GameController]:
        """The games go on elsewhere, and the controllers' tasks end.

        Returns:
            The controllers that there were.
        """
        central = self._central
        controllers, central.controllers = central.controllers, {}
        with central.lock:
            central.games.clear()
        central.launcher.reporter.games_left()
        for controller in controllers.values():
            controller.conversation.abandon()
        return controllers

    def _give_pass(self, peer: PlayerPeer, may: Admission) -> None:
        key = self._central.new_id() + self._central.new_id()
        self._passes[peer] = Pass(key, may.player, may.game_id, may.players, may.returning)

    def _send_kept_on(self, function: Callable[..., None], args: tuple[Any, ...]) -> None:
        """Those who had been let in when the games stood still are here now, or gone again."""
        if function == self._central.player_connected:
            peer = args[0]
            key = self._passes[peer].key if peer in self._passes else peer.admission.resume_key
            self._send_on(peer, peer.admission.game_id, key)
        elif function == self._central.heard_late:
            args[0].release()
        elif function == self._central.player_disconnected:
            self._leaving.discard(args[0])

    def _send_on(self, peer: PlayerPeer, game_id: str, key: str) -> None:
        assert self._successor is not None
        address, port = self._successor.address, self._successor.port
        peer.send(protocol.Moved(address=address, port=port, game_id=game_id, resume_key=key))
        self._leaving.add(peer)
        self._central.call_later(CLOSE_SECONDS, peer.disconnect, "the game goes on elsewhere", CloseCode.MOVED)

    def _cut(self) -> None:
        for peer in self._leaving:
            peer.abort("it did not go on to the successor")
        self._leaving.clear()
        self._end_if_all_are_gone()

    def _end_if_all_are_gone(self) -> None:
        if self.departed and not self._leaving and not self._moved:
            self._moved = True
            logger.info("all players have gone to the successor")
            self.tell_again()

    def _lose_patience(self) -> None:
        why = f"no successor after {HALT_SECONDS:g} s"
        self.go_on(why)
        self._fail(why)

    def _forget_patience(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None

    def _is(self, attempt: int) -> bool:
        return self.under_way and self._attempt == attempt

    def _fail(self, reason: str) -> None:
        logger.warning("nothing is handed over: %s", reason)
        self._central.launcher.reporter.send(HandOverFailed(reason=reason[:1024]))
