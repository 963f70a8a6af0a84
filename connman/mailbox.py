"""A queue from the central task to the program's own threads: `get_game_message` and `get_match_message` take from it.

    ClientHandle → CentralTask → [ Mailbox.put → Mailbox.take ] → any thread of the program

The central task never waits here, not even for a lock: it writes what nobody else writes, and reads what takers count.
"""

import queue
import threading

from connman.protocol import Message, Packet, decode


class Mailbox:
    """First in, first out. One task puts, any number of threads take.

    Args:
        max_messages: how many may wait.
        max_bytes: how many bytes they may have had on the wire, together. A message that is larger waits alone.
    """

    def __init__(self, max_messages: int, max_bytes: int) -> None:
        self._max_messages = max_messages
        self._max_bytes = max_bytes
        # In a monkey-patched program, this and the lock are gevent's: whoever waits lets other tasks run.
        self._entries: queue.SimpleQueue[tuple[int, Packet | bytes] | None] = queue.SimpleQueue()
        self._takers = threading.Lock()
        self._put_messages = self._put_bytes = 0
        self._taken_messages = self._taken_bytes = 0
        self._closed = False

    @property
    def messages_waiting(self) -> int:
        return self._put_messages - self._taken_messages

    @property
    def bytes_waiting(self) -> int:
        return self._put_bytes - self._taken_bytes

    def has_room(self, size: int) -> bool:
        """Whether a message of so many bytes may be put. In the central task."""
        waiting = self.messages_waiting
        return not waiting or (waiting < self._max_messages and self.bytes_waiting + size <= self._max_bytes)

    def put(self, addr: int, packet: Packet | bytes) -> None:
        """Add a message; whether it has room is the caller's to ask. In the central task; never waits.

        Args:
            addr: whom it is from, or about.
            packet: as a client has sent it, or a control message, which counts for no bytes.
        """
        self._put_messages += 1
        self._put_bytes += size_of(packet)
        self._entries.put((addr, packet))

    def take(self, blocking: bool = False, timeout: float | None = None) -> Message | None:
        """Take the oldest message. From any thread.

        Args:
            blocking: whether to wait for one.
            timeout: for how many seconds; None for as long as it takes.

        Returns:
            None when there is none, and when the mailbox is, or meanwhile was, closed.
        """
        if self._closed:
            return None
        try:
            entry = self._entries.get(blocking, timeout)
        except queue.Empty:
            return None
        if entry is None or self._closed:
            self._entries.put(None)  # There may be others who wait.
            return None
        addr, packet = entry
        with self._takers:
            self._taken_messages += 1
            self._taken_bytes += size_of(packet)
        return Message(addr, decode(packet) if isinstance(packet, bytes) else packet)

    def close(self) -> None:
        """Let everybody go who waits. What was not taken is dropped."""
        self._closed = True
        self._entries.put(None)


def size_of(packet: Packet | bytes) -> int:
    return len(packet) if isinstance(packet, bytes) else 0
