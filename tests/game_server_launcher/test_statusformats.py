"""What games say of themselves by UDP. The packets were sent by OpenArena 0.8.8 and Teeworlds 0.7.5."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from game_server_launcher.statusformats import (
    MAX_PLAYERS,
    MAX_TEXT,
    QUESTIONS,
    GameStatus,
    Quake3Question,
    TeeworldsQuestion,
    without_colours,
)

NONCE = 0x0123456789ABCDEF
QUAKE3 = (
    b"\xff\xff\xff\xffstatusResponse\n"
    b"\\challenge\\0123456789abcdef\\com_protocol\\71\\version\\ioq3 1.36\\mapname\\oa_dm1\\sv_privateClients\\1"
    b"\\sv_hostname\\^1red ^7house\\sv_maxclients\\8\\g_timestamp\\2026-11-28 23:03:42\n"
    b'0 0 "Gargoyle"\n-3 48 "^1a^xb^^7c"\n12 999 "say \\"\'; x"\n'
)
TOKEN = b"\x04\x00\x00\x89\xab\xcd\xef\x05\xe6\xbf\x86\xff"
INFO_HEAD = b"!\x89\xab\xcd\xef\xe6\xbf\x86\xff\xff\xff\xff\xffinf3"
INFO = INFO_HEAD + b"\x270.7.5\0x\0\0dm1\0DM\0\0\1\2\x08\2\x0cnameless\0clan\0\xbf\x02\xc1\x07\0it's 0\0\0\0\x05\1"


def test_quake3() -> None:
    question = Quake3Question(NONCE)
    assert question.begin == b"\xff\xff\xff\xffgetstatus 0123456789abcdef\n"
    assert question.take(QUAKE3) == GameStatus("red house", "oa_dm1", 7, ["Gargoyle", "ab^c", "say \\\"'; x"])


@pytest.mark.parametrize(
    ("name", "plain"),
    [("^1red", "red"), ("a^", "a^"), ("^^1b", "^b"), ("^ c", "^ c"), ("\x01 d\x7f", "d"), ("é" * 500, "é" * MAX_TEXT)],
)
def test_colours(name: str, plain: str) -> None:
    assert without_colours(name) == plain


def test_quake3_without_settings_that_matter() -> None:
    head = b"\xff\xff\xff\xffstatusResponse\n\\challenge\\0123456789abcdef"
    question = Quake3Question(NONCE)
    assert question.take(head + b"\\mapname\\q") == GameStatus("", "q", 0, [])
    assert question.take(head + b"\\mapname\\q\\sv_maxclients\\many\\odd") == GameStatus("", "q", 0, [])
    assert question.take(head) is None
    assert question.take(QUAKE3.replace(b"0123", b"3210")) is None, "the answer to another question"


def test_teeworlds() -> None:
    question = TeeworldsQuestion(NONCE)
    assert len(question.begin) == 12 + 512
    assert question.begin.startswith(b"\x04\0\0\xff\xff\xff\xff\x05\x89\xab\xcd\xef")
    assert question.take(TOKEN) == b"!\xe6\xbf\x86\xff\x89\xab\xcd\xef\xff\xff\xff\xffgie3\x27"
    assert question.take(INFO) == GameStatus("x", "dm1", 12, ["nameless", "it's 0"])


def test_teeworlds_answers_to_others() -> None:
    question = TeeworldsQuestion(NONCE ^ 1)
    assert question.take(TOKEN) is None
    assert question.take(INFO) is None
    assert TeeworldsQuestion(NONCE ^ 1 << 32).take(INFO) is None


def test_a_nonce_that_means_no_token_is_not_used() -> None:
    assert TeeworldsQuestion(0xFFFFFFFF).begin[8:12] != b"\xff\xff\xff\xff"


@pytest.mark.parametrize(("kind", "packet"), [("quake3", QUAKE3), ("teeworlds", TOKEN), ("teeworlds", INFO)])
def test_packets_that_were_cut_off_are_taken_or_passed_over(kind: str, packet: bytes) -> None:
    for length in range(len(packet)):
        taken = QUESTIONS[kind](NONCE).take(packet[:length])
        assert taken is None or isinstance(taken, GameStatus if packet is not TOKEN else bytes)
    if packet is INFO:
        assert all(QUESTIONS[kind](NONCE).take(packet[:length]) is None for length in range(len(packet)))


@given(st.binary())
def test_garbage_is_passed_over(packet: bytes) -> None:
    for question in QUESTIONS.values():
        assert question(NONCE).take(packet) is None


@given(st.binary())
@example(b"\x27" + b"\0" * 5 + b"\0\0\0\0\xbf\xff\xff\xff\x7f\0" + b"\0" * 5000)
@example(b"\x27" + b"\0" * 5 + b"\0\0\0\0\x41\x41")
def test_garbage_after_a_right_beginning_is_bounded(rest: bytes) -> None:
    head = QUAKE3[: QUAKE3.index(b"\n", 20) + 1]
    for taken in (
        Quake3Question(NONCE).take(head + rest),
        Quake3Question(NONCE).take(head.rstrip(b"\n") + rest),
        TeeworldsQuestion(NONCE).take(INFO_HEAD + rest),
        TeeworldsQuestion(NONCE).take(INFO_HEAD + b"\x27" + rest),
    ):
        if taken is not None:
            assert isinstance(taken, GameStatus)
            assert len(taken.players) <= MAX_PLAYERS
            assert all(len(text) <= MAX_TEXT for text in (taken.name, taken.map, *taken.players))
            assert 0 <= taken.capacity <= 1_000_000


@given(st.integers(-(2**31), 2**31 - 1))
def test_numbers_of_teeworlds(number: int) -> None:
    """Packed as the game packs them, in the place of the capacity."""
    packet = INFO_HEAD + b"\x27" + b"\0" * 5 + b"\0\0\0\0\0" + pack(number)
    status = TeeworldsQuestion(NONCE).take(packet)
    assert status == GameStatus("", "", min(max(number, 0), 1_000_000), [])


def pack(number: int) -> bytes:
    sign, rest = (0x40, ~number) if number < 0 else (0, number)
    packed = [sign | rest & 0x3F]
    rest >>= 6
    while rest:
        packed[-1] |= 0x80
        packed.append(rest & 0x7F)
        rest >>= 7
    return bytes(packed)
