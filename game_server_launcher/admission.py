"""Who may stay in a game that checks no tickets itself: plain state in, a decision out. No I/O, no clock.

A game console shows who is there by name and address; the login server has said who has a seat. A client is checked
once, when it is first seen in the game: who was let in stays as long as the connection does, whatever becomes of the
seat.
"""

import ipaddress
from collections.abc import Iterable, Mapping

import msgspec

from game_server_launcher.gametables import Admission
from game_server_launcher.servers import Client, Seat

MAX_NAME_BYTES = 15
"""Of a player's name in Teeworlds, which cuts longer ones; a name at the login server may have more."""

NO_SEAT = "you have no seat here: join through the login server, under the name that you have there"
OTHER_ADDRESS = "your seat here is for another address: join through the login server, from where you play"
HERE_ALREADY = "a player of this name is here already"


class Status(msgspec.Struct):
    """Who is there, as a console shows it.

    Attributes:
        playing: by client id.
        connecting: the address by client id: on the way into the game, for the first time or after a change of the map.
    """

    playing: dict[int, Client] = {}
    connecting: dict[int, str] = {}


def decide(
    here: Mapping[int, Client], status: Status, seats: Mapping[str, Seat], by: Admission, now: float
) -> tuple[dict[int, Client], dict[int, str]]:
    """Return who is let stay, and why each of the others is not, by client id.

    Args:
        here: who was let stay before. A client with the same id, address and name is the same one.
        status: who is there now.
        seats: by player, expired ones too.
        by: the game file's rule.
        now: unix time.
    """
    staying = {number: client for number, client in status.playing.items() if here.get(number) == client}
    for number, address in status.connecting.items():
        known = here.get(number)
        if known is not None and known.address == address:
            staying[number] = known
    taken = {_key(client.name) for client in staying.values()}
    refused = {}
    for number, client in status.playing.items():
        if number in staying:
            continue
        reason = "" if by.by == "open" else _why_not(client, taken, _seats_of(client, seats, now), by)
        if reason:
            refused[number] = reason
        else:
            staying[number] = client
            taken.add(_key(client.name))
    return dict(sorted(staying.items())), refused


def _why_not(client: Client, taken: Iterable[str], seats: list[Seat], by: Admission) -> str:
    """Why a newcomer is to go; empty if it may stay."""
    if not seats:
        return NO_SEAT
    if by.by == "address" and not any(is_same_host(seat.address, host_of(client.address)) for seat in seats):
        return OTHER_ADDRESS
    return HERE_ALREADY if _key(client.name) in taken else ""


def _seats_of(client: Client, seats: Mapping[str, Seat], now: float) -> list[Seat]:
    """More than one if there are long names that begin alike."""
    key = _key(client.name)
    return [seat for player, seat in seats.items() if seat.expires_at > now and _key(player) == key]


def _key(name: str) -> str:
    """What a name at the login server, where case does not matter, and the same name in the game have in common."""
    return name.encode(errors="replace")[:MAX_NAME_BYTES].decode(errors="ignore").lower()


def host_of(address: str) -> str:
    """The host in `HOST:PORT` or `[HOST]:PORT`."""
    return address.rpartition(":")[0].strip("[]")


def is_same_host(one: str, other: str) -> bool:
    """Whether two IP addresses are of the same host, as far as can be seen: all loopback addresses are."""
    hosts = _host(one), _host(other)
    return None not in hosts and (hosts[0] == hosts[1] or all(host is not None and host.is_loopback for host in hosts))


def _host(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        host = ipaddress.ip_address(text)
    except ValueError:
        return None
    return getattr(host, "ipv4_mapped", None) or host
