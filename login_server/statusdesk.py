"""What the HTTP port answers: pages for people, and the status as JSON. Part of the central task."""

from collections import Counter
from collections.abc import Mapping
from itertools import islice
from typing import Any

from connhandler import CentralTask
from connhandler.http import HttpRequest, HttpResponse
from login_server.httphandler import VisitorPeer
from login_server.protocol import PLAYER_VERSIONS
from login_server.publicpages import PublicPages
from login_server.state import State

MAX_LISTED = 1_000
MAX_LISTED_RUNNING = 100
"""What keeps the status below `Limits.max_message_bytes`."""


class StatusDesk:
    """Answers every request at once.

    Args:
        version: of this program, to be shown.

    Attributes:
        connection_counters: what the connection handlers have counted, by handler.
    """

    def __init__(self, central: CentralTask, state: State, version: str) -> None:
        self.connection_counters: Mapping[str, Counter[str]] = {}
        self._central = central
        self._state = state
        self._version = version
        self._started_at = central.now
        self._pages = PublicPages()
        self._routes = {"/status": self._tell_status, "/healthz": self._tell_health}

    def answer(self, peer: VisitorPeer, request: HttpRequest) -> None:
        """The connection itself refuses other methods than GET and HEAD."""
        route = self._routes.get(request.path)
        response = route() if route else self._pages.answer(request) or _nothing_there()
        response.headers = {"Cache-Control": "no-store", **response.headers, "X-Content-Type-Options": "nosniff"}
        peer.send(response)

    def status(self) -> dict[str, Any]:
        """All that the public may know, as values that JSON knows; the longest lists are cut, not the `counts`."""
        state = self._state
        waiting = Counter(wish.queue for wish in state.matchmaker.wishes.values())
        running = reversed(state.matches.running.values())
        return {
            "players": sorted(islice(state.players, MAX_LISTED), key=str.lower),
            "servers": list(islice(state.directory.servers.values(), MAX_LISTED)),
            "matches": [*islice(running, MAX_LISTED_RUNNING), *reversed(state.matches.ended.values())],
            "waiting": [
                {"game": queue.game, "players": queue.players, "waiting": count, "named": bool(queue.pair)}
                for queue, count in islice(waiting.items(), MAX_LISTED)
            ],
            "launchers": sorted(state.launchers),
            "counts": {
                "players": len(state.players),
                "servers": len(state.directory.servers),
                "matches": sum(match.state == "running" for match in state.matches.running.values()),
                "waiting": len(state.matchmaker.wishes),
            },
            "counters": {**state.counters, "connections": self.connection_counters},
            "now": self._central.now,
            "uptime_seconds": round(self._central.now - self._started_at, 3),
            "versions": {"program": self._version, "protocol": PLAYER_VERSIONS},
        }

    def _tell_status(self) -> HttpResponse:
        return HttpResponse.json(self.status())

    def _tell_health(self) -> HttpResponse:
        return HttpResponse.text("ok\n")


def _nothing_there() -> HttpResponse:
    return HttpResponse.text("404: there is nothing at this address, only at /, /monitor, /status, /healthz\n", 404)
