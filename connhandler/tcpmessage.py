"""Messages over TCP in chunks with a 16-bit length: subclass and implement only `decode`, only `encode`.

The format is described in `connhandler.framing.chunks`, and byte by byte in `docs/protocols.md`.
"""

import gevent.socket

from connhandler.connection import StreamConnectionWriter
from connhandler.framed import FramedConnectionReader
from connhandler.framing.chunks import ByteOrder, ChunkDecoder, check_chunk_format, encode_chunks
from connhandler.limits import MAX_CHUNK_SIZE


class ChunkFormat:
    """The three settings of the format, which both ends must agree on.

    A subclass of the reader or writer may set them as class attributes instead of passing the arguments.

    Args:
        sock: the connection's socket.
        max_message_size: the size of a full chunk in bytes, 1 to 65535. Not the largest message: that is
            `Limits.max_message_bytes`. The name is the seed document's.
        byte_order: of the length, `"little"` or `"big"`.
        separate_chunks: the plain rule, for peers that know no other: one `receive` for each chunk.

    Raises:
        ValueError: one of the arguments is none of these.
    """

    max_message_size: int = MAX_CHUNK_SIZE
    byte_order: ByteOrder = "little"
    separate_chunks: bool = False

    def __init__(
        self,
        sock: gevent.socket.socket,
        max_message_size: int | None = None,
        *,
        byte_order: ByteOrder | None = None,
        separate_chunks: bool | None = None,
    ) -> None:
        super().__init__(sock)  # type: ignore[call-arg]  # the reader or writer that this is mixed into
        if max_message_size is not None:
            self.max_message_size = max_message_size
        if byte_order is not None:
            self.byte_order = byte_order
        if separate_chunks is not None:
            self.separate_chunks = separate_chunks
        check_chunk_format(self.max_message_size, self.byte_order)


class TcpMessageConnectionReader(ChunkFormat, FramedConnectionReader):
    """Receives messages in chunks. Subclasses implement `decode`. Arguments as for `ChunkFormat`."""

    def create_framing(self) -> ChunkDecoder:
        return ChunkDecoder(self.max_message_size, self.byte_order, self.separate_chunks, self.limits.max_message_bytes)


class TcpMessageConnectionWriter(ChunkFormat, StreamConnectionWriter):
    """Sends messages in chunks. Subclasses implement `encode`. Arguments as for `ChunkFormat`."""

    def frame(self, data: bytes) -> bytes:
        """Return the bytes on the wire of one encoded message.

        Raises:
            ValueError: the message is empty.
        """
        return encode_chunks(data, self.max_message_size, self.byte_order, self.separate_chunks)
