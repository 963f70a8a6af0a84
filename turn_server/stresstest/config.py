"""The stress tool's settings; each is a TOML key, an environment variable and a flag."""

import math
import platform
import re
import time
from pathlib import Path
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

ENVIRONMENT_PREFIX: Final = "TURN_STRESS_"


class StressConfig(msgspec.Struct, frozen=True, kw_only=True):
    address: Annotated[str, Meta(min_length=1, description="host of the turn server")] = "127.0.0.1"
    port: Annotated[int, Meta(ge=1, le=65535, description="its port")] = 80
    pairs: Annotated[int, Meta(ge=1, le=100_000, description="pairs of players to simulate")] = 15
    rate: Annotated[
        float, Meta(gt=0, le=1000, description="requests a second of each player, by a plan that waits for nothing")
    ] = 5.0
    seconds: Annotated[float, Meta(gt=0, le=86_400, description="how long to play")] = 10.0
    processes: Annotated[int, Meta(ge=1, le=256, description="processes on this machine to split the players over")] = 1
    pairing: Annotated[
        Literal["random", "named"],
        Meta(description="whether players ask for anybody, or each for its own partner by name"),
    ] = "random"
    game_seconds: Annotated[
        float, Meta(ge=0, le=86_400, description="play one game after the other, each so long; 0 plays one")
    ] = 0.0
    data_size: Annotated[int, Meta(ge=1, le=16_000, description="characters in each message of a game")] = 64
    keep_alive: Annotated[bool, Meta(description="use one connection for all requests of a player")] = True
    lose: Annotated[
        float, Meta(ge=0, le=1, description="share of the replies to throw away, so that the request is repeated")
    ] = 0.0
    timeout: Annotated[float, Meta(gt=0, le=3600, description="seconds to wait for a reply before repeating")] = 5.0
    finish_seconds: Annotated[
        float, Meta(gt=0, le=3600, description="time after the end for the last messages to arrive")
    ] = 10.0
    start_at: Annotated[
        str,
        Meta(
            pattern=r"^(\+?[0-9]{1,12}(\.[0-9]{1,6})?)?$",
            description="when to start, so that machines begin together: Unix time, or +N for in N seconds",
        ),
    ] = ""
    seed: Annotated[int, Meta(description="of what is left to chance: which replies are thrown away")] = 1
    label: Annotated[
        str,
        Meta(
            pattern=r"^[A-Za-z0-9_.-]{0,64}$",
            description="what the players' names begin with, another on each machine; by default the host's name",
        ),
    ] = ""
    output: Annotated[Path, Meta(description="folder for results.json, the plots and the page")] = Path("turn-stress")
    report: Annotated[bool, Meta(description="make plots and the page, not only results.json")] = True
    server_pid: Annotated[
        int, Meta(ge=0, description="process of a server on this machine, to measure its processor time; 0 for none")
    ] = 0

    def start_time(self) -> float:
        """Return the Unix time at which to start: as asked for, or as soon as all processes can be there."""
        if not self.start_at:
            return time.time() + 1.0 + 0.5 * self.processes
        return (time.time() if self.start_at.startswith("+") else 0.0) + float(self.start_at)

    def players_label(self) -> str:
        """Return what the names of this machine's players begin with."""
        return self.label or re.sub(r"[^A-Za-z0-9_.-]", "-", platform.node())[:64] or "host"


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """What one process is to do."""

    config: StressConfig
    process: int
    """Its number, from 0."""
    start_at: float
    """Unix time."""

    @property
    def first_pair(self) -> int:
        return self.config.pairs * self.process // self.config.processes

    @property
    def pairs(self) -> int:
        return self.config.pairs * (self.process + 1) // self.config.processes - self.first_pair

    def offset(self, player: int) -> float:
        """Return when a player begins, in seconds after the start: all of them are spread evenly over the first second,
        or less of a short test, in a whole number of steps of their pace, so that no two of their plans are in step.

        Args:
            player: its number among all players of this machine.
        """
        config = self.config
        intervals = max(1, math.floor(config.rate * min(1.0, config.seconds / 4)))
        return player / (2 * config.pairs) * intervals / config.rate
