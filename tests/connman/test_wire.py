"""Byte for byte what goes over the wire: every handshake, request and reply, on real sockets."""

import json
from typing import Any

import gevent.socket
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from connhandler import Limits
from connman import LIMITS
from connman.listenserver import BACKLOG, PORT
from connman.manager import ConnMan
from tests.connman.conftest import Manage
from tests.connman.support import Client, Players, TableConnMan, Waiting, game_message, match_message

LOGIN_REQUEST = b'{"type":"CONTROL","packet_type":"CONTROL","subtype":"loginRequest"}'
LOGIN_ACCEPT_1 = b'{"type":"CONTROL","packet_type":"CONTROL","subtype":"loginAccept","id":1}'
DC_1 = b'{"type":"CONTROL","packet_type":"CONTROL","subtype":"DC","player_id":1}'
CONTROL = b'{"type":"CONTROL","packet_type":"CONTROL",'

C = {"type": "CONTROL", "subtype": "C", "player_id": 1, "rank": 1200}
DC = {"type": "CONTROL", "subtype": "DC", "player_id": 1}


def deny(code: str, message: str) -> bytes:
    return CONTROL + f'"subtype":"loginDeny","code":"{code}","message":"{message}"}}'.encode()


def error(code: str, message: str, more: str = ',"player_id":1') -> bytes:
    return CONTROL + f'"subtype":"ERROR","code":"{code}","message":"{message}"{more}}}'.encode()


def test_the_port_is_that_of_the_original_and_the_backlog_at_least() -> None:
    assert (ConnMan().port, PORT) == (3001, 3001)
    assert LIMITS.accept_backlog == BACKLOG >= 128


def test_login_accepted(connman: TableConnMan, players: Players) -> None:
    client = players.connect()
    client.receive_exactly(LOGIN_REQUEST)
    client.sock.sendall(b'{"user":"ann","pass":"pw"}')
    client.receive_exactly(LOGIN_ACCEPT_1)
    assert match_message(connman) == (1, C)
    assert connman.authenticator.asked == [("ann", "pw", "127.0.0.1")]


@pytest.mark.parametrize("login", [b'{"user":"ann","pass":"no"}', b'{"user":"nobody","pass":"pw"}'])
def test_login_denied_and_closed(players: Players, connman: TableConnMan, login: bytes) -> None:
    client = players.connect()
    client.receive_exactly(LOGIN_REQUEST)
    client.sock.sendall(login)
    assert client.rest() == deny("wrong_login", "wrong name or password")
    assert connman.get_match_message() is None


@pytest.mark.parametrize("login", [b"{}", b'{"user":"ann"}', b'{"user":1,"pass":"pw"}', b'{"user":"ann","pass":null}'])
def test_what_is_no_login(players: Players, login: bytes) -> None:
    client = players.connect()
    client.receive_exactly(LOGIN_REQUEST)
    client.sock.sendall(login)
    assert client.rest() == deny("bad_login", "a login has the texts 'user' and 'pass'")


def test_a_second_login_of_a_connected_user_is_denied(connman: TableConnMan, players: Players) -> None:
    first = players.log_in("ann")
    second = players.connect()
    second.receive_exactly(LOGIN_REQUEST)
    second.sock.sendall(b'{"user":"ann","pass":"pw"}')
    assert second.rest() == deny("already_logged_in", "this user is logged in on another connection")
    connman.send_message(1, {"still": "here"})
    assert first.receive() == {"still": "here"}
    first.close()
    assert match_message(connman) == (1, DC)
    players.log_in("ann")


def test_two_clients_behind_one_address_are_two_clients(connman: TableConnMan, players: Players) -> None:
    ann, bob = players.log_in("ann"), players.log_in("bob")
    assert (ann.client_id, bob.client_id) == (1, 2)
    connman.send_message(2, {"for": "bob"})
    connman.send_message(1, {"for": "ann"})
    assert (ann.receive(), bob.receive()) == ({"for": "ann"}, {"for": "bob"})


def test_messages_go_where_they_say(connman: TableConnMan, players: Players) -> None:
    client = players.log_in("ann")
    connman.start_game(7, [1])
    client.sock.sendall(b'{"Queue":"Test","player_id":1}{"game_id":7,"MOVE":"}{"} \n{"game_id":7.0,"Queue":null}')
    assert match_message(connman) == (1, {"Queue": "Test", "player_id": 1})
    assert game_message(connman, 7) == (1, {"game_id": 7, "MOVE": "}{"})
    assert game_message(connman, 7) == (1, {"game_id": 7, "Queue": None})


@pytest.mark.parametrize(
    ("packet", "refusal"),
    [
        (b'{"game_id":8}', error("not_in_game", "you are not in this game", ',"player_id":1,"game_id":8')),
        (b'{"game_id":9}', error("unknown_game", "there is no such game", ',"player_id":1,"game_id":9')),
        (b'{"game_id":"x"}', error("unknown_game", "there is no such game", ',"player_id":1,"game_id":"x"')),
        (b'{"game_id":{}}', error("unknown_game", "there is no such game")),
        (b'{"game_id":true}', error("unknown_game", "there is no such game")),
        (
            b'{"hello":"there"}',
            error("no_destination", "a message needs a 'game_id', or a 'Queue' for the matchmaking"),
        ),
    ],
)
def test_a_refusal_is_told_to_the_client_alone_and_closes_nothing(
    connman: TableConnMan, players: Players, packet: bytes, refusal: bytes
) -> None:
    ann, bob = players.log_in("ann"), players.log_in("bob")
    connman.start_game(7, [1])
    connman.start_game(8, [2])
    ann.sock.sendall(packet + b'{"game_id":7,"still":"here"}')
    ann.receive_exactly(refusal)
    assert game_message(connman, 7) == (1, {"game_id": 7, "still": "here"})
    assert connman.get_game_message(8) is None
    connman.send_message(2, {"n": 1})
    assert bob.receive() == {"n": 1}


@pytest.mark.parametrize(
    ("wire", "message"),
    [
        (b"nonsense", "b'n' where '(' was expected, at byte 26"),
        (b"{]", "b']' where ')' was expected, at byte 27"),
        (b'{"a":"\xff"}', "a message that is no JSON: not UTF-8"),
        (b"{'a':1}", "a message that is no JSON: JSON is malformed: object keys must be strings (byte 1)"),
        (b'{"a":' + b"[" * 100_000, "nested more than 100 deep at byte 130"),
        (b'{"a":"' + b"x" * 2_000_000, "an object of more than 1048576 bytes, from byte 26 on"),
    ],
)
def test_bad_bytes_get_an_error_packet_and_the_end(
    connman: TableConnMan, players: Players, wire: bytes, message: str
) -> None:
    client, other = players.log_in("ann"), players.log_in("bob")
    connman.start_game(7, [1, 2])
    client.sock.sendall(wire)
    received = client.rest()
    packets = [json.loads(part) for part in received.replace(b"}{", b"}\n{").split(b"\n")]
    assert packets[0]["message"].startswith(message)
    assert received == error("protocol_error", packets[0]["message"]) + DC_1
    assert match_message(connman) == (1, DC)
    assert game_message(connman, 7) == (1, DC)
    other.send({"game_id": 7})
    assert game_message(connman, 7) == (2, {"game_id": 7})


def test_bad_bytes_before_the_login(players: Players) -> None:
    client = players.connect()
    client.receive_exactly(LOGIN_REQUEST)
    client.sock.sendall(b"GET / HTTP/1.1\r\n\r\n")
    assert client.rest() == error("protocol_error", "b'G' where '(' was expected, at byte 0", "")


def test_a_disconnect_is_told_to_all(connman: TableConnMan, players: Players) -> None:
    client = players.log_in("ann")
    connman.start_game(7, [1])
    connman.start_game(8, [1])
    connman.send_message(1, {"last": "words"})
    connman.disconnect_client(1)
    assert client.rest() == b'{"last":"words"}' + DC_1
    assert match_message(connman) == (1, DC)
    assert [game_message(connman, game) for game in (7, 8)] == [(1, DC), (1, DC)]
    assert [connman.get_match_message(), connman.get_game_message(7), connman.get_game_message(8)] == [None] * 3


def test_a_client_that_only_ends_its_own_side_hears_that_it_is_disconnected(
    connman: TableConnMan, players: Players
) -> None:
    client = players.log_in("ann")
    client.sock.shutdown(gevent.socket.SHUT_WR)
    assert client.rest() == DC_1
    assert match_message(connman) == (1, DC)


def test_the_end_of_the_server(connman: TableConnMan, players: Players) -> None:
    client, early = players.log_in("ann"), players.connect()
    early.receive_exactly(LOGIN_REQUEST)
    stopping = Waiting(connman.stop)
    assert client.rest() == error("shutting_down", "the server shuts down") + DC_1
    assert early.rest() == error("shutting_down", "the server shuts down", "")
    assert stopping.join() is True


def test_messages_that_come_before_the_login_is_answered_are_not_lost(connman: TableConnMan, players: Players) -> None:
    client = players.connect()
    client.sock.sendall(b'{"user":"ann","pass":"pw"}{"Queue":"a"}{"Queue":"b"}')
    assert [match_message(connman)[1] for _ in range(3)] == [C, {"Queue": "a"}, {"Queue": "b"}]


def test_too_many_messages_before_the_login_is_answered(connman: TableConnMan, players: Players) -> None:
    connman.authenticator.holding = True
    client = players.connect()
    client.sock.sendall(b'{"user":"ann","pass":"pw"}' + b'{"Queue":"a"}' * 17)
    text = "more than 16 messages before the login was answered"
    assert client.rest() == LOGIN_REQUEST + error("protocol_error", text, "")
    connman.authenticator.release()
    players.log_in("ann")


def test_one_object_a_line(manage: Manage) -> None:
    connman = manage(framing="lines")
    players = Players(connman)
    client = players.connect()
    client.receive_exactly(LOGIN_REQUEST + b"\n")
    client.sock.sendall(b'{"user":"ann","pass":"pw"}\r\n')
    client.receive_exactly(LOGIN_ACCEPT_1 + b"\n")
    client.sock.sendall(b'\n{"Queue":"}"}\n')
    assert [match_message(connman)[1] for _ in range(2)] == [C, {"Queue": "}"}]
    connman.send_message(1, {"text": "two\nlines"})
    client.receive_exactly(b'{"text":"two\\nlines"}\n')
    client.sock.sendall(b"[1]\n")
    assert client.rest() == error("protocol_error", "a message that is no JSON: not an object") + b"\n" + DC_1 + b"\n"
    players.close()


def test_a_line_is_nested_no_deeper_than_an_object_on_a_stream(manage: Manage) -> None:
    # A thread that takes a packet may be deep in its own calls already: it could not decode what the hub still can.
    connman = manage(framing="lines")
    players = Players(connman)
    client = players.connect()
    client.receive_exactly(LOGIN_REQUEST + b"\n")
    client.sock.sendall(b'{"user":"ann","pass":"pw"}\n')
    client.receive_exactly(LOGIN_ACCEPT_1 + b"\n")
    assert match_message(connman)[1] == C
    allowed = b'{"Queue":%s%s,"a":[%s]}' % (b"[" * 99, b"]" * 99, b"{}," * 100 + b"1")
    client.sock.sendall(b" " + allowed + b"\n")
    assert match_message(connman)[1] == json.loads(allowed)
    client.sock.sendall(b'{"Queue":' + b"[" * 100 + b"]" * 100 + b"}\n")
    text = "nested more than 100 deep at byte 108"
    assert client.rest() == error("protocol_error", text) + b"\n" + DC_1 + b"\n"
    players.close()


def test_too_many_connections(manage: Manage) -> None:
    connman = manage(limits=Limits(max_connections=1))
    players = Players(connman)
    players.log_in("ann")
    assert players.connect().rest() == deny("too_many_connections", "too many connections")
    players.close()


def test_a_message_of_ten_megabytes_there_and_back(manage: Manage) -> None:
    limits = Limits(max_message_bytes=11_000_000, outgoing_hard_bytes=22_000_000)
    connman = manage(limits=limits)
    players = Players(connman)
    client = players.log_in("ann")
    connman.start_game(7, [1])
    text = '}{"\\' * 1_250_000 + "x" * 2_500_000
    client.send({"game_id": 7, "text": text})
    assert game_message(connman, 7) == (1, {"game_id": 7, "text": text})
    connman.send_message(1, {"text": text})
    client.receive_exactly(json.dumps({"text": text}, separators=(",", ":")).encode())
    players.close()


words = st.text('{}[]"\\ab\n ', max_size=8)
packets = st.dictionaries(words, words | st.integers() | st.lists(words, max_size=3), max_size=3)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(sent=st.lists(packets, max_size=5), places=st.lists(st.integers(0, 1000), max_size=8))
def test_however_a_stream_is_cut(connman: TableConnMan, sent: list[dict[str, Any]], places: list[int]) -> None:
    players = Players(connman)
    client = players.connect()
    login = b'{"user":"ann","pass":"pw"}'
    wire = login + b"".join(json.dumps({**packet, "Queue": 1}).encode() for packet in sent)
    start = 0
    for end in [*sorted(place % len(wire) for place in places), len(wire)]:
        client.sock.sendall(wire[start:end])
        start = end
        gevent.sleep(0)
    assert match_message(connman)[1]["subtype"] == "C"
    for packet in sent:
        assert match_message(connman) == (1, {**packet, "Queue": 1})
    players.close()
    assert match_message(connman)[1]["subtype"] == "DC"


def test_client_helper_sees_the_same(players: Players) -> None:
    client: Client = players.log_in("ann")
    assert client.client_id == 1
