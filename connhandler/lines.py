"""Lines over TCP: subclass and implement only `decode`, only `encode`.

The format is described in `connhandler.framing.lines`. For lines that do not end with a line feed, set `terminator` in
the subclasses of both:

    class ConsoleReader(LineConnectionReader):
        terminator = b"\\n\\0\\0"
"""

import gevent.socket

from connhandler.connection import StreamConnectionWriter
from connhandler.framed import FramedConnectionReader
from connhandler.framing.lines import LINE_FEED, LineDecoder, check_terminator, encode_line


class LineFormat:
    """The one setting of the format, which both ends must agree on.

    Args:
        sock: the connection's socket.
        terminator: what ends each line; default the class attribute. With `\\n`, a reader takes `\\r\\n` as well.

    Raises:
        ValueError: the terminator is empty.
    """

    terminator: bytes = LINE_FEED

    def __init__(self, sock: gevent.socket.socket, *, terminator: bytes | None = None) -> None:
        super().__init__(sock)  # type: ignore[call-arg]  # the reader or writer that this is mixed into
        if terminator is not None:
            self.terminator = terminator
        check_terminator(self.terminator)


class LineConnectionReader(LineFormat, FramedConnectionReader):
    """Receives lines, each without its terminator; empty ones are passed over. Subclasses implement `decode`."""

    def create_framing(self) -> LineDecoder:
        return LineDecoder(self.terminator, self.limits.max_message_bytes)


class LineConnectionWriter(LineFormat, StreamConnectionWriter):
    """Sends lines. Subclasses implement `encode`, which returns a line without its terminator."""

    def frame(self, data: bytes) -> bytes:
        """Return the bytes on the wire of one encoded message.

        Raises:
            ValueError: the message is empty, or has the terminator in it.
        """
        return encode_line(data, self.terminator)
