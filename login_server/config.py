"""The login server's settings; `load_configuration` says where they come from."""

import re
from pathlib import Path
from typing import Annotated, Literal

from msgspec import Meta, Struct

from login_server.protocol import HTTP_PORT, LAUNCHER_PORT, PLAYER_PORT
from login_server.tickets import SEAT_SECONDS

_ORIGIN = re.compile(r"https?://[a-z0-9.-]+(:[0-9]{1,5})?|https?://\[[0-9a-f:.]+\](:[0-9]{1,5})?")
"""As browsers send it: in small letters, without a path (RFC 6454, 6.1)."""

Port = Annotated[int, Meta(ge=0, le=65535)]


class Config(Struct, frozen=True, kw_only=True):
    address: Annotated[str, Meta(description="local interface to listen on for players and launchers")] = "127.0.0.1"
    player_port: Annotated[Port, Meta(description="port that players connect to; 0 takes a free one")] = PLAYER_PORT
    launcher_port: Annotated[Port, Meta(description="port that launchers connect to")] = LAUNCHER_PORT
    http_address: Annotated[str, Meta(description="local interface to listen on for HTTP")] = "127.0.0.1"
    http_port: Annotated[Port, Meta(description="port of the pages, /status, /healthz and /players")] = HTTP_PORT
    browser_origins: Annotated[
        list[str],
        Meta(description="pages that may log players in, beside this server's own, such as https://play.example.org"),
    ] = []
    tls_certificate: Annotated[
        str, Meta(description="PEM file of a certificate chain: with it, players must speak TLS")
    ] = ""
    tls_key: Annotated[str, Meta(description="PEM file of the certificate's private key")] = ""
    launcher_tls: Annotated[bool, Meta(description="launchers must speak TLS too")] = False

    database_url: Annotated[
        str,
        Meta(
            description="where accounts and results are kept: sqlite:///FILE, postgresql+psycopg://… or "
            "mysql+pymysql://…",
            extra={"secret": True},
        ),
    ] = "sqlite:///login_server.sqlite"
    database_threads: Annotated[int, Meta(ge=1, le=64, description="calls to the database at the same time")] = 2
    database_queue: Annotated[
        int, Meta(ge=1, le=100_000, description="calls that may wait for the database; more are refused as busy")
    ] = 2_000

    private_key_file: Annotated[
        Path, Meta(description="PEM file of the key that signs tickets; made at the first start")
    ] = Path("login_server_private_key.pem")
    public_key_file: Annotated[Path, Meta(description="PEM file of the key that checks tickets; made with it")] = Path(
        "login_server_public_key.pem"
    )
    issuer: Annotated[str, Meta(min_length=1, max_length=64, description="who issues the tickets, their iss")] = (
        "login-server"
    )
    ticket_seconds: Annotated[float, Meta(ge=1, le=3600, description="how long a ticket is good")] = 60.0

    seat_seconds: Annotated[
        float, Meta(ge=1, le=7 * 86_400, description="how long a player may come back to a server with a seat")
    ] = SEAT_SECONDS
    day_pass_hours: Annotated[
        float,
        Meta(gt=0, le=24 * 366, description="how long a day pass, for an outage of this server, is good"),
    ] = 24.0

    hashing_threads: Annotated[int, Meta(ge=1, le=64, description="passwords hashed at the same time")] = 2
    hashing_queue: Annotated[
        int, Meta(ge=1, le=100_000, description="passwords that may wait to be hashed; more are refused as busy")
    ] = 500

    proxies: Annotated[
        list[str],
        Meta(description="addresses of reverse proxies: wrong passwords from there are counted by account alone"),
    ] = []
    max_connections: Annotated[int, Meta(ge=1, description="connections at each of the three ports")] = 10_000
    max_connections_per_address: Annotated[int, Meta(ge=1, description="of them, from one address")] = 256
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"], Meta(description="the least important lines to log")
    ] = "info"

    def __post_init__(self) -> None:
        for origin in self.browser_origins:
            if not _ORIGIN.fullmatch(origin):
                raise ValueError(f"browser_origins: {origin!r} is no origin, such as https://play.example.org")
        if bool(self.tls_certificate) != bool(self.tls_key):
            raise ValueError("tls_certificate and tls_key go together: set both or neither")
        if self.launcher_tls and not self.tls_certificate:
            raise ValueError("launcher_tls needs a tls_certificate")
