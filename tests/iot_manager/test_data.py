"""What a device says about itself: what is taken, what is rejected, and with which words."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iot_manager import Data, InvalidInfo
from iot_manager.data import parse_info
from tests.iot_manager.manageddevices import TYPES, info, uuid


def test_the_response_of_the_seed() -> None:
    response = b'1862cfe1-5dab-4d8e-a946-50d6728f830f##light##{ "key_1": "data_1", "key_2": "data_2" }'
    data = parse_info(response, TYPES)
    assert (data.uuid, data.type) == ("1862cfe1-5dab-4d8e-a946-50d6728f830f", "light")
    assert data.data == {"key_1": "data_1", "key_2": "data_2"}


def test_the_members_and_get() -> None:
    data = Data(client_uuid=uuid(), client_type="light", client_data={"a": 1})
    assert (data.uuid, data.type, data.data) == (uuid(), "light", {"a": 1})
    assert data.get() == {"uuid": uuid(), "type": "light", "data": {"a": 1}}
    assert uuid() in repr(data)


def test_only_the_first_two_delimiters_count() -> None:
    assert parse_info(info(data='{"a##b": "##"}'), TYPES).data == {"a##b": "##"}


@pytest.mark.parametrize(
    ("response", "words"),
    [
        (b"", "not UUID##type##data"),
        (b"a:b:c", "not UUID##type##data"),
        (b"0" * 32 + b"##light##{}", "32 characters"),
        (b"0" * 37 + b"##light##{}", "37 characters"),
        (b"\n" * 36 + b"##light##{}", "cannot be printed"),
        (b"\xff" * 36 + b"##light##{}", "not UTF-8"),
        (info(device_type="toaster"), "'toaster' is not one of the valid types"),
        (info(data="[1]"), "not a JSON object"),
        (info(data="7"), "not a JSON object"),
        (info(data=""), "not a whole JSON object"),
        (info(data='{"a": 1'), "not a whole JSON object"),
        (info(data='{"a": }'), "not JSON"),
        (info(data="{} {}"), "not JSON"),
        (info()[:-1] + b'"\xff"}', "not UTF-8"),
        (info(data='{"a":' + "[" * 100_000), "nested"),
        (info(data='{"a":' + "9" * 5000 + "}"), "not JSON"),
        (info(data='{"a":[NaN]}'), "not JSON"),
        (info(data='{"a":-Infinity}'), "not JSON"),
        (info(data='{"a":1e999}'), "not JSON"),
        (info(data='{"a":"\\ud800"}'), "not JSON"),
        (info(data='{"\\udc00":1}'), "not JSON"),
    ],
)
def test_what_is_rejected(response: bytes, words: str) -> None:
    with pytest.raises(InvalidInfo, match=words) as caught:
        parse_info(response, TYPES)
    assert str(caught.value).isprintable() and len(str(caught.value)) < 300


def test_36_characters_are_not_36_bytes() -> None:
    assert parse_info(("ä" * 36 + "##light##{}").encode(), TYPES).uuid == "ä" * 36


@given(st.binary(max_size=80) | st.builds(lambda data: info(data="") + data, st.binary(max_size=40)))
def test_nothing_but_invalid_info_is_raised(response: bytes) -> None:
    try:
        data = parse_info(response, TYPES).get()
        assert json.loads(json.dumps(data, allow_nan=False, ensure_ascii=False).encode()) == data
    except InvalidInfo:
        pass
