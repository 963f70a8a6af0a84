"""What `create_connection_instances` may return, and what a handler may be made with."""

from collections.abc import Iterator
from typing import Any

import gevent.monkey
import gevent.socket
import pytest

from connhandler import (
    ConnectionHandler,
    IncomingConnectionHandler,
    IncomingQueue,
    Limits,
    OutgoingConnectionHandler,
    Peer,
)
from connhandler.handler import check_instances
from connhandler.testing import loopback_pair
from tests.connhandler.support import DataHandler, DataPeer, DataReader, DataWriter, Server


@pytest.fixture
def sock() -> Iterator[gevent.socket.socket]:
    here, there = loopback_pair()
    with here, there:
        yield here


def test_a_reader_a_writer_and_a_peer(sock: gevent.socket.socket) -> None:
    check_instances((DataReader(sock), DataWriter(sock), DataPeer()))


@pytest.mark.parametrize("returned", [None, (), "abc", ("reader", "writer"), ["reader", "writer", "peer"]])
def test_no_tuple_of_three(returned: Any) -> None:
    with pytest.raises(TypeError) as caught:
        check_instances(returned)
    assert str(caught.value) == (
        f"create_connection_instances must return a tuple (reader, writer, peer), not {returned!r}"
    )


@pytest.mark.parametrize(
    ("order", "position", "expected", "found"),
    [
        ("wrp", 0, "a ConnectionReader", "DataWriter"),
        ("rrp", 1, "a ConnectionWriter", "DataReader"),
        ("rwr", 2, "a Peer", "DataReader"),
        ("prw", 0, "a ConnectionReader", "DataPeer"),
        ("rw0", 2, "a Peer", "NoneType"),
        ("rwc", 2, "a Peer", "type"),
    ],
)
def test_the_wrong_instance_or_order(
    sock: gevent.socket.socket, order: str, position: int, expected: str, found: str
) -> None:
    made: dict[str, Any] = {
        "r": DataReader(sock),
        "w": DataWriter(sock),
        "p": DataPeer(),
        "0": None,
        "c": DataPeer,
    }
    with pytest.raises(TypeError) as caught:
        check_instances(tuple(made[letter] for letter in order))
    assert str(caught.value) == (
        f"create_connection_instances must return (reader, writer, peer): "
        f"item {position} must be {expected}, not {found}"
    )


def test_peer_must_be_subclassed() -> None:
    with pytest.raises(TypeError, match="Peer must be subclassed"):
        Peer()


def test_an_empty_subclass_of_peer_will_do() -> None:
    peer = DataPeer()
    assert not peer.connected
    assert not peer.logged_in
    peer.send("ignored: there is no connection")
    peer.disconnect()
    peer.abort()
    assert {peer: 1}[peer] == 1
    assert repr(peer) == "<DataPeer unconnected>"


def test_a_peer_with_a_constructor_of_its_own_needs_no_super() -> None:
    class NamedPeer(Peer):
        def __init__(self, name_on_door: str) -> None:
            self.name_on_door = name_on_door

    first, second = NamedPeer("A"), NamedPeer("B")
    assert first.name_on_door == "A"
    assert first._room is not second._room


def test_handlers_are_abstract() -> None:
    kinds: list[Any] = [ConnectionHandler, IncomingConnectionHandler, OutgoingConnectionHandler]
    for kind in kinds:
        with pytest.raises(TypeError, match="create_connection_instances"):
            kind("name", "127.0.0.1", 0, IncomingQueue())


def test_everything_past_the_queue_is_keyword_only() -> None:
    with pytest.raises(TypeError, match="positional"):
        DataHandler("clients", "127.0.0.1", 0, IncomingQueue(), Limits())  # type: ignore[call-arg]


def test_the_seeds_four_arguments_are_enough() -> None:
    queue = IncomingQueue()
    handler = DataHandler("clients", "127.0.0.1", 0, queue)
    assert (handler.task_name, handler.address, handler.port) == ("clients", "127.0.0.1", 0)
    assert handler.incoming_queue is queue
    assert handler.limits == Limits()


def test_what_is_no_context_is_refused() -> None:
    nothing: Any = "certificate.pem"
    with pytest.raises(TypeError, match=r"ssl_context must be an ssl\.SSLContext, not 'certificate\.pem'"):
        DataHandler("clients", "127.0.0.1", 0, IncomingQueue(), ssl_context=nothing)


def test_serial_numbers_and_names_count_from_one(serve: Any) -> None:
    server: Server = serve()
    peers = [server.connect()[1] for _ in range(3)]
    assert [peer.serial for peer in peers] == [1, 2, 3]
    assert [peer.name for peer in peers] == ["clients[1]", "clients[2]", "clients[3]"]
    assert repr(peers[2]) == "<DataPeer clients[3]>"
    assert peers[0].address == server.clients[0].sock.getsockname()
    assert server.handler.connections == 3


class Wrong(DataHandler):
    """Returns no peer, the first time."""

    calls = 0

    def create_connection_instances(self, sock: Any, address: Any) -> Any:
        self.calls += 1
        instances = super().create_connection_instances(sock, address)
        return instances[:2] if self.calls == 1 else instances


def test_a_mistake_costs_the_one_connection(serve: Any, caplog: pytest.LogCaptureFixture) -> None:
    server: Server = serve(handler_class=Wrong)
    assert server.client().rest() == b""
    assert "create_connection_instances must return a tuple" in caplog.text
    client, peer = server.connect()
    assert peer.serial == 1
    client.send(b"fine")
    assert server.next_data() == b"fine"


class OnePeer(DataHandler):
    """Returns the same peer for each connection: a mistake."""

    one = DataPeer()

    def create_connection_instances(self, sock: Any, address: Any) -> Any:
        return DataReader(sock), DataWriter(sock), self.one


def test_each_connection_needs_a_peer_of_its_own(serve: Any, caplog: pytest.LogCaptureFixture) -> None:
    server: Server = serve(handler_class=OnePeer)
    client, peer = server.connect()
    assert server.client().rest() == b""
    assert "a new Peer for each connection" in caplog.text
    client.send(b"undisturbed")
    assert server.next_data() == b"undisturbed"
    assert peer.name == "clients[1]"


def test_what_the_handler_says_of_a_peer_is_not_for_others_to_set() -> None:
    """A player's name kept in `peer.name` would stand in the log, line ends and all."""
    peer = DataPeer()
    for attribute in ("name", "serial", "address"):
        with pytest.raises(AttributeError, match=attribute):
            setattr(peer, attribute, "alice\nERROR: forged")
    with pytest.raises(TypeError, match=r"Player\.name: every Peer has this already"):
        type("Player", (Peer,), {"name": ""})
