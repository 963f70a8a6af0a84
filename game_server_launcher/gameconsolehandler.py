"""Connections to the external consoles ("econ") of Teeworlds and its relatives: one to each game process that has one.

The game listens; it sends lines of UTF-8 that end in `\\n\\0\\0`, and takes lines that end in `\\n`. First it asks for
the password. Then it shows everything that it logs, each line as `[HH:MM:SS][part]: text`, to everybody who is logged
in, and echoes each command before it answers. The lines here are those of Teeworlds 0.7.5 with `ec_output_level 2`.

`parse` and the commands' `line` are pure. Lines that mean nothing to us are passed over.
"""

import re
from collections.abc import Callable

import gevent.socket
import msgspec

from connhandler import Limits, LineConnectionReader, LineConnectionWriter, OutgoingConnectionHandler, tasks
from connhandler.connection import Address
from connhandler.handler import MessageQueue
from game_server_launcher.admission import Status
from game_server_launcher.servers import Client
from game_server_launcher.talk import TalkingPeer

CONSOLE_ADDRESS = "127.0.0.1"
"""Consoles are for this machine alone: what is said there is not encrypted."""

MAX_TEXT = 250
"""The longest text of one command, in characters; a chat message of Teeworlds has 255 bytes."""

LIMITS = Limits(
    connect_seconds=5.0,
    max_message_bytes=16 * 1024,
    idle_seconds=60.0,  # The desk asks for the status more often than that.
    login_seconds=10.0,
    retry_seconds=0.1,  # A game listens within some hundredths of a second.
    max_retry_seconds=5.0,
    linger_seconds=1.0,
)


class ConsoleMessage(msgspec.Struct, dict=True):
    """Base of what a console says; `dict=True` lets the framework set `peer`."""


class PasswordAsked(ConsoleMessage):
    """The first line of every connection."""


class Admitted(ConsoleMessage):
    """The password was right."""


class WrongPassword(ConsoleMessage):
    """It was not."""


class CommandEchoed(ConsoleMessage):
    """Somebody on a console, maybe another one, gave this command; what it shows follows."""

    command: str


class ValueShown(ConsoleMessage):
    """The value of the setting whose name was given as a command."""

    value: str


class PlayerListed(ConsoleMessage):
    """One line of `status`, about a player who is in the game. `address` is `HOST:PORT`, or `[HOST]:PORT`."""

    client_id: int
    address: str
    name: str


class ClientListed(ConsoleMessage):
    """One line of `status`, about a client on its way into the game: a new one, or while the map changes."""

    client_id: int
    address: str


class PlayerEntered(ConsoleMessage):
    """A player came into the game, or is still there after a change of the map."""

    client_id: int


class PlayerLeft(ConsoleMessage):
    """A client is gone, in the game or on its way there. `reason` is empty when it left by itself."""

    client_id: int
    reason: str


class TeamJoined(ConsoleMessage):
    """Teams are 0 (red, or everybody), 1 (blue) and -1 (spectators)."""

    client_id: int
    name: str
    team: int


class MapChanged(ConsoleMessage):
    map: str


class MapNotChanged(ConsoleMessage):
    """There is no such map, or it cannot be read."""

    map: str


class Said(ConsoleMessage):
    """`client_id` -1: the server itself. `mode`: 1 to all, 2 to the team, 3 to one player."""

    client_id: int
    mode: int
    name: str
    text: str


class Command(msgspec.Struct, frozen=True):
    """Base of what is said to a console."""

    @property
    def line(self) -> str:
        raise NotImplementedError


class Password(Command, frozen=True):
    text: str

    @property
    def line(self) -> str:
        return self.text

    def __repr__(self) -> str:
        return "Password(…)"


class Say(Command, frozen=True):
    """Tell all players something."""

    text: str

    @property
    def line(self) -> str:
        return f"say {quote(self.text)}"


class Kick(Command, frozen=True):
    client_id: int
    reason: str = ""

    @property
    def line(self) -> str:
        return f"kick {self.client_id:d} {quote(self.reason)}"


class ChangeMap(Command, frozen=True):
    """Change the map at once; players stay."""

    map: str

    @property
    def line(self) -> str:
        return f"{SHOW_MAP} {quote(self.map)}"


class ShowMap(Command, frozen=True):
    """Answer: `ValueShown`."""

    @property
    def line(self) -> str:
        return SHOW_MAP


class ShowStatus(Command, frozen=True):
    """Answer: a `PlayerListed` or `ClientListed` for each client; it ends where something else is echoed."""

    @property
    def line(self) -> str:
        return SHOW_STATUS


class Shutdown(Command, frozen=True):
    """End; the exit status is 0."""

    @property
    def line(self) -> str:
        return "shutdown"


SHOW_MAP = "sv_map"
SHOW_STATUS = "status"

_PROMPTS: dict[str, type[ConsoleMessage]] = {
    "Enter password:": PasswordAsked,
    "Authentication successful. External console access granted.": Admitted,
}
_WRONG_PASSWORD = re.compile(r"Wrong password \d+/\d+\.")
_LOGGED = re.compile(r"\[\d\d:\d\d:\d\d\]\[(\w+)\]: (.*)", re.DOTALL)
_ID = r"(\d{1,4})"
_PATTERNS: list[tuple[str, re.Pattern[str], Callable[..., ConsoleMessage]]] = [
    ("server", re.compile(r"cid=\d+ cmd='(.*)'"), CommandEchoed),
    ("Console", re.compile(r"Value: (.*)"), ValueShown),
    (
        "server",
        re.compile(rf"id={_ID} addr=(\S+) client=\w+ name='(.*)' score=-?\d+ .*"),
        lambda client_id, address, name: PlayerListed(int(client_id), address, name),
    ),
    (
        "server",
        re.compile(rf"id={_ID} addr=(\S+) connecting"),
        lambda client_id, address: ClientListed(int(client_id), address),
    ),
    (
        "server",
        re.compile(rf"player has entered the game\. ClientID={_ID} addr=.*"),
        lambda client_id: PlayerEntered(int(client_id)),
    ),
    (
        "server",
        re.compile(rf"client dropped\. cid={_ID} addr=\S+ reason='(.*)'"),
        lambda client_id, reason: PlayerLeft(int(client_id), reason),
    ),
    (
        "game",
        re.compile(rf"team_join player='{_ID}:(.*)' team=(?:-?\d->)?(-?\d)"),
        lambda client_id, name, team: TeamJoined(int(client_id), name, int(team)),
    ),
    ("server", re.compile(r"maps/(.+)\.map sha256 is [0-9a-f]+"), MapChanged),
    ("server", re.compile(r"failed to load map\. mapname='(.*)'"), MapNotChanged),
    ("chat", re.compile(r"\*\*\* (.*)"), lambda text: Said(-1, 1, "", text)),
    (
        "chat",
        re.compile(rf"(\d):{_ID}:(.*?): (.*)"),
        lambda mode, client_id, name, text: Said(int(client_id), int(mode), name, text),
    ),
]


def parse(line: str) -> ConsoleMessage | None:
    """Return what a line of a console says; None if it is nothing that we know."""
    if line in _PROMPTS:
        return _PROMPTS[line]()
    if _WRONG_PASSWORD.fullmatch(line):
        return WrongPassword()
    logged = _LOGGED.fullmatch(line)
    if logged:
        for part, pattern, make in _PATTERNS:
            found = pattern.fullmatch(logged[2]) if part == logged[1] else None
            if found:
                return make(*found.groups())
    return None


def quote(text: str) -> str:
    """Return a text as one argument of a command: a console would take `;` and line ends as the end of the command."""
    printable = "".join(letter if letter.isprintable() else " " for letter in text[:MAX_TEXT])
    return '"' + printable.replace("\\", "\\\\").replace('"', '\\"') + '"'


class ConsolePeer(TalkingPeer):
    """The console of one game process.

    Attributes:
        server: the name of its game server.
        run: the number of the process.
        last_command: that was echoed: what is shown next is its answer.
        status: the answer to `status` that is being shown.
        status_asked: the next one has been asked for, and has not begun.
        kicked: by client id, who is to go and has not gone yet.
    """

    requires_login = True

    def __init__(self, server: str, run: int) -> None:
        self.server = server
        self.run = run
        self.last_command = ""
        self.status: Status | None = None
        self.status_asked = False
        self.kicked: dict[int, Client] = {}


class ConsoleReader(LineConnectionReader):
    terminator = b"\n\0\0"

    def decode(self, data: bytes) -> ConsoleMessage | None:
        return parse(data.decode(errors="replace"))


class ConsoleWriter(LineConnectionWriter):
    def encode(self, message: Command) -> bytes:
        return message.line.encode()


class GameConsoleHandler(OutgoingConnectionHandler):
    """The connection to one console.

    Args:
        server: the name of the game server.
        run: the number of its process.
        port: of the console.
        incoming_queue: where its messages go.
    """

    def __init__(self, server: str, run: int, port: int, incoming_queue: MessageQueue) -> None:
        super().__init__(f"console[{server}]", CONSOLE_ADDRESS, port, incoming_queue, limits=LIMITS)
        self._peer_of = server, run

    def create_connection_instances(
        self, sock: gevent.socket.socket, address: Address
    ) -> tuple[ConsoleReader, ConsoleWriter, ConsolePeer]:
        return ConsoleReader(sock), ConsoleWriter(sock), ConsolePeer(*self._peer_of)


class GameConsoles:
    """The connections to all consoles. `open` and `close` return at once: the central task calls them.

    Args:
        incoming_queue: where all messages go.
    """

    def __init__(self, incoming_queue: MessageQueue) -> None:
        self._queue = incoming_queue
        self._handlers: dict[str, GameConsoleHandler] = {}

    def open(self, server: str, run: int, port: int) -> None:
        """Connect to the console of a process, and again until `close`."""
        self.close(server)
        self._handlers[server] = GameConsoleHandler(server, run, port, self._queue)
        self._handlers[server].start()

    def close(self, server: str) -> None:
        """The process has ended; does nothing when it has no console."""
        handler = self._handlers.pop(server, None)
        if handler is not None:
            handler.stop_accepting()
            tasks.spawn(f"{handler.task_name}.stop", handler.stop, 0)

    def close_all(self) -> None:
        """At the end, outside the central task: close every connection, and wait for that. Games go on."""
        for handler in self._handlers.values():
            handler.stop(0)
        self._handlers.clear()
