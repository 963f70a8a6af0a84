"""A manager and real devices over real sockets: seed document 003 as it is written. Here in a monkey-patched program;
`test_manager_in_ordinary_program.py` has the other one."""

import inspect
import logging
import socket
from typing import Any

import gevent
import pytest

from iot_manager import Client, ConnectionEnd, Limits, Manager
from iot_manager.server import SENT_AT_ONCE
from tests.iot_manager.manageddevices import (
    FramedDevice,
    Heard,
    RawDevice,
    connected,
    in_thread,
    info,
    managed,
    until,
    uuid,
    welcomed,
)


def test_the_parameters_and_defaults_are_those_of_the_seed() -> None:
    parameters = inspect.signature(Manager).parameters
    assert [(name, parameter.default) for name, parameter in list(parameters.items())[:9]] == [
        ("valid_types", inspect.Parameter.empty),
        ("ssl_context", None),
        ("host", "127.0.0.1"),
        ("connection_port", 8595),
        ("max_workers", 16),
        ("heartbeat_rate", 60),
        ("backlogged_connections", 10),
        ("logging_id", "[Manager]"),
        ("logging_level", logging.INFO),
    ]
    assert parameters["heartbeat_timeout"].default == 15
    assert all(parameter.kind is parameter.KEYWORD_ONLY for parameter in list(parameters.values())[9:])
    for method in (Client.recv, Client.recv_string, Client.get_data, Client.heartbeat):
        assert inspect.signature(method).parameters["timeout"].default == 15
    assert inspect.signature(Client.end).parameters["raise_exception"].default is False
    assert list(inspect.signature(Client).parameters) == ["connection", "address"]


def test_the_members() -> None:
    with managed(logging_id="house", logging_level=logging.DEBUG, heartbeat_rate=30) as manager:
        assert manager.host == "127.0.0.1"
        assert isinstance(manager.port, int) and manager.port > 0
        with pytest.raises(AttributeError):
            manager.port = 1  # type: ignore[misc]
        assert manager.logger is logging.getLogger("house")
        assert manager.logger.level == logging.DEBUG
        assert manager.heartbeat_rate == 30
        manager.heartbeat_rate = 20
        assert manager.heartbeat_rate == 20
        with pytest.raises(ValueError, match="heartbeat_rate"):
            manager.heartbeat_rate = 0


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"valid_types": "light"}, TypeError, "valid_types"),
        ({"valid_types": [1]}, TypeError, "valid_types"),
        ({"dialect": "klingon"}, ValueError, "dialect"),
        ({"max_workers": 0}, ValueError, "max_workers"),
        ({"heartbeat_rate": -1}, ValueError, "heartbeat_rate"),
        ({"heartbeat_timeout": 0}, ValueError, "heartbeat_timeout"),
        ({"backlogged_connections": 0}, ValueError, "backlogged_connections"),
        ({"logging_id": 1}, TypeError, "logging_id"),
        ({"device_keys": 1}, TypeError, "device_keys"),
        ({"keys_required": True}, ValueError, "device_keys"),
        ({"ssl_context": "no"}, TypeError, "ssl_context"),
    ],
)
def test_a_wrong_argument_is_told(arguments: dict[str, Any], error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        Manager(**{"valid_types": ["light"], "connection_port": 0, **arguments})


def test_a_port_in_use_is_raised_at_once() -> None:
    with managed() as manager, pytest.raises(OSError, match=str(manager.port)):
        Manager(["light"], connection_port=manager.port)


def test_the_backlog_is_that_of_the_listening_socket() -> None:
    with managed(backlogged_connections=77) as manager:
        assert manager._handler.limits.accept_backlog == 77


@pytest.mark.parametrize("dialect", ["raw", "auto"])
def test_the_raw_conversation_byte_for_byte(dialect: str) -> None:
    with managed(dialect=dialect, heartbeat_rate=0.2) as manager:
        heard = Heard(manager)
        device = RawDevice(manager.port)
        device.expect(b"\x01")
        device.send(b'1862cfe1-5dab-4d8e-a946-50d6728f830f##light##{ "key_1": "data_1", "key_2": "data_2" }')
        assert heard.next() == ("connect", "1862cfe1-5dab-4d8e-a946-50d6728f830f")
        client = heard.clients["1862cfe1-5dab-4d8e-a946-50d6728f830f"]
        assert client.data.get() == client.return_data() == manager.get_client_data()[0]
        assert client.data.data == {"key_1": "data_1", "key_2": "data_2"}
        for _ in range(2):
            device.expect(b"\x02")
            device.send(b"beat")
        device.send(b"hello")
        assert heard.message() == b"hello"
        client.end()
        assert device.expect_end().replace(b"\x02", b"") == b"end\n"
        assert heard.next()[0] == "disconnect"
        device.close()


@pytest.mark.parametrize("dialect", ["framed", "auto"])
def test_the_framed_conversation_byte_for_byte(dialect: str) -> None:
    with managed(
        dialect=dialect, heartbeat_rate=0.3, limits=Limits(detection_seconds=0.4, linger_seconds=0.2)
    ) as manager:
        heard = Heard(manager)
        device = RawDevice(manager.port)
        if dialect == "auto":
            device.expect(b"\x01")  # nothing more, until it has waited
        device.expect(b"\x00\x01\x01")
        device.send(len(info()).to_bytes(2) + info())
        client = heard.client()
        for _ in range(2):
            device.expect(b"\x00\x01\x02")
            device.send(b"\x00\x01\x02")
        device.send(b"\x00\x05hello\x00\x00\x00\x03two")
        assert [heard.message(), heard.message()] == [b"hello", b"two"]
        assert client.send("on") == 2
        device.expect(b"\x00\x02on")
        device.send(b"\x00\x04last\x00\x01\x03")
        assert heard.message() == b"last"
        assert heard.next() == ("disconnect", uuid())
        assert device.expect_end() == b"\x00\x01\x03"
        device.close()


def test_a_framed_device_that_reads_exactly_is_understood() -> None:
    """It took the first probe for half a length."""
    with managed(limits=Limits(detection_seconds=0.3, linger_seconds=0.2)) as manager:
        heard = Heard(manager)
        device = FramedDevice(manager.port)
        assert len(device.receive()) == 256
        assert device.receive() == b"\x01"
        device.send(info())
        client = heard.client()
        client.send("on")
        assert device.receive() == b"on"
        device.close()


class ForgetfulDevice(RawDevice):
    """Reads as the original's own client does: a length and a message, of both what is there at that moment."""

    def receive(self) -> bytes:
        self.sock.settimeout(0)
        while True:
            try:
                length: bytes = self.sock.recv(2)
                message: bytes = self.sock.recv(int.from_bytes(length))
                return message
            except BlockingIOError:
                gevent.sleep(0.001)


def test_a_framed_device_that_forgets_what_is_not_whole_is_understood() -> None:
    with managed(limits=Limits(detection_seconds=0.4, linger_seconds=0.2)) as manager:
        heard = Heard(manager)
        device = ForgetfulDevice(manager.port)
        assert device.receive() == b"\x01"
        device.send(len(info()).to_bytes(2) + info())
        client = heard.client()
        client.send("on")
        assert device.receive() == b"on"
        device.close()


def test_a_raw_device_that_was_asleep_is_understood() -> None:
    """The question that it understands had others glued to it."""
    with managed(limits=Limits(detection_seconds=0.05, linger_seconds=0.2)) as manager:
        heard = Heard(manager)
        device = RawDevice(manager.port)
        until(lambda: device.sock.recv(65536, socket.MSG_PEEK).endswith(b"\x00\x01\x01" + b"\x01"))
        assert device.receive() != b"\x01"
        device.expect(b"\x01")
        device.send(info())
        device.send(info())  # to the question that was glued to others
        assert heard.next()[0] == "connect"
        device.send(b"hello")
        assert heard.message() == b"hello"
        device.close()


def test_the_info_split_at_every_byte() -> None:
    with managed() as manager:
        for place in range(1, len(info()), 7):
            device = RawDevice(manager.port)
            device.expect(b"\x01")
            device.send(info(place)[:place])
            device.send(info(place)[place:])
            until(lambda number=place: any(known["uuid"] == uuid(number) for known in manager.get_client_data()))
            device.close()


@pytest.mark.parametrize("framed", [False, True])
@pytest.mark.parametrize(
    ("response", "words"),
    [
        (b"short##light##{}", "5 characters"),
        (info(device_type="toaster"), "valid types"),
        (info(data='{"a": }'), "not JSON"),
        (info(data="[]"), "not a JSON object"),
        (b"\xff" * 36 + b"##light##{}", "not UTF-8"),
    ],
)
def test_a_wrong_info_costs_that_connection_only(
    framed: bool, response: bytes, words: str, caplog: pytest.LogCaptureFixture
) -> None:
    with managed(dialect="framed" if framed else "raw") as manager, welcomed(manager, 1, framed) as (heard, good):
        bad = (FramedDevice if framed else RawDevice)(manager.port)
        assert bad.receive() == b"\x01"
        bad.send(response)
        assert bad.expect_end() == (b"\x00\x01\x03" if framed else b"end\n")
        bad.close()
        assert any(words in line for line in caplog.messages)
        good.send(b"still here")
        assert heard.message() == b"still here"
        assert manager.get_counters()["rejected"] == 1


def test_who_says_nothing_is_dropped_after_the_handshakes_time() -> None:
    with managed(limits=Limits(handshake_seconds=0.3, linger_seconds=0.2, detection_seconds=10)) as manager:
        device = RawDevice(manager.port)
        assert device.expect_end() == b"\x01end\n"
        device.close()


def test_those_who_are_not_identified_are_bounded() -> None:
    limits = Limits(max_not_identified=2, linger_seconds=0.2)
    with managed(limits=limits) as manager, connected(manager, 1), connected(manager, 2):
        until(lambda: len(manager.get_client_data()) == 2)  # identified: they do not count any more
        silent = [RawDevice(manager.port) for _ in range(2)]
        for device in silent:
            device.expect(b"\x01")
        third = RawDevice(manager.port)
        assert third.expect_end() == b"end\n"
        for device in [*silent, third]:
            device.close()


def test_connections_of_one_address_are_bounded_where_that_is_wanted() -> None:
    assert Limits().max_connections_per_address >= 10_000
    with managed(max_connections_per_address=1) as manager, connected(manager):
        second = RawDevice(manager.port)
        assert second.expect_end() == b"end\n"
        second.close()


def test_sending_to_one_to_a_type_and_to_all() -> None:
    with managed() as manager, welcomed(manager, 1) as (heard, light):
        lock = RawDevice(manager.port).identify(2, "lock")
        heard.client(2)
        assert manager.send(uuid(1), b"bytes") == 5
        assert light.receive() == b"bytes"
        assert manager.send(uuid(1), "text ä") == 7
        assert light.receive().decode() == "text ä"
        assert manager.send_string(uuid(2), "text") == 4
        assert lock.receive() == b"text"
        assert manager.send_type("lock", b"to locks") == manager.send_type_string("light", "to lights") == 1
        assert (lock.receive(), light.receive()) == (b"to locks", b"to lights")
        assert manager.send_all(b"to all") == manager.send_all_string("") == 2
        assert lock.receive() == light.receive() == b"to all"
        assert manager.send_type("toaster", b"x") == 0
        with pytest.raises(TypeError, match="int"):
            manager.send(uuid(1), 7)  # type: ignore[arg-type]
        lock.close()


def test_sending_to_more_than_are_sent_to_at_once() -> None:
    with managed(dialect="raw", backlogged_connections=200) as manager:
        devices = [RawDevice(manager.port) for _ in range(SENT_AT_ONCE + 20)]
        for number, device in enumerate(devices):
            device.identify(number, "light" if number % 2 else "lock")
        until(lambda: len(manager.get_client_data()) == len(devices))
        assert manager.send_all(b"all") == len(devices)
        assert manager.send_type("lock", b"locks") == len(devices) // 2
        for number, device in enumerate(devices):
            device.expect(b"all" if number % 2 else b"alllocks")
            device.close()


def test_sending_to_nobody_is_told(caplog: pytest.LogCaptureFixture) -> None:
    with managed() as manager:
        assert manager.send(uuid(1), b"x") is None
        assert any(uuid(1) in line for line in caplog.messages)
    assert manager.send(uuid(1), b"x") is None
    assert manager.send_all(b"x") == 0
    assert manager.get_client_data() == []


def test_what_a_dialect_cannot_express_is_told() -> None:
    with managed(dialect="framed") as manager, welcomed(manager, framed=True) as (heard, device):
        with pytest.raises(ValueError, match="65535"):
            manager.send(uuid(), b"x" * 65536)
        assert manager.send_all(b"x" * 65536) == 0
        device.send(b"still here")
        assert heard.message() == b"still here"


def test_the_same_uuid_again_replaces_the_old_connection() -> None:
    with managed() as manager:
        heard = Heard(manager)
        with connected(manager) as old:
            first = heard.client()
            with connected(manager) as new:
                assert sorted([heard.next(), heard.next()]) == [("connect", uuid()), ("disconnect", uuid())]
                assert old.expect_end() == b"end\n"
                assert heard.clients[uuid()] is not first
                assert first.send(b"x") is None
                assert manager.send(uuid(), b"x") == 1
                assert new.receive() == b"x"
                assert len(manager.get_client_data()) == 1


def test_a_device_that_flaps_is_refused_for_a_while() -> None:
    with managed(limits=Limits(replacements=2, linger_seconds=0.2)) as manager:
        heard = Heard(manager)
        devices = []
        for _ in range(3):
            devices.append(RawDevice(manager.port).identify())
            while heard.next() != ("connect", uuid()):
                pass
        refused = RawDevice(manager.port).identify()
        assert refused.expect_end() == b"end\n"
        assert manager.send(uuid(), b"x") == 1
        assert devices[-1].receive() == b"x"
        with connected(manager, 1):
            while heard.next() != ("connect", uuid(1)):
                pass
        for device in [*devices, refused]:
            device.close()


def test_one_device_may_have_many_connections_with_a_uuid_each() -> None:
    with managed() as manager, connected(manager, 1), connected(manager, 2), connected(manager, 3):
        until(lambda: len(manager.get_client_data()) == 3)
        assert sorted(known["uuid"] for known in manager.get_client_data()) == [uuid(1), uuid(2), uuid(3)]


def test_what_is_known_of_devices_that_are_here_and_away() -> None:
    with managed() as manager:
        heard = Heard(manager)
        with connected(manager, 1) as device:
            heard.client(1)
            (here,) = manager.get_devices()
            assert list(here) == ["uuid", "type", "data", "connected", "last_seen", "address", "connected_at", "queued"]
            assert here["connected"] is True and here["address"] == list(device.sock.getsockname())
            assert 0 <= here["last_seen"] - here["connected_at"] < 10
            device.send(b"x")
            assert heard.message() == b"x"
            assert manager.get_devices()[0]["last_seen"] > here["last_seen"]
        assert heard.next() == ("disconnect", uuid(1))
        (away,) = manager.get_devices()
        assert (away["connected"], away["data"], away["type"]) == (False, {"key_1": "data_1"}, "light")
        assert manager.get_client_data() == []
    assert manager.get_devices() == [away]


@pytest.mark.parametrize("framed", [False, True])
def test_commands_wait_for_a_device_that_is_away(framed: bool) -> None:
    with managed(dialect="framed" if framed else "raw") as manager:

        @manager.event
        def on_connect(client: Client) -> None:
            client.send(b"newer")

        assert [manager.send(uuid(), f"command {n}", queue_seconds=60) for n in range(3)] == [9] * 3
        assert manager.send(uuid(), b"too late", queue_seconds=1e-6) == 8
        with pytest.raises(ValueError, match="36"):
            manager.send("nobody", b"x", queue_seconds=60)
        with connected(manager, framed=framed) as device:
            assert [device.receive() for _ in range(4)] == [b"command 0", b"command 1", b"command 2", b"newer"]
            assert manager.send(uuid(), b"at once", queue_seconds=60) == 7
            assert device.receive() == b"at once"
        until(lambda: not manager.get_client_data())
        manager.send(uuid(), b"x", queue_seconds=60)
        assert manager.get_devices()[0]["queued"] == 1


@pytest.mark.parametrize("framed", [False, True])
def test_requests_and_replies(framed: bool) -> None:
    with managed(dialect="framed" if framed else "raw") as manager, welcomed(manager, 0, framed) as (heard, device):
        answer = in_thread(manager.request, uuid(), {"get": "temperature"})
        assert device.answer_request({"temperature": 20}) == {"get": "temperature"}
        assert answer.get() == {"temperature": 20}
        with pytest.raises(TimeoutError, match="has not replied"):
            manager.request(uuid(), {}, timeout=0.05)
        device.answer_request("too late")
        device.send(b"a message")
        assert heard.message() == b"a message"
        with pytest.raises(ConnectionEnd, match="not connected"):
            manager.request(uuid(7), {})
        with pytest.raises(TypeError):
            manager.request(uuid(), {"a": object()})
        leaving = in_thread(manager.request, uuid(), {})
        assert device.receive()
        device.close()
        with pytest.raises(ConnectionEnd):
            leaving.get()


def test_replies_in_any_order_and_in_pieces() -> None:
    with managed(dialect="raw") as manager, connected(manager) as device:
        until(lambda: manager.get_client_data())
        answers = []
        requests = []
        for number in range(3):
            answers.append(in_thread(manager.request, uuid(), {"n": number}))
            requests.append(device.receive().decode())
        replies = [
            text.replace('"request"', '"reply"').replace("payload", "payload").encode() for text in reversed(requests)
        ]
        whole = b"".join(replies)
        device.send(whole[:50])
        device.send(whole[50:])
        assert [answer.get() for answer in answers] == [{"n": 0}, {"n": 1}, {"n": 2}]


def test_close_says_goodbye_and_can_be_called_again() -> None:
    with managed() as manager:
        heard = Heard(manager)
        with connected(manager) as device:
            heard.client()
            closing = in_thread(manager.close)
            assert device.expect_end() == b"end\n"
        assert closing.get() is True
        assert heard.next() == ("disconnect", uuid())
        assert manager.close() is True
        with pytest.raises(ConnectionRefusedError):
            RawDevice(manager.port)
        with pytest.raises(ConnectionEnd):
            manager.request(uuid(), {})
