"""Which ports are protected, and what is refused."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from game_server_launcher.allowlist.gates import Gates, NotDone, port_range, spelled

NOW = 1_000.0


@pytest.fixture
def gates() -> Gates:
    return Gates(range(7000, 7010), max_ports=2, max_addresses=2)


def refused(function: Callable[..., Any], *args: Any) -> str:
    with pytest.raises(NotDone) as caught:
        function(*args)
    return caught.value.code


def test_a_port_is_protected_and_open_again(gates: Gates) -> None:
    assert gates.protect(7000, "one")
    assert not gates.protect(7000, "one")
    assert gates.allow(7000, "10.0.0.1", 30, NOW) == "10.0.0.1"
    assert gates.in_force(NOW + 10) == {7000: {"10.0.0.1": 20}}
    gate = gates.unprotect(7000, "one")
    assert gate is not None
    assert list(gate.allowed) == ["10.0.0.1"]
    assert gates.unprotect(7000, "one") is None
    assert gates.in_force(NOW) == {}


def test_ports_that_are_not_ours_are_left_alone(gates: Gates) -> None:
    for port in (22, 6999, 7010):
        assert refused(gates.protect, port, "one") == "port_not_ours"
        assert refused(gates.allow, port, "10.0.0.1", 30, NOW) == "port_not_ours"
        assert refused(gates.unprotect, port, "one") == "port_not_ours"


def test_bounds(gates: Gates) -> None:
    gates.protect(7000, "one")
    gates.protect(7001, "one")
    assert refused(gates.protect, 7002, "one") == "too_many_ports"
    gates.allow(7000, "10.0.0.1", 30, NOW)
    gates.allow(7000, "10.0.0.2", 60, NOW)
    assert refused(gates.allow, 7000, "10.0.0.3", 30, NOW) == "too_many_addresses"
    gates.allow(7000, "10.0.0.2", 90, NOW)  # Again is no more.
    gates.allow(7000, "10.0.0.3", 30, NOW + 31)  # One has expired.
    assert set(gates.by_port[7000].allowed) == {"10.0.0.2", "10.0.0.3"}


def test_nobody_is_allowed_where_everybody_is(gates: Gates) -> None:
    assert refused(gates.allow, 7000, "10.0.0.1", 30, NOW) == "not_protected"


def test_a_port_is_its_owners_while_that_is_here(gates: Gates) -> None:
    gates.protect(7000, "one")
    assert refused(gates.unprotect, 7000, "two") == "not_yours"
    gates.leave("one", NOW)
    assert gates.unprotect(7000, "two") is not None


def test_ports_stay_protected_for_a_while_after_their_owner_is_gone(gates: Gates) -> None:
    gates.protect(7000, "one")
    gates.protect(7001, "two")
    gates.allow(7001, "10.0.0.1", 5, NOW)
    gates.leave("one", NOW)
    assert gates.take_abandoned(NOW + 10, 10) == {}
    assert gates.by_port[7001].allowed == {}
    assert list(gates.take_abandoned(NOW + 11, 10)) == [7000]
    assert list(gates.by_port) == [7001]


def test_whoever_comes_back_keeps_the_port(gates: Gates) -> None:
    gates.protect(7000, "one")
    gates.leave("one", NOW)
    assert not gates.protect(7000, "two")
    assert gates.take_abandoned(NOW + 1000, 10) == {}


def test_what_an_earlier_process_left_is_taken_over_within_bounds(gates: Gates) -> None:
    gates.take_over({7000: {"10.0.0.1": 30, "10.0.0.2": 0.5, "10.0.0.3": 9}, 80: {}, 7001: {}, 7002: {}}, NOW)
    assert gates.in_force(NOW) == {7000: {"10.0.0.1": 30}, 7001: {}}
    assert list(gates.take_abandoned(NOW + 11, 10)) == [7000, 7001]


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("10.0.0.1", "10.0.0.1"),
        ("::ffff:10.0.0.1", "10.0.0.1"),
        ("FD00:0::0001", "fd00::1"),
        ("fe80::1%eth0", "fe80::1"),
    ],
)
def test_one_address_has_one_spelling(address: str, expected: str) -> None:
    assert spelled(address) == expected


@pytest.mark.parametrize(
    "address", ["", "localhost", "10.0.0.0/8", "10.0.0.1; flush ruleset", "010.0.0.1", "@protected"]
)
def test_what_is_no_address_is_refused(address: str) -> None:
    assert refused(spelled, address) == "address_invalid"


@given(st.text(max_size=64) | st.ip_addresses().map(str))
def test_anything_is_an_address_or_refused(text: str) -> None:
    try:
        assert spelled(spelled(text)) == spelled(text)
    except NotDone as why:
        assert why.code == "address_invalid"


def test_port_ranges() -> None:
    assert port_range("7000-7001") == range(7000, 7002)
    for wrong in ("0-5", "7001-7000", "1-65536", "7000"):
        with pytest.raises(ValueError):
            port_range(wrong)
