"""`login-server database …`: which tables the database has, and bringing them to this version."""

from collections.abc import Sequence

from login_server import schema
from login_server.commandline import Action, connect_database, run_action
from login_server.config import Config


def manage_database(arguments: Sequence[str]) -> int:
    """Carry out one of `DATABASE_ACTIONS`."""
    return run_action("database", "Manages the tables of the database.", DATABASE_ACTIONS, arguments)


def _status(config: Config) -> None:
    database = connect_database(config)
    try:
        status = schema.status(database)
    finally:
        database.close()
    if status.revision is None:
        print(f"the database is empty; this version needs revision {status.newest}, and makes it when it first serves")
    elif not status.known:
        print(
            f"the database has revision {status.revision}, of a newer version; this one knows {status.newest} at most"
        )
    else:
        print(f"the database has revision {status.revision}, and this version needs {status.newest}")
    if status.revision is not None:
        for step in status.pending:
            print(f"to be applied: {step.revision}  {step.text}")


def _upgrade(config: Config) -> None:
    database = connect_database(config)
    try:
        applied = schema.upgrade(database)
    finally:
        database.close()
    for step in applied:
        print(f"applied: {step.revision}  {step.text}")
    if not applied:
        print("the database is up to date")


DATABASE_ACTIONS = {
    "status": Action("say which revision the tables have, and what an upgrade would do", (), _status),
    "upgrade": Action("bring the tables to the revision of this version; make a copy before", (), _upgrade),
}
