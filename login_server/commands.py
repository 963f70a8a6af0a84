"""What `login-server` does, command by command: `serve` and `keys` here, groups of others in files of their own."""

import importlib.metadata
import logging
import sys
from collections.abc import Callable, Sequence

import gevent.ssl

from connhandler import Limits, Service, WorkerPool
from connhandler.configuration import require_command, set_up_logging
from connhandler.handler import ConnectionHandler
from login_server.accountcommands import manage_accounts
from login_server.accounts import (
    AccountsChanged,
    AccountStore,
    Attempts,
    DatabaseFailed,
    NoSuchAccount,
    Passwords,
    Refusal,
    SchemaMismatch,
)
from login_server.accounts.office import HASHING_NICENESS
from login_server.accounts.revocations import Revocations
from login_server.backoffice import BackOffice
from login_server.browserhandler import BrowserHandler
from login_server.commandline import PROGRAM, CommandFailed, UsageError, configuration, connect_database
from login_server.config import Config
from login_server.database import STATEMENT_SECONDS
from login_server.databasecommands import manage_database
from login_server.gameclienthandler import GameClientHandler
from login_server.gameserverlauncherhandler import GameServerLauncherHandler
from login_server.httphandler import VisitorHandler
from login_server.launchercommands import manage_launchers
from login_server.launcherkeys import LauncherKeys
from login_server.matches import MAX_ENDED
from login_server.passes import PassIssuer
from login_server.protocol import PLAYERS_PATH
from login_server.results import Results
from login_server.schema import prepare
from login_server.server import LoginServer
from login_server.tickets import SeatIssuer, TicketIssuer, ensure_key_pair

logger = logging.getLogger(__name__)


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
        "account": manage_accounts,
        "database": manage_database,
    }
    require_command(PROGRAM, command, commands)
    try:
        return commands[command](rest)
    except (CommandFailed, DatabaseFailed, SchemaMismatch, NoSuchAccount, AccountsChanged, Refusal) as error:
        print(f"{PROGRAM}: {error}", file=sys.stderr)
        return 2 if isinstance(error, UsageError) else 1


def serve(arguments: Sequence[str]) -> int:
    """Serve until SIGTERM or Ctrl-C."""
    config = configuration(arguments)
    set_up_logging(config.log_level)
    private_key = _ensure_keys(config)
    issuer = TicketIssuer(private_key, config.issuer, config.ticket_seconds)
    seats = SeatIssuer(private_key, config.issuer, config.seat_seconds)
    passes = PassIssuer(private_key, config.issuer, config.day_pass_hours * 3600)
    database = connect_database(config, config.database_threads, STATEMENT_SECONDS)
    prepare(database)
    results = Results(database)
    back_office = BackOffice(
        AccountStore(database),
        LauncherKeys(database),
        results,
        Revocations(database),
        database,
        WorkerPool("database", threads=config.database_threads, max_queued=config.database_queue),
        Passwords(),
        WorkerPool(
            "passwords",
            threads=config.hashing_threads,
            max_queued=config.hashing_queue,
            niceness=HASHING_NICENESS,
        ),
        Attempts(config.proxies),
    )
    server = LoginServer(back_office, issuer, seats, passes, results.recent(MAX_ENDED), _version())
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
    config = configuration(arguments, "keys", "Makes the key pair for tickets, unless it is there.")
    _ensure_keys(config)
    print(f"private key: {config.private_key_file}\npublic key: {config.public_key_file}")
    return 0


def _ensure_keys(config: Config) -> str:
    """Return the private key, PEM."""
    try:
        if ensure_key_pair(config.private_key_file, config.public_key_file):
            logger.info("made the key pair for tickets: %s", config.private_key_file)
        return config.private_key_file.read_text()
    except (OSError, ValueError) as error:
        raise CommandFailed(f"cannot use the key file {config.private_key_file}: {error}") from error


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
