"""The player's connection to a game server, for one game."""

from collections.abc import Callable
from typing import Any

import gevent.socket

from connhandler import tasks
from connhandler.connection import Address
from connhandler.websocketclient import OutgoingWebSocketHandler, WebSocketRequest
from connhandler.websocketjson import WebSocketJsonReader, WebSocketJsonWriter
from connhandler.websocketmessage import WebSocketPeer
from game_server.client.visit import Visit
from game_server.protocol import SUBPROTOCOL, ToPlayer


class GameServerPeer(WebSocketPeer):
    """A game server.

    Attributes:
        visit: which of the games that this client has come to, one after the other, the connection is for.
    """

    def __init__(self, visit: int) -> None:
        self.visit = visit


class GameServerReader(WebSocketJsonReader):
    message_type = ToPlayer


class GameServerHandler(OutgoingWebSocketHandler):
    """One connection at a time; a lost one is made again, with the resume key once there is one. Arguments as for the
    base.

    Args:
        visit: what it is for.
        refused: called, in the connection's task, with the visit's number, the status and the reason when the game
            server does not let the player in.
    """

    def __init__(self, *args: Any, visit: Visit, refused: Callable[[int, int, str], None], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.visit = visit
        self._refused = refused

    def close(self) -> None:
        """End the connection and make no new one. Returns at once."""
        self.stop_accepting()
        tasks.spawn(f"{self.task_name}.stop", self.stop)

    def handshake_request(self) -> WebSocketRequest:
        visit = self.visit
        query = {"resume": visit.resume_key} if visit.resume_key else {"token": visit.ticket}
        return WebSocketRequest(path=f"/{visit.game_id}", query=query, subprotocols=(SUBPROTOCOL,))

    def on_refused(self, status: int, text: str) -> None:
        self._refused(self.visit.number, status, text)

    def create_connection_instances(
        self, sock: gevent.socket.socket, address: Address
    ) -> tuple[GameServerReader, WebSocketJsonWriter, GameServerPeer]:
        link = self.create_link(sock)
        return GameServerReader(sock, link), WebSocketJsonWriter(sock, link), GameServerPeer(self.visit.number)
