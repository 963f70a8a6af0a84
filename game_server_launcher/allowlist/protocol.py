"""What launchers and the allow-list helper say to each other: JSON messages in 16-bit chunks on a Unix socket.

What is asked for is done without an answer, or refused with one that names it. Nothing is kept for a launcher that is
away: each connection tells everything anew.
"""

from typing import Annotated

from msgspec import Meta

from connhandler.jsonmessage import Hello, Ping, Pong, Refused, ShuttingDown, Welcome
from connhandler.messages import Message

VERSIONS = (1,)

MAX_SECONDS = 86_400.0

Port = Annotated[int, Meta(ge=1, le=65535)]
Address = Annotated[str, Meta(max_length=64)]
AllowedSeconds = Annotated[float, Meta(gt=0, le=MAX_SECONDS)]


class ProtectPort(Message):
    """From now on, only those who are allowed come to this port, by TCP and by UDP."""

    port: Port


class AllowAddress(Message):
    """Let an address come to a protected port for so long from now on."""

    port: Port
    address: Address
    seconds: AllowedSeconds


class UnprotectPort(Message):
    """From now on, everybody comes to this port. Nothing changes if that is so already."""

    port: Port


FromLauncher = Hello | Pong | ProtectPort | AllowAddress | UnprotectPort
ToLauncher = Welcome | Ping | Refused | ShuttingDown
