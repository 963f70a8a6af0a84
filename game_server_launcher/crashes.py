"""What is known of a crash, in a folder of its own: `SERVER/crashes/YYYYMMDD-HHMMSS/`.

    crash.json    how the process ended, what it used, what was said last, who played
    output.txt    what it printed last

`write` works on files: call it from a worker pool.
"""

import contextlib
import os
import shutil
import signal
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from game_server_launcher.figures import Sample
from game_server_launcher.gamefile import OUTPUT_FILE
from game_server_launcher.servers import GameServer, RunningMatch
from game_server_launcher.talk import without_secrets

FOLDER = "crashes"
KEPT = 10
OUTPUT_BYTES = 64 * 1024


class Crash(msgspec.Struct, kw_only=True):
    """The content of `crash.json`. Times are in seconds, `…_at` since 1970.

    Attributes:
        how: in words.
        exit_status: negative for a signal; null if nobody knows.
        signal: its name; empty if there was none.
        core: the core file that it seems to have left; empty if there is none.
        figures: what its processes used in the last minute, the oldest first.
        messages: those of its controller or console, and those to it, the oldest first.
    """

    server: str
    game: str
    version: str
    map: str
    command: list[str]
    how: str
    exit_status: int | None
    signal: str
    core: str = ""
    pid: int
    port: int
    started_at: float
    ended_at: float
    ran_for_seconds: float
    state: str
    players: int
    names: list[str]
    matches: dict[str, RunningMatch]
    figures: list[Sample]
    messages: list[str]


def crash_of(
    server: GameServer, how: str, status: int | None, now: float, figures: list[Sample], messages: list[str]
) -> Crash:
    """What is known of a server whose process has crashed just now."""
    return Crash(
        server=server.name,
        game=server.game.game,
        version=server.version,
        map=server.map,
        command=without_secrets(server.game.command),
        how=how,
        exit_status=status,
        signal=_name_of_signal(status),
        pid=server.pid,
        port=server.port,
        started_at=server.started_at,
        ended_at=now,
        ran_for_seconds=now - server.started_at,
        state=server.state,
        players=server.players,
        names=server.everybody,
        matches=dict(server.matches),
        figures=figures,
        messages=messages,
    )


def write(crash: Crash, own_folder: Path, folder: Path, output_from: int) -> Path:
    """Write everything down, and remove the oldest folders beyond `KEPT`.

    Args:
        crash: all but the core file, which is looked for.
        own_folder: the server's.
        folder: the game's working folder.
        output_from: where in its output file the process began.

    Returns:
        the folder.

    Raises:
        OSError: it cannot be written.
    """
    crash.core = _core_file(folder, crash.started_at)
    crashes = own_folder / FOLDER
    crashes.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = _new_folder(crashes, datetime.fromtimestamp(crash.ended_at, UTC).strftime("%Y%m%d-%H%M%S"))
    for name, data in (
        ("crash.json", msgspec.json.format(msgspec.json.encode(crash)) + b"\n"),
        ("output.txt", last_output(own_folder, output_from)),
    ):
        with open(path / name, "wb", opener=lambda file, flags: os.open(file, flags, 0o600)) as file:
            file.write(data)
    for old in sorted(one for one in crashes.iterdir() if one.is_dir())[:-KEPT]:
        shutil.rmtree(old, ignore_errors=True)
    return path


def last_output(own_folder: Path, output_from: int) -> bytes:
    """Return the end of what a process has printed, the part included that was put aside meanwhile."""
    current = own_folder / OUTPUT_FILE
    with contextlib.suppress(OSError):
        size = current.stat().st_size
        rotated = output_from > size
        data = _tail(current, 0 if rotated else output_from)
        if rotated:
            with contextlib.suppress(OSError):
                data = _tail(current.with_name(f"{OUTPUT_FILE}.1"), 0) + data
        return data[-OUTPUT_BYTES:]
    return b""


def _tail(path: Path, begin: int) -> bytes:
    with path.open("rb") as file:
        file.seek(max(begin, file.seek(0, os.SEEK_END) - OUTPUT_BYTES))
        return file.read(OUTPUT_BYTES)


def _new_folder(crashes: Path, name: str) -> Path:
    """Two crashes may come within one second."""
    path = crashes / name
    number = 1
    while True:
        try:
            path.mkdir(mode=0o700)
        except FileExistsError:
            number += 1
            path = crashes / f"{name}-{number}"
        else:
            return path


def _core_file(folder: Path, since: float) -> str:
    """The path of a core file that was written since then."""
    found: Sequence[Path] = ()
    with contextlib.suppress(OSError):
        found = [path for path in folder.glob("core*") if path.is_file() and path.stat().st_mtime >= since]
    return str(max(found, key=lambda path: path.stat().st_mtime)) if found else ""


def _name_of_signal(status: int | None) -> str:
    if status is None or status >= 0:
        return ""
    try:
        return signal.Signals(-status).name
    except ValueError:
        return str(-status)
