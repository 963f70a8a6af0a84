"""The manager program's settings: defaults, then a TOML file, then the environment, then flags."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta, Struct

from connhandler.configuration import load_configuration
from iot_manager.manager import PORT

PROGRAM: Final = "iot-manager"
PREFIX: Final = "IOT_MANAGER_"


class Configuration(Struct, frozen=True, kw_only=True):
    types: Annotated[
        list[str],
        Meta(min_length=1, description="what a device may say it is; separated by commas, or given repeatedly"),
    ] = msgspec.field(default_factory=lambda: ["light", "lock", "thermostat"])
    host: Annotated[str, Meta(min_length=1, description="local interface to listen on; 0.0.0.0 for all of them")] = (
        "127.0.0.1"
    )
    port: Annotated[int, Meta(ge=0, le=65535, description="port that devices connect to; 0 takes a free one")] = PORT
    dialect: Annotated[
        Literal["auto", "raw", "framed"], Meta(description="what devices speak; auto: whichever of the two each does")
    ] = "auto"
    heartbeat_rate: Annotated[
        float, Meta(gt=0, le=86_400, description="seconds between the questions whether a device is still there")
    ] = 60.0
    heartbeat_timeout: Annotated[
        float, Meta(gt=0, le=86_400, description="seconds that it has to answer, before its connection is ended")
    ] = 15.0
    max_workers: Annotated[int, Meta(ge=1, le=1_000, description="messages of devices that are handled at a time")] = 16
    backlogged_connections: Annotated[
        int, Meta(ge=1, le=65_535, description="devices that may wait to be accepted")
    ] = 4_096
    max_connections: Annotated[int, Meta(ge=1, le=1_000_000, description="devices at a time")] = 20_000
    max_connections_per_address: Annotated[int, Meta(ge=1, le=1_000_000, description="of them, from one address")] = (
        20_000
    )
    tls_certificate: Annotated[
        str, Meta(description="PEM file of a certificate chain: with it, devices must speak TLS")
    ] = ""
    tls_key: Annotated[str, Meta(description="PEM file of the certificate's private key")] = ""
    tls_client_ca: Annotated[
        str, Meta(description="PEM file: only devices with a certificate that this CA has signed may come")
    ] = ""
    keys_file: Annotated[
        str, Meta(description='TOML file of "UUID" = "key": only these devices may come, and only with their keys')
    ] = ""
    commands: Annotated[bool, Meta(description="take commands on stdin even where that is not a terminal")] = False
    log_level: Annotated[Literal["debug", "info", "warning", "error"], Meta(description="the least to log")] = "info"

    def __post_init__(self) -> None:
        if bool(self.tls_certificate) != bool(self.tls_key):
            raise ValueError("tls_certificate and tls_key go together: set both or neither")
        if self.tls_client_ca and not self.tls_certificate:
            raise ValueError("tls_client_ca needs a tls_certificate: without TLS nobody shows one")
        if any("##" in name or not name.isprintable() for name in self.types):
            raise ValueError("types: a type is printable text without '##' in it")


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
        description="Keeps devices connected: who is there, what they say, and what they are told to do.",
        argv=argv,
        environ=environ,
        environment_prefix=PREFIX,
        epilog="On a terminal, type 'help' while it runs.",
    )
