"""The functions that a program calls: what they do, give back and raise, and who is told."""

import gc
import json
import math
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import gevent.socket
import pytest

import connman as module
from connhandler import Limits
from connman import ConnMan, Message, QueueLimits
from connman.arguments import is_there
from tests.connhandler.certificates import make_certificate, presenting, trusting
from tests.connman.conftest import Manage
from tests.connman.support import Client, Players, TableConnMan, Waiting, game_message, match_message

C = {"type": "CONTROL", "subtype": "C"}


def dc(client_id: int) -> dict[str, Any]:
    return {"type": "CONTROL", "subtype": "DC", "player_id": client_id}


# --- messages ---------------------------------------------------------------------------------------------------------


def test_messages_are_tuples_of_an_id_and_a_dict_in_order(connman: TableConnMan, players: Players) -> None:
    client = players.log_in("bob")
    connman.start_game(7, [2])
    client.send(*({"game_id": 7, "n": n} for n in range(100)))
    for n in range(100):
        message = game_message(connman, 7)
        addr, packet = message
        assert type(message) is Message
        assert isinstance(message, tuple)
        assert (addr, packet) == (2, {"game_id": 7, "n": n})
    assert connman.get_game_message(7) is None
    assert connman.get_game_message(game_id=7, blocking=False) is None
    assert connman.get_match_message(blocking=False) is None


def test_the_seeds_two_spellings(connman: TableConnMan, players: Players) -> None:
    client = players.log_in("bob")
    connman.start_game(7, clientlist=(2,))
    connman.start_game(8, clientList={2})
    client.send({"game_id": 7, "a": 1}, {"game_id": 8, "a": 2})
    assert game_message(connman, 7)[1]["a"] == 1
    message = connman.get_game_messsage(8, blocking=True, timeout=20)
    assert message is not None
    assert message.packet["a"] == 2
    connman.end_game(7, clientList=iter([2]))
    connman.end_game(8, clientlist=[])


def test_blocking_waits_until_there_is_a_message(connman: TableConnMan, players: Players) -> None:
    client = players.log_in("bob")
    connman.start_game(7, [2])
    games = [Waiting(lambda: connman.get_game_message(7, blocking=True)) for _ in range(2)]
    matches = Waiting(lambda: connman.get_match_message(blocking=True))
    assert all(waiting.is_waiting() for waiting in (*games, matches))
    client.send({"game_id": 7, "n": 1}, {"game_id": 7, "n": 2}, {"Queue": "Test"})
    assert sorted(waiting.join()[1]["n"] for waiting in games) == [1, 2]
    assert matches.join() == (2, {"Queue": "Test"})


def test_a_timeout(connman: TableConnMan) -> None:
    connman.start_game(7, [])
    assert connman.get_game_message(7, True, timeout=0.01) is None
    assert connman.get_match_message(True, timeout=0.01) is None
    with pytest.raises(ValueError, match="timeout must be 0 or more"):
        connman.get_match_message(True, timeout=-1)


def test_whoever_waits_gets_none_when_the_game_ends(connman: TableConnMan) -> None:
    connman.start_game(7, [])
    waiting = [Waiting(lambda: connman.get_game_message(7, blocking=True)) for _ in range(3)]
    assert all(one.is_waiting() for one in waiting)
    connman.end_game(7, [])
    assert [one.join() for one in waiting] == [None] * 3
    assert connman.get_game_message(7, blocking=True) is None


def test_whoever_waits_gets_none_when_connman_ends(connman: TableConnMan) -> None:
    connman.start_game(7, [])
    waiting = [
        Waiting(lambda: connman.get_game_message(7, blocking=True)),
        Waiting(lambda: connman.get_match_message(blocking=True)),
    ]
    assert all(one.is_waiting() for one in waiting)
    connman.stop()
    assert [one.join() for one in waiting] == [None, None]
    assert connman.get_match_message(blocking=True) is None
    assert connman.get_game_message(7, blocking=True) is None


def test_whoever_waits_gets_none_when_connman_breaks(manage: Manage, capsys: pytest.CaptureFixture[str]) -> None:
    connman = manage()
    waiting = Waiting(lambda: connman.get_match_message(blocking=True))

    class Fatal(BaseException):
        """No mistake of a handler, which would cost its client only."""

    def fail() -> None:
        raise Fatal

    connman._service.post(fail)
    assert waiting.join() is None
    assert "Fatal" in capsys.readouterr().err


def test_a_broadcast_goes_to_all_players_of_its_game(connman: TableConnMan, players: Players) -> None:
    ann, bob, third = (players.log_in(name) for name in ("ann", "bob", "user3"))
    connman.start_game(7, [1, 2])
    packet = {"type": "BROADCAST", "game_id": 7, "card": "10H"}
    assert connman.send_message(0, packet) is True
    connman.send_message(3, {"type": "else", "game_id": 7})
    assert ann.receive() == bob.receive() == packet
    assert third.receive() == {"type": "else", "game_id": 7}


def test_messages_of_one_thread_are_sent_in_order(connman: TableConnMan, players: Players) -> None:
    client = players.log_in("ann")
    for n in range(2_000):
        assert connman.send_message(1, {"n": n})
    assert [client.receive()["n"] for _ in range(2_000)] == list(range(2_000))


def test_a_message_may_be_changed_after_it_was_sent(connman: TableConnMan, players: Players) -> None:
    client = players.log_in("ann")
    packet = {"n": 1}
    connman.send_message(1, packet)
    packet["n"] = 2
    assert client.receive() == {"n": 1}


# --- who comes and goes -----------------------------------------------------------------------------------------------


def test_who_has_gone_is_no_mistake_of_the_caller(connman: TableConnMan, players: Players) -> None:
    players.log_in("bob").close()
    assert match_message(connman) == (2, dc(2))
    assert connman.send_message(2, {"too": "late"}) is False
    assert connman.disconnect_client(2) is False
    connman.start_game(7, [2])
    assert game_message(connman, 7) == (2, dc(2))
    connman.end_game(7, [2])
    assert connman.send_message(0, {"type": "BROADCAST", "game_id": 7}) is False
    assert connman.get_game_message(7) is None


def test_a_client_that_comes_back_is_still_in_its_games(connman: TableConnMan, players: Players) -> None:
    players.log_in("bob").close()
    connman.start_game(7, [2])
    assert match_message(connman) == game_message(connman, 7) == (2, dc(2))
    client = players.log_in("bob")
    client.send({"game_id": 7, "back": True})
    assert game_message(connman, 7) == (2, {"game_id": 7, "back": True})
    connman.send_message(2, {"type": "BROADCAST", "game_id": 7})
    assert client.receive() == {"type": "BROADCAST", "game_id": 7}


def test_after_the_end_of_a_game_its_clients_are_out_of_it(connman: TableConnMan, players: Players) -> None:
    client = players.log_in("bob")
    connman.start_game(7, [2])
    connman.end_game(7, [2])
    client.send({"game_id": 7})
    assert client.receive()["code"] == "unknown_game"
    connman.start_game(7, [])
    client.send({"game_id": 7})
    assert client.receive()["code"] == "not_in_game"


def test_called_from_outside_client_disconnected_disconnects(connman: TableConnMan, players: Players) -> None:
    client = players.log_in("bob")
    connman.start_game(7, [2])
    assert connman.client_disconnected(2) is True
    assert client.receive()["subtype"] == "DC"
    assert match_message(connman) == game_message(connman, 7) == (2, dc(2))
    client.close()


def test_a_client_can_log_in_again_at_once_after_it_was_disconnected(connman: TableConnMan, players: Players) -> None:
    old = players.log_in("bob")  # It never closes.
    connman.disconnect_client(2)
    assert match_message(connman) == (2, dc(2))
    new = players.log_in("bob")
    old.close()
    connman.send_message(2, {"to": "the new one"})
    assert new.receive() == {"to": "the new one"}
    assert connman.get_match_message() is None


def test_a_rank_is_there_at_the_next_login(connman: TableConnMan, players: Players) -> None:
    client = players.log_in("bob")
    connman.set_rank(2, 1234)
    client.close()
    assert match_message(connman) == (2, dc(2))
    connman.set_rank(2, 1235)  # It has only just gone.
    client = players.connect()
    client.receive()
    client.send({"user": "bob", "pass": "pw"})
    assert match_message(connman) == (2, {**C, "player_id": 2, "rank": 1235})


def test_names_of_clients(connman: TableConnMan, players: Players) -> None:
    players.log_in("bob")
    players.log_in("ann")
    assert connman.clients() == {1: "ann", 2: "bob"}


# --- mistakes of the caller -------------------------------------------------------------------------------------------

loop: dict[str, Any] = {}
loop["loop"] = loop

MISTAKES: list[tuple[Callable[[ConnMan], Any], type[Exception], str]] = [
    (lambda c: c.send_message(50, {}), KeyError, "there is no client 50"),
    (lambda c: c.send_message("1", {}), TypeError, "a client's id is an integer, not '1'"),  # type: ignore[arg-type]
    (lambda c: c.send_message(True, {}), TypeError, "a client's id is an integer, not True"),
    (lambda c: c.send_message(1, "text"), TypeError, "a message is a dict, not str"),  # type: ignore[arg-type]
    (lambda c: c.send_message(1, {"a": object()}), TypeError, "object"),
    (lambda c: c.send_message(1, {"a": "x" * 2_000_000}), ValueError, "a message of 2000008 bytes, where 1048576"),
    (lambda c: c.send_message(1, loop), ValueError, "nested too deeply"),
    (lambda c: c.send_message(1, {"type": "BROADCAST"}), TypeError, "a game_id is an integer .*, not None"),
    (lambda c: c.send_message(1, {"type": "BROADCAST", "game_id": 9}), KeyError, "there is no game 9"),
    (lambda c: c.disconnect_client(50), KeyError, "there is no client 50"),
    (lambda c: c.get_game_message(9), KeyError, "there is no game 9"),
    (lambda c: c.get_game_message([9]), TypeError, "a game_id is"),  # type: ignore[arg-type]
    (lambda c: c.start_game(7, []), ValueError, "game 7 was started already"),
    (lambda c: c.start_game(8, [50]), KeyError, "there is no client 50"),
    (lambda c: c.start_game(8, ["1"]), TypeError, "a client's id is an integer"),  # type: ignore[list-item]
    (lambda c: c.start_game(8, "12"), TypeError, "expected the ids of the game's clients, not '12'"),  # type: ignore[arg-type]
    (lambda c: c.start_game(8, 1), TypeError, "expected the ids"),  # type: ignore[arg-type]
    (lambda c: c.start_game(8), TypeError, "expected the ids of the game's clients, once"),
    (lambda c: c.start_game(8, [], clientList=[]), TypeError, "once"),
    (lambda c: c.start_game(math.nan, []), TypeError, "a game_id is"),
    (lambda c: c.start_game(None, []), TypeError, "a game_id is"),  # type: ignore[arg-type]
    (lambda c: c.end_game(9, []), KeyError, "there is no game 9"),
    (lambda c: c.end_game(7, [50]), KeyError, "client 50 is not in game 7"),
    (lambda c: c.set_rank(50, 1), KeyError, "there is no client 50"),
]


@pytest.mark.parametrize("number", range(len(MISTAKES)))
def test_mistakes_of_the_caller_are_told_in_words(connman: TableConnMan, players: Players, number: int) -> None:
    call, kind, text = MISTAKES[number]
    client = players.log_in("ann")
    connman.start_game(7, [1])
    with pytest.raises(kind, match=text):
        call(connman)
    connman.send_message(1, {"still": "here"})
    assert client.receive() == {"still": "here"}


def test_game_ids_of_existing_programs(connman: TableConnMan, players: Players) -> None:
    client = players.log_in("ann")
    for game_id in (1571234567.4536893, "final", -1, 0, 2**60):
        connman.start_game(game_id, [1])
        connman.send_message(1, {"game_id": game_id})
        client.send(client.receive())
        assert game_message(connman, game_id) == (1, {"game_id": game_id})


def test_before_start_and_after_stop() -> None:
    connman = TableConnMan()
    for call in (
        lambda: connman.get_match_message(),
        lambda: connman.send_message(1, {}),
        lambda: connman.start_game(1, []),
    ):
        with pytest.raises(RuntimeError, match="ConnMan was not started"):
            call()
    assert connman.stop() is True
    with connman:
        connman.start_game(7, [])
        assert connman.get_game_message(7) is None
    assert connman.stop() is True
    connman.end_game(7, [])
    assert connman.send_message(0, {"type": "BROADCAST", "game_id": 7}) is False
    with pytest.raises(RuntimeError, match="connman has ended"):
        connman.start_game(8, [])
    with pytest.raises(RuntimeError, match="connman was started already"):
        connman.start()


def test_a_port_that_is_taken(connman: TableConnMan) -> None:
    other = TableConnMan()
    other.port = connman.port
    with pytest.raises(OSError, match="cannot listen"):
        other.start()
    assert other._office is None


def test_what_a_manager_cannot_be() -> None:
    with pytest.raises(ValueError, match="framing must be 'objects' or 'lines', not 'xml'"):
        ConnMan(framing="xml")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="game_messages must be at least 1, not 0"):
        QueueLimits(game_messages=0)


def test_several_managers_in_one_process(manage: Manage) -> None:
    one, two = manage(), manage()
    players = [Players(one), Players(two)]
    clients = [each.log_in("ann") for each in players]
    one.send_message(1, {"from": "one"})
    two.send_message(1, {"from": "two"})
    assert [client.receive() for client in clients] == [{"from": "one"}, {"from": "two"}]
    for each in players:
        each.close()


# --- bounds -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def small(manage: Manage) -> TableConnMan:
    return manage(
        queues=QueueLimits(game_messages=5, game_bytes=100, match_messages=5, match_bytes=1_000),
        limits=Limits(idle_seconds=0, first_message_seconds=0, outgoing_soft_seconds=0.3, outgoing_soft_bytes=50_000),
    )


@pytest.fixture
def few(small: TableConnMan) -> Iterator[Players]:
    players = Players(small)
    yield players
    players.close()


def test_a_game_that_does_not_read_costs_itself_only(small: TableConnMan, few: Players) -> None:
    ann, bob = few.log_in("ann"), few.log_in("bob")
    small.start_game(7, [1, 2])
    small.start_game(8, [1])
    ann.send(*({"game_id": 7, "n": n} for n in range(7)))
    for _ in range(2):
        assert ann.receive() == {
            "type": "CONTROL",
            "packet_type": "CONTROL",
            "subtype": "ERROR",
            "code": "queue_full",
            "message": "the game does not keep up with its messages, yours was not taken",
            "player_id": 1,
            "game_id": 7,
        }
    ann.send({"game_id": 8, "other": "game"})
    assert game_message(small, 8) == (1, {"game_id": 8, "other": "game"})
    bob.close()
    messages = [game_message(small, 7) for _ in range(6)]
    assert [packet["n"] for _, packet in messages[:5]] == [0, 1, 2, 3, 4]
    assert messages[5] == (2, dc(2))
    ann.send({"game_id": 7, "n": 7})
    assert game_message(small, 7)[1]["n"] == 7


def test_bytes_are_bounded_too_and_a_large_message_waits_alone(small: TableConnMan, few: Players) -> None:
    ann = few.log_in("ann")
    small.start_game(7, [1])
    ann.send({"game_id": 7, "text": "x" * 500}, {"game_id": 7})
    assert ann.receive()["code"] == "queue_full"
    assert game_message(small, 7)[1]["text"] == "x" * 500
    ann.send({"game_id": 7, "text": "x" * 40}, {"game_id": 7, "text": "y" * 40})
    assert ann.receive()["code"] == "queue_full"
    assert game_message(small, 7)[1]["text"] == "x" * 40
    assert small.get_game_message(7) is None


def test_memory_is_given_back_at_the_end_of_a_game(connman: TableConnMan, players: Players) -> None:
    ann = players.log_in("ann")
    connman.start_game(7, [1])
    ann.send(*({"game_id": 7, "n": n} for n in range(50)))
    game_message(connman, 7)
    switchboard = connman._get_switchboard()
    mailbox = weakref.ref(switchboard.games[7].mailbox)
    connman.end_game(7, [1])
    gc.collect()
    assert mailbox() is None
    assert not switchboard._games_of
    assert connman.get_game_message(7) is None


def test_a_game_that_never_reads_is_not_told_for_ever_who_left(small: TableConnMan, few: Players) -> None:
    few.log_in("bob").close()
    assert match_message(small) == (2, dc(2))
    small.start_game(7, [2])
    for _ in range(20):
        few.log_in("bob").close()
        assert match_message(small) == (2, dc(2))
    assert small._get_switchboard().games[7].mailbox.messages_waiting == 5 + 2


def test_a_matchmaking_that_does_not_read(small: TableConnMan, few: Players) -> None:
    ann = few.log_in("ann")
    ann.send(*({"Queue": n} for n in range(6)))
    assert ann.receive()["code"] == "queue_full"
    late = few.connect()
    late.receive()
    late.send({"user": "bob", "pass": "pw"})
    assert late.receive()["code"] == "busy"
    assert [match_message(small)[1]["Queue"] for _ in range(5)] == [0, 1, 2, 3, 4]
    few.log_in("bob")


def test_of_a_game_only_the_client_that_does_not_read_is_dropped(small: TableConnMan, few: Players) -> None:
    ann, bob = few.log_in("ann"), few.log_in("bob", receive_buffer=4096)
    small.start_game(7, [1, 2])
    for n in range(200):
        small.send_message(0, {"type": "BROADCAST", "game_id": 7, "n": n, "text": "x" * 50_000})
        assert ann.receive()["n"] == n
    assert match_message(small) == game_message(small, 7) == (2, dc(2))
    ann.send({"game_id": 7, "still": "here"})
    assert game_message(small, 7) == (1, {"game_id": 7, "still": "here"})
    bob.close()


# --- the functions of the module --------------------------------------------------------------------------------------


def test_the_functions_of_the_module(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ConnMan", TableConnMan)
    monkeypatch.setattr(module, "_manager", None)
    with pytest.raises(RuntimeError, match="ConnMan was not started"):
        module.get_match_message()
    assert module.stop() is True
    module.start()
    with pytest.raises(RuntimeError, match="ConnMan was started already"):
        module.start()
    players = Players(module.running())
    ann, bob = players.log_in("ann"), players.log_in("bob")
    module.start_game(7, [1, 2])
    ann.send({"game_id": 7, "n": 1}, {"game_id": 7, "n": 2}, {"Queue": 1})
    assert module.get_game_message(7, blocking=True) == (1, {"game_id": 7, "n": 1})
    assert module.get_game_messsage(7, blocking=True) == (1, {"game_id": 7, "n": 2})
    assert module.get_match_message(blocking=True) == (1, {"Queue": 1})
    assert module.send_message(2, {"to": "bob"}) is True
    assert bob.receive() == {"to": "bob"}
    assert module.disconnect_client(2) is True
    assert bob.receive()["subtype"] == "DC"
    assert module.get_match_message(blocking=True) == module.get_game_message(7, blocking=True) == (2, dc(2))
    assert module.client_disconnected(2) is False
    module.end_game(7, [1, 2])
    players.close()
    assert module.stop() is True
    module.start()
    assert module.stop() is True


# --- TLS --------------------------------------------------------------------------------------------------------------


def test_tls(manage: Manage, tmp_path: Path) -> None:
    certificate = make_certificate(tmp_path)
    connman = manage(ssl_context=presenting(certificate))
    sock = gevent.socket.create_connection(("127.0.0.1", connman.port))
    client = Client(trusting(certificate).wrap_socket(sock, server_hostname="localhost"))
    assert json.loads(connman.recv_all(client.sock))["subtype"] == "loginRequest"
    client.send({"user": "ann", "pass": "pw"}, {"Queue": 1})
    assert json.loads(connman.recv_all(client.sock))["id"] == 1
    assert match_message(connman)[1]["subtype"] == "C"
    assert match_message(connman) == (1, {"Queue": 1})
    connman.send_message(1, {"text": "x" * 100_000})
    assert client.receive() == {"text": "x" * 100_000}
    client.close()


# --- what may happen in between ---------------------------------------------------------------------------------------


class Moving:
    """Says at each look what it is told."""

    def __init__(self, *answers: bool) -> None:
        self._answers = list(answers)

    def __contains__(self, key: object) -> bool:
        return self._answers.pop(0)


def test_who_comes_back_between_two_looks_is_there() -> None:
    assert is_there("client 1", 1, Moving(False, True), Moving(False)) is True
    with pytest.raises(KeyError):
        is_there("client 1", 1, Moving(False, False), Moving(False))


def test_a_rank_that_cannot_be_written_down(connman: TableConnMan, players: Players) -> None:
    players.log_in("bob")
    del connman.users["bob"]
    with pytest.raises(KeyError, match="bob"):
        connman.set_rank(2, 5)
