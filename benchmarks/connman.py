"""CPU time per JSON message from a client to a game's queue, to the game's thread, and back: ConnMan beside what a user
would write instead, in one run.

    python -m benchmarks.connman [--connections 50] [--in-flight 16] [--messages 200000]

Each server runs in a process of its own. The load keeps the given number of messages in flight on each connection. What
counts is the server's CPU time per message (user and system), which a busy machine disturbs least. The last lines are
ratios.
"""

import argparse
import asyncio
import json
import multiprocessing
import os
import queue
import selectors
import socket
import threading
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

PACKET = b'{"game_id":1,"player_id":17,"move":"e2 e4","clock":[4711,4712]}'
LOGIN = b'{"user":"%d","pass":"pw"}'


class Player:
    def __init__(self, account_id: int) -> None:
        self.account_id = account_id
        self.name = str(account_id)
        self.rank = 0


def connman_with_any_users() -> Any:
    """A manager that lets everybody in, so that what is measured is messages."""
    from connman import ConnMan

    class Office:
        def __init__(self, central: Any) -> None:
            self.central, self.authenticator, self.pools = central, self, list[Any]()

        def authenticate(self, name: str, password: str, address: str, then: Callable[[Any], None]) -> None:
            self.central.post(then, Player(int(name)))

        def close(self) -> None:
            pass

    class OpenConnMan(ConnMan):
        def _open_office(self, switchboard: Any) -> Any:
            return Office(switchboard)

    return OpenConnMan("127.0.0.1", 0)


def serve_connman(pipe: Connection, connections: int) -> None:
    """In an ordinary program: the game is a thread beside ConnMan's."""
    manager = connman_with_any_users()
    manager.start()
    pipe.send(manager.port)
    players = [manager.get_match_message(blocking=True)[0] for _ in range(connections)]
    manager.start_game(1, players)
    pipe.send(True)
    while True:
        addr, packet = manager.get_game_message(1, blocking=True)
        manager.send_message(addr, packet)


def serve_connman_patched(pipe: Connection, connections: int) -> None:
    """In a monkey-patched program: the game is a task beside ConnMan's."""
    from gevent import monkey

    monkey.patch_all()
    serve_connman(pipe, connections)


def serve_threads(pipe: Connection, connections: int) -> None:
    """A thread for each client, which counts braces; strings count, so every byte is looked at."""
    messages: queue.Queue[tuple[socket.socket, Any]] = queue.Queue(10_000)

    def receive(sock: socket.socket) -> None:
        text, depth, start, in_string, escaped = "", 0, 0, False, False
        sock.sendall(b'{"subtype":"loginRequest"}')
        json.loads(sock.recv(1024))
        sock.sendall(b'{"subtype":"loginAccept"}')
        while data := sock.recv(65536):
            scanned = len(text)
            text += data.decode()
            for position in range(scanned, len(text)):
                char = text[position]
                if escaped:
                    escaped = False
                elif in_string:
                    escaped, in_string = char == "\\", char != '"'
                elif char == '"':
                    in_string = True
                elif char == "{":
                    depth += 1
                elif char == "}":
                    depth -= 1
                    if not depth:
                        messages.put((sock, json.loads(text[start : position + 1])))
                        start = position + 1
            text, start = text[start:], 0

    listener = socket.create_server(("127.0.0.1", 0), backlog=128)
    pipe.send(listener.getsockname()[1])
    for _ in range(connections):
        sock, _ = listener.accept()
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        threading.Thread(target=receive, args=(sock,), daemon=True).start()
    pipe.send(True)
    while True:
        sock, packet = messages.get()
        sock.sendall(json.dumps(packet).encode())


def serve_asyncio(pipe: Connection, connections: int) -> None:
    """Streams, `raw_decode` to find where an object ends, one queue, one consumer."""

    async def serve() -> None:
        messages: asyncio.Queue[tuple[asyncio.StreamWriter, Any]] = asyncio.Queue(10_000)
        connected = asyncio.Semaphore(0)

        async def receive(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b'{"subtype":"loginRequest"}')
            await reader.read(1024)
            writer.write(b'{"subtype":"loginAccept"}')
            connected.release()
            text, decoder = "", json.JSONDecoder()
            while data := await reader.read(65536):
                text += data.decode()
                position = 0
                while position < len(text):
                    try:
                        packet, position = decoder.raw_decode(text, position)
                    except json.JSONDecodeError:
                        break
                    await messages.put((writer, packet))
                text = text[position:]

        server = await asyncio.start_server(receive, "127.0.0.1", 0)
        pipe.send(server.sockets[0].getsockname()[1])
        for _ in range(connections):
            await connected.acquire()
        pipe.send(True)
        while True:
            writer, packet = await messages.get()
            if not writer.is_closing():
                writer.write(json.dumps(packet).encode())

    asyncio.run(serve())


SERVERS: dict[str, Callable[[Connection, int], None]] = {
    "connman, ordinary program": serve_connman,
    "connman, monkey-patched": serve_connman_patched,
    "a thread a client, braces": serve_threads,
    "asyncio streams, raw_decode": serve_asyncio,
}


def log_in(port: int, number: int) -> socket.socket:
    sock = socket.create_connection(("127.0.0.1", port))
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.recv(1000)
    sock.sendall(LOGIN % number)
    sock.recv(1000)
    return sock


def load(socks: list[socket.socket], in_flight: int, messages: int) -> float:
    """Send so many messages and receive as many; return the seconds it took."""
    selector = selectors.DefaultSelector()
    began = time.perf_counter()
    for sock in socks:
        sock.sendall(PACKET * in_flight)
        selector.register(sock, selectors.EVENT_READ)
    sent, answered = in_flight * len(socks), 0
    while answered < sent:
        for key, _ in selector.select(5):
            client: Any = key.fileobj
            data = client.recv(1 << 16)
            if not data:
                raise ConnectionError("the server closed a connection")
            whole = data.count(b"}")  # of a packet without another inside
            answered += whole
            more = min(whole, max(messages - sent, 0))
            if more:
                client.sendall(PACKET * more)
                sent += more
    selector.close()
    return time.perf_counter() - began


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def measure(name: str, arguments: argparse.Namespace) -> float:
    """Return microseconds of server CPU time per message."""
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(
        target=SERVERS[name], args=(theirs, arguments.connections), daemon=True
    )
    process.start()
    port = ours.recv()
    socks = [log_in(port, number) for number in range(1, arguments.connections + 1)]
    ours.recv()
    load(socks, arguments.in_flight, arguments.messages // 10)
    assert process.pid is not None
    before = cpu_seconds(process.pid)
    seconds = load(socks, arguments.in_flight, arguments.messages)
    used = cpu_seconds(process.pid) - before
    process.terminate()
    process.join()
    for sock in socks:
        sock.close()
    per_message: float = used / arguments.messages * 1e6
    print(f"{name:30} {per_message:6.2f} µs CPU a message, {arguments.messages / seconds:9,.0f} messages/s", flush=True)
    return per_message


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", 1)[0])
    parser.add_argument("--connections", type=int, default=50)
    parser.add_argument("--in-flight", type=int, default=16)
    parser.add_argument("--messages", type=int, default=200_000)
    arguments = parser.parse_args()
    results = {name: measure(name, arguments) for name in SERVERS}
    ours = next(iter(results.values()))
    for name, microseconds in results.items():
        print(f"{name:30} {microseconds / ours:5.2f} x connman in an ordinary program")


if __name__ == "__main__":
    main()
