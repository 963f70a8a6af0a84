"""Devices that prove who they are: the manager sends a number that it has never sent before, the device answers with
what only its key makes of it. The key never crosses the wire, and an answer that somebody has recorded is worthless.

    auth NONCE          32 hexadecimal digits, from the manager, after the device's info
    auth DIGEST         64 hexadecimal digits, from the device: HMAC-SHA256(key, NONCE + UUID)
"""

import hashlib
import hmac
from collections.abc import Callable, Mapping
from typing import Final

AUTH: Final = b"auth "
NONCE_BITS: Final = 128
DIGEST_DIGITS: Final = 64

Key = bytes | str
"""A text stands for its UTF-8 bytes."""
DeviceKeys = Mapping[str, Key] | Callable[[str], Key | None]
"""By UUID; a function returns None for a device without a key. It may wait: it runs in workers of its own."""


def sign(key: Key, nonce: str, uuid: str) -> str:
    """Return what the device has to answer to a nonce.

    Raises:
        TypeError: the key is neither bytes nor text.
        ValueError: it is empty.
    """
    if not isinstance(key, bytes | str):
        raise TypeError(f"a device's key is bytes or a str, not {type(key).__name__}")
    if not key:
        raise ValueError("a device's key must not be empty")
    return hmac.new(key.encode() if isinstance(key, str) else key, (nonce + uuid).encode(), hashlib.sha256).hexdigest()


def is_signed(digest: bytes, key: Key, nonce: str, uuid: str) -> bool:
    """Whether a device's answer is right. Takes as long for a wrong one as for a right one."""
    return hmac.compare_digest(digest.strip().lower(), sign(key, nonce, uuid).encode())
