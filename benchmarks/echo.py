"""CPU time per echoed message: this framework beside asyncio streams, in one run.

    python -m benchmarks.echo [--connections 50] [--in-flight 32] [--bytes 64] [--messages 400000]

Each server runs in a process of its own. One load process keeps the given number of messages in flight on each
connection. What counts is the server's CPU time per message (user and system): a busy machine disturbs it
least. The last lines are ratios.
"""

import argparse
import asyncio
import multiprocessing
import os
import selectors
import socket
import struct
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

LENGTH = struct.Struct("<H")


def serve_connhandler(pipe: Connection) -> None:
    """Through reader, queue, central task and `peer.send`."""
    from gevent import monkey

    monkey.patch_all()
    from connhandler import (
        CentralTask,
        IncomingConnectionHandler,
        Peer,
        TcpMessageConnectionReader,
        TcpMessageConnectionWriter,
    )

    class Data:
        __slots__ = ("data", "peer")

        def __init__(self, data: bytes) -> None:
            self.data = data

    class Reader(TcpMessageConnectionReader):
        def decode(self, data: bytes) -> Data:
            return Data(data)

    class Writer(TcpMessageConnectionWriter):
        def encode(self, message: Data) -> bytes:
            return message.data

    class ClientPeer(Peer):
        pass

    class Handler(IncomingConnectionHandler):
        def create_connection_instances(self, sock: Any, address: Any) -> tuple[Reader, Writer, ClientPeer]:
            return Reader(sock), Writer(sock), ClientPeer()

    class Echo(CentralTask):
        def __init__(self) -> None:
            super().__init__("echo")
            self.dispatch = {(ClientPeer, Data): self.echo}

        def echo(self, peer: ClientPeer, message: Data) -> None:
            peer.send(message)

    central = Echo()
    handler = Handler("clients", "127.0.0.1", 0, central.queue)
    handler.start()
    pipe.send(handler.port)
    central.run()


def serve_asyncio_streams(pipe: Connection) -> None:
    """The same shape on asyncio: a reader task for each connection, one queue, one consumer."""

    async def serve() -> None:
        queue: asyncio.Queue[tuple[asyncio.StreamWriter, bytes]] = asyncio.Queue(10_000)

        async def read(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                while True:
                    (size,) = LENGTH.unpack(await reader.readexactly(2))
                    await queue.put((writer, await reader.readexactly(size)))
            except (asyncio.IncompleteReadError, ConnectionError):
                writer.close()

        server = await asyncio.start_server(read, "127.0.0.1", 0)
        pipe.send(server.sockets[0].getsockname()[1])
        while True:
            writer, data = await queue.get()
            if not writer.is_closing():
                writer.write(LENGTH.pack(len(data)) + data)

    asyncio.run(serve())


def serve_asyncio_protocol(pipe: Connection) -> None:
    """A bare asyncio Protocol: no queue, no central task, no bounds."""

    class Echo(asyncio.Protocol):
        def connection_made(self, transport: Any) -> None:
            self.transport = transport
            self.rest = b""

        def data_received(self, data: bytes) -> None:
            data = self.rest + data
            position = 0
            while len(data) - position >= 2:
                (size,) = LENGTH.unpack_from(data, position)
                if self.transport.is_closing() or len(data) - position - 2 < size:
                    break
                self.transport.write(data[position : position + 2 + size])
                position += 2 + size
            self.rest = data[position:]

    async def serve() -> None:
        server = await asyncio.get_running_loop().create_server(Echo, "127.0.0.1", 0)
        pipe.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    asyncio.run(serve())


SERVERS: dict[str, Callable[[Connection], None]] = {
    "connhandler": serve_connhandler,
    "asyncio streams and a queue": serve_asyncio_streams,
    "asyncio bare protocol": serve_asyncio_protocol,
}


def load(port: int, connections: int, in_flight: int, size: int, messages: int) -> float:
    """Echo so many messages; return the seconds it took."""
    frame = LENGTH.pack(size) + b"x" * size
    selector = selectors.DefaultSelector()
    sent = 0
    for _ in range(connections):
        sock = socket.create_connection(("127.0.0.1", port))
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.sendall(frame * in_flight)
        sent += in_flight
        selector.register(sock, selectors.EVENT_READ, [0])
    began = time.perf_counter()
    answered = 0
    while answered < messages:
        for key, _ in selector.select(5):
            data = key.fileobj.recv(1 << 16)  # type: ignore[union-attr]
            if not data:
                raise ConnectionError("the server closed a connection")
            key.data[0] += len(data)
            whole, key.data[0] = divmod(key.data[0], len(frame))
            answered += whole
            if whole:
                key.fileobj.sendall(frame * whole)  # type: ignore[union-attr]
    for key in list(selector.get_map().values()):
        key.fileobj.close()  # type: ignore[union-attr]
    return time.perf_counter() - began


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def measure(name: str, arguments: argparse.Namespace) -> float:
    """Return microseconds of server CPU time per message."""
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=SERVERS[name], args=(theirs,), daemon=True)
    process.start()
    port = ours.recv()
    load(port, arguments.connections, arguments.in_flight, arguments.bytes, arguments.messages // 10)
    assert process.pid is not None
    before = cpu_seconds(process.pid)
    seconds = load(port, arguments.connections, arguments.in_flight, arguments.bytes, arguments.messages)
    used = cpu_seconds(process.pid) - before
    process.terminate()
    process.join()
    per_message: float = used / arguments.messages * 1e6
    print(f"{name:30} {per_message:6.2f} µs CPU a message, {arguments.messages / seconds:9,.0f} messages/s")
    return per_message


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--connections", type=int, default=50)
    parser.add_argument("--in-flight", type=int, default=32)
    parser.add_argument("--bytes", type=int, default=64)
    parser.add_argument("--messages", type=int, default=400_000)
    arguments = parser.parse_args()
    results = {name: measure(name, arguments) for name in SERVERS}
    for name, microseconds in results.items():
        print(f"{name:30} {microseconds / results['connhandler']:5.2f} x connhandler")


if __name__ == "__main__":
    main()
