"""What games can be told by a line on their standard input: the `[commands]` of their game file.

Part of the central task.

What players and operators write becomes part of such a line, and must not become a command of its own: see `harmless`.
"""

import re
from typing import Protocol

from game_server_launcher.gamefile import expand
from game_server_launcher.servers import GameServer

MAX_TEXT = 250
"""The longest text in a command, in characters."""

_CHANGED = str.maketrans({'"': "'", ";": ",", "\\": "/"})
_QUOTED_PLAYER = re.compile(r'"\{player\}"')


class Input(Protocol):
    """What is asked of a `Runner`; see there."""

    def write_input(self, server: str, text: str) -> None: ...


class StdinCommands:
    """Tells games; each method raises a ValueError whose text says why that is not possible.

    Args:
        runner: of the processes.
    """

    def __init__(self, runner: Input) -> None:
        self._runner = runner

    def say(self, server: GameServer, text: str) -> None:
        """Tell all players something.

        Raises:
            ValueError: the game cannot be told.
        """
        self._write(server, self._template(server, "say"), text=harmless(text))

    def kick(self, server: GameServer, player: str, reason: str = "") -> None:
        """Send a player away; all of this name.

        Raises:
            ValueError: the game cannot be told, or nobody there is known to have this name.
        """
        template = self._template(server, "kick")
        if server.everybody and player not in server.everybody:
            raise ValueError(f"nobody there is called {player}; there are {', '.join(sorted(server.names))}")
        clients = [""]
        if "{id}" in template:
            clients = [client for client, name in server.here.items() if name == player]
            if not clients:
                raise ValueError(f"its output has not said what the connection of {player} is called there")
        if "{player}" in template and not _can_be_written(player, template):
            raise ValueError(f"the name {player!r} cannot be written on its standard input")
        for client in clients:
            self._write(server, template, player=player, id=harmless(client), reason=harmless(reason))

    def change_map(self, server: GameServer, name: str) -> None:
        """Change the map.

        Args:
            server: whose.
            name: of the map; checked by the caller.

        Raises:
            ValueError: the game cannot be told.
        """
        self._write(server, self._template(server, "map"), map=harmless(name))

    def _template(self, server: GameServer, command: str) -> str:
        template: str = getattr(server.game.commands, command, "")
        if not template:
            raise ValueError(f"its game file has no command for that (commands.{command})")
        return template

    def _write(self, server: GameServer, template: str, **values: str) -> None:
        try:
            self._runner.write_input(server.name, expand(template, values))
        except OSError as error:
            raise ValueError(f"its standard input takes nothing: {error.strerror or error}") from error


def harmless(text: str) -> str:
    """Return a text that stays within its place in a line: without line ends and other characters that cannot be seen,
    and with `'`, `,` and `/` in the place of `"`, `;` and `\\`, with which a game may end a text or a command."""
    return "".join(letter if letter.isprintable() else " " for letter in text[:MAX_TEXT]).translate(_CHANGED)


def _can_be_written(player: str, template: str) -> bool:
    """A name that had to be changed would be somebody else's; one with a space in it must stand in quotes."""
    return player == harmless(player) and bool(player) and (" " not in player or bool(_QUOTED_PLAYER.search(template)))
