"""Who waits for a match with whom. Plain state: no I/O, no clock, no servers.

Players stand in queues, first come first served: one queue for each game and number of players, and one for
each two who name each other. The first so many of a queue are a group that can start a match.
"""

from collections.abc import Iterator
from itertools import islice
from typing import TypeVar

from msgspec import Struct

from login_server.accounts import check_name, fold
from login_server.refusal import Refusal

Key = TypeVar("Key")


class Queue(Struct, frozen=True):
    """What the players of one queue have in common. `pair` is empty, or both names, folded and in order."""

    game: str
    players: int
    pair: tuple[str, ...] = ()


class Wish(Struct):
    """One player's request.

    Attributes:
        asked: the only other player wanted, as this one spells the name, or nothing.
        told: what the player has last been told: how many of the group are here, and why it does not start.
    """

    player: str
    queue: Queue
    asked: str = ""
    told: tuple[int, str] | None = None

    @property
    def partner(self) -> str:
        """The folded name of the only other player wanted, or nothing."""
        return next((name for name in self.queue.pair if name != fold(self.player)), "")


class Matchmaker:
    """Every player has one wish at most, so the wishes are no more than the players who are logged in.

    Attributes:
        wishes: by player, in the order of their coming.
    """

    def __init__(self) -> None:
        self.wishes: dict[str, Wish] = {}
        self._queues: dict[Queue, dict[str, None]] = {}
        self._complete: dict[Queue, None] = {}
        self._wanted_by: dict[str, dict[str, None]] = {}
        self._changed: dict[str, None] = {}

    def add(self, player: str, game: str, players: int, partner: str = "") -> Queue:
        """Let a player wait.

        Raises:
            Refusal: `match_already_wanted` or `bad_partner`.
        """
        if player in self.wishes:
            raise Refusal("match_already_wanted", "you wait for a match already; cancel that first")
        wish = Wish(player, Queue(game, players, _pair(player, players, partner)), partner)
        self.wishes[player] = wish
        queue = self._queues.setdefault(wish.queue, {})
        queue[player] = None
        if len(queue) >= players:
            self._complete[wish.queue] = None
        if wish.partner:
            self._wanted_by.setdefault(wish.partner, {})[player] = None
            self._changed[wish.partner] = None
        return wish.queue

    def cancel(self, player: str) -> tuple[Queue, list[str]]:
        """Let a player wait no more.

        Returns:
            The queue that the player left, and who waits no more because of it: the partner who waited too.

        Raises:
            Refusal: `not_waiting`.
        """
        if player not in self.wishes:
            raise Refusal("not_waiting", "you do not wait for a match")
        queue = self._remove(player)
        left_alone = list(self._queues.get(queue, ())) if queue.pair else []
        for other in left_alone:
            self._remove(other)
        return queue, left_alone

    def drop(self, player: str) -> tuple[Queue | None, list[str]]:
        """A player is gone, whether waiting or not.

        Returns:
            The queue that the player stood in, and all who wanted that player for a partner: they wait no more.
        """
        queue = self._remove(player) if player in self.wishes else None
        left_alone = list(self._wanted_by.get(fold(player), ()))
        for other in left_alone:
            self._remove(other)
        return queue, left_alone

    def wanting(self, player: str) -> Iterator[Wish]:
        """The wishes of those who want this player, in whatever case, for a partner: the first to come first."""
        return (self.wishes[other] for other in self._wanted_by.get(fold(player), ()))

    @property
    def wanted_changed(self) -> bool:
        """Whether `take_wanted_changes` has anything to give."""
        return bool(self._changed)

    def take_wanted_changes(self) -> list[str]:
        """The folded names of those of whom others want something else than when this was last asked."""
        names = list(self._changed)
        self._changed.clear()
        return names

    def complete(self) -> list[Queue]:
        """The queues that hold a whole group, in the order in which they came to."""
        return list(self._complete)

    def first_group(self, queue: Queue) -> list[str]:
        """The players whose turn it is, fewer than wanted when there are no more."""
        return list(islice(self._queues.get(queue, ()), queue.players))

    def take(self, players: list[str]) -> None:
        """They have their match."""
        for player in players:
            self._remove(player)

    def news(self, queue: Queue, reason: str = "", lacking: str = "") -> Iterator[tuple[str, int, str]]:
        """For each player of a queue to whom there is something new to tell: the player, how many of the player's
        group are here, and why it does not start.

        Args:
            reason: why the first group, if it is whole, does not start; so it is with those behind it.
            lacking: why the last group is not whole, where there is more to say than that players are missing.
        """
        names = self._queues.get(queue, {})
        count = len(names)
        whole = count - count % queue.players
        first = next(iter(names), "")
        # Once the first has been told the reason, only the last two groups can have changed.
        informed = whole and self.wishes[first].told == (queue.players, reason)
        latest = islice(reversed(names), 2 * queue.players if informed else count)
        for index, player in enumerate(latest, 1):
            told = (queue.players, reason) if count - index < whole else (count - whole, lacking)
            if self.wishes[player].told != told:
                self.wishes[player].told = told
                yield player, *told

    def _remove(self, player: str) -> Queue:
        wish = self.wishes.pop(player)
        queue = wish.queue
        _discard(self._queues, queue, player)
        if len(self._queues.get(queue, ())) < queue.players:
            self._complete.pop(queue, None)
        if wish.partner:
            _discard(self._wanted_by, wish.partner, player)
            self._changed[wish.partner] = None
        return queue


def _pair(player: str, players: int, partner: str) -> tuple[str, ...]:
    if not partner:
        return ()
    if players != 2:
        raise Refusal("bad_partner", "only a match of two can be with a named partner")
    try:
        check_name(partner)
    except Refusal as refusal:
        raise Refusal("bad_partner", f"nobody can be named {partner!r}") from refusal
    if fold(partner) == fold(player):
        raise Refusal("bad_partner", "you cannot be your own partner")
    return tuple(sorted((fold(player), fold(partner))))


def _discard(groups: dict[Key, dict[str, None]], key: Key, player: str) -> None:
    del groups[key][player]
    if not groups[key]:
        del groups[key]
