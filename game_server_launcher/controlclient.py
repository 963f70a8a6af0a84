"""The other end of the control socket, for a command: blocking calls, no central task."""

import socket
import time
from pathlib import Path
from types import TracebackType

import msgspec

from connhandler.framing.chunks import ChunkDecoder, encode_chunks
from connhandler.jsonmessage import Hello, Ping, Pong, Refused, ShuttingDown, Welcome
from connhandler.messages import Message
from game_server_launcher import control
from game_server_launcher.controlhandler import LIMITS, socket_path

PROGRAM = "game-server-launcher"
ANSWER_SECONDS = 20.0
"""For what a launcher can answer at once."""


class NoLauncher(Exception):
    """No launcher is running there; the text is the sentence to print."""


class ControlFailed(Exception):
    """The launcher says no, or nothing; the text is the sentence to print."""


class ControlClient:
    """A connection to the launcher that runs on a run folder.

    Raises:
        NoLauncher: there is none.
        ControlFailed: it does not speak to us.
    """

    def __init__(self, folder: Path) -> None:
        self._decoder = msgspec.json.Decoder(control.ToOperator)
        self._framing = ChunkDecoder(max_message_bytes=LIMITS.max_message_bytes)
        self._received: list[bytes] = []
        self._sock = socket.socket(socket.AF_UNIX)
        try:
            self._connect(folder)
            answer = self.ask(Hello(versions=list(control.VERSIONS), program=PROGRAM))
            if not isinstance(answer, Welcome):
                raise ControlFailed(_sentence(answer))
        except BaseException:
            self.close()
            raise

    def ask(self, message: Message, seconds: float = ANSWER_SECONDS) -> Message:
        """Send a message and return the answer to it.

        Raises:
            ControlFailed: there is none within so many seconds.
        """
        deadline = time.monotonic() + seconds
        try:
            self._send(message)
            while True:
                answer = self._receive(deadline)
                if not isinstance(answer, Ping):
                    return answer
                self._send(Pong())
        except TimeoutError as error:
            raise ControlFailed(f"the launcher has not answered within {seconds:g} s") from error
        except (OSError, EOFError) as error:
            raise ControlFailed("the launcher has ended before it answered") from error

    def status(self) -> control.LauncherStatus:
        """Raises:
        ControlFailed: the launcher does not tell.
        """
        answer = self.ask(control.ShowStatus())
        if not isinstance(answer, control.Status):
            raise ControlFailed(_sentence(answer))
        return answer.launcher

    def carry_out(self, order: control.Order | control.Reload, seconds: float) -> str:
        """Let the launcher carry an order out; return the sentence that says what came of it.

        Raises:
            ControlFailed: not what was wanted.
        """
        answer = self.ask(order, seconds)
        if isinstance(answer, control.Done) and answer.succeeded:
            return answer.text
        raise ControlFailed(_sentence(answer))

    def close(self) -> None:
        self._sock.close()

    def __enter__(self) -> "ControlClient":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _connect(self, folder: Path) -> None:
        try:
            self._sock.settimeout(ANSWER_SECONDS)
            self._sock.connect(socket_path(folder))
        except (FileNotFoundError, ConnectionRefusedError) as error:
            raise NoLauncher(f"no launcher is running on the run folder {folder}") from error
        except OSError as error:
            raise ControlFailed(f"cannot talk to the launcher of {folder}: {error.strerror or error}") from error

    def _send(self, message: Message) -> None:
        self._sock.sendall(encode_chunks(msgspec.json.encode(message)))

    def _receive(self, deadline: float) -> Message:
        """Raises:
        EOFError: the launcher has closed.
        TimeoutError: nothing came.
        """
        while not self._received:
            self._sock.settimeout(max(deadline - time.monotonic(), 0.001))
            data = self._sock.recv(65536)
            if not data:
                raise EOFError
            self._received.extend(self._framing.receive_data(data))
        message: Message = self._decoder.decode(self._received.pop(0))
        return message


def _sentence(answer: Message) -> str:
    if isinstance(answer, control.Done):
        return answer.text
    if isinstance(answer, Refused):
        return answer.message
    if isinstance(answer, ShuttingDown):
        return "the launcher is ending"
    return f"the launcher has answered {type(answer).__name__}"
