"""A small server for the tests that send signals to a whole program.

    python signalled_server.py SETTINGS

SETTINGS are JSON. The first line on stdout is the port, each further one what `Settings` says.
"""

import logging
import sys
import time
from typing import Any

import msgspec

from connhandler import (
    CentralTask,
    IncomingConnectionHandler,
    Limits,
    Message,
    Peer,
    PeerConnected,
    PeerDisconnected,
    Service,
    WorkerPool,
)
from connhandler.handler import Instances
from connhandler.jsonmessage import JsonMessageReader, JsonMessageWriter, Pong, ShuttingDown


class Settings(msgspec.Struct):
    limits: Limits = Limits()
    note_seconds: float = 0.0
    """How long the central task is busy with each `Note`."""
    report_queued: int = 0
    """Print `queued` once so many messages are in the queue, if it is not 0."""


class Ask(Message):
    number: int
    size: int = 0


class Answer(Message):
    number: int
    text: str = ""


class Note(Message):
    text: str = ""


class Work(Message):
    """Begin something in the worker pool; print `working`."""

    seconds: float


class ClientPeer(Peer):
    pass


class ClientReader(JsonMessageReader):
    message_type = Ask | Note | Work | Pong


class ClientHandler(IncomingConnectionHandler):
    def create_connection_instances(self, sock: Any, address: Any) -> Instances:
        return ClientReader(sock), JsonMessageWriter(sock), ClientPeer()


class Server(CentralTask):
    def __init__(self, settings: Settings, pool: WorkerPool) -> None:
        super().__init__("server", limits=settings.limits)
        self.settings = settings
        self.pool = pool
        self.peers: set[ClientPeer] = set()
        self.reported = not settings.report_queued
        self.dispatch = {
            (ClientPeer, PeerConnected): self.connected,
            (ClientPeer, Ask): self.answer,
            (ClientPeer, Note): self.note,
            (ClientPeer, Work): self.work,
            (ClientPeer, PeerDisconnected): self.disconnected,
        }

    def on_shutdown(self) -> None:
        for peer in self.peers:
            peer.send(ShuttingDown("told by the central task"))

    def connected(self, peer: ClientPeer, message: PeerConnected) -> None:
        self.peers.add(peer)

    def disconnected(self, peer: ClientPeer, message: PeerDisconnected) -> None:
        self.peers.remove(peer)

    def answer(self, peer: ClientPeer, message: Ask) -> None:
        peer.send(Answer(message.number, "x" * message.size))

    def note(self, peer: ClientPeer, message: Note) -> None:
        if not self.reported and self.queue.qsize() >= self.settings.report_queued:
            self.reported = True
            print("queued", flush=True)
        until = time.monotonic() + self.settings.note_seconds
        while time.monotonic() < until:
            pass

    def work(self, peer: ClientPeer, message: Work) -> None:
        self.perform(self.pool, time.sleep, message.seconds, then=lambda result, error: None)
        print("working", flush=True)


def main() -> int:
    settings = msgspec.json.decode(sys.argv[1], type=Settings)
    logging.basicConfig(level=logging.INFO)
    pool = WorkerPool("pool", threads=1, max_queued=10)
    server = Server(settings, pool)
    handler = ClientHandler("clients", "127.0.0.1", 0, server.queue, limits=settings.limits)
    handler.listen()
    print(handler.port, flush=True)
    return Service(server, [handler], [pool]).run()


if __name__ == "__main__":
    sys.exit(main())
