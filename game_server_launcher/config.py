"""The launcher's settings; each is a TOML key, an environment variable and a flag."""

from pathlib import Path
from typing import Annotated, Literal

import gevent.ssl
import msgspec
from msgspec import Meta

from game_server_launcher.protocol import CONTROLLER_PORT, DOOR_PORT
from login_server.protocol import LAUNCHER_PORT
from login_server.tickets import SEAT_SECONDS

PAGE_PORT = 9004

ENVIRONMENT_PREFIX = "LAUNCHER_"
"""Not GAME_SERVER_LAUNCHER_: a game server's own settings may well begin with GAME_SERVER_."""


class LauncherConfig(msgspec.Struct, frozen=True, kw_only=True):
    name: Annotated[
        str,
        Meta(
            pattern=r"^[A-Za-z0-9_.-]{1,32}$",
            description="name of this launcher, as given to 'login-server launcher add NAME'",
        ),
    ] = "launcher"
    key: Annotated[
        str,
        Meta(
            max_length=1024,
            description="key that 'login-server launcher add NAME' printed; better in --key-file",
            extra={"secret": True},
        ),
    ] = ""
    key_file: Annotated[Path, Meta(description="file whose first line is the key")] = Path("launcher.key")
    login_address: Annotated[str, Meta(min_length=1, description="host of the login server")] = "127.0.0.1"
    login_port: Annotated[int, Meta(ge=1, le=65535, description="the login server's port for launchers")] = (
        LAUNCHER_PORT
    )
    login_tls: Annotated[bool, Meta(description="speak TLS to the login server")] = False
    login_ca_file: Annotated[
        str, Meta(description="PEM file of who signs its certificate, if not one of the system's authorities")
    ] = ""
    controller_address: Annotated[
        str, Meta(min_length=1, description="local interface for the controllers inside the game processes")
    ] = "127.0.0.1"
    controller_port: Annotated[
        int,
        Meta(
            ge=0,
            le=65535,
            description="port for these controllers; 0 picks one, but then games do not find the next launcher",
        ),
    ] = CONTROLLER_PORT
    door_address: Annotated[
        str, Meta(min_length=1, description="local interface for players who come while the login server is away")
    ] = "127.0.0.1"
    door_port: Annotated[
        int,
        Meta(ge=0, le=65535, description=f"port for these players, {DOOR_PORT} by custom; 0 lets none of them in"),
    ] = 0
    seat_seconds: Annotated[
        float, Meta(ge=1, le=7 * 86_400, description="how long a seat is good that a player gets at that port")
    ] = SEAT_SECONDS
    page_address: Annotated[
        str, Meta(min_length=1, description="local interface for the dashboard, which needs the key in its address")
    ] = "127.0.0.1"
    page_port: Annotated[int, Meta(ge=0, le=65535, description="port for the dashboard; 0 for none")] = PAGE_PORT
    games: Annotated[list[str], Meta(min_length=1, description="game files, or folders of them (*.toml)")] = (
        msgspec.field(default_factory=lambda: ["games"])
    )
    run_dir: Annotated[
        Path, Meta(description="folder for state, results and output; one launcher at a time uses it")
    ] = Path("run")
    leave_running: Annotated[
        bool, Meta(description="at the end, leave the games running for the next launcher to take up")
    ] = False
    allowlist: Annotated[
        str,
        Meta(
            pattern=r"^(/.*)?$",
            description="full path of the Unix socket of game-server-allowlist, to let only expected players come",
        ),
    ] = ""
    figures_seconds: Annotated[
        float, Meta(ge=0.1, le=3600, description="between two measurements of what the processes use")
    ] = 5.0
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"], Meta(description="from which level up to log")
    ] = "info"


class SettingError(Exception):
    """What a setting names cannot be used; the text says which setting and why."""


def read_key(config: LauncherConfig) -> str:
    """Return the launcher's key.

    Raises:
        SettingError: it is neither in the settings nor in the key file.
    """
    if config.key:
        return config.key
    try:
        lines = config.key_file.read_text(encoding="utf-8").strip().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "is not UTF-8 text"
        raise SettingError(f"--key-file: cannot read {config.key_file}: {why}; or give --key") from error
    if not lines:
        raise SettingError(f"--key-file: {config.key_file} is empty; expected the key in its first line")
    return lines[0].strip()


def tls_context(config: LauncherConfig) -> gevent.ssl.SSLContext | None:
    """Return what TLS to the login server needs, or None without TLS.

    Raises:
        SettingError: the file of the authority cannot be used.
    """
    if not config.login_tls:
        return None
    try:
        return gevent.ssl.create_default_context(cafile=config.login_ca_file or None)
    except OSError as error:  # ssl.SSLError is one too
        why = error.strerror or str(error)
        raise SettingError(f"--login-ca-file: cannot use {config.login_ca_file}: {why}") from error
