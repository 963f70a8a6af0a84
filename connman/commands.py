"""What `connman` does, command by command: serve, play, adduser.

`serve` reads as the manual of the library: `connman.start()`, a matchmaking, a thread for each game.
"""

import getpass
import logging
import os
import signal
import socket
import ssl
import sys
import threading
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import msgspec

import connman
from connhandler.configuration import load_configuration, require_command, set_up_logging, split_arguments
from connman.config import PLAY_PREFIX, PREFIX, PROGRAM, Config, PlayConfig
from connman.nim.client import play as play_at_terminal
from connman.nim.matchmaker import FIRST_RANK, Matchmaker

logger = logging.getLogger(__name__)

DESCRIPTION = "Connects game clients with a matchmaking and a small game for two, Nim."
EPILOG = """Commands: 'connman [serve] [option ...]' serves; 'connman adduser NAME' lets somebody play;
'connman play [NAME] [option ...]' plays at the terminal."""
STOP_SECONDS = 20.0

Settings = TypeVar("Settings", bound=msgspec.Struct)


class CommandFailed(Exception):
    """The command cannot be carried out; the text is the sentence to print."""


class UsageError(CommandFailed):
    """The command line is wrong."""


def run(arguments: Sequence[str]) -> int:
    """Carry out one command line, without the program's name; return the exit status.

    Raises:
        SystemExit: with status 2 for a wrong command or option, after one sentence on stderr; with 0 after `--help`.
    """
    command, *rest = ["serve", *arguments] if not arguments or arguments[0].startswith("-") else arguments
    commands: dict[str, Callable[[Sequence[str]], int]] = {"serve": serve, "play": play, "adduser": add_user}
    require_command(PROGRAM, command, commands)
    try:
        return commands[command](rest)
    except CommandFailed as error:
        print(f"{PROGRAM}: {error}", file=sys.stderr)
        return 2 if isinstance(error, UsageError) else 1


def serve(arguments: Sequence[str]) -> int:
    """Let people play Nim until SIGTERM or Ctrl-C."""
    config = _configuration(Config, "", DESCRIPTION, arguments)
    from connman.users import OPENING_ERRORS  # Not above: it needs the extra, and `play` does not.

    set_up_logging(config.log_level)
    logging.getLogger("alembic").setLevel(logging.WARNING)  # What it tells of its own doings is for nobody here.
    asked_to_end = threading.Event()

    def end(number: int, frame: Any) -> None:
        for sign in (signal.SIGTERM, signal.SIGINT):
            signal.signal(sign, signal.SIG_DFL)  # A second one ends it at once.
        asked_to_end.set()

    for sign in (signal.SIGTERM, signal.SIGINT):
        signal.signal(sign, end)
    try:
        connman.start(
            address=config.address,
            port=config.port,
            database_url=config.database_url,
            framing=config.framing,
            ssl_context=_server_tls(config),
            limits=config.limits,
            queues=config.queues,
        )
    except OPENING_ERRORS as error:
        raise CommandFailed(str(getattr(error, "strerror", None) or error)) from error

    def stop() -> None:
        asked_to_end.wait()
        connman.stop(STOP_SECONDS)

    stopping = threading.Thread(target=stop, name="stopping", daemon=True)
    stopping.start()
    Matchmaker(config.turn_seconds).run()
    was_asked = asked_to_end.is_set()
    asked_to_end.set()
    stopping.join()
    return 0 if was_asked else 1


def play(arguments: Sequence[str]) -> int:
    """Play at the terminal."""
    words, options = split_arguments(PlayConfig, arguments)
    description = "Play Nim at the terminal. NAME and password are asked for unless they are given (CONNMAN_PASSWORD)."
    config = _configuration(PlayConfig, "play [NAME]", description, options, PLAY_PREFIX)
    if len(words) > 1:
        raise UsageError(f"play: expected one name, got {len(words)}")
    try:
        user = words[0] if words else _ask_name()
        password = os.environ.get("CONNMAN_PASSWORD") or _ask_password("Password: ")
    except (EOFError, KeyboardInterrupt):
        return 130
    try:
        sock = socket.create_connection((config.host, config.port), timeout=10)
        sock.settimeout(None)
        if config.tls:
            sock = ssl.create_default_context(cafile=config.tls_ca or None).wrap_socket(
                sock, server_hostname=config.host
            )
    except OSError as error:
        raise CommandFailed(f"cannot connect to {config.host}:{config.port}: {error.strerror or error}") from error
    with sock:
        return play_at_terminal(sock, user, password)


def add_user(arguments: Sequence[str]) -> int:
    """Let somebody play."""
    words, options = split_arguments(Config, arguments)
    description = "Let somebody play. The password is asked for, or read from what is piped in."
    config = _configuration(Config, "adduser NAME", description, options)
    if len(words) != 1:
        raise UsageError(f"adduser: expected one name, got {len(words)}")
    from connman.users import OPENING_ERRORS

    try:
        password = _new_password()
    except (EOFError, KeyboardInterrupt):
        return 130
    try:
        connman.add_user(config.database_url, words[0], password, FIRST_RANK)
    except OPENING_ERRORS as error:
        raise CommandFailed(str(getattr(error, "strerror", None) or error)) from error
    print(f"{words[0]} can play now: {PROGRAM} play {words[0]}")
    return 0


def _configuration(
    struct_type: type[Settings], command: str, description: str, arguments: Sequence[str], prefix: str = PREFIX
) -> Settings:
    return load_configuration(
        struct_type,
        program=f"{PROGRAM} {command}".rstrip(),
        description=description,
        argv=arguments,
        environment_prefix=prefix,
        epilog=EPILOG,
    )


def _server_tls(config: Config) -> ssl.SSLContext | None:
    if not config.tls_certificate:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        context.load_cert_chain(config.tls_certificate, config.tls_key or None)
    except OSError as error:  # ssl.SSLError is one too
        raise CommandFailed(f"cannot use the certificate {config.tls_certificate}: {error}") from error
    return context


def _ask_name() -> str:
    """Raises:
    EOFError: there is none.
    """
    if sys.stdin.isatty():
        return input("Name: ").strip()
    return _read_line()


def _ask_password(prompt: str) -> str:
    """Raises:
    EOFError: there is none.
    """
    if sys.stdin.isatty():
        return getpass.getpass(prompt)
    return _read_line()


def _read_line() -> str:
    """Read from what is piped in, and not a byte more than the line.

    Raises:
        EOFError: there is none.
    """
    line = b""
    while (byte := os.read(sys.stdin.fileno(), 1)) not in (b"", b"\n"):
        line += byte
    if not line and not byte:
        raise EOFError
    return line.decode(errors="replace").removesuffix("\r")


def _new_password() -> str:
    """Raises:
    EOFError: there is none.
    CommandFailed: it was typed in two ways.
    """
    password = _ask_password("Password: ")
    if sys.stdin.isatty() and getpass.getpass("Again: ") != password:
        raise CommandFailed("these are two different passwords")
    return password
