"""A device, with plain sockets in the manager's place: byte for byte what goes over the wire."""

import contextlib
import hashlib
import hmac
import json
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connhandler import Limits
from connhandler.testing import FakeConnection, ManualClock, check_framing, run_timers
from iot_manager.device import MAX_COMMANDS, Device
from iot_manager.devicetask import PATIENCE_SECONDS, DeviceTask
from iot_manager.dialects import PROBES
from iot_manager.identity import Identity
from iot_manager.managerhandler import (
    Challenge,
    Command,
    Dialect,
    GetInfo,
    Goodbye,
    Heart,
    ManagerHandler,
    ManagerPeer,
    ManagerReader,
    ManagerWriter,
    RawFraming,
    Request,
    SizedFraming,
)

UUID = "1862cfe1-5dab-4d8e-a946-50d6728f830f"
INFO = f'{UUID}##light##{{"room":"kitchen"}}'.encode()
NONCE = "00112233445566778899aabbccddeeff"
SECONDS = 10.0
TOO_DEEP = b'{"request": "1", "payload": ' + b"[" * 5000 + b"]" * 5000 + b"}"


class PlainManager:
    """Listens, and speaks bytes."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(SECONDS)
        self.port: int = self._listener.getsockname()[1]
        self.connection: socket.socket | None = None

    def accept(self) -> socket.socket:
        if self.connection is not None:
            self.connection.close()
        self.connection, _ = self._listener.accept()
        self.connection.settimeout(SECONDS)
        return self.connection

    def accept_device(self) -> socket.socket:
        """Accept a device of the raw dialect."""
        connection = self.accept()
        connection.sendall(b"\x01")
        assert receive(connection, len(INFO)) == INFO
        return connection

    def close(self) -> None:
        self._listener.close()
        if self.connection is not None:
            self.connection.close()


@pytest.fixture
def manager() -> Iterator[PlainManager]:
    manager = PlainManager()
    yield manager
    manager.close()


def receive(connection: socket.socket, size: int) -> bytes:
    received = b""
    while len(received) < size:
        piece = connection.recv(size - len(received))
        assert piece, f"the device has closed after {received!r}"
        received += piece
    return received


@contextlib.contextmanager
def make(manager: PlainManager, dialect: Dialect = "raw", **options: Any) -> Iterator[Device]:
    with Device(UUID, "light", {"room": "kitchen"}, port=manager.port, dialect=dialect, **options) as device:
        yield device
        if manager.connection is not None:
            manager.connection.close()  # Else the device waits for it.


def test_a_device_of_the_seed_says_who_it_is_and_beats(manager: PlainManager) -> None:
    with make(manager) as device:
        connection = manager.accept()
        assert not device.connected
        connection.sendall(b"\x01")
        assert receive(connection, len(INFO)) == INFO
        assert device.wait_connected(SECONDS)
        connection.sendall(b"\x02")
        assert receive(connection, 4) == b"beat"
        connection.sendall(b"lamp on")
        assert device.receive(SECONDS) == b"lamp on"
        assert device.send(b"the lamp is on")
        assert receive(connection, 14) == b"the lamp is on"


def test_a_heart_that_comes_together_with_a_command(manager: PlainManager) -> None:
    with make(manager) as device:
        connection = manager.accept_device()
        connection.sendall(b"\x02on\x02")
        assert receive(connection, 4) == b"beat"
        assert device.receive(SECONDS) == b"on"


@pytest.mark.parametrize("getinfo", [b"\x01", b"\x00\x01\x01"], ids=["of an auto manager", "framed"])
def test_a_framed_device(manager: PlainManager, getinfo: bytes) -> None:
    with make(manager, "framed") as device:
        connection = manager.accept()
        connection.sendall(getinfo)
        assert receive(connection, len(INFO) + 2) == len(INFO).to_bytes(2, "big") + INFO
        connection.sendall(b"\x00\x01\x02")
        assert receive(connection, 3) == b"\x00\x01\x02"
        connection.sendall(b"\x00\x02on\x00\x03off")
        assert [device.receive(SECONDS) for _ in range(2)] == [b"on", b"off"]
        device.send(b"done")
        assert receive(connection, 6) == b"\x00\x04done"


@pytest.mark.parametrize("dialect", ["raw", "framed"])
def test_a_key_is_proven_and_only_then_is_the_device_connected(manager: PlainManager, dialect: Dialect) -> None:
    def framed(data: bytes) -> bytes:
        return data if dialect == "raw" else len(data).to_bytes(2, "big") + data

    with make(manager, dialect, key=b"secret") as device:
        connection = manager.accept()
        connection.sendall(framed(b"\x01"))
        assert receive(connection, len(framed(INFO))) == framed(INFO)
        assert not device.connected
        connection.sendall(framed(b"auth " + NONCE.encode()))
        digest = hmac.new(b"secret", (NONCE + UUID).encode(), hashlib.sha256).hexdigest()
        answer = framed(b"auth " + digest.encode())
        assert receive(connection, len(answer)) == answer
        assert device.wait_connected(SECONDS)


def test_a_device_comes_back_and_what_it_says_meanwhile_is_refused(manager: PlainManager) -> None:
    with make(manager) as device:
        connection = manager.accept_device()
        assert device.wait_connected(SECONDS)
        connection.sendall(b"end\n")
        connection.close()
        connection = manager.accept()
        assert not device.connected
        assert not device.send(b"lost")
        connection.sendall(b"\x01")
        assert receive(connection, len(INFO)) == INFO
        assert device.wait_connected(SECONDS)
        assert device.send(b"found")
        assert receive(connection, 5) == b"found"


def test_a_manager_that_says_nothing_for_too_long_is_given_up(manager: PlainManager) -> None:
    with make(manager, idle_seconds=0.2):
        manager.accept_device()
        manager.accept_device()


def test_a_manager_that_does_not_know_of_the_connection_is_connected_to_again() -> None:
    clock = ManualClock()
    task = DeviceTask[ManagerPeer]("device", clock=clock)
    identity = Identity(uuid=UUID, type="light")
    asking, forgetful = (FakeConnection(ManagerPeer(identity, "raw")) for _ in range(2))
    asking.connected(task)
    forgetful.connected(task)
    clock.advance(PATIENCE_SECONDS - 1)
    asking.receives(task, GetInfo())
    run_timers(task)
    assert not forgetful.disconnected
    clock.advance(1)
    run_timers(task)
    assert forgetful.disconnected
    assert "has asked nothing" in forgetful.disconnect_detail
    assert not asking.disconnected
    asking.disconnects(task)


def test_requests_are_answered_one_after_the_other_even_when_the_answer_fails(manager: PlainManager) -> None:
    def answer(payload: dict[str, Any]) -> dict[str, Any]:
        return {"twice": payload["number"] * 2}

    with make(manager, "framed", answer=answer) as device:
        connection = manager.accept()
        connection.sendall(b"\x01")
        receive(connection, len(INFO) + 2)
        for number, (payload, expected) in enumerate(
            [({"number": 21}, {"twice": 42}), ({}, {"error": "KeyError: 'number'"})], 1
        ):
            request = json.dumps({"request": f"r{number}", "payload": payload}).encode()
            connection.sendall(len(request).to_bytes(2, "big") + request)
            size = int.from_bytes(receive(connection, 2), "big")
            assert json.loads(receive(connection, size)) == {"reply": f"r{number}", "payload": expected}
        with pytest.raises(TimeoutError):
            device.receive(0.01)


def test_without_a_function_for_answers_a_request_is_a_command(manager: PlainManager) -> None:
    with make(manager) as device:
        connection = manager.accept_device()
        connection.sendall(b'{"request":"1","payload":{}}')
        assert device.receive(SECONDS) == b'{"request":"1","payload":{}}'


def test_a_connection_that_breaks_for_good_ends_whoever_waits(manager: PlainManager) -> None:
    class Fatal(BaseException):
        """No mistake of a handler, which would cost one message only."""

    def fail() -> None:
        raise Fatal

    with Device(UUID, "light", port=manager.port) as device:
        manager.accept()
        device._service.post(fail)
        with pytest.raises(EOFError):
            device.receive(SECONDS)
        assert not device.connected


def test_closing_ends_whoever_waits_and_can_be_done_twice(manager: PlainManager) -> None:
    device = Device(UUID, "light", {"room": "kitchen"}, port=manager.port)
    connection = manager.accept_device()
    connection.sendall(b"last words")
    heard: list[bytes] = []
    came = threading.Event()

    def listen() -> None:
        for command in device:
            heard.append(command)
            came.set()

    thread = threading.Thread(target=listen)
    thread.start()
    assert came.wait(SECONDS)
    device.close()
    assert connection.recv(100) == b""
    device.close()
    thread.join(SECONDS)
    assert heard == [b"last words"]
    assert not device.connected
    assert not device.send(b"too late")
    with pytest.raises(EOFError):
        device.receive()


def test_commands_that_nobody_takes_are_bounded_and_the_oldest_are_lost(
    manager: PlainManager, caplog: pytest.LogCaptureFixture
) -> None:
    with make(manager, "framed") as device:
        connection = manager.accept()
        connection.sendall(b"\x01")
        receive(connection, len(INFO) + 2)
        for number in range(MAX_COMMANDS + 5):
            text = b"%d" % number
            connection.sendall(len(text).to_bytes(2, "big") + text)
        connection.sendall(b"\x00\x01\x02")
        assert receive(connection, 3) == b"\x00\x01\x02"  # It has come this far.
        assert [device.receive(0) for _ in range(MAX_COMMANDS)] == [b"%d" % n for n in range(5, MAX_COMMANDS + 5)]
    assert caplog.text.count("the oldest are lost") == 1


def test_a_message_that_cannot_be_sent_is_the_callers_mistake(manager: PlainManager) -> None:
    with make(manager, "framed") as device:
        connection = manager.accept()
        connection.sendall(b"\x01")
        assert device.wait_connected(SECONDS)
        with pytest.raises(ValueError, match="empty"):
            device.send(b"")
        with pytest.raises(ValueError, match="65535 are the most"):
            device.send(bytes(65536))


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"uuid": "short"}, "36 characters, not 5"),
        ({"uuid": UUID[:-2] + "##"}, "'##'"),
        ({"type": "li##ght"}, "'##'"),
        ({"type": ""}, "must not be empty"),
    ],
)
def test_who_the_manager_would_refuse_is_refused_at_once(wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Identity(**{"uuid": UUID, "type": "light", **wrong})


def test_a_device_without_a_key_does_not_answer_a_challenge() -> None:
    task = DeviceTask[ManagerPeer]("device")
    manager = FakeConnection(ManagerPeer(Identity(uuid=UUID, type="light"), "raw"))
    manager.connected(task)
    manager.receives(task, GetInfo(), Challenge(NONCE))
    assert manager.take() == [f"{UUID}##light##{{}}".encode()]


def test_a_device_with_a_key_is_accepted_also_by_a_manager_that_asks_for_none() -> None:
    task = DeviceTask[ManagerPeer]("device")
    manager = FakeConnection(ManagerPeer(Identity(uuid=UUID, type="light", key=b"k"), "raw"))
    manager.connected(task)
    manager.receives(task, GetInfo())
    assert not manager.peer.accepted
    manager.receives(task, Heart())
    assert manager.peer.accepted
    manager.receives(task, Goodbye())
    assert manager.peer.dismissed_by_manager


# --- the framings ---

MESSAGES = [b"\x01", INFO, b"\x02", bytes(range(256)) * 255, b"\x03"]


def test_the_framed_dialect_however_it_is_cut() -> None:
    wire = b"".join(len(message).to_bytes(2, "big") + message for message in MESSAGES)
    check_framing(SizedFraming, wire, MESSAGES)
    check_framing(SizedFraming, b"\x01" + wire[3:], MESSAGES)


@given(st.lists(st.binary(max_size=300)), st.booleans(), st.integers())
def test_the_framed_dialect_gives_back_whatever_was_framed(
    messages: list[bytes], begins_plain: bool, seed: int
) -> None:
    whole = [message for message in messages if message]
    wire = b"".join(len(message).to_bytes(2, "big") + message for message in messages)
    if begins_plain or wire[:1] == b"\x01":
        whole, wire = [b"\x01", *whole], b"\x01" + wire
    check_framing(SizedFraming, wire, whole, seed, cuts=3)


@pytest.mark.parametrize("together", [True, False], ids=["together", "one by one"])
def test_a_device_that_is_slow_to_answer_is_not_irritated_by_questions_in_the_other_dialect(together: bool) -> None:
    probes = [probe.data for probe in PROBES]
    wire = [b"".join(probes)] if together else probes
    raw, framed = RawFraming(), SizedFraming()
    asked = [message for data in wire for message in raw.receive_data(data)]
    assert set(asked) == {b"\x01"}
    assert raw.receive_data(b"on") == [b"on"]
    assert raw.receive_data(b"\x00\x01\x01!") == [b"\x00\x01\x01!"]
    asked = [message for data in wire[: None if together else 3] for message in framed.receive_data(data)]
    assert set(asked) == {b"\x01"}


@given(st.binary(min_size=1))
def test_the_raw_dialect_loses_no_byte_but_questions_at_the_ends(data: bytes) -> None:
    framing = RawFraming()
    assert framing.receive_data(b"\x01") == [b"\x01"]
    assert framing.receive_data(b"begun") == [b"begun"]
    messages = framing.receive_data(data)
    assert messages
    questions = [message for message in messages if message in (b"\x01", b"\x02")]
    rest = [message for message in messages if message not in questions]
    assert rest == ([data.strip(b"\x01\x02")] if data.strip(b"\x01\x02") else [])
    outside = data if not rest else data[: data.index(rest[0])] + data[data.rindex(rest[0]) + len(rest[0]) :]
    assert set(questions) == {bytes([byte]) for byte in outside}


@pytest.mark.parametrize(
    ("dialect", "data", "expected"),
    [
        ("raw", b"\x01", GetInfo()),
        ("raw", b"\x02", Heart()),
        ("raw", b"end\n", Goodbye()),
        ("raw", b"send\n", Command(b"send\n")),
        ("raw", b"\x03", Command(b"\x03")),
        ("framed", b"\x03", Goodbye()),
        ("framed", b"end\n", Command(b"end\n")),
        ("raw", b"auth " + NONCE.encode(), Challenge(NONCE)),
        ("raw", b"\xff\xfe", Command(b"\xff\xfe")),
        ("raw", b'{"request": "1", "payload": {"a": [1]}}', Request("1", {"a": [1]})),
        ("raw", b'{"request": "1"}', Command(b'{"request": "1"}')),
        ("raw", b'{"request": "1", "payload": {', Command(b'{"request": "1", "payload": {')),
        ("raw", b'{"request": "\xff"}', Command(b'{"request": "\xff"}')),
        ("raw", TOO_DEEP, Command(TOO_DEEP)),
    ],
)
def test_what_the_managers_bytes_mean(dialect: Dialect, data: bytes, expected: object) -> None:
    with socket.socket() as sock:
        assert ManagerReader(sock, dialect).decode(data) == expected


def test_framed_bytes_are_told_apart_from_raw_ones() -> None:
    with socket.socket() as sock:
        assert ManagerWriter(sock, "raw").frame(b"on") == b"on"
        assert ManagerWriter(sock, "framed").frame(b"on") == b"\x00\x02on"


def test_a_name_for_the_log() -> None:
    handler = ManagerHandler("lamp", "h", 1, DeviceTask[ManagerPeer]("d").queue, Identity(uuid=UUID, type="light"))
    assert (handler.task_name, handler.limits) == ("lamp", Limits())
