"""What event handlers are given: talking to one device from any thread, and the lock that keeps the listener off."""

import random
import socket
import threading

import gevent
import pytest

from connhandler.tasks import spawn
from iot_manager import Client, ConnectionEnd, InvalidInfo, Limits
from tests.iot_manager.manageddevices import (
    TIMEOUT,
    RawDevice,
    in_thread,
    info,
    managed,
    until,
    uuid,
    welcomed,
)


@pytest.mark.parametrize("framed", [False, True])
def test_the_seeds_example_of_the_lock(framed: bool) -> None:
    with managed(dialect="framed" if framed else "raw") as manager, welcomed(manager, 0, framed) as (heard, device):
        client = heard.clients[uuid()]

        def ask() -> str | None:
            with client.connection_lock:
                client.send_string("get_data")
                return client.recv_string(10)

        asking = in_thread(ask)
        assert device.receive() == b"get_data"
        device.send(b"the data")
        assert asking.get() == "the data"
        device.send(b"a message")
        assert heard.message() == b"a message"
        assert heard.nothing()


def test_what_was_not_received_under_the_lock_goes_to_on_message_in_order() -> None:
    with managed(dialect="framed") as manager, welcomed(manager, 0, True) as (heard, device):
        client = heard.clients[uuid()]
        device.send(b"before")
        assert heard.message() == b"before"
        with client.connection_lock:
            for number in range(5):
                device.send(b"%d" % number)
            assert client.recv(TIMEOUT) == b"0"
            assert client.recv(TIMEOUT) == b"1"
            assert heard.nothing()
        device.send(b"after")
        assert [heard.message() for _ in range(4)] == [b"2", b"3", b"4", b"after"]


def test_the_lock_is_reentrant_and_one_threads_only() -> None:
    with managed() as manager, welcomed(manager) as (heard, _):
        lock = heard.clients[uuid()].connection_lock
        with lock, lock:
            assert in_thread(lock.acquire, False).get() is False
            assert in_thread(lock.acquire, True, 0.01).get() is False
            with pytest.raises(RuntimeError):
                in_thread(lock.release).get()
        assert in_thread(lock.acquire).get() is True
        other = heard.clients[uuid()]
        assert in_thread(other.recv, 0.01).get() is None
        with pytest.raises(TimeoutError):
            in_thread(other.heartbeat, 0.01).get()


def test_a_beat_counts_while_somebody_holds_the_lock() -> None:
    with managed(heartbeat_rate=0.1) as manager, welcomed(manager) as (heard, device):
        client = heard.clients[uuid()]
        with client.connection_lock:
            for _ in range(4):
                device.expect(b"\x02")
                device.send(b"beat")
            assert client.recv(0) is None
        assert heard.nothing()


def test_many_threads_with_a_question_each_while_the_device_talks_on_its_own() -> None:
    """Without the lock, answers would go to `on_message`, and other messages be taken for answers."""
    questions, threads = 25, 8
    with managed(dialect="framed", max_workers=4) as manager, welcomed(manager, 0, True) as (heard, device):
        client = heard.clients[uuid()]
        told = 0
        ended, has_answered = threading.Event(), threading.Semaphore(0)

        def live() -> None:
            nonlocal told
            chance = random.Random(7)
            answered = 0
            while answered < questions * threads:
                question = device.receive()
                device.send(b"answer to " + question)
                has_answered.release()
                answered += 1
                for _ in range(chance.randrange(3)):
                    device.send(b"telemetry %d" % told)
                    told += 1
            ended.set()

        def ask(thread: int) -> list[str]:
            wrong: list[str] = []
            for number in range(questions):
                question = f"{thread}.{number}"
                with client.connection_lock:
                    client.send(question)
                    has_answered.acquire()
                    gevent.sleep(0.001)  # The answer is here now, and nobody has asked for it yet.
                    passed = []
                    while (answer := client.recv_string()) is not None and answer.startswith("telemetry"):
                        passed.append(answer)
                    kept.extend(passed)
                if answer != f"answer to {question}":
                    wrong.append(f"{question}: {answer}")
            return wrong

        kept: list[str] = []
        device_thread = in_thread(live)
        asking = [in_thread(ask, number) for number in range(threads)]
        assert [result.get() for result in asking] == [[]] * threads
        device_thread.get()
        assert ended.is_set()
        messages = [heard.message().decode() for _ in range(told - len(kept))]
        assert heard.nothing()
        numbers = [int(text.split()[1]) for text in messages]
        assert numbers == sorted(numbers)
        assert sorted(numbers + [int(text.split()[1]) for text in kept]) == list(range(told))


def test_recv_in_a_handler_of_the_same_client() -> None:
    with managed(max_workers=1, dialect="framed") as manager, welcomed(manager, 0, True) as (heard, device):

        @manager.event
        def on_message_light(client: Client, message: bytearray) -> None:
            with client.connection_lock:
                client.send(b"who? " + bytes(message))
                heard.events.put(("answer", client.recv(TIMEOUT)))

        device.send(b"knock")
        assert device.receive() == b"who? knock"
        device.send(b"me")
        assert heard.message() == b"knock"
        assert heard.next() == ("answer", b"me")
        assert heard.nothing()


def test_recv_returns_none_when_nothing_comes_and_when_the_device_is_gone() -> None:
    with managed() as manager, welcomed(manager) as (heard, device):
        client = heard.clients[uuid()]
        assert client.recv(0.01) is None
        assert client.recv_string(0) is None
        receiving = in_thread(client.recv, None)
        device.close()
        assert receiving.get() is None
        assert client.send(b"x") is None
        assert client.recv() is None


def test_recv_string_replaces_what_is_not_utf_8() -> None:
    with managed() as manager, welcomed(manager) as (heard, device):
        client = heard.clients[uuid()]
        with client.connection_lock:
            device.send(b"a\xffb")
            assert client.recv_string(TIMEOUT) == "a\ufffdb"


def test_a_message_for_a_killed_recv_is_not_lost() -> None:
    with managed() as manager, welcomed(manager) as (heard, device):
        client = heard.clients[uuid()]
        with client.connection_lock:
            with gevent.Timeout(0.02, False):  # type: ignore[arg-type]
                client.recv(None)
            device.send(b"x")
            assert client.recv(TIMEOUT) == b"x"


def test_a_killed_acquire_leaves_nothing_diverted() -> None:
    with managed() as manager, welcomed(manager) as (heard, device):
        client = heard.clients[uuid()]
        acquiring = spawn("acquiring", client.connection_lock.acquire)
        gevent.sleep(0)
        assert not acquiring.ready()  # it waits for the central task, which will do as it was told
        acquiring.kill()
        device.send(b"x")
        assert heard.message() == b"x"
        with client.connection_lock:
            pass


def test_who_holds_the_lock_without_receiving_slows_that_device_only() -> None:
    limits = Limits(receive_bytes=1024, backlog_bytes=4096, linger_seconds=0.2)
    with (
        managed(dialect="framed", heartbeat_rate=0.2, heartbeat_timeout=0.4, limits=limits) as manager,
        welcomed(manager, 1, True) as (heard, device),
        heard.clients[uuid(1)].connection_lock,
    ):
        device.sock.setblocking(False)
        with pytest.raises(BlockingIOError):  # TCP holds it back: the manager does not read for ever.
            while True:
                device.sock.send(b"\x03\xe8" + b"x" * 1000)
        gevent.sleep(1.0)  # longer than a device may owe a beat: this one cannot say it
        assert [known["uuid"] for known in manager.get_client_data()] == [uuid(1)]


def test_get_data_again() -> None:
    with managed(dialect="raw") as manager, welcomed(manager) as (heard, device):
        client = heard.clients[uuid()]
        asking = in_thread(client.get_data)
        device.expect(b"\x01")
        device.send(b"before" + info(data='{"new": 1}', device_type="lock"))
        assert asking.get().data == {"new": 1}
        assert (client.type, client.uuid, client.data.data) == ("lock", uuid(), {"new": 1})
        assert manager.get_client_data() == [{"uuid": uuid(), "type": "lock", "data": {"new": 1}}]
        assert heard.message() == b"before"


@pytest.mark.parametrize("framed", [False, True])
def test_get_data_of_a_device_that_answers_something_else(framed: bool) -> None:
    with managed(dialect="framed" if framed else "raw") as manager, welcomed(manager, 0, framed) as (heard, device):
        client = heard.clients[uuid()]
        for answer, words in (
            (info(device_type="toaster"), "valid types"),
            (info(number=5), "says that it is"),
            (b"a##b", "not UUID"),
        ):
            asking = in_thread(client.get_data)
            assert device.receive() == b"\x01"
            device.send(answer)
            with pytest.raises(InvalidInfo, match=words):
                asking.get()
        asking = in_thread(client.get_data, 0.2)
        assert device.receive() == b"\x01"
        device.send(b"telemetry")
        with pytest.raises(InvalidInfo, match="telemetry"):
            asking.get()
        assert heard.message() == b"telemetry"
        assert client.data.type == "light"
        assert client.send(b"x") == 1


def test_get_data_of_a_device_that_does_not_answer() -> None:
    with managed(dialect="raw") as manager, welcomed(manager) as (heard, device):
        client = heard.clients[uuid()]
        with pytest.raises(ConnectionEnd):
            client.get_data(0.05)
        assert device.expect_end() == b"\x01end\n"
        with pytest.raises(ConnectionEnd):
            client.get_data()


def test_heartbeat() -> None:
    with managed() as manager, welcomed(manager) as (heard, device):
        client = heard.clients[uuid()]
        asking = in_thread(client.heartbeat)
        device.expect(b"\x02")
        device.send(b"beat")
        assert asking.get() is True
        asking = in_thread(client.heartbeat, 0.2)
        device.expect(b"\x02")
        device.send(b"alive")  # is data, and no answer
        with pytest.raises(ConnectionEnd):
            asking.get()
        assert device.expect_end() == b"end\n"
        assert heard.message() == b"alive"
        with pytest.raises(ConnectionEnd):
            client.heartbeat()


def test_end() -> None:
    with managed() as manager, welcomed(manager) as (heard, device):
        client = heard.clients[uuid()]
        client.send("last")
        client.end()
        client.end()
        assert device.expect_end() == b"lastend\n"
        assert heard.next() == ("disconnect", uuid())
        assert (Client.ConnectionEnd, Client.InvalidInfo) == (ConnectionEnd, InvalidInfo)
        with pytest.raises(ConnectionEnd):
            client.end(raise_exception=True)
        assert heard.nothing()
        assert manager.get_client_data() == []


def test_the_manager_is_closed_under_waiting_threads() -> None:
    with managed() as manager, welcomed(manager) as (heard, device):
        client = heard.clients[uuid()]
        receiving, asking = in_thread(client.recv, None), in_thread(manager.request, uuid(), {}, None)
        assert device.receive()
        manager.close()
        assert receiving.get() is None
        with pytest.raises(ConnectionEnd):
            asking.get()
        with client.connection_lock:
            assert client.recv() is None
        with pytest.raises(ConnectionEnd):
            client.heartbeat()


def test_a_client_over_a_socket_of_ones_own() -> None:
    ours, theirs = socket.socketpair()
    client = Client(connection=ours, address=("127.0.0.1", 1))
    assert client.connection is ours and client.address == ("127.0.0.1", 1) and client.return_data() is None
    theirs.sendall(info() + b"more")
    assert client.get_data().data == {"key_1": "data_1"}
    assert theirs.recv(9) == b"\x01"
    assert client.recv(1) == b"more"
    assert client.send_string("hello") == 5
    assert theirs.recv(9) == b"hello"
    theirs.sendall(b"databeat")
    assert client.heartbeat(1) is True
    assert theirs.recv(9) == b"\x02"
    assert client.recv_string() == "data"
    assert client.recv(0.01) is None
    theirs.sendall(b"x" * 200)
    with client.connection_lock:
        assert client.recv() == b"x" * 200
    with pytest.raises(ConnectionEnd):
        client.heartbeat(0.01)
    assert theirs.recv(99) == b"\x02end\n"
    client.end()
    assert client.send(b"x") is None
    theirs.close()


def test_a_stranger_over_a_socket_of_ones_own() -> None:
    ours, theirs = socket.socketpair()
    client = Client(ours, ("127.0.0.1", 1))
    theirs.sendall(b"a##b##{}")
    with pytest.raises(InvalidInfo):
        client.get_data(1)
    theirs.close()
    with pytest.raises(ConnectionEnd):
        client.get_data(1)
    assert ours.fileno() == -1


def test_commands_stand_apart_from_data_in_the_raw_dialect() -> None:
    """A device that compares a command with all that one `recv` brings must not find other things beside it."""
    with managed(heartbeat_rate=0.3) as manager, welcomed(manager) as (heard, device):
        ended = threading.Event()

        def chatter() -> None:
            while not ended.is_set():
                manager.send(uuid(), b"x")
                gevent.sleep(0.001)

        chatting = in_thread(chatter)
        hearts = 0
        while hearts < 2:
            data = device.receive()
            assert data == b"\x02" or b"\x02" not in data
            if data == b"\x02":
                hearts += 1
                device.send(b"beat")
        ended.set()
        chatting.get()
        assert isinstance(device, RawDevice)
        until(heard.nothing)
