"""Real accounts in real databases: logins, ranks, and what happens while the database is away."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import connman as module
from connhandler.testing import check_leaks
from connman import ConnMan
from tests.connman.support import SECONDS, Client, Players, match_message
from tests.databases import DatabaseServer

PASSWORD = "correct horse"

Serve = Callable[[str], tuple[ConnMan, Players]]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """A manager for the users of a database, and its clients."""
    started: list[tuple[ConnMan, Players]] = []

    def start(database_url: str) -> tuple[ConnMan, Players]:
        connman = ConnMan("127.0.0.1", 0, database_url=database_url)
        connman.start()
        started.append((connman, Players(connman)))
        return started[-1]

    with check_leaks():
        yield start
        for connman, players in started:
            players.close()
            assert connman.stop(20)


def try_login(players: Players, user: str, password: str = PASSWORD) -> tuple[Client, dict[str, Any]]:
    client = players.connect()
    assert client.receive()["subtype"] == "loginRequest"
    client.send({"user": user, "pass": password})
    answer = client.receive()
    if answer["subtype"] == "loginDeny":
        assert client.rest() == b""
    return client, answer


def log_in(connman: ConnMan, players: Players, user: str) -> tuple[Client, int]:
    """Return the client and its rank."""
    client, answer = try_login(players, user)
    assert answer["subtype"] == "loginAccept", answer
    addr, packet = match_message(connman)
    assert (addr, packet["player_id"], packet["subtype"]) == (answer["id"], answer["id"], "C")
    client.client_id = addr
    return client, packet["rank"]


def test_users_of_each_kind_of_database(database_url: str, serve: Serve) -> None:
    ids = [module.add_user(database_url, name, PASSWORD, rank) for name, rank in (("ann", 1000), ("bob", -5))]
    connman, players = serve(database_url)
    (ann, ann_rank), (bob, bob_rank) = (log_in(connman, players, name) for name in ("ann", "BOB"))
    assert [ann.client_id, bob.client_id] == ids
    assert (ann_rank, bob_rank) == (1000, -5)
    assert connman.clients() == dict(zip(ids, ("ann", "bob"), strict=True))
    connman.set_rank(ids[0], 1012)
    ann.close()
    match_message(connman)
    assert log_in(connman, players, "ann")[1] == 1012
    for user, password in (("bob", "wrong password"), ("nobody", PASSWORD), ("", ""), ("x" * 5000, "\0")):
        assert try_login(players, user, password)[1]["code"] == "wrong_login"


def test_a_user_who_is_added_while_it_runs(tmp_path: Path, serve: Serve) -> None:
    url = f"sqlite:///{tmp_path}/users.sqlite"
    connman, players = serve(url)
    assert try_login(players, "ann")[1]["code"] == "wrong_login"
    module.add_user(url, "ann", PASSWORD)
    log_in(connman, players, "ann")


@pytest.mark.parametrize(
    ("name", "password", "text"),
    [
        ("ANN", PASSWORD, "the name ANN is taken"),
        ("a b", PASSWORD, "a name has 2 to 24 letters"),
        ("bob", "short", "a password has at least 8 characters"),
    ],
)
def test_what_is_no_user(tmp_path: Path, name: str, password: str, text: str) -> None:
    url = f"sqlite:///{tmp_path}/users.sqlite"
    module.add_user(url, "ann", PASSWORD)
    with pytest.raises(ValueError, match=text):
        module.add_user(url, name, password)


def test_a_database_that_is_none() -> None:
    with pytest.raises(ValueError, match="cannot use this database URL"):
        ConnMan("127.0.0.1", 0, database_url="nonsense").start()


@pytest.mark.parametrize("trouble", ["stop", "freeze"])
def test_logins_are_denied_within_two_seconds_while_the_database_is_away(
    postgresql: DatabaseServer, serve: Serve, trouble: str
) -> None:
    url = postgresql.new_database()
    for name in ("ann", "bob", "eve"):
        module.add_user(url, name, PASSWORD)
    connman, players = serve(url)
    (ann, _), (bob, _) = (log_in(connman, players, name) for name in ("ann", "bob"))
    connman.start_game(7, [ann.client_id, bob.client_id])
    getattr(postgresql, trouble)()
    for _ in range(3):
        began = time.monotonic()
        _, answer = try_login(players, "eve")
        assert time.monotonic() - began < 2.0
        assert (answer["subtype"], answer["code"]) == ("loginDeny", "database_away")
        assert answer["message"]
        ann.send({"game_id": 7, "plays": "on"})
        assert connman.get_game_message(7, blocking=True, timeout=SECONDS) == (
            ann.client_id,
            {"game_id": 7, "plays": "on"},
        )
        connman.send_message(0, {"type": "BROADCAST", "game_id": 7})
        assert bob.receive() == ann.receive() == {"type": "BROADCAST", "game_id": 7}
    postgresql.thaw()
    postgresql.start()
    began = time.monotonic()
    while (answer := try_login(players, "eve")[1])["subtype"] == "loginDeny":
        assert answer["code"] == "database_away"
        assert time.monotonic() - began < 5.0


@pytest.mark.parametrize("kind", ["postgresql", "mariadb"])
def test_logins_go_on_when_the_databases_connections_are_cut(
    request: pytest.FixtureRequest, serve: Serve, kind: str
) -> None:
    server: DatabaseServer = request.getfixturevalue(kind)
    url = server.new_database()
    for name in ("ann", "bob"):
        module.add_user(url, name, PASSWORD)
    connman, players = serve(url)
    ann, _ = log_in(connman, players, "ann")
    assert server.terminate_backends() > 0
    began = time.monotonic()
    while (answer := try_login(players, "bob")[1])["subtype"] == "loginDeny":
        assert answer["code"] == "database_away"
        assert time.monotonic() - began < 5.0
    connman.send_message(ann.client_id, {"still": "here"})
    assert ann.receive() == {"still": "here"}
