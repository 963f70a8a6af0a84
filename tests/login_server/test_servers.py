"""The directory of servers: whose they are, what has changed, and who has a seat."""

from typing import Any

import pytest

from login_server.protocol import ServerInfo
from login_server.refusal import Refusal
from login_server.servers import ServerDirectory, is_awake, owner


def info(server_id: str = "home/one", **changes: Any) -> ServerInfo:
    fields: dict[str, Any] = {
        "name": "One", "game": "chess", "map": "board", "players": 0, "capacity": 4, "region": "eu",
        "address": "127.0.0.1", "port": 1, "ping_address": "127.0.0.1:1", "version": "1",
    }  # fmt: skip
    return ServerInfo(server_id=server_id, **{**fields, **changes})


@pytest.fixture
def directory() -> ServerDirectory:
    return ServerDirectory()


def code(caught: pytest.ExceptionInfo[Refusal]) -> str:
    return caught.value.code


def test_changes_are_told_once(directory: ServerDirectory) -> None:
    directory.put("home", info())
    directory.put("home", info(players=1))
    directory.put("home", info("home/two"))
    assert directory.take_changes() == ([info(players=1), info("home/two")], [])
    assert directory.take_changes() == ([], [])
    directory.put("home", info(players=1))
    assert directory.take_changes() == ([], []), "nothing has changed"
    directory.remove("home", "home/one")
    directory.put("home", info("home/two", players=3))
    assert directory.take_changes() == ([info("home/two", players=3)], ["home/one"])


def test_a_server_that_comes_back_before_anybody_was_told_is_not_removed(directory: ServerDirectory) -> None:
    directory.put("home", info())
    directory.take_changes()
    assert directory.remove_all("home") == ["home/one"]
    directory.put("home", info(players=2))
    assert directory.take_changes() == ([info(players=2)], [])


def test_a_lost_launcher_takes_only_its_own_servers(directory: ServerDirectory) -> None:
    for launcher, server_id in (("home", "home/one"), ("home.two", "home.two/one"), ("home", "home/two")):
        directory.put(launcher, info(server_id))
    assert directory.remove_all("home") == ["home/one", "home/two"]
    assert list(directory.servers) == ["home.two/one"]
    assert directory.remove_all("home") == []


@pytest.mark.parametrize("server_id", ["away/one", "home", "", "homer/one", "Home/one", "/one"])
def test_a_launcher_names_its_own_servers_only(directory: ServerDirectory, server_id: str) -> None:
    directory.servers["away/one"] = info("away/one")
    with pytest.raises(Refusal) as caught:
        directory.put("home", info(server_id))
    assert code(caught) == "not_your_server"
    with pytest.raises(Refusal) as caught:
        directory.remove("home", server_id)
    assert code(caught) == "not_your_server"
    assert list(directory.servers) == ["away/one"]


@pytest.mark.parametrize("name", ["", "a b", "a/b", "ä", "a" * 65, "a\n", "<b>"])
def test_server_names_are_plain(directory: ServerDirectory, name: str) -> None:
    with pytest.raises(Refusal) as caught:
        directory.put("home", info(f"home/{name}"))
    assert code(caught) == "server_id_invalid"


def test_there_is_an_end_to_servers() -> None:
    directory = ServerDirectory(max_servers=2)
    directory.put("home", info("home/one"))
    directory.put("home", info("home/two"))
    directory.put("home", info("home/two", players=1))
    with pytest.raises(Refusal) as caught:
        directory.put("home", info("home/three"))
    assert code(caught) == "too_many_servers"


def test_a_server_that_is_not_there(directory: ServerDirectory) -> None:
    with pytest.raises(Refusal) as caught:
        directory.remove("home", "home/one")
    assert code(caught) == "no_such_server"
    directory.set_map("home/one", "other")
    assert directory.take_changes() == ([], [])


def test_another_map(directory: ServerDirectory) -> None:
    given = info()
    directory.put("home", given)
    directory.take_changes()
    directory.set_map("home/one", "board")
    assert directory.take_changes() == ([], [])
    directory.set_map("home/one", "other")
    assert directory.take_changes() == ([info(map="other")], [])
    assert given.map == "board", "what came in a message stays as it came"


def test_the_owner_is_what_stands_before_the_slash() -> None:
    assert owner("home/one") == "home"
    assert owner("home") == "home"


# --- seats ------------------------------------------------------------------------------------------


def test_who_may_join(directory: ServerDirectory) -> None:
    directory.put("home", info(capacity=2, players=1))
    assert directory.joinable("home/one", "alice", False, 0).server_id == "home/one"
    directory.keep_seat("alice", "home/one", expires_at=60)
    with pytest.raises(Refusal) as caught:
        directory.joinable("home/one", "bob", False, 0)
    assert code(caught) == "server_full"
    directory.joinable("home/one", "alice", False, 0)  # has a seat already
    directory.joinable("home/one", "bob", True, 0)  # belongs to a match there
    directory.joinable("home/one", "bob", False, 60)  # alice never came


SLEEPERS = [("ready", 7, True), ("sleeping", 7, True), ("sleeping", 0, False)]


@pytest.mark.parametrize(("state", "port", "awake"), SLEEPERS)
def test_a_server_that_sleeps_is_awake_at_once_if_it_has_a_port(
    directory: ServerDirectory, state: str, port: int, awake: bool
) -> None:
    directory.put("home", info(state=state, port=port))
    assert is_awake(directory.joinable("home/one", "ann", False, 0.0)) == awake


def test_a_server_that_is_stopping_cannot_be_joined(directory: ServerDirectory) -> None:
    directory.put("home", info(state="stopping"))
    with pytest.raises(Refusal) as caught:
        directory.joinable("home/one", "alice", True, 0)
    assert code(caught) == "server_not_ready"
    with pytest.raises(Refusal) as caught:
        directory.joinable("home/two", "alice", True, 0)
    assert code(caught) == "no_such_server"


def test_a_player_has_one_seat_at_a_time(directory: ServerDirectory) -> None:
    for name in ("one", "two"):
        directory.put("home", info(f"home/{name}", capacity=1))
    directory.keep_seat("alice", "home/one", 60)
    directory.keep_seat("alice", "home/two", 60)
    directory.joinable("home/one", "bob", False, 0)
    with pytest.raises(Refusal):
        directory.joinable("home/two", "bob", False, 0)


def test_a_player_who_has_come_is_counted_by_the_server(directory: ServerDirectory) -> None:
    directory.put("home", info(capacity=1))
    directory.keep_seat("alice", "home/one", 60)
    directory.take_seat("alice", "home/two")
    directory.take_seat("bob", "home/one")
    assert directory.free_seats(directory.servers["home/one"]) == 0
    directory.take_seat("alice", "home/one")
    assert directory.free_seats(directory.servers["home/one"]) == 1


def test_a_player_whom_the_server_names_has_come(directory: ServerDirectory) -> None:
    directory.put("home", info("home/two"))
    for player, server in (("alice", "home/one"), ("bob", "home/two")):
        directory.keep_seat(player, server, 60)
    directory.put("home", info("home/one", capacity=1, names=["alice", "bob", "mallory"]))
    assert list(directory.seats) == ["bob"]
    assert directory.free_seats(directory.servers["home/one"]) == 1


def test_seats_expire_in_their_order(directory: ServerDirectory) -> None:
    directory.put("home", info())
    for number, player in enumerate(["alice", "bob", "carol"]):
        directory.keep_seat(player, "home/one", 60 + number)
    directory.keep_seat("alice", "home/one", 63)
    directory.drop_expired_seats(61.5)
    assert list(directory.seats) == ["carol", "alice"]
    directory.drop_expired_seats(63)
    assert directory.seats == {}
    assert directory.free_seats(directory.servers["home/one"]) == 4


# --- choosing ---------------------------------------------------------------------------------------


def test_the_server_with_the_most_free_seats_is_chosen(directory: ServerDirectory) -> None:
    directory.put("home", info("home/one", players=2))
    directory.put("home", info("home/two", players=1))
    directory.put("home", info("home/three", capacity=100, state="starting"))
    directory.put("home", info("home/four", capacity=100, game="go"))
    directory.put("home", info("home/five", players=1))
    assert directory.choose("chess", 2, 0).server_id == "home/two"
    directory.keep_seat("alice", "home/two", 60)
    assert directory.choose("chess", 2, 0).server_id == "home/five"
    assert directory.choose("chess", 2, 60).server_id == "home/two"


def test_what_there_is_to_wait_for(directory: ServerDirectory) -> None:
    with pytest.raises(Refusal, match="no server for this game is running"):
        directory.choose("chess", 2, 0)
    directory.put("home", info(capacity=1))
    with pytest.raises(Refusal, match="all servers for this game are full"):
        directory.choose("chess", 2, 0)
