"""Clients of an `askserver.Server`, floods from another process, and what measures whether the hub keeps running."""

import contextlib
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import gevent
import gevent.socket
import msgspec
from gevent.event import Event

from connhandler import CentralTask, Message, tasks, testing
from connhandler.framing.chunks import ChunkDecoder, encode_chunks
from connhandler.handler import ConnectionHandler
from tests.connhandler.askserver import KIB, PATIENCE_SECONDS, Answer, Ask, ToClient

FLOODING_CLIENT = Path(__file__).with_name("flooding_client.py")
PROMPT_SECONDS = 0.5
"""What is answered within this was not held up by anybody: it takes a few milliseconds, some tens on a busy machine."""


@contextlib.contextmanager
def serving(central: CentralTask, *handlers: ConnectionHandler) -> Iterator[None]:
    """Run a server in a block; whatever happens there, the central task must be alive in the end."""
    with testing.check_leaks():
        running = tasks.spawn(central.name, central.run)
        for handler in handlers:
            handler.start()
        try:
            yield
            assert not running.ready(), "the central task has died"
        finally:
            with tasks.wait_at_most(PATIENCE_SECONDS):
                for handler in handlers:
                    handler.stop(0.5)
            central.stop()
            running.join(PATIENCE_SECONDS)
            running.kill()


def wire(*messages: Message) -> bytes:
    return b"".join(encode_chunks(msgspec.json.encode(message)) for message in messages)


def connect(port: int, receive_bytes: int | None = None, source: str = "127.0.0.1") -> gevent.socket.socket:
    sock = gevent.socket.socket()
    if receive_bytes is not None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
    try:
        sock.bind((source, 0))
        sock.connect(("127.0.0.1", port))
    except OSError:
        sock.close()
        raise
    return sock


def client_of(handler: ConnectionHandler) -> testing.JsonClient:
    return testing.JsonClient("127.0.0.1", handler.port, ToClient, timeout=PATIENCE_SECONDS)


def read_all(sock: gevent.socket.socket, begun: bytes = b"") -> list[Any]:
    """Read until the server ends the connection, which must be after a whole message.

    Args:
        begun: what was read before.

    Raises:
        ConnectionError: the server reset the connection.
    """
    framing = ChunkDecoder(max_message_bytes=1 << 26)
    decoder = msgspec.json.Decoder(ToClient)
    messages = [decoder.decode(part) for part in framing.receive_data(begun)]
    with gevent.Timeout(PATIENCE_SECONDS, AssertionError("the server did not end the connection")):
        while data := sock.recv(64 * KIB):
            messages += [decoder.decode(part) for part in framing.receive_data(data)]
    assert not framing.mid_message, "the connection ended in the middle of a message"
    return messages


def seconds_to_answer(client: testing.JsonClient, number: int = 0) -> float:
    """How long the server takes to answer an `Ask`."""
    asked = time.monotonic()
    client.send(Ask(number))
    assert client.expect(Answer).number == number
    return time.monotonic() - asked


def reset(sock: gevent.socket.socket) -> None:
    """Close so that the far end gets a reset."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


@contextlib.contextmanager
def flood(
    port: int, block: bytes, connections: int = 1, seconds: float = PATIENCE_SECONDS, handshake: bytes = b""
) -> Iterator[None]:
    """Have another process write `block` again and again, as fast as it can, after a handshake if there is one."""
    command = [sys.executable, str(FLOODING_CLIENT), str(port), str(connections), str(seconds), str(len(handshake))]
    process = subprocess.Popen(command, stdin=subprocess.PIPE)
    assert process.stdin is not None
    process.stdin.write(handshake + block)
    process.stdin.close()
    try:
        yield
    finally:
        process.kill()
        process.wait()


class Pulse:
    """The longest time in which the hub ran no timer: in a plain task that sleeps, and in one of a central task.

    Args:
        central: whose timers are looked at too.
        clock: `time.thread_time` counts only while this thread works: for what would never let the hub run, and so that
            other processes on a busy machine do not count.
    """

    SECONDS = 0.01

    def __init__(self, central: CentralTask | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self.longest_sleep = 0.0
        self.longest_timer = 0.0
        self.beats = 0
        self._slept_at = self._fired_at = self._clock()
        self._central = central
        self._task: tasks.Task | None = None
        self._beaten = Event()

    def __enter__(self) -> "Pulse":
        self._slept_at = self._fired_at = self._clock()
        self._task = tasks.spawn("pulse", self._sleep)
        if self._central is not None:
            self._central.post(self._fire)
        return self

    def __exit__(self, *exception: object) -> None:
        assert self._task is not None
        self._task.kill()
        self._task = None
        now = self._clock()
        self.longest_sleep = max(self.longest_sleep, now - self._slept_at)
        if self._central is not None:
            self.longest_timer = max(self.longest_timer, now - self._fired_at)

    def wait(self, beats: int) -> None:
        """Wait for so many more beats."""
        until = self.beats + beats
        with gevent.Timeout(PATIENCE_SECONDS, AssertionError("the hub stands still")):
            while self.beats < until:
                self._beaten.clear()
                self._beaten.wait()

    def _sleep(self) -> None:
        while True:
            gevent.sleep(self.SECONDS)
            now = self._clock()
            self.longest_sleep = max(self.longest_sleep, now - self._slept_at)
            self._slept_at = now
            self.beats += 1
            self._beaten.set()

    def _fire(self) -> None:
        now = self._clock()
        self.longest_timer = max(self.longest_timer, now - self._fired_at)
        self._fired_at = now
        if self._task is not None:
            assert self._central is not None
            self._central.call_later(self.SECONDS, self._fire)
