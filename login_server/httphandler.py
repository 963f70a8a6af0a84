"""Connections from browsers and monitors: HTTP, port 9080. Players in browsers go on to `browserhandler`."""

from connhandler.http import HttpConnectionHandler, HttpPeer


class VisitorPeer(HttpPeer):
    """A browser, or a program that asks for the status."""


class VisitorHandler(HttpConnectionHandler):
    peer_class = VisitorPeer
