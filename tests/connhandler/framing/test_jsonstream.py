"""JSON objects on a stream: where each ends, however it is cut, and what is none."""

import json
import time
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connhandler import ProtocolError
from connhandler.framing.jsonstream import JsonObjectDecoder, JsonObjectScanner
from connhandler.testing import check_framing

TRICKY = [
    b"{}",
    b'{"a":"}"}',
    b'{"a":"{"}',
    b'{"a":"\\"}"}',
    b'{"a":"\\\\"}',
    b'{"a\\\\\\"}{":"\\\\\\\\"}',
    b'{"a":[{"b":[]},{}],"c":{"d":{}}}',
    b'{"a":"]"}',
    b'{"a":["}","]","{","[","\\"]}"]}',
    b'{ "a" : 1 ,\r\n\t"b" : [ 1 , 2 ] }',
    '{"ä":"\u2028 𝄞 \\ud834\\udd1e"}'.encode(),
    b'{"not UTF-8":"\xff\xfe\x80"}',
    b'{"a":1,"a":2}',
    b"{no JSON at all}",
]
"""Objects as far as framing goes."""

scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.text('{}[]"\\', max_size=6)
values = st.recursive(
    scalars, lambda inner: st.lists(inner) | st.dictionaries(st.text('{}"\\ab'), inner), max_leaves=12
)
objects = st.dictionaries(st.text('{}"\\ab'), values, max_size=4)
spaces = st.text(" \t\r\n", max_size=3)


def cut(data: bytes, places: list[int]) -> list[bytes]:
    ends = sorted({0, len(data), *(place % (len(data) + 1) for place in places)})
    return [data[start:end] for start, end in pairwise(ends)]


def decode(wire: bytes, size: int = 1 << 30, **bounds: int) -> tuple[list[bytes], JsonObjectDecoder]:
    decoder = JsonObjectDecoder(**bounds)
    pieces = [wire[start : start + size] for start in range(0, len(wire), size)]
    return [message for piece in pieces for message in decoder.receive_data(piece)], decoder


@given(
    st.lists(st.tuples(spaces, objects, st.booleans(), st.sampled_from([None, 1]))), st.lists(st.integers(0, 10_000))
)
def test_objects_arrive_as_they_were_sent(
    sent: list[tuple[str, dict[str, Any], bool, int | None]], places: list[int]
) -> None:
    texts = [json.dumps(value, ensure_ascii=ascii, indent=indent).encode() for _, value, ascii, indent in sent]
    wire = b"".join(space.encode() + text for (space, *_), text in zip(sent, texts, strict=True))
    decoder = JsonObjectDecoder()
    assert [message for piece in cut(wire, places) for message in decoder.receive_data(piece)] == texts
    assert decoder.error is None
    assert not decoder.mid_message


@pytest.mark.parametrize("between", [b"", b"\n", b" \t\r\n  "])
def test_objects_that_braces_alone_do_not_tell_apart(between: bytes) -> None:
    check_framing(JsonObjectDecoder, b"".join(between + one for one in TRICKY) + between, TRICKY)


@pytest.mark.parametrize("one", TRICKY)
def test_every_split_in_two_and_in_three(one: bytes) -> None:
    wire = one + b' {"after":"}"}'
    for first in range(len(wire)):
        for second in range(first, len(wire)):
            decoder = JsonObjectDecoder()
            pieces = wire[:first], wire[first:second], wire[second:]
            assert [m for piece in pieces if piece for m in decoder.receive_data(piece)] == [one, b'{"after":"}"}']
            assert decoder.error is None


@given(st.binary(max_size=40) | st.text('{}[]":,\\a ', max_size=30).map(str.encode), st.lists(st.integers(0, 10_000)))
def test_any_bytes_give_the_same_however_they_are_cut(wire: bytes, places: list[int]) -> None:
    whole = JsonObjectDecoder()
    messages = whole.receive_data(wire)
    pieces = JsonObjectDecoder()
    assert [message for piece in cut(wire, places) for message in pieces.receive_data(piece)] == messages
    assert str(pieces.error) == str(whole.error)
    assert pieces.mid_message == whole.mid_message or whole.error


@pytest.mark.parametrize(
    ("wire", "error"),
    [
        (b"nonsense", "b'n' where '{' was expected, at byte 0"),
        (b'{"a":1} x', "b'x' where '{' was expected, at byte 8"),
        (b"[1]", "b'[' where '{' was expected, at byte 0"),
        (b"{}\x00", "b'\\x00' where '{' was expected, at byte 2"),
        (b'"text"', "b'\"' where '{' was expected, at byte 0"),
        (b'{} {"a":[1}', "b'}' where ']' was expected, at byte 10"),
        (b'{"a":1]', "b']' where '}' was expected, at byte 6"),
        ("\ufeff{}".encode(), "b'\\xef' where '{' was expected, at byte 0"),
    ],
)
@pytest.mark.parametrize("size", [1, 2, 3, 100])
def test_what_is_no_object_and_where(wire: bytes, error: str, size: int) -> None:
    _, decoder = decode(wire, size)
    assert isinstance(decoder.error, ProtocolError)
    assert str(decoder.error) == error
    assert decoder.receive_data(b"{}") == []


def test_whole_objects_before_a_mistake_are_handed_out() -> None:
    messages, decoder = decode(b'{"a":1}{"b":[]}]')
    assert messages == [b'{"a":1}', b'{"b":[]}']
    assert str(decoder.error) == "b']' where '{' was expected, at byte 15"


def test_in_the_middle_of_an_object() -> None:
    decoder = JsonObjectDecoder()
    for piece, inside in [
        (b" ", False),
        (b"{", True),
        (b'"a":"}', True),
        (b'"', True),
        (b"}\n", False),
        (b"{}{", True),
    ]:
        decoder.receive_data(piece)
        assert decoder.mid_message is inside


@pytest.mark.parametrize("size", [1, 7, 64])
def test_the_longest_object_is_taken_and_one_byte_more_is_not(size: int) -> None:
    longest = b'{"a":"%s"}' % (b"x" * 12)
    nested = b'{"a":{"b":"%s"}}' % (b"x" * 6)
    assert len(longest) == len(nested) == 20
    messages, decoder = decode(longest + nested + longest, size, max_message_bytes=20)
    assert messages == [longest, nested, longest]
    assert decoder.error is None
    for one in (longest, nested):
        messages, decoder = decode(b"{} " + one, size, max_message_bytes=19)
        assert messages == [b"{}"]
        assert str(decoder.error) == "an object of more than 19 bytes, from byte 3 on"


def test_an_object_without_end_is_an_error_before_it_is_stored() -> None:
    decoder = JsonObjectDecoder(max_message_bytes=1000)
    for _ in range(1000):
        decoder.receive_data(b'{"a":"' if decoder.mid_message is False else b"x" * 100)
        if decoder.error:
            break
    assert str(decoder.error) == "an object of more than 1000 bytes, from byte 0 on"
    assert sum(map(len, decoder._parts)) <= 1000


@pytest.mark.parametrize(("opening", "inner"), [(b'{"a":', b"{}"), (b"[", b"[]")])
@pytest.mark.parametrize("size", [1000, 1 << 30])
def test_nested_100_000_deep_is_an_error_at_the_first_that_is_too_deep(opening: bytes, inner: bytes, size: int) -> None:
    _, decoder = decode(b'{"a":' + opening * 100_000, size)
    assert str(decoder.error) == f"nested more than 100 deep at byte {5 + 99 * len(opening)}"
    deepest = b'{"a":' + opening * 98 + inner + (b"}" if inner == b"{}" else b"]") * 98 + b"}"
    assert decode(deepest)[0] == [deepest]


@pytest.mark.parametrize("size", [1000, 1 << 30])
def test_100_000_deep_is_found_where_it_is_allowed(size: int) -> None:
    wire = b'{"a":' + b"[" * 99_999 + b"]" * 99_999 + b"}"
    messages, decoder = decode(wire * 2, size, max_depth=100_000)
    assert (messages, decoder.error) == ([wire, wire], None)


LARGE = {
    "one text": {"a": "x" * 10_000_000},
    "escapes": {"a": '"\\}' * 1_900_000},
    "many texts": {"a": ["}{" * 4] * 830_000},
    "many objects": {"a": [{"b": "}"}] * 930_000},
}


@pytest.mark.parametrize("name", LARGE)
def test_ten_megabytes_in_pieces_of_a_kilobyte_cost_what_they_cost_whole(name: str) -> None:
    wire = json.dumps(LARGE[name], separators=(",", ":")).encode()
    assert len(wire) > 9_000_000
    bounds = {"max_message_bytes": 20_000_000}
    seconds = {}
    for size in (len(wire), 1024):
        began = time.process_time()
        messages, decoder = decode(wire, size, **bounds)
        seconds[size] = time.process_time() - began
        assert messages == [wire]
        assert decoder.error is None
    # A scan that began anew with each piece would take thousands of times as long.
    assert seconds[1024] < 10 * seconds[len(wire)] + 1.0


def test_the_least_that_is_to_come() -> None:
    scanner = JsonObjectScanner()
    wire = b'{"a\\"":[{"b":1}]}'
    for position in range(len(wire)):
        assert scanner.bytes_to_come <= len(wire) - position
        scanner.scan(wire[position : position + 1])
        assert (scanner.depth == 0) == (position == len(wire) - 1)
    assert scanner.bytes_to_come == 0
