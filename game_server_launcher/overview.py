"""How the launcher and its servers stand, as it is shown to the person who runs it. Part of the central task."""

import os
from collections.abc import Callable, Sized

from connhandler import CentralTask
from game_server_launcher.control import LauncherStatus, ServerStatus
from game_server_launcher.servers import GameServer, Role


class Overview:
    """Puts together what is shown.

    Args:
        central: whose task this runs in.
        name: of the launcher.
        servers: by name; owned by the program.
        results: that wait for the login server.
        login_server_here: whether it is connected.
        changing: how far the change of a server's map is, in words; empty without one.

    Attributes:
        page: the address of the dashboard; the program sets it.
    """

    def __init__(
        self,
        central: CentralTask,
        name: str,
        servers: dict[str, GameServer],
        results: Sized,
        login_server_here: Callable[[], bool],
        changing: Callable[[GameServer], str],
    ) -> None:
        self.page = ""
        self._central = central
        self._name = name
        self._servers = servers
        self._results = results
        self._login_server_here = login_server_here
        self._changing = changing

    @property
    def current(self) -> list[GameServer]:
        """The servers that others know, in the order of their names."""
        shown = [server for server in self._servers.values() if server.role is Role.CURRENT]
        return sorted(shown, key=lambda server: server.public_name)

    def status(self) -> LauncherStatus:
        return LauncherStatus(
            name=self._name,
            pid=os.getpid(),
            at=self._central.now,
            login_server="connected" if self._login_server_here() else "away",
            results_waiting=len(self._results),
            page=self.page,
            servers=[self._server(server) for server in self.current],
        )

    def _server(self, server: GameServer) -> ServerStatus:
        running = [match for match in server.matches.values() if not match.ended]
        return ServerStatus(
            name=server.public_name,
            game=server.game.game,
            state=server.state.value,
            reason=server.reason,
            changing=self._changing(server),
            pid=server.pid,
            address=server.game.address,
            port=server.port,
            version=server.version,
            map=server.map,
            maps=list(server.game.maps),
            players=server.players,
            capacity=server.capacity or server.game.capacity,
            names=server.names,
            matches=len(running),
            cpu_percent=server.cpu_percent,
            rss_bytes=server.rss_bytes,
            started_at=server.started_at if server.running else 0.0,
            restarts=server.restarts,
            crashes=len(server.crashes),
        )
