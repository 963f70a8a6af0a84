"""The program as a process: HTTP over real sockets, signals, and what goes wrong at the start."""

import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import gevent
import pytest

from turn_server import __main__ as program
from turn_server.config import PORT, Configuration, load
from turn_server.rules import Rules
from turn_server.symbols import MAX_BODY_BYTES

ROOT = Path(__file__).parent.parent.parent
SECONDS = 20.0
"""Longer than anything here takes."""

Start = Callable[..., "Program"]


class Program:
    """A turn server as a process of its own, on a free port of 127.0.0.1."""

    def __init__(self, *argv: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "turn_server", "--address", "127.0.0.1", *argv],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._clients: list[http.client.HTTPConnection] = []

    def port(self) -> int:
        assert self.process.stderr is not None
        with gevent.Timeout(SECONDS):
            for line in self.process.stderr:
                found = re.search(r"listening on 127\.0\.0\.1:(\d+)", line)
                if found:
                    return int(found[1])
        raise AssertionError("the turn server did not start")

    def connect(self, port: int) -> http.client.HTTPConnection:
        self._clients.append(http.client.HTTPConnection("127.0.0.1", port, timeout=SECONDS))
        return self._clients[-1]

    def end(self) -> tuple[int, str]:
        """Ask it to end; return its exit status, and what else it has logged."""
        self.process.send_signal(signal.SIGTERM)
        return self.wait()

    def wait(self) -> tuple[int, str]:
        out, errors = self.process.communicate(timeout=SECONDS)
        assert out == ""
        return self.process.returncode, errors

    def close(self) -> None:
        for client in self._clients:
            client.close()
        if self.process.poll() is None:
            self.process.kill()
            self.process.communicate()


@pytest.fixture
def start() -> Iterator[Start]:
    programs: list[Program] = []

    def start(*argv: str) -> Program:
        programs.append(Program(*argv))
        return programs[-1]

    yield start
    for one in programs:
        one.close()


def post(client: http.client.HTTPConnection, body: str | bytes, path: str = "/") -> str:
    client.request("POST", path, body if isinstance(body, bytes) else body.encode())
    response = client.getresponse()
    text = response.read().decode()
    assert response.status == (200 if text.startswith("0/") else 400)
    assert response.headers["Content-Type"].startswith("text/plain")
    return text


def test_a_whole_game_of_two_over_http(start: Start) -> None:
    running = start("--port", "0", "-v")
    port = running.port()
    ann, bob = running.connect(port), running.connect(port)
    keys = [post(one, f"0,{name},*,*,*").removeprefix("0/0/") for one, name in ((ann, "Ann"), (bob, "Jones, Bob"))]
    assert post(ann, f"2,*,{keys[0]},*,*", "/any/path") == "0/2/*"
    assert post(bob, f"2,*,{keys[1]},*,*") == "0/4/Ann"
    assert post(ann, f"2,*,{keys[0]},*,*") == "0/3/Jones, Bob"
    assert post(ann, f"3,*,{keys[0]},*,*") == "0/5/"
    assert post(bob, f"3,*,{keys[1]},*,*") == "0/6/"
    assert post(bob, f"4,*,{keys[1]},*,*") == "0/7/*"
    game = post(ann, f"4,*,{keys[0]},*,*").removeprefix("0/8/").removesuffix("|0")
    assert post(bob, f"4,*,{keys[1]},*,*") == f"0/8/{game}|1"
    assert post(ann, f"6,a,0|æ,{game},0,0") == "0/10/*"
    assert post(bob, f"6,b0,{game},1,0") == "0/9/a,0|æ"
    # Ann's reply is lost with her connection, and she asks again on another one.
    ann.request("POST", "/", f"6,a1,{game},0,1".encode())
    ann.close()
    ann = running.connect(port)
    assert post(ann, f"6,a1,{game},0,1") == "0/9/b0"
    assert post(bob, f"6,b1,{game},1,1") == "0/9/a1"
    assert post(ann, f"6,x,{game},0,0") == "18/*/*"
    assert post(ann, f"5,*,{game},0,2") == "0/1/*"
    assert post(bob, f"6,b2,{game},1,2") == "15/*/*"
    ann.request("GET", "/")
    seconds = float(ann.getresponse().read())
    assert 0 < seconds < 1
    status, log = running.end()
    assert status == 0, log
    for words in ("'Ann' and player 2 'Jones, Bob' are paired", "'Ann' quits the game", "18 counter behind", "is over"):
        assert words in log
    assert game not in log


def test_a_silent_player_is_dropped_without_anybody_asking(start: Start) -> None:
    running = start("-p", "0", "-v", "--pairing-seconds", "0.2")
    client = running.connect(running.port())
    key = post(client, "0,Ann,*,*,*").removeprefix("0/0/")
    assert running.process.stderr is not None
    with gevent.Timeout(SECONDS):
        line = next(line for line in running.process.stderr if "is dropped" in line)
    assert "not heard for 0.2 s" in line
    assert post(client, f"2,*,{key},*,*") == "10/*/*"
    assert running.end()[0] == 0


def test_bodies_that_are_too_long_and_that_are_no_requests(start: Start) -> None:
    running = start("-p", "0")
    client = running.connect(running.port())
    for length in (MAX_BODY_BYTES + 1, 60_000):
        assert post(client, b"x" * length) == "20/*/*"
    assert post(client, b"\xff\x00") == "4/0/*"
    assert post(client, b"") == "2/*/*"
    client.putrequest("POST", "/", skip_accept_encoding=True)
    client.endheaders()
    response = client.getresponse()
    assert (response.status, response.read()) == (400, b"1/*/*")
    client.request("POST", "/", b"x" * 70_000)
    response = client.getresponse()
    assert response.status == 413
    response.read()
    client.close()
    client.request("PUT", "/", b"0,Ann,*,*,*")
    response = client.getresponse()
    assert (response.status, response.headers["Allow"]) == (405, "GET, HEAD, POST")
    response.read()
    client.close()
    assert post(client, "0,Ann,*,*,*").startswith("0/0/")
    status, log = running.end()
    assert (status, "Traceback" in log) == (0, False)


def test_thirty_players_who_lose_replies_lose_no_data(start: Start, tmp_path: Path) -> None:
    running = start("-p", "0")
    options = [f"--port={running.port()}", "--pairs=15", "--rate=20", "--seconds=2", "--lose=0.2", "--no-report"]
    command = [sys.executable, "-m", "turn_server.stresstest", *options, f"--output={tmp_path}"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=SECONDS)
    assert result.returncode == 0, result.stdout + result.stderr
    counts = json.loads((tmp_path / "results.json").read_text())["counts"]
    assert counts["pairs_formed"] == 15
    assert counts["replies_thrown_away"] > 10
    assert counts["messages_verified"] == counts["messages_sent"] > 100
    assert running.end()[0] == 0


def test_a_chunked_body(start: Start) -> None:
    running = start("-p", "0")
    client = running.connect(running.port())
    client.request("POST", "/", iter([b"0,An", b"n,*,", b"*,*"]))
    assert client.getresponse().read().startswith(b"0/0/")


def test_a_port_in_use_is_one_sentence(start: Start) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        status, errors = start("-p", str(port)).wait()
    assert status == 1
    assert errors == f"turn-server: clients: cannot listen on 127.0.0.1:{port}: Address already in use\n"


def test_a_port_without_the_right_to_it_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(13, os.strerror(13))

    monkeypatch.setattr(program, "set_up_logging", lambda level: None)
    monkeypatch.setattr(socket.socket, "bind", refuse)
    assert program.main(["--address", "127.0.0.1"]) == 1
    assert capsys.readouterr().err == (
        "turn-server: clients: cannot listen on 127.0.0.1:80: Permission denied; "
        "ports below 1024 may need a right of their own, --port names another\n"
    )


def test_the_defaults_are_those_of_the_seed() -> None:
    configuration = load([], {})
    assert (configuration.port, configuration.verbose) == (80, False)
    assert configuration.port == PORT
    assert configuration.rules == Rules(
        pairing_seconds=10,
        long_seconds=180,
        loading_seconds=30,
        game_seconds=20,
        max_pairing_keys=1_000,
        max_game_keys=500,
        max_body_bytes=16 * 1024,
        max_cache_bytes=128 * 1024,
    )


def test_short_flags() -> None:
    configuration = load(["-v", "-p", "8080"], {})
    assert (configuration.port, configuration.verbose) == (8080, True)


def test_a_cache_that_holds_less_than_one_request(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        load(["--max-cache-bytes", "100"], {})
    assert exit_.value.code == 2
    assert "max_cache_bytes must not be less than max_body_bytes" in capsys.readouterr().err


def test_every_argument_is_described_above_main() -> None:
    source = (ROOT / "turn_server" / "__main__.py").read_text(encoding="utf-8")
    comments = source[: source.index('if __name__ == "__main__"')].rpartition("\n\n\n")[2]
    described = set(re.findall(r"(?<!\S)--?[a-z][a-z-]*", comments))
    options = {"--" + name.replace("_", "-") for name in Configuration.__struct_fields__}
    assert described == options | {"-h", "--help", "--version", "--config", "-p", "-v", "--no-verbose"}
    for name, default in ((name, getattr(Configuration(), name)) for name in Configuration.__struct_fields__):
        if not isinstance(default, bool):
            (line,) = re.findall(rf"--{name.replace('_', '-')} .*", comments)
            assert f"(default {default:g}" in line if isinstance(default, float | int) else f"default {default}" in line
