"""What a person can say to a running manager: one line, one command."""

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

import msgspec

if TYPE_CHECKING:
    from iot_manager import Manager

HELP: Final = """list [TYPE]               who is or was here
send DEVICE TEXT          tell one device; DEVICE is its uuid, or enough of its beginning
queue DEVICE SECONDS TEXT the same; if it is away, when it is back within so many seconds
ask DEVICE JSON           wait for its answer to {"key": "value", ...}
type TYPE TEXT            tell all devices of a type
all TEXT                  tell every device
help                      this
quit                      end the manager, as Ctrl-D and Ctrl-C do"""

ANSWER_SECONDS: Final = 15.0

DATA_WIDTH: Final = 60
"""So much of a device's data is shown, in characters."""


class CommandRefused(Exception):
    """A command cannot be carried out; the text says why."""


class Console:
    """Carries out commands.

    Args:
        manager: whose devices they are about.
        tell: prints one line.
    """

    def __init__(self, manager: "Manager", tell: Callable[[str], None]) -> None:
        self._manager = manager
        self._tell = tell
        # Words before the text that ends the line, and what to do with all of them.
        self._commands: dict[str, tuple[int, str, Callable[..., None]]] = {
            "list": (0, "[TYPE]", self._list),
            "send": (1, "DEVICE TEXT", self._send),
            "queue": (2, "DEVICE SECONDS TEXT", self._queue),
            "ask": (1, "DEVICE JSON", self._ask),
            "type": (1, "TYPE TEXT", self._type),
            "all": (0, "TEXT", self._all),
        }

    def run(self, line: str) -> bool:
        """Carry out one line; return whether there is to be another."""
        word, _, rest = line.strip().partition(" ")
        rest = rest.strip()
        if word in ("quit", "exit"):
            return False
        if word in ("help", "?"):
            self._tell(HELP)
        elif word in self._commands:
            words, usage, function = self._commands[word]
            parts = rest.split(maxsplit=words)
            if word != "list" and len(parts) <= words:
                self._tell(f"expected: {word} {usage}")
                return True
            try:
                function(*parts)
            except CommandRefused as refusal:
                self._tell(str(refusal))
        elif word:
            self._tell(f"unknown command {word!r}; 'help' tells what there is")
        return True

    def _list(self, device_type: str = "") -> None:
        devices = [one for one in self._manager.get_devices() if device_type in ("", one["type"])]
        if not devices:
            self._tell(f"no device of type {device_type}" if device_type else "no device yet")
            return
        now = time.time()
        rows = [("DEVICE", "TYPE", "STATE", "SEEN", "QUEUED", "FROM", "DATA")]
        for one in sorted(devices, key=lambda one: (not one["connected"], one["type"], one["uuid"])):
            rows.append(
                (
                    shown(one["uuid"]),
                    shown(one["type"]),
                    "here" if one["connected"] else "away",
                    ago(now - one["last_seen"]),
                    str(one["queued"]),
                    "{}:{}".format(*one["address"][:2]) if one["address"] else "-",
                    clipped(msgspec.json.encode(one["data"]).decode()),
                )
            )
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        for row in rows:
            self._tell("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
        here = sum(one["connected"] for one in devices)
        self._tell(f"{here:,} here, {len(devices) - here:,} away")

    def _send(self, device: str, text: str) -> None:
        uuid = self._find(device)
        if self._manager.send(uuid, text) is not None:
            self._tell(f"sent to {uuid}")
        else:
            self._tell(f"{uuid} is away: nothing was sent; 'queue' keeps it until it is back")

    def _queue(self, device: str, seconds: str, text: str) -> None:
        try:
            queue_seconds = float(seconds)
        except ValueError:
            queue_seconds = 0.0
        if not 0 < queue_seconds < float("inf"):
            raise CommandRefused(f"{seconds!r} is not a number of seconds")
        if self._manager.send(self._find(device), text, queue_seconds=queue_seconds) is None:
            raise CommandRefused("too much is queued for it already")
        self._tell("sent, or queued if it is away")

    def _ask(self, device: str, text: str) -> None:
        try:
            payload = msgspec.json.decode(text, type=dict[str, Any])
        except msgspec.MsgspecError:
            raise CommandRefused(f'{text!r} is not JSON such as {{"key": "value"}}') from None
        uuid = self._find(device)
        self._tell(f"asked; waiting for its answer, {ANSWER_SECONDS:g} s at most")
        try:
            reply = self._manager.request(uuid, payload, ANSWER_SECONDS)
        except Exception as error:  # noqa: BLE001 - whatever it is, the person who asked is to know
            raise CommandRefused(f"no answer: {error}") from None
        self._tell(shown(msgspec.json.encode(reply).decode()))

    def _type(self, device_type: str, text: str) -> None:
        self._tell(f"sent to {self._manager.send_type_string(device_type, text):,} of type {device_type}")

    def _all(self, text: str) -> None:
        self._tell(f"sent to {self._manager.send_all_string(text):,}")

    def _find(self, beginning: str) -> str:
        """Return the uuid that begins so.

        Raises:
            CommandRefused: there is none, or more than one.
        """
        found = [one["uuid"] for one in self._manager.get_devices() if one["uuid"].startswith(beginning)]
        if beginning in found:
            return beginning
        if len(found) != 1:
            raise CommandRefused(
                f"{len(found)} devices begin with {beginning!r}" if found else f"no device begins with {beginning!r}"
            )
        uuid: str = found[0]
        return uuid


def shown(text: str) -> str:
    """Text as a terminal may have it: what a device says must not move the cursor."""
    return text if text.isprintable() else repr(text)[1:-1]


def clipped(text: str) -> str:
    text = shown(text)
    return text if len(text) <= DATA_WIDTH else text[: DATA_WIDTH - 1] + "…"


def ago(seconds: float) -> str:
    """How long ago something was, short."""
    if seconds < 60:
        return f"{max(seconds, 0):.0f} s ago"
    if seconds < 3600:
        return f"{seconds / 60:.0f} min ago"
    return f"{seconds / 3600:.1f} h ago"
