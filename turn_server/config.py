"""The turn server's settings: defaults, then a TOML file, then the environment, then flags."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from connhandler.configuration import load_configuration
from turn_server.rules import Rules

PROGRAM = "turn-server"
PREFIX = "TURN_SERVER_"
PORT = 80

MAX_BODY_BYTES = 60_000
"""The most that `--max-body-bytes` may be: a little less than what HTTP takes here at all."""


def _setting(description: str, **more: Any) -> Meta:
    return Meta(description=description, **more)


class Configuration(Struct, frozen=True, kw_only=True):
    port: Annotated[
        int, _setting("port that players connect to; 0 takes a free one", ge=0, le=65535, extra={"short": "-p"})
    ] = PORT
    verbose: Annotated[
        bool, _setting("tell what goes on: who comes, plays, leaves and is refused", extra={"short": "-v"})
    ] = False
    address: Annotated[str, _setting("local interface to listen on; 127.0.0.1 for this machine alone")] = "0.0.0.0"
    pairing_seconds: Annotated[
        float, _setting("a player without a partner is dropped after so long without a request", ge=0.1, le=86_400)
    ] = Rules().pairing_seconds
    long_seconds: Annotated[
        float, _setting("the same for one who registered with the long wait, in a game too", ge=0.1, le=86_400)
    ] = Rules().long_seconds
    loading_seconds: Annotated[
        float, _setting("the same for one who has a partner, until the game begins", ge=0.1, le=86_400)
    ] = Rules().loading_seconds
    game_seconds: Annotated[float, _setting("the same in a game", ge=0.1, le=86_400)] = Rules().game_seconds
    max_pairing_keys: Annotated[
        int, _setting("so many players at most who are registered and not in a game yet", ge=1, le=1_000_000)
    ] = Rules().max_pairing_keys
    max_game_keys: Annotated[int, _setting("so many games at most", ge=1, le=1_000_000)] = Rules().max_game_keys
    max_body_bytes: Annotated[int, _setting("the longest request", ge=64, le=MAX_BODY_BYTES)] = Rules().max_body_bytes
    max_cache_bytes: Annotated[
        int, _setting("so much is kept for a player who does not release it", ge=64, le=512 * 1024)
    ] = Rules().max_cache_bytes
    max_connections: Annotated[int, _setting("connections at a time", ge=1, le=1_000_000)] = 10_000
    max_connections_per_address: Annotated[int, _setting("of them, from one address", ge=1, le=1_000_000)] = 4_000
    log_level: Annotated[Literal["debug", "info", "warning", "error"], _setting("the least important lines to log")] = (
        "info"
    )

    def __post_init__(self) -> None:
        if self.max_cache_bytes < self.max_body_bytes:
            raise ValueError("max_cache_bytes must not be less than max_body_bytes: no such request could be passed on")

    @property
    def rules(self) -> Rules:
        return Rules(**{name: getattr(self, name) for name in Rules.__struct_fields__})


def load(argv: Sequence[str] | None = None, environ: Mapping[str, str] | None = None) -> Configuration:
    """Read the settings.

    Args:
        argv: the command line without the program's name; by default that of the process.
        environ: by default the environment of the process.

    Raises:
        SystemExit: with status 2 for a wrong setting, after one sentence on stderr.
    """
    return load_configuration(
        Configuration,
        program=PROGRAM,
        description="Pairs players, two and two, and passes the text of their games between them.",
        argv=argv,
        environ=environ,
        environment_prefix=PREFIX,
    )
