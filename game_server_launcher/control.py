"""What is said between a launcher and the person who runs it (the operator), on the Unix socket `launcher.control`.

Every message is a JSON object with a `"type"`, in 16-bit chunks. A connection begins with the operator's `Hello` and
the launcher's `Welcome`; nobody logs in: the socket is in the run folder, which is open to its owner alone. Each order
is answered with one `Done`, when it is clear what came of it. The dashboard sends the same orders, over HTTP.
"""

from typing import Annotated

import msgspec
from msgspec import Meta

from connhandler.jsonmessage import Hello, Ping, Pong, Refused, ShuttingDown, Welcome
from connhandler.messages import Message
from login_server.protocol import LongText, Text

VERSIONS = (1,)

ServerName = Annotated[str, Meta(min_length=1, max_length=64)]


class ServerStatus(msgspec.Struct, kw_only=True):
    """How one server stands.

    Attributes:
        state: as `servers.State`; `reason` says why, in words, and may be empty.
        changing: how far a change of its map is; empty without one.
        pid: 0 without a process.
        players: how many are there; `names` says who, as far as that is known.
        maps: that it may be changed to; empty when nobody has said which.
        matches: that are going on.
        started_at: when its process was, in Unix time; 0 without one.
        restarts: since the launcher was started.
        crashes: of the last while that counts for giving up.
    """

    name: str
    game: str
    state: str
    reason: str
    changing: str = ""
    pid: int
    address: str
    port: int
    version: str
    map: str
    maps: list[str]
    players: int
    capacity: int
    names: list[str]
    matches: int
    cpu_percent: float
    rss_bytes: int
    started_at: float
    restarts: int
    crashes: int


class LauncherStatus(msgspec.Struct, kw_only=True):
    """How a launcher and its servers stand.

    Attributes:
        at: when, in Unix time.
        login_server: `connected` or `away`.
        results_waiting: match results that the login server has not recorded yet.
        page: the address of the dashboard, with its key; empty without one.
    """

    name: str
    pid: int
    at: float
    login_server: str
    results_waiting: int
    page: str
    servers: list[ServerStatus]


# --- operator to launcher ---------------------------------------------------------------------------


class ShowStatus(Message):
    """Answer: `Status`."""


class Reload(Message):
    """Read the game files anew. Answer: `Done`, when it is clear what comes of them."""


class Order(Message):
    """Base of what is to be done to a server. Answer: `Done`, or `Refused` when nothing was begun."""

    server: ServerName


class Restart(Order):
    """Done when it is ready again."""


class Stop(Order):
    """Done when its process has ended."""


class Start(Order):
    """Done when it is ready."""


class Say(Order):
    text: LongText


class Kick(Order):
    player: Text
    reason: LongText = ""


class ChangeMap(Order):
    """Done when the map is played."""

    map: Text


# --- launcher to operator ---------------------------------------------------------------------------


class Status(Message):
    launcher: LauncherStatus


class Done(Message):
    """What came of an order, in one sentence; `succeeded` says whether that is what was wanted."""

    succeeded: bool
    text: str


AnyOrder = Restart | Stop | Start | Say | Kick | ChangeMap
FromOperator = Hello | Pong | ShowStatus | Reload | AnyOrder
ToOperator = Welcome | Ping | Refused | ShuttingDown | Status | Done
