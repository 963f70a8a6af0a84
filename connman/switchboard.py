"""The central task: who is connected, which games there are, and where each message goes."""

import logging
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any, Final, Protocol

from msgspec import Struct

from connhandler import CentralTask, PeerConnected, PeerDisconnected
from connman import protocol
from connman.clienthandle import ClientHandle, Received
from connman.departed import Departed
from connman.mailbox import Mailbox
from connman.protocol import GameId, Refused

logger = logging.getLogger(__name__)

SECONDS_BETWEEN_WARNINGS: Final = 60.0


class QueueLimits(Struct, frozen=True, kw_only=True):
    """How much may wait to be read by the program. Bytes are those that the messages had on the wire."""

    game_messages: int = 1_000
    game_bytes: int = 4 * 1024 * 1024
    match_messages: int = 10_000
    match_bytes: int = 4 * 1024 * 1024

    def __post_init__(self) -> None:
        for name in self.__struct_fields__:
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, not {getattr(self, name)}")


class Authenticator(Protocol):
    """What is asked of `login_server.accounts.Authenticator`."""

    def authenticate(self, name: str, password: str, address: str, then: Callable[[Any], None], /) -> None: ...


class Game:
    """A game that is going on.

    Attributes:
        members: the ids of its clients, connected or not.
        mailbox: what they said.
        control_room: so many control messages may wait in it, beyond all bounds for clients.
    """

    def __init__(self, members: set[int], mailbox: Mailbox, control_room: int) -> None:
        self.members = members
        self.mailbox = mailbox
        self.control_room = control_room


class Switchboard(CentralTask):
    """Owns all state. Other threads take from mailboxes, and look into `clients`, `games` and what has departed, where
    what moves from one to the other is added before it is removed. All else they ask by messages.

    Args:
        limits_of_queues: how much may wait for the program.
        central: as `CentralTask` takes them.

    Attributes:
        authenticator: who checks names and passwords; to be set before the first connection.
        clients: those who are logged in, by id; `departed_clients` has the names of those who were.
        games: those that go on, by id.
        matchmaking: what `get_match_message` takes from.
        counters: what was refused, by code.
    """

    authenticator: Authenticator

    def __init__(self, limits_of_queues: QueueLimits | None = None, **central: Any) -> None:
        super().__init__("connman", **central)
        self._limits = limits_of_queues or QueueLimits()
        self.clients: dict[int, ClientHandle] = {}
        self.departed_clients: Departed[int, str] = Departed()
        self.games: dict[GameId, Game] = {}
        self.ended_games: Departed[GameId, None] = Departed()
        self.matchmaking = Mailbox(self._limits.match_messages, self._limits.match_bytes)
        self.counters: Counter[str] = Counter()
        self._games_of: dict[int, set[GameId]] = {}
        self._warned_at: dict[GameId | None, float] = {}
        self.dispatch = {
            (ClientHandle, PeerConnected): lambda client, message: client.greet(),
            (ClientHandle, Received): lambda client, message: client.receive(message),
            (ClientHandle, PeerDisconnected): lambda client, message: client.leave(message),
        }

    # --- asked by the program, as messages --------------------------------------------------------------------------

    def start_game(self, game_id: GameId, client_ids: Iterable[int]) -> None:
        """Raises:
        ValueError: there is such a game already.
        KeyError: one of the clients was never here.
        """
        if game_id in self.games:
            raise ValueError(f"game {game_id!r} was started already")
        members = set(client_ids)
        for client_id in members:
            if client_id not in self.clients and client_id not in self.departed_clients:
                raise KeyError(f"there is no client {client_id}")
        mailbox = Mailbox(self._limits.game_messages, self._limits.game_bytes)
        self.games[game_id] = Game(members, mailbox, self._limits.game_messages + 2 * len(members))
        self.ended_games.discard(game_id)
        for client_id in members:
            self._games_of.setdefault(client_id, set()).add(game_id)
            if client_id not in self.clients:  # It went while the game was being made; nobody could know.
                mailbox.put(client_id, protocol.disconnected(client_id))

    def end_game(self, game_id: GameId, client_ids: Iterable[int]) -> None:
        """Raises:
        KeyError: there is no such game, or one of the clients is not in it.
        """
        game = self.games.get(game_id)
        if game is None:
            raise KeyError(f"there is no game {game_id!r}")
        for client_id in client_ids:
            if client_id not in game.members:
                raise KeyError(f"client {client_id} is not in game {game_id!r}")
        self.ended_games.add(game_id, None)
        del self.games[game_id]
        self._warned_at.pop(game_id, None)
        game.mailbox.close()
        for client_id in game.members:
            games = self._games_of[client_id]
            games.discard(game_id)
            if not games:
                del self._games_of[client_id]

    def send(self, client_id: int, data: bytes) -> None:
        client = self.clients.get(client_id)
        if client is not None:
            client.send(data)

    def broadcast(self, game_id: GameId, data: bytes) -> None:
        game = self.games.get(game_id)
        for client_id in game.members if game is not None else ():
            self.send(client_id, data)

    def name_of(self, client_id: int) -> str:
        """Raises:
        KeyError: there never was such a client.
        """
        client = self.clients.get(client_id)
        name = client.user if client is not None else self.departed_clients.get(client_id)
        if name is None:
            raise KeyError(f"there is no client {client_id}")
        return name

    def disconnect(self, client_id: int) -> None:
        """Tell the client that this is the end, and the others that it is gone."""
        client = self.clients.get(client_id)
        if client is not None:
            self.client_left(client)
            client.disconnect("disconnected by the program")

    def close_mailboxes(self) -> None:
        self.matchmaking.close()
        for game in list(self.games.values()):
            game.mailbox.close()

    # --- asked by the clients' handles --------------------------------------------------------------------------------

    def client_logged_in(self, client: ClientHandle, client_id: int, rank: int) -> None:
        """Let a client in, tell it so, and then the matchmaking.

        Raises:
            Refused: `already_logged_in`, or `busy` when nobody reads what the matchmaking is told.
        """
        if client_id in self.clients:
            raise Refused("already_logged_in", "this user is logged in on another connection")
        if not self.matchmaking.has_room(0):
            self._warn(None, "logins are denied: get_match_message does not keep up")
            raise Refused("busy", "the matchmaking does not keep up, try again later")
        self.clients[client_id] = client
        self.departed_clients.discard(client_id)
        client.send(protocol.login_accept(client_id))
        self.matchmaking.put(client_id, protocol.connected(client_id, rank))

    def client_left(self, client: ClientHandle) -> None:
        """Tell the matchmaking and the client's games, unless that was done already."""
        client_id = client.client_id
        if client_id is None or self.clients.get(client_id) is not client:
            return
        self.departed_clients.add(client_id, client.user)
        del self.clients[client_id]
        packet = protocol.disconnected(client_id)
        self.matchmaking.put(client_id, packet)  # There are never more of these than of clients that were let in.
        for game_id in self._games_of.get(client_id, ()):
            game = self.games[game_id]
            if game.mailbox.messages_waiting < game.control_room:
                game.mailbox.put(client_id, packet)
            else:
                self._warn(game_id, f"game {game_id!r} does not read its queue, not even that clients have gone")

    def store_for_matchmaking(self, client_id: int, data: bytes) -> None:
        """Raises:
        Refused: `queue_full`.
        """
        if not self.matchmaking.has_room(len(data)):
            self._warn(None, "clients' messages are refused: get_match_message does not keep up")
            raise self._refusal("queue_full", "the matchmaking does not keep up with its messages, yours was not taken")
        self.matchmaking.put(client_id, data)

    def store_for_game(self, client_id: int, game_id: Any, data: bytes) -> None:
        """Raises:
        Refused: `unknown_game`, `not_in_game` or `queue_full`.
        """
        game = self.games.get(game_id) if protocol.is_game_id(game_id) else None
        if game is None:
            raise self._refusal("unknown_game", "there is no such game")
        if client_id not in game.members:
            raise self._refusal("not_in_game", "you are not in this game")
        if not game.mailbox.has_room(len(data)):
            self._warn(game_id, f"clients' messages are refused: game {game_id!r} does not keep up with its queue")
            raise self._refusal("queue_full", "the game does not keep up with its messages, yours was not taken")
        game.mailbox.put(client_id, data)

    def _refusal(self, code: str, message: str) -> Refused:
        self.counters[code] += 1
        return Refused(code, message)

    def _warn(self, about: GameId | None, text: str) -> None:
        """Log it, once a minute for each game (None: the matchmaking)."""
        if self.now - self._warned_at.get(about, 0.0) >= SECONDS_BETWEEN_WARNINGS:
            self._warned_at[about] = self.now
            logger.warning("%s", text)
