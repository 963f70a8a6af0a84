"""CPU time per HTTP request: this framework beside gevent's own server and aiohttp, in one run.

    python -m benchmarks.http [--connections 50] [--bytes 32] [--seconds 3] [--rate 0]

Each server runs in a process of its own and answers each POST with its body. One load process keeps one request in
flight on each connection; with `--rate` it sends so many a second, spread over the connections, so that a server
wakes up for hardly more than one request at a time. What counts is the server's CPU time per request (user and
system): a busy machine disturbs it least. The last lines are ratios.
"""

import argparse
import logging
import multiprocessing
import selectors
import socket
import time
from collections import deque
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

from benchmarks.echo import cpu_seconds

HEAD = (
    "POST /request HTTP/1.1\r\nHost: 127.0.0.1:8080\r\nUser-Agent: benchmark\r\nAccept: */*\r\n"
    "Content-Type: text/plain\r\nContent-Length: {}\r\n\r\n"
)


def serve_connhandler(pipe: Connection) -> None:
    """Through reader, queue, central task and `peer.send`."""
    from gevent import monkey

    monkey.patch_all()
    from connhandler import CentralTask, Limits
    from connhandler.http import HttpConnectionHandler, HttpPeer, HttpRequest, HttpResponse

    class ClientPeer(HttpPeer):
        pass

    class Handler(HttpConnectionHandler):
        peer_class = ClientPeer
        methods = ("POST",)

    class Echo(CentralTask):
        def __init__(self) -> None:
            super().__init__("echo")
            self.dispatch = {(ClientPeer, HttpRequest): self.echo}

        def echo(self, peer: ClientPeer, request: HttpRequest) -> None:
            peer.send(HttpResponse(200, request.body))

    central = Echo()
    limits = Limits(max_connections_per_address=10_000)
    handler = Handler("clients", "127.0.0.1", 0, central.queue, limits=limits)
    handler.start()
    pipe.send(handler.port)
    central.run()


def serve_pywsgi(pipe: Connection) -> None:
    """gevent.pywsgi: a task for each connection, no queue, no central task."""
    from gevent import monkey

    monkey.patch_all()
    from gevent.pywsgi import WSGIServer

    def echo(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
        body: bytes = environ["wsgi.input"].read()
        start_response("200 OK", [("Content-Type", "text/plain; charset=utf-8"), ("Content-Length", str(len(body)))])
        return [body]

    server = WSGIServer(("127.0.0.1", 0), echo, log=None, backlog=4096)
    server.start()
    pipe.send(server.server_port)
    server.serve_forever()


def serve_aiohttp(pipe: Connection) -> None:
    """aiohttp.web, its parser in C: a task for each connection, no queue, no central task."""
    from aiohttp import web

    async def echo(request: web.Request) -> web.Response:
        return web.Response(body=await request.read(), content_type="text/plain", charset="utf-8")

    application = web.Application()
    application.router.add_post("/request", echo)
    listener = socket.create_server(("127.0.0.1", 0), backlog=4096)
    pipe.send(listener.getsockname()[1])
    logging.disable()
    web.run_app(application, sock=listener, print=None, access_log=None)


SERVERS: dict[str, Callable[[Connection], None]] = {
    "connhandler": serve_connhandler,
    "gevent.pywsgi": serve_pywsgi,
    "aiohttp.web": serve_aiohttp,
}


class Load:
    """The clients of one server.

    Args:
        port: of the server.
        connections: how many.
        size: of each body, in bytes.
    """

    def __init__(self, port: int, connections: int, size: int) -> None:
        self.answered = 0
        self._wire = HEAD.format(size).encode() + b"x" * size
        self._selector = selectors.DefaultSelector()
        self._idle: deque[socket.socket] = deque()
        for _ in range(connections):
            sock = socket.create_connection(("127.0.0.1", port))
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._selector.register(sock, selectors.EVENT_READ, [b""])
            self._idle.append(sock)

    def run(self, seconds: float, rate: float) -> None:
        """Request for so long; return when all is answered."""
        began = time.perf_counter()
        sent = 0
        while True:
            passed = time.perf_counter() - began
            due = len(self._idle) if not rate else min(len(self._idle), int(rate * passed) - sent)
            if passed > seconds:
                if len(self._idle) == len(self._selector.get_map()):
                    return
                due = 0
            for _ in range(due):
                self._idle.popleft().sendall(self._wire)
            sent += due
            self._receive(0.0005 if rate else 5)

    def _receive(self, seconds: float) -> None:
        for key, _ in self._selector.select(seconds):
            sock: Any = key.fileobj
            data = sock.recv(1 << 16)
            if not data:
                raise ConnectionError("the server closed a connection")
            # The body has no line end, and its answer is the only thing that ends with it.
            key.data[0] += data
            head, blank, body = key.data[0].partition(b"\r\n\r\n")
            if blank and len(body) == len(self._wire.partition(b"\r\n\r\n")[2]):
                if not head.startswith(b"HTTP/1.1 200"):
                    raise ValueError(head.decode())
                key.data[0] = b""
                self.answered += 1
                self._idle.append(sock)

    def close(self) -> None:
        for key in list(self._selector.get_map().values()):
            key.fileobj.close()  # type: ignore[union-attr]
        self._selector.close()


def measure(name: str, arguments: argparse.Namespace) -> float:
    """Return microseconds of server CPU time per request."""
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=SERVERS[name], args=(theirs,), daemon=True)
    process.start()
    load = Load(ours.recv(), arguments.connections, arguments.bytes)
    load.run(arguments.seconds / 10, arguments.rate)
    assert process.pid is not None
    load.answered = 0
    before, began = cpu_seconds(process.pid), time.perf_counter()
    load.run(arguments.seconds, arguments.rate)
    used, passed = cpu_seconds(process.pid) - before, time.perf_counter() - began
    load.close()
    process.terminate()
    process.join()
    per_request: float = used / load.answered * 1e6
    print(f"{name:15} {per_request:6.1f} µs CPU a request, {load.answered / passed:7,.0f} requests/s")
    return per_request


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--connections", type=int, default=50)
    parser.add_argument("--bytes", type=int, default=32)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--rate", type=float, default=0.0, help="requests a second over all connections; 0: no pause")
    parser.add_argument("servers", nargs="*", default=list(SERVERS), help=f"of {', '.join(SERVERS)}")
    arguments = parser.parse_args()
    results = {name: measure(name, arguments) for name in arguments.servers}
    for name, microseconds in results.items():
        print(f"{name:15} {microseconds / next(iter(results.values())):5.2f} x {next(iter(results))}")


if __name__ == "__main__":
    main()
