"""The simulator's settings: defaults, then a TOML file, then the environment, then flags."""

import ipaddress
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Final, Literal, NoReturn

import msgspec
from msgspec import Meta, Struct

from connhandler.configuration import load_configuration, split_arguments
from iot_manager.manager import PORT

PROGRAM: Final = "iot-simulate"
PREFIX: Final = "IOT_SIMULATE_"
MAX_DEVICES: Final = 100_000


class Configuration(Struct, frozen=True, kw_only=True):
    host: Annotated[str, Meta(min_length=1, description="of the manager")] = "127.0.0.1"
    port: Annotated[int, Meta(ge=1, le=65535, description="of the manager")] = PORT
    types: Annotated[
        list[str], Meta(min_length=1, description="what the devices say they are, in turn; the manager must know them")
    ] = msgspec.field(default_factory=lambda: ["light", "lock", "thermostat"])
    dialect: Annotated[
        Literal["raw", "framed", "mixed"], Meta(description="of the wire; mixed: every second device speaks framed")
    ] = "raw"
    connect_rate: Annotated[
        float, Meta(gt=0, le=100_000, description="so many devices a second connect at the beginning")
    ] = 500.0
    seconds: Annotated[float, Meta(gt=0, le=86_400, description="how long to go on once all devices are connected")] = (
        60.0
    )
    rate: Annotated[float, Meta(ge=0, le=1_000, description="messages a second of each device")] = 0.0
    silent: Annotated[
        int, Meta(ge=0, le=MAX_DEVICES, description="so many devices fall silent, without closing their connection")
    ] = 0
    after: Annotated[
        float, Meta(ge=0, le=86_400, description="when they do, in seconds from when all were connected")
    ] = 30.0
    silent_over: Annotated[
        float, Meta(ge=0, le=86_400, description="they do so one after the other, over so many seconds; 0: all at once")
    ] = 0.0
    flap: Annotated[
        int, Meta(ge=0, le=MAX_DEVICES, description="so many devices close their connection again and again")
    ] = 0
    flap_seconds: Annotated[float, Meta(ge=0.1, le=86_400, description="how long each of these stays connected")] = 10.0
    seed: Annotated[int, Meta(description="of what is left to chance: ids, who falls silent, who flaps")] = 1
    source_addresses: Annotated[
        int,
        Meta(ge=0, le=65_000, description="spread the devices over so many addresses of 127.0.0.0/8; 0: leave it be"),
    ] = 0
    keys_file: Annotated[
        str, Meta(description='TOML file of UUID = "key", one for each device; the devices are these')
    ] = ""
    tls_ca: Annotated[str, Meta(description="PEM file to check the manager's certificate with: speak TLS")] = ""
    tls_certificate: Annotated[str, Meta(description="PEM file of the devices' own certificate, for mutual TLS")] = ""
    tls_key: Annotated[str, Meta(description="PEM file of its private key")] = ""
    allow_remote: Annotated[bool, Meta(description="take a manager on another machine; make sure that it is yours")] = (
        False
    )
    progress: Annotated[bool, Meta(description="show a bar while the devices connect")] = True
    log_level: Annotated[Literal["debug", "info", "warning", "error"], Meta(description="the least to log")] = "warning"

    def __post_init__(self) -> None:
        if not self.allow_remote and not is_loopback(self.host):
            raise ValueError(
                f"host: {self.host!r} is not this machine; thousands of connections may be taken for an attack there. "
                "If it is yours to test, add --allow-remote"
            )
        if self.source_addresses and self.host not in ("127.0.0.1", "localhost"):
            raise ValueError(
                "source_addresses: only devices of a manager at 127.0.0.1 can have addresses of 127.0.0.0/8"
            )
        if any("##" in name for name in self.types):
            raise ValueError("types: no type has '##' in it")
        if bool(self.tls_certificate) != bool(self.tls_key):
            raise ValueError("tls_certificate and tls_key go together: set both or neither")
        if self.tls_certificate and not self.tls_ca:
            raise ValueError("tls_certificate needs tls_ca, to check the manager's certificate with")
        if self.silent and self.after + self.silent_over >= self.seconds:
            together = self.after + self.silent_over
            raise ValueError(f"after and silent_over ({together:g} s) must be less than seconds ({self.seconds:g})")


def is_loopback(host: str) -> bool:
    """Whether a name or address is sure to mean this machine."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def load(argv: Sequence[str], environ: Mapping[str, str] | None = None) -> tuple[int, Configuration]:
    """Read the command line.

    Args:
        argv: without the program's name.
        environ: by default the environment of the process.

    Returns:
        how many devices, and the settings.

    Raises:
        SystemExit: with status 2 for a wrong setting, after one sentence on stderr; with 0 after `--help`.
    """
    words, options = split_arguments(Configuration, argv)
    configuration = load_configuration(
        Configuration,
        program=PROGRAM,
        description="Connects N simulated devices to an iot-manager, and tells how they fared.",
        argv=options,
        environ=environ,
        environment_prefix=PREFIX,
        epilog=f"Usage: {PROGRAM} N [option ...], with N from 1 to {MAX_DEVICES}. "
        "The exit status is 0 if all went well, 1 if not, 2 for a wrong option.",
    )
    devices = _count(words)
    for name in ("silent", "flap"):
        if getattr(configuration, name) > devices:
            _refuse(f"--{name}: there are only {devices} devices")
    if configuration.silent + configuration.flap > devices:
        _refuse(f"--silent and --flap: together they are more than the {devices} devices that there are")
    if configuration.keys_file and not Path(configuration.keys_file).is_file():
        _refuse(f"--keys-file: there is no file {configuration.keys_file}")
    return devices, configuration


def _count(words: Sequence[str]) -> int:
    if len(words) != 1:
        _refuse(f"expected how many devices to simulate, as in '{PROGRAM} 100'" + (f", not {words}" if words else ""))
    try:
        devices = int(words[0])
    except ValueError:
        devices = 0
    if not 1 <= devices <= MAX_DEVICES:
        _refuse(f"{words[0]!r} is not a number of devices from 1 to {MAX_DEVICES}")
    return devices


def _refuse(sentence: str) -> NoReturn:
    """Raises:
    SystemExit: with status 2.
    """
    import sys

    print(f"{PROGRAM}: {sentence}", file=sys.stderr)
    raise SystemExit(2)
