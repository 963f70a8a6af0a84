"""`login-server launcher …`: which launchers may log in."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime

from login_server.commandline import Action, open_database, run_action
from login_server.config import Config
from login_server.launcherkeys import LauncherKeys


def manage_launchers(arguments: Sequence[str]) -> int:
    """Carry out one of `LAUNCHER_ACTIONS`."""
    description = "Says which launchers may log in. A key is printed once; only its hash is kept."
    return run_action("launcher", description, LAUNCHER_ACTIONS, arguments)


@contextmanager
def _keys(config: Config) -> Iterator[LauncherKeys]:
    database = open_database(config)
    try:
        yield LauncherKeys(database)
    finally:
        database.close()


def _add(config: Config, name: str) -> None:
    with _keys(config) as keys:
        print(keys.add(name, time.time()))


def _rotate(config: Config, name: str) -> None:
    with _keys(config) as keys:
        print(keys.rotate(name))


def _remove(config: Config, name: str) -> None:
    with _keys(config) as keys:
        keys.remove(name)
    print(f"the launcher {name} can log in no more")


def _list(config: Config) -> None:
    with _keys(config) as keys:
        for entry in keys.all():
            print(f"{entry.name}\tadded {datetime.fromtimestamp(entry.created_at, UTC):%Y-%m-%d %H:%M} UTC")


LAUNCHER_ACTIONS = {
    "add": Action("let a launcher in, and print its key", ("NAME",), _add),
    "rotate": Action("give a launcher a new key, and print it", ("NAME",), _rotate),
    "remove": Action("let a launcher in no more; a connection that is open stays", ("NAME",), _remove),
    "list": Action("print the launchers that may log in", (), _list),
}
