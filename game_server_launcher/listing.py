"""What the login server is told of the game servers: which there are, how they change, what happens in their matches.

After each connection, everything is told anew; a server's running matches come right after the server itself, and
nothing about a server is said before that. Match results go their own, safer way (`delivery.py`).
"""

from collections import deque

from connhandler import CentralTask, Peer
from game_server_launcher.matchfacts import retell
from game_server_launcher.servers import GameServer, Role
from login_server.protocol import MatchFact, RegisterServer, ServerInfo, UnregisterServer, UpdateServer, WakeProgress

UPDATE_SECONDS = 0.2
"""Changes of one server that come within this time are told as one."""

REGISTER_PAUSE_SECONDS = 0.05
"""Between two servers with all their matches, so that telling everything anew does not look like flooding."""


MAX_PROGRESS = 1024


class Listing:
    """The login server's view of our servers. Runs in the central task.

    Args:
        central: whose task this runs in.
        servers: by name; owned by the program.
    """

    def __init__(self, central: CentralTask, servers: dict[str, GameServer]) -> None:
        self._central = central
        self._servers = servers
        self._login_server: Peer | None = None
        self._told: dict[str, ServerInfo] = {}
        self._changed: set[str] = set()
        self._to_register: deque[str] = deque()
        self._progress: dict[str, str] = {}
        self._tells_progress = False

    def connected(self, login_server: Peer, version: int) -> None:
        """The login server has let us in, and speaks this version: tell it everything."""
        self._login_server = login_server
        self._tells_progress = version >= 2
        self._progress.clear()
        self._told.clear()
        self._changed.clear()
        begun = bool(self._to_register)
        self._to_register = deque(self._servers)
        if not begun:
            self._register_next()

    def disconnected(self) -> None:
        """The connection to the login server has ended."""
        self._login_server = None
        self._told.clear()
        self._changed.clear()

    def changed(self, server: GameServer) -> None:
        """Something about a server has changed. That it comes, goes or is in another state is told at once."""
        if self._login_server is None or server.role is not Role.CURRENT:
            return
        if server.name in self._told:
            self._tell_progress(server)
            if server.listed:
                self._update_soon(server)
            else:
                del self._told[server.name]
                self._login_server.send(UnregisterServer(server_id=server.server_id))
        elif server.listed and server.name not in self._to_register:
            self._register(server)

    def succeeded(self, before: GameServer, after: GameServer) -> None:
        """Another process is the server from now on."""
        self._changed.discard(before.name)
        if self._told.pop(before.name, None) is not None and self._login_server is not None:
            self._register(after)
        else:
            self.changed(after)

    def tell(self, server: GameServer, fact: MatchFact) -> None:
        """Forward a fact about a match, unless the server itself is yet to be told, which will include it."""
        if self._login_server is not None and server.name in self._told:
            self._login_server.send(fact)

    def _register_next(self) -> None:
        while self._to_register:
            server = self._servers.get(self._to_register.popleft())
            if server is None or server.role is not Role.CURRENT:
                continue
            if server.listed and self._login_server is not None:
                self._register(server)
                if self._to_register:
                    self._central.call_later(REGISTER_PAUSE_SECONDS, self._register_next)
                return

    def _tell_progress(self, server: GameServer) -> None:
        """Where players may be waiting for a server, they are told how far it is."""
        text = server.progress if server.game.idle.on_demand else ""
        if text == self._progress.get(server.name, "") or self._login_server is None:
            return
        self._progress[server.name] = text
        if text and self._tells_progress:
            self._login_server.send(WakeProgress(server_id=server.server_id, text=text[:MAX_PROGRESS]))

    def _register(self, server: GameServer) -> None:
        assert self._login_server is not None
        info = server.info()
        self._told[server.name] = info
        self._login_server.send(RegisterServer(server=info))
        for fact in retell(server):
            self._login_server.send(fact)
        self._progress.pop(server.name, None)
        self._tell_progress(server)

    def _update_soon(self, server: GameServer) -> None:
        info, told = server.info(), self._told[server.name]
        if info.state != told.state:
            self._changed.add(server.name)
            self._update(server)  # Players may be waiting for that; and no state is to be passed over.
        elif server.name not in self._changed and info != told:
            self._changed.add(server.name)
            self._central.call_later(UPDATE_SECONDS, self._update, server)

    def _update(self, server: GameServer) -> None:
        if server.name not in self._changed:
            return  # It is another process's turn, or it was told otherwise.
        self._changed.discard(server.name)
        if self._login_server is not None and server.name in self._told:
            info = server.info()
            if info != self._told[server.name]:
                self._told[server.name] = info
                self._login_server.send(UpdateServer(server=info))
