"""A device's connection to its manager.

    socket → [ Reader.receive (Framing) → Reader.decode ] → incoming queue → DeviceTask.handle
    socket ← [ Writer.send ] ← outgoing queue ← [ (Framing) ← Writer.encode ] ← Peer.send

The two dialects are those of `iot_manager.dialects`, seen from the device. A device never speaks first.
"""

import ssl
from typing import Any, Final, Literal

import gevent.socket
import msgspec
from msgspec import Struct

from connhandler import (
    FramedConnectionReader,
    Limits,
    OutgoingConnectionHandler,
    Peer,
    ProtocolError,
    StreamConnectionWriter,
    Timer,
)
from connhandler.connection import Address
from connhandler.framing import Framing
from connhandler.handler import Instances, MessageQueue
from iot_manager.dialects import END, FILLER_BYTES, GETINFO, HEART, LENGTH_BYTES, MAX_FRAME_BYTES, PROBES
from iot_manager.identity import Identity
from iot_manager.keys import AUTH
from iot_manager.rawdialect import GOODBYE

Dialect = Literal["raw", "framed"]

REQUEST_BEGINNING: Final = b'{"request"'
"""What looks like a request is looked at closely; all else is a command as it is."""

MANAGERS_PROBES: Final = sorted({probe.data for probe in PROBES}, key=len, reverse=True)
"""What a manager may send before it knows the dialect, the longest first."""

FILLER: Final = b" " * FILLER_BYTES
"""A message that means nothing, which is part of one of them."""


class GetInfo(Struct, dict=True):
    """The manager asks who this is."""


class Heart(Struct, dict=True):
    """The manager asks for a beat."""


class Goodbye(Struct, dict=True):
    """The manager ends the connection."""


class Challenge(Struct, dict=True):
    """The manager asks for a proof of the key."""

    nonce: str


class Command(Struct, dict=True):
    """What the manager's program has sent to this device."""

    data: bytes


class Request(Struct, dict=True):
    """A command that is to be answered."""

    request: str
    payload: Any


class RawFraming:
    """The default dialect: what one `recv` brings is one message, but for questions of one byte at its ends.

    A manager that has no answer yet asks in the other dialect too (`iot_manager.dialects.PROBES`). That is not for this
    device, and comes before anything else.
    """

    error: ProtocolError | None = None
    mid_message = False

    def __init__(self) -> None:
        self._may_be_probed = True

    def receive_data(self, data: bytes) -> list[bytes]:
        asked = False
        while self._may_be_probed and data:
            probe = next((probe for probe in MANAGERS_PROBES if data.startswith(probe)), b"")
            asked = asked or probe == GETINFO
            self._may_be_probed = bool(probe)
            data = data[len(probe) :]
        return ([GETINFO] if asked else []) + self._split(data)

    def _split(self, data: bytes) -> list[bytes]:
        rest = data.strip(GETINFO + HEART)
        front, back = data[: len(data) - len(data.lstrip(GETINFO + HEART))], b""
        if rest:
            back = data[len(front) + len(rest) :]
        # One answer will do for a question that was asked several times.
        messages = [question for question in (GETINFO, HEART) if question in front + back]
        if rest:
            messages.append(rest)
        return messages


class SizedFraming:
    """The second dialect: a 16-bit big-endian length before each message.

    A manager that does not know yet which dialect the device speaks asks with a single byte, and no length.
    """

    error: ProtocolError | None = None

    def __init__(self) -> None:
        self._held = b""
        self._begun = False

    @property
    def mid_message(self) -> bool:
        return bool(self._held)

    def receive_data(self, data: bytes) -> list[bytes]:
        messages = []
        position = 0
        if not self._begun and data:
            self._begun = True
            if data.startswith(GETINFO):
                messages.append(GETINFO)
                position = 1
        data = self._held + data
        end = len(data)
        while end - position >= LENGTH_BYTES:
            begin = position + LENGTH_BYTES
            message_end = begin + int.from_bytes(data[position:begin])
            if message_end > end:
                break
            message = data[begin:message_end]
            if message and message != FILLER:  # Neither says anything.
                messages.append(message)
            position = message_end
        self._held = data[position:]
        return messages


class ManagerReader(FramedConnectionReader):
    """Args:
    sock: the connection's socket.
    dialect: which framing.
    """

    def __init__(self, sock: gevent.socket.socket, dialect: Dialect) -> None:
        super().__init__(sock)
        self._dialect = dialect

    def create_framing(self) -> Framing:
        return RawFraming() if self._dialect == "raw" else SizedFraming()

    def decode(self, data: bytes) -> GetInfo | Heart | Goodbye | Challenge | Command | Request:
        if data == HEART:
            return Heart()
        if data == GETINFO:
            return GetInfo()
        if data == GOODBYE if self._dialect == "raw" else data == END:
            return Goodbye()
        if data.startswith(AUTH):
            return Challenge(data.removeprefix(AUTH).decode())
        if data.lstrip().startswith(REQUEST_BEGINNING):
            try:
                return msgspec.json.decode(data, type=Request)
            except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
                pass  # It only looked like one.
        return Command(data)


class ManagerWriter(StreamConnectionWriter):
    """Sends bytes: each `bytes` object one message, in as far as the dialect can tell messages apart."""

    def __init__(self, sock: gevent.socket.socket, dialect: Dialect) -> None:
        super().__init__(sock)
        self._dialect = dialect

    def encode(self, message: bytes) -> bytes:
        """Raises:
        ValueError: the message is empty, or too long for the framed dialect.
        """
        if not message:
            raise ValueError("an empty message cannot be sent")
        if self._dialect == "framed" and len(message) > MAX_FRAME_BYTES:
            raise ValueError(f"a message of {len(message)} bytes, where {MAX_FRAME_BYTES} are the most")
        return message

    def frame(self, data: bytes) -> bytes:
        return data if self._dialect == "raw" else len(data).to_bytes(LENGTH_BYTES) + data


class ManagerPeer(Peer):
    """The manager, as one device sees it.

    Attributes:
        identity: of the device.
        dialect: that it speaks.
        accepted: whether the device has said, and proven, who it is.
        patience: until the manager has asked who the device is.
        dismissed_by_manager: whether the manager has said goodbye.
    """

    def __init__(self, identity: Identity, dialect: Dialect) -> None:
        self.identity = identity
        self.dialect = dialect
        self.accepted = False
        self.patience: Timer | None = None
        self.dismissed_by_manager = False


class ManagerHandler(OutgoingConnectionHandler):
    """Keeps one device connected to its manager.

    Args:
        task_name: of the device in log lines.
        address: the manager's host.
        port: its port.
        incoming_queue: of the `DeviceTask`.
        identity: who the device is.
        dialect: which framing it speaks.
        limits, ssl_context, server_hostname, source_address: as for every outgoing connection.
    """

    def __init__(
        self,
        task_name: str,
        address: str,
        port: int,
        incoming_queue: MessageQueue,
        identity: Identity,
        *,
        dialect: Dialect = "raw",
        limits: Limits | None = None,
        ssl_context: ssl.SSLContext | None = None,
        server_hostname: str | None = None,
        source_address: str | None = None,
    ) -> None:
        super().__init__(
            task_name,
            address,
            port,
            incoming_queue,
            limits=limits,
            ssl_context=ssl_context,
            server_hostname=server_hostname,
            source_address=source_address,
        )
        self.identity = identity
        self.dialect = dialect

    def create_connection_instances(self, sock: gevent.socket.socket, address: Address) -> Instances:
        return (
            ManagerReader(sock, self.dialect),
            ManagerWriter(sock, self.dialect),
            ManagerPeer(self.identity, self.dialect),
        )
