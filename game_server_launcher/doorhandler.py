"""Connections from players who come to the launcher itself, while the login server is away: HTTP, port 9003."""

from connhandler.http import HttpConnectionHandler, HttpPeer


class DoorPeer(HttpPeer):
    """A player's program."""


class DoorHandler(HttpConnectionHandler):
    peer_class = DoorPeer
    methods = ("GET", "HEAD", "POST")
    max_body_bytes = 8 * 1024
