"""Connections from the browsers of the people who run this launcher: the dashboard, HTTP, port 9004."""

from typing import Any

from connhandler import Limits
from connhandler.http import HttpConnectionHandler, HttpPeer

LIMITS = Limits(max_connections=100, max_message_bytes=8 * 1024 * 1024, outgoing_hard_bytes=16 * 1024 * 1024)
"""What the page is told at first, of all servers, is long."""


class PagePeer(HttpPeer):
    """A browser."""


class PageHandler(HttpConnectionHandler):
    """Arguments as for the base; the limits are `LIMITS` unless others are given."""

    peer_class = PagePeer
    methods = ("GET", "HEAD", "POST")
    max_body_bytes = 16 * 1024

    def __init__(self, *args: Any, limits: Limits = LIMITS, **kwargs: Any) -> None:
        super().__init__(*args, limits=limits, **kwargs)
