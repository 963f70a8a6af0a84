"""What a device says about itself: `UUID##type##data`, where the data is a JSON object (seed document 003)."""

import json
from collections.abc import Container
from typing import Any, Final

from connhandler.framing.jsonstream import JsonObjectScanner, skip_space
from iot_manager.errors import InvalidInfo

DELIMITER: Final = b"##"
UUID_CHARACTERS: Final = 36
SHOWN: Final = 80


class Data:
    """Who a device is. Its members are there to be read.

    Args:
        client_uuid: 36 characters that no other device has. (The seed document also says 32 bytes, and means this.)
        client_type: one of the manager's `valid_types`.
        client_data: whatever else it says.

    Attributes:
        uuid: `client_uuid`.
        type: `client_type`.
        data: `client_data`.
    """

    __slots__ = ("data", "type", "uuid")

    def __init__(self, client_uuid: str, client_type: str, client_data: dict[str, Any]) -> None:
        self.uuid = client_uuid
        self.type = client_type
        self.data = client_data

    def get(self) -> dict[str, Any]:
        """Return it as a dict that JSON knows, for other programs."""
        return {"uuid": self.uuid, "type": self.type, "data": self.data}

    def __repr__(self) -> str:
        return f"Data({self.uuid!r}, {self.type!r}, {self.data!r})"


def parse_info(info: bytes, valid_types: Container[str] | None = None) -> Data:
    """Return what `UUID##type##json` says. Only the first two `##` count.

    Args:
        info: the whole message.
        valid_types: those that a device may be of; None for any.

    Raises:
        InvalidInfo: it is not of this form; says where.
    """
    fields = info.split(DELIMITER, 2)
    if len(fields) != 3:
        raise InvalidInfo(f"not UUID##type##data, but {shown(info)}")
    try:
        uuid, device_type = fields[0].decode(), fields[1].decode()
        text = fields[2].decode()
    except UnicodeDecodeError as error:
        raise InvalidInfo(f"not UTF-8: {shown(info)}") from error
    if len(uuid) != UUID_CHARACTERS:
        raise InvalidInfo(f"a UUID of {len(uuid)} characters in place of {UUID_CHARACTERS}: {shown(fields[0])}")
    if not uuid.isprintable():
        raise InvalidInfo(f"a UUID that cannot be printed: {shown(fields[0])}")
    if valid_types is not None and device_type not in valid_types:
        raise InvalidInfo(f"type {shown(fields[1])} is not one of the valid types")
    return Data(uuid, device_type, _parse_object(fields[2], text))


def _parse_object(data: bytes, text: str) -> dict[str, Any]:
    """Raises:
    InvalidInfo: it is no JSON object, or one that is nested too deep.
    """
    begin = skip_space(data)
    scanner = JsonObjectScanner()
    end = scanner.scan(data, begin)
    if scanner.error is not None:
        raise InvalidInfo(f"the data is not a JSON object: {scanner.error}")
    if scanner.depth or begin == end:
        raise InvalidInfo(f"the data is not a whole JSON object: {shown(data)}")
    try:
        value: dict[str, Any] = json.loads(text)
        # NaN, numbers beyond all bounds, halves of characters: one such device, and no other program could read a list
        # in which it stands.
        json.dumps(value, allow_nan=False, ensure_ascii=False).encode()
    except ValueError as error:
        raise InvalidInfo(f"the data is not JSON: {error}") from error
    return value


def shown(data: bytes) -> str:
    """Return bytes of a device for a log line: no line of the log is its to write."""
    text = ascii(data.decode(errors="replace")) if len(data) <= SHOWN else ascii(data[:SHOWN].decode(errors="replace"))
    return text if len(data) <= SHOWN else f"{text}…"
