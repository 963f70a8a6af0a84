"""A WebSocket server in one file: every message comes back to whoever sent it.

    python -m examples.websocket_echo --port 9998 --token secret

In a browser's console:

    s = new WebSocket("ws://127.0.0.1:9998/?token=secret"); s.onmessage = e => console.log(e.data)
    s.send("hello")
"""

import argparse
import logging
import sys

from connhandler import CentralTask, IncomingQueue, PeerConnected, PeerDisconnected, Service
from connhandler.websocket import (
    HttpError,
    HttpRequest,
    WebSocketConnectionHandler,
    WebSocketMessage,
    WebSocketPeer,
)


class PagePeer(WebSocketPeer):
    pass


class PageHandler(WebSocketConnectionHandler):
    peer_class = PagePeer

    def __init__(self, port: int, token: str, queue: IncomingQueue) -> None:
        super().__init__("pages", "127.0.0.1", port, queue)
        self.token = token

    def check_request(self, peer: PagePeer, request: HttpRequest) -> None:
        if self.token and request.query.get("token") != self.token:
            raise HttpError(401, "no valid token")


class EchoServer(CentralTask):
    """The central task: owns the state, which here is a count."""

    def __init__(self) -> None:
        super().__init__("echo_server")
        self.echoed = 0
        self.dispatch = {
            (PagePeer, PeerConnected): self.page_connected,
            (PagePeer, WebSocketMessage): self.echo,
            (PagePeer, PeerDisconnected): self.page_disconnected,
        }

    def page_connected(self, peer: PagePeer, message: PeerConnected) -> None:
        logging.info("%s: hello, %s", peer.name, peer.request.headers.get("user-agent", "whoever you are"))

    def echo(self, peer: PagePeer, message: WebSocketMessage) -> None:
        self.echoed += 1
        if message.data == "bye":
            peer.disconnect("you said bye", code=4000)
        else:
            peer.send(message)

    def page_disconnected(self, peer: PagePeer, message: PeerDisconnected) -> None:
        logging.info("%s: %s, close code %s", peer.name, message.reason, message.code)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--port", type=int, default=9998, help="port to listen on (default: %(default)s)")
    parser.add_argument("--token", default="", help="let in only who has it in the URL's query (default: everybody)")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO)
    server = EchoServer()
    return Service(server, [PageHandler(arguments.port, arguments.token, server.queue)]).run()


if __name__ == "__main__":
    sys.exit(main())
