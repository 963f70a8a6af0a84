"""What `login-server` does, command by command: serve, keys, launcher add, list, remove and rotate."""

import argparse
import importlib.metadata
import logging
import sys
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

import gevent.ssl

from connhandler import Limits, Service, WorkerPool
from connhandler.configuration import load_configuration, require_command, set_up_logging, split_arguments
from connhandler.handler import ConnectionHandler
from login_server.accounts import Accounts
from login_server.backoffice import BackOffice
from login_server.browserhandler import BrowserHandler
from login_server.config import Config
from login_server.database import Database, DatabaseFailed
from login_server.gameclienthandler import GameClientHandler
from login_server.gameserverlauncherhandler import GameServerLauncherHandler
from login_server.httphandler import VisitorHandler
from login_server.launcherkeys import LauncherKeys
from login_server.matches import MAX_ENDED
from login_server.passwords import Passwords
from login_server.protocol import PLAYERS_PATH
from login_server.refusal import Refusal
from login_server.results import Results
from login_server.server import LoginServer
from login_server.tickets import TicketIssuer, ensure_key_pair

logger = logging.getLogger(__name__)

PROGRAM = "login-server"
DESCRIPTION = "Where players and game server launchers meet: accounts, server list, matches and tickets."
EPILOG = """Commands: 'login-server [serve] [option ...]' serves; 'login-server keys' makes the key pair for tickets;
'login-server launcher add|rotate|remove NAME' and 'login-server launcher list' say which launchers may log in."""

LAUNCHER_ACTIONS = {
    "add": "let a launcher in, and print its key",
    "rotate": "give a launcher a new key, and print it",
    "remove": "let a launcher in no more; a connection that is open stays",
    "list": "print the launchers that may log in",
}
"""The commands of `login-server launcher`, and what each does."""

HASHING_NICENESS = 10


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
    commands: dict[str, Callable[[Sequence[str]], int]] = {
        "serve": serve,
        "keys": make_keys,
        "launcher": manage_launchers,
    }
    require_command(PROGRAM, command, commands)
    try:
        return commands[command](rest)
    except (CommandFailed, DatabaseFailed, Refusal) as error:
        print(f"{PROGRAM}: {error}", file=sys.stderr)
        return 2 if isinstance(error, UsageError) else 1


def serve(arguments: Sequence[str]) -> int:
    """Serve until SIGTERM or Ctrl-C."""
    config = _configuration(arguments)
    set_up_logging(config.log_level)
    issuer = TicketIssuer(_ensure_keys(config), config.issuer, config.ticket_seconds)
    database = _open_database(config)
    results = Results(database)
    back_office = BackOffice(
        Accounts(database),
        LauncherKeys(database),
        results,
        database,
        WorkerPool("database", threads=config.database_threads, max_queued=config.database_queue),
        Passwords(),
        WorkerPool(
            "passwords",
            threads=config.hashing_threads,
            max_queued=config.hashing_queue,
            niceness=HASHING_NICENESS,
        ),
    )
    server = LoginServer(back_office, issuer, results.recent(MAX_ENDED), _version())
    visitors = _visitor_handler(config, server)
    handlers = [*_program_handlers(config, server), visitors]
    everybody = [*handlers, *visitors.upgrades.values()]
    server.status_desk.connection_counters = {handler.task_name: handler.counters for handler in everybody}
    try:
        return Service(server, handlers, [back_office.password_pool, back_office.database_pool]).run()
    except OSError as error:
        raise CommandFailed(str(error.strerror or error)) from error
    finally:
        database.close()


def make_keys(arguments: Sequence[str]) -> int:
    """Make the key pair for tickets, unless it is there."""
    config = _configuration(arguments, "keys", "Makes the key pair for tickets, unless it is there.")
    _ensure_keys(config)
    print(f"private key: {config.private_key_file}\npublic key: {config.public_key_file}")
    return 0


def manage_launchers(arguments: Sequence[str]) -> int:
    """Say which launchers may log in."""
    words, options = split_arguments(Config, arguments)
    if words:
        require_command(f"{PROGRAM} launcher", words[0], LAUNCHER_ACTIONS)
    if {"-h", "--help"}.intersection(options):
        _launcher_parser().parse_args([*words[:1], "--help"])
    config = _configuration(options)
    if not words:
        raise UsageError(f"launcher: say what to do: {', '.join(LAUNCHER_ACTIONS)}")
    action, *names = words
    if len(names) != (action != "list"):
        wanted = "no name" if action == "list" else "one name"
        raise UsageError(f"launcher {action}: expected {wanted}, got {len(names)}")
    name = "".join(names)
    database = _open_database(config)
    keys = LauncherKeys(database)
    try:
        if action == "add":
            print(keys.add(name, time.time()))
        elif action == "rotate":
            print(keys.rotate(name))
        elif action == "remove":
            keys.remove(name)
            print(f"the launcher {name} can log in no more")
        else:
            for entry in keys.all():
                print(f"{entry.name}\tadded {datetime.fromtimestamp(entry.created_at, UTC):%Y-%m-%d %H:%M} UTC")
    finally:
        database.close()
    return 0


def _launcher_parser() -> argparse.ArgumentParser:
    """What prints the help of `login-server launcher …`."""
    epilog = f"The options of '{PROGRAM} --help' may stand anywhere, above all --database-url or --config."
    parser = argparse.ArgumentParser(
        prog=f"{PROGRAM} launcher",
        description="Says which launchers may log in. A key is printed once; only its hash is kept.",
        epilog=epilog,
    )
    actions = parser.add_subparsers(metavar="|".join(LAUNCHER_ACTIONS))
    for action, text in LAUNCHER_ACTIONS.items():
        one = actions.add_parser(action, help=text, description=text, epilog=epilog)
        if action != "list":
            one.add_argument("name", metavar="NAME")
    return parser


def _configuration(arguments: Sequence[str], command: str = "", description: str = DESCRIPTION) -> Config:
    return load_configuration(
        Config,
        program=f"{PROGRAM} {command}".rstrip(),
        description=description,
        argv=arguments,
        environment_prefix="LOGIN_SERVER_",
        epilog=EPILOG,
    )


def _ensure_keys(config: Config) -> str:
    """Return the private key, PEM."""
    try:
        if ensure_key_pair(config.private_key_file, config.public_key_file):
            logger.info("made the key pair for tickets: %s", config.private_key_file)
        return config.private_key_file.read_text()
    except (OSError, ValueError) as error:
        raise CommandFailed(f"cannot use the key file {config.private_key_file}: {error}") from error


def _open_database(config: Config) -> Database:
    try:
        database = Database(config.database_url, config.database_threads)
    except (OSError, ValueError) as error:
        raise CommandFailed(f"cannot open the database: {error}") from error
    database.make_schema()
    return database


def _program_handlers(config: Config, server: LoginServer) -> list[ConnectionHandler]:
    """Those of players' game clients and of launchers."""
    tls = _tls(config)
    launcher_tls = tls if config.launcher_tls else None
    address, queue, limits = config.address, server.queue, _limits(config)
    return [
        GameClientHandler("players", address, config.player_port, queue, limits=limits, ssl_context=tls),
        GameServerLauncherHandler(
            "launchers", address, config.launcher_port, queue, limits=limits, ssl_context=launcher_tls
        ),
    ]


def _visitor_handler(config: Config, server: LoginServer) -> VisitorHandler:
    """That of the HTTP port, from which a player's browser goes on to a handler of its own."""
    address, queue, limits = config.http_address, server.queue, _limits(config)
    origins = ["same", *config.browser_origins]
    browsers = BrowserHandler("browsers", address, 0, queue, limits=limits, origins=origins)
    return VisitorHandler(
        "visitors", address, config.http_port, queue, limits=limits, upgrades={PLAYERS_PATH: browsers}
    )


def _limits(config: Config) -> Limits:
    return Limits(
        max_connections=config.max_connections,
        max_connections_per_address=config.max_connections_per_address,
    )


def _tls(config: Config) -> gevent.ssl.SSLContext | None:
    if not config.tls_certificate:
        return None
    context = gevent.ssl.SSLContext(gevent.ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(config.tls_certificate, config.tls_key)
    except OSError as error:  # ssl.SSLError is one too
        raise CommandFailed(f"cannot use the certificate {config.tls_certificate}: {error}") from error
    return context


def _version() -> str:
    try:
        return importlib.metadata.version("connhandler")
    except importlib.metadata.PackageNotFoundError:
        return "not installed"
