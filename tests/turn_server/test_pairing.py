"""Registration, partners and loading, request by request."""

import pytest

from tests.turn_server.conftest import MakeTable, Table


def test_registered_with_a_key_of_decimal_digits(table: Table) -> None:
    reply = table.post("0,Davey Jones,*,*,*")
    assert reply.startswith("0/0/")
    assert reply.removeprefix("0/0/").isdecimal()


def test_keys_cannot_be_guessed_from_each_other(table: Table) -> None:
    keys = [int(table.register(f"player{number}")) for number in range(100)]
    assert len(set(keys)) == 100
    assert max(keys) > 1 << 48
    assert keys != sorted(keys)


def test_the_example_of_the_seed(table: Table) -> None:
    key = table.register("Martha Stewart")
    assert table.post(f"2,*,{key},*,*") == "0/2/*"


def test_first_come_first_served(table: Table) -> None:
    ann, bob, carol, dave = (table.register(name) for name in ("Ann", "Bob", "Carol", "Dave"))
    # Those are paired who ask, in the order in which they ask, not in which they registered.
    assert table.post(f"2,*,{carol},*,*") == "0/2/*"
    assert table.post(f"2,*,{bob},*,*") == "0/4/Carol"
    assert table.post(f"2,*,{ann},*,*") == "0/2/*"
    assert table.post(f"2,*,{carol},*,*") == "0/3/Bob"
    assert table.post(f"2,*,{dave},*,*") == "0/4/Ann"
    assert table.post(f"2,*,{ann},*,*") == "0/3/Dave"


def test_the_first_who_waits_is_first_though_others_ask_more_often(make_table: MakeTable) -> None:
    table = make_table()
    ann = table.register("Ann", wish="Zoe")
    bob, carol = table.register("Bob", wish="Dave"), table.register("Carol", wish="Dave")
    for key in (ann, bob, carol, carol, carol, ann):
        assert table.post(f"2,*,{key},*,*") == "0/2/*"
    dave = table.register("Dave")
    assert table.post(f"2,*,{dave},*,*") == "0/4/Bob"


def test_two_who_want_each_other(table: Table) -> None:
    stranger, ann = table.register("Stranger"), table.register("Ann", wish="Bob")
    assert table.post(f"2,*,{stranger},*,*") == "0/2/*"
    assert table.post(f"2,*,{ann},*,*") == "0/2/*"
    bob = table.register("Bob", wish="Ann")
    assert table.post(f"2,*,{bob},*,*") == "0/4/Ann"
    assert table.post(f"2,*,{ann},*,*") == "0/3/Bob"
    assert table.post(f"2,*,{stranger},*,*") == "0/2/*"


@pytest.mark.parametrize("wanted_asks_first", [False, True])
def test_one_who_is_wanted_and_wants_anybody(table: Table, wanted_asks_first: bool) -> None:
    ann, bob = table.register("Ann", wish="Bob"), table.register("Bob")
    first, second = (bob, ann) if wanted_asks_first else (ann, bob)
    assert table.post(f"2,*,{first},*,*") == "0/2/*"
    assert table.post(f"2,*,{second},*,*").startswith("0/4/")


def test_nobody_else_than_who_is_wanted(table: Table) -> None:
    ann, bob = table.register("Ann", wish="Bob"), table.register("Bob", wish="Carol")
    assert table.post(f"2,*,{bob},*,*") == "0/2/*"
    assert table.post(f"2,*,{ann},*,*") == "0/2/*"
    carol = table.register("Carol")
    assert table.post(f"2,*,{carol},*,*") == "0/4/Bob"
    assert table.post(f"2,*,{ann},*,*") == "0/2/*"


def test_a_name_with_commas_and_joints_comes_to_the_partner_as_it_is(table: Table) -> None:
    ann, jones = table.register("Ann"), table.register("Jones, Davey|the/1st,")
    assert table.post(f"2,*,{ann},*,*") == "0/2/*"
    assert table.post(f"2,*,{jones},*,*") == "0/4/Ann"
    assert table.post(f"2,*,{ann},*,*") == "0/3/Jones, Davey|the/1st,"


def test_who_was_first_sets_the_game_up_and_is_player_0(table: Table) -> None:
    game = table.load(table.pair())
    assert game.isdecimal()


def test_every_request_of_the_way_there_may_be_repeated(table: Table) -> None:
    ann, bob = table.pair()
    for _ in range(2):
        assert table.post(f"2,*,{bob},*,*") == "0/4/Ann"
        assert table.post(f"3,*,{bob},*,*") == "0/6/"
        assert table.post(f"4,*,{bob},*,*") == "0/7/*"
        assert table.post(f"3,*,{ann},*,*") == "0/5/"
        assert table.post(f"2,*,{ann},*,*") == "0/3/Bob"
    game = table.post(f"4,*,{ann},*,*").removeprefix("0/8/")
    for key, player, sign in ((ann, "0", "0/5/"), (bob, "1", "0/6/")):
        assert table.post(f"3,*,{key},*,*") == sign
        assert table.post(f"4,*,{key},*,*") == f"0/8/{game[:-1]}{player}"
        assert table.post(f"2,*,{key},*,*").startswith("0/3/" if player == "0" else "0/4/")


def test_the_lost_reply_to_a_registration_costs_nothing(table: Table) -> None:
    lost, ann = table.register("Ann"), table.register("Ann")
    assert lost != ann
    bob = table.register("Bob")
    assert table.post(f"2,*,{bob},*,*") == "0/2/*"
    assert table.post(f"2,*,{ann},*,*") == "0/4/Bob"


def test_unregistered_once_and_told_so_as_often_as_asked(table: Table) -> None:
    key = table.register()
    assert [table.post(f"1,*,{key},*,*") for _ in range(2)] == ["0/1/*"] * 2
    assert table.post(f"2,*,{key},*,*") == "5/*/*"
    assert table.server.state()["players"] == []


def test_who_unregisters_waits_no_more(table: Table) -> None:
    ann, bob = table.register("Ann"), table.register("Bob")
    assert table.post(f"2,*,{ann},*,*") == "0/2/*"
    assert table.post(f"1,*,{ann},*,*") == "0/1/*"
    assert table.post(f"2,*,{bob},*,*") == "0/2/*"


@pytest.mark.parametrize("symbol", range(1, 5))
def test_5_not_registered(table: Table, symbol: int) -> None:
    assert table.post(f"{symbol},*,30,*,*") == "5/*/*"


@pytest.mark.parametrize("symbol", range(1, 7))
@pytest.mark.parametrize("key", ["*", "bibbybabbis"])
def test_6_only_to_register_needs_no_key(table: Table, symbol: int, key: str) -> None:
    assert table.post(f"{symbol},*,{key},*,*") == "6/*/*"


@pytest.mark.parametrize("key", ["", "30", "bibby", "**"])
def test_4_3_no_key_to_register_with(table: Table, key: str) -> None:
    assert table.post(f"0,Ann,{key},*,*") == "4/3/*"


@pytest.mark.parametrize("name", ["", "*", "x" * 257])
def test_7_no_name_to_register(table: Table, name: str) -> None:
    assert table.post(f"0,{name},*,*,*") == "7/*/*"


@pytest.mark.parametrize("wish", ["", "Ann", "x" * 257])
def test_16_no_name_of_a_partner(table: Table, wish: str) -> None:
    assert table.post(f"0,Ann,*,{wish},*") == "16/*/*"


def test_8_no_partner_to_load_with(table: Table) -> None:
    key = table.register()
    assert table.post(f"3,*,{key},*,*") == "8/*/*"
    assert table.post(f"2,*,{key},*,*") == "0/2/*"
    assert table.post(f"4,*,{key},*,*") == "8/*/*"


def test_8_not_ready_before_it_is_known_which_side_one_is(table: Table) -> None:
    ann, _ = table.pair()
    assert table.post(f"4,*,{ann},*,*") == "8/*/*"
    assert table.post(f"3,*,{ann},*,*") == "0/5/"
    assert table.post(f"4,*,{ann},*,*") == "0/7/*"


def test_11_pairing_keys_used_up_until_one_is_given_back(make_table: MakeTable) -> None:
    table = make_table(max_pairing_keys=2)
    key = table.register("Ann")
    table.register("Bob")
    assert table.post("0,Carol,*,*,*") == "11/*/*"
    table.post(f"1,*,{key},*,*")
    table.register("Carol")


def test_a_pairing_key_is_free_once_its_player_has_spoken_in_the_game(make_table: MakeTable) -> None:
    table = make_table(max_pairing_keys=2)
    game = table.play()
    assert table.post("0,Carol,*,*,*") == "11/*/*"
    table.update(game, 0, 0)
    table.register("Carol")
    assert table.post("0,Dave,*,*,*") == "11/*/*"
    table.update(game, 1, 0)
    table.register("Dave")


def test_12_game_keys_used_up_until_a_game_is_over(make_table: MakeTable) -> None:
    table = make_table(max_game_keys=1)
    game = table.play()
    ann, bob = table.pair()
    for key in (ann, bob):
        table.post(f"3,*,{key},*,*")
    assert table.post(f"4,*,{ann},*,*") == "0/7/*"
    for key in (bob, ann, bob):
        assert table.post(f"4,*,{key},*,*") == "12/*/*"
    for player in (0, 1):
        assert table.post(f"5,*,{game},{player},*") == "0/1/*"
    assert table.post(f"4,*,{ann},*,*").startswith("0/8/")
    assert table.post(f"4,*,{bob},*,*").startswith("0/8/")


def test_15_the_partner_unregisters_while_loading(table: Table) -> None:
    ann, bob = table.pair()
    assert table.post(f"1,*,{ann},*,*") == "0/1/*"
    assert [table.post(f"{symbol},*,{bob},*,*") for symbol in (3, 4, 4)] == ["15/*/*"] * 3


def test_another_partner_with_the_same_key_after_the_first_has_gone(table: Table) -> None:
    ann, bob = table.pair()
    table.post(f"1,*,{ann},*,*")
    assert table.post(f"3,*,{bob},*,*") == "15/*/*"
    assert table.post(f"2,*,{bob},*,*") == "0/2/*"
    assert table.post(f"3,*,{bob},*,*") == "8/*/*"
    carol = table.register("Carol")
    assert table.post(f"2,*,{carol},*,*") == "0/4/Bob"
    assert table.post(f"2,*,{bob},*,*") == "0/3/Carol"
    table.load((bob, carol))


def test_17_the_wanted_partner_unregisters_before_it_was_asked(table: Table) -> None:
    ann, bob = table.register("Ann", wish="Bob"), table.register("Bob")
    assert table.post(f"2,*,{ann},*,*") == "0/2/*"
    assert table.post(f"1,*,{bob},*,*") == "0/1/*"
    assert [table.post(f"2,*,{ann},*,*") for _ in range(2)] == ["17/*/*"] * 2


def test_17_the_wanted_partner_unregisters_while_loading(table: Table) -> None:
    ann, bob = table.register("Ann", wish="Bob"), table.register("Bob")
    assert table.post(f"2,*,{ann},*,*") == "0/2/*"
    assert table.post(f"2,*,{bob},*,*") == "0/4/Ann"
    assert table.post(f"1,*,{bob},*,*") == "0/1/*"
    assert [table.post(f"{symbol},*,{ann},*,*") for symbol in (2, 3)] == ["17/*/*"] * 2


def test_17_reaches_those_who_wanted_somebody_who_is_out_for_that_reason(table: Table) -> None:
    ann = table.register("Ann", wish="Bob")
    table.register("Bob", wish="Carol")
    carol = table.register("Carol", wish="Nobody")
    table.post(f"1,*,{carol},*,*")
    assert table.post(f"2,*,{ann},*,*") == "17/*/*"
    assert table.server.state()["players"] == []


def test_nobody_hears_17_while_another_of_that_name_is_here_or_nobody_has_come_yet(table: Table) -> None:
    ann = table.register("Ann", wish="Bob")
    assert table.post(f"2,*,{ann},*,*") == "0/2/*"
    lost, bob = table.register("Bob"), table.register("Bob")
    table.post(f"1,*,{lost},*,*")
    assert table.post(f"2,*,{ann},*,*") == "0/2/*"
    assert table.post(f"2,*,{bob},*,*") == "0/4/Ann"
