"""The example of a WebSocket server, from outside: a process, and frames by hand."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.connhandler.support import within
from tests.connhandler.websocketsupport import WebSocketClient, handshake

ROOT = Path(__file__).parents[2]


class Echo:
    """The example as a process of its own, on a free port."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "examples.websocket_echo", "--port", "0", "--token", "secret"],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.process.stderr is not None
        line = within(self.process.stderr.readline)
        assert "pages: listening on 127.0.0.1:" in line
        self.port = int(line.rpartition(":")[2])

    def client(self) -> WebSocketClient:
        return WebSocketClient(self.port, "/?token=secret")

    def end(self, number: signal.Signals) -> str:
        """Signal it, and return what it has logged; it must end in order."""
        self.process.send_signal(number)
        _, errors = within(self.process.communicate)
        assert self.process.returncode == 0, errors
        return str(errors)


@pytest.fixture
def echo() -> Iterator[Echo]:
    echo = Echo()
    yield echo
    echo.process.kill()
    within(echo.process.communicate)


def test_a_conversation(echo: Echo) -> None:
    client = echo.client()
    client.send("grüß dich", b"\0\xff")
    assert [client.receive(), client.receive()] == ["grüß dich", b"\0\xff"]
    client.send("bye")
    assert client.receive_close() == (4000, "you said bye")
    client.close()
    stranger = WebSocketClient(echo.port, shake=False)
    assert stranger.refused(handshake("/?token=wrong")).status == 401
    stranger.close()
    errors = echo.end(signal.SIGINT)
    assert "pages[1]: closed by us, close code 4000" in errors
    assert "pages[2]: disconnected: protocol error (401 no valid token)" in errors


def test_it_ends_in_order(echo: Echo) -> None:
    client = echo.client()
    client.send("last")
    assert client.receive() == "last"
    echo.process.send_signal(signal.SIGTERM)
    assert client.receive_close() == (1001, "")
    client.close()
    _, errors = within(echo.process.communicate)
    assert echo.process.returncode == 0, errors
    assert "Traceback" not in errors
