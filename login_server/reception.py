"""What the players' port and the launchers' port have in common: hello, log-in, work in pools, and a clear no."""

import logging
from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Any, ClassVar

from connhandler import Busy, CentralTask, Message, Peer, PeerConnected, PeerDisconnected, WorkerPool
from connhandler.jsonmessage import Hello, Pong, Refused, Welcome, agree_on_version
from login_server.accounts import Account, Authenticator
from login_server.database import DatabaseFailed
from login_server.databasecalls import DatabaseCalls, refusal_for
from login_server.refusal import Refusal

logger = logging.getLogger(__name__)

Handler = Callable[[Any, Any], None]


class Guest(Peer):
    """The far end of a connection on either port.

    Attributes:
        versions: those of the protocol that are spoken on its port.
        version: the one that was agreed on; 0 before.
        work: how much of what it asked for is in the hands of a pool.
    """

    requires_login = True
    versions: ClassVar[tuple[int, ...]]
    may_ask_before_login: ClassVar[bool]
    """Whether it is refused only, or disconnected too, when it asks before it has logged in."""

    def __init__(self) -> None:
        super().__init__()
        self.version = 0
        self.work = 0

    def __str__(self) -> str:
        """For log lines."""
        return f"{self.name}, {self.address[0]}:{self.address[1]}"


class Reception:
    """Wraps the handlers of the desks: each sees only peers that have come as far as it requires, and may raise
    `Refusal`, which the peer gets as `Refused`.

    Args:
        counters: where refusals are counted, by their code.

    Attributes:
        guests: all who are connected, from `PeerConnected` to `PeerDisconnected`.
    """

    def __init__(self, central: CentralTask, counters: Counter[str]) -> None:
        self.guests: dict[Guest, None] = {}
        self._central = central
        self._counters = counters

    def connected(self, peer: Guest, message: PeerConnected) -> None:
        self.guests[peer] = None

    def disconnected(self, peer: Guest, message: PeerDisconnected) -> None:
        del self.guests[peer]

    def hello(self, peer: Guest, message: Hello) -> None:
        answer = agree_on_version(message, peer.versions, "login-server")
        if isinstance(answer, Welcome):
            peer.version = answer.version
            peer.send(answer)
        else:
            self.refuse(peer, message, Refusal(answer.code, answer.message))
            peer.disconnect(answer.message)

    def pong(self, peer: Guest, message: Pong) -> None:
        """That it came is all there is to it."""

    def before_login(self, handler: Handler) -> Handler:
        """A handler for peers that have said hello."""

        def handle(peer: Guest, message: Message) -> None:
            if not peer.version:
                self.refuse(peer, message, Refusal("hello_expected", "the first message must be a hello"))
                peer.disconnect("no hello")
                return
            try:
                handler(peer, message)
            except Refusal as refusal:
                self.refuse(peer, message, refusal)

        return handle

    def after_login(self, handler: Handler) -> Handler:
        """A handler for peers that have logged in."""

        def handle(peer: Guest, message: Message) -> None:
            if peer.logged_in:
                handler(peer, message)
                return
            self.refuse(peer, message, Refusal("not_logged_in", "log in first"))
            if not peer.may_ask_before_login:
                peer.disconnect("not logged in")

        return self.before_login(handle)

    def refuse(self, peer: Guest, message: Message, refusal: Refusal) -> None:
        """Tell a peer that what it asked with `message` is not done, and why."""
        self._counters[f"refused_{refusal.code}"] += 1
        about = str(message.__struct_config__.tag)
        logger.debug("%s refused, %s: %s", about, refusal.code, peer)
        peer.send(Refused(code=refusal.code, message=refusal.message, about=about))

    def perform(
        self,
        peer: Guest,
        message: Message,
        pool: WorkerPool,
        function: Callable[..., Any],
        *args: Any,
        then: Callable[[Any], None],
    ) -> None:
        """Run `function(*args)` in a pool for a peer's `message`; then call `then` with what it returned.

        `then` may raise `Refusal`, as `function` may. It is not called when that or anything else was raised,
        which the peer is told, nor when the peer has gone meanwhile.

        Raises:
            Refusal: `busy`: the pool has too much to do already.
        """

        done = partial(self._done, peer, message, then)
        try:
            self._central.perform(pool, function, *args, then=done)
        except Busy as error:
            raise refusal_for(error) from error
        peer.work += 1

    def call_database(
        self,
        peer: Guest,
        message: Message,
        calls: DatabaseCalls,
        function: Callable[..., Any],
        *args: Any,
        then: Callable[[Any], None],
        writes: bool = False,
    ) -> None:
        """The same for what is asked of the database: there is an answer in time, whatever the database does.

        Args:
            writes: as `DatabaseCalls.call` has it.
        """
        peer.work += 1
        calls.call(function, *args, then=partial(self._done, peer, message, then), writes=writes)

    def authenticate(
        self,
        peer: Guest,
        message: Message,
        authenticator: Authenticator,
        name: str,
        password: str,
        then: Callable[[Account | Refusal], None],
    ) -> None:
        """The same for who somebody is; `then` gets every answer, a `Refusal` too."""
        peer.work += 1

        def answered(answer: Account | Refusal) -> None:
            self._done(peer, message, then, answer, None)

        authenticator.authenticate(name, password, peer.address[0], answered)

    def _done(
        self,
        peer: Guest,
        message: Message,
        then: Callable[[Any], None],
        result: Any,
        error: BaseException | None,
    ) -> None:
        peer.work -= 1
        try:
            if error is not None:
                raise error
            if peer in self.guests:
                then(result)
        except (Refusal, Busy, DatabaseFailed) as failure:
            self.refuse(peer, message, refusal_for(failure))
        except Exception as problem:  # as with a handler: it costs the peer that it was for
            logger.exception("failed while working for %s", peer)
            peer.fail(problem)
