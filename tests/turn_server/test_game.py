"""Updates, counters and the end of a game, request by request."""

import pytest

from tests.turn_server.conftest import MakeTable, Table
from turn_server.symbols import MAX_BODY_BYTES


def test_two_racing_players(table: Table) -> None:
    game = table.play()
    assert table.update(game, 0, 0, "a0") == "0/10/*"
    assert table.update(game, 0, 1, "a1") == "0/10/*"
    assert table.update(game, 1, 0, "b0") == "0/9/a0|a1"
    assert table.update(game, 0, 2, "a2") == "0/9/b0"
    assert table.update(game, 1, 1, "b1") == "0/9/a2"
    assert table.update(game, 1, 2, "b2") == "0/10/*"
    assert table.update(game, 0, 3) == "0/9/b1|b2"
    assert table.update(game, 0, 4) == "0/10/*"


def test_a_reply_was_lost_and_the_request_comes_again(table: Table) -> None:
    game = table.play()
    table.update(game, 1, 0, "b0")
    replies = [table.update(game, 0, 0, "a0") for _ in range(3)]
    assert replies == ["0/9/b0"] * 3
    assert table.update(game, 1, 1) == "0/9/a0"
    assert table.update(game, 1, 2) == "0/10/*"


def test_what_came_since_is_added_when_a_request_comes_again(table: Table) -> None:
    game = table.play()
    assert table.update(game, 0, 0, "a0") == "0/10/*"
    table.update(game, 1, 0, "b0")
    assert table.update(game, 0, 0, "a0") == "0/9/b0"
    table.update(game, 1, 1, "b1")
    assert table.update(game, 0, 0, "a0") == "0/9/b0|b1"
    assert table.update(game, 0, 1, "a1") == "0/10/*"


def test_a_stuck_counter_gets_growing_blocks_and_what_it_sends_is_passed_on(table: Table) -> None:
    game = table.play()
    for number in range(5):
        table.update(game, 1, number, f"b{number}")
        block = "|".join(f"b{each}" for each in range(number + 1))
        assert table.update(game, 0, 0, f"a{number}") == f"0/9/{block}"
    assert table.update(game, 1, 5) == "0/9/a4"
    assert table.update(game, 0, 1) == "0/10/*"


def test_the_same_data_with_the_next_counter_is_sent_again(table: Table) -> None:
    game = table.play()
    table.update(game, 0, 0, "ping")
    table.update(game, 0, 1, "ping")
    assert table.update(game, 1, 0) == "0/9/ping|ping"


def test_a_request_held_up_somewhere_does_not_come_twice(table: Table) -> None:
    game = table.play()
    table.update(game, 0, 0, "a0")
    table.update(game, 0, 1, "a1")
    assert table.update(game, 0, 0, "a0") == "18/*/*"
    assert table.update(game, 1, 0) == "0/9/a0|a1"


@pytest.mark.parametrize(
    "data", ["a,b,,c", ",", ",,,,", "a|b", "|", "0/9/x", "**", " ", "æ,ø|å", "a\r\nb", "1,2,3,4,5,6"]
)
def test_data_is_passed_on_as_it_is(table: Table, data: str) -> None:
    game = table.play()
    assert table.update(game, 0, 0, data) == "0/10/*"
    assert table.update(game, 1, 0) == f"0/9/{data}"


def test_data_need_not_be_text(table: Table) -> None:
    game = table.play().encode()
    assert table.post(b"6,\xff\x00\xfe,%b,0,0" % game) == "0/10/*"
    replies = table.server.state()["games"][0]["players"][1]["inbox"]
    assert replies == "\\xff\x00\\xfe"


def test_joined_data_that_has_joints_itself_looks_like_more_pieces(table: Table) -> None:
    game = table.play()
    table.update(game, 0, 0, "a|b")
    table.update(game, 0, 1, "c")
    assert table.update(game, 1, 0) == "0/9/a|b|c"


@pytest.mark.parametrize("data", ["", "*"])
def test_without_data_nothing_is_passed_on(table: Table, data: str) -> None:
    game = table.play()
    assert table.update(game, 0, 0, data) == "0/10/*"
    assert table.update(game, 1, 0) == "0/10/*"


@pytest.mark.parametrize(("counter", "reply"), [("0", "18/*/*"), ("3", "19/*/*"), ("9" * 18, "19/*/*")])
def test_18_and_19_a_counter_behind_or_ahead_changes_nothing(table: Table, counter: str, reply: str) -> None:
    game = table.play()
    table.update(game, 0, 0, "a0")
    table.update(game, 1, 0, "b0")
    assert table.update(game, 0, 1, "a1") == "0/9/b0"
    assert table.post(f"6,a2,{game},0,{counter}") == reply
    assert table.update(game, 0, 1, "a1") == "0/9/b0"
    assert table.update(game, 1, 1) == "0/9/a1"


def test_19_the_first_counter_is_0(table: Table) -> None:
    game = table.play()
    assert table.update(game, 0, 1) == "19/*/*"
    assert table.update(game, 0, 0) == "0/10/*"


@pytest.mark.parametrize("counter", ["", "*", "-1", "1.0", "x", "1" * 19, "²"])
def test_4_2_no_counter(table: Table, counter: str) -> None:
    assert table.post(f"6,a,{table.play()},0,{counter}") == "4/2/*"


@pytest.mark.parametrize("symbol", [5, 6])
@pytest.mark.parametrize("player", ["", "*", "x", "-1"])
def test_4_1_no_player_key(table: Table, symbol: int, player: str) -> None:
    assert table.post(f"{symbol},a,{table.play()},{player},0") == "4/1/*"


@pytest.mark.parametrize("symbol", [5, 6])
@pytest.mark.parametrize("player", ["2", "00", "17"])
def test_14_no_such_player(table: Table, symbol: int, player: str) -> None:
    assert table.post(f"{symbol},a,{table.play()},{player},0") == "14/*/*"


@pytest.mark.parametrize("symbol", [5, 6])
def test_13_no_game(table: Table, symbol: int) -> None:
    key = table.register()
    for game in ("30", key):
        assert table.post(f"{symbol},a,{game},0,0") == "13/*/*"


def test_quitting_and_being_told_so_as_often_as_asked(table: Table) -> None:
    game = table.play()
    assert [table.post(f"5,*,{game},0,*") for _ in range(2)] == ["0/1/*"] * 2
    assert table.update(game, 0, 0) == "13/*/*"
    assert [table.update(game, 1, 0) for _ in range(2)] == ["15/*/*"] * 2
    assert table.server.state()["games"] == []
    assert table.post(f"5,*,{game},0,*") == "0/1/*"


def test_15_is_heard_after_what_the_partner_said_last(table: Table) -> None:
    game = table.play()
    table.update(game, 1, 0)
    table.update(game, 0, 0, "good bye")
    table.post(f"5,*,{game},0,1")
    assert table.update(game, 1, 1, "b1") == "0/9/good bye"
    assert table.update(game, 1, 1, "b1") == "0/9/good bye"
    assert table.update(game, 1, 2) == "15/*/*"


def test_what_the_partner_said_last_can_be_fetched_for_a_while(table: Table) -> None:
    game = table.play()
    table.update(game, 0, 0, "good bye")
    table.post(f"5,*,{game},0,1")
    for _ in range(19):
        table.pass_time(1)
        assert table.update(game, 1, 0) == "0/9/good bye"
    table.pass_time(1)
    assert table.update(game, 1, 0) == "15/*/*"


def test_both_quit(table: Table) -> None:
    game = table.play()
    for player in (0, 1):
        assert table.post(f"5,*,{game},{player},*") == "0/1/*"
    assert table.server.state()["games"] == table.server.state()["players"] == []


def test_15_for_one_who_does_not_know_yet_that_the_game_has_begun(table: Table) -> None:
    ann, bob = table.pair()
    game = table.load((ann, bob))
    table.post(f"5,*,{game},0,*")
    assert table.post(f"4,*,{bob},*,*") == f"0/8/{game}|1"
    assert table.update(game, 1, 0) == "15/*/*"
    assert table.post(f"4,*,{bob},*,*") == "5/*/*"


def test_who_unregisters_with_the_pairing_key_after_the_game_has_begun_has_quit(table: Table) -> None:
    ann, bob = table.pair()
    game = table.load((ann, bob))
    assert [table.post(f"1,*,{ann},*,*") for _ in range(2)] == ["0/1/*"] * 2
    assert table.update(game, 1, 0) == "15/*/*"


def test_21_for_one_whose_counter_is_stuck_and_for_one_whose_data_does_not_fit(make_table: MakeTable) -> None:
    table = make_table(max_cache_bytes=10)
    game = table.play()
    assert table.update(game, 0, 0, "a0") == "0/10/*"
    assert table.update(game, 1, 0, "12345") == "0/9/a0"
    assert table.update(game, 0, 0, "a0") == "0/9/12345"
    # One more byte would do: the joint counts.
    assert table.update(game, 1, 1, "67890") == "21//*"
    assert table.update(game, 0, 0, "a0") == "21/12345/*"
    assert table.update(game, 1, 1, "67890") == "21//*"
    assert table.update(game, 0, 1, "a1") == "0/10/*"
    assert table.update(game, 1, 1, "67890") == "0/9/a1"
    assert table.update(game, 0, 2) == "0/9/67890"


def test_21_brings_what_is_here_for_the_sender_and_that_can_be_released(make_table: MakeTable) -> None:
    table = make_table(max_cache_bytes=4)
    game = table.play()
    table.update(game, 0, 0, "abcd")
    table.update(game, 1, 0, "efgh")
    assert table.update(game, 0, 1, "no") == "21/efgh/*"
    assert table.update(game, 0, 2, "no") == "21//*"
    assert table.update(game, 1, 0, "efgh") == "21/abcd/*"
    assert table.update(game, 1, 1) == "0/10/*"
    assert table.update(game, 0, 3, "yes") == "0/10/*"
    assert table.update(game, 1, 2) == "0/9/yes"


def test_the_same_data_as_before_is_not_taken_for_a_repetition_after_21(make_table: MakeTable) -> None:
    table = make_table(max_cache_bytes=6)
    game = table.play()
    table.update(game, 0, 0, "same")
    assert table.update(game, 0, 1, "same") == "21//*"
    assert table.update(game, 1, 0) == "0/9/same"
    assert table.update(game, 1, 1) == "0/10/*"
    assert table.update(game, 0, 1, "same") == "0/10/*"
    assert table.update(game, 1, 2) == "0/9/same"


def test_after_21_the_same_data_with_the_next_counter_is_passed_on_once(make_table: MakeTable) -> None:
    table = make_table(max_cache_bytes=6)
    game = table.play()
    # The reply to this, that it was passed on, is lost; when it comes again, the other cache is full.
    assert table.update(game, 0, 0, "a0") == "0/10/*"
    table.update(game, 1, 0, "12345")
    table.update(game, 1, 1, "67890")
    assert table.update(game, 0, 0, "a0") == "21/12345/*"
    assert table.update(game, 0, 1, "a0") == "0/10/*"
    assert table.update(game, 1, 2, "67890") == "0/10/*"
    assert table.update(game, 0, 2, "a0") == "0/9/67890"
    assert table.update(game, 1, 3) == "0/9/a0"


def test_the_cache_holds_128_kib(table: Table) -> None:
    game = table.play()
    data = "x" * (MAX_BODY_BYTES - 64)
    assert [table.update(game, 0, counter, data) for counter in range(8)] == ["0/10/*"] * 8
    assert table.update(game, 0, 8, data) == "21//*"
    assert table.update(game, 1, 0) == "0/9/" + "|".join([data] * 8)
    assert table.update(game, 0, 8, data) == "21//*"
    assert table.update(game, 1, 0) == "21/" + "|".join([data] * 8) + "/*"
