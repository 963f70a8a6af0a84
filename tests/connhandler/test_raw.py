"""Bytes as they come, over real sockets; and messages that stay in flight while they are worked on."""

from typing import Any

import gevent

from connhandler import CentralTask, IncomingConnectionHandler, Limits, Peer, Service
from connhandler.raw import RawConnectionReader, RawConnectionWriter
from connhandler.tasks import spawn
from connhandler.testing import check_leaks, loopback_pair


class Bytes:
    def __init__(self, data: bytes) -> None:
        self.data = data


class Reader(RawConnectionReader):
    receive_bytes = 1000

    def decode(self, data: bytes) -> Bytes:
        return Bytes(data)


class Writer(RawConnectionWriter):
    def encode(self, message: Bytes) -> bytes:
        return message.data


class FarPeer(Peer):
    pass


class Handler(IncomingConnectionHandler):
    def create_connection_instances(self, sock: Any, address: Any) -> tuple[Reader, Writer, FarPeer]:
        return Reader(sock), Writer(sock), FarPeer()


class Holding(CentralTask):
    """Keeps every message in flight, and sends it back."""

    def __init__(self) -> None:
        super().__init__("holding")
        self.peers: list[FarPeer] = []
        self.received = 0
        self.dispatch = {(FarPeer, Bytes): self.hold}

    def hold(self, peer: FarPeer, message: Bytes) -> None:
        peer.hold()
        self.peers.append(peer)
        self.received += len(message.data)
        peer.send(message)


def test_one_recv_is_one_message_of_a_bounded_size() -> None:
    ours, theirs = loopback_pair()
    with ours, theirs:
        reader = Reader(ours)
        theirs.sendall(b"x" * 2500)
        assert sum(len(reader.receive()) for _ in range(3)) == 2500
        reader.already_received = b"before"
        theirs.sendall(b"after")
        assert [reader.receive(), reader.receive()] == [b"before", b"after"]


def test_what_is_held_stays_in_flight_and_slows_its_peer_down() -> None:
    with check_leaks():
        central = Holding()
        limits = Limits(first_message_seconds=0, idle_seconds=0, in_flight_messages=3, linger_seconds=0.2)
        handler = Handler("far", "127.0.0.1", 0, central.queue, limits=limits)
        service = Service(central, [handler], owns_process=False)
        service.listen()
        running = spawn("service", service.run)
        with gevent.socket.create_connection(("127.0.0.1", handler.port)) as far:
            far.sendall(b"x" * 10_000)
            with gevent.Timeout(10):
                while central.received < 3000 or not central.peers[0].held_back:
                    gevent.sleep(0.005)
            assert central.received == 3000
            for expected in range(4000, 10_001, 1000):
                central.post(central.peers[0].release)
                with gevent.Timeout(10):
                    while central.received < expected:
                        gevent.sleep(0.005)
                assert central.received == expected
            echoed = 0
            while echoed < 10_000:
                echoed += len(far.recv(65536))
            for _ in range(3):
                central.post(central.peers[0].release)
        service.end("test")
        assert running.get(timeout=10) == 0
