"""Carries out what the person who runs the launcher orders, and tells when it is clear what came of it.

An order is begun at once (`operations.py`); what comes of it shows in the server's state, which is looked at until it
says so, or until too much time has passed. Part of the central task.
"""

from collections.abc import Callable

from connhandler import CentralTask
from game_server_launcher import control
from game_server_launcher.control import Order
from game_server_launcher.operations import OperationRefused, Operations
from game_server_launcher.servers import GameServer, State, find
from game_server_launcher.stopping import patience

LOOK_SECONDS = 0.1
"""Between two looks at the servers of orders that are under way."""

MAX_UNDER_WAY = 200
EXTRA_SECONDS = 5.0
CONSOLE_MAP_SECONDS = 15.0
"""So long a game may take to change its map in place."""

ENDED = (State.WAITING, State.FAILED, State.STOPPED, State.ASLEEP)

Then = Callable[[bool, str], None]
"""`then(succeeded, sentence)`."""


class _UnderWay:
    """An order that was begun.

    Attributes:
        order: what is wanted.
        run: the number of the server's process when it was begun.
        began_at: unix time.
        seconds: how long it may take.
        then: is told what came of it.
    """

    def __init__(self, order: Order, server: GameServer, began_at: float, seconds: float, then: Then) -> None:
        self.order = order
        self.run = server.run
        self.began_at = began_at
        self.seconds = seconds
        self.then = then


class Orders:
    """Of everybody who may give some.

    Args:
        central: whose task this runs in.
        servers: by name; owned by the program.
        operations: what can be done.
    """

    def __init__(self, central: CentralTask, servers: dict[str, GameServer], operations: Operations) -> None:
        self._central = central
        self._servers = servers
        self._operations = operations
        self._under_way: list[_UnderWay] = []

    def carry_out(self, order: Order, then: Then, most_seconds: float = 600.0) -> None:
        """Begin what is ordered, and call `then` when it is clear what came of it, after `most_seconds` at the latest.

        Raises:
            OperationRefused: nothing was begun.
        """
        if len(self._under_way) >= MAX_UNDER_WAY:
            raise OperationRefused(f"{MAX_UNDER_WAY} orders are under way already")
        before = find(self._servers, order.server)
        began_at, run = self._central.now, before.run if before is not None else 0
        known = before.names if before is not None else []
        self._begin(order)
        server = find(self._servers, order.server)
        if isinstance(order, control.Say):
            then(True, f"{order.server}: said")
            return
        if isinstance(order, control.Kick):
            unknown = "" if order.player in known else ", if there is anybody of that name"
            then(True, f"{order.server}: {order.player} is sent away{unknown}")
            return
        if server is None:
            raise OperationRefused(f"{order.server} is no more")
        one = _UnderWay(order, server, began_at, min(_seconds(order, server), most_seconds), then)
        one.run = run
        self._under_way.append(one)
        if len(self._under_way) == 1:
            self._central.call_later(LOOK_SECONDS, self._look)

    def _begin(self, order: Order) -> None:
        match order:
            case control.Restart():
                self._operations.restart(order.server)
            case control.Stop():
                self._operations.stop(order.server)
            case control.Start():
                self._operations.start(order.server)
            case control.Say():
                self._operations.say(order.server, order.text)
            case control.Kick():
                self._operations.kick(order.server, order.player, order.reason)
            case control.ChangeMap():
                self._operations.change_map(order.server, order.map)

    def _look(self) -> None:
        now = self._central.now
        looked_at, self._under_way = self._under_way, []
        for one in looked_at:
            name = one.order.server
            server = find(self._servers, name)
            seconds = now - one.began_at
            outcome = (False, f"{name} is no more") if server is None else _outcome(one.order, server, one.run, seconds)
            if outcome is None and server is not None and seconds > one.seconds:
                outcome = (False, _too_late(one.order, server, seconds))
            if outcome is None:
                self._under_way.append(one)
            else:
                one.then(*outcome)
        if self._under_way:
            self._central.call_later(LOOK_SECONDS, self._look)


def _seconds(order: Order, server: GameServer) -> float:
    game = server.game
    match order:
        case control.Restart():
            return patience(game) + game.ready.seconds + EXTRA_SECONDS
        case control.Stop():
            return patience(game) + EXTRA_SECONDS
        case control.ChangeMap():
            return CONSOLE_MAP_SECONDS + (0 if game.console else game.ready.seconds + patience(game))
    return game.ready.seconds + EXTRA_SECONDS


def _too_late(order: Order, server: GameServer, seconds: float) -> str:
    if isinstance(order, control.ChangeMap):
        return f"{server.public_name}: has not said within {seconds:.0f} s that it plays {order.map}"
    why = f" ({server.reason})" if server.reason else ""
    return f"{server.public_name}: still {server.state}{why} after {seconds:.0f} s"


def _outcome(order: Order, server: GameServer, run: int, seconds: float) -> tuple[bool, str] | None:
    """What came of an order, once it is clear."""
    name, why = server.public_name, f": {server.reason}" if server.reason else ""
    if isinstance(order, control.ChangeMap):
        if server.map_trouble:
            return False, f"{name}: the map is not changed: {server.map_trouble}"
        if server.map == order.map:
            return True, f"{name}: plays {server.map} after {seconds:.1f} s"
        return None if server.running else (False, f"{name}: {server.state}{why}")
    if isinstance(order, control.Stop):
        if server.run != run:
            return False, f"{name}: was started again meanwhile"
        if server.state in (State.STOPPED, State.FAILED):
            return True, f"{name}: stopped after {seconds:.1f} s ({server.reason})"
        return None
    if server.state is State.READY and (server.run != run or isinstance(order, control.Start)):  # It may have slept.
        again = "again " if isinstance(order, control.Restart) else ""
        return True, f"{name}: ready {again}on port {server.port} after {seconds:.1f} s"
    if server.state in ENDED and (server.run != run or not server.restarting):
        return False, f"{name}: {server.state}{why}"
    return None
