"""One peer's messages for a task of its own: order, the end, and the bound that a flooding peer meets."""

import time
from typing import Any

import gevent
import gevent.socket
import pytest

from connhandler import (
    CentralTask,
    IncomingConnectionHandler,
    Limits,
    Peer,
    PeerConnected,
    PeerDisconnected,
    TcpMessageConnectionReader,
    TcpMessageConnectionWriter,
    tasks,
    testing,
)
from connhandler.conversation import Conversation, ConversationEnded
from connhandler.framing.chunks import encode_chunks

IN_FLIGHT = 4


class Word:
    def __init__(self, data: bytes) -> None:
        self.data = data


class SpeakerPeer(Peer):
    conversation: Conversation


class SpeakerReader(TcpMessageConnectionReader):
    def decode(self, data: bytes) -> Word:
        return Word(data)


class SpeakerWriter(TcpMessageConnectionWriter):
    def encode(self, message: bytes) -> bytes:
        return message


class SpeakerHandler(IncomingConnectionHandler):
    def create_connection_instances(
        self, sock: gevent.socket.socket, address: Any
    ) -> tuple[SpeakerReader, SpeakerWriter, SpeakerPeer]:
        return SpeakerReader(sock), SpeakerWriter(sock), SpeakerPeer()


class Office(CentralTask):
    """Gives every peer a conversation, and starts `serve` for it in a task of its own.

    Attributes:
        handed_over: how many messages, in all.
        disconnected: set by each `PeerDisconnected`.
    """

    def __init__(self, serve: Any) -> None:
        super().__init__("office")
        self.serve = serve
        self.handed_over = 0
        self.disconnected: gevent.queue.Queue[PeerDisconnected] = gevent.queue.Queue()
        self.limits_of_peers = Limits(in_flight_messages=IN_FLIGHT, linger_seconds=5)
        self.handler = SpeakerHandler("speakers", "127.0.0.1", 0, self.queue, limits=self.limits_of_peers)
        self.dispatch = {
            (SpeakerPeer, PeerConnected): self.connected,
            (SpeakerPeer, Word): self.said,
            (SpeakerPeer, PeerDisconnected): self.left,
        }

    def connected(self, peer: SpeakerPeer, message: PeerConnected) -> None:
        peer.conversation = Conversation(peer)
        tasks.spawn(f"{peer.name}.office", self.serve, peer.conversation)

    def said(self, peer: SpeakerPeer, message: Word) -> None:
        self.handed_over += 1
        peer.conversation.hand_over(message)

    def left(self, peer: SpeakerPeer, message: PeerDisconnected) -> None:
        peer.conversation.end()
        self.disconnected.put(message)


class Running:
    """An office that serves, for the length of a `with`."""

    def __init__(self, serve: Any) -> None:
        self.office = Office(serve)
        self.office.handler.start()
        self._task = tasks.spawn("office", self.office.run)

    def connect(self) -> gevent.socket.socket:
        return gevent.socket.create_connection(("127.0.0.1", self.office.handler.port))

    def __enter__(self) -> "Running":
        return self

    def __exit__(self, *exception: object) -> None:
        self.office.handler.stop(0)
        self.office.stop()
        self._task.get(timeout=5)


@pytest.fixture
def conversation() -> Conversation:
    return Conversation(testing.FakeConnection(SpeakerPeer()).peer)


# --- receiving --------------------------------------------------------------------------------------


def test_messages_are_received_in_order(conversation: Conversation) -> None:
    for word in ("one", "two", "three"):
        conversation.hand_over(word)
    assert [conversation.receive() for _ in range(3)] == ["one", "two", "three"]


def test_receive_waits_for_a_message(conversation: Conversation) -> None:
    receiving = tasks.spawn("receiving", conversation.receive)
    gevent.idle()
    assert conversation.waiting
    conversation.hand_over("one")
    assert not conversation.waiting
    assert receiving.get(timeout=5) == "one"


def test_a_timeout_gives_none_and_nothing_is_lost(conversation: Conversation) -> None:
    began = time.monotonic()
    assert conversation.receive(timeout=0.25) is None
    assert time.monotonic() - began >= 0.25
    assert conversation.receive(timeout=0) is None
    conversation.hand_over("late")
    assert conversation.receive(timeout=0) == "late"


def test_the_end_wakes_whoever_waits_however_long_the_timeout(conversation: Conversation) -> None:
    receiving = tasks.spawn("receiving", receive_end, conversation, 3600.0)
    gevent.idle()
    conversation.end()
    assert receiving.get(timeout=5)


def receive_end(conversation: Conversation, timeout: float | None = None) -> bool:
    try:
        conversation.receive(timeout)
    except ConversationEnded:
        return True
    return False


def test_what_came_before_the_end_is_still_received(conversation: Conversation) -> None:
    conversation.hand_over("one")
    conversation.hand_over("two")
    conversation.end()
    conversation.hand_over("too late")
    assert [conversation.receive(), conversation.receive()] == ["one", "two"]
    for _ in range(2):
        with pytest.raises(ConversationEnded, match=r"fake\[\d+\] has ended"):
            conversation.receive()
    assert conversation.peer._in_flight == 0


def test_what_is_abandoned_is_forgotten(conversation: Conversation) -> None:
    conversation.hand_over("one")
    conversation.hand_over("two")
    assert conversation.peer._in_flight == 2
    conversation.abandon()
    assert conversation.peer._in_flight == 0
    assert receive_end(conversation)
    conversation.hand_over("three")
    conversation.abandon()
    assert conversation.peer._in_flight == 0


def test_whoever_always_has_a_message_lets_timers_fire(conversation: Conversation) -> None:
    fired_at: list[float] = []
    timer = gevent.get_hub().loop.timer(0.02)
    timer.start(lambda: fired_at.append(time.monotonic()))
    began = time.monotonic()
    while not fired_at and time.monotonic() - began < 5:
        conversation.hand_over("more")
        conversation.receive()
        time_of_work = time.monotonic() + 0.001
        while time.monotonic() < time_of_work:
            pass
    timer.close()
    assert fired_at
    assert fired_at[0] - began < 1


# --- with real connections --------------------------------------------------------------------------


def test_a_peer_that_floods_is_held_back_and_others_are_served() -> None:
    """Its task does nothing: no more than the bound is handed over, TCP fills, and nobody else notices."""
    stopped = gevent.event.Event()

    def serve(conversation: Conversation) -> None:
        if conversation.receive().data == b"wait":
            stopped.wait()
        while True:
            try:
                message = conversation.receive()
            except ConversationEnded:
                return
            conversation.peer.send(message.data)

    with Running(serve) as running, running.connect() as flood, running.connect() as other:
        flood.sendall(encode_chunks(b"wait"))
        other.sendall(encode_chunks(b"go"))
        flood.setblocking(False)
        sent = send_until_full(flood, encode_chunks(b"x" * 1000))
        assert sent > 0
        for number in range(50):
            word = b"%d" % number
            other.sendall(encode_chunks(word))
            assert other.recv(100) == encode_chunks(word)
        assert running.office.handed_over <= 2 + 50 + IN_FLIGHT
        stopped.set()


def send_until_full(sock: gevent.socket.socket, data: bytes) -> int:
    """Send until the far end takes no more for a while; return the bytes that were taken."""
    sent = 0
    while True:
        try:
            sent += sock.send(data)
        except BlockingIOError:
            with gevent.Timeout(0.5, False):  # type: ignore[arg-type]
                gevent.socket.wait_write(sock.fileno())
                continue
            return sent


def test_replies_to_what_came_before_the_far_end_closed_go_out() -> None:
    """Though the task takes its time: what was handed over is in flight, and the end of the connection waits for it."""

    def serve(conversation: Conversation) -> None:
        while True:
            try:
                message = conversation.receive()
            except ConversationEnded:
                return
            gevent.sleep(0.01)
            conversation.peer.send(message.data)

    with Running(serve) as running, running.connect() as sock:
        words = b"".join(encode_chunks(b"%d" % number) for number in range(20))
        sock.sendall(words)
        sock.shutdown(gevent.socket.SHUT_WR)
        received = b""
        with gevent.Timeout(10):
            while data := sock.recv(65536):
                received += data
        assert received == words
        running.office.disconnected.get(timeout=5)


def test_a_task_that_gives_up_does_not_hold_up_the_end_of_its_connection() -> None:
    given_up = gevent.event.Event()

    def serve(conversation: Conversation) -> None:
        conversation.receive()
        conversation.abandon()
        given_up.set()

    with Running(serve) as running, running.connect() as sock:
        sock.sendall(b"".join(encode_chunks(b"%d" % number) for number in range(100)))
        assert given_up.wait(5)
        sock.shutdown(gevent.socket.SHUT_WR)
        began = time.monotonic()
        running.office.disconnected.get(timeout=4)
        assert time.monotonic() - began < running.office.limits_of_peers.linger_seconds
