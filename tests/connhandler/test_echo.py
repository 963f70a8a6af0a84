"""The example of a new connection type, from outside: a process, a raw socket, and bytes as they are."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.connhandler.support import TIMEOUT, within

ROOT = Path(__file__).parents[2]

OTHER_FORMAT = """
import sys
import examples.echo as echo
size, separate, byte_order = int(sys.argv.pop()), sys.argv.pop() == "separate", sys.argv.pop()
for kind in (echo.ClientReader, echo.ClientWriter):
    kind.max_message_size, kind.separate_chunks, kind.byte_order = size, separate, byte_order
sys.exit(echo.main())
"""
"""The example with the class attributes that a user would set in his own reader and writer."""


class Echo:
    """The example as a process of its own, on a free port.

    Args:
        format: none for the example as it is; else byte order, `joined` or `separate`, and the size of a full chunk.
    """

    def __init__(self, *format: str) -> None:
        command = ["-c", OTHER_FORMAT] if format else ["-m", "examples.echo"]
        self.process = subprocess.Popen(
            [sys.executable, *command, "--port", "0", *format],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.process.stderr is not None
        line = within(self.process.stderr.readline)
        assert "clients: listening on 127.0.0.1:" in line
        self.port = int(line.rpartition(":")[2])

    def __enter__(self) -> "Echo":
        return self

    def __exit__(self, *exception: object) -> None:
        self.process.kill()
        within(self.process.communicate)

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=TIMEOUT)


def receive(sock: socket.socket, count: int) -> bytes:
    """Return so many bytes; fewer if the server closes before."""
    data = b""
    while len(data) < count and (more := sock.recv(count - len(data))):
        data += more
    return data


def wire_of(message: bytes, full: int, separate: bool = False, order: str = "little") -> bytes:
    """The bytes of a message, written down from the rule and not with the framework's help.

    Chunks of `full` bytes, each after its length, 0 for a full one; joined, a last full one has its length.
    """
    wire = b""
    while len(message) > full:
        wire += b"\0\0" + message[:full]
        message = message[full:]
    length = 0 if separate and len(message) == full else len(message)
    return wire + length.to_bytes(2, order) + message  # type: ignore[arg-type]


def text(length: int) -> bytes:
    """ASCII, so that the example can decode it wherever it is cut."""
    return (b"0123456789abcdefghijklmnopqrstuvwxyz" * (length // 36 + 1))[:length]


@pytest.fixture(scope="module")
def echo() -> Iterator[Echo]:
    with Echo() as echo:
        yield echo


@pytest.mark.parametrize(
    "length", [1, 2, 255, 256, 0xFFFE, 0xFFFF, 0x10000, 2 * 0xFFFF - 1, 2 * 0xFFFF, 2 * 0xFFFF + 1, 5 * 0xFFFF]
)
def test_every_boundary(echo: Echo, length: int) -> None:
    message = text(length)
    with echo.connect() as sock:
        sock.sendall(wire_of(message, 0xFFFF) + wire_of(b"after", 0xFFFF))
        expected = wire_of(message, 0xFFFF) + wire_of(b"after", 0xFFFF)
        assert receive(sock, len(expected)) == expected


def test_the_largest_message_and_one_byte_more(echo: Echo) -> None:
    message = text(1024 * 1024)
    with echo.connect() as sock:
        sock.sendall(wire_of(message, 0xFFFF))
        expected = wire_of(message, 0xFFFF)
        assert receive(sock, len(expected)) == expected
        try:
            sock.sendall(wire_of(message + b"!", 0xFFFF))
        except OSError:
            pass
        assert receive(sock, 1) == b""


@pytest.mark.parametrize("order", ["little", "big"])
@pytest.mark.parametrize("full", [1, 7, 256])
def test_every_boundary_of_small_chunks(order: str, full: int) -> None:
    with Echo(order, "joined", str(full)) as echo, echo.connect() as sock:
        for length in sorted({1, full - 1, full, full + 1, 2 * full - 1, 2 * full, 2 * full + 1, 5 * full} - {0}):
            expected = wire_of(text(length), full, order=order)
            sock.sendall(expected)
            assert receive(sock, len(expected)) == expected, f"{length} bytes"


@pytest.mark.parametrize("order", ["little", "big"])
@pytest.mark.parametrize("full", [1, 7, 256])
def test_every_boundary_by_the_plain_rule(order: str, full: int) -> None:
    """Each chunk is a message by itself, so that each comes back by itself: the bytes are the same."""
    with Echo(order, "separate", str(full)) as echo, echo.connect() as sock:
        for length in sorted({1, full - 1, full, full + 1, 2 * full - 1, 2 * full, 2 * full + 1, 5 * full} - {0}):
            expected = wire_of(text(length), full, separate=True, order=order)
            sock.sendall(expected)
            assert receive(sock, len(expected)) == expected, f"{length} bytes"


def test_byte_by_byte(echo: Echo) -> None:
    wire = wire_of(b"one", 0xFFFF) + wire_of("zwölf".encode(), 0xFFFF)
    with echo.connect() as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in wire:
            sock.sendall(bytes([byte]))
        assert receive(sock, len(wire)) == wire


def test_a_half_close_is_answered(echo: Echo) -> None:
    wire = b"".join(wire_of(b"%d" % number, 0xFFFF) for number in range(1000))
    with echo.connect() as sock:
        sock.sendall(wire)
        sock.shutdown(socket.SHUT_WR)
        assert receive(sock, len(wire) + 1) == wire


@pytest.mark.parametrize("bad", [b"\3\0\xff\xfe\xfd", (b"\0\0" + b"x" * 0xFFFF) * 20], ids=["no UTF-8", "no end"])
def test_bad_input_costs_the_one_connection(echo: Echo, bad: bytes) -> None:
    with echo.connect() as other, echo.connect() as sock:
        sock.sendall(wire_of(b"fine", 0xFFFF))
        assert receive(sock, 6) == wire_of(b"fine", 0xFFFF)
        try:
            sock.sendall(bad)
        except OSError:
            pass
        assert receive(sock, 1) == b""
        other.sendall(wire_of(b"undisturbed", 0xFFFF))
        assert receive(other, 13) == wire_of(b"undisturbed", 0xFFFF)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_in_order(number: signal.Signals) -> None:
    with Echo() as echo, echo.connect() as sock:
        sock.sendall(wire_of(b"last", 0xFFFF))
        assert receive(sock, 6) == wire_of(b"last", 0xFFFF)
        echo.process.send_signal(number)
        assert receive(sock, 1) == b""
        sock.close()
        _, errors = within(echo.process.communicate)
        assert echo.process.returncode == 0, errors
        assert "Traceback" not in errors


def test_a_port_in_use(echo: Echo) -> None:
    again = subprocess.run(
        [sys.executable, "-m", "examples.echo", "--port", str(echo.port)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=False,
    )
    assert again.returncode != 0
    assert f"clients: cannot listen on 127.0.0.1:{echo.port}: Address already in use" in again.stderr
