"""Chunks with a 16-bit length: what goes out, what comes in, and every way for it to be cut or broken."""

import random
import struct
from itertools import pairwise
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connhandler import ProtocolError
from connhandler.framing.chunks import ChunkDecoder, check_chunk_format, encode_chunks
from connhandler.limits import MAX_CHUNK_SIZE
from connhandler.testing import check_framing

ByteOrder = Literal["little", "big"]

byte_orders = st.sampled_from(["little", "big"])
sizes = st.integers(1, 9)
messages = st.lists(st.binary(min_size=1, max_size=40), max_size=6)

BOUNDARIES = [1, 2, 7, 8, 9, 15, 16, 17, 23, 24, 25, 80]
"""Around every multiple of a full chunk of 8 bytes."""


def plain_reader(wire: bytes, full: int, byte_order: ByteOrder) -> list[bytes]:
    """What a reader makes of `wire` that knows only the plain rule: a length, 0 for `full`, and the chunk."""
    chunks = []
    while wire:
        length = int.from_bytes(wire[:2], byte_order) or full
        assert len(wire) >= 2 + length
        chunks.append(wire[2 : 2 + length])
        wire = wire[2 + length :]
    return chunks


def cut(data: bytes, places: list[int]) -> list[bytes]:
    """Cut `data` at these places."""
    ends = sorted({0, len(data), *(place % (len(data) + 1) for place in places)})
    return [data[start:end] for start, end in pairwise(ends)]


# --- what goes out ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("message", "wire"),
    [
        (b"a", "0100 61"),
        (b"abc", "0300 616263"),
        (b"abcd", "0400 61626364"),
        (b"abcde", "0000 61626364 0100 65"),
        (b"abcdefgh", "0000 61626364 0400 65666768"),
        (b"abcdefghi", "0000 61626364 0000 65666768 0100 69"),
    ],
)
def test_joined_rule_on_the_wire(message: bytes, wire: str) -> None:
    assert encode_chunks(message, 4) == bytes.fromhex(wire)


@pytest.mark.parametrize(
    ("message", "wire"),
    [
        (b"a", "01 00 61"),
        (b"abcd", "0000 61626364"),
        (b"abcde", "0000 61626364 0100 65"),
        (b"abcdefgh", "0000 61626364 0000 65666768"),
    ],
)
def test_separate_chunks_on_the_wire(message: bytes, wire: str) -> None:
    assert encode_chunks(message, 4, separate_chunks=True) == bytes.fromhex(wire)


def test_byte_order_is_that_of_the_length() -> None:
    assert encode_chunks(b"x" * 258, byte_order="little")[:2] == b"\x02\x01"
    assert encode_chunks(b"x" * 258, byte_order="big")[:2] == b"\x01\x02"
    assert encode_chunks(b"ab", byte_order="big") == b"\0\2ab"


def test_the_largest_chunk_carries_its_length() -> None:
    message = bytes(MAX_CHUNK_SIZE)
    assert encode_chunks(message) == b"\xff\xff" + message
    assert encode_chunks(message + b"!") == b"\0\0" + message + b"\1\0!"


@given(st.binary(min_size=1, max_size=60), sizes, byte_orders)
def test_rules_differ_only_in_the_length_of_a_last_full_chunk(message: bytes, size: int, byte_order: ByteOrder) -> None:
    joined = encode_chunks(message, size, byte_order)
    plain = encode_chunks(message, size, byte_order, separate_chunks=True)
    assert (joined == plain) == (len(message) % size != 0)
    assert plain_reader(joined, size, byte_order) == plain_reader(plain, size, byte_order)
    assert b"".join(plain_reader(joined, size, byte_order)) == message


@pytest.mark.parametrize("separate", [False, True])
def test_an_empty_message_cannot_be_sent(separate: bool) -> None:
    with pytest.raises(ValueError, match="empty"):
        encode_chunks(b"", separate_chunks=separate)


@pytest.mark.parametrize("size", [0, -1, 0x10000])
def test_a_chunk_size_that_no_length_can_tell(size: int) -> None:
    with pytest.raises(ValueError, match="max_message_size must be 1 to 65535"):
        check_chunk_format(size, "little")
    with pytest.raises(ValueError, match="max_message_size must be 1 to 65535"):
        ChunkDecoder(size)


def test_a_byte_order_that_is_none() -> None:
    with pytest.raises(ValueError, match="byte_order must be 'little' or 'big'"):
        check_chunk_format(8, "middle")


# --- what comes in: joined --------------------------------------------------------------------------------------------


@given(messages, sizes, byte_orders, st.lists(st.integers(0, 10_000), max_size=12))
def test_messages_arrive_as_they_were_sent(
    sent: list[bytes], size: int, byte_order: ByteOrder, places: list[int]
) -> None:
    decoder = ChunkDecoder(size, byte_order)
    wire = b"".join(encode_chunks(message, size, byte_order) for message in sent)
    received = [message for piece in cut(wire, places) for message in decoder.receive_data(piece)]
    assert received == sent
    assert decoder.error is None
    assert not decoder.mid_message


@pytest.mark.parametrize("byte_order", ["little", "big"])
@pytest.mark.parametrize("length", BOUNDARIES)
def test_joined_boundaries_however_they_are_cut(length: int, byte_order: ByteOrder) -> None:
    message = random.Random(length).randbytes(length)
    wire = encode_chunks(message, 8, byte_order) * 2 + encode_chunks(b"after", 8, byte_order)
    check_framing(lambda: ChunkDecoder(8, byte_order), wire, [message, message, b"after"])


@pytest.mark.parametrize("length", [0xFFFE, 0xFFFF, 0x10000, 2 * 0xFFFF, 2 * 0xFFFF + 1, 5 * 0xFFFF])
def test_joined_boundaries_of_the_default_size(length: int) -> None:
    message = random.Random(length).randbytes(length)
    decoder = ChunkDecoder()
    wire = encode_chunks(message) + encode_chunks(b"after")
    pieces = cut(wire, [1, 2, 0xFFFF, 0x10000, 0x10001, 0x10002, 0x10003])
    assert [found for piece in pieces for found in decoder.receive_data(piece)] == [message, b"after"]


def test_chunks_of_one_byte() -> None:
    wire = encode_chunks(b"abc", 1)
    assert wire == b"\0\0a\0\0b\1\0c"
    check_framing(lambda: ChunkDecoder(1), wire, [b"abc"])


def test_a_short_chunk_after_full_ones_ends_the_message() -> None:
    assert ChunkDecoder(4).receive_data(b"\0\0abcd\0\0efgh\2\0ij\1\0k") == [b"abcdefghij", b"k"]


# --- what comes in: separate chunks -----------------------------------------------------------------------------------


@given(messages, sizes, byte_orders, st.lists(st.integers(0, 10_000), max_size=12))
def test_separate_chunks_are_handed_out_each_by_itself(
    sent: list[bytes], size: int, byte_order: ByteOrder, places: list[int]
) -> None:
    decoder = ChunkDecoder(size, byte_order, separate_chunks=True)
    wire = b"".join(encode_chunks(message, size, byte_order, separate_chunks=True) for message in sent)
    received = [chunk for piece in cut(wire, places) for chunk in decoder.receive_data(piece)]
    assert received == plain_reader(wire, size, byte_order)
    assert not decoder.mid_message


@pytest.mark.parametrize("length", BOUNDARIES)
def test_separate_boundaries_however_they_are_cut(length: int) -> None:
    message = random.Random(length).randbytes(length)
    wire = encode_chunks(message, 8, separate_chunks=True)
    chunks = [message[start : start + 8] for start in range(0, length, 8)]
    check_framing(lambda: ChunkDecoder(8, separate_chunks=True), wire, chunks)


@given(st.binary(min_size=1, max_size=60), sizes)
def test_a_plain_reader_takes_what_the_joined_rule_sends(message: bytes, size: int) -> None:
    decoder = ChunkDecoder(size, separate_chunks=True)
    assert b"".join(decoder.receive_data(encode_chunks(message, size))) == message
    assert not decoder.mid_message


# --- what is broken ---------------------------------------------------------------------------------------------------


@given(messages, sizes, st.integers(1, 10_000), st.booleans())
def test_an_end_in_the_middle_is_seen(sent: list[bytes], size: int, keep: int, separate: bool) -> None:
    wire = b"".join(encode_chunks(message, size, separate_chunks=separate) for message in [*sent, b"last one"])
    whole = len(wire) - len(encode_chunks(b"last one", size, separate_chunks=separate))
    end = whole + keep % (len(wire) - whole)
    decoder = ChunkDecoder(size, separate_chunks=separate)
    decoder.receive_data(wire[:end])
    ends = {position for position in chunk_ends(wire, size) if position >= whole} if separate else {whole}
    assert decoder.mid_message == (end not in ends)
    assert decoder.error is None


def chunk_ends(wire: bytes, size: int) -> set[int]:
    """The positions in `wire` where a chunk ends."""
    ends = {0}
    for chunk in plain_reader(wire, size, "little"):
        ends.add(max(ends) + 2 + len(chunk))
    return ends


@pytest.mark.parametrize("separate", [False, True])
def test_a_chunk_longer_than_a_full_one(separate: bool) -> None:
    decoder = ChunkDecoder(8, separate_chunks=separate)
    assert decoder.receive_data(encode_chunks(b"before") + b"\x09\0") == [b"before"]
    assert isinstance(decoder.error, ProtocolError)
    assert str(decoder.error) == "a chunk of 9 bytes where 8 is the most"


def test_a_message_longer_than_the_bound() -> None:
    decoder = ChunkDecoder(8, max_message_bytes=20)
    assert decoder.receive_data(encode_chunks(b"x" * 20, 8)) == [b"x" * 20]
    assert decoder.receive_data(b"\0\0" + bytes(8) + b"\0\0" + bytes(8)) == []
    assert decoder.error is None
    assert decoder.receive_data(b"\5\0") == []
    assert str(decoder.error) == "a message of more than 20 bytes"


def test_a_bound_smaller_than_a_chunk() -> None:
    for wire in (b"\0\0", b"\6\0", b"\xff\xff"):
        decoder = ChunkDecoder(max_message_bytes=5)
        assert decoder.receive_data(encode_chunks(b"five!") + wire) == [b"five!"]
        assert str(decoder.error) == "a message of more than 5 bytes"


@pytest.mark.parametrize("separate", [False, True])
def test_what_is_too_long_is_refused_before_it_is_stored(separate: bool) -> None:
    decoder = ChunkDecoder(max_message_bytes=1000, separate_chunks=separate)
    decoder.receive_data(struct.pack("<H", 1001))
    assert decoder.error is not None
    for _ in range(10):
        assert decoder.receive_data(bytes(65536)) == []
    assert stored(decoder) < 1000


def test_no_more_is_stored_than_the_bound_and_a_length() -> None:
    decoder = ChunkDecoder(8, max_message_bytes=100)
    largest = 0
    for _ in range(200):
        for byte in b"\0\0abcdefgh":
            decoder.receive_data(bytes([byte]))
            largest = max(largest, stored(decoder))
    assert decoder.error is not None
    assert 90 <= largest <= 102


def stored(decoder: ChunkDecoder) -> int:
    """How many bytes a decoder holds."""
    return len(decoder._rest) + sum(map(len, decoder._parts))


@given(st.lists(st.binary(max_size=50), max_size=20), sizes, st.booleans(), st.integers(1, 100))
def test_garbage_never_raises_and_its_cutting_does_not_matter(
    pieces: list[bytes], size: int, separate: bool, most: int
) -> None:
    whole = ChunkDecoder(size, separate_chunks=separate, max_message_bytes=most)
    piecewise = ChunkDecoder(size, separate_chunks=separate, max_message_bytes=most)
    found = whole.receive_data(b"".join(pieces))
    assert [message for piece in pieces for message in piecewise.receive_data(piece)] == found
    assert all(0 < len(message) <= most for message in found)
    assert str(piecewise.error) == str(whole.error)
    if whole.error is None:
        assert piecewise.mid_message == whole.mid_message


def test_nothing_is_taken_after_an_error() -> None:
    decoder = ChunkDecoder(8)
    decoder.receive_data(b"\x09\0")
    error = decoder.error
    assert decoder.receive_data(encode_chunks(b"fine")) == []
    assert decoder.error is error
