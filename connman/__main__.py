"""`python -m connman`, `connman`: an ordinary program of threads, which does without gevent's monkey-patching."""

import sys
from collections.abc import Sequence

from connhandler.configuration import require_extra


def main(argv: Sequence[str] | None = None) -> int:
    """Carry out a command; return its exit status.

    Raises:
        SystemExit: with status 2 for a wrong command or setting, after one sentence on stderr.
    """
    arguments = sys.argv[1:] if argv is None else argv
    if arguments[:1] != ["play"]:
        require_extra("connman", "connman", "sqlalchemy", "alembic", "argon2")
    # What follows needs the extra.
    from connman.commands import run

    return run(arguments)


if __name__ == "__main__":
    sys.exit(main())
