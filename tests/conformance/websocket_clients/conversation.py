"""What every client does with the program, and what must come of it. Imported by the clients too: no gevent here."""

import ssl
from typing import Any

LARGE = "größer " * 40_000
HEARTBEATS_SECONDS = 1.2
"""More than two heartbeats of the program."""


def expected(*, compressed: bool) -> dict[str, Any]:
    return {
        "subprotocol": "echo.v2",
        "compressed": compressed,
        "texts": ["", "grüß dich", LARGE],
        "binaries": [b"".hex(), bytes(range(256)).hex()],
        "counted": [str(number) for number in range(500)],
        "size": 1_000_000,
        "still": "still there",
        "closed by server": [4001, "as asked"],
        "closed by client": [1000, ""],
        "refused": [401, 403, 429],
        "too big": 1009,
    }


def client_context(certificate: str) -> ssl.SSLContext | None:
    """The context of a client that trusts this certificate."""
    return ssl.create_default_context(cafile=certificate) if certificate else None
