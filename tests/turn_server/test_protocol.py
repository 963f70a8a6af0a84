"""Requests taken apart and put together."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from turn_server.protocol import parse_request

FIELD = st.binary(max_size=20).filter(lambda field: b"," not in field)


@given(FIELD, st.binary(max_size=60), FIELD, FIELD, FIELD)
def test_what_is_put_together_comes_apart_as_it_was(
    symbol: bytes, data: bytes, key: bytes, player: bytes, counter: bytes
) -> None:
    fields = (symbol, data, key, player, counter)
    assert parse_request(b",".join(fields)) == fields


@given(st.binary(max_size=60))
def test_every_body_with_four_commas_is_five_fields(body: bytes) -> None:
    request = parse_request(body)
    assert (request is None) == (body.count(b",") < 4)
    if request is not None:
        assert b",".join(request) == body


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        (b"0,Davey Jones,*,*,*", (b"0", b"Davey Jones", b"*", b"*", b"*")),
        (b"2,*,30,*,*", (b"2", b"*", b"30", b"*", b"*")),
        (b"6,a,b,,c|d,77,0,1", (b"6", b"a,b,,c|d", b"77", b"0", b"1")),
        (b",,,,", (b"", b"", b"", b"", b"")),
    ],
)
def test_the_first_field_and_the_last_three(body: bytes, fields: tuple[bytes, ...]) -> None:
    assert parse_request(body) == fields
