"""The program's event handlers: how they are registered, and that none of them costs another device anything."""

import logging
import threading
import time
from typing import Any

import pytest

from iot_manager import Client, Limits
from tests.iot_manager.manageddevices import (
    TIMEOUT,
    Heard,
    RawDevice,
    connected,
    in_thread,
    managed,
    until,
    uuid,
    welcomed,
)


def test_typed_events_are_for_their_type_only_and_after_those_for_all() -> None:
    with managed() as manager:
        told: list[tuple[Any, ...]] = []

        @manager.event
        def on_connect(client: Client) -> None:
            told.append(("connect", client.type))

        @manager.event
        def on_connect_light(client: Client) -> None:
            told.append(("connect light", client.type))

        @manager.event
        def on_message(client: Client, message: bytearray) -> None:
            told.append(("message", type(message), bytes(message)))

        @manager.event
        def on_message_lock(client: Client, message: bytearray) -> None:
            told.append(("message lock", bytes(message)))

        @manager.event
        def on_disconnect_lock(client: Client) -> None:
            told.append(("disconnect lock", client.type))

        light, lock = RawDevice(manager.port).identify(1, "light"), RawDevice(manager.port)
        until(lambda: len(told) == 2)
        assert told == [("connect", "light"), ("connect light", "light")]
        told.clear()
        lock.identify(2, "lock").send(b"x")
        light.close()
        until(lambda: len(told) == 3)
        assert told == [("connect", "lock"), ("message", bytearray, b"x"), ("message lock", b"x")]
        told.clear()
        lock.close()
        until(lambda: told)
        assert told == [("disconnect lock", "lock")]


def test_an_unknown_event_or_type_is_an_error_at_registration(caplog: pytest.LogCaptureFixture) -> None:
    with managed() as manager:

        def on_mesage(client: Client) -> None: ...

        def on_message_toaster(client: Client, message: bytearray) -> None: ...

        def on_message_(client: Client, message: bytearray) -> None: ...

        for function, words in ((on_mesage, "on_mesage"), (on_message_toaster, "toaster"), (on_message_, "type ''")):
            with pytest.raises(ValueError, match=words):
                manager.event(function)
        with pytest.raises(TypeError):
            manager.event("on_message")  # type: ignore[type-var]
        with pytest.raises(ValueError, match="on_beat"):
            manager.add_handler("on_beat", on_mesage)

        def on_connect(client: Client) -> None: ...

        assert manager.event(on_connect) is on_connect
        manager.event(on_connect)
        assert any("replaced" in line for line in caplog.messages)


def test_a_handler_of_any_name_for_a_type_that_is_no_name() -> None:
    with managed() as manager:
        told: list[str | None] = []
        manager.add_handler("on_connect", lambda client: told.append(client.uuid), "test")
        device = RawDevice(manager.port).identify(4, "test")
        until(lambda: told == [uuid(4)])
        device.close()


def test_one_slow_handler_delays_nobody_else() -> None:
    with managed(max_workers=2, dialect="framed") as manager, welcomed(manager, 1, True) as (heard, slow):
        let_go = threading.Event()

        @manager.event
        def on_message_light(client: Client, message: bytearray) -> None:
            if client.uuid == uuid(1):
                let_go.wait(TIMEOUT)
            heard.events.put(("message", client.uuid, b"handled " + bytes(message)))

        slow.send(b"1")
        slow.send(b"2")
        assert heard.message() == b"1"
        with connected(manager, 2, framed=True) as quick:
            heard.client(2)
            for number in range(20):
                quick.send(b"%d" % number)
                assert heard.message() == b"%d" % number
                assert heard.message() == b"handled %d" % number
            let_go.set()
            assert [heard.message() for _ in range(3)] == [b"handled 1", b"2", b"handled 2"]


def test_max_workers_handlers_run_at_once_and_no_more() -> None:
    with managed(max_workers=3, dialect="framed") as manager:
        running: list[int] = [0]
        most: list[int] = [0]
        let_go = threading.Event()
        done: list[str | None] = []

        @manager.event
        def on_connect(client: Client) -> None:
            running[0] += 1
            most[0] = max(most[0], running[0])
            let_go.wait(TIMEOUT)
            running[0] -= 1
            done.append(client.uuid)

        devices = []
        for number in range(6):
            with_number = connected(manager, number, framed=True)
            with_number.__enter__()
            devices.append(with_number)
        until(lambda: len(manager.get_client_data()) == 6 and running[0] == 3)
        let_go.set()
        until(lambda: len(done) == 6)
        assert most[0] == 3
        for device in devices:
            device.__exit__(None, None, None)


def test_one_devices_events_stay_in_order() -> None:
    with managed(dialect="framed") as manager, welcomed(manager, 0, True) as (heard, device):
        for number in range(300):
            device.send(b"%d" % number)
        device.close()
        assert [heard.message() for _ in range(300)] == [b"%d" % number for number in range(300)]
        assert heard.next() == ("disconnect", uuid())


def test_what_a_handler_raises_is_logged_and_costs_nothing_else(caplog: pytest.LogCaptureFixture) -> None:
    with managed() as manager, welcomed(manager) as (heard, device):

        @manager.event
        def on_message_light(client: Client, message: bytearray) -> None:
            raise (SystemExit if message == b"exit" else LookupError)("a mistake of the program")

        for message in (b"error", b"exit", b"error"):
            device.send(message)
            assert heard.message() == message
        until(lambda: len([record for record in caplog.records if record.levelno == logging.ERROR]) == 3)
        logged = [record for record in caplog.records if record.exc_info]
        assert "on_message_light failed" in logged[0].getMessage()
        assert logged[0].exc_info is not None and logged[0].exc_info[0] is LookupError
        device.send(b"error")
        assert heard.message() == b"error"


def test_a_backlog_pushes_back_on_its_own_device() -> None:
    limits = Limits(receive_bytes=1024, backlog_bytes=4096, linger_seconds=0.2, close_seconds=1)
    with (
        managed(dialect="framed", limits=limits, max_workers=2) as manager,
        welcomed(manager, 1, True) as (_, device),
    ):
        let_go = threading.Event()
        handled = [0]

        @manager.event
        def on_message(client: Client, message: bytearray) -> None:
            if client.uuid == uuid(1):
                let_go.wait(TIMEOUT)
            handled[0] += 1

        device.sock.setblocking(False)
        data, sent = b"\x1f\x3e" + b"x" * 7998, 0
        with pytest.raises(BlockingIOError):
            while sent < 100_000_000:
                sent += device.sock.send(data[sent % len(data) :])
        before = handled[0]
        with connected(manager, 2, framed=True) as other:
            other.send(b"y")
            until(lambda: handled[0] == before + 1)
        let_go.set()
        until(lambda: handled[0] >= before + 1 + sent // len(data))


def test_close_ends_though_a_handler_hangs() -> None:
    hangs, forever = threading.Event(), threading.Event()
    try:
        with managed(limits=Limits(close_seconds=0.3, linger_seconds=0.1)) as manager, connected(manager) as device:

            @manager.event
            def on_message(client: Client, message: bytearray) -> None:
                hangs.set()
                forever.wait()

            until(lambda: manager.get_client_data())
            device.send(b"x")
            assert hangs.wait(TIMEOUT)
            began = time.monotonic()
            assert manager.close() is True
            assert time.monotonic() - began < 3
    finally:
        forever.set()


def test_a_handler_can_close_the_manager() -> None:
    with managed(limits=Limits(close_seconds=0.3, linger_seconds=0.1)) as manager, connected(manager) as device:

        @manager.event
        def on_message(client: Client, message: bytearray) -> None:
            manager.close()

        until(lambda: manager.get_client_data())
        device.send(b"x")
        assert device.expect_end() == b"end\n"


def test_handlers_can_ask_the_manager() -> None:
    with managed(max_workers=1) as manager:
        heard = Heard(manager)

        @manager.event
        def on_connect_light(client: Client) -> None:
            assert client.uuid is not None
            reply = manager.request(client.uuid, {"state": None})
            heard.events.put(("reply", reply, manager.send_all(b"done"), len(manager.get_devices())))

        device = RawDevice(manager.port).identify()
        assert device.answer_request("on") == {"state": None}
        assert heard.next() == ("connect", uuid())
        assert heard.next() == ("reply", "on", 1, 1)
        assert device.receive() == b"done"
        device.close()
        assert in_thread(heard.next).get() == ("disconnect", uuid())
