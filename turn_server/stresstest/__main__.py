"""`python -m turn_server.stresstest`, `turn-stress`."""

from gevent import monkey

monkey.patch_all()

import sys
from collections.abc import Sequence

from connhandler.configuration import require_extra


def main(argv: Sequence[str] | None = None) -> int:
    """Carry out the command line; return the exit status."""
    require_extra("turn-stress", "turn-stress", "httptools", "tqdm")
    from turn_server.stresstest import commands

    return commands.run(sys.argv[1:] if argv is None else argv)


if __name__ == "__main__":
    sys.exit(main())
