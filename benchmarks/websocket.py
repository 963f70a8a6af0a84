"""CPU time per echoed WebSocket message: this framework beside the servers of `websockets` and `aiohttp`, in one run.

    python -m benchmarks.websocket [--connections 50] [--in-flight 32] [--bytes 64] [--messages 100000]

Each server runs in a process of its own, on one core. One load process keeps the given number of text messages in
flight on each connection. What counts is the server's CPU time per message (user and system): a busy machine disturbs
it least. The last lines are ratios. Nothing is compressed anywhere.
"""

import argparse
import asyncio
import logging
import multiprocessing
import os
import selectors
import socket
import struct
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

from benchmarks.echo import cpu_seconds

HANDSHAKE = (
    b"GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
MASK = b"\x37\xfa\x21\x3d"


def serve_connhandler(pipe: Connection) -> None:
    """Through reader, queue, central task and `peer.send`."""
    from gevent import monkey

    monkey.patch_all()
    from connhandler import CentralTask
    from connhandler.websocket import WebSocketConnectionHandler, WebSocketMessage, WebSocketPeer

    class ClientPeer(WebSocketPeer):
        pass

    class Handler(WebSocketConnectionHandler):
        peer_class = ClientPeer

    class Echo(CentralTask):
        def __init__(self) -> None:
            super().__init__("echo")
            self.dispatch = {(ClientPeer, WebSocketMessage): self.echo}

        def echo(self, peer: ClientPeer, message: WebSocketMessage) -> None:
            peer.send(message)

    central = Echo()
    handler = Handler("clients", "127.0.0.1", 0, central.queue)
    handler.start()
    pipe.send(handler.port)
    central.run()


def serve_websockets_asyncio(pipe: Connection) -> None:
    """Its asyncio server: a task for each connection, which answers by itself."""
    from websockets.asyncio.server import ServerConnection, serve

    async def echo(connection: ServerConnection) -> None:
        async for message in connection:
            await connection.send(message)

    async def run() -> None:
        async with serve(echo, "127.0.0.1", 0, compression=None) as server:
            pipe.send(next(iter(server.sockets)).getsockname()[1])
            await server.serve_forever()

    logging.disable()
    asyncio.run(run())


def serve_websockets_queue(pipe: Connection) -> None:
    """The same server in the shape of this framework: one queue, one consumer, which never waits for a connection."""
    from websockets.asyncio.server import ServerConnection, broadcast, serve

    async def run() -> None:
        queue: asyncio.Queue[tuple[ServerConnection, Any]] = asyncio.Queue(10_000)

        async def read(connection: ServerConnection) -> None:
            async for message in connection:
                await queue.put((connection, message))

        async with serve(read, "127.0.0.1", 0, compression=None) as server:
            pipe.send(next(iter(server.sockets)).getsockname()[1])
            while True:
                connection, message = await queue.get()
                broadcast([connection], message)

    logging.disable()
    asyncio.run(run())


def serve_websockets_sync(pipe: Connection) -> None:
    """Its synchronous server: two threads for each connection."""
    from websockets.sync.server import ServerConnection, serve

    def echo(connection: ServerConnection) -> None:
        for message in connection:
            connection.send(message)

    logging.disable()
    with serve(echo, "127.0.0.1", 0, compression=None) as server:
        pipe.send(server.socket.getsockname()[1])
        server.serve_forever()


def serve_aiohttp(pipe: Connection) -> None:
    """Another project's asyncio server, whose parser is compiled."""
    from aiohttp import web

    async def echo(request: web.Request) -> web.WebSocketResponse:
        connection = web.WebSocketResponse(compress=False)
        await connection.prepare(request)
        async for message in connection:
            await connection.send_str(message.data)
        return connection

    async def run() -> None:
        application = web.Application()
        application.add_routes([web.get("/", echo)])
        runner = web.AppRunner(application, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        pipe.send(runner.addresses[0][1])
        await asyncio.Event().wait()

    logging.disable()
    asyncio.run(run())


SERVERS: dict[str, Callable[[Connection], None]] = {
    "connhandler": serve_connhandler,
    "websockets asyncio": serve_websockets_asyncio,
    "websockets asyncio and a queue": serve_websockets_queue,
    "websockets sync": serve_websockets_sync,
    "aiohttp": serve_aiohttp,
}


def client_frame(size: int) -> bytes:
    """A masked text message of so many bytes."""
    head = struct.pack("!BB", 0x81, 0x80 | size) if size < 126 else struct.pack("!BBH", 0x81, 0xFE, size)
    return head + MASK + bytes(120 ^ MASK[position % 4] for position in range(size))


def load(port: int, connections: int, in_flight: int, size: int, messages: int) -> float:
    """Echo so many messages; return the seconds it took."""
    frame, answer_size = client_frame(size), size + (2 if size < 126 else 4)
    selector = selectors.DefaultSelector()
    for _ in range(connections):
        sock = socket.create_connection(("127.0.0.1", port))
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.sendall(HANDSHAKE)
        answer = b""
        while not answer.endswith(b"\r\n\r\n"):
            answer += sock.recv(1)
        sock.sendall(frame * in_flight)
        selector.register(sock, selectors.EVENT_READ, [0])
    began = time.perf_counter()
    answered = 0
    while answered < messages:
        for key, _ in selector.select(5):
            data = key.fileobj.recv(1 << 16)  # type: ignore[union-attr]
            if not data:
                raise ConnectionError("the server closed a connection")
            key.data[0] += len(data)
            whole, key.data[0] = divmod(key.data[0], answer_size)
            answered += whole
            if whole:
                key.fileobj.sendall(frame * whole)  # type: ignore[union-attr]
    for key in list(selector.get_map().values()):
        key.fileobj.close()  # type: ignore[union-attr]
    return time.perf_counter() - began


def measure(name: str, arguments: argparse.Namespace) -> float:
    """Return microseconds of server CPU time per message."""
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=SERVERS[name], args=(theirs,), daemon=True)
    process.start()
    assert process.pid is not None
    os.sched_setaffinity(process.pid, {min(os.sched_getaffinity(0))})
    port = ours.recv()
    load(port, arguments.connections, arguments.in_flight, arguments.bytes, arguments.messages // 10)
    before = cpu_seconds(process.pid)
    seconds = load(port, arguments.connections, arguments.in_flight, arguments.bytes, arguments.messages)
    used = cpu_seconds(process.pid) - before
    process.terminate()
    process.join()
    per_message: float = used / arguments.messages * 1e6
    print(f"{name:30} {per_message:6.2f} µs CPU a message, {arguments.messages / seconds:9,.0f} messages/s", flush=True)
    return per_message


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--connections", type=int, default=50)
    parser.add_argument("--in-flight", type=int, default=32)
    parser.add_argument("--bytes", type=int, default=64)
    parser.add_argument("--messages", type=int, default=100_000)
    arguments = parser.parse_args()
    if not 0 <= arguments.bytes < 65536:
        parser.error("--bytes must be 0 to 65535")
    results = {name: measure(name, arguments) for name in SERVERS}
    for name, microseconds in results.items():
        print(f"{name:30} {microseconds / results['connhandler']:5.2f} x connhandler")


if __name__ == "__main__":
    main()
