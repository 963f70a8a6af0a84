"""The example client: one player's side of the turn server's protocol, over HTTP.

    client = TurnClient("127.0.0.1", 8080)
    client.register("Davey Jones")
    while not client.request_pair():
        gevent.sleep(1)
    client.init_map()
    while not client.map_ready():
        gevent.sleep(1)
    for text in client.update("my first word"):
        print(client.partner, "says", text)
    client.quit()

Each call is one POST and waits for its answer; between two calls nothing goes on. A request whose reply got lost is
sent again, the very same bytes on a new connection, which is what the server expects. It uses gevent's sockets, so
that thousands of clients can share one thread, and belongs to one task.
"""

import ipaddress
from typing import Final, NamedTuple, Self

import gevent
import gevent.socket
import httptools

from turn_server.symbols import ANY, ERROR_TEXTS, JOINT, ErrorSymbol, IncomingSymbol, OutgoingSymbol

RECEIVE_BYTES: Final = 64 * 1024

PAUSE_SECONDS: Final = 0.05
"""Between losing a connection and trying again; twice as long each time."""

OUTGOING: Final = {str(symbol.value): symbol for symbol in OutgoingSymbol}
ERRORS: Final = {str(symbol.value): symbol for symbol in ErrorSymbol}


class TurnError(Exception):
    """The server refused a request, and most often means: register again.

    Args:
        symbol: the first field of the reply.
        detail: the second field; for `ErrorSymbol.CACHE_FULL`, the data that the server still had.
    """

    def __init__(self, symbol: ErrorSymbol, detail: str) -> None:
        super().__init__(f"error {symbol.value}/{detail[:100]}: {ERROR_TEXTS[symbol]}")
        self.symbol = symbol
        self.detail = detail


class ReplyLost(Exception):
    """No reply came, however often the request was repeated."""


class UnexpectedReply(Exception):
    """A reply came that this protocol does not have."""


class Reply(NamedTuple):
    """What the server says to a request that it has done."""

    symbol: OutgoingSymbol
    data: str


class TurnClient:
    """One player, from registering to leaving the game.

    Args:
        address: the server's host.
        port: its port.
        keep_alive: use one connection for all requests; otherwise each has its own.
        timeout: seconds to wait for a reply, or for a connection.
        tries: how often a request is sent at most until its reply comes.
        watched: only the connection is waited for with `timeout`. Another task looks after the replies, and calls
            `interrupt`; for thousands of clients that is much cheaper than a timer for each request.
    """

    def __init__(
        self,
        address: str,
        port: int,
        *,
        keep_alive: bool = True,
        timeout: float = 5.0,
        tries: int = 5,
        watched: bool = False,
    ) -> None:
        self.partner = ""
        """The partner's name, once paired."""
        self.is_server = False
        """Whether it is for this side to set the game up, once paired."""
        self.player = 0
        """Which of the two this is, 0 or 1, once the game has started."""
        self.counter = 0
        """How many answers to updates have come; the server releases what this shows to have arrived."""
        self.connections_lost = 0
        self.repeats = 0
        self._key = ""
        self._target = (address, port)
        self._family = _family_of(address)
        self._timeout = timeout
        self._reply_timeout = None if watched else timeout
        self._tries = tries
        self._keep_alive = keep_alive
        host = f"[{address}]" if ":" in address else address
        connection = "keep-alive" if keep_alive else "close"
        common = f"HTTP/1.1\r\nHost: {host}:{port}\r\nConnection: {connection}\r\n"
        self._get = f"GET / {common}\r\n".encode()
        self._post = f"POST / {common}Content-Type: text/plain; charset=utf-8\r\nContent-Length: ".encode()
        self._sock: gevent.socket.socket | None = None
        self._answer = _Answer()

    # --- the steps of a game, in order -------------------------------------------------------------

    def register(self, name: str, partner: str = ANY, register_key: str = ANY) -> None:
        """Make the player known.

        Args:
            name: of this player.
            partner: play with this one and with nobody else; `*`, with anybody.
            register_key: `*`, or `LONG_WAIT_KEY` to be given time to debug.

        Raises:
            TurnError, ReplyLost, UnexpectedReply: as every request.
        """
        reply = self._request(IncomingSymbol.NOTIFY_REGISTER, name, register_key, partner)
        _expect(reply, OutgoingSymbol.C_MSG_REGISTER_OK)
        self._key = reply.data

    def request_pair(self) -> bool:
        """Return whether there is a partner; if not, ask again some time later."""
        reply = self._request(IncomingSymbol.NOTIFY_REQUEST_PAIR, ANY, self._key)
        _expect(
            reply,
            OutgoingSymbol.C_MSG_PAIRING,
            OutgoingSymbol.C_MSG_START_SERVER,
            OutgoingSymbol.C_MSG_START_CLIENT,
        )
        if reply.symbol is OutgoingSymbol.C_MSG_PAIRING:
            return False
        self.partner = reply.data
        self.is_server = reply.symbol is OutgoingSymbol.C_MSG_START_SERVER
        return True

    def init_map(self) -> bool:
        """Say that the partner is known; return whether it is for this side to set the game up."""
        reply = self._request(IncomingSymbol.NOTIFY_MAP_INIT, ANY, self._key)
        _expect(reply, OutgoingSymbol.C_MSG_INIT_SERVER, OutgoingSymbol.C_MSG_INIT_CLIENT)
        self.is_server = reply.symbol is OutgoingSymbol.C_MSG_INIT_SERVER
        return self.is_server

    def map_ready(self) -> bool:
        """Say that the game is set up here; return whether it has begun. If not, ask again some time later."""
        reply = self._request(IncomingSymbol.NOTIFY_MAP_READY, ANY, self._key)
        _expect(reply, OutgoingSymbol.C_MSG_PARTNER_LOAD, OutgoingSymbol.C_MSG_START_PLAY)
        if reply.symbol is OutgoingSymbol.C_MSG_PARTNER_LOAD:
            return False
        game_key, _, player = reply.data.partition(JOINT)
        if player not in ("0", "1"):
            raise UnexpectedReply(f"the game starts with the keys {reply.data!r}")
        self._key = game_key
        self.player = int(player)
        self.counter = 0
        return True

    def update(self, data: str = ANY) -> list[str]:
        """Pass `data` to the partner, and return what the partner has sent meanwhile, oldest first.

        Args:
            data: any text, commas included. A `|` in it makes it arrive as two; `*` says nothing.

        Raises:
            TurnError: as every request. `ErrorSymbol.CACHE_FULL` counts as an answer: what the partner has sent is its
                `detail`, and the next call is to pass the same data again.
            ReplyLost, UnexpectedReply: as every request.
        """
        counter = str(self.counter)
        try:
            reply = self._request(IncomingSymbol.NOTIFY_GAME_UPDATE, data, self._key, str(self.player), counter)
        except TurnError as error:
            self.counter += error.symbol is ErrorSymbol.CACHE_FULL
            raise
        _expect(reply, OutgoingSymbol.C_MSG_GAME_DATA, OutgoingSymbol.C_MSG_GAME_NO_DATA)
        self.counter += 1
        return [] if reply.symbol is OutgoingSymbol.C_MSG_GAME_NO_DATA else reply.data.split(JOINT)

    def quit(self) -> None:
        """Leave the game."""
        reply = self._request(IncomingSymbol.NOTIFY_GAME_QUIT, ANY, self._key, str(self.player), str(self.counter))
        _expect(reply, OutgoingSymbol.C_MSG_UNREGISTER_OK)

    def unregister(self) -> None:
        """Wait for a partner no more."""
        reply = self._request(IncomingSymbol.NOTIFY_UNREGISTER, ANY, self._key)
        _expect(reply, OutgoingSymbol.C_MSG_UNREGISTER_OK)

    # --- around the game -------------------------------------------------------------------------------

    def compute_seconds(self) -> float:
        """Return how long the server computed for the last POST of anybody, as it says itself.

        Raises:
            ReplyLost: as every request.
            UnexpectedReply: it is no number.
        """
        text = self._exchange(self._get)
        try:
            return float(text)
        except ValueError as error:
            raise UnexpectedReply(f"GET was answered with {text[:100]!r}") from error

    def interrupt(self) -> None:
        """From another task: let the request that waits for its reply be sent again, on a new connection."""
        if self._sock is not None:
            try:
                self._sock.shutdown(gevent.socket.SHUT_RDWR)
            except OSError:
                pass  # it is not connected any more, or not yet

    def close(self) -> None:
        """End the connection. The next request makes a new one."""
        if self._sock is not None:
            self._sock.close()
            self._sock = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # --- one request -------------------------------------------------------------------------------------

    def _request(self, symbol: IncomingSymbol, data: str, key: str, player: str = ANY, counter: str = ANY) -> Reply:
        """Raises:
        TurnError: the server refuses.
        ReplyLost: no reply came.
        UnexpectedReply: what came is no reply.
        """
        body = f"{symbol:d},{data},{key},{player},{counter}".encode()
        text = self._exchange(b"%b%d\r\n\r\n%b" % (self._post, len(body), body))
        first, _, rest = text.partition("/")
        try:
            if first == "0":
                second, _, returned = rest.partition("/")
                return Reply(OUTGOING[second], returned)
            error = TurnError(ERRORS[first], rest.rpartition("/")[0])
        except KeyError:
            raise UnexpectedReply(f"{symbol.name} was answered with {text[:100]!r}") from None
        raise error

    def _exchange(self, request: bytes) -> str:
        """Send until an answer comes; return its body.

        Raises:
            ReplyLost: none came.
        """
        why: Exception | None = None
        for attempt in range(self._tries):
            if attempt:
                self.repeats += 1
                gevent.sleep(PAUSE_SECONDS * 2 ** (attempt - 1))
            try:
                return self._exchange_once(request)
            except (OSError, httptools.HttpParserError) as error:
                why = error
                self.connections_lost += 1
                self.close()
        raise ReplyLost(f"no reply after {self._tries} tries: {why}") from why

    def _exchange_once(self, request: bytes) -> str:
        """Raises:
        OSError: the connection was lost, or time is over.
        httptools.HttpParserError: what came is not HTTP.
        """
        sock = self._sock or self._connect()
        sent = sock.send(request)
        if sent < len(request):
            sock.sendall(request[sent:])
        return self._receive(sock)

    def _receive(self, sock: gevent.socket.socket) -> str:
        answer = self._answer
        while not answer.whole:
            data = self._receive_some(sock)
            if not data:
                raise ConnectionResetError("the server closed the connection before its reply")
            answer.receive_data(data)
        text, may_stay = answer.take()
        if not (may_stay and self._keep_alive):
            self.close()
        return text

    def _receive_some(self, sock: gevent.socket.socket) -> bytes:
        return sock.recv(RECEIVE_BYTES)

    def _connect(self) -> gevent.socket.socket:
        self._answer = _Answer()
        if self._family is None:
            self._sock = gevent.socket.create_connection(self._target, self._timeout)
        else:
            self._sock = gevent.socket.socket(self._family, gevent.socket.SOCK_STREAM)
            self._sock.settimeout(self._timeout)
            self._sock.connect(self._target)
        self._sock.settimeout(self._reply_timeout)
        self._sock.setsockopt(gevent.socket.IPPROTO_TCP, gevent.socket.TCP_NODELAY, 1)
        return self._sock


class _Answer:
    """The HTTP answers of one connection, one at a time."""

    def __init__(self) -> None:
        self.whole = False
        self._may_stay = True
        self._parts: list[bytes] = []
        self._parser = httptools.HttpResponseParser(self)

    def receive_data(self, data: bytes) -> None:
        """Raises:
        httptools.HttpParserError: this is no HTTP.
        """
        self._parser.feed_data(data)

    def take(self) -> tuple[str, bool]:
        """Return the body, and whether the connection may be used again."""
        text = b"".join(self._parts).decode(errors="replace")
        self._parts.clear()
        self.whole = False
        return text, self._may_stay

    # httptools calls these.

    def on_body(self, data: bytes) -> None:
        self._parts.append(data)

    def on_message_complete(self) -> None:
        # 100 Continue and its like come before the answer.
        self.whole = self._parser.get_status_code() >= 200
        self._may_stay = self._parser.should_keep_alive()


def _family_of(address: str) -> int | None:
    """The family of an address in numbers, which need not be looked up; None for a name."""
    try:
        version = ipaddress.ip_address(address).version
    except ValueError:
        return None
    return gevent.socket.AF_INET6 if version == 6 else gevent.socket.AF_INET


def _expect(reply: Reply, *symbols: OutgoingSymbol) -> None:
    """Raises:
    UnexpectedReply: it is none of these.
    """
    if reply.symbol not in symbols:
        expected = " or ".join(symbol.name for symbol in symbols)
        raise UnexpectedReply(f"the answer is {reply.symbol.name}, expected {expected}")
