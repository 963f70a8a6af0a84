"""An `askserver.Server` as a program of its own, for the tests that send signals.

    python -m tests.connhandler.signalled_server SETTINGS

SETTINGS are JSON. The first line on stdout is the port; what else is printed there, `Settings` and `Work` say.
"""

import logging
import sys
import time
from typing import Any

import msgspec

from connhandler import Limits, Message, Peer, Service, WorkerPool
from connhandler.handler import Instances
from connhandler.jsonmessage import JsonMessageReader, JsonServerMessageWriter, ShuttingDown
from tests.connhandler.askserver import ClientHandler, ClientPeer, FromClient, Note, Server

FAREWELL = "told by the central task"


class Settings(msgspec.Struct):
    limits: Limits = Limits()
    note_seconds: float = 0.0
    """As `Server.note_seconds`."""
    report_queued: int = 0
    """Print `queued` as soon as so many messages are in the queue, if it is not 0."""


class Work(Message):
    """Begin something in the worker pool, and print `working`."""

    seconds: float


class WorkReader(JsonMessageReader):
    message_type = FromClient | Work


class WorkHandler(ClientHandler):
    def create_connection_instances(self, sock: Any, address: Any) -> Instances:
        return WorkReader(sock), JsonServerMessageWriter(sock), ClientPeer()


class SignalledServer(Server):
    def __init__(self, settings: Settings, pool: WorkerPool) -> None:
        super().__init__(settings.limits)
        self.note_seconds = settings.note_seconds
        self.pool = pool
        self.report_queued = settings.report_queued
        self.dispatch = {**self.dispatch, (ClientPeer, Work): self.work}

    def on_shutdown(self) -> None:
        for peer in self.peers:
            peer.send(ShuttingDown(FAREWELL))

    def note(self, peer: Peer, message: Note) -> None:
        if 0 < self.report_queued <= self.queue.qsize():
            self.report_queued = 0
            print("queued", flush=True)
        super().note(peer, message)

    def work(self, peer: ClientPeer, message: Work) -> None:
        self.perform(self.pool, time.sleep, message.seconds, then=lambda result, error: None)
        print("working", flush=True)


def main() -> int:
    settings = msgspec.json.decode(sys.argv[1], type=Settings)
    logging.basicConfig(level=logging.INFO)
    pool = WorkerPool("pool", threads=1, max_queued=10)
    server = SignalledServer(settings, pool)
    handler = WorkHandler("clients", "127.0.0.1", 0, server.queue, limits=settings.limits)
    handler.listen()
    print(handler.port, flush=True)
    return Service(server, [handler], [pool]).run()


if __name__ == "__main__":
    sys.exit(main())
