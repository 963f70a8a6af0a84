"""The text of requests and replies, as bytes: taken apart and put together here, and nowhere else.

A request's body is `symbol,data,key,player,counter`. The first field and the last three are fields; what lies between,
commas and all, is the data. A reply is `0/<symbol>/<data>` with status 200, or `<error>/<detail>/*` with status 400.

Nothing here looks into the data, or asks that it be text: it is passed on as the bytes that came.
"""

from typing import Final

from connhandler.http import HttpResponse
from turn_server.symbols import ANY, LONG_WAIT_KEY, ErrorSymbol, FormatDetail, IncomingSymbol, OutgoingSymbol

CONTENT_TYPE: Final = "text/plain; charset=utf-8"
NOTHING: Final = ANY.encode()
LONG_WAIT: Final = LONG_WAIT_KEY.encode()
REGISTER_KEYS: Final = (NOTHING, LONG_WAIT)

MAX_NAME_BYTES: Final = 256
MAX_COUNTER_DIGITS: Final = 18

PLAYER_NUMBERS: Final = (b"0", b"1")
"""What a player sends as the player field once the game has begun."""


Request = tuple[bytes, bytes, bytes, bytes, bytes]
"""The five fields of a request: symbol, data, key, player, counter."""


def parse_request(body: bytes) -> Request | None:
    """Return the fields of a request, or None if there are fewer than five."""
    symbol, _, rest = body.partition(b",")
    fields = rest.rsplit(b",", 3)
    return (symbol, fields[0], fields[1], fields[2], fields[3]) if len(fields) == 4 else None


def done(symbol: OutgoingSymbol, data: bytes = NOTHING) -> HttpResponse:
    """Return the reply to a request that was done."""
    return HttpResponse(200, b"0/%d/%b" % (symbol, data), CONTENT_TYPE)


def refused(symbol: ErrorSymbol, detail: bytes = NOTHING) -> HttpResponse:
    """Return the reply to a request that was not."""
    return HttpResponse(400, b"%d/%b/%b" % (symbol, detail, NOTHING), CONTENT_TYPE)


def malformed(detail: FormatDetail) -> HttpResponse:
    return refused(ErrorSymbol.FORMAT, b"%d" % detail)


def is_name(name: bytes) -> bool:
    """Whether somebody can have this name, and be wanted by it."""
    return 0 < len(name) <= MAX_NAME_BYTES and name != NOTHING


# Replies that are always the same are made once.
UNREGISTERED: Final = done(OutgoingSymbol.C_MSG_UNREGISTER_OK)
PAIRING: Final = done(OutgoingSymbol.C_MSG_PAIRING)
INIT_SERVER: Final = done(OutgoingSymbol.C_MSG_INIT_SERVER, b"")
INIT_CLIENT: Final = done(OutgoingSymbol.C_MSG_INIT_CLIENT, b"")
PARTNER_LOADS: Final = done(OutgoingSymbol.C_MSG_PARTNER_LOAD)
NO_GAME_DATA: Final = done(OutgoingSymbol.C_MSG_GAME_NO_DATA)

BAD_CONTENT_LENGTH: Final = refused(ErrorSymbol.CONTENT_LENGTH)
NO_DATA: Final = refused(ErrorSymbol.NO_DATA)
NO_ADDRESS: Final = refused(ErrorSymbol.NO_ADDRESS)
BAD_SYMBOL: Final = malformed(FormatDetail.SYMBOL)
BAD_PLAYER_KEY: Final = malformed(FormatDetail.PLAYER_KEY)
BAD_COUNTER: Final = malformed(FormatDetail.COUNTER)
BAD_REGISTER_KEY: Final = malformed(FormatDetail.REGISTER_KEY)
NOT_REGISTERED: Final = refused(ErrorSymbol.NOT_REGISTERED)
BAD_REGISTER_SYMBOL: Final = refused(ErrorSymbol.REGISTER_SYMBOL)
REGISTER_FAILED: Final = refused(ErrorSymbol.REGISTER_FAILED)
KEEP_ALIVE_FAILED: Final = refused(ErrorSymbol.KEEP_ALIVE_FAILED)
PARTNER_DROPPED: Final = refused(ErrorSymbol.PARTNER_DROPPED, b"%d" % IncomingSymbol.NOTIFY_REQUEST_PAIR)
DROPPED: Final = refused(ErrorSymbol.DROPPED)
PAIRING_KEYS_USED_UP: Final = refused(ErrorSymbol.PAIRING_KEYS_USED_UP)
GAME_KEYS_USED_UP: Final = refused(ErrorSymbol.GAME_KEYS_USED_UP)
NO_GAME: Final = refused(ErrorSymbol.NO_GAME)
NO_PLAYER: Final = refused(ErrorSymbol.NO_PLAYER)
PARTNER_GONE: Final = refused(ErrorSymbol.PARTNER_GONE)
BAD_PARTNER_NAME: Final = refused(ErrorSymbol.PARTNER_NAME)
NAMED_PARTNER_DROPPED: Final = refused(ErrorSymbol.NAMED_PARTNER_DROPPED)
COUNTER_BEHIND: Final = refused(ErrorSymbol.COUNTER_BEHIND)
COUNTER_AHEAD: Final = refused(ErrorSymbol.COUNTER_AHEAD)
TOO_LONG: Final = refused(ErrorSymbol.CONTENT_TOO_LONG)
