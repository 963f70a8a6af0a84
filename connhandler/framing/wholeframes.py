"""The plain case of WebSocket, done fast: a whole message in one frame, without extensions (RFC 6455, 5.2).

Everything else (fragments, control frames, mistakes, frames that are not whole yet) is left to
`connhandler.framing.websocketcore`, which knows what to do with it.
"""

import secrets
import struct
from typing import Final

from connhandler.framing.websocketcore import Text, apply_mask

TEXT: Final = 0x81
"""With FIN, and without reserved bits."""
BINARY: Final = 0x82
MASKED: Final = 0x80
LENGTH: Final = 0x7F
SHORT: Final = 126
"""A length from here on takes two bytes of its own, or eight."""
LONG: Final = 127

LENGTH_16 = struct.Struct("!BBH")
LENGTH_64 = struct.Struct("!BBQ")


def take_whole_frames(data: bytes, masked: bool, max_message_bytes: int) -> tuple[list[bytes], int]:
    """Return the messages of the plain frames at the beginning of `data`, and where the first other thing begins.

    Args:
        data: begins with a frame.
        masked: whether the far end has to mask.
        max_message_bytes: the largest message.
    """
    messages: list[bytes] = []
    position, end = 0, len(data)
    mask_bit, mask_size = (MASKED, 4) if masked else (0, 0)
    while end - position >= 2:
        first, second = data[position], data[position + 1]
        if (first != TEXT and first != BINARY) or second & MASKED != mask_bit:
            break
        length, mask_at = second & LENGTH, position + 2
        if length >= SHORT:
            size = 2 if length == SHORT else 8
            length, mask_at = int.from_bytes(data[mask_at : mask_at + size]), mask_at + size
        payload_at = mask_at + mask_size
        next_at = payload_at + length
        if next_at > end or length > max_message_bytes:
            break
        payload = data[payload_at:next_at]
        if masked:
            payload = apply_mask(payload, data[mask_at:payload_at])
        if first == TEXT:
            if not payload.isascii() and not is_utf_8(payload):
                break
            payload = Text(payload)
        messages.append(payload)
        position = next_at
    return messages, position


def encode_whole_frame(payload: bytes, masked: bool) -> bytes:
    """Return a message as one frame: text for a `Text`, else binary."""
    first = TEXT if type(payload) is Text else BINARY
    length, mask_bit = len(payload), MASKED if masked else 0
    if length < SHORT:
        head = bytes((first, mask_bit | length))
    elif length < 1 << 16:
        head = LENGTH_16.pack(first, mask_bit | SHORT, length)
    else:
        head = LENGTH_64.pack(first, mask_bit | LONG, length)
    if not masked:
        return head + payload
    mask = secrets.token_bytes(4)
    return head + mask + apply_mask(payload, mask)


def is_utf_8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True
