"""What nftables is told, as the JSON of libnftables-json(5), and what it says in its turn. Pure: no nft is run here.

One table of our own. Whoever plays already, and whoever is on this machine, is let through; then whoever is in one of
the sets of addresses and ports; and then what goes to a protected port is dropped. All else is none of our business.
"""

import json
from collections.abc import Mapping
from ipaddress import ip_address
from typing import Annotated, Any

import msgspec
from msgspec import Meta

FAMILY = "inet"
TABLE = "game_servers"
PROTECTED = "protected"
ALLOWED = {4: "allowed4", 6: "allowed6"}
"""The sets, by the version of the addresses in them."""

Command = dict[str, Any]
Gates = Mapping[int, Mapping[str, float]]
"""By protected port: the addresses that may come, and for how many seconds."""


def document(commands: list[Command]) -> bytes:
    """What `nft -j -f -` reads; it does all of it or nothing."""
    return json.dumps({"nftables": commands}).encode()


def whole(gates: Gates) -> list[Command]:
    """Make the table anew, whatever is there."""
    return [
        *removal(),
        _add("table", name=TABLE),
        _add("set", name=PROTECTED, type="inet_service"),
        _add("set", name=ALLOWED[4], type=["ipv4_addr", "inet_service"], flags=["timeout"]),
        _add("set", name=ALLOWED[6], type=["ipv6_addr", "inet_service"], flags=["timeout"]),
        _add("chain", name="input", type="filter", hook="input", prio=0, policy="accept"),
        *(_add("rule", chain="input", expr=expression) for expression in _rules()),
        *(command for port in gates for command in protect(port)),
        *(command for port, addresses in gates.items() for one in addresses.items() for command in allow(port, *one)),
    ]


def removal() -> list[Command]:
    """Take the table away, whether it is there or not."""
    return [_add("table", name=TABLE), {"delete": {"table": {"family": FAMILY, "name": TABLE}}}]


def protect(port: int) -> list[Command]:
    """From now on, only those who are allowed come to the port."""
    return [_add("element", name=PROTECTED, elem=[port])]


def unprotect(port: int, addresses: Mapping[str, float]) -> list[Command]:
    """From now on, everybody comes to the port."""
    return [
        *_delete(PROTECTED, port),
        *(command for address in addresses for command in _delete(_set_of(address), _key(address, port))),
    ]


def allow(port: int, address: str, seconds: float) -> list[Command]:
    """Let an address come for so long from now on, whatever was said of it before."""
    name, key = _set_of(address), _key(address, port)
    # An element that is there already would keep its old timeout.
    return [*_delete(name, key), _add("element", name=name, elem=[{"elem": {"val": key, "timeout": round(seconds)}}])]


class _Elem(msgspec.Struct):
    val: "_Concat"
    expires: Annotated[float, Meta(ge=0)] = 0.0


class _Concat(msgspec.Struct):
    concat: tuple[str, int]


class _Wrapped(msgspec.Struct):
    elem: _Elem


def read(listing: bytes) -> dict[int, dict[str, float]]:
    """The gates, as `nft -j list table` shows them.

    Raises:
        ValueError: this is not our table.
    """
    try:
        sets = {
            one["set"]["name"]: one["set"].get("elem", []) for one in json.loads(listing)["nftables"] if "set" in one
        }
        gates: dict[int, dict[str, float]] = {port: {} for port in msgspec.convert(sets[PROTECTED], list[int])}
        for name in ALLOWED.values():
            for wrapped in msgspec.convert(sets[name], list[_Wrapped]):
                address, port = wrapped.elem.val.concat
                if port in gates:
                    gates[port][str(ip_address(address))] = wrapped.elem.expires
    except (KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(f"the table {TABLE} is none of ours: {error!r}") from error
    return gates


def _rules() -> list[list[Command]]:
    source = {version: {"payload": {"protocol": name, "field": "saddr"}} for version, name in ((4, "ip"), (6, "ip6"))}
    port = {"payload": {"protocol": "th", "field": "dport"}}
    transport = _match({"meta": {"key": "l4proto"}}, {"set": ["tcp", "udp"]})
    return [
        [_match({"meta": {"key": "iif"}}, "lo"), {"accept": None}],
        [_match({"ct": {"key": "state"}}, ["established", "related"], "in"), {"accept": None}],
        *(
            [transport, _match({"concat": [source[version], port]}, f"@{name}"), {"accept": None}]
            for version, name in ALLOWED.items()
        ),
        [transport, _match(port, f"@{PROTECTED}"), {"counter": None}, {"drop": None}],
    ]


def _match(left: Any, right: Any, operator: str = "==") -> Command:
    return {"match": {"op": operator, "left": left, "right": right}}


def _add(kind: str, **what: Any) -> Command:
    return {"add": {kind: {"family": FAMILY, **({} if kind == "table" else {"table": TABLE}), **what}}}


def _delete(name: str, key: Any) -> list[Command]:
    """One that is not there cannot be deleted, and may just have expired: so it is added first."""
    element = {"family": FAMILY, "table": TABLE, "name": name, "elem": [key]}
    return [{"add": {"element": element}}, {"delete": {"element": element}}]


def _set_of(address: str) -> str:
    return ALLOWED[ip_address(address).version]


def _key(address: str, port: int) -> Command:
    return {"concat": [address, port]}
