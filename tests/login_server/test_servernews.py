"""What players are told of the servers: all at log-in, then changes, soon but not one by one."""

from typing import TYPE_CHECKING

from login_server.protocol import (
    LoggedIn,
    LogIn,
    MapChanged,
    RegisterServer,
    ServerList,
    ServersChanged,
    UnregisterServer,
    UpdateServer,
)

if TYPE_CHECKING:
    from tests.login_server.conftest import House

PASSWORD = "correct horse"


def test_the_list_comes_with_the_log_in(house: "House") -> None:
    house.launcher("home", house.info(), house.info("home/two"))
    house.player("alice").disconnects(house.server)
    logged_in, servers = house.tell(house.visitor(), LogIn(name="alice", password=PASSWORD))
    assert isinstance(logged_in, LoggedIn)
    assert servers == ServerList(servers=[house.info(), house.info("home/two")])


def test_changes_of_a_moment_are_one_message(house: "House") -> None:
    alice = house.player("alice")
    launcher = house.launcher("home")
    for number in range(5):
        house.tell(launcher, RegisterServer(server=house.info(f"home/{number}")))
    house.tell(launcher, UpdateServer(server=house.info("home/0", players=1)))
    house.tell(launcher, UnregisterServer(server_id="home/1"))
    house.pass_time(0.19)
    assert alice.take() == []
    house.pass_time(0.02)
    changed = [house.info("home/0", players=1), *(house.info(f"home/{number}") for number in (2, 3, 4))]
    assert alice.take() == [ServersChanged(changed=changed, removed=["home/1"])]
    house.pass_time(10)
    assert alice.take() == []


def test_what_does_not_change_is_not_told(house: "House") -> None:
    launcher = house.launcher("home", house.info())
    alice = house.player("alice")
    house.tell(launcher, UpdateServer(server=house.info()))
    house.tell(launcher, MapChanged(map="classic", server_id="home/one"))
    house.settle()
    assert alice.take() == []
    house.tell(launcher, MapChanged(map="wide", server_id="home/one"))
    house.settle()
    assert alice.take() == [ServersChanged(changed=[house.info(map="wide")], removed=[])]


def test_only_who_is_logged_in_is_told(house: "House") -> None:
    visitor, gone = house.visitor(), house.player("alice")
    gone.disconnects(house.server)
    house.launcher("home", house.info())
    assert visitor.take() == gone.take() == []


def test_a_long_list_comes_in_parts(house: "House") -> None:
    house.player("alice").disconnects(house.server)
    servers = [house.info(f"home/{number}") for number in range(250)]
    bob = house.player("bob")
    house.launcher("home", *servers)
    assert [len(message.changed) for message in bob.take()] == [100, 100, 50]
    _, first, *others = house.tell(house.visitor(), LogIn(name="alice", password=PASSWORD))
    assert isinstance(first, ServerList)
    assert all(isinstance(message, ServersChanged) for message in others)
    assert [*first.servers, *(server for message in others for server in message.changed)] == servers
