"""Packets as bytes: whatever arrives is a value or a ValueError, and what is sent arrives as it was."""

import json
import math
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connman import protocol

scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
values = st.recursive(scalars, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=10)


@settings(max_examples=30)
@given(st.dictionaries(st.text(), values))
def test_what_is_sent_arrives(packet: dict[str, Any]) -> None:
    data = protocol.encode(packet)
    assert json.loads(data) == packet
    assert protocol.decode(data) == packet
    assert protocol.decode(json.dumps(packet).encode()) == packet


@given(st.binary() | st.text('{}[]":,\\ue0123456789.-+aflrstn', max_size=30).map(str.encode))
def test_whatever_arrives_is_a_value_or_a_value_error(data: bytes) -> None:
    try:
        expected = json.loads(data)
    except ValueError:
        expected = None
    try:
        value = protocol.decode(data)
    except ValueError as error:
        assert str(error)
    else:
        assert value == expected or isinstance(expected, float)


@pytest.mark.parametrize("data", [b'{"a":"\xff"}', b'{"a":NaN}', b'{"a":' + b"9" * 5000 + b"}", b'{"a":"\\ud800"}'])
def test_what_is_no_json(data: bytes) -> None:
    with pytest.raises(ValueError):
        protocol.decode(data)


routes = st.fixed_dictionaries(
    {}, optional={"Queue": values, "game_id": values, "Queue ": values, "user": values, "pass": values}
)


@given(routes, st.sampled_from([None, 1]), st.booleans())
def test_a_packet_goes_where_it_says(packet: dict[str, Any], indent: int | None, ascii: bool) -> None:
    data = json.dumps(packet, indent=indent, ensure_ascii=ascii).encode()
    for_matchmaking, game_id = protocol.route(data)
    assert for_matchmaking == (packet.get("Queue") is not None)
    assert game_id == packet.get("game_id") or game_id is False
    try:
        assert protocol.parse_login(data) == (packet.get("user"), packet.get("pass"))
    except ValueError:
        assert not (isinstance(packet.get("user"), str) and isinstance(packet.get("pass"), str))


@given(
    st.binary() | st.text('{}[]":,\\ue0123456789.-+aflrstn', max_size=30).map(lambda text: b'{"a":%s}' % text.encode())
)
def test_what_is_routed_can_be_decoded(data: bytes) -> None:
    try:
        protocol.route(data)
    except ValueError as error:
        assert str(error)
    else:
        assert isinstance(protocol.decode(data), dict)


@pytest.mark.parametrize(
    "data",
    [
        b"[1]",
        b"1",
        b'{"a":"\xff"}',
        b'{"\xff":1}',
        b'{"a":NaN}',
        b'{"a":' + b"9" * 5000 + b"}",
        b'{"a":' + b"[" * 2000,
        b'{"a"}',
    ],
)
def test_what_is_not_routed(data: bytes) -> None:
    with pytest.raises(ValueError):
        protocol.route(data)


def test_numbers_that_are_too_large_and_ids_that_are_too_long() -> None:
    assert protocol.route(b'{"game_id":7,"a":1e999}') == (False, 7)
    assert protocol.decode(b'{"game_id":7,"a":1e999}') == {"game_id": 7, "a": math.inf}
    assert protocol.route(b'{"game_id":7,"a":"%s"}' % (b"9" * 5000)) == (False, 7)
    assert protocol.route(b'{"game_id":"%s"}' % (b"x" * 5000)) == (False, False)
    assert protocol.route(b'{"game_id":1,"game_id":2,"Queue":1,"Queue":null}') == (False, 2)


def test_to_route_many_small_things_costs_a_fraction_of_making_them() -> None:
    data = b'{"Queue":[' + b"[]," * 330_000 + b"[]]}"
    began = time.process_time()
    assert protocol.route(data) == (True, None)
    routed = time.process_time() - began
    began = time.process_time()
    protocol.decode(data)
    assert routed < (time.process_time() - began) / 4


@pytest.mark.parametrize("packet", [{"a": object()}, {(1, 2): 3}, [], None, "text"])
def test_what_json_has_no_form_for(packet: Any) -> None:
    with pytest.raises(TypeError):
        protocol.encode(packet)


def test_text_that_is_no_unicode_cannot_be_sent() -> None:
    with pytest.raises(ValueError, match="surrogates not allowed"):
        protocol.encode({"a": "\ud800"})


@pytest.mark.parametrize("value", [0, -1, 7, 2**70, 1571234567.25, "", "final"])
def test_game_ids(value: Any) -> None:
    assert protocol.is_game_id(value)


@pytest.mark.parametrize("value", [None, True, False, math.nan, [], {}, b"7", (7,)])
def test_what_is_no_game_id(value: Any) -> None:
    assert not protocol.is_game_id(value)


@given(st.text())
def test_no_packet_of_connmans_own_has_a_brace_inside(text: str) -> None:
    data = protocol.encode(protocol.error("protocol_error", text, 1, 7))
    assert (data.count(b"{"), data.count(b"}")) == (1, 1)
