"""A new connection type in one file: every message comes back to whoever sent it.

    python -m examples.echo --port 9999

It subclasses exactly what seed document 001 asks for: a reader, a writer, a peer and a handler.
"""

import argparse
import logging
import sys
from typing import Any

from connhandler import (
    CentralTask,
    IncomingConnectionHandler,
    Peer,
    PeerConnected,
    PeerDisconnected,
    Service,
    TcpMessageConnectionReader,
    TcpMessageConnectionWriter,
)


class Text:
    """One message: what a client said."""

    def __init__(self, text: str) -> None:
        self.text = text


class ClientReader(TcpMessageConnectionReader):
    def decode(self, data: bytes) -> Text:
        return Text(data.decode())


class ClientWriter(TcpMessageConnectionWriter):
    def encode(self, message: Text) -> bytes:
        return message.text.encode()


class ClientPeer(Peer):
    pass


class ClientHandler(IncomingConnectionHandler):
    def create_connection_instances(self, sock: Any, address: Any) -> tuple[ClientReader, ClientWriter, ClientPeer]:
        return ClientReader(sock), ClientWriter(sock), ClientPeer()


class EchoServer(CentralTask):
    """The central task: owns the state, which here is a count."""

    def __init__(self) -> None:
        super().__init__("echo_server")
        self.echoed = 0
        self.dispatch = {
            (ClientPeer, PeerConnected): self.client_connected,
            (ClientPeer, Text): self.echo,
            (ClientPeer, PeerDisconnected): self.client_disconnected,
        }

    def client_connected(self, peer: ClientPeer, message: PeerConnected) -> None:
        logging.info("%s: hello, %s", peer.name, peer.address)

    def echo(self, peer: ClientPeer, message: Text) -> None:
        self.echoed += 1
        peer.send(message)

    def client_disconnected(self, peer: ClientPeer, message: PeerDisconnected) -> None:
        logging.info("%s: %s", peer.name, message.reason)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--port", type=int, default=9999, help="port to listen on (default: %(default)s)")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO)
    server = EchoServer()
    return Service(server, [ClientHandler("clients", "127.0.0.1", arguments.port, server.queue)]).run()


if __name__ == "__main__":
    sys.exit(main())
