"""The client at its game: one visit at a time, over as many connections and game servers as it takes."""

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from connhandler import CentralTask, PeerDisconnected, ProtocolError, Timer
from game_server import protocol
from game_server.client.gameserverhandler import GameServerPeer
from game_server.client.view import View
from game_server.client.visit import Visit
from game_server.model import IllegalMove
from login_server.protocol import ServerInfo

GIVE_UP_SECONDS = 90.0
"""A lost connection to a game is given up after so long: a game waits a minute for a lost player."""

ARRIVE_SECONDS = 20.0
"""A game server that cannot be reached for so long at first is given up."""

SERVER_ERROR = 500
"""From this HTTP status on, it is the server that cannot right now; below, the player that may not."""

FINAL_CODES = set(protocol.CloseCode) - {protocol.CloseCode.MOVED}
"""A connection to a game that was closed with one of these is not made again."""


class GameConnection(Protocol):
    """What the client needs of the handler that keeps the connection to a game server."""

    def close(self) -> None:
        """End the connection and make no new one. Returns at once."""


class GameVisitor(CentralTask):
    """The part of the client's central task that knows the game servers, and no login server.

    Args:
        view: shows what happens.
        connect: begins to keep a connection to a visit's game server, whose peers carry the visit's number.
        **kwargs: those of `CentralTask`.

    Attributes:
        visit: the game that the player is in or goes to; None in the lobby.
    """

    def __init__(self, view: View, connect: Callable[[Visit], GameConnection], **kwargs: Any) -> None:
        super().__init__("play", **kwargs)
        self.view = view
        self.visit: Visit | None = None
        self._connect = connect
        self._game_server: GameServerPeer | None = None
        self._connection: GameConnection | None = None
        self._visits = 0
        self._patience: Timer | None = None
        self._asked_from = 0

    # --- the player's wishes ------------------------------------------------------------------------

    def drop(self, column: int) -> None:
        """Args:
        column: from 0.
        """
        self._command(protocol.Drop(column=column))

    def resign(self) -> None:
        self._command(protocol.Resign())

    def leave_game(self) -> None:
        """Leave the visit for good; `View.in_lobby` follows."""
        if self.visit is not None:
            self._end_visit()
            self._back_to_lobby()

    # --- what the login server leads to -------------------------------------------------------------

    def _back_to_lobby(self) -> None:
        """The visit has ended."""
        raise NotImplementedError

    def _go(self, server_id: str, address: str, port: int, game_id: str, ticket: str) -> None:
        """Leave the visit that there is, and begin another one."""
        if self.visit is not None:
            self._end_visit()
        self.visit = Visit(self._next_number(), server_id, address, port, game_id, ticket)
        self.view.joining(self.visit)
        self._be_patient(ARRIVE_SECONDS)
        self._connection = self._connect(self.visit)

    def _look_for_game(self, servers: Mapping[str, ServerInfo]) -> None:
        """A game server that cannot be reached may be somewhere else now, with the game or without it."""
        visit = self.visit
        server = servers.get(visit.server_id) if visit is not None else None
        if visit is None or visit.moving or server is None or self._game_server is not None:
            return
        if server.state == "ready" and (server.address, server.port) != (visit.address, visit.port):
            self._follow(visit, server.address, server.port)

    def _end_visit(self) -> None:
        self.visit = self._game_server = None
        self._be_patient(None)
        self._hang_up()

    # --- the game server ----------------------------------------------------------------------------

    def joined(self, peer: GameServerPeer, message: protocol.Joined) -> None:
        visit = self.visit
        if visit is None or not self._is_current(peer):
            return
        peer.logged_in = True
        self._game_server = peer
        self._asked_from = 0
        self._be_patient(None)
        came_along = visit.moving
        visit.joined(message)
        again, visit.unanswered = visit.unanswered, []
        if not came_along:
            self._game_changed(visit)
            return
        for command in again:
            self._say(peer, visit, command)
        self.view.came_along(visit)
        self._end_if_over(visit)

    def game_event(self, peer: GameServerPeer, message: protocol.GameEvent) -> None:
        visit = self.visit
        if visit is None or not self._is_current(peer):
            return
        try:
            happened = visit.apply(message)
        except (IllegalMove, ValueError) as error:
            raise ProtocolError(f"event {message.sequence} cannot be: {error}") from error
        if happened:
            self._game_changed(visit)
        elif message.sequence > visit.next_sequence != self._asked_from:
            self._asked_from = visit.next_sequence
            self._say(peer, visit, protocol.Events(from_sequence=visit.next_sequence))

    def responded(self, peer: GameServerPeer, message: protocol.Response) -> None:
        """What a command that was carried out has changed, the events have told."""
        if self.visit is None or not self._is_current(peer):
            return
        if self.visit.unanswered:
            del self.visit.unanswered[0]
        if message.error is not None:
            self.view.troubled(message.error.message)

    def moved(self, peer: GameServerPeer, message: protocol.Moved) -> None:
        """Go along at once. What had no response was not carried out; how the game stands comes by itself."""
        visit = self.visit
        if visit is None or not self._is_current(peer):
            return
        visit.game_id, visit.resume_key = message.game_id, message.resume_key
        visit.unanswered = [one for one in visit.unanswered if not isinstance(one, protocol.Events)]
        visit.moving = True
        self.view.said("the game moves to another server")
        self._follow(visit, message.address, message.port)

    def notice(self, peer: GameServerPeer, message: protocol.Notice) -> None:
        if self._is_current(peer):
            self.view.said(f"the game server says: {message.text}")

    def game_server_refused(self, visit: int, status: int, reason: str) -> None:
        """The game server does not let the player in. What is only so for now is tried again by itself."""
        if self.visit is None or self.visit.number != visit:
            return
        if status >= SERVER_ERROR:
            self.view.troubled(reason)
        else:
            self._not_let_in(reason)

    def game_server_disconnected(self, peer: GameServerPeer, message: PeerDisconnected) -> None:
        if not self._is_current(peer):
            return
        self._game_server = None
        if message.code in FINAL_CODES:
            self._not_let_in(message.detail)
        elif self._patience is None:
            self.view.troubled("the connection to the game is lost; connecting again")
            self._be_patient(GIVE_UP_SECONDS)

    # --- on the way ---------------------------------------------------------------------------------

    def _command(self, command: protocol.Drop | protocol.Resign) -> None:
        """Say it now; or at the successor of this game server, while the game moves there."""
        if self.visit is not None and self._game_server is not None:
            self._say(self._game_server, self.visit, command)
        elif self.visit is not None and self.visit.moving:
            self.visit.unanswered.append(command)
        else:
            self.view.troubled("there is no connection to the game right now")

    def _follow(self, visit: Visit, address: str, port: int) -> None:
        self._hang_up()
        self._game_server = None
        visit.number = self._next_number()
        visit.address, visit.port = address, port
        if self._patience is None:
            self._be_patient(GIVE_UP_SECONDS)
        self._connection = self._connect(visit)

    def _next_number(self) -> int:
        """What an older connection still brings is told from the others by its number."""
        self._visits += 1
        return self._visits

    @staticmethod
    def _say(peer: GameServerPeer, visit: Visit, command: protocol.Drop | protocol.Resign | protocol.Events) -> None:
        visit.unanswered.append(command)
        peer.send(command)

    def _is_current(self, peer: GameServerPeer) -> bool:
        """Whether a connection is the one to the visit's game server."""
        return self.visit is not None and peer.visit == self.visit.number

    def _game_changed(self, visit: Visit) -> None:
        self.view.game_changed(visit)
        self._end_if_over(visit)

    def _end_if_over(self, visit: Visit) -> None:
        if visit.over:
            self._end_visit()
            self.view.game_over(visit)
            self._back_to_lobby()

    def _not_let_in(self, reason: str) -> None:
        self.view.troubled(f"the game server does not let you in: {reason}")
        self.leave_game()

    def _hang_up(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _be_patient(self, seconds: float | None) -> None:
        """Give the visit up after so many seconds; None: not any more."""
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None
        if seconds is not None:
            self._patience = self.call_later(seconds, self._lose_patience)

    def _lose_patience(self) -> None:
        self._patience = None
        self.view.troubled("the game server cannot be reached")
        self.leave_game()
