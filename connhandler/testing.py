"""What tests of programs and of connection types need: users' own tests import it too.

* `FakeConnection`: the far end of a scripted conversation through `CentralTask.handle`, without a socket.
* `ManualClock`, `run_timers`, `run_work`: time and results of work, when the test says so.
* `loopback_pair`: two real connected gevent sockets.
* `JsonClient`: a plain blocking client of the framed JSON protocols, for tests of whole programs.
* `check_framing`: what every pure parser must hold: whole, byte by byte, random cuts, trailing data.
* `check_leaks`: nothing is left behind: sockets, tasks.
"""

import contextlib
import gc
import random
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Generic, TypeVar

import gevent
import gevent.socket
import msgspec

from connhandler import tasks
from connhandler.central import CentralTask
from connhandler.connection import Peer
from connhandler.errors import DisconnectReason
from connhandler.framing import Framing
from connhandler.framing.chunks import ChunkDecoder, encode_chunks
from connhandler.jsonmessage import Ping, Pong
from connhandler.messages import Message, PeerConnected, PeerDisconnected
from connhandler.sockets import connect_to_path, is_path, prepare

PeerType = TypeVar("PeerType", bound=Peer)
MessageType = TypeVar("MessageType", bound=Message)


class FakeConnection(Generic[PeerType]):
    """A connection that exists only in the test: what the program sends to its peer is kept in `sent`.

    Attributes:
        peer: the peer that the program sees.
        sent: every message given to `peer.send`, oldest first.
        disconnected: whether the program has disconnected, aborted or failed the peer.
        disconnect_detail: with which words.
        failure: the exception, when the peer was failed.
    """

    _serial = 0

    def __init__(self, peer: PeerType, address: Any = ("127.0.0.1", 50000)) -> None:
        FakeConnection._serial += 1
        self.peer = peer
        self.sent: list[Any] = []
        self.disconnected = False
        self.disconnect_detail = ""
        self.failure: BaseException | None = None
        self.ending: DisconnectReason | None = None
        self.awaits_login = False
        self.held_back = False
        peer._name = f"fake[{self._serial}]"
        peer._serial = self._serial
        peer._address = address
        peer._connection = self  # type: ignore[assignment]

    def connected(self, central: CentralTask) -> None:
        """Let the program handle this peer's `PeerConnected`."""
        central.handle(PeerConnected(self.peer))

    def receives(self, central: CentralTask, *messages: Any) -> None:
        """Let the program handle messages as if this peer had sent them."""
        for message in messages:
            message.peer = self.peer
            central.handle(message)

    def disconnects(self, central: CentralTask, reason: DisconnectReason = DisconnectReason.CLOSED_BY_PEER) -> None:
        """Let the program handle this peer's `PeerDisconnected`."""
        self.ending = self.ending or reason
        central.handle(PeerDisconnected(self.peer, self.ending))

    def take(self) -> list[Any]:
        """Return what was sent since the last call."""
        sent, self.sent = self.sent, []
        return sent

    # What `Peer` asks of its connection:

    def count_login(self) -> None:
        pass

    def send(self, message: Any) -> None:
        if self.ending is None:
            self.sent.append(message)

    def end(
        self,
        reason: DisconnectReason,
        detail: str = "",
        exception: BaseException | None = None,
        politely: bool = True,
    ) -> None:
        if self.ending is None:
            self.ending = reason
            self.disconnect_detail = detail
            self.failure = exception
        self.disconnected = True


class ManualClock:
    """A clock that moves when the test says so; hand it to `CentralTask(clock=…)`."""

    def __init__(self, now: float = 1_000_000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += seconds


def run_queue(central: CentralTask) -> None:
    """Handle everything that is in the queue of a central task that is not running."""
    while not central.queue.empty():
        central.handle(central.queue.get())


def run_timers(central: CentralTask) -> None:
    """Handle every timer that is due by the central task's clock, and what these cause at once."""
    central.fire_timers()
    run_queue(central)


def run_work(central: CentralTask, seconds: float = 10.0) -> None:
    """Wait for all results of `perform`, handling each, until no work is outstanding."""
    with gevent.Timeout(seconds, AssertionError("work is still outstanding")):
        while central.work_outstanding or not central.queue.empty():
            central.handle(central.queue.get())


def loopback_pair() -> tuple[gevent.socket.socket, gevent.socket.socket]:
    """Return two connected TCP sockets on 127.0.0.1."""
    with gevent.socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(1)
        client = gevent.socket.create_connection(listener.getsockname())
        server, _ = listener.accept()
    return client, server


class JsonClient:
    """A plain client of a framed JSON protocol: blocking calls, no central task.

    Args:
        address: of the server, or the path of its Unix socket.
        port: of the server; 0 for a Unix socket.
        message_type: the union of what the server may send.
        timeout: for every wait, in seconds.
    """

    def __init__(self, address: str, port: int, message_type: Any, timeout: float = 10.0) -> None:
        if is_path(address):
            self.sock = connect_to_path(address)
        else:
            self.sock = gevent.socket.create_connection((address, port), timeout=timeout)
        self.sock.settimeout(None)
        prepare(self.sock)
        self._timeout = timeout
        self._decoder = msgspec.json.Decoder(message_type)
        self._framing = ChunkDecoder(max_message_bytes=1 << 26)
        self._received: list[bytes] = []

    def send(self, *messages: Message) -> None:
        self.sock.sendall(b"".join(encode_chunks(msgspec.json.encode(message)) for message in messages))

    def receive(self, timeout: float | None = None) -> Any:
        """Return the next message that is not a `Ping`; those are answered.

        Raises:
            EOFError: the server closed.
            TimeoutError: nothing came.
        """
        with gevent.Timeout(timeout or self._timeout, TimeoutError("no message came")):
            while True:
                while not self._received:
                    data = self.sock.recv(65536)
                    if not data:
                        raise EOFError("the server closed the connection")
                    self._received.extend(self._framing.receive_data(data))
                message = self._decoder.decode(self._received.pop(0))
                if not isinstance(message, Ping):
                    return message
                self.send(Pong())

    def expect(self, message_class: type[MessageType], timeout: float | None = None) -> MessageType:
        """Return the next message of this class, passing over others.

        Raises:
            AssertionError: it did not come; says what came instead.
        """
        passed = []
        try:
            while True:
                message = self.receive(timeout)
                if isinstance(message, message_class):
                    return message
                passed.append(message)
        except (EOFError, TimeoutError) as error:
            raise AssertionError(f"{error!r} while waiting for {message_class.__name__}; came: {passed}") from error

    def close(self) -> None:
        self.sock.close()

    def __enter__(self) -> "JsonClient":
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


def check_framing(
    create: Callable[[], Framing], wire: bytes, messages: Sequence[bytes], seed: int = 0, cuts: int = 20
) -> None:
    """Check that a parser finds the same messages however the bytes arrive.

    Args:
        create: makes a new parser.
        wire: the bytes of `messages`.
        messages: what is to be found in them.
        seed: of the random cuts.
        cuts: how many random cuttings to try.

    Raises:
        AssertionError: it does not; says for which cutting.
    """
    generator = random.Random(seed)
    cuttings = [[wire], [wire[i : i + 1] for i in range(len(wire))]]
    for _ in range(cuts):
        places = sorted(generator.choices(range(len(wire) + 1), k=generator.randint(1, 6)))
        cuttings.append([wire[a:b] for a, b in zip([0, *places], [*places, len(wire)], strict=True)])
    for cutting in cuttings:
        parser = create()
        found = [message for piece in cutting if piece for message in parser.receive_data(piece)]
        assert found == list(messages), f"cut into {[len(piece) for piece in cutting][:50]}: {found!r:.500}"
        assert parser.error is None, f"cut into {[len(piece) for piece in cutting][:50]}: {parser.error}"
        assert not parser.mid_message, "in mid-message after the last whole message"


@contextlib.contextmanager
def check_leaks(seconds: float = 5.0) -> Iterator[None]:
    """Check that a block leaves no open socket and no task behind.

    Raises:
        AssertionError: it does; says which, after waiting `seconds` for them to go.
    """
    before = _sockets_and_tasks()
    yield
    left: set[Any] = set()
    with tasks.wait_at_most(seconds):
        while True:
            left = _sockets_and_tasks() - before
            if not left:
                return
            gc.collect()
            gevent.sleep(0.01)
    raise AssertionError(f"left behind: {left}")


def _sockets_and_tasks() -> set[Any]:
    sockets = _subclasses(gevent.socket.socket)
    greenlets = _subclasses(gevent.Greenlet)  # noqa: TID251 - looks at them only
    kinds = sockets | greenlets
    # Not by `isinstance`, which asks the thing itself: a weak proxy whose object is gone raises.
    things: list[Any] = [thing for thing in gc.get_objects() if type(thing) in kinds]
    return {thing for thing in things if (thing.fileno() != -1 if type(thing) in sockets else not thing.ready())}


def _subclasses(kind: type[Any]) -> set[type[Any]]:
    """Return a class and all that are derived from it."""
    return {kind}.union(*map(_subclasses, kind.__subclasses__()))
