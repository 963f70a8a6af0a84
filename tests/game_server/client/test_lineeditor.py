"""Keys in, lines out, however the bytes arrive."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from game_server.client.lineeditor import MAX_LINE, LineEditor


@pytest.mark.parametrize(
    ("keys", "lines", "left"),
    [
        (b"4\n", ["4"], ""),
        (b"p b\xc3\xb6b\rq", ["p böb"], "q"),
        (b"45\x7f\x7f\x7f3\x08x\n\n", ["x", ""], ""),
        (b"abc\x15d\n", ["d"], ""),
        (b"1\x1b[A\x1b[1;5C\x1bOP\x1bx2\n", ["12"], ""),
        (b"a\x01\tb\xff\n", ["ab\N{REPLACEMENT CHARACTER}"], ""),
        (b"x" * 500 + b"\n", ["x" * MAX_LINE], ""),
    ],
)
def test_what_is_typed(keys: bytes, lines: list[str], left: str) -> None:
    editor = LineEditor()
    assert editor.feed(keys) == lines
    assert editor.buffer == left
    slow = LineEditor()
    assert [line for key in keys for line in slow.feed(bytes([key]))] == lines


def test_the_end_is_a_control_d_on_an_empty_line() -> None:
    editor = LineEditor()
    editor.feed(b"a\x04")
    assert not editor.ended
    editor.feed(b"\x7f\x04b")
    assert editor.ended


@given(st.binary())
def test_whatever_is_typed_lines_are_printable_and_short(keys: bytes) -> None:
    editor = LineEditor()
    for line in [*editor.feed(keys), editor.buffer]:
        assert line.isprintable()
        assert len(line) <= MAX_LINE
