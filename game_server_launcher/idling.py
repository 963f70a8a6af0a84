"""Which servers nobody uses, so that their processes may be frozen or stopped until somebody wants in.

Who is there, plays, or was given a ticket a short while ago uses a server. Every server whose game file has an
`[idle]` is looked at now and then; what is then done about its process, and how it is woken, is in `sleeping.py`.
"""

from connhandler import CentralTask
from game_server_launcher.servers import GameServer, Role, State
from game_server_launcher.succession import Succession
from game_server_launcher.supervision import Supervision

MAX_LOOK_SECONDS = 5.0
LOOKS = 10
"""So often a server is looked at before it counts as idle."""

TICKET_SECONDS = 60.0
"""Somebody with a ticket is waited for so long, however short `Idle.after_seconds` is: as long as tickets are good
unless the login server's settings say otherwise."""


class Idling:
    """Lets servers that nobody uses rest. Runs in the central task.

    Args:
        central: whose task this runs in.
        servers: by name; owned by the program.
        supervision: freezes, stops and wakes them.
        succession: tells which of them are being changed.
    """

    def __init__(
        self, central: CentralTask, servers: dict[str, GameServer], supervision: Supervision, succession: Succession
    ) -> None:
        self._central = central
        self._servers = servers
        self._supervision = supervision
        self._succession = succession

    def start(self) -> None:
        """Begin to look: nobody knows who was there before."""
        for server in self._servers.values():
            server.used_at = self._central.now
        self._look_later()

    def wake(self, server: GameServer) -> None:
        """Somebody wants in."""
        now = self._central.now
        server.used_at = now + max(TICKET_SECONDS - server.game.idle.after_seconds, 0.0)
        self._supervision.sleeper.wake(server)

    def _look(self) -> None:
        now = self._central.now
        for server in list(self._servers.values()):
            used = is_used(server, now)
            if used and server.state in (State.FROZEN, State.DROWSY):
                self.wake(server)  # Somebody came in the moment in which it was decided.
            elif used or server.state is not State.READY or self._is_changed(server):
                server.used_at = max(server.used_at, now)
            elif now - server.used_at >= server.game.idle.after_seconds:
                self._let_rest(server)
        self._look_later()

    def _look_later(self) -> None:
        idles = (server.game.idle for server in self._servers.values())
        seconds = (idle.after_seconds / LOOKS for idle in idles if idle.action != "run")
        self._central.call_later(min([MAX_LOOK_SECONDS, *seconds]), self._look)

    def _let_rest(self, server: GameServer) -> None:
        if server.game.idle.action == "freeze":
            self._supervision.sleeper.freeze(server)
        elif server.game.idle.action == "stop":
            self._supervision.sleeper.put_to_sleep(server)

    def _is_changed(self, server: GameServer) -> bool:
        return server.role is not Role.CURRENT or self._succession.step_of(server) is not None


def is_used(server: GameServer, now: float) -> bool:
    """Whether somebody is there, plays, or may come with a ticket to a match."""
    expected = any(one.expires_at > now for one in server.expected.values())
    return bool(server.players or server.names or server.matches or expected)
