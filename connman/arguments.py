"""What callers give: checked where they can see it, with a mistake told in words."""

from collections.abc import Container, Iterable
from typing import Any

from connman import protocol
from connman.protocol import GameId


def is_there(name: str, key: Any, present: Container[Any], departed: Container[Any]) -> bool:
    """Return whether it is present, while the central task may be at changing just that: it adds before it removes.

    Raises:
        KeyError: it is neither present nor departed.
    """
    if key in present:
        return True
    if key in departed:
        return False
    if key in present:  # It has come back between the two looks.
        return True
    raise KeyError(f"there is no {name}")


def check_game_id(game_id: Any) -> GameId:
    """Raises:
    TypeError: it is none.
    """
    if not protocol.is_game_id(game_id):
        raise TypeError(f"a game_id is an integer (or another number, or a text), not {game_id!r}")
    known: GameId = game_id
    return known


def check_client_id(addr: Any) -> int:
    """Raises:
    TypeError: it is none.
    """
    if not isinstance(addr, int) or isinstance(addr, bool):
        raise TypeError(f"a client's id is an integer, not {addr!r}")
    return addr


def check_clients(*given: Iterable[int] | None) -> list[int]:
    """Return the ids, given under one of two names.

    Raises:
        TypeError: under none or both, or they are no ids.
    """
    lists = [client_ids for client_ids in given if client_ids is not None]
    if len(lists) != 1:
        raise TypeError("expected the ids of the game's clients, once")
    if isinstance(lists[0], str | bytes) or not isinstance(lists[0], Iterable):
        raise TypeError(f"expected the ids of the game's clients, not {lists[0]!r}")
    return [check_client_id(addr) for addr in lists[0]]
