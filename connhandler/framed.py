"""A reader over a pure framing: takes every whole message out of one `recv`."""

import time
from abc import abstractmethod
from collections import deque
from collections.abc import Sequence
from functools import cached_property

from connhandler.connection import ConnectionReader
from connhandler.errors import ConnectionClosed
from connhandler.framing import Framing
from connhandler.sockets import Inflow

RECEIVE_BYTES = 64 * 1024


class FramedConnectionReader(ConnectionReader):
    """Base of readers whose format is a `Framing`. Subclasses implement `create_framing` and `decode`."""

    @abstractmethod
    def create_framing(self) -> Framing:
        """Return a new parser, bounded by `self.limits`."""

    @cached_property
    def framing(self) -> Framing:
        return self.create_framing()

    @cached_property
    def _inflow(self) -> Inflow:
        return Inflow(self.sock)

    @cached_property
    def _received(self) -> deque[bytes]:
        return deque()

    def receive(self) -> bytes:
        if not self._received:
            self._received.extend(FramedConnectionReader.receive_burst(self))
        return self._received.popleft()

    def receive_burst(self) -> Sequence[bytes]:
        framing = self.framing
        while True:
            if framing.error is not None:
                raise framing.error
            data = self._inflow.receive(RECEIVE_BYTES)
            if not data:
                raise ConnectionClosed(mid_message=framing.mid_message)
            messages = framing.receive_data(data)
            if messages:
                self.begun_at = time.monotonic() if framing.mid_message else None
                return messages
            if self.begun_at is None and framing.mid_message:
                self.begun_at = time.monotonic()
