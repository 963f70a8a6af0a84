"""One client's connection: authenticates the client, then stores what it says into the queues (seed document 000)."""

import logging
from typing import TYPE_CHECKING, Any, Final

from connhandler import Peer, PeerDisconnected, ProtocolError
from connman import protocol
from connman.protocol import Refused

if TYPE_CHECKING:
    from connman.switchboard import Switchboard

logger = logging.getLogger(__name__)

MAX_EARLY: Final = 16
"""So many messages may come after the login, before it is answered."""


class Received:
    """A packet from a client, as bytes, and where it wants to go.

    Raises:
        ValueError: it is no JSON object.
    """

    __slots__ = ("data", "for_matchmaking", "game_id", "peer")

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.for_matchmaking, self.game_id = protocol.route(data)
        self.peer: Any = None


class ClientHandle(Peer):
    """A client, as the central task knows it. All methods belong to the central task and return at once.

    Attributes:
        client_id: the account's id, from the login on; None before.
        user: the account's name, from the login on.
    """

    requires_login = True

    def __init__(self, switchboard: "Switchboard") -> None:
        self.client_id: int | None = None
        self.user = ""
        self._switchboard = switchboard
        self._early: list[Received] = []
        self._authenticating = False

    def greet(self) -> None:
        """The client has connected."""
        self.send(protocol.login_request())

    def receive(self, message: Received) -> None:
        """The client has said something.

        Raises:
            ProtocolError: too much while its login is at work.
        """
        if self.client_id is not None:
            self._store(self.client_id, message)
        elif not self._authenticating:
            self._authenticate(message.data)
        elif len(self._early) < MAX_EARLY:
            self._early.append(message)
        else:
            raise ProtocolError(f"more than {MAX_EARLY} messages before the login was answered")

    def leave(self, message: PeerDisconnected) -> None:
        """The connection has ended."""
        if self.client_id is not None:
            logger.info("%s (%s) is gone: %s (%s)", self.client_id, self.user, message.reason.value, self.name)
            self._switchboard.client_left(self)

    def _authenticate(self, data: bytes) -> None:
        try:
            user, password = protocol.parse_login(data)
        except ValueError as error:
            self._deny(Refused("bad_login", str(error)))
            return
        self._authenticating = True
        host = self.address[0] if isinstance(self.address, tuple) else ""
        self._switchboard.authenticator.authenticate(user, password, host, self._authenticated)

    def _authenticated(self, answer: Any) -> None:
        """Args:
        answer: the account, or a refusal with a code and a message.
        """
        if not self.connected:
            return
        client_id = getattr(answer, "account_id", None)
        if client_id is None:
            self._deny(answer)
            return
        try:
            self._switchboard.client_logged_in(self, client_id, answer.rank)
        except Refused as refused:
            self._deny(refused)
            return
        self.client_id, self.user = client_id, answer.name
        self.logged_in = True
        logger.info("%s (%s) logged in (%s)", client_id, answer.name, self.name)
        early, self._early = self._early, []
        for message in early:
            self._store(client_id, message)

    def _deny(self, refusal: Any) -> None:
        logger.info("login denied: %s (%s)", refusal.code, self.name)
        self.send(protocol.login_deny(refusal.code, refusal.message))
        self.disconnect(f"login denied: {refusal.code}")

    def _store(self, client_id: int, message: Received) -> None:
        try:
            if message.for_matchmaking:
                self._switchboard.store_for_matchmaking(client_id, message.data)
            elif message.game_id is not None:
                self._switchboard.store_for_game(client_id, message.game_id, message.data)
            else:
                raise Refused("no_destination", "a message needs a 'game_id', or a 'Queue' for the matchmaking")
        except Refused as refused:
            self.send(protocol.error(refused.code, refused.message, client_id, message.game_id))
