"""`python -m iot_manager` as a process: what it logs, what can be typed, how it ends, what goes wrong at the start."""

import os
import pty
import queue
import re
import signal
import socket
import subprocess
import sys
import termios
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from iot_manager.config import load
from iot_manager.console import HELP, Console, ago, clipped, shown
from iot_manager.device import Device
from iot_manager.files import KeysUnreadable, read_keys
from tests.iot_manager.programs import ROOT, SECONDS, Program, port_of, start_manager

LAMP = "1862cfe1-5dab-4d8e-a946-50d6728f830f"
LOCK = "2862cfe1-5dab-4d8e-a946-50d6728f830f"


@pytest.fixture
def manager() -> Iterator[Program]:
    with start_manager("--commands", "--heartbeat-rate", "0.5") as program:
        yield program


def connect(manager: Program, port: str, uuid: str = LAMP, type: str = "light", **options: Any) -> Device:
    device = Device(uuid, type, {"room": "k\x1b[2Jitchen"}, port=int(port), dialect="framed", **options)
    assert device.wait_connected(SECONDS)
    return device


def wait_until_listed(manager: Program, uuid: str, state: str) -> str:
    while True:
        manager.say("list")
        found = manager.wait_for(rf"^{uuid} .*|no device|here, \d+ away")[0]
        if state in found:
            return found


def test_a_conversation_at_the_console(manager: Program) -> None:
    port = port_of(manager)
    manager.say("list")
    manager.wait_for("no device yet")
    lamp = connect(manager, port)
    with lamp, connect(manager, port, LOCK, "lock", answer=lambda payload: {"got": payload}) as lock:
        line = wait_until_listed(manager, LAMP, "here")
        assert "\\x1b[2Jitchen" in line or "\\u001b[2Jitchen" in line
        assert "\x1b" not in line
        wait_until_listed(manager, LOCK, "here")
        manager.wait_for("2 here, 0 away")
        manager.say("list lock")
        manager.wait_for("1 here, 0 away")
        manager.say("list spaceship")
        manager.wait_for("no device of type spaceship")
        manager.say("send 186 lamp on, please")
        manager.wait_for(f"sent to {LAMP}")
        assert lamp.receive(SECONDS) == b"lamp on, please"
        manager.say("type lock bolt")
        assert lock.receive(SECONDS) == b"bolt"
        manager.say("all report")
        assert lock.receive(SECONDS) == lamp.receive(SECONDS) == b"report"
        lamp.send("aus\x1b[2J ü".encode())
        manager.wait_for(re.escape(f"{LAMP} (light) says: aus\\x1b[2J ü"))
        manager.say('ask 286 {"state": 1}')
        manager.wait_for(re.escape('{"got":{"state":1}}'))
    wait_until_listed(manager, LAMP, "away")
    manager.say("send 186 lost")
    manager.wait_for("is away: nothing was sent")
    manager.say('ask 186 {"state": 1}')
    manager.wait_for("no answer: ")
    manager.say("queue 186 60 lamp off")
    manager.wait_for("queued")
    with connect(manager, port) as lamp:
        assert lamp.receive(SECONDS) == b"lamp off"
    manager.say("quit")
    assert manager.wait() == 0, manager.said
    assert "Traceback" not in manager.said


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("lst", "unknown command 'lst'; 'help' tells"),
        ("send", "expected: send DEVICE TEXT"),
        ("queue 186 soon on", "'soon' is not a number of seconds"),
        ("queue 186 -1 on", "'-1' is not a number of seconds"),
        ("queue 186 nan on", "'nan' is not a number of seconds"),
        ("ask 186 state", "'state' is not JSON such as"),
        ("ask 186 [1]", r"'\[1\]' is not JSON such as"),
        ("send 999 on", "no device begins with '999'"),
        ("type spaceship on", "spaceship"),
        ("help", "list .TYPE."),
    ],
)
def test_what_is_typed_wrong_is_a_sentence(console: "ConsoleOf", line: str, said: str) -> None:
    assert re.search(said, console.run(line)), console.run(line)


class ConsoleOf:
    """A console on a real manager, with two devices whose UUIDs begin alike."""

    def __init__(self, manager: Any) -> None:
        self.said: list[str] = []
        self._console = Console(manager, self.said.append)

    def run(self, line: str) -> str:
        self.said.clear()
        assert self._console.run(line)
        return "\n".join(self.said)


@pytest.fixture(scope="module")
def console() -> Iterator[ConsoleOf]:
    from iot_manager import Manager

    manager = Manager(["light"], connection_port=0)
    came: queue.Queue[Any] = queue.Queue()
    manager.add_handler("on_connect", came.put)
    with (
        Device(LAMP, "light", port=manager.port, dialect="framed") as one,
        Device(LAMP[:-1] + "0", "light", port=manager.port, dialect="framed") as other,
    ):
        assert one.wait_connected(SECONDS)
        assert other.wait_connected(SECONDS)
        for _ in range(2):
            came.get(timeout=SECONDS)
        yield ConsoleOf(manager)
    manager.close()


def test_a_beginning_that_means_two_devices(console: ConsoleOf) -> None:
    assert console.run("send 186 on") == "2 devices begin with '186'"
    assert console.run(f"send {LAMP} on") == f"sent to {LAMP}"


def test_an_empty_line_says_nothing_and_help_says_every_command(console: ConsoleOf) -> None:
    assert console.run("  ") == ""
    assert console.run("help") == HELP


def test_text_for_a_terminal() -> None:
    assert shown("a\x1b[2J\r\nä") == "a\\x1b[2J\\r\\nä"
    assert clipped("x" * 100) == "x" * 59 + "…"
    assert [ago(seconds) for seconds in (-1, 3.4, 200, 9000)] == ["0 s ago", "3 s ago", "3 min ago", "2.5 h ago"]


def test_at_a_terminal_it_takes_commands_and_ends_with_them() -> None:
    parent, child = pty.openpty()
    modes = termios.tcgetattr(child)
    modes[3] &= ~termios.ECHO
    termios.tcsetattr(child, termios.TCSANOW, modes)
    with Program([sys.executable, "-m", "iot_manager", "--port", "0"], stdin=child) as manager:
        os.close(child)
        manager.wait_for("type 'help'")
        os.write(parent, b"list\n")
        manager.wait_for("no device yet")
        os.write(parent, b"\x04")
        assert manager.wait() == 0, manager.said
    os.close(parent)


def test_the_log_is_as_loud_as_it_was_asked_to_be() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "iot_manager", "--port", str(port), "--commands", "--log-level=warning"]
    with Program(command) as manager:
        manager.say("list")
        manager.wait_for("no device yet")
        with connect(manager, str(port)):
            wait_until_listed(manager, LAMP, "here")
        manager.say("quit")
        assert manager.wait() == 0
        assert "connected from" not in manager.said


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_an_orderly_end_tells_the_devices(number: signal.Signals) -> None:
    with start_manager() as manager:
        port = port_of(manager)
        with socket.create_connection(("127.0.0.1", int(port)), timeout=SECONDS) as device:
            assert device.recv(1) == b"\x01"
            device.sendall(f"{LAMP}##light##{{}}".encode())
            manager.wait_for(LAMP)
            manager.process.send_signal(number)
            assert device.recv(100) == b"end\n"
            assert device.recv(100) == b""
        assert manager.wait() == 0, manager.said
        assert "Traceback" not in manager.said


def test_the_seeds_client_prints_every_command(manager: Program) -> None:
    port = port_of(manager)
    with Program([sys.executable, "-m", "examples.iot_client", "--port", port, "--uuid", LAMP]) as client:
        client.wait_for("^connected$")
        wait_until_listed(manager, LAMP, "here")
        manager.say("send 186 lamp on")
        client.wait_for("^command: lamp on$")
        manager.say("quit")
        assert manager.wait() == 0
        client.wait_for("the manager says goodbye")
        assert client.wait() == 0


def test_only_devices_with_their_keys(tmp_path: Path) -> None:
    keys = tmp_path / "keys.toml"
    keys.write_text(f'"{LAMP}" = "the lamp\'s secret"\n"{LOCK}" = "another"\n')
    with start_manager("--keys-file", str(keys)) as manager:
        port = port_of(manager)
        connect(manager, port, key="the lamp's secret").close()
        with Device(LOCK, "lock", port=int(port), key="wrong"):
            manager.wait_for(f"{LOCK} has not proven its key")
        with Device(LOCK[:-1] + "0", "lock", port=int(port)):
            manager.wait_for("has no key")
        assert f"{LOCK} (lock) connected" not in manager.said
        assert "secret" not in manager.said
        assert manager.end() == 0


def run(*options: str) -> tuple[int, str]:
    """Start what cannot start; return its exit status and what it said."""
    result = subprocess.run(
        [sys.executable, "-m", "iot_manager", *options],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        stdin=subprocess.DEVNULL,
    )
    assert result.stdout == ""
    return result.returncode, result.stderr


def test_a_port_in_use_is_one_sentence() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        status, said = run("--port", str(port))
    assert status == 1
    assert re.fullmatch(rf"iot-manager: .*cannot listen on 127\.0\.0\.1:{port}: Address already in use\n", said)


def test_files_that_are_not_what_they_should_be(tmp_path: Path) -> None:
    keys = tmp_path / "keys.toml"
    keys.write_text("secret without a name")
    status, said = run("--port", "0", "--keys-file", str(keys))
    assert (status, said.count("\n"), "expected lines such as" in said) == (1, 1, True), said
    status, said = run("--port", "0", "--keys-file", str(tmp_path / "none"))
    assert (status, said.count("\n"), "No such file" in said and "none" in said) == (1, 1, True), said
    status, said = run("--port", "0", f"--tls-certificate={keys}", f"--tls-key={keys}")
    assert (status, said.count("\n"), str(keys) in said) == (1, 1, True), said


@pytest.mark.parametrize(
    "text",
    ['"a" = 1', "[a]\nb = 'c'", f'"{LAMP}" = ""', b"\xff\xfe", '"lamp" = "secret"'],
    ids=["number", "table", "empty", "not UTF-8", "not a UUID"],
)
def test_a_file_of_keys_that_is_none(tmp_path: Path, text: str | bytes) -> None:
    keys = tmp_path / "keys.toml"
    keys.write_bytes(text.encode() if isinstance(text, str) else text)
    with pytest.raises(KeysUnreadable, match=re.escape(str(keys))):
        read_keys(str(keys))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--prot", "1"], "--prot"),
        (["--port", "x"], "--port: 'x' is not a whole number"),
        (["--dialect", "english"], "--dialect: 'english' is not one of auto, raw, framed"),
        (["--tls-key", "k"], "tls_certificate and tls_key go together"),
        (["--tls-client-ca", "c"], "tls_client_ca needs a tls_certificate"),
        (["--types", "a##b"], "types: a type is printable text without '##' in it"),
    ],
)
def test_a_mistyped_option_is_a_sentence_and_exit_2(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as exit_:
        load(arguments, {})
    assert exit_.value.code == 2
    assert said in capsys.readouterr().err


def test_settings_from_a_file_the_environment_and_flags(tmp_path: Path) -> None:
    file = tmp_path / "manager.toml"
    file.write_text('types = ["valve"]\nport = 1\nheartbeat_rate = 5.0\n')
    found = load(["--config", str(file), "--heartbeat-rate", "7"], {"IOT_MANAGER_PORT": "2"})
    assert (found.types, found.port, found.heartbeat_rate) == (["valve"], 2, 7.0)
