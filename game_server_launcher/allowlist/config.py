"""The helper's settings; each is a TOML key, an environment variable and a flag."""

from pathlib import Path
from typing import Annotated, Literal

from msgspec import Meta, Struct

ENVIRONMENT_PREFIX = "ALLOWLIST_"


class AllowlistConfig(Struct, frozen=True, kw_only=True):
    socket: Annotated[Path, Meta(description="Unix socket that launchers connect to")] = Path(
        "/run/game-server-allowlist.sock"
    )
    owner: Annotated[str, Meta(max_length=64, description="user who may connect to it, besides root")] = ""
    group: Annotated[str, Meta(max_length=64, description="group whose users may connect to it")] = ""
    ports: Annotated[
        str, Meta(pattern=r"^\d{1,5}-\d{1,5}$", description="the ports that may be protected, FIRST-LAST")
    ] = "1024-65535"
    max_ports: Annotated[int, Meta(ge=1, le=10_000, description="so many of them at a time")] = 256
    max_addresses: Annotated[
        int, Meta(ge=1, le=65_536, description="so many addresses may come to one port at a time")
    ] = 4096
    keep_seconds: Annotated[
        float, Meta(ge=0, le=86_400, description="ports stay protected for so long after their launcher is gone")
    ] = 600.0
    nft: Annotated[str, Meta(min_length=1, description="the program nft")] = "nft"
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"], Meta(description="from which level up to log")
    ] = "info"
