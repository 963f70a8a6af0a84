"""Who a device says it is, and the bytes in which it says so. Pure: no socket, no task.

iot_manager.manager ← connection ← [ Identity ] (a device's side)
"""

from typing import Any

import msgspec
from msgspec import Struct

from iot_manager.data import DELIMITER, UUID_CHARACTERS
from iot_manager.keys import AUTH, Key, sign


class Identity(Struct, frozen=True, kw_only=True):
    """One device.

    Raises:
        ValueError: a manager would refuse it.
    """

    uuid: str
    """36 characters that no other device has."""
    type: str
    """One of the manager's types."""
    data: dict[str, Any] = {}
    """Whatever else the manager should know."""
    key: Key | None = None
    """The secret that this device shares with the manager, if it has one."""

    def __post_init__(self) -> None:
        if len(self.uuid) != UUID_CHARACTERS:
            raise ValueError(f"a device's uuid has {UUID_CHARACTERS} characters, not {len(self.uuid)}: {self.uuid!r}")
        if DELIMITER in self.uuid.encode() or DELIMITER in self.type.encode():
            raise ValueError("neither the uuid nor the type of a device may contain '##'")
        if not self.type:
            raise ValueError("a device's type must not be empty")

    def info(self) -> bytes:
        """The answer to the manager's `getinfo`."""
        return DELIMITER.join((self.uuid.encode(), self.type.encode(), msgspec.json.encode(self.data)))

    def answer(self, nonce: str) -> bytes:
        """The answer to the manager's challenge; b"" from a device that has no key.

        Args:
            nonce: what came with the challenge.
        """
        return b"" if self.key is None else AUTH + sign(self.key, nonce, self.uuid).encode()
