"""One TOML file a game: how its servers are called, started, found ready, stopped and restarted.

The file is decoded into `GameFile`, whose fields are the keys that may stand in it. Whatever is wrong with it is a
`GameFileError`: one sentence with the file, the key and what was expected. Nothing here starts or looks at a process.
"""

import difflib
import re
import sys
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin

import msgspec
from msgspec import Meta

from game_server_launcher import logpatterns
from game_server_launcher.gametables import (
    Admission,
    Command,
    Commands,
    Console,
    FileName,
    Health,
    Idle,
    Limits,
    Log,
    MapChange,
    MapName,
    Name,
    Output,
    Port,
    PortRange,
    ReadyByController,
    ReadyByOutput,
    ReadyByPort,
    ReadyByStatus,
    Restart,
    Status,
    StopByCommand,
    StopByController,
    StopByInput,
    StopBySignal,
    Table,
    Text,
    Upgrade,
    Vote,
)
from login_server.protocol import MatchPlayers

PLACEHOLDERS = (
    "port",
    "map",
    "listen_address",
    "controller_address",
    "controller_port",
    "console_port",
    "console_password",
    "server",
    "token",
    "run_dir",
    "python",
    "pid",
)
"""What may stand in braces in a command line, in the environment and in files.

`{pid}` may in a stop command alone; those of the console, only where there is one; and its password, only where nobody
else can read it: not in a command line.
"""

COMMAND_PLACEHOLDERS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "say": (("text",), ()),
    "kick": (("player", "id"), ("reason",)),
    "map": (("map",), ()),
}
"""What may stand in braces in each of the `[commands]`: one of the first must, and the others may."""

NEEDED = {
    "game": "the game's name",
    "command": "the program to start, and its arguments",
    "capacity": "how many players one server takes, 1 or more",
}
"""The keys without a default, and what each is."""

OUTPUT_FILE = "output.log"
"""In the server's own folder; older ones have a number after it."""

_PLACEHOLDER = re.compile(r"(?<!\$)\{([a-z_]+)\}")  # `${name}` is left for a shell


class GameFileError(Exception):
    """A game file is wrong; the text names the file, the key and what was expected."""


class GameFile(Table, frozen=True):
    """The keys of a game file."""

    game: Annotated[str, Meta(min_length=1, max_length=128)]
    command: Command
    capacity: Annotated[int, Meta(ge=1, le=1_000_000)]
    """How many players one server takes."""
    name: Name = ""
    """What its servers are called; empty for the file's name."""
    servers: Annotated[int, Meta(ge=0, le=1000)] | Annotated[list[Name], Meta(max_length=1000)] = 1
    """How many (`NAME-1`, `NAME-2`, …; one alone is `NAME`), or their names."""
    region: Text = ""
    match_players: MatchPlayers = 2
    """How many players a match has."""
    map: Text = ""
    maps: Annotated[list[MapName], Meta(max_length=64)] = []
    """Those that it may be changed to; empty for any."""
    version: Text = ""
    folder: str = "{run_dir}"
    """The working folder; one that is not absolute is looked for beside the game file."""
    port: Port | PortRange = 0
    """A port, a range such as `"7000-7009"`, or 0 for any free one."""
    address: Annotated[str, Meta(max_length=100)] = ""
    """Where players connect; empty for `listen_address`."""
    listen_address: Annotated[str, Meta(min_length=1, max_length=100)] = "127.0.0.1"
    environment: dict[str, str] = {}
    files: dict[FileName, str] = {}
    """Files that are written into the server's own folder before each start: what is in them, by their names."""
    console: Console | None = None
    admission: Admission = Admission()
    log: Log | None = None
    status: Status | None = None
    commands: Commands | None = None
    allowlist: bool = False
    """Whether only players with a seat may come to the port at all, where the launcher has the helper for that."""
    idle: Idle = Idle()
    ready: ReadyByController | ReadyByOutput | ReadyByPort | ReadyByStatus = ReadyByController()
    stop: StopByController | StopByInput | StopByCommand | StopBySignal = StopByController()
    restart: Restart = Restart()
    limits: Limits = Limits()
    health: Health = Health()
    map_change: MapChange = MapChange()
    vote: Vote = Vote()
    upgrade: Upgrade = Upgrade()
    output: Output = Output()

    @property
    def server_names(self) -> list[str]:
        if isinstance(self.servers, list):
            return list(self.servers)
        if self.servers == 1:
            return [self.name]
        return [f"{self.name}-{number}" for number in range(1, self.servers + 1)]

    @property
    def is_guarded(self) -> bool:
        """Whether players without a seat have no business at its port."""
        return self.allowlist or self.admission.by != "open"

    @property
    def ports(self) -> range:
        """The ports to choose from; empty for any free one."""
        if isinstance(self.port, str):
            first, last = (int(end) for end in self.port.split("-"))
            return range(first, last + 1)
        return range(self.port, self.port + 1) if self.port else range(0)


def load_games(paths: Iterable[Path]) -> list[GameFile]:
    """Read game files; of a folder, every `*.toml` in it.

    Raises:
        GameFileError: one of them is wrong, there is none, or two servers have the same name.
    """
    files: list[Path] = []
    for path in paths:
        if path.is_dir():
            found = sorted(path.glob("*.toml"))
            if not found:
                raise GameFileError(f"{path}: no game file (*.toml) in this folder")
            files += found
        else:
            files.append(path)
    games = [load_game_file(file) for file in files]
    owners: dict[str, Path] = {}
    for file, game in zip(files, games, strict=True):
        for name in game.server_names:
            if name in owners:
                raise GameFileError(
                    f"{file}: servers: a server called {name!r} is in {owners[name]} already; "
                    "every server of a launcher needs a name of its own"
                )
            owners[name] = file
    return games


def load_game_file(path: Path) -> GameFile:
    """Read one game file.

    Relative paths in `command[0]` and `folder` are made absolute, from the folder that the file is in.

    Raises:
        GameFileError: it cannot be read or is wrong.
    """
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise GameFileError(f"{path}: cannot be read: {getattr(error, 'strerror', error)}") from error
    except tomllib.TOMLDecodeError as error:
        raise GameFileError(f"{path}: not TOML: {error}") from error
    try:
        _check_keys(table, GameFile, "")
        for key, meaning in NEEDED.items():
            if key not in table:
                raise ValueError(f"{key} is missing; Expected {meaning}")
        game = msgspec.convert({"name": path.stem, **table}, GameFile, strict=True)
        _check(game)
    except (msgspec.ValidationError, ValueError) as error:
        raise GameFileError(f"{path}: {str(error).replace('$.', '')}") from error
    return msgspec.structs.replace(
        game,
        command=[_beside(path, game.command[0], program=True), *game.command[1:]],
        folder=_beside(path, game.folder),
        address=game.address or game.listen_address,
    )


def expand(text: str, values: Mapping[str, object]) -> str:
    """Put values in the place of `{placeholders}`; anything else in braces stays as it is.

    Raises:
        KeyError: a placeholder that `values` lacks.
    """
    return _PLACEHOLDER.sub(lambda found: str(values[found[1]]), text)


def _beside(path: Path, text: str, program: bool = False) -> str:
    """A path as seen from the game file; a program without a slash is left to the search path."""
    if text.startswith("{") or (program and "/" not in text):
        return text
    return str((path.parent / text).absolute())


def _check_keys(table: Mapping[str, Any], struct: type[Table], where: str) -> None:
    """msgspec refuses an unknown key or word too, but does not say which ones there are."""
    fields = {field.name: field.type for field in msgspec.structs.fields(struct)}
    for key, value in table.items():
        if key not in fields:
            close = difflib.get_close_matches(key, fields, n=1)
            hint = f"did you mean {close[0]!r}? " if close else ""
            raise ValueError(f"unknown key {where + key!r}; {hint}Expected one of: {', '.join(sorted(fields))}")
        words = get_args(fields[key]) if get_origin(fields[key]) is Literal else ()
        if words and value not in words:
            raise ValueError(f"{where}{key} is {value!r}; Expected one of: {', '.join(filter(None, words))}")
        if isinstance(value, dict):
            _check_table(value, fields[key], where + key)


def _check_table(table: Mapping[str, Any], type_: Any, where: str) -> None:
    structs = [one for one in (type_, *get_args(type_)) if isinstance(one, type) and issubclass(one, Table)]
    if len(structs) == 1:
        _check_keys(table, structs[0], f"{where}.")
    elif structs:
        by_tag = {str(one.__struct_config__.tag): one for one in structs}
        chosen = table.get("by")
        if chosen not in by_tag:
            raise ValueError(f"{where}.by is {chosen!r}; Expected one of: {', '.join(sorted(by_tag))}")
        rest = {key: value for key, value in table.items() if key != "by"}
        _check_keys(rest, by_tag[chosen], f"{where}.")


def _check(game: GameFile) -> None:
    """What types cannot say.

    Raises:
        ValueError: with the key and what was expected.
    """
    stop_command = game.stop.command if isinstance(game.stop, StopByCommand) else []
    hidden = {"console_password"} if game.console else set()
    allowed = set(PLACEHOLDERS) - {"pid", "console_password"} - ({"console_port"} if game.console is None else set())
    _check_placeholders("command", game.command, allowed)
    _check_placeholders("stop.command", stop_command, allowed | {"pid"})
    _check_placeholders("environment", game.environment.values(), allowed | hidden)
    _check_placeholders("files", game.files.values(), allowed | hidden)
    _check_placeholders("folder", [game.folder], {"run_dir"})
    _check_placeholders("listen_address", [game.listen_address], set())
    if not game.command[0]:
        raise ValueError("command is empty; Expected a program - at `command[0]`")
    if game.admission.by != "open" and game.console is None:
        raise ValueError(f"{game.admission.by!r} needs a [console], to kick others - at `admission.by`")
    for name in game.files:
        if name.startswith(OUTPUT_FILE):
            raise ValueError(f"{name!r} is where the game's output goes - at `files`")
    for key in game.environment:
        if not re.fullmatch("[A-Za-z_][A-Za-z0-9_]*", key):
            raise ValueError(f"{key!r} cannot be the name of a variable - at `environment`")
    if game.map_change.by == "console" and game.console is None:
        raise ValueError("'console' needs a table [console] - at `map_change.by`")
    if game.map_change.by == "commands" and not (game.commands and game.commands.map):
        raise ValueError("'commands' needs commands.map - at `map_change.by`")
    if game.map_change.by == "successor" and game.console is not None:
        raise ValueError(
            "'successor' is for games with a controller of their own, not with a console - at `map_change.by`"
        )
    names = game.server_names
    if len(set(names)) != len(names):
        raise ValueError(f"Expected names that differ, got {names} - at `servers`")
    if isinstance(game.ready, ReadyByOutput):
        try:
            re.compile(game.ready.pattern)
        except re.error as error:
            raise ValueError(f"Expected a regular expression: {error} - at `ready.pattern`") from error
    if isinstance(game.ready, ReadyByStatus) and game.status is None:
        raise ValueError("'status' needs a [status], which says how the game is asked - at `ready.by`")
    if game.commands is not None:
        _check_commands(game.commands)
    if game.log is not None:
        logpatterns.check(game.log)
    ports = game.ports
    if game.port and not (0 < ports.start < ports.stop <= 65536):
        raise ValueError(f"Expected a range of ports, lowest first, got {game.port!r} - at `port`")
    if ports and len(ports) < len(names):
        raise ValueError(f"Expected at least {len(names)} ports for {len(names)} servers - at `port`")


def _check_placeholders(key: str, texts: Iterable[str], allowed: set[str]) -> None:
    for text in texts:
        for name in _PLACEHOLDER.findall(text):
            if name not in allowed:
                known = ", ".join(f"{{{one}}}" for one in sorted(allowed)) or "no placeholder"
                raise ValueError(f"unknown placeholder {{{name}}}; Expected one of: {known} - at `{key}`")


def _check_commands(commands: Commands) -> None:
    for name, (needed, other) in COMMAND_PLACEHOLDERS.items():
        text = getattr(commands, name)
        if not text:
            continue
        _check_placeholders(f"commands.{name}", [text], {*needed, *other})
        if not text.isprintable() or text.startswith("{"):
            raise ValueError(f"Expected one line that begins with the game's own word for it - at `commands.{name}`")
        if not any(f"{{{one}}}" in text for one in needed):
            wanted = " or ".join(f"{{{one}}}" for one in needed)
            raise ValueError(f"Expected {wanted} in it - at `commands.{name}`")


def placeholder_values(server: str, token: str, run_dir: Path, **more: object) -> dict[str, object]:
    """The values of the placeholders that every game has; `more` are the addresses, ports and the pid."""
    return {"server": server, "token": token, "run_dir": run_dir, "python": sys.executable, **more}
