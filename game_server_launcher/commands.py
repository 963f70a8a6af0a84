"""The commands of `game-server-launcher` besides the launcher itself: what a person does with one, in a terminal.

Most talk to the launcher that is running on the run folder; `check`, `logs`, and `status` without a launcher, read
files.
"""

import argparse
import contextlib
import difflib
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple, NoReturn

import msgspec

from connhandler.configuration import require_command
from game_server_launcher import control
from game_server_launcher.config import ENVIRONMENT_PREFIX
from game_server_launcher.controlclient import PROGRAM, ControlClient, ControlFailed, NoLauncher
from game_server_launcher.gamefile import OUTPUT_FILE, GameFileError, load_games
from game_server_launcher.outputtail import OutputTail
from game_server_launcher.programs import check_program, why_not
from game_server_launcher.runfolder import load_servers
from game_server_launcher.servers import Role, SavedServer, other_place
from game_server_launcher.statustable import describe, describe_saved

WAIT_SECONDS = 630.0
"""For what comes of an order; the launcher itself does not wait longer than ten minutes."""


class CommandFailed(Exception):
    """The command cannot be carried out; the text is the sentence to print."""


class Word(NamedTuple):
    """Something that stands on the command line after the command; `several` as `nargs` of argparse."""

    name: str
    text: str
    several: str | None = None


class Command(NamedTuple):
    """One command.

    Attributes:
        text: what it does, for `--help`.
        words: what has to follow it.
        do: carries it out.
        uses_folder: whether it has `--run-dir`.
    """

    text: str
    words: tuple[Word, ...]
    do: Callable[[argparse.Namespace], None]
    uses_folder: bool = True


def run(name: str, arguments: Sequence[str]) -> int:
    """Carry out one command; return the exit status.

    Raises:
        SystemExit: with status 2 for a wrong command or option, after one sentence on stderr; with 0 after `--help`.
    """
    require_command(PROGRAM, name, COMMANDS)
    command = COMMANDS[name]
    options = _parser(name, command).parse_args(arguments)
    before = signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C ends it without a word.
    try:
        command.do(options)
    except GameFileError as error:
        return _end(error, 2)
    except (CommandFailed, ControlFailed, NoLauncher) as error:
        return _end(error, 1)
    except BrokenPipeError:  # Whoever read our output has enough.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    finally:
        signal.signal(signal.SIGINT, before)
    return 0


def _check(options: argparse.Namespace) -> None:
    for game in load_games(map(Path, options.file)):
        ports = game.port or "any free port"
        print(f"{game.game}: {', '.join(game.server_names) or 'no server'} on {ports}: {' '.join(game.command)}")
        program = game.command[0]
        try:
            if "{" not in program:
                check_program(program, Path(), os.environ | game.environment)
        except OSError as error:
            print(f"{PROGRAM}: {game.game} will not start here: {why_not(program, error)[0]}", file=sys.stderr)


def _status(options: argparse.Namespace) -> None:
    folder = _folder(options)
    try:
        with ControlClient(folder) as client:
            status = client.status()
    except NoLauncher as error:
        servers = load_servers(folder)
        if options.json:
            print(msgspec.json.encode([_public(server) for server in servers.values()]).decode())
        else:
            print(f"{PROGRAM}: {error}; this is what the last one has left there", file=sys.stderr)
            print(describe_saved(servers.values()), end="")
        return
    print(msgspec.json.encode(status).decode() if options.json else describe(status))


def _logs(options: argparse.Namespace) -> None:
    folder = _folder(options)
    server = _find(folder, options.server)
    tail = OutputTail(folder / server.name / OUTPUT_FILE)
    try:
        for line in tail.last_lines(options.lines):
            print(line)
    except FileNotFoundError as error:
        raise CommandFailed(f"{options.server} has not printed anything yet") from error
    while options.follow:
        sys.stdout.flush()
        server = _follow(tail, folder, server)
        tail = OutputTail(folder / server.name / OUTPUT_FILE, server.output_from)


def _follow(tail: OutputTail, folder: Path, server: SavedServer) -> SavedServer:
    """Print what a server prints until another process of its takes its place (`succession.py`); return that one."""
    successors: list[SavedServer] = []

    def wait(seconds: float) -> None:
        time.sleep(seconds)
        with contextlib.suppress(CommandFailed):  # For a moment, neither has the place.
            now = _find(folder, server.public_name)
            if now.name != server.name:
                successors.append(now)

    for text in tail.follow(wait, lambda: not successors):
        print(text, end="", flush=True)
    return successors[0]


def _order(options: argparse.Namespace, order: control.Order | control.Reload) -> None:
    with ControlClient(_folder(options)) as client:
        print(client.carry_out(order, WAIT_SECONDS))


def _restart(options: argparse.Namespace) -> None:
    _order(options, control.Restart(options.server))


def _stop(options: argparse.Namespace) -> None:
    _order(options, control.Stop(options.server))


def _start(options: argparse.Namespace) -> None:
    _order(options, control.Start(options.server))


def _say(options: argparse.Namespace) -> None:
    _order(options, control.Say(options.server, " ".join(options.text)))


def _kick(options: argparse.Namespace) -> None:
    _order(options, control.Kick(options.server, options.player, " ".join(options.reason)))


def _change_map(options: argparse.Namespace) -> None:
    _order(options, control.ChangeMap(options.server, options.map))


def _reload(options: argparse.Namespace) -> None:
    _order(options, control.Reload())


SERVER = Word("server", "its name, as 'status' shows it")
COMMANDS = {
    "check": Command(
        "say what game files would start, or what is wrong",
        (Word("file", "a game file, or a folder of them", "+"),),
        _check,
        uses_folder=False,
    ),
    "status": Command("show how the launcher and its servers stand", (), _status),
    "logs": Command("show what a server has printed", (SERVER,), _logs),
    "restart": Command("stop a server in its own way and start it again; or start it", (SERVER,), _restart),
    "stop": Command("stop a server in its own way, until it is started or the launcher is", (SERVER,), _stop),
    "start": Command("start a server that is stopped, failed or waiting", (SERVER,), _start),
    "say": Command("tell all players of a server something", (SERVER, Word("text", "what to say", "+")), _say),
    "kick": Command(
        "send a player away",
        (SERVER, Word("player", "the name"), Word("reason", "what the player is told", "*")),
        _kick,
    ),
    "reload": Command("let the launcher read its game files anew, and say what comes of them", (), _reload),
    "map": Command("change the map of a server", (SERVER, Word("map", "the new one")), _change_map),
}


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """One sentence; the usage is a `--help` away."""
        self.exit(2, f"{self.prog}: {message}; see --help\n")


def _parser(name: str, command: Command) -> argparse.ArgumentParser:
    description = command.text[0].upper() + command.text[1:] + "."
    parser = _Parser(prog=f"{PROGRAM} {name}", description=description, allow_abbrev=False)
    for word in command.words:
        parser.add_argument(word.name, metavar=word.name.upper(), help=word.text, nargs=word.several)
    if command.uses_folder:
        variable = f"{ENVIRONMENT_PREFIX}RUN_DIR"
        folder = Path(os.environ.get(variable) or "run")
        text = f"the launcher's run folder (or {variable}; default: %(default)s)"
        parser.add_argument("--run-dir", metavar="PATH", type=Path, default=folder, help=text)
    if name == "status":
        parser.add_argument("--json", action="store_true", help="as one line of JSON, for programs")
    if name == "logs":
        parser.add_argument("-n", "--lines", metavar="N", type=_count, default=20, help="so many lines (default: 20)")
        parser.add_argument("-f", "--follow", action="store_true", help="go on with what is printed, until Ctrl-C")
    return parser


def _count(text: str) -> int:
    if not text.isdigit():
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number")
    return int(text)


def _folder(options: argparse.Namespace) -> Path:
    """Raises:
    CommandFailed: there is no such folder.
    """
    folder: Path = options.run_dir
    if not folder.is_dir():
        raise CommandFailed(f"there is no run folder {folder}; say with --run-dir where the launcher's is")
    return folder


def _find(folder: Path, name: str) -> SavedServer:
    """What the launcher has written down of the server that others know by this name.

    Raises:
        CommandFailed: there is no such server.
    """
    saved = load_servers(folder)
    for place in (name, other_place(name)):
        if place in saved and saved[place].role is Role.CURRENT:
            return saved[place]
    names = [server.public_name for server in saved.values() if server.role is Role.CURRENT]
    near = difflib.get_close_matches(name, names, n=1)
    hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(names) or 'none'}"
    raise CommandFailed(f"there is no server {name}; {hint}")


def _public(server: SavedServer) -> dict[str, object]:
    """What of a state file may be shown: not its secrets."""
    fields = msgspec.to_builtins(server)
    return {name: value for name, value in fields.items() if name not in ("token", "console_password")}


def _end(why: object, exit_status: int) -> int:
    print(f"{PROGRAM}: {why}", file=sys.stderr)
    return exit_status
