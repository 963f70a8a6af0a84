"""What the person who runs the launcher may do to its game servers. Part of the central task.

Whoever asks (the control socket, the dashboard) is answered at once: each method begins what it is named for, or raises
`OperationRefused` with a sentence. What comes of it shows in the state of the server.
"""

import difflib
import logging
from collections.abc import Callable
from typing import Protocol

from connhandler import CentralTask
from game_server_launcher import gameconsolehandler as console
from game_server_launcher import protocol
from game_server_launcher.events import printable, record
from game_server_launcher.gameconsolehandler import Command
from game_server_launcher.servers import GameServer, Role, State, find
from game_server_launcher.stdincommands import MAX_TEXT as MAX_INPUT_TEXT
from game_server_launcher.stdincommands import StdinCommands
from game_server_launcher.supervision import Supervision

logger = logging.getLogger(__name__)

MAX_CONSOLE_TEXT = console.MAX_TEXT
MAX_TEXT = 1024
"""Of what a controller is told, in characters."""


class OperationRefused(Exception):
    """It is not done; the text is the sentence that says why."""


class Consoles(Protocol):
    """What is asked of the `ConsoleDesk`; see there."""

    def send(self, server: GameServer, command: Command) -> bool: ...


class Controllers(Protocol):
    """What is asked of the `ControllerDesk`; see there."""

    def send(self, server: GameServer, message: object) -> bool: ...


class Maps(Protocol):
    """What is asked of the `MapChanger`; see there."""

    def change(self, server: GameServer, name: str) -> None: ...


class Operations:
    """Everything that can be done to a server by its name.

    Args:
        central: whose task this runs in.
        servers: by name; owned by the program.
        supervision: of their processes.
        consoles: of the games that have one.
        controllers: of the others.
        commands: of the games that are told on their standard input.
        maps: changes them.
        wake: wakes a server that is frozen or asleep.
    """

    def __init__(
        self,
        central: CentralTask,
        servers: dict[str, GameServer],
        supervision: Supervision,
        consoles: Consoles,
        controllers: Controllers,
        commands: StdinCommands,
        maps: Maps,
        wake: Callable[[GameServer], None],
    ) -> None:
        self._central = central
        self._servers = servers
        self._supervision = supervision
        self._consoles = consoles
        self._controllers = controllers
        self._commands = commands
        self._maps = maps
        self._wake = wake

    def restart(self, name: str) -> None:
        """Stop a server in its own way and start it at once; one that has no process is started."""
        server = self._startable(name)
        if server.state is State.STARTING and not server.running:
            raise OperationRefused(f"{name} is being started right now")
        self._note(server, "restart")
        self._supervision.restart(server)

    def stop(self, name: str) -> None:
        """Stop a server in its own way; it stays stopped until it is started or the launcher is."""
        server = self._find(name)
        if server.state is State.STOPPED or (server.state is State.FAILED and not server.running):
            raise OperationRefused(f"{name} is {server.state} already")
        self._note(server, "stop")
        self._supervision.stop(server)

    def start(self, name: str) -> None:
        """Start a server that has no process, whatever became of the last one, or wake one."""
        server = self._startable(name)
        if server.state in (State.FROZEN, State.DROWSY, State.ASLEEP):
            self._note(server, "start")
            self._wake(server)
            return
        if server.state not in (State.STOPPED, State.FAILED, State.WAITING):
            raise OperationRefused(f"{name} is {server.state}; to start it anew, restart it")
        self._note(server, "start")
        self._supervision.restart(server)

    def say(self, name: str, text: str) -> None:
        """Tell all players of a server something."""
        server = self._reachable(name)
        if not text.strip():
            raise OperationRefused("there is nothing to say")
        by_input = server.game.console is None and server.game.commands is not None
        most = MAX_CONSOLE_TEXT if server.game.console else MAX_INPUT_TEXT if by_input else MAX_TEXT
        if len(text) > most:
            raise OperationRefused(f"{name} takes texts of at most {most} characters, not {len(text)}")
        if by_input:
            self._tell(server, self._commands.say, text)
        else:
            self._send(server, console.Say(text), protocol.Say(text=text))
        self._note(server, f"say {text}")

    def kick(self, name: str, player: str, reason: str = "") -> None:
        """Send a player away, who is told the reason."""
        server = self._reachable(name)
        if len(reason) > MAX_CONSOLE_TEXT:
            raise OperationRefused(f"a reason has at most {MAX_CONSOLE_TEXT} characters, not {len(reason)}")
        if not server.game.console and server.game.commands is not None:
            self._tell(server, self._commands.kick, player, reason)
            self._note(server, f"kick {player}")
            return
        if not server.game.console:
            self._send(server, None, protocol.KickPlayer(player=player, reason=reason))
            self._note(server, f"kick {player}")
            return
        numbers = [number for number, client in server.clients.items() if client.name == player]
        if not numbers:
            there = ", ".join(sorted(client.name for client in server.clients.values()))
            who = f"there are {there}" if there else "it is empty"
            raise OperationRefused(f"nobody on {name} is called {player}; {who}")
        for number in numbers:
            self._send(server, console.Kick(number, reason), None)
        self._note(server, f"kick {player}")

    def change_map(self, name: str, map: str) -> None:
        """Change the map of a server; its players stay."""
        server = self._reachable(name, "its map cannot be changed now")
        server.map_trouble = ""
        try:
            self._maps.change(server, map)
        except ValueError as error:
            raise OperationRefused(f"{name} cannot change its map: {error}") from error
        self._note(server, f"map {map}")

    def _find(self, name: str) -> GameServer:
        server = find(self._servers, name)
        if self._supervision.ending:
            raise OperationRefused("the launcher is ending")
        if server is None:
            names = [one.public_name for one in self._servers.values() if one.role is Role.CURRENT]
            near = difflib.get_close_matches(name, names, n=1)
            hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(names) or 'none'}"
            raise OperationRefused(f"there is no server {name}; {hint}")
        return server

    def _startable(self, name: str) -> GameServer:
        server = self._find(name)
        if server.retired:
            raise OperationRefused(f"{name} is in no game file any more")
        return server

    def _reachable(self, name: str, so: str = "nobody is there") -> GameServer:
        server = self._find(name)
        if not server.running or server.state in (State.FROZEN, State.DROWSY):
            raise OperationRefused(f"{name} is {server.state}: {so}")
        return server

    def _send(self, server: GameServer, command: Command | None, message: object) -> None:
        if command is not None and server.game.console:
            sent = self._consoles.send(server, command)
        else:
            sent = self._controllers.send(server, message)
        if not sent:
            link = "console" if server.game.console else "controller"
            raise OperationRefused(f"the {link} of {server.public_name} is not connected: it cannot be told")

    def _tell(self, server: GameServer, command: Callable[..., None], *args: str) -> None:
        """Tell a game on its standard input."""
        try:
            command(server, *args)
        except ValueError as error:
            raise OperationRefused(f"{server.public_name} cannot be told: {error}") from error

    def _note(self, server: GameServer, what: str) -> None:
        text = printable(f"the operator: {what}")
        logger.info("%s: %s", server.public_name, text)
        record(server.events, self._central.now, text)
