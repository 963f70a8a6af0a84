"""What those hear who are not here any more: a bounded memory of keys that were good once.

Without it, a player who was dropped would hear "not registered", and one whose last reply was lost would never hear
what it was.
"""

from typing import Final

from connhandler.http import HttpResponse
from turn_server.protocol import NOT_REGISTERED, UNREGISTERED
from turn_server.symbols import IncomingSymbol

LEAVING: Final = (IncomingSymbol.NOTIFY_UNREGISTER, IncomingSymbol.NOTIFY_GAME_QUIT)


class Departed:
    """The last `size` departures, by key.

    Args:
        size: the oldest is forgotten for each that is one too many.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._farewells: dict[bytes, HttpResponse] = {}

    def __contains__(self, key: object) -> bool:
        return key in self._farewells

    def add(self, key: bytes, farewell: HttpResponse) -> None:
        """Remember what this key is answered from now on; `UNREGISTERED` for one that was given back."""
        farewells = self._farewells
        if key not in farewells and len(farewells) >= self._size:
            del farewells[next(iter(farewells))]
        farewells[key] = farewell

    def answer(self, symbol: IncomingSymbol, key: bytes, unknown: HttpResponse = NOT_REGISTERED) -> HttpResponse:
        """Return what is answered to a request with this key; `unknown` if it was never good, or that is forgotten."""
        farewell = self._farewells.get(key, unknown)
        if farewell is UNREGISTERED and symbol not in LEAVING:
            return unknown
        return farewell

    def plain(self) -> dict[str, str]:
        """All of it, as values that JSON knows."""
        return {key.decode(): farewell.body.decode() for key, farewell in self._farewells.items()}
