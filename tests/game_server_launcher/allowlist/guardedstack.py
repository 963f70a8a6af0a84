"""A login server, a launcher and a guarded game, to be run on a machine of its own.

    python -m tests.game_server_launcher.allowlist.guardedstack FOLDER ADDRESS SOCKET

prints the login server's port for players and the game's port, and ends with its standard input.
"""

import os
import sys
from pathlib import Path

from examples.stack import GAME_FILES, Ports, Stack, free_ports


def main(folder: Path, address: str, helper: str) -> None:
    games = folder / "guarded"
    games.mkdir()
    text = (GAME_FILES / "four_in_a_row.toml").read_text()
    (games / "four.toml").write_text(f"allowlist = true\n{text}")
    os.environ["LAUNCHER_ALLOWLIST"] = helper
    stack = Stack(folder, Ports(*free_ports(4)), log_to_files=True, address=address, games=games)
    try:
        stack.start()
        print(stack.ports.player, (stack.status() or {})["servers"][0]["port"], flush=True)
        sys.stdin.read()
    finally:
        stack.stop()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], sys.argv[3])
