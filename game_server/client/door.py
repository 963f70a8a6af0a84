"""Asking for a seat at a launcher's door, while the login server is away. Waits, so it is for a task of its own."""

import http.client
from typing import TypeVar

import msgspec

from game_server_launcher.protocol import DoorJoin, DoorRefused, DoorSeat
from login_server.protocol import ServerInfo

ANSWER_SECONDS = 10.0
MAX_ANSWER_BYTES = 1024 * 1024

T = TypeVar("T")


class DoorClosed(Exception):
    """There is no seat. The text says why, for people."""


class Door:
    """A launcher's door.

    Args:
        address: of the launcher.
        port: of its door.
        game: which servers to choose from, if none is named.
    """

    def __init__(self, address: str, port: int, game: str) -> None:
        self._address = address
        self._port = port
        self._game = game

    def ask(self, day_pass: str, server: str = "") -> DoorSeat:
        """Get a seat on a server; on the first that plays the game, if none is named.

        Raises:
            DoorClosed: there is none.
        """
        if not server:
            servers = self._request("GET", "/servers", b"", list[ServerInfo])
            ready = [one for one in servers if one.game == self._game and one.players < one.capacity]
            if not ready:
                raise DoorClosed(f"no server of {self._game} has room at the door {self._address}:{self._port}")
            server = ready[0].server_id
        return self._request("POST", "/join", msgspec.json.encode(DoorJoin(day_pass, server)), DoorSeat)

    def _request(self, method: str, path: str, body: bytes, wanted: type[T]) -> T:
        connection = http.client.HTTPConnection(self._address, self._port, timeout=ANSWER_SECONDS)
        try:
            connection.request(method, path, body)
            response = connection.getresponse()
            answer = response.read(MAX_ANSWER_BYTES)
            if response.status != http.HTTPStatus.OK:
                raise DoorClosed(msgspec.json.decode(answer, type=DoorRefused).message)
            return msgspec.json.decode(answer, type=wanted)
        except OSError as error:
            why = error.strerror or str(error)
            raise DoorClosed(f"the door at {self._address}:{self._port} cannot be reached: {why}") from error
        except (http.client.HTTPException, msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise DoorClosed(f"what is at {self._address}:{self._port} is no launcher's door") from error
        finally:
            connection.close()
