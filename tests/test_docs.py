"""What the README and the docs show is true: examples are run, encoded and decoded; links lead somewhere."""

import contextlib
import http.client
import importlib
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gevent.socket
import msgspec
import pytest

from connhandler import Peer, tasks
from connhandler.framing.chunks import LENGTH, ChunkDecoder, encode_chunks
from connhandler.framing.websocket import ServerFraming, Text
from connhandler.http import HttpPeer, HttpRequest
from connhandler.testing import FakeConnection
from connhandler.websocket import WebSocketPeer
from tests.connhandler.websocketsupport import WebSocketClient

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]

WALK_THROUGH = ROOT / "docs" / "adding_a_connection_type.md"
EXAMPLES = ("echo.py", "websocket_echo.py", "page_and_socket.py")
FORM = '<h1>Notes</h1><form method="post"><input name="note"></form>'


def blocks(page: Path, language: str) -> list[str]:
    """The fenced blocks of one language on one page."""
    return re.findall(rf"^```{language}\n(.*?)^```$", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


def chunk_examples() -> Iterator[Any]:
    for block in blocks(ROOT / "docs" / "protocols.md", "chunks"):
        settings, *lines = block.splitlines()
        size = int(re.search(r"max_message_size (\d+)", settings)[1])  # type: ignore[index]
        order = re.search(r"byte_order (\w+)", settings)[1]  # type: ignore[index]
        examples: list[dict[str, list[bytes]]] = []
        for line in lines:
            key, *values = line.split()
            if key == "message":
                examples.append({})
            examples[-1][key] = [bytes.fromhex(value) for value in values]
        for example in examples:
            yield pytest.param(size, order, "separate_chunks" in settings, example, id=block.splitlines()[1][:40])


@pytest.mark.parametrize(("size", "order", "separate", "example"), list(chunk_examples()))
def test_chunks_on_the_protocols_page(size: int, order: Any, separate: bool, example: dict[str, list[bytes]]) -> None:
    message, wire = b"".join(example["message"]), b"".join(example["wire"])
    assert encode_chunks(message, size, order, separate) == wire
    decoder = ChunkDecoder(size, order, separate)
    assert decoder.receive_data(wire) == example.get("pieces", [message])
    assert not decoder.mid_message
    assert order in LENGTH


def websocket_examples() -> Iterator[Any]:
    (block,) = blocks(ROOT / "docs" / "protocols.md", "websocket")
    lines = block.splitlines()
    for said, wire in zip(lines[::2], lines[1::2], strict=True):
        kind, _, rest = said.partition(" ")
        yield pytest.param(kind, rest.strip(), bytes.fromhex(wire.removeprefix("wire")), id=said)


@pytest.mark.parametrize(("kind", "rest", "wire"), list(websocket_examples()))
def test_websocket_frames_on_the_protocols_page(kind: str, rest: str, wire: bytes) -> None:
    """Encoded by a server, and understood by it when a client masks it with zeros."""
    sending, receiving = opened(), opened()
    messages = receiving.receive_data(bytes([wire[0], wire[1] | 0x80, 0, 0, 0, 0]) + wire[2:])
    if kind == "ping":
        assert sending.encode_ping() == wire
        assert receiving.output() == bytes([wire[0] + 1, 0])
    elif kind == "close":
        code, _, reason = rest.partition(" ")
        assert sending.encode_close(int(code), reason) == wire
        assert (receiving.close_code, receiving.close_reason) == (int(code), reason)
    else:
        message = Text(bytes.fromhex(rest)) if kind == "text" else bytes.fromhex(rest)
        assert sending.encode_message(message) == wire
        assert messages == [message]
        assert type(messages[0]) is type(message)


def opened() -> ServerFraming:
    """A server's framing after the handshake."""
    framing = ServerFraming()
    framing.receive_data(
        b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    framing.accept()
    assert framing.output()
    return framing


def json_examples() -> Iterator[Any]:
    for page in PAGES:
        for block in blocks(page, "json"):
            name, _, text = block.partition("\n")
            if re.fullmatch(r"[\w.]+", name):
                yield pytest.param(name, text.strip(), id=f"{page.stem}:{name}")


@pytest.mark.parametrize(("name", "text"), list(json_examples()))
def test_json_messages_on_the_pages(name: str, text: str) -> None:
    module, _, message_name = name.rpartition(".")
    message_class = getattr(importlib.import_module(module), message_name)
    message = msgspec.json.decode(text, type=message_class)
    assert msgspec.json.decode(msgspec.json.encode(message)) == msgspec.json.decode(text)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#:]+)(?:#[\w-]*)?\)", page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), f"{page.name} links to {target}"
    for target, anchor in re.findall(r"\]\(([\w./]*)#([\w-]+)\)", page.read_text(encoding="utf-8")):
        text = (page.parent / target if target else page).read_text(encoding="utf-8")
        anchors = {
            re.sub(r"[^\w -]", "", h).strip().lower().replace(" ", "-") for h in re.findall(r"^#+ (.*)$", text, re.M)
        }
        assert anchor in anchors, f"{page.name} links to {target}#{anchor}"


@contextlib.contextmanager
def running(program: str, port: int) -> Iterator[int]:
    """Run a program of a page on a free port instead of its own; give the port."""
    module: dict[str, Any] = {"__name__": "shown"}
    assert str(port) in program
    exec(program.replace(str(port), "0"), module)
    server, (handler,) = module["server"], module["service"].handlers
    handler.start()
    central = tasks.spawn(server.name, server.run)
    yield handler.port
    handler.stop()
    server.stop()
    central.get(timeout=5)


def test_the_readmes_program_runs(capsys: pytest.CaptureFixture[str]) -> None:
    program, client = blocks(ROOT / "README.md", "python")
    with running(program, 9999) as port:
        with gevent.socket.create_connection(("127.0.0.1", port)) as alice:
            alice.sendall(encode_chunks(b"ready?"))
            assert receive_one(alice) == b"ready?"
            with gevent.socket.create_connection(("127.0.0.1", port)) as bob:
                bob.sendall(encode_chunks("hello, Ånna".encode()))
                assert receive_one(alice) == receive_one(bob) == "hello, Ånna".encode()
        exec(client.replace("9999", str(port)), {})
        assert capsys.readouterr().out == "b'\\x05\\x00hello'\n"


def receive_one(sock: gevent.socket.socket) -> bytes:
    decoder = ChunkDecoder()
    with gevent.Timeout(5):
        while True:
            messages = decoder.receive_data(sock.recv(65536))
            if messages:
                return messages[0]


def test_the_walk_through_shows_the_examples_as_they_are() -> None:
    examples = [(ROOT / "examples" / name).read_text(encoding="utf-8") for name in EXAMPLES]
    squeezed = re.sub(r"\s+", "", "".join(examples))
    for block in blocks(WALK_THROUGH, "python"):
        if not block.startswith(("import ", "from ")):  # those that do are run
            assert re.sub(r"\s+", "", block) in squeezed, f"not in an example:\n{block}"


def test_the_walk_throughs_service_inside_an_ordinary_program_runs(tmp_path: Path) -> None:
    (tmp_path / "chat.py").write_text(blocks(ROOT / "README.md", "python")[0])
    with gevent.socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    program = runnable()[0]
    assert "9997" in program
    (tmp_path / "say.py").write_text(program.replace("9997", str(port)))
    with (
        subprocess.Popen(
            [sys.executable, "-u", "say.py"],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        ) as process,
        gevent.Timeout(30),
    ):
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.read(10) == b"0 listen> "
        with gevent.socket.create_connection(("127.0.0.1", port)) as client:
            client.sendall(encode_chunks(b"ready?"))
            assert receive_one(client) == b"ready?"
            process.stdin.write(b"hello\n")
            process.stdin.flush()
            assert receive_one(client) == b"hello"
            assert process.stdout.read(10) == b"1 listen> "
            process.stdin.write(b"\n")
            process.stdin.flush()
            assert client.recv(100) == b""
        assert process.wait() == 0


def test_the_walk_throughs_websocket_program_runs() -> None:
    _, program, _, _, _ = runnable()
    with running(program, 9998) as port:
        alice, bob = WebSocketClient(port), WebSocketClient(port)
        alice.send("hello")
        assert alice.receive() == bob.receive() == "pages[1]: hello"
        bob.close()
        alice.send("again")
        assert alice.receive() == "pages[1]: again"
        alice.close()


def test_the_walk_throughs_http_program_runs() -> None:
    _, _, program, _, _ = runnable()
    with running(program, 9996) as port:
        assert ask(port, "GET", "/") == (200, "text/html; charset=utf-8", FORM)
        assert ask(port, "POST", "/", "<b>")[2] == f"{FORM}<p>&lt;b&gt;"
        assert ask(port, "GET", "/notes") == (200, "application/json", '["<b>"]')
        assert ask(port, "GET", "/elsewhere")[::2] == (404, "404 Not Found: there is no such page\n")
        assert ask(port, "POST", "/", "x" * 1001)[0] == 413


def test_the_walk_throughs_files_are_served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _, _, _, program, _ = runnable()
    (tmp_path / "pages").mkdir()
    (tmp_path / "pages" / "a.txt").write_text("hello")
    monkeypatch.chdir(tmp_path)
    module: dict[str, Any] = {}
    exec(program, module)
    visitor = FakeConnection(HttpPeer())
    for path in ("/static/a.txt", "/static/b.txt"):
        module["requested"](None, visitor.peer, HttpRequest(method="GET", path=path))
    found, missing = visitor.take()
    assert (found.status, found.body, missing.status) == (200, b"hello", 404)


def test_the_walk_throughs_test_runs() -> None:
    exec(runnable()[-1], {})


def test_the_walk_through_names_every_attribute_of_a_peer() -> None:
    text = WALK_THROUGH.read_text(encoding="utf-8")
    assert first_column(text, "every `Peer` has") == public(Peer)
    more = re.search(r"^A `WebSocketPeer` has (.*) too, an `HttpPeer` has (.*);", text, re.MULTILINE)
    assert more
    for names, kind in zip(more.groups(), (WebSocketPeer, HttpPeer), strict=True):
        assert set(re.findall(r"`(\w+)`", names)) == public(kind) - public(Peer)


def test_the_walk_through_names_every_field_of_a_request() -> None:
    text = WALK_THROUGH.read_text(encoding="utf-8")
    assert first_column(text, "`HttpRequest`") == set(HttpRequest.__struct_fields__)


def first_column(text: str, title: str) -> set[str]:
    """The names in the first column of the table with this title."""
    found = re.search(rf"^\| {re.escape(title)} \|.*\n\|[-|]+\n((?:\|.*\n)+)", text, re.MULTILINE)
    assert found
    return {name for cell in re.findall(r"^\|([^|]*)", found[1], re.MULTILINE) for name in re.findall(r"`(\w+)", cell)}


def public(kind: type[Any]) -> set[str]:
    return {name for name in dir(kind) if not name.startswith("_")}


def runnable() -> list[str]:
    """The blocks of the walk through that stand for themselves."""
    return [block for block in blocks(WALK_THROUGH, "python") if block.startswith(("import ", "from "))]


def ask(port: int, method: str, path: str, body: str | None = None) -> tuple[int, str | None, str]:
    """Return the status, the content type and the body of the answer."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request(method, path, body)
        answer = connection.getresponse()
        return answer.status, answer.getheader("Content-Type"), answer.read().decode()
    finally:
        connection.close()
