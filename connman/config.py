"""ConnMan's settings, for the program: defaults, then a TOML file, then the environment, then flags."""

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct, structs

from connhandler import Limits
from connman.listenserver import LIMITS, PORT
from connman.manager import DATABASE_URL
from connman.switchboard import QueueLimits

PROGRAM = "connman"
PREFIX = "CONNMAN_"
PLAY_PREFIX = "CONNMAN_PLAY_"


def _setting(description: str, **more: Any) -> Meta:
    return Meta(description=description, **more)


Port = Annotated[int, _setting("port to listen on; 0 takes a free one", ge=0, le=65535)]


class Config(Struct, frozen=True, kw_only=True):
    """Of `connman serve`, and of the commands that need its database."""

    address: Annotated[str, _setting("local interface to listen on; 127.0.0.1 for this machine alone")] = "0.0.0.0"
    port: Port = PORT
    database_url: Annotated[
        str,
        _setting(
            "where the users are: sqlite:///FILE, postgresql+psycopg://USER:PASSWORD@HOST/NAME or "
            "mysql+pymysql://USER:PASSWORD@HOST/NAME",
            extra={"secret": True},
        ),
    ] = DATABASE_URL
    framing: Annotated[
        Literal["objects", "lines"], _setting("how packets follow each other: one after another, or one a line")
    ] = "objects"
    tls_certificate: Annotated[str, _setting("PEM file with the certificate; without one, there is no TLS")] = ""
    tls_key: Annotated[str, _setting("PEM file with its key, if that is not in the same file")] = ""
    turn_seconds: Annotated[float, _setting("how long a player of Nim may think", ge=1, le=86_400)] = 120.0
    login_seconds: Annotated[float, _setting("how long a client may take to log in", ge=1, le=86_400)] = (
        LIMITS.login_seconds
    )
    backlog: Annotated[int, _setting("connections that may wait to be accepted", ge=1, le=65_535)] = (
        LIMITS.accept_backlog
    )
    max_connections: Annotated[int, _setting("connections at a time", ge=1, le=1_000_000)] = LIMITS.max_connections
    max_connections_per_address: Annotated[int, _setting("of them, from one address", ge=1, le=1_000_000)] = (
        LIMITS.max_connections_per_address
    )
    game_messages: Annotated[
        int, _setting("messages that may wait for one game; of more, the clients hear that they are refused", ge=1)
    ] = QueueLimits().game_messages
    game_bytes: Annotated[int, _setting("the same in bytes", ge=1)] = QueueLimits().game_bytes
    log_level: Annotated[Literal["debug", "info", "warning", "error"], _setting("the least important lines to log")] = (
        "info"
    )

    @property
    def limits(self) -> Limits:
        return structs.replace(
            LIMITS,
            login_seconds=self.login_seconds,
            accept_backlog=self.backlog,
            max_connections=self.max_connections,
            max_connections_per_address=self.max_connections_per_address,
        )

    @property
    def queues(self) -> QueueLimits:
        return QueueLimits(game_messages=self.game_messages, game_bytes=self.game_bytes)


class PlayConfig(Struct, frozen=True, kw_only=True):
    """Of `connman play`."""

    host: Annotated[str, _setting("where the server is")] = "127.0.0.1"
    port: Annotated[int, _setting("its port", ge=1, le=65535)] = PORT
    tls: Annotated[bool, _setting("connect with TLS")] = False
    tls_ca: Annotated[str, _setting("PEM file with the certificates to trust, in place of the system's")] = ""
