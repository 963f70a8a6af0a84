"""An ordinary program, which never heard of gevent: its handlers and all that talks to devices are threads.

    python -m tests.iot_manager.ordinarymanager SCENARIO

Prints what happened, a line for each thing; `test_manager_in_ordinary_program.py` says what it should be.
"""

import json
import logging
import queue
import socket
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

from iot_manager import Client, ConnectionEnd, Limits, Manager

logging.basicConfig(stream=sys.stdout, format="%(levelname)s %(message)s")
logging.getLogger().handlers[0].setLevel(logging.ERROR)


def uuid(number: int) -> str:
    return f"1862cfe1-5dab-4d8e-a946-{number:012d}"


class Device:
    """A socket that has said who it is."""

    def __init__(self, port: int, number: int = 0) -> None:
        self.sock = socket.create_connection(("127.0.0.1", port), timeout=20)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        assert self.receive() == b"\x01"
        self.send(f'{uuid(number)}##light##{{"n": {number}}}'.encode())

    def receive(self) -> bytes:
        return self.sock.recv(65536)

    def send(self, data: bytes) -> None:
        self.sock.sendall(data)


def everything() -> None:
    """Events, sending, receiving under the lock, requests, heartbeats and the end, once each."""
    events: queue.Queue[tuple[object, ...]] = queue.Queue()
    limits = Limits(linger_seconds=0.2)
    with Manager(["light"], connection_port=0, heartbeat_rate=0.3, limits=limits) as manager:

        @manager.event
        def on_connect(client: Client) -> None:
            events.put(("connect", client.data.data, threading.current_thread() is threading.main_thread()))

        @manager.event
        def on_message_light(client: Client, message: bytearray) -> None:
            with client.connection_lock:
                client.send(b"who?")
                events.put((bytes(message), client.recv_string(10)))

        device = Device(manager.port)
        print(*events.get(timeout=10))
        device.send(b"knock")
        print(device.receive())
        device.send(b"me")
        print(*events.get(timeout=10))
        with ThreadPoolExecutor() as threads:
            answer = threads.submit(manager.request, uuid(0), {"a": 1})
            request = json.loads(device.receive())
            device.send(json.dumps({"reply": request["request"], "payload": request["payload"]}).encode())
            print(answer.result())
        for _ in range(2):
            print(device.receive())
            device.send(b"beat")
        print(manager.send_all("bye"), manager.send(uuid(7), b"x"))
        print(device.receive())
        print("gevent patched", bool(__import__("gevent.monkey").monkey.saved))
    print(device.receive())
    print([known["connected"] for known in manager.get_devices()], manager.close())
    device.sock.close()


def pairs() -> None:
    """Many threads ask one device under the lock, which talks on its own too: nothing is lost, doubled or swapped."""
    messages: queue.Queue[bytes] = queue.Queue()
    threads, questions = 8, 20
    with Manager(["light"], connection_port=0, dialect="framed") as manager:

        @manager.event
        def on_message(client: Client, message: bytearray) -> None:
            messages.put(bytes(message))

        clients: queue.Queue[Client] = queue.Queue()
        manager.add_handler("on_connect", clients.put)
        sock = socket.create_connection(("127.0.0.1", manager.port), timeout=20)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        stream = sock.makefile("rb")

        def receive() -> bytes:
            return stream.read(int.from_bytes(stream.read(2)))

        def send(data: bytes) -> None:
            sock.sendall(len(data).to_bytes(2) + data)

        assert receive() == b"\x01"
        send(f"{uuid(0)}##light##{{}}".encode())
        client = clients.get(timeout=10)

        def live() -> None:
            for number in range(threads * questions):
                send(b"answer to " + receive())
                send(b"telemetry %d" % number)

        passed: list[bytes] = []

        def ask(thread: int) -> int:
            right = 0
            for number in range(questions):
                question = b"%d.%d" % (thread, number)
                with client.connection_lock:
                    client.send(question)
                    while (answer := client.recv(10)) is not None and answer.startswith(b"telemetry"):
                        passed.append(answer)
                right += answer == b"answer to " + question
            return right

        device = threading.Thread(target=live)
        device.start()
        with ThreadPoolExecutor(threads) as pool:
            print(sum(pool.map(ask, range(threads))) == threads * questions)
        device.join()
        told = [messages.get(timeout=10) for _ in range(threads * questions - len(passed))]
        print(
            messages.empty(), sorted(told + passed) == sorted(b"telemetry %d" % n for n in range(threads * questions))
        )
        numbers = [int(message.split()[1]) for message in told]
        print(numbers == sorted(numbers))
        stream.close()
        sock.close()


def slow() -> None:
    """Handlers that really block their thread delay nobody else; one that hangs does not keep `close`."""
    handled: queue.Queue[str] = queue.Queue()
    limits = Limits(close_seconds=0.5, linger_seconds=0.2)
    manager = Manager(["light"], connection_port=0, max_workers=3, limits=limits)

    @manager.event
    def on_message(client: Client, message: bytearray) -> None:
        if client.data.data["n"] < 2:
            time.sleep(1000)
        handled.put(client.uuid or "")

    devices = [Device(manager.port, number) for number in range(5)]
    while len(manager.get_client_data()) < 5:
        time.sleep(0.01)
    for device in devices:
        device.send(b"x")
    print(sorted(handled.get(timeout=10)[-1] for _ in range(3)))
    began = time.monotonic()
    print(manager.close(), time.monotonic() - began < 4)
    for device in devices:
        device.sock.close()


def forgotten() -> None:
    """The program ends without `close`."""
    manager = Manager(["light"], connection_port=0)
    device = Device(manager.port)
    while not manager.get_client_data():
        time.sleep(0.01)
    try:
        Manager(["light"], connection_port=manager.port)
    except OSError as error:
        print("OSError", error.errno)
    waiting: queue.Queue[object] = queue.Queue()

    def wait() -> None:
        try:
            manager.request(uuid(0), {}, None)
        except ConnectionEnd as error:
            waiting.put(error)

    threading.Thread(target=wait, daemon=True).start()
    print(device.receive()[:11])
    print("ends")


if __name__ == "__main__":
    {"everything": everything, "pairs": pairs, "slow": slow, "forgotten": forgotten}[sys.argv[1]]()
