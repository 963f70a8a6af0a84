"""Messages in chunks, each after a 16-bit length (seed document 001, "Adding a connection handler").

A message goes out in chunks of at most `max_message_size` bytes. A length of 0 means a full chunk. Two rules
exist for what a full chunk says about the message:

* joined (the default): 0 means *full, and the message goes on*; a last chunk that is full carries its length
  literally. Every message arrives as it was sent.
* separate chunks: 0 for every full chunk, and each chunk is handed out by itself. That is the plain rule, for
  peers that know no other; it has no end marker, so a message of several chunks arrives in pieces.
"""

import struct
from typing import Final, Literal

from connhandler.errors import ProtocolError
from connhandler.limits import MAX_CHUNK_SIZE

ByteOrder = Literal["little", "big"]

LENGTH: Final[dict[str, struct.Struct]] = {"little": struct.Struct("<H"), "big": struct.Struct(">H")}


def check_chunk_format(max_message_size: int, byte_order: str) -> None:
    """Raises:
    ValueError: `max_message_size` is not 1 to 65535, or `byte_order` not `"little"` or `"big"`.
    """
    if not 1 <= max_message_size <= MAX_CHUNK_SIZE:
        raise ValueError(f"max_message_size must be 1 to {MAX_CHUNK_SIZE}, not {max_message_size}")
    if byte_order not in LENGTH:
        raise ValueError(f"byte_order must be 'little' or 'big', not {byte_order!r}")


def encode_chunks(
    message: bytes,
    max_message_size: int = MAX_CHUNK_SIZE,
    byte_order: ByteOrder = "little",
    separate_chunks: bool = False,
) -> bytes:
    """Return the bytes of one message on the wire.

    Raises:
        ValueError: the message is empty, which this format cannot express.
    """
    size = len(message)
    pack = LENGTH[byte_order].pack
    if 0 < size < max_message_size:
        return pack(size) + message
    if size == 0:
        raise ValueError("an empty message cannot be sent in 16-bit chunks")
    parts = []
    for start in range(0, size, max_message_size):
        chunk = message[start : start + max_message_size]
        full = len(chunk) == max_message_size
        last = start + len(chunk) == size
        parts.append(pack(0 if full and (separate_chunks or not last) else len(chunk)))
        parts.append(chunk)
    return b"".join(parts)


class ChunkDecoder:
    """The receiving half.

    Args:
        max_message_size: the size of a full chunk, in bytes.
        byte_order: of the 16-bit length.
        separate_chunks: hand out each chunk by itself, as the plain rule has it.
        max_message_bytes: the largest joined message; a longer one is an error before it is stored.
    """

    def __init__(
        self,
        max_message_size: int = MAX_CHUNK_SIZE,
        byte_order: ByteOrder = "little",
        separate_chunks: bool = False,
        max_message_bytes: int = 1024 * 1024,
    ) -> None:
        check_chunk_format(max_message_size, byte_order)
        self.error: ProtocolError | None = None
        self._full = max_message_size
        self._separate = separate_chunks
        self._max_message_bytes = max_message_bytes
        self._unpack = LENGTH[byte_order].unpack_from
        self._rest = b""
        self._parts: list[bytes] = []
        self._parts_size = 0

    @property
    def mid_message(self) -> bool:
        return bool(self._rest or self._parts)

    def receive_data(self, data: bytes) -> list[bytes]:
        messages: list[bytes] = []
        if self.error:
            return messages
        if self._rest:
            data = self._rest + data
        position, end = 0, len(data)
        while end - position >= 2:
            (length,) = self._unpack(data, position)
            size = length or self._full
            if size > self._full or self._parts_size + size > self._max_message_bytes:
                self.error = self._too_large(size)
                break
            start = position + 2
            position = start + size
            if position > end:
                position = start - 2
                break
            chunk = data[start:position]
            if self._separate or (length and not self._parts):
                messages.append(chunk)
            elif length:
                self._parts.append(chunk)
                messages.append(b"".join(self._parts))
                self._parts = []
                self._parts_size = 0
            else:
                self._parts.append(chunk)
                self._parts_size += size
        self._rest = data[position:]
        return messages

    def _too_large(self, size: int) -> ProtocolError:
        if size > self._full:
            return ProtocolError(f"a chunk of {size} bytes where {self._full} is the most")
        return ProtocolError(f"a message of more than {self._max_message_bytes} bytes")
