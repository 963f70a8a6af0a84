"""Lines: what goes out, what comes in, and every way for it to be cut or broken."""

import time
from itertools import pairwise

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from connhandler import ProtocolError
from connhandler.framing.lines import LineDecoder, check_terminator, encode_line
from connhandler.testing import check_framing

CONSOLE = b"\n\0\0"

terminators = st.sampled_from([b"\n", b"\r\n", CONSOLE, b"\0", b"aab", b"aa"])
lines = st.lists(st.binary(min_size=1, max_size=20) | st.text("\r\n\0ab", min_size=1, max_size=9).map(str.encode))


def cut(data: bytes, places: list[int]) -> list[bytes]:
    ends = sorted({0, len(data), *(place % (len(data) + 1) for place in places)})
    return [data[start:end] for start, end in pairwise(ends)]


def encodes(message: bytes, terminator: bytes) -> bool:
    try:
        encode_line(message, terminator)
    except ValueError:
        return False
    return True


# --- what goes out ----------------------------------------------------------------------------------------------------


def test_a_line_on_the_wire() -> None:
    assert encode_line(b"hello") == b"hello\n"
    assert encode_line(b"status", CONSOLE) == b"status\n\0\0"
    assert encode_line(b"two\nlines", CONSOLE) == b"two\nlines\n\0\0"


@pytest.mark.parametrize(
    ("message", "terminator", "error"),
    [
        (b"", b"\n", "an empty line"),
        (b"two\nlines", b"\n", "cannot hold its terminator"),
        (b"x\n\0\0y", CONSOLE, "cannot hold its terminator"),
        (b"xa", b"aa", "cannot hold its terminator"),
        (b"x\r", b"\n", "carriage return"),
    ],
)
def test_what_would_not_arrive_as_one_line(message: bytes, terminator: bytes, error: str) -> None:
    with pytest.raises(ValueError, match=error):
        encode_line(message, terminator)


@pytest.mark.parametrize("check", [check_terminator, LineDecoder])
def test_a_terminator_has_a_byte_at_least(check: type[LineDecoder]) -> None:
    with pytest.raises(ValueError, match="at least one byte"):
        check(b"")


# --- what comes in ----------------------------------------------------------------------------------------------------


@given(lines, terminators, st.lists(st.integers(0, 10_000), max_size=12))
def test_lines_arrive_as_they_were_sent(sent: list[bytes], terminator: bytes, places: list[int]) -> None:
    assume(all(encodes(message, terminator) for message in sent))
    decoder = LineDecoder(terminator)
    wire = b"".join(encode_line(message, terminator) for message in sent)
    assert [message for piece in cut(wire, places) for message in decoder.receive_data(piece)] == sent
    assert decoder.error is None
    assert not decoder.mid_message


@pytest.mark.parametrize(
    ("terminator", "wire", "messages"),
    [
        (b"\n", b"one\ntwo\r\n\n\r\nthree\r\r\n", [b"one", b"two", b"three\r"]),
        (b"\r\n", b"one\ntwo\r\n\r\nthree\r\r\n", [b"one\ntwo", b"three\r"]),
        (CONSOLE, b"a\nb\n\0\0\n\0\0c\n\0d\n\n\0\0", [b"a\nb", b"c\n\0d\n"]),
        (b"aab", b"xaaabaab" + b"yaab", [b"xa", b"y"]),
    ],
)
def test_however_lines_are_cut(terminator: bytes, wire: bytes, messages: list[bytes]) -> None:
    check_framing(lambda: LineDecoder(terminator), wire, messages)


@given(st.binary(max_size=30) | st.text("\r\nab", max_size=30).map(str.encode), st.lists(st.integers(0, 10_000)))
def test_any_bytes_give_the_same_however_they_are_cut(wire: bytes, places: list[int]) -> None:
    whole, pieces = LineDecoder(max_message_bytes=4), LineDecoder(max_message_bytes=4)
    messages = whole.receive_data(wire)
    assert [message for piece in cut(wire, places) for message in pieces.receive_data(piece)] == messages
    assert str(pieces.error) == str(whole.error)


def test_in_the_middle_of_a_line() -> None:
    decoder = LineDecoder(CONSOLE)
    for piece, inside in [
        (b"a", True),
        (b"\n", True),
        (b"\0", True),
        (b"\0", False),
        (b"\n\0\0", False),
        (b"\n", True),
    ]:
        decoder.receive_data(piece)
        assert decoder.mid_message is inside


@pytest.mark.parametrize("size", [1, 3, 100])
@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_the_longest_line_is_taken_and_one_byte_more_is_not(size: int, end: bytes) -> None:
    for longest, taken in [(b"x" * 10, [b"x" * 10, b"y"]), (b"x" * 11, [])]:
        decoder = LineDecoder(max_message_bytes=10)
        wire = longest + end + b"y" + end
        pieces = [wire[start : start + size] for start in range(0, len(wire), size)]
        assert [message for piece in pieces for message in decoder.receive_data(piece)] == taken
        assert (decoder.error is None) == bool(taken)
    assert isinstance(decoder.error, ProtocolError)
    assert str(decoder.error) == "a line of more than 10 bytes"
    assert decoder.receive_data(b"z\n") == []


def test_a_line_without_end_is_an_error_before_it_is_stored() -> None:
    decoder = LineDecoder(CONSOLE, max_message_bytes=1000)
    for _ in range(100):
        decoder.receive_data(b"x" * 100)
    assert decoder.error
    assert len(decoder._waiting) <= 1100


def test_ten_megabytes_in_pieces_of_a_kilobyte_cost_what_they_cost_whole() -> None:
    line = b"x" * 10_000_000
    seconds = {}
    for size in (1 << 30, 1024):
        decoder = LineDecoder(max_message_bytes=20_000_000)
        began = time.process_time()
        wire = line + b"\n"
        pieces = [wire[start : start + size] for start in range(0, len(wire), size)]
        assert [message for piece in pieces for message in decoder.receive_data(piece)] == [line]
        seconds[size] = time.process_time() - began
    assert seconds[1024] < 10 * seconds[1 << 30] + 1.0
