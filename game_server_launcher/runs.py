"""What the central task and the runner say to each other about the runs of game servers."""

from typing import Protocol

import msgspec

from game_server_launcher.gamefile import GameFile
from game_server_launcher.logpatterns import Fact


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """One run of one server: what is needed to start it."""

    server: str
    number: int
    game: GameFile
    token: str
    console_port: int = 0
    """Of a process that runs already."""
    console_password: str = ""


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """A process that an earlier launcher started. `group` 0: it may have, and did not come to write it down."""

    group: int
    pid: int
    created_at: float
    port: int
    output_from: int
    was_ready: bool
    console_port: int = 0
    was_frozen: bool = False


class ProcessEvents(Protocol):
    """What the central task is told. Every one says which run it is about: server and number."""

    def process_started(
        self,
        server: str,
        number: int,
        pid: int,
        created_at: float,
        port: int,
        output_from: int,
        console_port: int = 0,
        group: int = 0,
    ) -> None:
        """It runs. `output_from` is where in its output file its output begins; `console_port` 0: it has none.

        `pid` is the game's, `group` its process group, whose leader was `created_at`; 0: they are the same.
        """

    def process_not_started(self, server: str, number: int, reason: str, for_good: bool) -> None:
        """It does not run; trying again makes no sense if `for_good`."""

    def process_not_found(self, server: str, number: int, status: int | None = None) -> None:
        """There is nothing to adopt. `status`: how it ended, as in `process_exited`."""

    def process_ready(self, server: str, number: int) -> None:
        """Its output or its port said so."""

    def process_frozen(self, server: str, number: int) -> None:
        """It was found frozen, as it had been left."""

    def process_said(self, server: str, number: int, facts: list[Fact]) -> None:
        """Its output says so; `MAX_FACTS` at a time, at most (`outputreader.py`)."""

    def process_exited(self, server: str, number: int, status: int | None, last_lines: list[str]) -> None:
        """It has ended, and all of its group. `status` None: nobody can tell how."""

    def output_dropped(self, server: str, number: int, dropped_bytes: int) -> None:
        """So much more of its output was thrown away because the disk was full."""
