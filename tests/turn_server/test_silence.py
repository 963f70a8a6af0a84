"""Every wait, on a clock that moves when the test says so: nobody is dropped early, and nobody by the next request."""

import pytest

from tests.turn_server.conftest import MakeTable, Table

SHORT = 0.01


def serials(table: Table) -> list[int]:
    return [player["serial"] for player in table.server.state()["players"]]


@pytest.mark.parametrize(("key", "seconds"), [("*", 10), ("bibbybabbis", 180)])
def test_10_registered_and_silent(table: Table, key: str, seconds: float) -> None:
    player = table.register(key=key)
    table.pass_time(seconds - SHORT)
    assert serials(table) == [1]
    table.pass_time(SHORT)
    assert serials(table) == []
    assert [table.post(f"{symbol},*,{player},*,*") for symbol in (1, 2, 2, 3, 4)] == ["10/*/*"] * 5


@pytest.mark.parametrize(("key", "seconds"), [("*", 10), ("bibbybabbis", 180)])
def test_every_request_begins_the_wait_anew(table: Table, key: str, seconds: float) -> None:
    player = table.register(key=key)
    for _ in range(3):
        table.pass_time(seconds - SHORT)
        assert table.post(f"2,*,{player},*,*") == "0/2/*"
    table.pass_time(seconds - SHORT)
    assert serials(table) == [1]
    table.pass_time(SHORT)
    assert serials(table) == []


def test_a_request_that_is_refused_is_a_sign_of_life_too(table: Table) -> None:
    player = table.register()
    table.pass_time(9)
    assert table.post(f"4,*,{player},*,*") == "8/*/*"
    table.pass_time(9)
    assert table.post(f"2,*,{player},*,*") == "0/2/*"


def test_who_was_dropped_is_nobodys_partner(table: Table) -> None:
    ann = table.register("Ann")
    table.post(f"2,*,{ann},*,*")
    table.pass_time(10)
    bob = table.register("Bob")
    assert table.post(f"2,*,{bob},*,*") == "0/2/*"


def test_9_2_and_10_one_side_is_silent_while_loading(table: Table) -> None:
    ann, bob = table.pair()
    table.pass_time(20)
    assert table.post(f"3,*,{bob},*,*") == "0/6/"
    table.pass_time(10 - SHORT)
    assert table.post(f"4,*,{bob},*,*") == "0/7/*"
    table.pass_time(SHORT)
    assert [table.post(f"{symbol},*,{bob},*,*") for symbol in (4, 4, 3)] == ["9/2/*"] * 3
    assert [table.post(f"{symbol},*,{ann},*,*") for symbol in (2, 3, 4)] == ["10/*/*"] * 3
    assert table.post(f"2,*,{bob},*,*") == "0/2/*"


def test_who_looks_for_a_new_partner_waits_as_at_first(table: Table) -> None:
    _, bob = table.pair()
    table.pass_time(20)
    table.post(f"3,*,{bob},*,*")
    table.pass_time(10)
    assert table.post(f"2,*,{bob},*,*") == "0/2/*"
    table.pass_time(10)
    assert table.post(f"2,*,{bob},*,*") == "10/*/*"


def test_both_are_silent_while_loading(table: Table) -> None:
    keys = table.pair()
    table.pass_time(30)
    assert [table.post(f"4,*,{key},*,*") for key in keys] == ["10/*/*"] * 2
    assert serials(table) == []


def test_a_partner_who_was_paired_meanwhile_has_the_time_of_loading(table: Table) -> None:
    ann = table.register("Ann")
    table.post(f"2,*,{ann},*,*")
    table.pass_time(9)
    bob = table.register("Bob")
    table.post(f"2,*,{bob},*,*")
    table.pass_time(20)
    assert table.post(f"2,*,{ann},*,*") == "0/3/Bob"


def test_9_2_and_10_one_side_is_silent_in_a_game(table: Table) -> None:
    game = table.play()
    for player in (0, 1):
        assert table.update(game, player, 0) == "0/10/*"
    table.pass_time(10)
    assert table.update(game, 1, 1, "b1") == "0/10/*"
    table.pass_time(10 - SHORT)
    assert table.update(game, 1, 2) == "0/10/*"
    table.pass_time(SHORT)
    assert [table.update(game, 1, 3) for _ in range(2)] == ["9/2/*"] * 2
    assert [table.update(game, 0, 1) for _ in range(2)] == ["10/*/*"] * 2
    assert table.post(f"5,*,{game},0,*") == "10/*/*"
    assert table.server.state()["games"] == []


def test_what_was_said_before_the_silence_is_heard_first(table: Table) -> None:
    game = table.play()
    table.update(game, 0, 0, "last words")
    table.pass_time(19)
    assert table.update(game, 1, 0) == "0/9/last words"
    table.pass_time(1)
    assert table.update(game, 1, 0) == "0/9/last words"
    assert table.update(game, 1, 1) == "9/2/*"


def test_who_has_not_spoken_in_the_game_yet_has_the_time_of_loading(table: Table) -> None:
    ann, bob = table.pair()
    table.post(f"3,*,{ann},*,*")
    table.post(f"4,*,{ann},*,*")
    table.pass_time(25)
    table.post(f"3,*,{bob},*,*")
    game = table.post(f"4,*,{bob},*,*").removeprefix("0/8/").removesuffix("|1")
    table.pass_time(5 - SHORT)
    assert table.post(f"4,*,{ann},*,*") == f"0/8/{game}|0"
    assert table.update(game, 0, 0) == "0/10/*"
    table.pass_time(20 - SHORT)
    assert table.update(game, 1, 0) == "0/10/*"
    table.pass_time(SHORT)
    assert table.update(game, 0, 1) == "10/*/*"


def test_10_for_one_who_never_came_to_the_game(table: Table) -> None:
    ann, bob = table.pair()
    game = table.load((ann, bob))
    for counter in range(3):
        table.pass_time(10)
        reply = table.update(game, 1, counter)
    assert reply == "9/2/*"
    assert table.post(f"4,*,{ann},*,*") == "10/*/*"
    assert table.update(game, 0, 0) == "10/*/*"


def test_the_long_wait_holds_in_a_game_too(table: Table) -> None:
    ann, bob = table.register("Ann", key="bibbybabbis"), table.register("Bob")
    for key in (ann, bob, ann):
        table.post(f"2,*,{key},*,*")
    game = table.load((ann, bob))
    assert table.update(game, 0, 0, "a0") == "0/10/*"
    counter = 0
    for counter in range(18):
        table.update(game, 1, counter)
        table.pass_time(10 - SHORT)
    assert table.update(game, 0, 1) == "0/10/*"
    assert table.update(game, 1, counter + 1) == "0/10/*"


def test_17_the_wanted_partner_is_silent(table: Table) -> None:
    ann = table.register("Ann", wish="Bob")
    table.register("Bob")
    table.pass_time(5)
    assert table.post(f"2,*,{ann},*,*") == "0/2/*"
    table.pass_time(5)
    assert [table.post(f"2,*,{ann},*,*") for _ in range(2)] == ["17/*/*"] * 2


def test_17_the_wanted_partner_is_silent_while_loading(table: Table) -> None:
    ann, bob = table.register("Ann", wish="Bob"), table.register("Bob")
    for key in (ann, bob):
        table.post(f"2,*,{key},*,*")
    table.pass_time(15)
    table.post(f"2,*,{ann},*,*")
    table.pass_time(15)
    assert [table.post(f"{symbol},*,{ann},*,*") for symbol in (3, 2)] == ["17/*/*"] * 2


def test_all_waits_are_settings(make_table: MakeTable) -> None:
    table = make_table(pairing_seconds=1, long_seconds=2, loading_seconds=3, game_seconds=4)
    table.register()
    table.register(key="bibbybabbis")
    table.pass_time(1)
    assert serials(table) == [2]
    table.pass_time(1)
    assert serials(table) == []
    table.pair()
    table.pass_time(3 - SHORT)
    assert serials(table) == [3, 4]
    table.pass_time(SHORT)
    assert serials(table) == []
    game = table.play()
    for player in (0, 1):
        table.update(game, player, 0)
    table.pass_time(4 - SHORT)
    assert len(table.server.state()["games"]) == 1
    table.pass_time(SHORT)
    assert table.server.state()["games"] == []


def test_those_who_departed_are_forgotten_when_they_are_too_many(make_table: MakeTable) -> None:
    table = make_table(max_pairing_keys=1, max_game_keys=1)
    first = table.register()
    table.pass_time(10)
    assert table.post(f"2,*,{first},*,*") == "10/*/*"
    for _ in range(4):
        table.register()
        table.pass_time(10)
    assert len(table.server.state()["departed"]) == 4
    assert table.post(f"2,*,{first},*,*") == "5/*/*"
