"""Connections from players' browsers: JSON over WebSocket, at `/players` on the HTTP port."""

from typing import Any

from connhandler.framing.httprequest import HttpRequest
from connhandler.websocket import WebSocketConnectionHandler, WebSocketPeer
from connhandler.websocketjson import WebSocketJsonReader, WebSocketJsonServerWriter
from login_server.gameclienthandler import PlayerPeer
from login_server.protocol import FromPlayer


class BrowserPeer(PlayerPeer, WebSocketPeer):
    """A player as any other to the central task: what holds for `PlayerPeer` there holds for this one."""


class BrowserReader(WebSocketJsonReader):
    message_type = FromPlayer


class BrowserHandler(WebSocketConnectionHandler):
    reader_class = BrowserReader
    writer_class = WebSocketJsonServerWriter
    peer_class = BrowserPeer

    def check_request(self, peer: Any, request: HttpRequest) -> None:
        """Everybody may come who has come so far; it is the HTTP port that counts what comes to the port."""
        self.counters["accepted"] += 1
