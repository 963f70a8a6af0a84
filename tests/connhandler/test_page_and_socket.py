"""The example of a page with its WebSocket on one port, from outside: a process, HTTP, and frames by hand."""

import http.client
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.connhandler.support import TIMEOUT, within
from tests.connhandler.websocketsupport import WebSocketClient, handshake

ROOT = Path(__file__).parents[2]


class ChatRoom:
    """The example as a process of its own, on a free port."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "examples.page_and_socket", "--port", "0"],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.process.stderr is not None
        line = within(self.process.stderr.readline)
        assert "pages: listening on 127.0.0.1:" in line
        self.port = int(line.rpartition(":")[2])
        self.origin = f"Origin: http://127.0.0.1:{self.port}\r\n"

    def get(self, path: str) -> tuple[int, str | None, str]:
        """Return the status, the content type and the body."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=TIMEOUT)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.getheader("Content-Type"), answer.read().decode()
        finally:
            connection.close()

    def guest(self) -> WebSocketClient:
        return WebSocketClient(self.port, "/chat")


@pytest.fixture
def room() -> Iterator[ChatRoom]:
    room = ChatRoom()
    yield room
    room.process.kill()
    within(room.process.communicate)


def heard(guest: WebSocketClient) -> Any:
    return json.loads(guest.receive())


def test_the_page_and_the_room(room: ChatRoom) -> None:
    status, content_type, page = room.get("/")
    assert (status, content_type) == (200, "text/html; charset=utf-8")
    assert page.startswith("<!doctype html>")
    assert '"/chat"' in page
    assert room.get("/chat")[0] == room.get("/elsewhere")[0] == 404

    alice = room.guest()
    alices_name = heard(alice)["you"]
    bob = room.guest()
    told = heard(bob)
    assert told["here"] == [alices_name, told["you"]]
    assert heard(alice) == {"you": alices_name, "here": told["here"]}
    bob.send("<b>hello</b>")
    assert heard(bob) == {"you": told["you"], "name": told["you"], "text": "<b>hello</b>"}
    assert heard(alice) == {"you": alices_name, "name": told["you"], "text": "<b>hello</b>"}
    bob.send_close()
    assert heard(alice) == {"you": alices_name, "here": [alices_name]}

    room.process.send_signal(signal.SIGTERM)
    assert alice.receive_close() == (1001, "")
    alice.close()
    bob.close()
    _, errors = within(room.process.communicate)
    assert room.process.returncode == 0, errors
    assert errors == "INFO:connhandler.service:chat_room: ending (SIGTERM)\n"  # visits are no news


def test_a_page_from_elsewhere_is_kept_out(room: ChatRoom) -> None:
    stranger = WebSocketClient(room.port, shake=False)
    assert stranger.refused(handshake("/chat", "Origin: https://evil.example\r\n")).status == 403
    stranger.close()
    own = WebSocketClient(room.port, shake=False)
    own.sock.sendall(handshake("/chat", room.origin, host=f"127.0.0.1:{room.port}"))
    assert own.read_response().status == 101
    own.close()
