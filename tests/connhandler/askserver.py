"""A server that does what its clients ask, however bad for it: what the tests of the invariants load and break."""

import socket
import time
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import gevent
from gevent.event import Event

from connhandler import (
    CentralTask,
    IncomingConnectionHandler,
    IncomingQueue,
    Limits,
    Message,
    Peer,
    PeerConnected,
    PeerDisconnected,
    ProtocolError,
)
from connhandler.handler import Instances
from connhandler.jsonmessage import JsonMessageReader, JsonServerMessageWriter, Ping, Pong, Refused, ShuttingDown

KIB = 1024
PATIENCE_SECONDS = 20.0
"""Whatever a test waits for comes sooner, unless it never comes."""


class Ask(Message):
    """Answered with `Answer`, of so many characters."""

    number: int = 0
    size: int = 0


class Note(Message):
    """Not answered; costs the central task `Server.note_seconds`."""

    text: str = ""


class Spread(Message):
    """Everybody who is connected gets `News`."""

    number: int
    size: int


class Leave(Message):
    """Answered with `Farewell`, and a disconnect."""


class Abort(Message):
    """The server aborts the connection."""


class Kill(Message):
    """The task of the connection is killed."""


class Break(Message):
    """The handler fails, in the way that `BREAKS` has under that name."""

    way: str


class Enter(Message):
    """The peer is logged in from now on, or not any more."""

    logged_in: bool = True


class Unheard(Message):
    """No handler is there for it."""


class Promote(Message):
    """Staff may send it."""


class Answer(Message):
    number: int
    text: str = ""


class News(Message):
    number: int
    text: str = ""


class Farewell(Message):
    pass


FromClient = Ask | Note | Spread | Leave | Abort | Kill | Break | Enter | Unheard | Promote | Pong
ToClient = Answer | News | Farewell | Ping | Refused | ShuttingDown


class ClientPeer(Peer):
    pass


class GuestPeer(Peer):
    requires_login = True


class StaffPeer(Peer):
    pass


class ClientReader(JsonMessageReader):
    message_type = FromClient


class ClientHandler(IncomingConnectionHandler):
    peer_class: type[Peer] = ClientPeer

    def create_connection_instances(self, sock: Any, address: Any) -> Instances:
        # What a client does not read is to wait in the outbox, not in the kernel.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 16 * KIB)
        return ClientReader(sock), JsonServerMessageWriter(sock), self.peer_class()


class GuestHandler(ClientHandler):
    peer_class = GuestPeer


class StaffHandler(ClientHandler):
    peer_class = StaffPeer


class MeasuredQueue(IncomingQueue):
    """Keeps the most messages that were in it at a time: of all peers together, and of one peer."""

    most = 0
    most_of_one = 0

    def put_over_bound(self, peer: Any, messages: Any) -> None:
        super().put_over_bound(peer, messages)
        self.most = max(self.most, self.qsize())
        if peer is not None:
            self.most_of_one = max(self.most_of_one, peer._in_flight)


class Server(CentralTask):
    """Does what the messages above say.

    Attributes:
        lives: what has come from each peer, oldest first: `PeerConnected`, messages, `PeerDisconnected`.
        ends: by the far end's address, the last message.
    """

    def __init__(self, limits: Limits | None = None) -> None:
        self.measured = MeasuredQueue((limits or Limits()).incoming_queue_messages)
        super().__init__("server", limits=limits, queue=self.measured)
        self.note_seconds = 0.0
        self.notes = 0
        self.spread = 0
        self.peers: dict[Peer, None] = {}
        self.lives: defaultdict[Peer, list[Any]] = defaultdict(list)
        self.ends: dict[Any, PeerDisconnected] = {}
        self._handled = Event()
        self.dispatch = {
            (Peer, PeerConnected): self.connected,
            (Peer, Ask): self.answer,
            (Peer, Note): self.note,
            (Peer, Spread): self.spread_news,
            (Peer, Leave): self.leave,
            (Peer, Abort): self.abort,
            (Peer, Kill): self.kill,
            (Peer, Break): self.fail,
            (Peer, Enter): self.enter,
            (Peer, Pong): self.pong,
            (StaffPeer, Promote): self.promote,
            (Peer, PeerDisconnected): self.disconnected,
        }

    def handle_burst(self, peer: Any, messages: Any) -> int:
        handled = super().handle_burst(peer, messages)
        self._handled.set()
        return handled

    def wait_until(self, condition: Callable[[], object], seconds: float = PATIENCE_SECONDS) -> None:
        """Wait until a condition holds, looking again each time that messages have been handled."""
        with gevent.Timeout(seconds, AssertionError("what was waited for did not happen")):
            while not condition():
                self._handled.clear()
                self._handled.wait()

    def end_of(self, address: Any) -> PeerDisconnected:
        """Wait for the `PeerDisconnected` of the client with this address."""
        self.wait_until(lambda: address in self.ends)
        return self.ends[address]

    def connected(self, peer: Peer, message: PeerConnected) -> None:
        self.lives[peer].append(message)
        self.peers[peer] = None

    def disconnected(self, peer: Peer, message: PeerDisconnected) -> None:
        self.lives[peer].append(message)
        self.ends[peer.address] = message
        del self.peers[peer]

    def answer(self, peer: Peer, message: Ask) -> None:
        self.lives[peer].append(message)
        peer.send(Answer(message.number, "x" * message.size))

    def note(self, peer: Peer, message: Note) -> None:
        self.notes += 1
        until = time.perf_counter() + self.note_seconds
        while time.perf_counter() < until:
            pass

    def spread_news(self, peer: Peer, message: Spread) -> None:
        self.spread += message.size
        news = News(message.number, "x" * message.size)
        for everybody in self.peers:
            everybody.send(news)

    def leave(self, peer: Peer, message: Leave) -> None:
        peer.send(Farewell())
        peer.disconnect("asked to")
        peer.fail(ProtocolError("after the end"))

    def abort(self, peer: Peer, message: Abort) -> None:
        peer.abort("asked to")

    def kill(self, peer: Peer, message: Kill) -> None:
        assert peer._connection is not None
        gevent.kill(peer._connection.task)

    def fail(self, peer: Peer, message: Break) -> None:
        BREAKS[message.way](peer)

    def enter(self, peer: Peer, message: Enter) -> None:
        peer.logged_in = message.logged_in

    def pong(self, peer: Peer, message: Pong) -> None:
        pass

    def promote(self, peer: StaffPeer, message: Promote) -> None:
        peer.send(Farewell())


def out_of_bounds(peer: Peer) -> None:
    peer.send(Answer(0, "x" * 2 * KIB * KIB))


def false(peer: Peer) -> None:
    raise AssertionError("a handler failed")


def endless(peer: Peer) -> None:
    endless(peer)


def timed_out(peer: Peer) -> None:
    raise gevent.Timeout(1.0)


BREAKS: dict[str, Callable[[Peer], object]] = {
    "division": lambda peer: 1 // 0,
    "assertion": false,
    "attribute": lambda peer: getattr(peer, "no_such_attribute"),  # noqa: B009 - it is to fail
    "recursion": endless,
    "cannot be encoded": lambda peer: peer.send(object()),
    "too long to be sent": out_of_bounds,
    "timeout": timed_out,
}
