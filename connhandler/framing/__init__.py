"""Pure parsers: bytes in, whole frames out. No socket, no task, no clock.

A framing never raises on what it receives: it hands out every whole frame that came before the fault, then
says in `error` what was wrong, and takes nothing more.
"""

from typing import Protocol

from connhandler.errors import ProtocolError


class Framing(Protocol):
    """What `connhandler.framed.FramedConnectionReader` asks of a parser."""

    @property
    def error(self) -> ProtocolError | None:
        """What was wrong, once something was."""

    @property
    def mid_message(self) -> bool:
        """Whether a message has begun and is not whole yet."""

    def receive_data(self, data: bytes) -> list[bytes]:
        """Take what one `recv` gave and return every message that is whole now, oldest first."""
