"""What the servers have used and how their states have changed lately, for whoever looks at the dashboard. Plain state.

Part of the central task; bounded, and gone with the launcher.
"""

from collections import deque
from collections.abc import Callable, Sequence

import msgspec

from connhandler import CentralTask
from game_server_launcher.events import Event
from game_server_launcher.servers import GameServer, Role

MAX_SAMPLES = 120
MAX_CHANGES = 50
"""Of each server."""


class Sample(msgspec.Struct, frozen=True, array_like=True):
    """What a server used at a time (Unix time); both figures are None when it had no process, or a new one."""

    at: float
    cpu_percent: float | None
    rss_bytes: int | None


class Past(msgspec.Struct):
    """What is known of one server's last minutes."""

    samples: deque[Sample]
    changes: deque[Event]
    state: str = ""


class History:
    """Of all servers, by their public names.

    Args:
        central: whose task this runs in.
        servers: tells those that others know.
        seconds: between two samples.
    """

    def __init__(self, central: CentralTask, servers: Callable[[], Sequence[GameServer]], seconds: float) -> None:
        self._central = central
        self._servers = servers
        self._seconds = seconds
        self._past: dict[str, Past] = {}

    def start(self) -> None:
        self._central.call_later(self._seconds, self._take_samples)

    def server_changed(self, server: GameServer) -> None:
        """Something about a server has changed, maybe its state."""
        if server.role is not Role.CURRENT:
            return
        past = self._of(server.public_name)
        state = server.state.value
        if state != past.state:
            past.state = state
            text = f"{state}: {server.reason}" if server.reason else state
            past.changes.append(Event(self._central.now, text))

    def samples(self, server: GameServer, since: float) -> list[Sample]:
        """Those that were taken after a time."""
        return [sample for sample in self._of(server.public_name).samples if sample.at > since]

    def events(self, server: GameServer, since: float) -> list[Event]:
        """Changes of its state, and what happened among its players, after a time."""
        events = [*self._of(server.public_name).changes, *server.events]
        return sorted((event for event in events if event.at > since), key=lambda event: event.at)

    def _of(self, name: str) -> Past:
        past = self._past.get(name)
        if past is None:
            past = self._past[name] = Past(deque(maxlen=MAX_SAMPLES), deque(maxlen=MAX_CHANGES))
        return past

    def _take_samples(self) -> None:
        now, servers = self._central.now, self._servers()
        for server in servers:
            measured = server.running and server.rss_bytes
            figures = (server.cpu_percent, server.rss_bytes) if measured else (None, None)
            self._of(server.public_name).samples.append(Sample(now, *figures))
        names = {server.public_name for server in servers}
        self._past = {name: past for name, past in self._past.items() if name in names}
        self.start()
