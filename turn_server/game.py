"""Two players, and what each has sent and the other has not released yet.

No data is lost, and none doubled, whichever requests and replies are lost, for a client that repeats a request without
a reply as it was, and counts on after each reply:

* A request with the counter of the one before repeats it: it is shown the same data again, and what has come since. Its
  own data is passed on unless it is that of the request before.
* One with the next counter releases what was shown.
* One that is older or newer is refused, so that a request that was held up somewhere cannot come twice.
  (It can do harm until the next one comes: what its reply shows in addition is released unseen. A client does not
  repeat a request while the connection of the one before is still open.)
* When the data does not fit into what is kept for the partner, or the partner's data did not fit into what is kept
  here, the reply is an error, which brings what is here all the same. It counts as a reply; the next request, with the
  next counter, brings the same data again, which is passed on unless it was already.

No data, and `*` alone, say nothing: they are not passed on.
"""

from typing import Any, Final

from connhandler.http import HttpResponse
from turn_server.player import Player
from turn_server.protocol import CONTENT_TYPE, COUNTER_AHEAD, COUNTER_BEHIND, NO_GAME_DATA, NOTHING, refused
from turn_server.symbols import ErrorSymbol, OutgoingSymbol

GAME_DATA: Final = b"0/%d/" % OutgoingSymbol.C_MSG_GAME_DATA


class Game:
    """Passes data between two players.

    Attributes:
        key: known to both.
        players: player 0 and player 1, who send these numbers.
    """

    __slots__ = ("_by_number", "key", "players")

    def __init__(self, key: bytes, players: tuple[Player, Player]) -> None:
        self.key = key
        self.players = players
        self._by_number = {b"0": players[0], b"1": players[1]}

    def player(self, number: bytes) -> Player | None:
        """Return the player who sends this number, if that is one of the two and has not left."""
        return self._by_number.get(number)

    def update(self, player: Player, counter: int, data: bytes) -> HttpResponse | None:
        """Pass the data on, and return what the partner has sent.

        Returns:
            None when the partner has left and nothing of what it sent is left. Data to such a partner goes nowhere.
        """
        inbox, step = player.inbox, counter - player.counter
        if step == 1:
            player.counter = counter
            inbox.release()
            if not player.overflowed:
                player.taken = None
        elif step:
            return COUNTER_BEHIND if step < 0 else COUNTER_AHEAD
        partner = self.players[1 - player.number]
        player.overflowed = inbox.full
        if data and data != NOTHING and data != player.taken and partner.left is None:
            if partner.inbox.put(data):
                player.taken = data
            else:
                player.overflowed = True
        if player.overflowed:
            return refused(ErrorSymbol.CACHE_FULL, inbox.show())
        if inbox.block:
            return HttpResponse(200, GAME_DATA + inbox.show(), CONTENT_TYPE)
        return NO_GAME_DATA if partner.left is None else None

    def leave(self, player: Player, farewell: HttpResponse) -> None:
        """One player plays no more, and hears this from now on."""
        player.left = farewell
        del self._by_number[b"%d" % player.number]

    def plain(self) -> dict[str, Any]:
        """All of it, as values that JSON knows."""
        return {"key": self.key.decode(), "players": [player.plain() for player in self.players]}
