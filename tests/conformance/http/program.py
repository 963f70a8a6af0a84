"""A small HTTP program in a process of its own.

    python -m tests.conformance.http.program LIMITS

LIMITS are JSON. The first line on stdout is the port. It ends in order on SIGTERM.
"""

import logging
import sys
from collections.abc import Sequence
from typing import ClassVar

import msgspec

from connhandler import CentralTask, Limits, Service
from connhandler.http import HttpConnectionHandler, HttpPeer, HttpRequest, HttpResponse


class VisitorPeer(HttpPeer):
    pass


class VisitorHandler(HttpConnectionHandler):
    peer_class = VisitorPeer
    methods: ClassVar[Sequence[str]] = ("GET", "HEAD", "POST", "PUT")
    max_body_bytes = 500_000


class Program(CentralTask):
    def __init__(self, limits: Limits) -> None:
        super().__init__("program", limits=limits)
        self.dispatch = {(VisitorPeer, HttpRequest): self.requested}
        self.visitors = VisitorHandler("visitors", "127.0.0.1", 0, self.queue, limits=limits)

    def requested(self, peer: VisitorPeer, request: HttpRequest) -> None:
        if request.path == "/counts":
            counts = {"open": self.visitors.connections, **self.visitors.counters}
            peer.send(HttpResponse.json(counts))
        elif request.path == "/body":
            peer.send(HttpResponse(200, request.body, request.headers.get("content-type", "text/plain")))
        elif request.path == "/request":
            shown = {"method": request.method, "query": request.query, "headers": request.headers}
            peer.send(HttpResponse.json(shown))
        elif request.path == "/large":
            peer.send(HttpResponse(body=b"x" * 500_000))
        elif request.path.startswith("/page"):
            peer.send(HttpResponse.text(request.path))
        else:
            peer.send(HttpResponse.error(404, "there is no such page"))


def main() -> int:
    logging.basicConfig(level=logging.WARNING)
    program = Program(msgspec.json.decode(sys.argv[1], type=Limits))
    program.visitors.listen()
    print(program.visitors.port, flush=True)
    return Service(program, [program.visitors]).run()


if __name__ == "__main__":
    sys.exit(main())
