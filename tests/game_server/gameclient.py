"""A player's connection for tests of whole programs: blocking calls, over the client of the package `websockets`."""

import contextlib
from typing import Any, TypeVar
from urllib.parse import quote, urlencode

import msgspec
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from game_server import protocol
from game_server.model import Event

MessageType = TypeVar("MessageType")
EventType = TypeVar("EventType", bound=Event)

SECONDS = 20.0
"""Longer than anything here takes."""


class GameClient:
    """One WebSocket to a game server.

    Args:
        port: of the game server, on 127.0.0.1.
        game_id: in the path.
        query: the fields of the query, such as `token`.
        **options: of the WebSocket, such as `additional_headers`.

    Raises:
        InvalidStatus: the server does not let in.
    """

    def __init__(self, port: int, game_id: str, query: dict[str, str] | None = None, **options: Any) -> None:
        url = f"ws://127.0.0.1:{port}/{quote(game_id)}"
        if query:
            url += "?" + urlencode(query)
        made = connect(url, open_timeout=SECONDS, close_timeout=SECONDS, proxy=None, **options)
        self._open = contextlib.ExitStack()
        self.socket: ClientConnection = self._open.enter_context(made)

    def send(self, *commands: protocol.Command) -> None:
        for command in commands:
            self.socket.send(msgspec.json.encode(command).decode())

    def receive(self) -> Any:
        """Return the next message.

        Raises:
            EOFError: the server closed; with its code and reason.
            TimeoutError: nothing came.
        """
        try:
            return msgspec.json.decode(self.socket.recv(SECONDS), type=protocol.ToPlayer)
        except ConnectionClosed as closed:
            code, reason = (closed.rcvd.code, closed.rcvd.reason) if closed.rcvd else (1006, "")
            raise EOFError(code, reason) from closed

    def expect(self, message_class: type[MessageType]) -> MessageType:
        """Return the next message of this class, passing over others.

        Raises:
            AssertionError: it did not come; says what came instead.
        """
        passed = []
        try:
            while True:
                message = self.receive()
                if isinstance(message, message_class):
                    return message
                passed.append(message)
        except (EOFError, TimeoutError) as error:
            raise AssertionError(f"{error!r} while waiting for {message_class.__name__}; came: {passed}") from error

    def event(self, event_class: type[EventType]) -> EventType:
        """Return the next event of this class, passing over others."""
        while True:
            happened = self.expect(protocol.GameEvent).event
            if isinstance(happened, event_class):
                return happened

    def close_code(self) -> int:
        """Wait until the server closes, passing over messages, and return its code."""
        try:
            while True:
                self.receive()
        except EOFError as closed:
            return int(closed.args[0])

    def close(self) -> None:
        self._open.close()


def refusal(port: int, game_id: str, query: dict[str, str] | None = None, **options: Any) -> tuple[int, str]:
    """Return the status and the code with which the server does not let in.

    Raises:
        AssertionError: it does.
    """
    try:
        GameClient(port, game_id, query, **options).close()
    except InvalidStatus as refused:
        body = (refused.response.body or b"").decode()
        return refused.response.status_code, body.partition(":")[0]
    raise AssertionError("let in")
