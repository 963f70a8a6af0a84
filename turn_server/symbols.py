"""The numbers of the turn server's text protocol: what a client asks, what it is told, and each error.

A request is `symbol,data,key,player,counter` and begins with an `IncomingSymbol`. A reply is
`0/<OutgoingSymbol>/<data>` when the request was done, and `<ErrorSymbol>/<detail>/*` when it was not.
"""

import enum
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final


# incoming symbols
class IncomingSymbol(enum.IntEnum):
    """The first field of a request: what the client wants, and what the data means."""

    NOTIFY_REGISTER = 0
    """Register; the data is a user name, the player field the wanted partner or ``*``."""

    NOTIFY_UNREGISTER = 1
    """Take the registration back."""

    NOTIFY_REQUEST_PAIR = 2
    """Ask to be paired with another player."""

    NOTIFY_MAP_INIT = 3
    """Paired: ask which side sets the game up."""

    NOTIFY_MAP_READY = 4
    """The game is set up here; wait for the partner, then play."""

    NOTIFY_GAME_QUIT = 5
    """Leave the game."""

    NOTIFY_GAME_UPDATE = 6
    """Pass the data to the partner, and give what the partner has sent."""


# outgoing symbols
class OutgoingSymbol(enum.IntEnum):
    """The second field of a reply that begins with ``0/``: what has been done."""

    C_MSG_REGISTER_OK = 0
    """Registered; the data is the pairing key."""

    C_MSG_UNREGISTER_OK = 1
    """Unregistered, or out of the game."""

    C_MSG_PAIRING = 2
    """No partner yet: ask again."""

    C_MSG_START_SERVER = 3
    """Paired, as the side that sets the game up; the data is the partner's name."""

    C_MSG_START_CLIENT = 4
    """Paired, as the other side; the data is the partner's name."""

    C_MSG_INIT_SERVER = 5
    """Set the game up as server."""

    C_MSG_INIT_CLIENT = 6
    """Set the game up as client."""

    C_MSG_PARTNER_LOAD = 7
    """The partner is still loading: ask again."""

    C_MSG_START_PLAY = 8
    """Play; the data is ``<game key>|<player 0 or 1>``."""

    C_MSG_GAME_DATA = 9
    """The data is what the partner has sent, joined with ``|``."""

    C_MSG_GAME_NO_DATA = 10
    """The partner has sent nothing that has not been released."""


class ErrorSymbol(enum.IntEnum):
    """The first field of a reply to a request that was refused."""

    CONTENT_LENGTH = 1
    NO_DATA = 2
    NO_ADDRESS = 3
    FORMAT = 4
    NOT_REGISTERED = 5
    REGISTER_SYMBOL = 6
    REGISTER_FAILED = 7
    KEEP_ALIVE_FAILED = 8
    PARTNER_DROPPED = 9
    DROPPED = 10
    PAIRING_KEYS_USED_UP = 11
    GAME_KEYS_USED_UP = 12
    NO_GAME = 13
    NO_PLAYER = 14
    PARTNER_GONE = 15
    PARTNER_NAME = 16
    NAMED_PARTNER_DROPPED = 17
    COUNTER_BEHIND = 18
    COUNTER_AHEAD = 19
    CONTENT_TOO_LONG = 20
    CACHE_FULL = 21


class FormatDetail(enum.IntEnum):
    """The second field of a reply ``4/…/*``: which part of the request is not as it must be."""

    SYMBOL = 0
    PLAYER_KEY = 1
    COUNTER = 2
    REGISTER_KEY = 3


ERROR_TEXTS: Final[Mapping[ErrorSymbol, str]] = MappingProxyType(
    {
        ErrorSymbol.CONTENT_LENGTH: "bad content length",
        ErrorSymbol.NO_DATA: "no data",
        ErrorSymbol.NO_ADDRESS: "no address",
        ErrorSymbol.FORMAT: "format",
        ErrorSymbol.NOT_REGISTERED: "not registered",
        ErrorSymbol.REGISTER_SYMBOL: "bad register symbol",
        ErrorSymbol.REGISTER_FAILED: "register failed",
        ErrorSymbol.KEEP_ALIVE_FAILED: "keep-alive failed",
        ErrorSymbol.PARTNER_DROPPED: "partner dropped",
        ErrorSymbol.DROPPED: "dropped",
        ErrorSymbol.PAIRING_KEYS_USED_UP: "pairing keys used up",
        ErrorSymbol.GAME_KEYS_USED_UP: "game keys used up",
        ErrorSymbol.NO_GAME: "no game",
        ErrorSymbol.NO_PLAYER: "no such player",
        ErrorSymbol.PARTNER_GONE: "partner gone",
        ErrorSymbol.PARTNER_NAME: "bad partner name",
        ErrorSymbol.NAMED_PARTNER_DROPPED: "named partner dropped",
        ErrorSymbol.COUNTER_BEHIND: "counter behind",
        ErrorSymbol.COUNTER_AHEAD: "counter ahead",
        ErrorSymbol.CONTENT_TOO_LONG: "content too long",
        ErrorSymbol.CACHE_FULL: "cache full",
    }
)
"""What each error means, in words: for log lines and statistics, never sent."""

ANY: Final = "*"
"""Stands where a field has nothing to say; at registration, "anybody" and "the usual wait"."""

LONG_WAIT_KEY: Final = "bibbybabbis"
"""The register key of somebody who debugs: the long wait between requests."""

JOINT: Final = "|"
"""Stands between what the partner sent in one request and in the next, and between game key and player."""

MAX_BODY_BYTES: Final = 16 * 1024
"""The longest request body that is taken; a longer one is answered with `ErrorSymbol.CONTENT_TOO_LONG`."""
