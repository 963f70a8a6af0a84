"""Games of Nim over ConnMan, on real sockets: matchmaking, moves, every way to end, ranks."""

import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import gevent
import gevent.ssl
import pytest

import connman
from connhandler.testing import check_leaks
from connman.nim.client import play
from connman.nim.matchmaker import Matchmaker
from tests.connhandler.certificates import make_certificate, presenting, trusting
from tests.connman.support import SECONDS, Client, Players, TableConnMan, Waiting

Serve = Callable[..., Players]


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Iterator[Serve]:
    monkeypatch.setattr(connman, "ConnMan", TableConnMan)
    started: list[tuple[threading.Thread, Players]] = []

    def start(turn_seconds: float = 60.0, **options: Any) -> Players:
        connman.start(**options)
        matchmaker = threading.Thread(target=Matchmaker(turn_seconds).run)
        matchmaker.start()
        started.append((matchmaker, Players(connman.running())))
        return started[-1][1]

    with check_leaks():
        yield start
        for _, players in started:
            players.close()
        assert connman.stop(20)
        for matchmaker, _ in started:
            matchmaker.join(20)
            assert not matchmaker.is_alive()


def log_in(players: Players, name: str) -> Client:
    client = players.connect()
    client.receive()
    client.send({"user": name, "pass": "pw"})
    client.client_id = client.receive()["id"]
    assert client.receive()["event"] == "HELLO"
    return client


def begin(players: Players) -> tuple[Client, Client, int]:
    """Return who begins, the other one, and the game's id."""
    ann, bob = log_in(players, "ann"), log_in(players, "bob")
    ann.send({"Queue": "Nim"})
    assert ann.receive() == {"type": "MATCH", "event": "WAITING"}
    bob.send({"Queue": "Nim"})
    start = ann.receive()
    assert start == {
        "type": "GAME",
        "game_id": start["game_id"],
        "event": "START",
        "opponent": "bob",
        "seconds": start["seconds"],
        "heaps": [3, 4, 5],
        "turn": 1,
    }
    assert bob.receive() == {**start, "opponent": "ann"}
    return ann, bob, start["game_id"]


def move(client: Client, game_id: int, heap: Any, count: Any) -> None:
    client.send({"game_id": game_id, "heap": heap, "count": count})


def test_a_whole_game(serve: Serve) -> None:
    ann, bob, game_id = begin(serve())
    for client, heap, count, heaps in [
        (ann, 3, 5, [3, 4, 0]),
        (bob, 1, 3, [0, 4, 0]),
    ]:
        move(client, game_id, heap, count)
        for each in (ann, bob):
            assert each.receive() == {
                "type": "BROADCAST",
                "game_id": game_id,
                "event": "MOVED",
                "player_id": client.client_id,
                "heap": heap,
                "count": count,
                "heaps": heaps,
                "turn": 3 - client.client_id,
            }
    move(bob, game_id, 2, 1)
    assert bob.receive()["message"] == "it is not your turn"
    move(ann, game_id, 2, 5)
    assert ann.receive()["message"] == "from heap 2 you can take 1 to 4"
    move(ann, game_id, 2, 4)
    for client, rank in ((ann, 1200), (bob, 0)):
        assert client.receive()["heaps"] == [0, 0, 0]
        assert client.receive() == {
            "type": "GAME",
            "game_id": game_id,
            "event": "ENDED",
            "winner": 1,
            "reason": "last_match",
            "rank": rank,
        }
    move(ann, game_id, 1, 1)
    assert ann.receive()["code"] == "unknown_game"
    ann.send({"Queue": "Nim"})
    assert ann.receive()["event"] == "WAITING"


def test_to_give_up(serve: Serve) -> None:
    ann, bob, game_id = begin(serve())
    ann.send({"game_id": game_id, "resign": True})
    ended = bob.receive()
    assert (ended["event"], ended["winner"], ended["reason"], ended["rank"]) == ("ENDED", 2, "gave_up", 24)
    assert ann.receive()["rank"] == 1176
    assert {name: user.rank for name, user in connman.running().users.items() if user.rank} == {"ann": 1176, "bob": 24}  # type: ignore[attr-defined]


def test_a_rank_that_cannot_be_written_down_costs_nobody_the_game(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    ann, bob, game_id = begin(serve())
    del connman.running().users["bob"]  # type: ignore[attr-defined]
    ann.send({"game_id": game_id, "resign": True})
    assert (ann.receive()["rank"], bob.receive()["rank"]) == (1176, 24)
    assert "the rank of 2 was not written down" in caplog.text


def test_to_leave(serve: Serve) -> None:
    ann, bob, _ = begin(serve())
    ann.close()
    ended = bob.receive()
    assert (ended["winner"], ended["reason"]) == (2, "left")


def test_to_think_for_too_long(serve: Serve) -> None:
    ann, bob, _ = begin(serve(turn_seconds=0.05))
    for client in (ann, bob):
        ended = client.receive()
        assert (ended["winner"], ended["reason"]) == (2, "too_slow")


def test_the_end_of_the_server_in_the_middle_of_a_game(serve: Serve) -> None:
    ann, bob, _ = begin(serve())
    stopping = Waiting(connman.stop)
    for client in (ann, bob):
        assert [client.receive()["subtype"] for _ in range(2)] == ["ERROR", "DC"]
        client.close()
    assert stopping.join() is True


def test_who_waited_and_left_is_not_matched(serve: Serve) -> None:
    players = serve()
    ann = log_in(players, "ann")
    ann.send({"Queue": "Nim"}, {"Queue": "Nim"}, {"Queue": "Chess"})
    assert [ann.receive()["event"] for _ in range(3)] == ["WAITING", "WAITING", "REFUSED"]
    ann.close()
    bob = log_in(players, "bob")
    bob.send({"Queue": "Nim"})
    assert bob.receive()["event"] == "WAITING"


def test_one_game_at_a_time(serve: Serve) -> None:
    ann, *_ = begin(serve())
    ann.send({"Queue": "Nim"})
    assert ann.receive() == {"type": "MATCH", "event": "REFUSED", "message": "you are playing already"}


class Person:
    """Types lines at a terminal client of their own, and sees what it shows."""

    def __init__(
        self, players: Players, name: str, password: str = "pw", tls: gevent.ssl.SSLContext | None = None
    ) -> None:
        self._keyboard, self._typing = os.pipe()
        client = players.connect()
        if tls is not None:
            client.sock = tls.wrap_socket(client.sock, server_hostname="localhost")
        sock = client.sock
        sock.settimeout(None)
        self._playing = Waiting(lambda: play(sock, name, password, self._keyboard))

    def type(self, text: str) -> None:
        os.write(self._typing, text.encode())

    def leave(self) -> int:
        os.close(self._typing)
        return self.status()

    def status(self) -> int:
        status: int = self._playing.join()
        os.close(self._keyboard)
        return status


def test_two_people_at_their_terminals(serve: Serve, capsys: pytest.CaptureFixture[str]) -> None:
    players = serve()
    seen = ""

    def see(*texts: str) -> None:
        """Wait until these were shown, in whatever order."""
        nonlocal seen
        with gevent.Timeout(SECONDS, AssertionError(f"{texts} were not all shown: {seen}")):
            while not all(text in seen for text in texts):
                gevent.sleep(0.002)
                seen += capsys.readouterr().out
        seen = ""

    ann = Person(players, "ann")
    see("You are logged in as ann, and your rank is 1200.", "Waiting for another player")
    ann.type("1 1\n")
    see("There is no other player yet.")
    bob = Person(players, "bob")
    see("You play against bob.", "You play against ann.", "Your turn: heap, and how many?", "ann thinks ...")
    bob.type("1 1\n")
    see("Not so: it is not your turn.")
    ann.type("h\n")
    see("Take matches with the heap's number")
    ann.type("3, 5\n")
    see("You take 5 from heap 3.", "ann takes 5 from heap 3.", "  3  -")
    bob.type("1 3\n")
    see("bob takes 3 from heap 1.", "Your turn")
    ann.type("2 ")
    ann.type("4\n")
    see(
        "You have won: you took the last match. Your rank is 1200 now.",
        "You have lost: ann took the last match. Your rank is 0 now.",
        "Another game? [Y/n]",
    )
    ann.type("\n")
    see("Waiting for another player")
    bob.type("n\n")
    assert bob.status() == 0
    assert ann.leave() == 0


def test_a_person_with_tls(serve: Serve, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    certificate = make_certificate(tmp_path)
    players = serve(ssl_context=presenting(certificate))
    bob = Person(players, "bob", "wrong", trusting(certificate))
    assert bob.status() == 1
    person = Person(players, "ann", tls=trusting(certificate))
    seen = ""
    with gevent.Timeout(SECONDS):
        while "Waiting for another player" not in seen:
            gevent.sleep(0.002)
            seen += capsys.readouterr().out
    person.type("q\n")
    assert person.status() == 0


def test_a_person_with_a_wrong_password(serve: Serve, capsys: pytest.CaptureFixture[str]) -> None:
    person = Person(serve(), "ann", "wrong")
    assert person.status() == 1
    assert capsys.readouterr().out == "The login was denied: wrong name or password.\n"
