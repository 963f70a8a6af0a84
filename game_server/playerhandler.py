"""The connections of players: JSON in the text frames of WebSockets, many at a time."""

from collections.abc import Callable
from typing import Any

import msgspec

from connhandler.framing.httprequest import HttpRequest
from connhandler.framing.websocket import Text
from connhandler.websocket import WebSocketConnectionHandler
from connhandler.websocketjson import WebSocketJsonWriter
from connhandler.websocketmessage import WebSocketPeer, WebSocketReader
from game_server.admission import Admission
from game_server.protocol import SUBPROTOCOL, Command, CommandId, FromPlayer, Problem, Response


class PlayerPeer(WebSocketPeer):
    """A player.

    Attributes:
        admission: who it is and which game it is for: what was found before the upgrade.
    """

    requires_login = True

    admission: Admission


class Misunderstood:
    """What a player sent that is no command.

    Attributes:
        peer: who sent it.
        response: what is to be said to that.
    """

    peer: PlayerPeer

    def __init__(self, response: Response) -> None:
        self.response = response


class Envelope(msgspec.Struct):
    """What can be read of a command that is not understood."""

    command: str = ""
    id: CommandId | None = None


COMMANDS = msgspec.json.Decoder(FromPlayer)
ENVELOPES = msgspec.json.Decoder(Envelope)
NAMES = {str(command.__struct_config__.tag) for command in FromPlayer.__args__}
UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)


class PlayerReader(WebSocketReader):
    """Decodes commands. One that is not understood is a message too, whose answer is an error: a person who tries
    things out is not cut off, and the answers come in the order of what was sent."""

    def decode(self, data: bytes) -> Command | Misunderstood:
        if type(data) is not Text:
            return misunderstood(Envelope(), "binary_frame", "commands are JSON in text frames")
        try:
            command: Command = COMMANDS.decode(data)
        except UNREADABLE as error:
            return self._misunderstood(data, error)
        return command

    @staticmethod
    def _misunderstood(data: bytes, error: Exception) -> Misunderstood:
        try:
            envelope = ENVELOPES.decode(data)
        except UNREADABLE:
            envelope = Envelope()
        if envelope.command and envelope.command not in NAMES:
            known = ", ".join(sorted(NAMES))
            return misunderstood(envelope, "unknown_command", f"there is no such command; there are {known}")
        return misunderstood(envelope, "malformed_command", f"not understood: {error}")


def misunderstood(envelope: Envelope, code: str, message: str) -> Misunderstood:
    problem = Problem(code=code, message=message[:1024])
    return Misunderstood(Response(status="error", command=envelope.command[:64], id=envelope.id, error=problem))


class PlayerHandler(WebSocketConnectionHandler):
    """All players' connections. Arguments as for the base.

    Args:
        authenticate: finds out who comes, before the upgrade, and sets the peer's `admission`; raises `HttpError` to
            refuse. Called by each connection's own task.
    """

    reader_class = PlayerReader
    writer_class = WebSocketJsonWriter
    peer_class = PlayerPeer
    subprotocols = (SUBPROTOCOL,)

    def __init__(self, *args: Any, authenticate: Callable[[PlayerPeer, HttpRequest], None], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._authenticate = authenticate

    def check_request(self, peer: Any, request: HttpRequest) -> None:
        self._authenticate(peer, request)
