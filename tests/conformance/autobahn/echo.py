"""The programs that are tested: an echo server and an echo client, each a central task with one connection handler."""

from connhandler import CentralTask, Limits, PeerDisconnected
from connhandler.websocket import WebSocketConnectionHandler, WebSocketMessage, WebSocketPeer
from connhandler.websocketclient import OutgoingWebSocketHandler, WebSocketRequest

AGENT = "connhandler"
RETRY_SECONDS = 0.02
"""Between two cases, and until the fuzzing server listens."""

# Messages of 16 MiB, some in pieces of 64 bytes, over connections that are silent while the suite thinks; and it takes
# a ping that it did not ask for as a mistake.
LIMITS = Limits(
    max_message_bytes=17 * 1024 * 1024,
    outgoing_hard_bytes=64 * 1024 * 1024,
    outgoing_soft_bytes=64 * 1024 * 1024,
    first_message_seconds=0,
    message_seconds=0,
    idle_seconds=0,
    heartbeat_seconds=0,
    handshake_seconds=30,
    max_retry_seconds=RETRY_SECONDS,
)


class FuzzingClientPeer(WebSocketPeer):
    """The suite, which asks."""


class FuzzingClientHandler(WebSocketConnectionHandler):
    peer_class = FuzzingClientPeer
    compression = True


class EchoServer(CentralTask):
    """Says what it is told."""

    def __init__(self) -> None:
        super().__init__("echo server", limits=LIMITS)
        self.dispatch = {(FuzzingClientPeer, WebSocketMessage): self.echo}
        self.handler = FuzzingClientHandler("fuzzing client", "127.0.0.1", 0, self.queue, limits=LIMITS)

    def echo(self, peer: FuzzingClientPeer, message: WebSocketMessage) -> None:
        peer.send(message)


class FuzzingServerPeer(WebSocketPeer):
    """The suite, which is asked: one connection for each case, and one each to begin and to end."""


class FuzzingServerHandler(OutgoingWebSocketHandler):
    """Connects for one step after the other.

    Attributes:
        count: how many cases there are, once the suite has said so.
    """

    peer_class = FuzzingServerPeer
    compression = True
    count: int | None = None
    _case = 0

    def handshake_request(self) -> WebSocketRequest:
        if self.count is None:
            return WebSocketRequest(path="/getCaseCount")
        self._case += 1
        if self._case <= self.count:
            return WebSocketRequest(path="/runCase", query={"case": str(self._case), "agent": AGENT})
        return WebSocketRequest(path="/updateReports", query={"agent": AGENT})


class EchoClient(CentralTask):
    """Goes through all cases, and ends when the reports are written.

    Args:
        port: of the fuzzing server.
    """

    def __init__(self, port: int) -> None:
        super().__init__("echo client", limits=LIMITS)
        self.dispatch = {
            (FuzzingServerPeer, WebSocketMessage): self.said,
            (FuzzingServerPeer, PeerDisconnected): self.ended,
        }
        self.handler = FuzzingServerHandler("fuzzing server", "127.0.0.1", port, self.queue, limits=LIMITS)

    def said(self, peer: FuzzingServerPeer, message: WebSocketMessage) -> None:
        if peer.request.path == "/getCaseCount":
            self.handler.count = int(message.data)
        else:
            peer.send(message)

    def ended(self, peer: FuzzingServerPeer, message: PeerDisconnected) -> None:
        if peer.request.path == "/updateReports":
            self.stop()
