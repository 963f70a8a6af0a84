"""A manager whose users are a table in the test, and a plain client."""

import json
import threading
from collections.abc import Callable
from typing import Any

import gevent
import gevent.socket

from connhandler import CentralTask
from connman import ConnMan
from login_server.refusal import Refusal

SECONDS = 20.0
"""Longer than anything here takes."""


class User:
    """An account."""

    def __init__(self, account_id: int, name: str, rank: int = 0) -> None:
        self.account_id = account_id
        self.name = name
        self.rank = rank


class TableAuthenticator:
    """Knows users by name; whoever has `pw` for a password is right. Answers later, as a message, like the real one.

    Attributes:
        held: answers that wait for `release`, when `holding`.
    """

    def __init__(self, central: CentralTask, users: dict[str, User]) -> None:
        self.holding = False
        self.held: list[Callable[[], None]] = []
        self.asked: list[tuple[str, str, str]] = []
        self._central = central
        self._users = users

    def authenticate(self, name: str, password: str, address: str, then: Callable[[Any], None], /) -> None:
        self.asked.append((name, password, address))
        user = self._users.get(name)
        answer = user if user and password == "pw" else Refusal("wrong_login", "wrong name or password")
        if self.holding:
            self.held.append(lambda: then(answer))
        else:
            self._central.post(then, answer)

    def release(self) -> None:
        self.holding = False
        held, self.held = self.held, []
        for answer in held:
            answer()


class TableOffice:
    """In place of `login_server.accounts.AccountOffice`: its store and its database calls, too."""

    def __init__(self, central: CentralTask, users: dict[str, User]) -> None:
        self.authenticator = TableAuthenticator(central, users)
        self.store = self.database_calls = self
        self.pools: list[Any] = []
        self._central = central
        self._users = users

    def set_rank(self, name: str, rank: int) -> None:
        self._users[name].rank = rank

    def call(self, function: Callable[..., Any], *args: Any, then: Callable[[Any, Any], None], writes: bool) -> None:
        assert writes
        try:
            self._central.post(then, function(*args), None)
        except Exception as error:  # noqa: BLE001 - as the real one
            self._central.post(then, None, error)

    def close(self) -> None:
        pass


class TableConnMan(ConnMan):
    """On a free port of 127.0.0.1. Its users are `ann` (1, rank 1200), `bob` (2), and `user3` (3) to `user99` (99)."""

    def __init__(self, **options: Any) -> None:
        super().__init__("127.0.0.1", 0, **options)
        self.users = {f"user{number}": User(number, f"user{number}") for number in range(3, 100)}
        self.users |= {"ann": User(1, "ann", 1200), "bob": User(2, "bob")}

    def _open_office(self, switchboard: CentralTask) -> TableOffice:
        return TableOffice(switchboard, self.users)

    @property
    def authenticator(self) -> TableAuthenticator:
        authenticator: TableAuthenticator = self._office.authenticator
        return authenticator


class Client:
    """A plain socket that speaks JSON; every wait ends after `SECONDS`.

    Args:
        sock: connected.
    """

    def __init__(self, sock: Any) -> None:
        self.sock = sock
        self.sock.settimeout(SECONDS)
        self.client_id = 0
        self._text = ""

    def send(self, *packets: Any) -> None:
        self.sock.sendall("".join(json.dumps(packet, separators=(",", ":")) for packet in packets).encode())

    def receive(self) -> dict[str, Any]:
        """Return the next packet.

        Raises:
            EOFError: the server has closed.
        """
        while True:
            self._text = self._text.lstrip()
            try:
                packet, end = json.JSONDecoder().raw_decode(self._text)
            except json.JSONDecodeError:
                data = self.sock.recv(65536)
                if not data:
                    raise EOFError(self._text) from None
                self._text += data.decode()
                continue
            self._text = self._text[end:]
            assert isinstance(packet, dict)
            return packet

    def receive_exactly(self, expected: bytes) -> None:
        """Check that these bytes are the next."""
        data = bytearray()
        while len(data) < len(expected):
            more = self.sock.recv(len(expected) - len(data))
            assert more, f"closed after {data!r}"
            data += more
        assert data == expected

    def rest(self) -> bytes:
        """All bytes until the server closes; then this side closes, too."""
        data = b""
        while more := self.sock.recv(65536):
            data += more
        self.close()
        return data

    def close(self) -> None:
        self.sock.close()


class Players:
    """Clients of one manager, closed at the end of a test."""

    def __init__(self, connman: ConnMan) -> None:
        self._connman = connman
        self._clients: list[Client] = []

    def connect(self, receive_buffer: int | None = None) -> Client:
        sock = gevent.socket.socket()
        if receive_buffer:
            sock.setsockopt(gevent.socket.SOL_SOCKET, gevent.socket.SO_RCVBUF, receive_buffer)
        sock.connect(("127.0.0.1", self._connman.port))
        self._clients.append(Client(sock))
        return self._clients[-1]

    def log_in(self, name: str, **options: Any) -> Client:
        """Connect and log in; the matchmaking hears of it, which is read here."""
        client = self.connect(**options)
        assert client.receive()["subtype"] == "loginRequest"
        client.send({"user": name, "pass": "pw"})
        accepted = client.receive()
        assert accepted["subtype"] == "loginAccept"
        client.client_id = accepted["id"]
        assert match_message(self._connman)[1]["subtype"] == "C"
        return client

    def close(self) -> None:
        for client in self._clients:
            client.close()


def match_message(connman: ConnMan) -> tuple[int, dict[str, Any]]:
    message = connman.get_match_message(blocking=True, timeout=SECONDS)
    assert message is not None
    return message


def game_message(connman: ConnMan, game_id: Any) -> tuple[int, dict[str, Any]]:
    message = connman.get_game_message(game_id, blocking=True, timeout=SECONDS)
    assert message is not None
    return message


class Waiting:
    """A thread that waits for what a function returns."""

    def __init__(self, function: Callable[[], Any]) -> None:
        self.result: Any = "nothing yet"
        self._function = function
        self._thread = threading.Thread(target=self._wait)
        self._thread.start()

    def _wait(self) -> None:
        self.result = self._function()

    def is_waiting(self) -> bool:
        gevent.sleep(0.01)  # For whatever it does before it waits.
        return self._thread.is_alive()

    def join(self) -> Any:
        self._thread.join(SECONDS)
        assert not self._thread.is_alive()
        return self.result
