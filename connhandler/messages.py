"""The messages that every program's central task receives, and the base of those that travel as JSON."""

import re
from typing import TYPE_CHECKING, Any

import msgspec

from connhandler.errors import DisconnectReason

if TYPE_CHECKING:
    from connhandler.connection import Peer


def snake_case(name: str) -> str:
    """The wire name of a message class: `LogIn` becomes `log_in`."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


class Message(msgspec.Struct, dict=True, tag_field="type", tag=snake_case):
    """Base of a message that travels as a JSON object with its class name as `"type"`.

    `dict=True` lets the framework set `peer` on a received message without putting it on the wire.
    """

    if TYPE_CHECKING:

        @property
        def peer(self) -> Any: ...

        @peer.setter
        def peer(self, peer: "Peer") -> None: ...


class PeerConnected:
    """The first message of every connection.

    Attributes:
        peer: the connection's `Peer`, an instance of the subclass that its handler created.
    """

    __slots__ = ("peer",)

    def __init__(self, peer: "Peer") -> None:
        self.peer = peer

    def __repr__(self) -> str:
        return f"PeerConnected({self.peer})"


class PeerDisconnected:
    """The last message of every connection; its socket is closed.

    Attributes:
        peer: the connection's `Peer`.
        reason: why it ended.
        detail: the reason in words, for a log line; may be empty.
        exception: what was raised, if something was.
        code: the close code, in protocols that have one (WebSocket: RFC 6455, section 7.4).
    """

    __slots__ = ("code", "detail", "exception", "peer", "reason")

    def __init__(
        self,
        peer: "Peer",
        reason: DisconnectReason,
        detail: str = "",
        exception: BaseException | None = None,
        code: int | None = None,
    ) -> None:
        self.peer = peer
        self.reason = reason
        self.detail = detail
        self.exception = exception
        self.code = code

    def __repr__(self) -> str:
        return f"PeerDisconnected({self.peer}, {self.reason.value!r}, {self.detail!r})"
