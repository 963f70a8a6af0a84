"""What one player has been sent by the partner and has not released yet."""

from turn_server.symbols import JOINT

JOINT_BYTES = JOINT.encode()


class Inbox:
    """One growing block. What has been shown stays, to be shown again, until it is released.

    Args:
        max_bytes: of the block.

    Attributes:
        block: everything, joined with `|`.
        full: whether something did not fit since the last release.
    """

    __slots__ = ("_max_bytes", "_shown", "block", "full")

    def __init__(self, max_bytes: int) -> None:
        self.block = bytearray()
        self.full = False
        self._shown = 0
        self._max_bytes = max_bytes

    def put(self, data: bytes) -> bool:
        """Add what the partner sent, unless it does not fit; return whether it did."""
        block = self.block
        if len(block) + len(data) + bool(block) > self._max_bytes:
            self.full = True
            return False
        if block:
            block += JOINT_BYTES
        block += data
        return True

    def show(self) -> bytes:
        """Return everything that is here."""
        self._shown = len(self.block)
        return bytes(self.block)

    def release(self) -> None:
        """Forget what has been shown."""
        self.full = False
        if self._shown:
            # The joint before what has come since goes with it.
            del self.block[: self._shown + 1]
            self._shown = 0
