"""Who somebody is: name and password checked, guessing slowed down. Part of a central task.

    authenticate → Attempts.begin → the account, from the database → its hash, in the pool for hashing
                 → Attempts.finish → then(account or refusal)

An unknown name, a wrong password, and a wrong password for a disabled account take the same way, for the same time,
to the same answer.
"""

import logging
from collections.abc import Callable

from connhandler import Busy, CentralTask, WorkerPool
from login_server.accounts.attempts import Attempt, Attempts, Outcome, Verdict, in_words
from login_server.accounts.passwords import Passwords
from login_server.accounts.store import Account, AccountStore
from login_server.databasecalls import DatabaseCalls, refusal_for
from login_server.refusal import Refusal

logger = logging.getLogger(__name__)

Then = Callable[[Account | Refusal], None]


class _Request:
    """What was asked, while it is at work."""

    __slots__ = ("account", "attempt", "name", "password", "then")

    def __init__(self, name: str, password: str, attempt: Attempt, then: Then) -> None:
        self.name = name
        self.password = password
        self.attempt = attempt
        self.then = then
        self.account: Account | None = None


class Authenticator:
    """Checks names and passwords. Use it in the central task only.

    Args:
        attempts: what counts failures.
    """

    def __init__(
        self,
        central: CentralTask,
        store: AccountStore,
        database_calls: DatabaseCalls,
        passwords: Passwords,
        password_pool: WorkerPool,
        attempts: Attempts,
    ) -> None:
        self._central = central
        self._store = store
        self._database_calls = database_calls
        self._passwords = passwords
        self._password_pool = password_pool
        self._attempts = attempts
        self._waiting: dict[Attempt, _Request] = {}

    def authenticate(self, name: str, password: str, address: str, then: Then) -> None:
        """Find out whether there is an account of that name with that password.

        Never raises and never waits. Calls `then` exactly once, later and in the central task, with the account or with
        a `Refusal` whose code is one of:

        * `wrong_login`: there is no such account, or its password is another.
        * `too_many_attempts`: nobody looked; the message says how long that lasts.
        * `account_disabled`: the password was right.
        * `busy`, `database_away`, `database_failed`: nobody could look. It counts for nothing.

        Args:
            address: the host that it comes from, without the port.
        """
        attempt = self._attempts.new(name, address)
        self._go_on(_Request(name, password, attempt, then), self._attempts.begin(attempt, self._central.now))

    def _go_on(self, request: _Request, verdict: Verdict | float) -> None:
        # Through the queue, so that however many have waited, one is begun at a time.
        post = self._central.post
        match verdict:
            case Verdict.WAIT:
                self._waiting[request.attempt] = request
            case Verdict.GO:
                post(self._find, request)
            case Verdict.FULL:
                post(request.then, _busy())
            case seconds:
                assert isinstance(seconds, float)
                words = f"too many wrong names or passwords, try again in {in_words(seconds)}"
                post(request.then, Refusal("too_many_attempts", words))

    def _find(self, request: _Request) -> None:
        def found(account: Account | None, error: BaseException | None) -> None:
            request.account = account
            if error is None:
                self._verify(request)
            else:
                self._finish(request, Outcome.UNDECIDED, refusal_for(error))

        self._database_calls.call(self._store.find, request.name, then=found)

    def _verify(self, request: _Request) -> None:
        def verified(right: bool | None, error: BaseException | None) -> None:
            account = request.account
            if error is not None:
                logger.error("a password could not be checked", exc_info=error)
                self._finish(request, Outcome.UNDECIDED, _busy())
            elif account is None or not right:
                self._finish(request, Outcome.WRONG, Refusal("wrong_login", "wrong name or password"))
            elif account.disabled:
                self._finish(request, Outcome.UNDECIDED, Refusal("account_disabled", "this account is disabled"))
            else:
                self._finish(request, Outcome.RIGHT, account)

        password_hash = request.account.password_hash if request.account else None
        verify = self._passwords.verify, password_hash, request.password
        try:
            self._central.perform(self._password_pool, *verify, then=verified)
        except Busy:
            self._finish(request, Outcome.UNDECIDED, _busy())

    def _finish(self, request: _Request, outcome: Outcome, answer: Account | Refusal) -> None:
        for attempt, verdict in self._attempts.finish(request.attempt, outcome, self._central.now):
            self._go_on(self._waiting.pop(attempt), verdict)
        request.then(answer)


def _busy() -> Refusal:
    return Refusal("busy", "the server is very busy, try again in a moment")
