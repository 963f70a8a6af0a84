"""The raw dialect: what was asked for is found wherever it stands and however it is cut; nothing else is lost."""

from hypothesis import given
from hypothesis import strategies as st

from iot_manager.dialects import Kind
from iot_manager.rawdialect import RawDialect
from tests.iot_manager.manageddevices import info, uuid

UUID = uuid().encode()
AUTH = b"auth " + b"0123456789abcdef" * 4


def identified() -> RawDialect:
    dialect = RawDialect(1000)
    dialect.expects_info = False
    dialect.uuid = UUID
    return dialect


def fed(dialect: RawDialect, *pieces: bytes) -> list[tuple[Kind, bytes]]:
    parts = []
    for piece in pieces:
        for part in dialect.receive_data(piece):
            if part.kind is Kind.INFO:
                dialect.uuid = UUID
            parts.append((part.kind, part.data))
    if dialect.is_holding:
        parts.append((Kind.MESSAGE, dialect.give_up_holding()))
    return parts


def test_the_seeds_info_split_at_every_byte() -> None:
    whole = info()
    for place in range(1, len(whole)):
        assert fed(RawDialect(1000), whole[:place], whole[place:]) == [(Kind.INFO, whole)]
    assert fed(RawDialect(1000), *(whole[i : i + 1] for i in range(len(whole)))) == [(Kind.INFO, whole)]


def test_what_comes_with_the_info_is_a_message() -> None:
    tricky = info(data='{"a": "}\\"##{", "b": [{}]}')
    assert fed(RawDialect(1000), tricky + b"\nhello") == [(Kind.INFO, tricky), (Kind.MESSAGE, b"hello")]


def test_an_info_has_a_bound() -> None:
    for data in (info(data='{"a": "' + "x" * 1000), b"x" * 200):
        dialect = RawDialect(1000)
        fed(dialect, data)
        assert dialect.error


def test_what_arrives_together_is_one_message() -> None:
    assert fed(identified(), b"one", b"two##three", b"{}") == [
        (Kind.MESSAGE, b"one"),
        (Kind.MESSAGE, b"two##three"),
        (Kind.MESSAGE, b"{}"),
    ]


def test_a_beat_that_was_asked_for_is_found_before_and_after_data() -> None:
    for data, expected in (
        (b"beat", [(Kind.BEAT, b"")]),
        (b"beatdata", [(Kind.BEAT, b""), (Kind.MESSAGE, b"data")]),
        (b"databeat", [(Kind.MESSAGE, b"data"), (Kind.BEAT, b"")]),
    ):
        for place in range(len(data)):
            dialect = identified()
            dialect.beats_expected = 1
            found = fed(dialect, *filter(None, (data[:place], data[place:])))
            kinds = [kind for kind, _ in found]
            assert kinds.count(Kind.BEAT) == 1, (data, place, found)
            assert b"".join(text for _, text in found) == b"".join(text for _, text in expected)
            assert dialect.beats_expected == 0


def test_a_beat_that_nobody_asked_for_is_data_unless_it_is_alone() -> None:
    assert fed(identified(), b"upbeat") == [(Kind.MESSAGE, b"upbeat")]
    assert fed(identified(), b"beat", b"beatbeat") == [(Kind.BEAT, b""), (Kind.BEAT, b"")]


def test_what_is_held_and_was_no_beat_keeps_its_boundary() -> None:
    dialect = identified()
    dialect.beats_expected = 1
    assert fed(dialect, b"climb", b"hello", b"beat") == [
        (Kind.MESSAGE, b"climb"),
        (Kind.MESSAGE, b"hello"),
        (Kind.BEAT, b""),
    ]
    dialect.beats_expected = 1
    assert fed(dialect, b"lab") == [(Kind.MESSAGE, b"lab")]


def test_a_proof_split_at_every_byte() -> None:
    for place in range(len(AUTH)):
        dialect = identified()
        dialect.expects_auth = True
        assert fed(dialect, *filter(None, (AUTH[:place], AUTH[place:]))) == [(Kind.AUTH, AUTH[5:])]


def test_a_reply_split_at_every_byte_between_other_data() -> None:
    reply = b'{"reply":"7","payload":{"a":"}"}}'
    for place in range(len(reply)):
        dialect = identified()
        dialect.expects_reply = True
        assert fed(dialect, b"temp=20" + reply[:place], reply[place:] + b"temp=21") == [
            (Kind.MESSAGE, b"temp=20"),
            (Kind.OBJECT, reply),
            (Kind.MESSAGE, b"temp=21"),
        ]
        assert fed(dialect, *filter(None, (reply[:place], reply[place:]))) == [(Kind.OBJECT, reply)]


def test_an_info_that_was_asked_for_again_between_other_data() -> None:
    for place in range(len(info())):
        dialect = identified()
        dialect.expects_info = True
        assert fed(dialect, b"before" + info()[:place], info()[place:] + b"after") == [
            (Kind.MESSAGE, b"before"),
            (Kind.INFO, info()),
            (Kind.MESSAGE, b"after"),
        ]


@given(st.lists(st.binary(min_size=1, max_size=20) | st.sampled_from([b"beat", b"be", AUTH, b'{"reply"', b"{", b"}"])))
def test_nothing_is_lost_whatever_is_expected(pieces: list[bytes]) -> None:
    dialect = identified()
    dialect.expects_reply = dialect.expects_auth = True
    dialect.beats_expected = 1
    found = fed(dialect, *pieces)
    sent, left = b"".join(pieces), b"".join(data for _, data in found)
    beats = sum(kind is Kind.BEAT for kind, _ in found)
    auths = sum(kind is Kind.AUTH for kind, _ in found)
    if not beats and not auths:
        assert left == sent
    else:  # What is no data was taken out of it; white space after a proof as well.
        assert len(left) <= len(sent) - 4 * beats - 5 * auths
        assert sent.replace(b"beat", b"").replace(b"auth ", b"").strip() or not left
