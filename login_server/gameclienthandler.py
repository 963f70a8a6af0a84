"""Connections from players' game clients: framed JSON on TCP, port 9000."""

from typing import Any

from connhandler import IncomingConnectionHandler
from connhandler.jsonmessage import JsonMessageReader, JsonServerMessageWriter
from login_server.protocol import PLAYER_VERSIONS, FromPlayer, MatchRequest
from login_server.reception import Guest


class PlayerPeer(Guest):
    """One player's game client.

    Attributes:
        player: the name that it is logged in with, or nothing.
        wrong_logins: wrong names and passwords so far.
        told_match: the id of the match that it was told to be missed in, or nothing.
        told_requests: who wants to play it, as it was last told.
    """

    versions = PLAYER_VERSIONS
    may_ask_before_login = True

    def __init__(self) -> None:
        super().__init__()
        self.player = ""
        self.wrong_logins = 0
        self.told_match = ""
        self.told_requests: list[MatchRequest] = []


class PlayerReader(JsonMessageReader):
    message_type = FromPlayer


class PlayerWriter(JsonServerMessageWriter):
    pass


class GameClientHandler(IncomingConnectionHandler):
    def create_connection_instances(self, sock: Any, address: Any) -> tuple[PlayerReader, PlayerWriter, PlayerPeer]:
        return PlayerReader(sock), PlayerWriter(sock), PlayerPeer()
