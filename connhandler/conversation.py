"""One peer's messages for a task of its own, in place of a method that the central task calls for each.

    socket → Reader.receive (Framing) → Reader.decode → incoming queue → CentralTask.handle → [ Conversation ] → task
    socket ← Writer.send ← outgoing queue ← (Framing) ← Writer.encode ← Peer.send ←──────────────────────────────┘

The central task stays the one that all messages go through and that knows who comes and goes; what it does not handle
itself it hands over. The other task has a loop of its own, which may wait where the central task must not:

    def run(self) -> None:
        try:
            while True:
                self.execute(self.conversation.receive())
        except ConversationEnded:
            pass
        finally:
            self.conversation.abandon()

The bound of the incoming queue holds here too: a message that was handed over stays in flight until the task comes back
for the next one. So a peer that sends faster than its task works is slowed down by TCP, at `Limits.in_flight_messages`;
and when the far end closes, what the task replies to its last message still goes out.
"""

import time
from collections import deque
from typing import Any

import gevent

from connhandler.central import SLICE_SECONDS
from connhandler.connection import Peer
from connhandler.gate import Gate
from connhandler.tasks import let_the_loop_turn


class ConversationEnded(EOFError):
    """There is nothing left to receive, and nothing will come any more."""


class Conversation:
    """What one peer has said and one task has not heard yet.

    Args:
        peer: whose messages they are.
    """

    def __init__(self, peer: Peer) -> None:
        self.peer = peer
        self._messages: deque[Any] = deque()
        self._ended = False
        self._in_work = 0
        self._something_new = Gate()
        self._returned_at: float | None = None
        self._busy_seconds = 0.0

    @property
    def waiting(self) -> bool:
        """Whether the task waits for a message and none is here."""
        return bool(self._something_new.waiters) and not self._messages and not self._ended

    # --- called by the central task, which never waits ----------------------------------------------

    def hand_over(self, message: Any) -> None:
        """Add a message of the peer. Does nothing once the conversation has ended."""
        if not self._ended:
            self.peer.hold()
            self._messages.append(message)
            self._something_new.open()

    def end(self) -> None:
        """Say that no more messages come; those that are here can still be received. To be called for the peer's
        `PeerDisconnected`."""
        self._ended = True
        self._something_new.open()

    # --- called by either side ----------------------------------------------------------------------

    def abandon(self) -> None:
        """End it, and forget what was not received: else the end of the connection would wait for it."""
        self._in_work += len(self._messages)
        self._messages.clear()
        self._done()
        self.end()

    # --- called by the task whose conversation it is ------------------------------------------------

    def receive(self, timeout: float | None = None) -> Any:
        """Wait for the next message and return it.

        Args:
            timeout: so many seconds at most; None to wait for as long as it takes. There is no need for one in order
                to notice the end, which ends the waiting at once.

        Returns:
            The message; None when none has come in time.

        Raises:
            ConversationEnded: no message is left, and none will come.
        """
        self._done()
        self._give_way()
        try:
            if not self._messages and not self._ended:
                self._wait(timeout)
            if self._messages:
                self._in_work = 1
                return self._messages.popleft()
            if self._ended:
                raise ConversationEnded(f"{self.peer.name} has ended")
            return None
        finally:
            self._returned_at = time.monotonic()

    def _wait(self, timeout: float | None) -> None:
        with gevent.Timeout(timeout, False):  # type: ignore[arg-type]
            while not self._messages and not self._ended:
                self._something_new.wait()

    def _done(self) -> None:
        """What was received is in flight no more."""
        if self._in_work:
            self.peer._in_flight -= self._in_work
            self._in_work = 0
            if self.peer._room.waiters:
                self.peer._room.open()

    def _give_way(self) -> None:
        """A task that always has a message to handle must not keep timers and sockets from their turn."""
        if self._returned_at is None:
            return
        self._busy_seconds += time.monotonic() - self._returned_at
        if self._busy_seconds > SLICE_SECONDS:
            let_the_loop_turn()
            self._busy_seconds = 0.0
