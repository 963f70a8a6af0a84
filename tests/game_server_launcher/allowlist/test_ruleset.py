"""What nftables is told, and what is understood of what it says. Whether it does it: `test_namespaces.py`."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from game_server_launcher.allowlist import ruleset


def elements(commands: list[dict[str, Any]], verb: str) -> list[tuple[str, Any]]:
    """The set and the element of each command with this verb."""
    found = [command[verb]["element"] for command in commands if "element" in command.get(verb, {})]
    return [(one["name"], one["elem"][0]) for one in found]


def test_a_table_is_made_anew_whatever_is_there() -> None:
    commands = ruleset.whole({7000: {"10.0.0.1": 30.4, "fd00::1": 40}})
    table = {"table": {"family": "inet", "name": "game_servers"}}
    assert commands[:3] == [{"add": table}, {"delete": table}, {"add": table}]
    added = elements(commands, "add")
    assert added[0] == ("protected", 7000)
    assert ("allowed4", {"elem": {"val": {"concat": ["10.0.0.1", 7000]}, "timeout": 30}}) in added
    assert ("allowed6", {"elem": {"val": {"concat": ["fd00::1", 7000]}, "timeout": 40}}) in added


def test_nothing_but_what_goes_to_protected_ports_is_dropped() -> None:
    rules = [command["add"]["rule"]["expr"] for command in ruleset.whole({}) if "rule" in command.get("add", {})]
    dropping = [rule for rule in rules if {"drop": None} in rule]
    assert len(dropping) == 1
    assert rules[-1] == dropping[0]
    assert dropping[0][1]["match"]["right"] == "@protected"
    assert all({"accept": None} in rule for rule in rules[:-1])
    (chain,) = (command["add"]["chain"] for command in ruleset.whole({}) if "chain" in command.get("add", {}))
    assert chain["policy"] == "accept"


def test_an_address_that_is_allowed_again_is_taken_out_first() -> None:
    """An element that is there keeps its timeout; one that is not cannot be deleted."""
    key = {"concat": ["10.0.0.1", 7000]}
    commands = ruleset.allow(7000, "10.0.0.1", 90)
    assert [next(iter(command)) for command in commands] == ["add", "delete", "add"]
    assert elements(commands, "delete") == [("allowed4", key)]
    assert elements(commands, "add")[-1] == ("allowed4", {"elem": {"val": key, "timeout": 90}})


def test_a_port_that_is_open_again_has_no_addresses_left() -> None:
    commands = ruleset.unprotect(7000, {"10.0.0.1": 1, "fd00::1": 2})
    assert elements(commands, "delete") == [
        ("protected", 7000),
        ("allowed4", {"concat": ["10.0.0.1", 7000]}),
        ("allowed6", {"concat": ["fd00::1", 7000]}),
    ]


def test_a_document_is_json() -> None:
    assert json.loads(ruleset.document(ruleset.removal())) == {"nftables": ruleset.removal()}


LISTED = {
    "nftables": [
        {"metainfo": {"version": "1.0.6"}},
        {"table": {"family": "inet", "name": "game_servers"}},
        {"set": {"name": "protected", "elem": [7000, 7001]}},
        {
            "set": {
                "name": "allowed4",
                "elem": [
                    {"elem": {"val": {"concat": ["10.0.0.1", 7000]}, "timeout": 30, "expires": 29}},
                    {"elem": {"val": {"concat": ["10.0.0.2", 7009]}, "timeout": 30, "expires": 29}},
                ],
            }
        },
        {"set": {"name": "allowed6"}},
    ]
}


def test_what_nft_lists_is_read() -> None:
    assert ruleset.read(json.dumps(LISTED).encode()) == {7000: {"10.0.0.1": 29.0}, 7001: {}}


@pytest.mark.parametrize(
    "listing",
    [
        b"",
        b"[]",
        b"{}",
        b'{"nftables": [1]}',
        b'{"nftables": []}',
        b'{"nftables": [{"set": {"name": "protected", "elem": ["x"]}}]}',
        json.dumps(LISTED).replace("10.0.0.1", "ten").encode(),
        json.dumps(LISTED).replace("29", "-1").encode(),
        b'{"nftables": ' + b"[" * 100_000,
    ],
)
def test_what_is_not_our_table_is_a_value_error(listing: bytes) -> None:
    with pytest.raises(ValueError):
        ruleset.read(listing)


@given(
    st.binary()
    | st.recursive(st.none() | st.integers() | st.text(), st.lists).map(lambda one: json.dumps(one).encode())
)
def test_anything_is_read_or_is_a_value_error(listing: bytes) -> None:
    try:
        ruleset.read(listing)
    except ValueError:
        pass
