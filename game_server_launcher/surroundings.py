"""What a game finds around it: the values of its placeholders, its environment, its files, its output and its input.

`prepare` works on files: call it from a worker pool.
"""

import errno
import os
from collections.abc import Mapping
from pathlib import Path

from game_server_launcher.gamefile import OUTPUT_FILE, expand, placeholder_values
from game_server_launcher.gametables import StopByInput
from game_server_launcher.keeper import forget_exit_status
from game_server_launcher.output import OutputLog
from game_server_launcher.process import make_input
from game_server_launcher.runfolder import RunFolder, write_whole
from game_server_launcher.runs import Run

TOKEN_VARIABLE = "LAUNCHER_TOKEN"
PORT_VARIABLE = "LAUNCHER_PORT"
CONSOLE_PORT_VARIABLE = "LAUNCHER_CONSOLE_PORT"
OWN_VARIABLES = "LAUNCHER_"
"""Variables of the launcher itself begin so; one of them may be its key, and no game gets to see them."""


class Surroundings:
    """Of all games of one launcher.

    Args:
        folder: where state, input and output are.
        controller_address: where game controllers find this launcher.
        controller_port: likewise.
    """

    def __init__(self, folder: RunFolder, controller_address: str, controller_port: int) -> None:
        self._folder = folder
        self._controller_address = controller_address
        self._controller_port = controller_port

    def prepare(self, run: Run, log: OutputLog, folder: Path, opened: list[int], values: Mapping[str, object]) -> int:
        """Write the game's files, open its output and input into `opened`; return where its output begins."""
        own_folder = self._folder.server_folder(run.server)
        own_folder.mkdir(mode=0o700, exist_ok=True)
        if not folder.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, "no such folder", str(folder))
        for name, text in run.game.files.items():
            write_whole(own_folder / name, expand(text, values).encode())
        forget_exit_status(own_folder)
        opened.append(log.open())
        if isinstance(run.game.stop, StopByInput) or run.game.commands is not None:
            opened.append(make_input(self.input_path(run.server)))
        return log.position

    def output(self, run: Run) -> OutputLog:
        path = self._folder.server_folder(run.server) / OUTPUT_FILE
        return OutputLog(path, run.game.output.max_bytes, run.game.output.files)

    def input_path(self, server: str) -> Path:
        return self._folder.path / f"{server}.stdin"

    def values(self, run: Run, port: int, **more: object) -> dict[str, object]:
        return placeholder_values(
            run.server,
            run.token,
            self._folder.server_folder(run.server),
            port=port,
            map=run.game.map,
            listen_address=run.game.listen_address,
            controller_address=self._controller_address,
            controller_port=self._controller_port,
            **more,
        )

    def environment(self, run: Run, values: Mapping[str, object]) -> dict[str, str]:
        inherited = {name: text for name, text in os.environ.items() if not name.startswith(OWN_VARIABLES)}
        ours = {
            "LAUNCHER_SERVER": run.server,
            TOKEN_VARIABLE: run.token,
            PORT_VARIABLE: str(values["port"]),
            "LAUNCHER_CONTROLLER_ADDRESS": self._controller_address,
            "LAUNCHER_CONTROLLER_PORT": str(self._controller_port),
        }
        if run.game.console:
            ours[CONSOLE_PORT_VARIABLE] = str(values["console_port"])
        return inherited | ours | {name: expand(text, values) for name, text in run.game.environment.items()}
