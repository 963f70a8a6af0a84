"""Connections from players: HTTP, a request for everything that is said, port 80."""

from connhandler.http import HttpConnectionHandler, HttpPeer


class ClientPeer(HttpPeer):
    """A player's program. Which player it speaks for, each request says by its key."""


class ClientHandler(HttpConnectionHandler):
    """Takes longer bodies than the protocol does, so that who exceeds that a bit hears it in the protocol's words."""

    peer_class = ClientPeer
    methods = ("GET", "HEAD", "POST")
