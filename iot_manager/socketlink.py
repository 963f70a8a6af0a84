"""From a `Client` that the program has made for a socket of its own, to the device at its other end.

No manager knows of it: nothing but the client's own calls reads the socket. It speaks the raw dialect.
"""

import socket
import time
from collections import deque

from iot_manager.data import DELIMITER, Data, parse_info
from iot_manager.dialects import GETINFO, HEART, Kind
from iot_manager.errors import ConnectionEnd, InvalidInfo
from iot_manager.limits import Limits
from iot_manager.rawdialect import GOODBYE, RawDialect

RECEIVE_BYTES = 4096


class SocketLink:
    """A `Link` over a connected socket.

    Args:
        sock: the socket; `end` closes it.
    """

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._messages: deque[bytes] = deque()
        self._dialect = RawDialect(Limits().info_bytes)
        self._dialect.expects_info = False
        self._dialect.uuid = b"\0"  # not known yet

    def send(self, data: bytes) -> int | None:
        try:
            self._sock.settimeout(None)
            self._sock.sendall(data)
        except OSError:
            return None
        return len(data)

    def divert(self) -> None:
        """There is nothing to keep it from."""

    def stop_diverting(self) -> None:
        pass

    def receive(self, timeout: float | None) -> bytes | None:
        if self._messages:
            return self._messages.popleft()
        try:
            self._sock.settimeout(timeout)
            return self._sock.recv(RECEIVE_BYTES) or None
        except OSError:
            return None

    def ask_for_info(self, timeout: float | None) -> Data:
        known = self._dialect
        self._dialect = RawDialect(Limits().info_bytes)
        self._dialect.uuid = known.uuid.strip(b"\0")
        return parse_info(self._ask(GETINFO, Kind.INFO, timeout))

    def ask_for_beat(self, timeout: float | None) -> None:
        self._dialect.beats_expected += 1
        self._ask(HEART, Kind.BEAT, timeout)

    def end(self) -> None:
        if self._sock.fileno() < 0:
            return
        self.send(GOODBYE)
        try:
            self._sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass  # The device was faster.
        self._sock.close()

    def _ask(self, question: bytes, kind: Kind, timeout: float | None) -> bytes:
        """Raises:
        ConnectionEnd: the device is gone, or has not answered in time; then the connection is ended.
        InvalidInfo: it has said what cannot be its info.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        waiting = None if self.send(question) is None else b"".join(self._messages)
        self._messages.clear()
        while waiting is not None:
            answer = None
            for part in self._dialect.receive_data(waiting):
                if part.kind is kind and answer is None:
                    answer = part.data
                    if kind is Kind.INFO:
                        self._dialect.uuid = answer.partition(DELIMITER)[0]
                elif part.kind is Kind.MESSAGE:
                    self._messages.append(part.data)
            if answer is not None:
                return answer
            if self._dialect.error:
                raise InvalidInfo(self._dialect.error)
            messages, self._messages = self._messages, deque()
            waiting = self.receive(None if deadline is None else max(deadline - time.monotonic(), 0))
            self._messages = messages
        self.end()
        raise ConnectionEnd("the device has not answered")
