"""A ready-made reader and writer for JSON messages in 16-bit chunks, and the messages every such protocol shares.

A connection type whose messages are `Message` structs needs no codec of its own:

    class PlayerReader(JsonMessageReader):
        message_type = FromPlayer          # a union of Message classes

    # and `JsonServerMessageWriter` where this side listens, `JsonMessageWriter` where it connects
"""

from typing import Annotated, Any, ClassVar

import msgspec

from connhandler.errors import DisconnectReason, ProtocolError
from connhandler.messages import Message
from connhandler.tcpmessage import TcpMessageConnectionReader, TcpMessageConnectionWriter

Word = Annotated[str, msgspec.Meta(max_length=64)]


Version = Annotated[int, msgspec.Meta(ge=0, le=65535)]


class Hello(Message):
    """The first message of the side that connects: which versions of the protocol it speaks."""

    versions: Annotated[list[Version], msgspec.Meta(min_length=1, max_length=32)]
    program: Word = ""


class Welcome(Message):
    """The answer to `Hello`: the version both sides speak from here on."""

    version: int
    program: Word = ""


class Ping(Message):
    """Sent by the side that listens when it has heard nothing for a while; answered with `Pong`."""


class Pong(Message):
    pass


class Refused(Message):
    """Something was not done. `code` is for programs, `message` for people, `about` the type it answers."""

    code: Word
    message: Annotated[str, msgspec.Meta(max_length=1024)]
    about: Word = ""


class ShuttingDown(Message):
    """The program is about to close this connection, in good order."""

    message: Annotated[str, msgspec.Meta(max_length=1024)] = ""


def agree_on_version(hello: Hello, spoken: tuple[int, ...], program: str) -> Welcome | Refused:
    """Answer a `Hello`: the highest common version, or a refusal that says which ones are spoken."""
    common = set(hello.versions) & set(spoken)
    if common:
        return Welcome(version=max(common), program=program)
    return Refused(
        code="incompatible_version",
        message=f"{program} speaks versions {list(spoken)} of this protocol, not {hello.versions}",
        about="hello",
    )


class JsonDecoding:
    """Makes `decode` of a reader: each message is one of the classes of the union `message_type`, told apart by
    `"type"`."""

    message_type: ClassVar[Any]
    _decoder: ClassVar[msgspec.json.Decoder[Any]]

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "message_type" in cls.__dict__:
            cls._decoder = msgspec.json.Decoder(cls.message_type)

    def decode(self, data: bytes) -> Message:
        """Raises:
        ProtocolError: the text is not JSON, not UTF-8, not of a known type, or out of its bounds.
        """
        try:
            message: Message = self._decoder.decode(data)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise ProtocolError(f"message not understood: {error}") from error
        return message


class JsonEncoding:
    """Makes `encode` of a writer, for `Message` structs and whatever else `msgspec` knows."""

    _encoder: ClassVar[msgspec.json.Encoder] = msgspec.json.Encoder()

    def encode(self, message: Any) -> bytes:
        return self._encoder.encode(message)


def farewell(reason: DisconnectReason, detail: str) -> Message | None:
    """What the side that listens says last, when it ends a connection; None when the central task has said it."""
    if reason is DisconnectReason.CLOSED_BY_US:
        return None
    if reason is DisconnectReason.SHUTTING_DOWN:
        return ShuttingDown(detail[:1024])
    return Refused(code=reason.name.lower(), message=detail[:1024])


class JsonMessageReader(JsonDecoding, TcpMessageConnectionReader):
    """Decodes each message as one of the classes of the union `message_type`."""


class JsonMessageWriter(JsonEncoding, TcpMessageConnectionWriter):
    """Encodes `Message` structs. For the side that connects; it ends without a word."""


class JsonServerMessageWriter(JsonMessageWriter):
    """For the side that listens: its heartbeats are `Ping`s, and it says why a connection ends."""

    def encode_goodbye(self, reason: DisconnectReason, detail: str, exception: BaseException | None) -> bytes | None:
        message = farewell(reason, detail)
        return None if message is None else self.encode(message)

    def encode_heartbeat(self) -> bytes:
        return self.encode(Ping())
