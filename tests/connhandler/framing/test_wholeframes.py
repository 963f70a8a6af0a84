"""The fast way gives what the slow one would."""

from hypothesis import given
from hypothesis import strategies as st

from connhandler.framing.websocket import ServerFraming, Text
from connhandler.framing.wholeframes import encode_whole_frame, take_whole_frames
from tests.connhandler.websocketsupport import BINARY, TEXT, frame, handshake

MAX_BYTES = 70_000


def opened() -> ServerFraming:
    framing = ServerFraming(max_message_bytes=MAX_BYTES)
    framing.receive_data(handshake())
    framing.accept()
    assert framing.output().startswith(b"HTTP/1.1 101 ")
    return framing


frames = st.builds(
    frame,
    st.sampled_from([TEXT, TEXT, BINARY, BINARY, 0, 3, 8, 9, 10]),
    st.one_of(
        st.binary(max_size=30), st.text(max_size=30).map(str.encode), st.sampled_from([b"x" * 126, b"x" * 65536])
    ),
    fin=st.sampled_from([True, True, True, False]),
    masked=st.sampled_from([True, True, True, True, False]),
    reserved=st.sampled_from([0, 0, 0, 0, 0, 4]),
)


@given(st.lists(frames, max_size=12), st.lists(st.integers(0, 400), max_size=4), st.binary(max_size=5))
def test_both_ways_find_the_same(sent: list[bytes], cuts: list[int], rest: bytes) -> None:
    wire = b"".join(sent) + rest
    places = sorted(min(cut, len(wire)) for cut in cuts)
    pieces = [wire[start:end] for start, end in zip([0, *places], [*places, len(wire)], strict=True)]
    fast, slow = opened(), opened()
    for piece in pieces:
        messages = slow._core.take(piece) if piece else []
        found = fast.receive_data(piece)
        assert found == messages
        assert list(map(type, found)) == list(map(type, messages))
        assert fast.output() == slow.output()
        assert fast.mid_message == slow.mid_message or fast.error is not None
    assert fast.closed_by_peer == slow.closed_by_peer
    assert (fast.error.close_code if fast.error else None) == (slow._core.fault.code if slow._core.fault else None)
    assert fast.encode_close() == slow.encode_close()


def test_it_stops_at_whatever_is_not_plain() -> None:
    plain = frame(TEXT, "grüß".encode()) + frame(BINARY, b"x" * 300) + frame(TEXT)
    for other in (
        b"",
        b"\x81",
        frame(TEXT, b"abc")[:-1],
        frame(TEXT, b"\xff"),
        frame(TEXT, b"abc", fin=False),
        frame(TEXT, b"abc", reserved=4),
        frame(TEXT, b"abc", masked=False),
        frame(9),
        frame(BINARY, b"x" * 301),
        frame(BINARY, b"x" * 300)[:3],
    ):
        messages, position = take_whole_frames(plain + other, True, 300)
        assert messages == ["grüß".encode(), b"x" * 300, b""]
        assert [type(message) for message in messages] == [Text, bytes, Text]
        assert position == len(plain)


@given(st.binary(max_size=200) | st.sampled_from([b"x" * size for size in (125, 126, 65535, 65536)]), st.booleans())
def test_what_is_encoded_is_understood(payload: bytes, masked: bool) -> None:
    for message in (payload, Text(payload.hex().encode())):
        wire = encode_whole_frame(message, masked)
        assert take_whole_frames(wire, masked, 1 << 20) == ([message], len(wire))
        if not masked:
            assert wire == frame(TEXT if type(message) is Text else BINARY, message, masked=False)
