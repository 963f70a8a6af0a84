"""The framed dialect's parser, and how a manager finds out which dialect a device speaks."""

from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st

from iot_manager.dialects import PROBES, FramedDialect, Kind, detect
from tests.iot_manager.manageddevices import info


def framed(*messages: bytes) -> bytes:
    return b"".join(len(message).to_bytes(2) + message for message in messages)


def fed(dialect: FramedDialect, *pieces: bytes) -> list[tuple[Kind, bytes]]:
    parts = []
    for piece in pieces:
        for part in dialect.receive_data(piece):
            if part.kind is Kind.INFO:
                dialect.uuid = b"known"
            parts.append((part.kind, part.data))
    return parts


WIRE = framed(info(), b"\x02", b"hello", b"", b"\x03")
PARTS = [(Kind.INFO, info()), (Kind.BEAT, b""), (Kind.MESSAGE, b"hello"), (Kind.GOODBYE, b"")]


def test_everything_framed_split_at_every_byte() -> None:
    for place in range(1, len(WIRE)):
        assert fed(FramedDialect(1000), WIRE[:place], WIRE[place:]) == PARTS
    assert fed(FramedDialect(1000), *(WIRE[i : i + 1] for i in range(len(WIRE)))) == PARTS


@given(st.lists(st.binary(min_size=1, max_size=300)), st.integers(1, 50))
def test_any_messages_however_they_are_cut(messages: list[bytes], size: int) -> None:
    dialect = FramedDialect(1000)
    dialect.uuid, dialect.expects_info = b"known", False
    wire = framed(*messages)
    pieces = [wire[i : i + size] for i in range(0, len(wire), size)]
    data = [data for kind, data in fed(dialect, *pieces) if kind is Kind.MESSAGE]
    assert data == [message for message in messages if message not in (b"\x02", b"\x03")]


def test_an_info_has_a_bound() -> None:
    dialect = FramedDialect(1000)
    assert fed(dialect, framed(b"x" * 1001)[:2]) == []
    assert "1001" in dialect.error


def test_the_dialect_shows_in_the_first_byte() -> None:
    raw, short = info(), framed(info())
    for place in range(1, len(raw)):
        assert detect(raw[:place]) in ("raw", "auto")
        assert detect(short[:place]) == "framed"
    assert detect(raw) == "raw"
    assert detect(b"") == "auto"


def test_the_dialect_of_an_info_of_more_than_8_kib_shows_in_its_delimiter() -> None:
    long = info(data='{"a": "' + "x" * 9000 + '"}')
    assert detect(long) == "raw"
    assert detect(framed(long)) == "framed"
    assert {detect(framed(long)[:place]) for place in range(1, 40)} == {"auto"}


def exact_reader(stream: bytes) -> list[bytes]:
    """The messages that a device finds which waits for every byte of one."""
    messages = []
    while len(stream) >= 2 and len(stream) >= 2 + int.from_bytes(stream[:2]):
        size = int.from_bytes(stream[:2])
        messages.append(stream[2 : 2 + size])
        stream = stream[2 + size :]
    return messages


def forgetful_reader(*arrivals: bytes) -> list[bytes]:
    """Those that a device finds which takes what is there, and forgets what is not whole."""
    messages = []
    for stream in arrivals:
        while len(stream) >= 2:
            size = int.from_bytes(stream[:2])
            messages.append(stream[2 : 2 + size])
            stream = stream[2 + size :]
    return messages


def test_every_kind_of_device_understands_one_of_the_probes() -> None:
    probes = [probe.data for probe in PROBES]
    assert probes[0] == b"\x01"  # a raw device has answered now
    assert exact_reader(b"".join(probes[:2])) == []
    exact = exact_reader(b"".join(probes[:3]))
    assert [len(message) for message in exact] == [256, 1] and exact[-1] == b"\x01"
    assert forgetful_reader(*probes[:2]) == [b"\x01"]
    late: Callable[..., list[bytes]] = forgetful_reader
    assert [message.strip() for message in late(probes[0], b"".join(probes[1:3]))] == [b"\x01", b"", b"\x01"]
    assert probes[3] == probes[4] == b"\x01"  # for a raw device that was not there in time
