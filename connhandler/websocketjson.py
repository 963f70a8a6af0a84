"""JSON messages over WebSocket: one text message each, as `connhandler.jsonmessage` has them over TCP.

class PlayerReader(WebSocketJsonReader):
    message_type = FromPlayer          # a union of Message classes

class PlayerHandler(WebSocketConnectionHandler):
    reader_class = PlayerReader
    writer_class = WebSocketJsonServerWriter     # `WebSocketJsonWriter` where this side connects
    peer_class = PlayerPeer
"""

from typing import Any

from connhandler.errors import DisconnectReason
from connhandler.framing.websocket import Text
from connhandler.jsonmessage import JsonDecoding, JsonEncoding, farewell
from connhandler.websocketmessage import Frames, WebSocketReader, WebSocketWriter


class WebSocketJsonReader(JsonDecoding, WebSocketReader):
    """Decodes each message, be it text or binary, as one of the classes of the union `message_type`."""


class WebSocketJsonWriter(JsonEncoding, WebSocketWriter):
    """Encodes `Message` structs as text messages. It ends with a Close alone."""

    def encode(self, message: Any) -> bytes:
        return Text(super().encode(message))


class WebSocketJsonServerWriter(WebSocketJsonWriter):
    """For the side that listens: before the Close it says why, with `Refused` or `ShuttingDown`."""

    def encode_goodbye(self, reason: DisconnectReason, detail: str, exception: BaseException | None) -> bytes:
        message = None
        if self.link.opened and reason is not DisconnectReason.CLOSED_BY_PEER:
            message = farewell(reason, detail)
        last = b"" if message is None else self.frame(self.encode(message))
        return Frames(last + super().encode_goodbye(reason, detail, exception))
