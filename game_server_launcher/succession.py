"""How a server changes its map, or its build, without losing a player: by a second process that takes its games over.

The successor is a game server of its own here, with a name that no game file can give (`other_place`), until it is
ready; then it takes the place of the one before in everything that is said of the server, and that one ends.

    second process starts → is ready → HandOver → context → TakeOver → TookOver → places change → MovePlayers
                                                                                   → PlayersMoved → the old one ends

Until the places have changed, whatever fails (the successor does not start, is not ready in time, does not take the
context, crashes) ends the successor alone, and the game before goes on where it stopped. All of it runs in the central
task.
"""

import enum
import logging
from collections.abc import Callable
from typing import Protocol

import msgspec

from connhandler import CentralTask, Timer
from game_server_launcher import protocol
from game_server_launcher.gamefile import GameFile
from game_server_launcher.gametables import Restart
from game_server_launcher.servers import GameServer, Role, SavedServer, State, other_place
from game_server_launcher.supervision import Supervision

logger = logging.getLogger(__name__)

MAX_CONTEXT_CHARACTERS = 64 * 1024 * 1024
HAND_OVER_SECONDS = 10.0
"""A context that is not taken over so long after it was asked for will not be: players wait meanwhile."""

START_EXTRA_SECONDS = 5.0


class Step(enum.Enum):
    """How far a change is."""

    STARTING = "the new process starts"
    HANDING_OVER = "the games are handed over"
    MOVING = "the players move"


class Change(msgspec.Struct):
    """One change under way.

    Attributes:
        before: the server as it was.
        after: its successor.
        game: what the successor is to be from the change of places on.
        step: how far it is.
        began_at: unix time.
        decided_at: when the hand-over began: from here on players may wait.
        characters: of the context so far.
        timer: the end of patience with this step.
    """

    before: GameServer
    after: GameServer
    game: GameFile
    step: Step
    began_at: float
    decided_at: float = 0.0
    characters: int = 0
    timer: Timer | None = None


class Outcome(msgspec.Struct, frozen=True):
    """How a change ended: `error` is empty when the players are on the new process."""

    server: str
    map: str
    seconds: float
    paused_seconds: float
    error: str = ""


class Host(Protocol):
    """The program; all in the central task."""

    def tell_controller(self, server: GameServer, message: object) -> bool:
        """Send to a server's controller; return whether there is one."""

    def save_then(self, server: GameServer, then: Callable[[], None]) -> None:
        """Write the state file, then call `then`."""

    def server_changed(self, server: GameServer) -> None:
        """Something that players, the state file or the login server should know has changed."""

    def places_changed(self, before: GameServer, after: GameServer) -> None:
        """From now on, `after` is the server that players, the login server and its controller's facts are about."""

    def change_ended(self, outcome: Outcome) -> None:
        """A change has come to its end, whichever."""

    def crashed(self, server: GameServer) -> bool:
        """A successor did not do."""


class Succession:
    """The changes of all servers of a launcher.

    Args:
        central: whose task this runs in.
        host: who is told.
        servers: by name; owned by the program, changed here.
        supervision: starts and stops the processes.
    """

    def __init__(
        self, central: CentralTask, host: Host, servers: dict[str, GameServer], supervision: Supervision
    ) -> None:
        self._central = central
        self._host = host
        self._servers = servers
        self._supervision = supervision
        self._changes: dict[str, Change] = {}
        """By the name of either server."""

    def step_of(self, server: GameServer) -> Step | None:
        """How far the change of a server is; None without one."""
        change = self._changes.get(server.name)
        return change.step if change else None

    def begin(self, server: GameServer, game: GameFile, on_trial: bool = False) -> None:
        """Start the successor of a server, of this game file, whose `map` is the new one.

        Raises:
            ValueError: the server cannot be succeeded now; the text says why.
        """
        self._check(server)
        name = other_place(server.name)
        after = GameServer(
            name=name,
            server_id=server.server_id,
            game=msgspec.structs.replace(game, restart=Restart(policy="never")),
            role=Role.SUCCESSOR,
            chosen_map=game.map,
            on_trial=on_trial,
            used_tickets=dict(server.used_tickets),
            seats=dict(server.seats),
        )
        self._servers[name] = after
        change = Change(server, after, game, Step.STARTING, self._central.now)
        self._changes[server.name] = self._changes[name] = change
        logger.info("%s: a second process is started for map %s", server.shown_name, game.map or "-")
        seconds = game.ready.seconds + game.stop.seconds + START_EXTRA_SECONDS
        self._wait(change, seconds, "it was not ready in time")
        self._supervision.start(after)

    def server_changed(self, server: GameServer) -> None:
        """A server's state has changed."""
        change = self._changes.get(server.name)
        if change is None:
            return
        if server is change.after:
            self._successor_changed(change)
        elif change.step is Step.MOVING:
            if not server.running and server.state in (State.STOPPED, State.FAILED, State.WAITING):
                self._finish(change)
        elif server.state not in (State.READY, State.AWAY):
            self._fail(change, f"the process before is {server.state.value}")

    # --- what controllers say ------------------------------------------------------------------------

    def context_part(self, server: GameServer, message: protocol.HandOverContext) -> None:
        """A part of the context of the process before."""
        change = self._changes.get(server.name)
        if change is None or change.step is not Step.HANDING_OVER or server is not change.before:
            return  # It was given up meanwhile.
        change.characters += len(message.data)
        if change.characters > MAX_CONTEXT_CHARACTERS:
            self._fail(change, f"its context is longer than {MAX_CONTEXT_CHARACTERS} characters")
        elif not self._host.tell_controller(
            change.after, protocol.TakeOver(part=message.part, last=message.last, data=message.data)
        ):
            self._fail(change, "the controller of the new process is away")

    def took_over(self, server: GameServer) -> None:
        """The successor has all games: it takes the place of the one before."""
        change = self._changes.get(server.name)
        if change is None or change.step is not Step.HANDING_OVER or server is not change.after:
            return
        before, after = change.before, change.after
        change.step = Step.MOVING
        after.game = change.game
        self._wait(change, change.game.map_change.seconds, "")
        self._exchange(before, after)
        # Written first: a launcher that is killed here finds out who is who from the new one's file.
        self._host.save_then(before, lambda: self._host.save_then(after, lambda: self._move(change)))

    def hand_over_failed(self, server: GameServer, reason: str) -> None:
        """The process before hands nothing over, or goes on though its successor has all: it waited for too long."""
        change = self._changes.get(server.name)
        if change is None or server is not change.before:
            return
        if change.step is not Step.MOVING:
            self._fail(change, reason)
            return
        self._forget(change)
        self._take_back(server, change.after)
        self._end(change, reason)

    def take_over_failed(self, server: GameServer, reason: str) -> None:
        """The successor does not take the games."""
        change = self._changes.get(server.name)
        if change is not None and change.step is Step.HANDING_OVER and server is change.after:
            self._fail(change, reason)

    def players_moved(self, server: GameServer) -> None:
        """Nobody is connected to the process before any more."""
        change = self._changes.get(server.name)
        if change is not None and change.step is Step.MOVING and server is change.before:
            paused = self._central.now - change.decided_at
            logger.info("%s: everybody has moved (%.2f s after the hand-over began)", change.after.shown_name, paused)
            self._supervision.stop(server)

    # --- after a launcher's restart ------------------------------------------------------------------

    def adopt(self, server: GameServer, saved: SavedServer) -> None:
        """Take up the other process of a server, left by an earlier launcher in the middle of a change.

        One that was to succeed the server is ended, and its games with it: nobody has played on it. One that came
        before it is waited for, to hear whether its players were told to move.
        """
        game = msgspec.structs.replace(server.game, restart=Restart(policy="never"))
        other = GameServer(name=saved.name, server_id=server.server_id, game=game, retired=True, role=saved.role)
        self._servers[saved.name] = other
        if not saved.pid and saved.state is not State.STARTING:
            other.restore(saved)
            self._host.server_changed(other)
            return
        self._supervision.begin(other, saved)
        if saved.role is Role.SUCCESSOR:
            self._supervision.stop(other)
        else:
            self._central.call_later(server.game.ready.seconds, self._give_up_waiting, other)

    def _give_up_waiting(self, server: GameServer) -> None:
        if server.role is Role.PREDECESSOR and self._servers.get(server.name) is server:
            self._supervision.stop(server)

    def adopted(self, server: GameServer, handed_over: bool) -> None:
        """The controller of a process before, which an earlier launcher let hand over, is here: has it done so?"""
        if server.role is not Role.PREDECESSOR or server.name in self._changes:
            return
        after = self._servers.get(other_place(server.name))
        if handed_over or after is None or not after.running:
            self._supervision.stop(server)
            return
        # The launcher was killed after it had written down who is who, and before any player was told to move.
        self._take_back(server, after)

    # --- one change ----------------------------------------------------------------------------------

    def _check(self, server: GameServer) -> None:
        if server.name in self._changes:
            raise ValueError("its map is being changed already")
        if other_place(server.name) in self._servers:
            raise ValueError("the process of its last change has not ended yet")
        if server.state is not State.READY:
            raise ValueError(f"it is {server.state.value}")

    def _successor_changed(self, change: Change) -> None:
        state = change.after.state
        if change.step is Step.STARTING and state is State.READY:
            change.step = Step.HANDING_OVER
            change.decided_at = self._central.now
            self._wait(change, HAND_OVER_SECONDS, f"the games were not taken over within {HAND_OVER_SECONDS:g} s")
            if not self._host.tell_controller(change.before, protocol.HandOver()):
                self._fail(change, "the controller of the process before is away")
        elif change.step is not Step.MOVING and state not in (State.STARTING, State.READY):
            self._fail(change, change.after.reason or state.value)

    def _move(self, change: Change) -> None:
        if self._changes.get(change.before.name) is not change:
            return
        game = change.after.game
        if not self._host.tell_controller(
            change.before, protocol.MovePlayers(address=game.address, port=change.after.port)
        ):
            logger.warning("%s: its controller is away; players find the new one themselves", change.before.shown_name)

    def _too_late(self, change: Change, reason: str) -> None:
        if change.step is Step.MOVING:
            logger.warning("%s: not everybody moved in time", change.before.shown_name)
            self._supervision.stop(change.before)
        else:
            self._fail(change, reason)

    def _fail(self, change: Change, reason: str) -> None:
        """The game before goes on; its successor ends."""
        logger.error("%s: the change to map %s failed: %s", change.before.shown_name, change.game.map or "-", reason)
        if change.step is Step.HANDING_OVER:
            self._host.tell_controller(change.before, protocol.CancelHandOver())
        self._forget(change)
        change.after.retired = True
        self._host.crashed(change.after)
        self._supervision.stop(change.after)
        self._end(change, reason)

    def _take_back(self, before: GameServer, after: GameServer) -> None:
        """No player has moved: the process before is the server again."""
        logger.warning("%s: no player has moved to its successor; it stays", before.shown_name)
        self._exchange(after, before)
        self._supervision.stop(after)

    def _exchange(self, before: GameServer, after: GameServer) -> None:
        """Let one process take the place of another in everything that is said of their server."""
        before.role, after.role = Role.PREDECESSOR, Role.CURRENT
        before.retired, after.retired = True, False
        after.succeed(before)
        self._host.places_changed(before, after)

    def _finish(self, change: Change) -> None:
        self._forget(change)
        self._end(change, "")

    def _end(self, change: Change, error: str) -> None:
        now = self._central.now
        paused = now - change.decided_at if change.decided_at else 0.0
        name = change.before.public_name
        self._host.change_ended(Outcome(name, change.game.map, now - change.began_at, paused, error))

    def _forget(self, change: Change) -> None:
        if change.timer is not None:
            change.timer.cancel()
        for server in (change.before, change.after):
            self._changes.pop(server.name, None)

    def _wait(self, change: Change, seconds: float, reason: str) -> None:
        if change.timer is not None:
            change.timer.cancel()
        change.timer = self._central.call_later(seconds, self._too_late, change, reason)


def who_is_current(name: str, saved: dict[str, SavedServer]) -> tuple[SavedServer | None, SavedServer | None]:
    """Take out of `saved` what is there of a server: the process that is the server, and another one if there is.

    Where none is marked as the server, the launcher was killed between two writes: the players are still on the
    process before.
    """
    places = [one for one in (saved.pop(name, None), saved.pop(other_place(name), None)) if one is not None]
    order = (Role.CURRENT, Role.PREDECESSOR, Role.SUCCESSOR)
    places.sort(key=lambda one: order.index(one.role))
    if places:
        places[0].role = Role.CURRENT
    return (places[0] if places else None), (places[1] if len(places) > 1 else None)
