"""What may stand in a game file: the tables of `GameFile`, and the texts and numbers in them.

Nothing here does more than say so; what types cannot say is checked in `gamefile.py`.
"""

from signal import Signals
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

Name = Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,47}$")]
"""A server's name: part of its id and of file names, where only ours have a dot."""

FileName = Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")]
"""Of a file in the server's own folder."""

MapName = Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.+-]{0,63}$")]
"""Of a map that may be changed to: it becomes part of a command line or of a console's command."""

Text = Annotated[str, Meta(max_length=128)]
Port = Annotated[int, Meta(ge=0, le=65535)]
PortRange = Annotated[str, Meta(pattern=r"^\d{1,5}-\d{1,5}$")]
Seconds = Annotated[float, Meta(ge=0, le=86_400)]
Command = Annotated[list[str], Meta(min_length=1)]


class Table(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A table of a game file."""


class ReadyByController(Table, frozen=True, tag_field="by", tag="controller"):
    """The game's own controller says so, with `ServerReady`."""

    seconds: Seconds = 30.0


class ReadyByOutput(Table, frozen=True, tag_field="by", tag="output"):
    """A line of the game's output in which this regular expression is found."""

    pattern: str
    seconds: Seconds = 30.0


class ReadyByPort(Table, frozen=True, tag_field="by", tag="port"):
    """A TCP connection to the game's port is accepted."""

    seconds: Seconds = 30.0


class ReadyByStatus(Table, frozen=True, tag_field="by", tag="status"):
    """The game answers the questions of `[status]`."""

    seconds: Seconds = 30.0


class StopByController(Table, frozen=True, tag_field="by", tag="controller"):
    """The game's own controller is told, with `StopServer`."""

    seconds: Seconds = 10.0
    term_seconds: Seconds = 10.0


class StopByInput(Table, frozen=True, tag_field="by", tag="stdin"):
    """A line on the game's standard input."""

    text: str
    seconds: Seconds = 10.0
    term_seconds: Seconds = 10.0


class StopByCommand(Table, frozen=True, tag_field="by", tag="command"):
    """Another program that makes the game end."""

    command: Command
    seconds: Seconds = 10.0
    term_seconds: Seconds = 10.0


class StopBySignal(Table, frozen=True, tag_field="by", tag="signal"):
    """A signal to the game's process group."""

    signal: Literal["HUP", "INT", "QUIT", "TERM", "USR1", "USR2"] = "TERM"
    seconds: Seconds = 10.0
    term_seconds: Seconds = 10.0

    @property
    def number(self) -> Signals:
        return Signals[f"SIG{self.signal}"]


class Restart(Table, frozen=True):
    """What happens when the game ends without having been asked to.

    The first restart waits `first_seconds`, and each crash doubles it, up to `max_seconds`. A server that crashes
    `crashes` times in `within_seconds` is given up; one that ran that long begins anew with `first_seconds`.
    """

    policy: Literal["always", "on-failure", "never"] = "always"
    first_seconds: Seconds = 1.0
    max_seconds: Seconds = 60.0
    crashes: Annotated[int, Meta(ge=1, le=1000)] = 5
    within_seconds: Seconds = 60.0


class Health(Table, frozen=True):
    """A game whose controller or console does not answer for `silent_seconds` hangs, and takes nobody new.

    With `restart_hung`, it is ended as crashed when that has gone on for another `hung_seconds`.
    """

    silent_seconds: Annotated[float, Meta(ge=2, le=86_400)] = 60
    restart_hung: bool = False
    hung_seconds: Seconds = 60


class Limits(Table, frozen=True):
    """What a game's processes may use; 0 for any amount.

    The first three the kernel holds each process to. Processes that together use more than `cpu_percent` of one
    processor as the mean of `cpu_seconds`, or have more than `rss_bytes` of memory, are ended as crashed.
    """

    memory_bytes: Annotated[int, Meta(ge=0)] = 0
    open_files: Annotated[int, Meta(ge=0)] = 0
    nice: Annotated[int, Meta(ge=0, le=19)] = 0
    cpu_percent: Annotated[float, Meta(ge=0)] = 0
    cpu_seconds: Annotated[float, Meta(ge=1, le=86_400)] = 60
    rss_bytes: Annotated[int, Meta(ge=0)] = 0


class Output(Table, frozen=True):
    """The game's output is kept in `files` files of at most `max_bytes`, and the one being written."""

    max_bytes: Annotated[int, Meta(ge=4096)] = 8 * 1024 * 1024
    files: Annotated[int, Meta(ge=0, le=1000)] = 5


class Console(Table, frozen=True):
    """The game has an external console, which the launcher uses in place of a controller.

    `econ` is the one of Teeworlds and its relatives (`gameconsolehandler.py`).
    """

    kind: Literal["econ"]


class Admission(Table, frozen=True):
    """Who may stay in a game that checks no tickets itself; whoever else enters it is kicked (`admission.py`).

    `open`: everybody. `name`: who has the name of a player with a seat. `address`: who comes from that player's IP
    address, too.
    """

    by: Literal["open", "name", "address"] = "open"


class Log(Table, frozen=True):
    """What the game's output says about players: regular expressions, searched in each line; empty for none.

    Which named groups each must and may have is checked in `logpatterns.py`.
    """

    joined: str = ""
    left: str = ""
    map: str = ""
    chat: str = ""


class Upgrade(Table, frozen=True):
    """How a changed game file comes to its servers (`builds.py`)."""

    canary_matches: Annotated[int, Meta(ge=0, le=1000)] = 0
    """One server tries it first, for so many matches; 0: all take it at their next start or change of map."""


class Vote(Table, frozen=True):
    """How players vote for the next map, of those in `maps`.

    A map is chosen at once when more than `share` of those who are there want it; after `seconds` the vote has failed.
    """

    seconds: Annotated[float, Meta(ge=1, le=3600)] = 60.0
    share: Annotated[float, Meta(ge=0, le=1)] = 0.5
    pause_seconds: Seconds = 60.0
    """So long no further vote begins."""


class MapChange(Table, frozen=True):
    """How the map is changed; empty: by the console where there is one, else by `commands.map`, if any.

    `console`, `commands`: by a command on the one or the game's standard input. `successor`: by a second process that
    takes the games over.
    """

    by: Literal["", "console", "commands", "successor"] = ""
    seconds: Seconds = 10.0
    """So long players may take to move to the successor; who has not moved then loses the connection."""


class Status(Table, frozen=True):
    """The game answers questions about itself by UDP, on the port where it is played (`statusformats.py`)."""

    kind: Literal["quake3", "teeworlds"]
    seconds: Annotated[float, Meta(ge=0.1, le=3600)] = 10.0
    """Between two questions."""


class Commands(Table, frozen=True):
    """Lines for the game's standard input that make it do something; empty where it cannot (`stdincommands.py`)."""

    say: str = ""
    kick: str = ""
    map: str = ""


class Idle(Table, frozen=True):
    """What becomes of a ready server in which nobody is or is expected (`idling.py`).

    `run`: nothing. `freeze`: its processes are stopped where they are (SIGSTOP), and go on when somebody wants in.
    `stop`: it is ended in its own way, and started when somebody wants in. `start`: whether it is started with the
    launcher, or when somebody wants in.
    """

    action: Literal["run", "freeze", "stop"] = "run"
    after_seconds: Annotated[float, Meta(gt=0, le=86_400)] = 300.0
    start: Literal["at-once", "on-demand"] = "at-once"

    @property
    def on_demand(self) -> bool:
        """Whether it may be that its process is only started when somebody wants in."""
        return self.action == "stop" or self.start == "on-demand"
