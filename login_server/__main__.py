"""`python -m login_server`, `login-server`."""

from gevent import monkey

monkey.patch_all()

import sys
from collections.abc import Sequence

from connhandler.configuration import require_extra


def main(argv: Sequence[str] | None = None) -> int:
    """Carry out the command line; return the exit status."""
    needed = ("sqlalchemy", "alembic", "argon2", "jwt", "cryptography", "httptools", "websockets", "tqdm")
    require_extra("login-server", "login-server", *needed)
    from login_server import commands

    return commands.run(sys.argv[1:] if argv is None else argv)


if __name__ == "__main__":
    sys.exit(main())
