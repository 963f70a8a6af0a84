"""ConnMan: connects game clients, which speak JSON over TCP, with games and a matchmaking. Seed document 000.

    import connman

    connman.start()
    addr, message = connman.get_match_message(blocking=True)

These functions belong to one manager for the whole program. For several, make objects of the class `ConnMan`, which has
the same as methods. All of them may be called from any thread, and from any task of a program that uses gevent.
"""

import threading
from collections.abc import Iterable
from typing import Any

from connhandler import ConnectionClosed, ProtocolError, ServiceEnded
from connman.clienthandle import ClientHandle
from connman.listenserver import LIMITS, ListenServer
from connman.manager import ConnMan
from connman.protocol import GameId, Message, Packet
from connman.receiving import recv_all
from connman.switchboard import QueueLimits

__all__ = [
    "LIMITS",
    "ClientHandle",
    "ConnMan",
    "ConnectionClosed",
    "ListenServer",
    "Message",
    "ProtocolError",
    "QueueLimits",
    "ServiceEnded",
    "add_user",
    "client_disconnected",
    "clients",
    "disconnect_client",
    "end_game",
    "get_game_message",
    "get_game_messsage",
    "get_match_message",
    "recv_all",
    "running",
    "send_message",
    "set_rank",
    "start",
    "start_game",
    "stop",
]

_manager: ConnMan | None = None
_starting = threading.Lock()


def start(**options: Any) -> None:
    """Begin to accept clients. Options and exceptions as those of `ConnMan`; it can be started again after `stop`.

    Raises:
        RuntimeError: it is running already.
    """
    global _manager
    with _starting:
        if _manager is not None and not _manager.ended:
            raise RuntimeError("ConnMan was started already")
        manager = ConnMan(**options)
        manager.start()
        _manager = manager


def stop(timeout: float | None = None) -> bool:
    """As `ConnMan.stop`; True when it does not run."""
    return _manager is None or _manager.stop(timeout)


def running() -> ConnMan:
    """The manager that these functions belong to, also when it has ended.

    Raises:
        RuntimeError: it was not started.
    """
    if _manager is None:
        raise RuntimeError("ConnMan was not started")
    return _manager


def client_disconnected(addr: int) -> bool:
    """As `ConnMan.client_disconnected`. Not to be called from outside."""
    return running().client_disconnected(addr)


def disconnect_client(addr: int) -> bool:
    """As `ConnMan.disconnect_client`."""
    return running().disconnect_client(addr)


def send_message(addr: int, message: Packet) -> bool:
    """As `ConnMan.send_message`."""
    return running().send_message(addr, message)


def get_game_message(game_id: GameId, blocking: bool = False, timeout: float | None = None) -> Message | None:
    """As `ConnMan.get_game_message`."""
    return running().get_game_message(game_id, blocking, timeout)


get_game_messsage = get_game_message


def get_match_message(blocking: bool = False, timeout: float | None = None) -> Message | None:
    """As `ConnMan.get_match_message`."""
    return running().get_match_message(blocking, timeout)


def start_game(
    game_id: GameId, clientlist: Iterable[int] | None = None, *, clientList: Iterable[int] | None = None
) -> None:
    """As `ConnMan.start_game`."""
    running().start_game(game_id, clientlist, clientList=clientList)


def end_game(
    game_id: GameId, clientList: Iterable[int] | None = None, *, clientlist: Iterable[int] | None = None
) -> None:
    """As `ConnMan.end_game`."""
    running().end_game(game_id, clientList, clientlist=clientlist)


def clients() -> dict[int, str]:
    """As `ConnMan.clients`."""
    return running().clients()


def set_rank(addr: int, rank: int) -> None:
    """As `ConnMan.set_rank`."""
    running().set_rank(addr, rank)


def add_user(database_url: str, name: str, password: str, rank: int = 0) -> int:
    """Add a user, and return the id. Waits for the database; a manager that has it open hears of it by itself.

    Raises:
        ValueError: the name is taken or none, the password too short or too long, or the URL is none.
        Exception: the database cannot be opened.
    """
    from connman import users  # Not above: it needs the extra.

    return users.add_user(database_url, name, password, rank)
