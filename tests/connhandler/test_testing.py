"""What users' own tests import: it must notice what it is there to notice."""

import random
import weakref
from collections.abc import Callable, Sequence
from typing import Any

import gevent
import gevent.monkey
import gevent.socket
import pytest
from gevent.event import Event

from connhandler import (
    CentralTask,
    DisconnectReason,
    Message,
    Peer,
    PeerConnected,
    PeerDisconnected,
    ProtocolError,
    WorkerPool,
    tasks,
)
from connhandler.framing.chunks import ChunkDecoder, encode_chunks
from connhandler.jsonmessage import Hello, JsonMessageReader, JsonServerMessageWriter, Ping, Pong, Refused, Welcome
from connhandler.testing import (
    FakeConnection,
    JsonClient,
    ManualClock,
    check_framing,
    check_leaks,
    loopback_pair,
    run_timers,
    run_work,
)
from tests.connhandler.support import Data, DataPeer, LoginPeer, Server, within

# --- fakes ------------------------------------------------------------------------------------------------------------


class Note(Message):
    text: str = ""


class Notebook(CentralTask):
    def __init__(self, **arguments: Any) -> None:
        super().__init__("notebook", **arguments)
        self.noted: list[Any] = []
        self.dispatch = {
            (Peer, PeerConnected): self.note,
            (Peer, Note): self.note,
            (Peer, PeerDisconnected): self.note,
        }

    def note(self, peer: Peer, message: Any) -> None:
        assert message.peer is peer
        self.noted.append(message)


def test_a_fake_connection_is_a_peer_to_the_program() -> None:
    central, fake = Notebook(), FakeConnection(DataPeer(), ("192.0.2.7", 1234))
    fake.connected(central)
    fake.receives(central, Note("one"), Note("two"))
    fake.disconnects(central, DisconnectReason.IDLE_TIMEOUT)
    kinds = [type(message) for message in central.noted]
    assert kinds == [PeerConnected, Note, Note, PeerDisconnected]
    assert central.noted[-1].reason is DisconnectReason.IDLE_TIMEOUT
    assert fake.peer.address == ("192.0.2.7", 1234)
    assert fake.peer.name == f"fake[{fake.peer.serial}]"
    assert FakeConnection(DataPeer()).peer.serial != fake.peer.serial


def test_a_fake_connection_keeps_what_was_sent() -> None:
    fake = FakeConnection(DataPeer())
    assert fake.peer.connected
    fake.peer.send("one")
    fake.peer.send("two")
    assert fake.sent == ["one", "two"]
    assert fake.take() == ["one", "two"]
    assert fake.take() == []
    fake.peer.send("three")
    assert fake.sent == ["three"]


@pytest.mark.parametrize(
    ("end", "reason", "detail"),
    [
        (lambda peer: peer.disconnect("enough"), DisconnectReason.CLOSED_BY_US, "enough"),
        (lambda peer: peer.abort("out"), DisconnectReason.CLOSED_BY_US, "out"),
        (lambda peer: peer.fail(ProtocolError("what?")), DisconnectReason.PROTOCOL_ERROR, "what?"),
        (lambda peer: peer.fail(KeyError("x")), DisconnectReason.INTERNAL_ERROR, "internal error"),
    ],
)
def test_a_fake_connection_ends_as_a_real_one(end: Any, reason: DisconnectReason, detail: str) -> None:
    central, fake = Notebook(), FakeConnection(DataPeer())
    assert not fake.disconnected
    end(fake.peer)
    assert fake.disconnected
    assert (fake.ending, fake.disconnect_detail) == (reason, detail)
    assert not fake.peer.connected
    fake.peer.send("ignored")
    assert fake.sent == []
    fake.receives(central, Note("dropped"))
    fake.disconnects(central)
    (last,) = central.noted
    assert last.reason is reason


def test_a_fake_peer_can_log_in() -> None:
    fake = FakeConnection(LoginPeer())
    fake.peer.logged_in = True
    assert fake.peer.logged_in


def test_the_manual_clock_moves_when_it_is_told_to() -> None:
    clock = ManualClock(100.0)
    central = Notebook(clock=clock)
    assert central.now == 100.0
    with check_leaks():
        fired: list[float] = []
        central.call_later(60, lambda: fired.append(central.now))
        run_timers(central)
        assert fired == []
        clock.advance(60)
        run_timers(central)
        assert fired == [160.0]
        central.stop()
        within(central.run)


def test_run_work_waits_for_all_results() -> None:
    central, pool = Notebook(), WorkerPool("pool", threads=2, max_queued=10)
    results: list[Any] = []

    def note(result: Any, error: BaseException | None) -> None:
        results.append(result)
        if result == 0:
            central.perform(pool, lambda: "caused by the first", then=note)

    for number in range(3):
        central.perform(pool, lambda number=number: number, then=note)
    run_work(central)
    assert sorted(map(str, results)) == ["0", "1", "2", "caused by the first"]
    pool.close()


def test_run_work_gives_up() -> None:
    central, pool = Notebook(), WorkerPool("pool", threads=1, max_queued=1)
    let_on: Any = gevent.monkey.get_original("threading", "Event")()
    central.perform(pool, let_on.wait, then=lambda result, error: None)
    with pytest.raises(AssertionError, match="work is still outstanding"):
        run_work(central, seconds=0.05)
    let_on.set()
    run_work(central)
    pool.close()


def test_a_loopback_pair_is_connected() -> None:
    with check_leaks():
        here, there = loopback_pair()
        with here, there:
            here.sendall(b"to there")
            there.sendall(b"to here")
            assert within(there.recv, 100) == b"to there"
            assert within(here.recv, 100) == b"to here"


# --- the JSON client --------------------------------------------------------------------------------------------------


class GreeterReader(JsonMessageReader):
    message_type = Hello | Pong | Note


@pytest.fixture
def greeter(serve: Callable[..., Server]) -> Server:
    return serve(reader_class=GreeterReader, writer_class=JsonServerMessageWriter)


def test_the_json_client_talks(greeter: Server) -> None:
    with JsonClient("127.0.0.1", greeter.handler.port, Welcome | Ping | Note) as client:
        client.send(Hello([1]), Note("two at once"))
        peer = greeter.next().peer
        assert [greeter.next(), greeter.next()] == [Hello([1]), Note("two at once")]
        peer.send(Welcome(1, "greeter"))
        assert client.receive() == Welcome(1, "greeter")


def test_the_json_client_answers_pings(greeter: Server) -> None:
    with JsonClient("127.0.0.1", greeter.handler.port, Welcome | Ping | Note) as client:
        peer = greeter.next().peer
        for message in (Ping(), Note("passed over"), Ping(), Welcome(1)):
            peer.send(message)
        assert client.expect(Welcome) == Welcome(1)
        assert [greeter.next(), greeter.next()] == [Pong(), Pong()]


def test_the_json_client_says_what_came_instead(greeter: Server) -> None:
    with JsonClient("127.0.0.1", greeter.handler.port, Welcome | Refused | Note) as client:
        peer = greeter.next().peer
        peer.send(Note("instead"))
        with pytest.raises(AssertionError, match=r"TimeoutError.*while waiting for Welcome; came: \[Note\(.*instead"):
            client.expect(Welcome, timeout=0.1)
        with pytest.raises(TimeoutError, match="no message came"):
            client.receive(timeout=0.05)
        peer.disconnect()
        with pytest.raises(AssertionError, match="EOFError"):
            client.expect(Welcome)
        with pytest.raises(EOFError, match="the server closed"):
            client.receive()


# --- framings that are wrong ------------------------------------------------------------------------------------------


class Lines:
    """A framing of lines, with one mistake or none."""

    error: ProtocolError | None = None

    def __init__(self, mistake: str = "") -> None:
        self.mistake = mistake
        self.rest = b""

    @property
    def mid_message(self) -> bool:
        return bool(self.rest) or self.mistake == "always in the middle"

    def receive_data(self, data: bytes) -> list[bytes]:
        if self.mistake == "forgets what it has":
            self.rest = b""
        if self.mistake == "no single bytes" and len(data) == 1 and data == b"\n":
            data = b""
        *found, self.rest = (self.rest + data).split(b"\n")
        if self.mistake == "only one at a time":
            found = found[:1]
        if self.mistake == "an error" and found:
            self.error = ProtocolError("for no reason")
        return found


def test_a_framing_that_is_right() -> None:
    check_framing(Lines, b"one\ntwo\nthree\n", [b"one", b"two", b"three"])
    check_framing(lambda: ChunkDecoder(4), encode_chunks(b"whatever", 4), [b"whatever"])
    check_framing(Lines, b"", [])


@pytest.mark.parametrize(
    "mistake", ["forgets what it has", "no single bytes", "only one at a time", "an error", "always in the middle"]
)
def test_a_framing_that_is_wrong(mistake: str) -> None:
    with pytest.raises(AssertionError):
        check_framing(lambda: Lines(mistake), b"one\ntwo\nthree\n", [b"one", b"two", b"three"])


@pytest.mark.parametrize("expected", [[b"one"], [b"one", b"two", b"three"], [b"one", b"tow"]])
def test_messages_that_are_not_in_the_bytes(expected: Sequence[bytes]) -> None:
    with pytest.raises(AssertionError, match="cut into"):
        check_framing(Lines, b"one\ntwo\n", expected)


def test_the_cuts_are_the_same_each_time() -> None:
    def pieces(seed: int) -> list[bytes]:
        seen: list[bytes] = []

        class Recording(Lines):
            def receive_data(self, data: bytes) -> list[bytes]:
                seen.append(data)
                return super().receive_data(data)

        check_framing(Recording, random.Random(5).randbytes(50).hex().encode() + b"\n", pieces_of(5), seed=seed)
        return seen

    assert pieces(1) == pieces(1)
    assert pieces(1) != pieces(2)


def pieces_of(seed: int) -> list[bytes]:
    return [random.Random(seed).randbytes(50).hex().encode()]


# --- leaks ------------------------------------------------------------------------------------------------------------


def test_nothing_left_is_fine() -> None:
    with check_leaks():
        here, there = loopback_pair()
        here.close()
        there.close()
        within(tasks.spawn("short", gevent.idle).get)


def test_what_goes_in_time_is_fine() -> None:
    with check_leaks():
        tasks.spawn("soon over", gevent.sleep, 0.05)


def test_a_socket_left_behind() -> None:
    sock = None
    with pytest.raises(AssertionError, match=r"left behind: .*socket"), check_leaks(seconds=0.05):
        sock = gevent.socket.socket()
    assert sock is not None
    sock.close()


def test_a_task_left_behind() -> None:
    never = Event()
    task = None
    with pytest.raises(AssertionError, match=r'left behind: .*"forgotten"'), check_leaks(seconds=0.05):
        task = tasks.spawn("forgotten", never.wait)
    assert task is not None
    task.kill()


def test_what_was_there_before_is_nobodys_fault() -> None:
    never = Event()
    task = tasks.spawn("there before", never.wait)
    with gevent.socket.socket(), check_leaks(seconds=0.05):
        pass
    task.kill()


def test_an_exception_in_the_block_comes_first() -> None:
    with pytest.raises(ZeroDivisionError), gevent.socket.socket(), check_leaks(seconds=0.05):
        raise ZeroDivisionError


def test_dead_proxies_do_not_matter() -> None:
    """A weak proxy whose object is gone raises whatever it is asked."""
    data = Data(b"")
    proxy = weakref.proxy(data)
    del data
    with check_leaks(seconds=0.05):
        pass
    with pytest.raises(ReferenceError):
        _ = proxy.data
