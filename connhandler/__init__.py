"""Connection handling for gevent.

Every connection, whatever its transport, becomes `PeerConnected`, data messages and `PeerDisconnected` in one
gevent queue, which one central task per program consumes; the central task answers through `peer.send`, which
never blocks.

    socket → Reader.receive (Framing) → Reader.decode → incoming queue → CentralTask.handle
    socket ← Writer.send ← outgoing queue ← (Framing) ← Writer.encode ← Peer.send

Start reading at `connhandler/connection.py`. What needs a library of its own is imported from its own module:
`connhandler.websocket`, `connhandler.websocketclient`, `connhandler.http`.
"""

from connhandler.background import BackgroundService, ServiceEnded
from connhandler.central import CentralTask, Timer
from connhandler.connection import ConnectionReader, ConnectionWriter, Peer, ProtocolSwitch, StreamConnectionWriter
from connhandler.conversation import Conversation, ConversationEnded
from connhandler.errors import Busy, ConnectionClosed, DisconnectReason, ProtocolError, RefusalReason
from connhandler.framed import FramedConnectionReader
from connhandler.handler import ConnectionHandler
from connhandler.incoming import IncomingConnectionHandler
from connhandler.incomingqueue import IncomingQueue
from connhandler.limits import Limits
from connhandler.lines import LineConnectionReader, LineConnectionWriter
from connhandler.messages import Message, PeerConnected, PeerDisconnected
from connhandler.outgoing import OutgoingConnectionHandler
from connhandler.raw import RawConnectionReader, RawConnectionWriter
from connhandler.service import Service
from connhandler.tcpmessage import TcpMessageConnectionReader, TcpMessageConnectionWriter
from connhandler.workers import TaskPool, WorkerPool

__all__ = [
    "BackgroundService",
    "Busy",
    "CentralTask",
    "ConnectionClosed",
    "ConnectionHandler",
    "ConnectionReader",
    "ConnectionWriter",
    "Conversation",
    "ConversationEnded",
    "DisconnectReason",
    "FramedConnectionReader",
    "IncomingConnectionHandler",
    "IncomingQueue",
    "Limits",
    "LineConnectionReader",
    "LineConnectionWriter",
    "Message",
    "OutgoingConnectionHandler",
    "Peer",
    "PeerConnected",
    "PeerDisconnected",
    "ProtocolError",
    "ProtocolSwitch",
    "RawConnectionReader",
    "RawConnectionWriter",
    "RefusalReason",
    "Service",
    "ServiceEnded",
    "StreamConnectionWriter",
    "TaskPool",
    "TcpMessageConnectionReader",
    "TcpMessageConnectionWriter",
    "Timer",
    "WorkerPool",
]
