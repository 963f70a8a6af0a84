"""`connman` as processes: users added, people playing, an orderly end, mistakes told in a sentence."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import gevent
import pytest

from connman import __main__ as program

ROOT = Path(__file__).parents[2]
PASSWORD = "correct horse"
SECONDS = 30.0

Command = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def command(tmp_path: Path) -> Iterator[Command]:
    """Start a command in a folder of its own."""
    processes: list[subprocess.Popen[str]] = []

    def start(*words: str) -> subprocess.Popen[str]:
        environ = {key: value for key, value in os.environ.items() if not key.startswith("CONNMAN_")}
        processes.append(
            subprocess.Popen(
                [sys.executable, "-m", "connman", *words],
                cwd=tmp_path,
                env=environ | {"PYTHONPATH": str(ROOT)},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                bufsize=1,
            )
        )
        return processes[-1]

    yield start
    for process in processes:
        if process.poll() is None:
            process.kill()
        process.communicate()


def finish(process: "subprocess.Popen[str]", typed: str | None = None) -> tuple[int, str, str]:
    out, errors = process.communicate(typed, timeout=SECONDS)
    return process.returncode, out, errors


def read_until(process: "subprocess.Popen[str]", pattern: str, of_errors: bool = False) -> re.Match[str]:
    stream = process.stderr if of_errors else process.stdout
    assert stream is not None
    lines: list[str] = []
    with gevent.Timeout(SECONDS, AssertionError(f"{pattern} did not come: {lines}")):
        while line := stream.readline():
            lines.append(line)
            if found := re.search(pattern, line):
                return found
    raise AssertionError(f"{pattern} did not come: {lines}")


def type_line(process: "subprocess.Popen[str]", line: str) -> None:
    assert process.stdin is not None
    process.stdin.write(line + "\n")
    process.stdin.flush()


def test_two_people_play(command: Command, tmp_path: Path) -> None:
    for name in ("ann", "bob"):
        status, out, errors = finish(command("adduser", name), PASSWORD + "\n")
        assert (status, out, errors) == (0, f"{name} can play now: connman play {name}\n", "")
    server = command("serve", "--port", "0", "--address", "127.0.0.1")
    port = read_until(server, r"listening on 127\.0\.0\.1:(\d+)", of_errors=True)[1]
    players = []
    for name in ("ann", "bob"):
        player = command("play", name, "--port", port)
        type_line(player, PASSWORD)
        read_until(player, f"You are logged in as {name}, and your rank is 1000")
        read_until(player, "Waiting for another player" if name == "ann" else "You play against ann")
        players.append(player)
    ann, bob = players
    read_until(ann, "Your turn")
    type_line(ann, "3 5")
    read_until(bob, "Your turn")
    type_line(bob, "q")
    read_until(ann, "You have won: bob gave up. Your rank is 1012 now.")
    read_until(bob, "You have lost: you gave up. Your rank is 988 now.")
    read_until(ann, r"Another game\? \[Y/n\]")
    type_line(ann, "n")
    assert finish(ann) == (0, "", "")
    server.send_signal(signal.SIGTERM)
    read_until(bob, r"The server says: the server shuts down\.")
    read_until(bob, r"The server has ended the connection\.")
    assert finish(bob) == (0, "", "")
    status, out, errors = finish(server)
    assert (status, out) == (0, "")
    assert "Traceback" not in errors
    assert (tmp_path / "connman.sqlite").exists()


def test_it_does_without_monkey_patching(command: Command) -> None:
    server = command("--port", "0", "--address", "127.0.0.1")
    read_until(server, "listening on", of_errors=True)
    server.send_signal(signal.SIGINT)
    status, out, errors = finish(server)
    assert (status, out) == (0, "")
    assert "monkey" not in errors


@pytest.mark.parametrize(
    ("words", "status", "sentence"),
    [
        (["paly"], 2, "connman: unknown command 'paly', did you mean 'play'?"),
        (["--prot", "1"], 2, "connman: .*--prot"),
        (["serve", "--port", "70000"], 2, "connman: --port: '70000' is not a whole number from 0 to 65535"),
        (["adduser"], 2, "connman: adduser: expected one name, got 0"),
        (["play", "ann", "bob"], 2, "connman: play: expected one name, got 2"),
    ],
)
def test_mistakes_are_told_in_a_sentence(
    words: list[str], status: int, sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    try:
        code: object = program.main(words)
    except SystemExit as error:
        code = error.code
    shown = capsys.readouterr()
    assert (code, shown.out) == (status, "")
    assert re.match(sentence, shown.err), shown.err
    assert shown.err.count("\n") == 1


@pytest.mark.parametrize(
    ("words", "typed", "sentence"),
    [
        (["serve", "--database-url", "nonsense"], None, "connman: cannot use this database URL"),
        (["serve", "--tls-certificate", "nowhere.pem"], None, "connman: cannot use the certificate nowhere.pem"),
        (["adduser", "ann"], "short\n", "connman: a password has at least 8 characters"),
        (["play", "ann", "--port", "1"], "pw\n", "connman: cannot connect to 127.0.0.1:1: Connection refused"),
    ],
)
def test_what_goes_wrong_is_told_in_a_sentence(
    command: Command, words: list[str], typed: str | None, sentence: str
) -> None:
    code, out, errors = finish(command(*words), typed)
    assert (code, out) == (1, "")
    assert re.match(sentence, errors), errors
    assert errors.count("\n") == 1


@pytest.mark.parametrize("words", [["--help"], ["serve", "--help"], ["adduser", "--help"], ["play", "--help"]])
def test_help(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        program.main(words)
    assert ended.value.code == 0
    assert "connman adduser NAME" in " ".join(capsys.readouterr().out.split())
