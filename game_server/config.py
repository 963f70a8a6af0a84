"""The game server's settings: defaults, then a TOML file, then the environment, then flags.

The settings that other programs of this kind know by names of their own are properties of this module too, and the
environment variables of these names set them:

    from game_server import config

    config.WS_LISTENER_PORT

says what the program uses once it has called `use`, and before that what the environment says.
"""

import os
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from connhandler.configuration import load_configuration
from game_server.model import COLUMNS, ROWS, Size, read_size
from game_server.protocol import PLAYER_PORT
from game_server.server import Patience

PROGRAM = "game-server"
PREFIX = "GAME_SERVER_"

PROPERTIES = {
    "LOCAL_IP": "address",
    "WS_LISTENER_PORT": "port",
    "ENABLE_AUTH": "enable_auth",
    "TOKEN_ISSUER_URI": "issuer",
    "PUBLIC_KEY_FILE": "public_key_file",
}
"""The module's properties, and the settings that they are."""

LOCAL_IP: str
WS_LISTENER_PORT: int
ENABLE_AUTH: bool
TOKEN_ISSUER_URI: str
PUBLIC_KEY_FILE: str

VARIABLES = {
    "GAME_CONTROLLER_TOKEN": PREFIX + "TOKEN",
    **{name: PREFIX + setting.upper() for name, setting in PROPERTIES.items()},
}
"""Variables that have a name of their own besides `GAME_SERVER_…`."""


def _setting(description: str, **more: Any) -> Meta:
    return Meta(description=description, **more)


class Configuration(Struct, frozen=True, kw_only=True):
    """All settings. With a `launcher_port` the launcher says whose tickets are taken; without one, `public_key_file`
    and `issuer` do, or nobody is asked for one."""

    address: Annotated[str, _setting("local interface that players connect to")] = "127.0.0.1"
    port: Annotated[int, _setting("port that players connect to; 0 takes a free one", ge=0, le=65535)] = PLAYER_PORT
    origins: Annotated[
        list[str], _setting("the web pages that may connect, such as https://example.org; none: all of them")
    ] = []
    map: Annotated[
        str,
        _setting("the board: its columns and rows, from 4x4 to 12x10", pattern=r"^([4-9]|1[0-2])x([4-9]|10)$"),
    ] = f"{COLUMNS}x{ROWS}"
    launcher_address: Annotated[str, _setting("where the launcher is")] = "127.0.0.1"
    launcher_port: Annotated[
        int, _setting("the launcher's port for game controllers; 0 to run without one", ge=0, le=65535)
    ] = 0
    server: Annotated[str, _setting("the name that the launcher gave to this server", max_length=128)] = ""
    token: Annotated[
        str,
        _setting(
            "the secret that the launcher gave to this server; better in GAME_CONTROLLER_TOKEN, "
            "where the list of processes does not show it",
            max_length=1024,
            extra={"secret": True},
        ),
    ] = ""
    enable_auth: Annotated[bool, _setting("without a launcher: whether players must show a token")] = True
    public_key_file: Annotated[str, _setting("without a launcher: the public key of who issues the tokens (PEM)")] = (
        "public_key.pem"
    )
    issuer: Annotated[str, _setting("without a launcher: the issuer of the tokens that are taken")] = (
        "urn:ece4564:token-issuer"
    )
    server_id: Annotated[
        str,
        _setting(
            "without a launcher: take only the login server's tickets, and only those to this server", max_length=128
        ),
    ] = ""
    forfeit_seconds: Annotated[float, _setting("a player who is gone for so long loses", ge=0.1, le=86_400)] = (
        Patience().forfeit_seconds
    )
    abandon_seconds: Annotated[
        float, _setting("a game whose players are all gone for so long ends", ge=0.1, le=86_400)
    ] = Patience().abandon_seconds
    keep_seconds: Annotated[float, _setting("a game that is over can be looked at for so long", ge=0.1, le=86_400)] = (
        Patience().keep_seconds
    )
    orphan_seconds: Annotated[
        float,
        _setting("without a game, and without its launcher for so long, the server ends", ge=0.1, le=86_400),
    ] = 600
    max_games: Annotated[int, _setting("so many games at most", ge=1, le=100_000)] = 1_000
    max_connections: Annotated[int, _setting("so many players' connections at most", ge=1, le=1_000_000)] = 10_000
    max_connections_per_address: Annotated[int, _setting("of them, from one address", ge=1, le=1_000_000)] = 256
    log_level: Annotated[Literal["debug", "info", "warning", "error"], _setting("what is logged")] = "info"

    @property
    def size(self) -> Size:
        return read_size(self.map)

    @property
    def patience(self) -> Patience:
        return Patience(
            forfeit_seconds=self.forfeit_seconds,
            abandon_seconds=self.abandon_seconds,
            keep_seconds=self.keep_seconds,
        )


_in_use: list[Configuration] = []


def load(argv: Sequence[str] | None = None, environ: Mapping[str, str] | None = None) -> Configuration:
    """Read the settings.

    Args:
        argv: the command line without the program's name; by default that of the process.
        environ: by default the environment of the process.

    Raises:
        SystemExit: with status 2 for a wrong setting, after one sentence on stderr.
    """
    variables = dict(os.environ if environ is None else environ)
    for name, own_name in VARIABLES.items():
        if name in variables:
            variables.setdefault(own_name, variables[name])
    return load_configuration(
        Configuration,
        program=PROGRAM,
        description="Hosts games of four in a row for players who show a ticket of the login server.",
        argv=argv,
        environ=variables,
        environment_prefix=PREFIX,
        epilog=f"These are read from the environment too: {', '.join(VARIABLES)}.",
    )


def use(configuration: Configuration) -> None:
    """Let the properties of this module be those of a configuration, from now on."""
    _in_use[:] = [configuration]


def __getattr__(name: str) -> Any:
    """Raises:
    AttributeError: the module has no such property.
    SystemExit: as for `load`, if nothing is in use yet and the environment is wrong.
    """
    if name not in PROPERTIES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    configuration = _in_use[0] if _in_use else load([])
    return getattr(configuration, PROPERTIES[name])
