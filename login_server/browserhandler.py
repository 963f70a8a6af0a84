"""Connections from players' browsers: JSON over WebSocket, at `/players` on the HTTP port."""

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
