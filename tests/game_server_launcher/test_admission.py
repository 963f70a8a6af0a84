"""Who may stay: a decision without anything around it."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from game_server_launcher.admission import (
    HERE_ALREADY,
    MAX_NAME_BYTES,
    NO_SEAT,
    OTHER_ADDRESS,
    Status,
    decide,
    host_of,
    is_same_host,
)
from game_server_launcher.gametables import Admission
from game_server_launcher.servers import Client, Seat

NOW = 1000.0
OPEN, BY_NAME, BY_ADDRESS = Admission("open"), Admission("name"), Admission("address")
ANNA = Client("192.0.2.1:5000", "anna")


def seat(address: str = "192.0.2.1", expires_at: float = NOW + 1) -> Seat:
    return Seat(address, "*", expires_at)


def why_not(by: Admission, client: Client, **seats: Seat) -> str:
    """Why a newcomer is to go; empty if it may stay."""
    staying, refused = decide({}, Status({3: client}), seats, by, NOW)
    assert staying == ({} if refused else {3: client})
    return refused.get(3, "")


def test_everybody_may_stay_in_an_open_game() -> None:
    twice = {1: ANNA, 2: Client("198.51.100.7:1", "anna")}
    assert decide({}, Status(twice), {}, OPEN, NOW) == (twice, {})


def test_a_seat_under_the_name_is_needed() -> None:
    assert why_not(BY_NAME, ANNA) == NO_SEAT
    assert why_not(BY_NAME, ANNA, bertha=seat()) == NO_SEAT
    assert why_not(BY_NAME, ANNA, anna=seat("203.0.113.9")) == ""
    assert why_not(BY_NAME, ANNA, anna=seat(expires_at=NOW)) == NO_SEAT
    assert why_not(BY_NAME, Client(ANNA.address, "anna "), anna=seat()) == NO_SEAT


def test_case_does_not_matter_as_at_the_login_server() -> None:
    assert why_not(BY_NAME, ANNA, Anna=seat()) == ""


def test_a_long_name_is_cut_by_the_game() -> None:
    name = "bartholomew_the_2nd"
    assert why_not(BY_NAME, Client(ANNA.address, name[:MAX_NAME_BYTES]), **{name: seat()}) == ""
    assert why_not(BY_NAME, Client(ANNA.address, name[: MAX_NAME_BYTES - 1]), **{name: seat()}) == NO_SEAT


def test_long_names_that_begin_alike_are_told_apart_by_address() -> None:
    seats = {"bartholomew_the_1st": seat("192.0.2.7"), "bartholomew_the_2nd": seat()}
    assert why_not(BY_ADDRESS, Client(ANNA.address, "bartholomew_the"), **seats) == ""


def test_the_address_must_be_the_one_in_the_seat() -> None:
    assert why_not(BY_ADDRESS, ANNA, anna=seat()) == ""
    assert why_not(BY_ADDRESS, ANNA, anna=seat("192.0.2.2")) == OTHER_ADDRESS
    assert why_not(BY_ADDRESS, ANNA, anna=seat("")) == OTHER_ADDRESS
    assert why_not(BY_ADDRESS, Client("nonsense", "anna"), anna=seat("")) == OTHER_ADDRESS
    assert why_not(BY_ADDRESS, ANNA, bertha=seat()) == NO_SEAT


def test_of_two_with_one_name_the_first_stays() -> None:
    status = Status({0: Client("192.0.2.1:6000", "ANNA"), 4: ANNA})
    assert decide({4: ANNA}, status, {"anna": seat()}, BY_ADDRESS, NOW) == ({4: ANNA}, {0: HERE_ALREADY})


def test_who_was_let_in_stays_without_a_seat() -> None:
    assert decide({4: ANNA}, Status({4: ANNA}), {}, BY_NAME, NOW) == ({4: ANNA}, {})


@pytest.mark.parametrize("other", [Client("192.0.2.1:5001", "anna"), Client(ANNA.address, "bertha")])
def test_another_connection_or_name_is_another_client(other: Client) -> None:
    assert decide({4: ANNA}, Status({4: other}), {}, BY_NAME, NOW) == ({}, {4: NO_SEAT})


def test_who_was_let_in_is_still_there_while_the_map_changes() -> None:
    status = Status(connecting={4: ANNA.address, 5: "192.0.2.9:1"})
    assert decide({4: ANNA}, status, {}, BY_NAME, NOW) == ({4: ANNA}, {})
    assert decide({4: ANNA}, Status(connecting={4: "192.0.2.9:1"}), {}, BY_NAME, NOW) == ({}, {})


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("192.0.2.1", "192.0.2.1", True),
        ("192.0.2.1", "192.0.2.2", False),
        ("::ffff:192.0.2.1", "192.0.2.1", True),
        ("127.0.0.1", "127.8.8.8", True),
        ("::1", "127.0.0.1", True),
        ("::ffff:127.0.0.1", "::1", True),
        ("2001:DB8::1", "2001:db8:0::1", True),
        ("2001:db8::1", "2001:db8::2", False),
        ("127.0.0.1", "192.0.2.1", False),
        ("", "", False),
        ("anna.example", "anna.example", False),
    ],
)
def test_addresses_of_one_host(one: str, other: str, same: bool) -> None:
    assert is_same_host(one, other) is same
    assert is_same_host(other, one) is same


@pytest.mark.parametrize(("address", "host"), [("192.0.2.1:5", "192.0.2.1"), ("[::1]:5", "::1"), ("x", "")])
def test_the_host_in_an_address(address: str, host: str) -> None:
    assert host_of(address) == host


names = st.text(max_size=20) | st.sampled_from(["anna", "Anna", "a" * 15, "a" * 16, "ä" * 8])
addresses = st.sampled_from(["192.0.2.1:1", "192.0.2.1:2", "[::1]:3", "127.0.0.1:4"]) | st.text(max_size=5)
numbers = st.integers(0, 3)
clients: st.SearchStrategy[dict[int, Client]] = st.dictionaries(numbers, st.builds(Client, addresses, names))
hosts = st.sampled_from(["192.0.2.1", "::ffff:192.0.2.1", "::1", ""])
seats_of: st.SearchStrategy[dict[str, Seat]] = st.dictionaries(
    names, st.builds(Seat, hosts, st.just("*"), st.sampled_from([NOW - 1, NOW + 1]))
)


@given(clients, st.builds(Status, clients, st.dictionaries(numbers, addresses)), seats_of, st.data())
def test_whoever_is_there_stays_or_is_told_why_not(here: Any, status: Status, seats: Any, data: st.DataObject) -> None:
    by = data.draw(st.sampled_from([OPEN, BY_NAME, BY_ADDRESS]))
    staying, refused = decide(here, status, seats, by, NOW)
    assert not staying.keys() & refused.keys()
    assert status.playing.keys() <= staying.keys() | refused.keys() <= status.playing.keys() | status.connecting.keys()
    for number, client in staying.items():
        known = here.get(number) == client
        assert known or status.playing[number] == client
        if not known and by is not OPEN:
            keys = [name.encode()[:MAX_NAME_BYTES].decode(errors="ignore").lower() for name in (*seats, client.name)]
            assert keys[-1] in keys[:-1]
    again, _ = decide(staying, Status(staying), {}, by, NOW)
    assert again == staying, "nobody is checked twice"
