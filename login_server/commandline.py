"""What the commands of `login-server` have in common: settings, the database, groups of actions, and a clear no."""

import argparse
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from connhandler.configuration import load_configuration, require_command, split_arguments
from login_server.config import Config
from login_server.database import Database
from login_server.schema import prepare

PROGRAM = "login-server"

DESCRIPTION = "Where players and game server launchers meet: accounts, server list, matches and tickets."
EPILOG = """Commands: 'login-server [serve] [option ...]' serves; 'login-server keys' makes the key pair for tickets;
'login-server launcher add|rotate|remove NAME' and 'login-server launcher list' say which launchers may log in;
'login-server account …' manages players' accounts and 'login-server database …' the tables: each has a --help."""

COMMAND_SECONDS = 30.0
"""How long a command, which serves nobody, lets one statement take."""


class CommandFailed(Exception):
    """The command cannot be carried out; the text is the sentence to print."""


class UsageError(CommandFailed):
    """The command line is wrong."""


class Action(NamedTuple):
    """One word of a group of commands, such as `add` of `login-server launcher`.

    Attributes:
        text: what it does, for `--help`.
        words: what has to follow it, as `--help` calls it.
        do: is called with the database's settings and these words.
    """

    text: str
    words: tuple[str, ...]
    do: Callable[..., None]


def run_action(
    group: str, description: str, actions: Mapping[str, Action], arguments: Sequence[str], hint: str = ""
) -> int:
    """Carry out `login-server GROUP ACTION WORD …`; options may stand anywhere. Return the exit status.

    Raises:
        CommandFailed: it cannot be done, or the command line is wrong.
        SystemExit: after `--help`, and with status 2 for what is no action or option.
    """
    words, options = split_arguments(Config, arguments)
    if words:
        require_command(f"{PROGRAM} {group}", words[0], actions)
    if {"-h", "--help"}.intersection(options):
        _help_parser(group, description, actions, hint).parse_args([*words[:1], "--help"])
    config = configuration(options)
    if not words:
        raise UsageError(f"{group}: say what to do: {', '.join(actions)}")
    name, *given = words
    action = actions[name]
    if len(given) != len(action.words):
        raise UsageError(f"{group} {name}: expected {_in_words(action.words)}, got {len(given)}")
    action.do(config, *given)
    return 0


def configuration(arguments: Sequence[str], command: str = "", description: str = DESCRIPTION) -> Config:
    return load_configuration(
        Config,
        program=f"{PROGRAM} {command}".rstrip(),
        description=description,
        argv=arguments,
        environment_prefix="LOGIN_SERVER_",
        epilog=EPILOG,
    )


def connect_database(config: Config, connections: int = 1, statement_seconds: float = COMMAND_SECONDS) -> Database:
    """The database as it is, whatever tables it has.

    Raises:
        CommandFailed: it cannot be opened.
    """
    try:
        return Database(config.database_url, connections, statement_seconds)
    except (OSError, ValueError) as error:
        raise CommandFailed(f"cannot open the database: {error}") from error


def open_database(config: Config) -> Database:
    """The database for a command; an empty one gets its tables.

    Raises:
        CommandFailed: it cannot be opened.
        DatabaseFailed: it cannot be reached.
        SchemaMismatch: its tables are of another revision.
    """
    database = connect_database(config)
    try:
        prepare(database)
    except BaseException:
        database.close()
        raise
    return database


def _in_words(words: Sequence[str]) -> str:
    match words:
        case []:
            return "no name"
        case ["NAME"]:
            return "one name"
    return " ".join(words)


def _help_parser(group: str, description: str, actions: Mapping[str, Action], hint: str) -> argparse.ArgumentParser:
    """What prints the help of `login-server GROUP …`."""
    epilog = " ".join(
        filter(
            None,
            (hint, f"The options of '{PROGRAM} --help' may stand anywhere, above all --database-url or --config."),
        )
    )
    parser = argparse.ArgumentParser(prog=f"{PROGRAM} {group}", description=description, epilog=epilog)
    subparsers = parser.add_subparsers(metavar="|".join(actions))
    for name, action in actions.items():
        one = subparsers.add_parser(name, help=action.text, description=action.text, epilog=epilog)
        for word in action.words:
            one.add_argument(word.lower(), metavar=word)
    return parser
