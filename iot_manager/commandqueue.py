"""Commands for devices that are away: bounded for each device and in all, each with its time to live."""

from collections import deque
from typing import Final

from msgspec import Struct

from iot_manager.limits import Limits

OVERHEAD_BYTES: Final = 100
"""What keeping a command costs beside its bytes, so that empty ones cannot fill the memory either."""


class Command(Struct, frozen=True):
    data: bytes
    expires_at: float

    @property
    def size(self) -> int:
        return len(self.data) + OVERHEAD_BYTES


class CommandQueue:
    """First in, first out, for each UUID. Times are in seconds, by one clock.

    Attributes:
        size: how many commands wait, those that have expired and were not looked at since included.
    """

    def __init__(self, limits: Limits) -> None:
        self.size = 0
        self._limits = limits
        self._bytes = 0
        self._commands: dict[str, deque[Command]] = {}

    def put(self, uuid: str, data: bytes, now: float, seconds: float) -> bool:
        """Keep a command for so many seconds; return whether there was room for it."""
        limits = self._limits
        command = Command(data, now + min(seconds, limits.max_queue_seconds))
        self._expire(uuid, now)
        commands = self._commands.get(uuid, ())
        if len(commands) >= limits.queued_per_device:
            return False
        if sum(waiting.size for waiting in commands) + command.size > limits.queued_bytes_per_device:
            return False
        if self._is_full_with(command):
            for other in list(self._commands):
                self._expire(other, now)
            if self._is_full_with(command):
                return False
        self._commands.setdefault(uuid, deque()).append(command)
        self.size += 1
        self._bytes += command.size
        return True

    def take(self, uuid: str, now: float) -> list[bytes]:
        """Return what still holds of a device's commands, oldest first, and keep none of them."""
        self._expire(uuid, now)
        commands = self._commands.pop(uuid, ())
        for command in commands:
            self._forget(command)
        return [command.data for command in commands]

    def count(self, uuid: str, now: float) -> int:
        """How many commands wait for a device."""
        if uuid not in self._commands:
            return 0
        self._expire(uuid, now)
        return len(self._commands.get(uuid, ()))

    def _is_full_with(self, command: Command) -> bool:
        limits = self._limits
        return self.size >= limits.queued_in_all or self._bytes + command.size > limits.queued_bytes_in_all

    def _expire(self, uuid: str, now: float) -> None:
        commands = self._commands.get(uuid)
        if commands is None:
            return
        kept = deque(command for command in commands if command.expires_at > now)
        for command in commands:
            if command.expires_at <= now:
                self._forget(command)
        if kept:
            self._commands[uuid] = kept
        else:
            del self._commands[uuid]

    def _forget(self, command: Command) -> None:
        self.size -= 1
        self._bytes -= command.size
