"""What a terminal is shown depends on what it can show."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from game_server.client.style import Style, style_of


class Terminal(io.TextIOWrapper):
    def __init__(self, encoding: str, is_terminal: bool = True) -> None:
        super().__init__(io.BytesIO(), encoding=encoding)
        self._is_terminal = is_terminal

    def isatty(self) -> bool:
        return self._is_terminal


@pytest.mark.parametrize(
    ("encoding", "is_terminal", "environ", "style"),
    [
        ("utf-8", True, {}, Style(colours=True, unicode=True)),
        ("UTF8", True, {"NO_COLOR": ""}, Style(colours=True, unicode=True)),
        ("utf-8", True, {"NO_COLOR": "1"}, Style()),
        ("utf-8", True, {"TERM": "dumb"}, Style()),
        ("ascii", True, {}, Style(colours=True)),
        ("latin-1", True, {}, Style(colours=True)),
        ("utf-8", False, {}, Style(unicode=True)),
    ],
)
def test_what_a_stream_can_show(encoding: str, is_terminal: bool, environ: dict[str, str], style: Style) -> None:
    assert style_of(Terminal(encoding, is_terminal), environ) == style


@given(st.text(), st.integers(1, 100), st.booleans())
def test_cleaned_text_is_printable_and_fits(text: str, width: int, unicode: bool) -> None:
    cleaned = Style(unicode=unicode).clean(text, width)
    assert len(cleaned) == min(len(text), width)
    assert cleaned.isprintable()
    assert unicode or cleaned.isascii()


def test_text_is_cut_with_a_sign() -> None:
    assert Style().clean("abcdef", 4) == "abc~"
    assert Style(unicode=True).clean("äbcdef", 4) == "äbc…"


def test_without_colours_nothing_is_painted() -> None:
    assert Style().paint("x", "red") == "x"
    assert Style(colours=True).paint("x", "red", "bold") == "\x1b[31;1mx\x1b[0m"
