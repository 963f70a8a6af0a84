"""What ConnMan says by itself, to clients and to the program, and how packets become bytes.

A packet is a JSON object. What games and their clients say to each other is theirs to define; ConnMan looks at
`game_id` and at `Queue`. `docs/connman.md` has every packet byte by byte.
"""

import json
import re
from typing import Any, Final, NamedTuple

import msgspec

from connhandler.framing.jsonstream import MAX_DEPTH, JsonObjectScanner, skip_space

Packet = dict[str, Any]

GameId = int | float | str
"""Integers, as the seed document has them; existing programs use the time of day. `1` and `1.0` are the same game."""

CONTROL: Final = "CONTROL"
BROADCAST: Final = "BROADCAST"

MAX_GAME_ID_BYTES: Final = 1_000
"""In JSON; what is longer names no game."""

_NULL: Final = b"null"
_LONG_NUMBER: Final = re.compile(rb"[0-9]{1000}")
"""What may be too much for any decoder, unless it is text."""


class _Routing(msgspec.Struct):
    Queue: msgspec.Raw = msgspec.Raw(_NULL)
    game_id: msgspec.Raw = msgspec.Raw(_NULL)


class _Login(msgspec.Struct):
    user: str
    password: str = msgspec.field(name="pass")


_ENCODER = msgspec.json.Encoder()
_DECODER = msgspec.json.Decoder()
_ROUTER = msgspec.json.Decoder(_Routing)
_LOGIN_DECODER = msgspec.json.Decoder(_Login)


class Message(NamedTuple):
    """What comes out of a queue: who it is from, or about, and the packet. A plain `(addr, dict)` tuple, too."""

    addr: int
    packet: Packet


class Refused(Exception):
    """What a client asked is not done. The client is told so in an error packet, and stays.

    Attributes:
        code: for programs, like `not_in_game`.
        message: for people, a sentence without its full stop.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


def encode(packet: Packet) -> bytes:
    """Return the bytes of one packet.

    Raises:
        TypeError: it is no dict, or JSON has no form for something in it.
        ValueError: it refers to itself, or is nested too deeply.
    """
    if not isinstance(packet, dict):
        raise TypeError(f"a message is a dict, not {type(packet).__name__}")
    try:
        return _ENCODER.encode(packet)
    except RecursionError as error:
        raise ValueError("the message is nested too deeply for JSON, or contains itself") from error


def decode(data: bytes) -> Any:
    """Return what JSON these bytes are. Takes some hundred milliseconds for a megabyte of many small things.

    Raises:
        ValueError: they are none.
    """
    try:
        return _DECODER.decode(data)
    except UnicodeDecodeError as error:
        raise ValueError("not UTF-8") from error
    except msgspec.ValidationError:
        return json.loads(data)  # A number is too large for msgspec.
    except (msgspec.DecodeError, RecursionError) as error:
        raise ValueError(str(error)) from error


def route(data: bytes) -> tuple[bool, Any]:
    """Look where a packet wants to go. What else is in it is checked, but not made into objects: that is for the thread
    that takes it. Until then, a packet costs no more memory than its bytes, and a refused one hardly any time.

    Returns:
        whether it is for the matchmaking, and its `game_id`, or None.

    Raises:
        ValueError: it is no JSON object; else `decode` succeeds.
    """
    try:
        routing = _ROUTER.decode(data)
    except msgspec.ValidationError as error:
        raise ValueError("not an object") from error
    except (msgspec.DecodeError, RecursionError) as error:
        raise ValueError(str(error)) from error
    if not data.isascii():
        _check_utf_8(data)
    if _LONG_NUMBER.search(data):
        decode(data)
    game_id = routing.game_id
    return bytes(routing.Queue) != _NULL, decode(bytes(game_id)) if len(game_id) <= MAX_GAME_ID_BYTES else False


def check_depth(data: bytes) -> None:
    """Hold packets that come as lines to what `JsonObjectDecoder` allows on a stream.

    How deep a decoder can go depends on how deep its caller is already: what the hub could just decode, the thread that
    takes the packet may not.

    Args:
        data: a packet that has been routed.

    Raises:
        ProtocolError: it is nested too deeply.
    """
    if data.count(b"{") + data.count(b"[") > MAX_DEPTH:
        scanner = JsonObjectScanner()
        scanner.scan(data, skip_space(data))
        if scanner.error is not None:
            raise scanner.error


def parse_login(data: bytes) -> tuple[str, str]:
    """Return user and password.

    Raises:
        ValueError: they are not both there, as texts.
    """
    try:
        login = _LOGIN_DECODER.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ValueError("a login has the texts 'user' and 'pass'") from error
    return login.user, login.password


def _check_utf_8(data: bytes) -> None:
    try:
        data.decode()
    except UnicodeDecodeError as error:
        raise ValueError("not UTF-8") from error


def is_game_id(value: Any) -> bool:
    return isinstance(value, int | float | str) and not isinstance(value, bool) and value == value


# --- to clients -------------------------------------------------------------------------------------------------------
# With both keys, since older clients look for `packet_type`; and flat, since these take any brace for a packet's end.

_WITHOUT_BRACES: Final = str.maketrans("{}", "()")


def login_request() -> Packet:
    return {"type": CONTROL, "packet_type": CONTROL, "subtype": "loginRequest"}


def login_accept(client_id: int) -> Packet:
    return {"type": CONTROL, "packet_type": CONTROL, "subtype": "loginAccept", "id": client_id}


def login_deny(code: str, message: str) -> Packet:
    return {"type": CONTROL, "packet_type": CONTROL, "subtype": "loginDeny", "code": code, "message": message}


def farewell(client_id: int) -> Packet:
    """To a client that is, or is being, disconnected."""
    return {"type": CONTROL, "packet_type": CONTROL, "subtype": "DC", "player_id": client_id}


def error(code: str, message: str, client_id: int | None = None, game_id: Any = None) -> Packet:
    """To a client: something was not done. Without a `game_id` where the message that it answers had none."""
    text = message.translate(_WITHOUT_BRACES)
    packet: Packet = {"type": CONTROL, "packet_type": CONTROL, "subtype": "ERROR", "code": code, "message": text}
    if client_id is not None:
        packet["player_id"] = client_id
    if is_game_id(game_id):
        packet["game_id"] = game_id
    return packet


# --- to the program ---------------------------------------------------------------------------------------------------


def connected(client_id: int, rank: int) -> Packet:
    return {"type": CONTROL, "subtype": "C", "player_id": client_id, "rank": rank}


def disconnected(client_id: int) -> Packet:
    return {"type": CONTROL, "subtype": "DC", "player_id": client_id}
