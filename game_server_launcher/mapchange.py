"""Changes the map of a server in the way that its game file says: by its console, by a line on its input, or by
a successor."""

from collections.abc import Callable

import msgspec

from game_server_launcher import gameconsolehandler as console
from game_server_launcher.consoledesk import ConsoleDesk
from game_server_launcher.gamefile import GameFile
from game_server_launcher.gametables import MapName
from game_server_launcher.servers import GameServer
from game_server_launcher.stdincommands import StdinCommands
from game_server_launcher.succession import Succession


class MapChanger:
    """Part of the central task.

    Args:
        consoles: of the games that have one.
        commands: of the games that are told on their standard input.
        succession: of the others.
        choose: says what a server is to start, and whether that is on trial.
    """

    def __init__(
        self,
        consoles: ConsoleDesk,
        commands: StdinCommands,
        succession: Succession,
        choose: Callable[[GameServer], tuple[GameFile, bool]],
    ) -> None:
        self._choose = choose
        self._consoles = consoles
        self._commands = commands
        self._succession = succession

    def change(self, server: GameServer, name: str) -> None:
        """Begin to change the map of a server; what comes of it is told by the server's state, and logged.

        Raises:
            ValueError: that is not possible now; the text says why.
        """
        check_map(server, name)
        game = server.game
        by_commands = "commands" if game.commands and game.commands.map else ""
        way = game.map_change.by or ("console" if game.console else by_commands)
        if way == "successor":
            game, on_trial = self._choose(server)
            self._succession.begin(server, msgspec.structs.replace(game, map=name), on_trial)
        elif way == "commands":
            self._commands.change_map(server, name)
        elif way != "console":
            raise ValueError("its game file does not say how its map is changed (map_change.by)")
        elif not self._consoles.send(server, console.ChangeMap(name)):
            raise ValueError("its console is not connected")


def check_map(server: GameServer, name: str) -> None:
    """Raises:
    ValueError: a server is not to be changed to this map.
    """
    if server.game.maps and name not in server.game.maps:
        raise ValueError(f"there is no map {name!r}; its maps are: {', '.join(server.game.maps)}")
    try:
        msgspec.convert(name, MapName)
    except msgspec.ValidationError as error:
        raise ValueError(f"{name!r} cannot be the name of a map: letters, digits and _ . + -, at most 64") from error
