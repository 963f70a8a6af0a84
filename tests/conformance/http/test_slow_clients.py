"""Clients that take their time: all are closed within their deadline, and hold up nobody meanwhile.

Requests that trickle in, bodies that do, connections on which nothing comes at all, and such as are kept open after
an answer: a quarter each.
"""

import itertools
import json
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import gevent
import pytest
from gevent import socket
from gevent.lock import Semaphore

from connhandler import tasks
from connhandler.service import raise_file_limit

GRACE_SECONDS = 1.0
CONNECTING_TOGETHER = 50
GOOD_REQUESTS = 50
PROMPT_SECONDS = 1.0


class Kind(NamedTuple):
    begins: bytes
    trickles: bool
    answered: bool
    """Whether it gets an answer first; its time runs from then on."""


KINDS = {
    "slow headers": Kind(b"GET /page HTTP/1.1\r\nHost: a\r\nX: ", True, False),
    "slow body": Kind(b"POST /body HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n", True, False),
    "silent": Kind(b"", False, False),
    "idle": Kind(b"GET /page HTTP/1.1\r\nHost: a\r\n\r\n", False, True),
}


class Life(NamedTuple):
    """After how long a connection was closed, in seconds. Its time began at the server, so at neither of these moments
    exactly: not before the one, and hardly after the other."""

    since_asked: float
    since_begun: float


def live(port: int, kind: Kind, connecting: Semaphore, trickle_seconds: float) -> Life:
    """Live one slow connection."""
    with connecting:
        asked = time.monotonic()
        sock = socket.create_connection(("127.0.0.1", port))
    with sock:
        began = time.monotonic()
        sock.sendall(kind.begins)
        if kind.answered:
            asked = began
            assert sock.recv(1000).startswith(b"HTTP/1.1 200 ")
            began = time.monotonic()
        trickle = tasks.spawn("trickle", send_slowly, sock, trickle_seconds) if kind.trickles else None
        try:
            while sock.recv(1000):
                pass
        except ConnectionResetError:
            pass  # It was closed while a byte was on its way.
        finally:
            if trickle is not None:
                trickle.kill()
        return Life(time.monotonic() - asked, time.monotonic() - began)


def send_slowly(sock: socket.socket, pause_seconds: float) -> None:
    try:
        while True:
            sock.sendall(b"x")
            gevent.sleep(pause_seconds)
    except OSError:
        pass  # It was closed.


def get(port: int, path: str = "/page") -> tuple[float, bytes]:
    """Make one good request on a new connection; return how long that took, and the answer's body."""
    began = time.monotonic()
    with socket.create_connection(("127.0.0.1", port), timeout=10) as sock:
        sock.sendall(f"GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".encode())
        answer = b"".join(iter(lambda: sock.recv(10_000), b""))
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 ")
    return time.monotonic() - began, body


def counts(port: int) -> dict[str, int]:
    decoded: dict[str, int] = json.loads(get(port, "/counts")[1])
    return decoded


def check(start_program: Callable[..., int], connections: int, begun_seconds: float, idle_seconds: float) -> None:
    raise_file_limit()
    port = start_program(
        first_message_seconds=begun_seconds,
        message_seconds=begun_seconds,
        idle_seconds=idle_seconds,
        max_connections_per_address=2 * connections,
    )
    kinds: Iterator[str] = itertools.islice(itertools.cycle(KINDS), connections)
    connecting = Semaphore(CONNECTING_TOGETHER)
    trickle_seconds = begun_seconds / 5
    slow = [(name, tasks.spawn(name, live, port, KINDS[name], connecting, trickle_seconds)) for name in kinds]
    latencies: list[float] = []
    while len(latencies) < GOOD_REQUESTS or not all(task.ready() for _, task in slow):
        latencies.append(get(port)[0])
        gevent.sleep(begun_seconds / GOOD_REQUESTS)
    lives: dict[str, list[Life]] = {name: [] for name in KINDS}
    for name, task in slow:
        lives[name].append(task.get(timeout=10))
    latencies.sort()
    print(
        f"{len(latencies)} good requests among {connections} slow connections: "
        f"median {latencies[len(latencies) // 2] * 1000:.1f} ms, slowest {latencies[-1] * 1000:.1f} ms"
    )
    for name, ended in lives.items():
        earliest, latest = min(life.since_asked for life in ended), max(life.since_begun for life in ended)
        print(f"{name}: closed after {earliest:.2f} to {latest:.2f} s")
        deadline = idle_seconds if KINDS[name].answered else begun_seconds
        assert deadline <= earliest, name
        assert latest <= deadline + GRACE_SECONDS, name
    assert latencies[-1] < PROMPT_SECONDS
    told: Any = counts(port)
    assert told["open"] == 1, "that which asks"
    assert told["first message timeout"] + told["message timeout"] == connections // 4 * 3
    assert told["idle timeout"] == connections // 4


def test_two_hundred(start_program: Callable[..., int]) -> None:
    check(start_program, 200, begun_seconds=1.0, idle_seconds=1.5)


@pytest.mark.slow
def test_two_thousand(start_program: Callable[..., int]) -> None:
    check(start_program, 2_000, begun_seconds=3.0, idle_seconds=4.0)
