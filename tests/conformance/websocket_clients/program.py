"""A small program that speaks WebSocket, on the port of a page, in a process of its own.

    python -m tests.conformance.websocket_clients.program SETTINGS

SETTINGS are JSON. The first line on stdout is the port. It ends in order on SIGTERM. At `/socket` every message comes
back, but for these texts: `count N` is answered with N messages, `size N` with a message of so many bytes, `close CODE
REASON` closes, `silence` ends all answers. `/socket?refuse=401` is refused with that status.
"""

import logging
import ssl
import sys

import gevent.ssl
import msgspec

from connhandler import CentralTask, Limits, Service
from connhandler.http import HttpConnectionHandler, HttpPeer, HttpRequest, HttpResponse
from connhandler.websocket import HttpError, WebSocketConnectionHandler, WebSocketMessage, WebSocketPeer

PAGE = b"<!doctype html><title>sockets</title><p>Scripts are put in by the test."


class Settings(msgspec.Struct):
    compression: bool = False
    certificate: str = ""


class PagePeer(HttpPeer):
    pass


class PageHandler(HttpConnectionHandler):
    peer_class = PagePeer


class SocketPeer(WebSocketPeer):
    silent = False


class SocketHandler(WebSocketConnectionHandler):
    peer_class = SocketPeer
    subprotocols = ("echo.v2", "echo.v1")

    def check_request(self, peer: SocketPeer, request: HttpRequest) -> None:
        if "refuse" in request.query:
            raise HttpError(int(request.query["refuse"]), "as asked")


class Program(CentralTask):
    def __init__(self, settings: Settings) -> None:
        super().__init__("program")
        self.dispatch = {(PagePeer, HttpRequest): self.requested, (SocketPeer, WebSocketMessage): self.said}
        context = None
        if settings.certificate:
            context = gevent.ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(settings.certificate)
        limits = Limits(heartbeat_seconds=0.5)
        sockets = SocketHandler("sockets", "127.0.0.1", 0, self.queue, limits=limits, origins=["same"])
        sockets.compression = settings.compression
        upgrades = {"/socket": sockets}
        self.pages = PageHandler("pages", "127.0.0.1", 0, self.queue, ssl_context=context, upgrades=upgrades)

    def requested(self, peer: PagePeer, request: HttpRequest) -> None:
        peer.send(HttpResponse(body=PAGE, content_type="text/html; charset=utf-8"))

    def said(self, peer: SocketPeer, message: WebSocketMessage) -> None:
        command, _, rest = message.data.partition(" ") if isinstance(message.data, str) else ("", "", "")
        if command == "count":
            for number in range(int(rest)):
                peer.send(str(number))
        elif command == "size":
            peer.send(b"x" * int(rest))
        elif command == "close":
            code, _, reason = rest.partition(" ")
            peer.disconnect(reason, code=int(code))
        elif command == "silence":
            peer.silent = True
        elif not peer.silent:
            peer.send(message)


def main() -> int:
    logging.basicConfig(level=logging.WARNING)
    program = Program(msgspec.json.decode(sys.argv[1], type=Settings))
    program.pages.listen()
    print(program.pages.port, flush=True)
    return Service(program, [program.pages]).run()


if __name__ == "__main__":
    sys.exit(main())
