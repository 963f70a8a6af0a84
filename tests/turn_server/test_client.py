"""The example client: what it says on the wire, and what it makes of answers, of lost ones above all.

The server here is a simulated one.
"""

import gevent
import pytest
from hypothesis import given
from hypothesis import strategies as st

from connhandler import tasks
from tests.turn_server.simulatedserver import Fault, SimulatedServer
from turn_server.client import ReplyLost, TurnClient, TurnError, UnexpectedReply
from turn_server.symbols import LONG_WAIT_KEY, ErrorSymbol

OK = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b"


def ok(text: str) -> bytes:
    return OK % (len(text.encode()), text.encode())


def always(answer: bytes) -> Fault:
    return lambda number, body: answer


def once(number: int, answer: bytes) -> Fault:
    """A fault in the answer to one request, counted from 0."""
    return lambda at, body: answer if at == number else None


def paired(server: SimulatedServer) -> tuple[TurnClient, TurnClient]:
    """Two clients whose game has begun, player 0 first."""
    clients = TurnClient("127.0.0.1", server.port), TurnClient("127.0.0.1", server.port)
    for client, name in zip(clients, ("Martha Stewart", "Davey Jones"), strict=True):
        client.register(name)
        client.request_pair()
    assert clients[0].request_pair()
    assert [client.init_map() for client in clients] == [True, False]
    assert not clients[0].map_ready()
    assert clients[1].map_ready()
    assert clients[0].map_ready()
    return clients


def test_a_game_from_the_beginning_to_the_end() -> None:
    with SimulatedServer() as server:
        martha, davey = paired(server)
        assert (martha.partner, davey.partner) == ("Davey Jones", "Martha Stewart")
        assert (martha.player, davey.player) == (0, 1)
        assert (martha.is_server, davey.is_server) == (True, False)
        assert davey.update("one, two") == []
        assert davey.update("three") == []
        assert martha.update() == ["one, two", "three"]
        assert martha.update("four") == []
        assert davey.update() == ["four"]
        assert (martha.counter, davey.counter) == (2, 3)
        martha.quit()
        with pytest.raises(TurnError, match="error 15/\\*: partner gone") as error:
            davey.update()
        assert error.value.symbol is ErrorSymbol.PARTNER_GONE
        martha.close()
        davey.close()
    assert server.requests[:4] == ["0,Martha Stewart,*,*,*", "2,*,0,*,*", "0,Davey Jones,*,*,*", "2,*,1,*,*"]
    assert "6,one, two,1000000,1,0" in server.requests
    assert "6,three,1000000,1,1" in server.requests
    assert "5,*,1000000,0,2" in server.requests
    assert server.connections == 2


def test_the_wish_for_a_partner_and_for_time() -> None:
    with SimulatedServer() as server, TurnClient("127.0.0.1", server.port) as client:
        client.register("Davey Jones", "Martha Stewart", LONG_WAIT_KEY)
        assert not client.request_pair()
        client.unregister()
    assert server.requests == [f"0,Davey Jones,{LONG_WAIT_KEY},Martha Stewart,*", "2,*,0,*,*", "1,*,0,*,*"]


@pytest.mark.parametrize(
    "lost",
    [b"", b"HTTP/1.1 200 OK\r\nContent-Le", OK % (100, b"0/10/"), b"no HTTP at all\r\n\r\n"],
    ids=["closed", "cut in the head", "cut in the body", "garbage"],
)
def test_a_request_whose_reply_is_lost_is_sent_again(lost: bytes) -> None:
    with SimulatedServer() as server:
        martha, davey = paired(server)
        davey.update("to be shown twice")
        sent = len(server.requests)
        broken = lost if lost == b"" or lost.startswith(b"no") else None

        def fault(number: int, body: str) -> bytes | None:
            if number != sent:
                return None
            if broken is None:
                # What is cut off is followed by nothing: the connection ends.
                gevent.get_hub().loop.run_callback(server.close_connections)
            return lost

        server.fault = fault
        assert martha.update("said once") == ["to be shown twice"]
        assert server.requests[sent] == server.requests[sent + 1] == "6,said once,1000000,0,0"
        assert (martha.connections_lost, martha.repeats, martha.counter) == (1, 1, 1)
        assert davey.update() == ["said once"]
        martha.close()
        davey.close()


def test_a_server_that_never_answers_is_given_up() -> None:
    with SimulatedServer(always(b"")) as server, TurnClient("127.0.0.1", server.port, tries=3) as client:
        with pytest.raises(ReplyLost, match="no reply after 3 tries: the server closed"):
            client.register("Davey Jones")
        assert server.requests == ["0,Davey Jones,*,*,*"] * 3
        assert client.connections_lost == 3


def test_nobody_listens() -> None:
    with SimulatedServer() as server:
        port = server.port
    with TurnClient("127.0.0.1", port, tries=2) as client, pytest.raises(ReplyLost, match="refused"):
        client.register("Davey Jones")


def test_a_silent_server_is_waited_for_with_a_limit() -> None:
    half = b"HTTP/1.1 200 OK\r\n"
    with SimulatedServer(once(0, half)) as server, TurnClient("127.0.0.1", server.port, timeout=0.05) as client:
        client.register("Davey Jones")
        assert client.connections_lost == 1


def test_another_task_can_interrupt_the_wait() -> None:
    half = b"HTTP/1.1 200 OK\r\n"
    with SimulatedServer(once(0, half)) as server, TurnClient("127.0.0.1", server.port, watched=True) as client:
        client.interrupt()  # without a connection, it does nothing
        waiting = tasks.spawn("waiting", client.register, "Davey Jones")
        server.wait_for_requests(1)
        client.interrupt()
        waiting.get(timeout=10)
        assert server.requests == ["0,Davey Jones,*,*,*"] * 2


@pytest.mark.parametrize(
    ("answer", "symbol", "detail"),
    [
        ("5/*/*", ErrorSymbol.NOT_REGISTERED, "*"),
        ("4/2/*", ErrorSymbol.FORMAT, "2"),
        ("21/old data|with/slashes, and commas/*", ErrorSymbol.CACHE_FULL, "old data|with/slashes, and commas"),
    ],
)
def test_refusals(answer: str, symbol: ErrorSymbol, detail: str) -> None:
    with SimulatedServer(always(ok(answer))) as server, TurnClient("127.0.0.1", server.port) as client:
        with pytest.raises(TurnError) as error:
            client.update("hello")
        assert (error.value.symbol, error.value.detail) == (symbol, detail)
        assert client.counter == (symbol is ErrorSymbol.CACHE_FULL)


@pytest.mark.parametrize(
    "answer", ["", "hello", "0/99/*", "22/*/*", "-1/*/*", "0/0/15", "0//", "\u0660/9/x", "0/8/1|2", "0/8/1"]
)
def test_answers_that_there_are_not(answer: str) -> None:
    with (
        SimulatedServer(always(ok(answer))) as server,
        TurnClient("127.0.0.1", server.port) as client,
        pytest.raises(UnexpectedReply),
    ):
        client.map_ready()


def test_the_time_that_the_server_computed() -> None:
    with SimulatedServer() as server, TurnClient("127.0.0.1", server.port) as client:
        assert client.compute_seconds() == 0.000123
        server.fault = always(ok("a long time"))
        with pytest.raises(UnexpectedReply, match="a long time"):
            client.compute_seconds()


def test_without_keep_alive_each_request_has_a_connection() -> None:
    with SimulatedServer() as server, TurnClient("localhost", server.port, keep_alive=False) as client:
        client.register("Davey Jones")
        client.request_pair()
        client.unregister()
        assert server.connections == 3
        assert client.connections_lost == 0


@given(st.lists(st.text(min_size=1, alphabet=st.characters(exclude_characters="|", exclude_categories=["Cs"]))))
def test_any_text_arrives(texts: list[str]) -> None:
    with SimulatedServer() as server:
        martha, davey = paired(server)
        for text in texts:
            davey.update(text)
        assert martha.update() == [text for text in texts if text != "*"]
        martha.close()
        davey.close()
