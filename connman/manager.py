"""ConnMan as a program's own threads see it. Every method may be called from any of them, and from any gevent task.

Nothing here touches the state of the central task but by messages; what a caller asks about is only looked at.
"""

import logging
import ssl
from collections.abc import Iterable
from typing import Any, Final

from connhandler import BackgroundService, Limits, Service, ServiceEnded
from connman import protocol
from connman.arguments import check_client_id, check_clients, check_game_id, is_there
from connman.listenserver import LIMITS, PORT, EndOfPacket, ListenServer
from connman.mailbox import Mailbox
from connman.orders import Orders
from connman.protocol import BROADCAST, GameId, Message, Packet
from connman.receiving import recv_all
from connman.switchboard import QueueLimits, Switchboard

logger = logging.getLogger(__name__)

DATABASE_URL: Final = "sqlite:///connman.sqlite"


class ConnMan:
    """Connects clients with games and a matchmaking, which are threads of the program that makes it.

    Args:
        address: the local interface to listen on; 0.0.0.0 are all of them.
        port: to listen on; 0 takes a free one, and `start` stores its number here.
        database_url: where the users are, as SQLAlchemy has it.
        framing: "objects", one after another, or "lines", with one object in each.
        ssl_context: for TLS.
        limits: the bounds of every connection.
        queues: how much may wait to be read by the program.
        account_options: more keyword arguments, those of `login_server.accounts.AccountOffice`.

    Attributes:
        ended: whether it was stopped, or broke.

    Raises:
        ValueError: `framing` is neither.
    """

    def __init__(
        self,
        address: str = "0.0.0.0",
        port: int = PORT,
        *,
        database_url: str = DATABASE_URL,
        framing: EndOfPacket = "objects",
        ssl_context: ssl.SSLContext | None = None,
        limits: Limits = LIMITS,
        queues: QueueLimits | None = None,
        **account_options: Any,
    ) -> None:
        if framing not in ("objects", "lines"):
            raise ValueError(f"framing must be 'objects' or 'lines', not {framing!r}")
        self.address = address
        self.port = port
        self._database_url = database_url
        self._framing = framing
        self._ssl_context = ssl_context
        self._limits = limits
        self._queues = queues
        self._account_options = account_options
        self._service = BackgroundService("connman", self._make)
        self._office: Any = None
        self._switchboard: Switchboard | None = None
        self._orders = Orders(self._service)
        self.ended = False

    # --- life -------------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Open the database, listen, and accept clients from now on.

        Raises:
            RuntimeError: it was started before.
            OSError: the port is taken.
            ValueError: the database URL is none.
            Exception: the database cannot be opened.
        """
        try:
            self._service.start()
        except BaseException:
            self._close_office()
            raise
        assert self._switchboard is not None
        # However it ends, nobody may go on waiting for messages.
        self._service.promise().add_done_callback(lambda _: self._end())

    def stop(self, timeout: float | None = None) -> bool:
        """Tell every client that this is the end, and end. Whoever waits for a message gets None.

        Args:
            timeout: how long to wait, in seconds.

        Returns:
            whether it has ended.
        """
        return self._service.close(timeout)

    close = stop

    def __enter__(self) -> "ConnMan":
        self.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.stop()

    # --- messages ---------------------------------------------------------------------------------------------------

    def send_message(self, addr: int, message: Packet) -> bool:
        """Send a packet to a client, or, if its `type` is `BROADCAST`, to all players of the game in its `game_id`.

        Args:
            addr: the client's id; for a broadcast, it means nothing.
            message: the packet, for JSON.

        Returns:
            whether it is on its way; False when the client or game was there, but has gone.

        Raises:
            KeyError: there never was such a client or game.
            TypeError: an argument is of the wrong type, or JSON has no form for something in the message.
            ValueError: the message is longer than `limits.max_message_bytes`.
        """
        data = protocol.encode(message)
        if len(data) > self._limits.max_message_bytes:
            raise ValueError(f"a message of {len(data)} bytes, where {self._limits.max_message_bytes} are the most")
        switchboard = self._get_switchboard()
        if message.get("type") == BROADCAST:
            game_id = check_game_id(message.get("game_id"))
            return self._goes_on(game_id) and self._give(switchboard.broadcast, game_id, data)
        return self._is_connected(addr) and self._give(switchboard.send, addr, data)

    def get_game_message(self, game_id: GameId, blocking: bool = False, timeout: float | None = None) -> Message | None:
        """Take the oldest message that a game's clients have sent, or ConnMan has, about them.

        Args:
            game_id: the game's id.
            blocking: whether to wait for one.
            timeout: for how many seconds.

        Returns:
            `(addr, dict)`; None when there is no message, when the game ends or has ended, and when ConnMan does.

        Raises:
            KeyError: no such game was started.
        """
        game = self._get_switchboard().games.get(game_id) if self._goes_on(check_game_id(game_id)) else None
        return None if game is None else _take(game.mailbox, blocking, timeout)

    get_game_messsage = get_game_message
    """The seed document spells it in both ways."""

    def get_match_message(self, blocking: bool = False, timeout: float | None = None) -> Message | None:
        """Take the oldest message for the matchmaking: who has come or gone, and packets with a `Queue`.

        Returns:
            `(addr, dict)`; None when there is no message, and when ConnMan ends or has ended.
        """
        return _take(self._get_switchboard().matchmaking, blocking, timeout)

    recv_all = staticmethod(recv_all)

    # --- games and clients --------------------------------------------------------------------------------------------

    def start_game(
        self, game_id: GameId, clientlist: Iterable[int] | None = None, *, clientList: Iterable[int] | None = None
    ) -> None:
        """Let clients play: from now on, what they say with this `game_id` is kept for `get_game_message`.

        A client may be in several games. One that goes and comes back is still in its games.

        Args:
            game_id: one that no game has which goes on.
            clientlist: the clients' ids. The seed document spells it `clientList`, too.

        Raises:
            KeyError: there never was such a client.
            TypeError: an argument is of the wrong type.
            ValueError: there is such a game already.
        """
        client_ids = check_clients(clientlist, clientList)
        self._service.call(self._get_switchboard().start_game, check_game_id(game_id), client_ids)

    def end_game(
        self, game_id: GameId, clientList: Iterable[int] | None = None, *, clientlist: Iterable[int] | None = None
    ) -> None:
        """End a game for all its clients, and give back the memory of its messages. They stay connected.

        Args:
            game_id: the game's id.
            clientList: the ids of clients that are in it.

        Raises:
            KeyError: there is no such game, or one of the clients is not in it.
            TypeError: an argument is of the wrong type.
        """
        client_ids = check_clients(clientlist, clientList)
        switchboard = self._get_switchboard()
        try:
            self._service.call(switchboard.end_game, check_game_id(game_id), client_ids)
        except ServiceEnded:
            logger.debug("game %r ended after ConnMan has", game_id)

    def disconnect_client(self, addr: int) -> bool:
        """Disconnect a client. It is told so, after what was sent to it before; so are the matchmaking and its games.

        Returns:
            False when it has gone already.

        Raises:
            KeyError: there never was such a client.
        """
        return self._is_connected(addr) and self._give(self._get_switchboard().disconnect, addr)

    def client_disconnected(self, addr: int) -> bool:
        """Tell the matchmaking and the client's games that it is gone.

        ConnMan does so by itself; called from outside, it disconnects the client as `disconnect_client` does.
        """
        return self.disconnect_client(addr)

    def clients(self) -> dict[int, str]:
        """The names of all users who are connected, by id."""
        switchboard = self._get_switchboard()
        names: dict[int, str] = self._service.call(
            lambda: {client_id: client.user for client_id, client in switchboard.clients.items()}
        )
        return names

    def set_rank(self, addr: int, rank: int) -> None:
        """Write down a client's rank, which its next `C` message will carry. Waits for the database.

        Args:
            addr: the id of a client that is, or not long ago was, connected.
            rank: whatever it means in this program.

        Raises:
            KeyError: there never was such a client.
            Exception: the database could not do it.
        """
        name = self._service.call(self._get_switchboard().name_of, check_client_id(addr))
        answer = self._service.promise()
        self._service.post(self._perform, answer, self._office.store.set_rank, name, rank)
        answer.result()

    # --- inside -----------------------------------------------------------------------------------------------------

    def _make(self) -> Service:
        """In the thread, or the hub, that will run it."""
        self._switchboard = switchboard = Switchboard(self._queues)
        self._office = self._open_office(switchboard)
        switchboard.authenticator = self._office.authenticator
        listen_server = ListenServer(
            switchboard,
            self.address,
            self.port,
            self._framing,
            limits=self._limits,
            ssl_context=self._ssl_context,
        )
        listen_server.listen()
        self.port = listen_server.port
        return Service(switchboard, [listen_server], self._office.pools, owns_process=False)

    def _open_office(self, switchboard: Switchboard) -> Any:
        # Not above: what it needs is an extra, and whoever only wants `recv_all` need not have it.
        from login_server.accounts import AccountOffice

        # Everybody who may be at logging in may wait for the password's hash.
        options = {"hashing_queue": self._limits.max_not_logged_in, **self._account_options}
        return AccountOffice(switchboard, self._database_url, **options)

    def _perform(self, answer: Any, function: Any, *args: Any) -> None:
        """In the central task."""

        def done(result: Any, error: BaseException | None) -> None:
            if error is None:
                answer.set_result(result)
            else:
                answer.set_exception(error)

        self._office.database_calls.call(function, *args, then=done, writes=True)

    def _end(self) -> None:
        self.ended = True
        self._get_switchboard().close_mailboxes()
        self._close_office()

    def _close_office(self) -> None:
        office, self._office = self._office, None
        if office is not None:
            office.close()

    def _get_switchboard(self) -> Switchboard:
        if self._switchboard is None:
            raise RuntimeError("ConnMan was not started")
        return self._switchboard

    def _goes_on(self, game_id: GameId) -> bool:
        switchboard = self._get_switchboard()
        return is_there(f"game {game_id!r}", game_id, switchboard.games, switchboard.ended_games)

    def _is_connected(self, addr: int) -> bool:
        switchboard = self._get_switchboard()
        return is_there(f"client {addr}", check_client_id(addr), switchboard.clients, switchboard.departed_clients)

    def _give(self, function: Any, *args: Any) -> bool:
        try:
            self._orders.give(function, *args)
        except ServiceEnded:
            return False
        return True


def _take(mailbox: Mailbox, blocking: bool, timeout: float | None) -> Message | None:
    if timeout is not None and timeout < 0:
        raise ValueError(f"timeout must be 0 or more, not {timeout}")
    return mailbox.take(blocking, timeout if blocking else None)
