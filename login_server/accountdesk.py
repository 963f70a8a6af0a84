"""Where players register, log in and change their passwords. Part of the central task."""

import logging
from collections.abc import Callable
from functools import partial
from typing import Any

from connhandler import CentralTask, Message, PeerDisconnected
from login_server.accounts import Account, Authenticator, check_name, check_new_password
from login_server.backoffice import BackOffice
from login_server.databasecalls import DatabaseCalls
from login_server.gameclienthandler import PlayerPeer
from login_server.passdesk import PassDesk
from login_server.passes import PassIssuer
from login_server.protocol import ChangePassword, LoggedIn, LogIn, PasswordChanged, Register, Registered
from login_server.reception import Reception
from login_server.refusal import Refusal
from login_server.servernews import ServerNews
from login_server.state import State

logger = logging.getLogger(__name__)

MAX_WRONG_LOGINS = 5
"""On one connection; then it is disconnected."""

Then = Callable[[Any], None]


class AccountDesk:
    """Each request takes several steps, in a pool for hashing and in one for the database; each step's result comes
    back as a message and begins the next.

    Args:
        passes: signs a day pass for whoever logs in.
        pass_desk: told of passes that are void.
        logged_in: called with everybody who has been let in and knows the servers.
    """

    def __init__(
        self,
        central: CentralTask,
        reception: Reception,
        state: State,
        back_office: BackOffice,
        database_calls: DatabaseCalls,
        authenticator: Authenticator,
        passes: PassIssuer,
        pass_desk: PassDesk,
        news: ServerNews,
        logged_in: Callable[[PlayerPeer], None],
    ) -> None:
        self._central = central
        self._reception = reception
        self._state = state
        self._accounts = back_office.accounts
        self._database_calls = database_calls
        self._authenticator = authenticator
        self._passwords = back_office.passwords
        self._passes = passes
        self._pass_desk = pass_desk
        self._password_pool = back_office.password_pool
        self._news = news
        self._logged_in = logged_in

    def register(self, peer: PlayerPeer, message: Register) -> None:
        _check_idle(peer)
        _check_logged_out(peer)
        check_name(message.name)
        check_new_password(message.password)

        def hashed(password_hash: str) -> None:
            account = message.name, password_hash, self._central.now
            self._in_database(peer, message, self._accounts.add, *account, then=added, writes=True)

        def added(account_id: int) -> None:
            logger.info("player %s registered, account %d (%s)", message.name, account_id, peer)
            self._state.counters["registered"] += 1
            peer.send(Registered(name=message.name))

        self._hashing(peer, message, self._passwords.hash, message.password, then=hashed)

    def log_in(self, peer: PlayerPeer, message: LogIn) -> None:
        _check_idle(peer)
        _check_logged_out(peer)

        def right(account: Account) -> None:
            if account.name in self._state.players:
                raise Refusal("already_logged_in", f"{account.name} is logged in on another connection")
            self._admit(peer, account)

        self._authenticate(peer, message, message.name, message.password, then=right)

    def change_password(self, peer: PlayerPeer, message: ChangePassword) -> None:
        _check_idle(peer)
        check_new_password(message.new_password)

        def right(account: Account) -> None:
            new_hash = self._passwords.hash, message.new_password
            self._hashing(peer, message, *new_hash, then=partial(hashed, account.account_id))

        def hashed(account_id: int, password_hash: str) -> None:
            now = self._central.now
            change = self._accounts.set_password_hash, account_id, password_hash, now
            self._in_database(peer, message, *change, then=partial(stored, now), writes=True)

        def stored(changed_at: float, _: None) -> None:
            self._pass_desk.revoked(peer.player, changed_at)
            logger.info("player %s changed the password (%s)", peer.player, peer)
            day_pass, expires_at = self._issue_pass(peer.player)
            peer.send(PasswordChanged(day_pass=day_pass, day_pass_expires_at=expires_at))

        self._authenticate(peer, message, peer.player, message.old_password, then=right)

    def player_disconnected(self, peer: PlayerPeer, message: PeerDisconnected) -> None:
        if peer.player:
            self._state.leave(peer)
            logger.info("player %s is gone: %s (%s)", peer.player, message.reason.value, peer)

    def _admit(self, peer: PlayerPeer, account: Account) -> None:
        peer.player = account.name
        peer.logged_in = True
        self._state.enter(peer)
        self._state.counters["logged_in"] += 1
        logger.info("player %s logged in (%s)", account.name, peer)
        day_pass, expires_at = self._issue_pass(account.name)
        peer.send(LoggedIn(name=account.name, day_pass=day_pass, day_pass_expires_at=expires_at))
        self._news.send_list(peer)
        self._logged_in(peer)

    def _issue_pass(self, player: str) -> tuple[str, float]:
        return self._passes.issue(player, self._central.now, self._central.new_id("pass-"))

    def _authenticate(
        self, peer: PlayerPeer, message: Message, name: str, password: str, then: Callable[[Account], None]
    ) -> None:
        """Call `then` with the account of that name, if that is its password; else tell the peer why not."""

        def answered(answer: Account | Refusal) -> None:
            if isinstance(answer, Account):
                then(answer)
                return
            self._reception.refuse(peer, message, answer)
            if answer.code == "wrong_login":
                self._wrong_login(peer, name)

        self._reception.authenticate(peer, message, self._authenticator, name, password, then=answered)

    def _wrong_login(self, peer: PlayerPeer, name: str) -> None:
        peer.wrong_logins += 1
        logger.info("wrong name or password for %r, wrong so far: %d (%s)", name, peer.wrong_logins, peer)
        if peer.wrong_logins >= MAX_WRONG_LOGINS:
            peer.disconnect("too many wrong passwords")

    def _hashing(
        self, peer: PlayerPeer, message: Message, function: Callable[..., Any], *args: Any, then: Then
    ) -> None:
        self._reception.perform(peer, message, self._password_pool, function, *args, then=then)

    def _in_database(
        self,
        peer: PlayerPeer,
        message: Message,
        function: Callable[..., Any],
        *args: Any,
        then: Then,
        writes: bool = False,
    ) -> None:
        self._reception.call_database(peer, message, self._database_calls, function, *args, then=then, writes=writes)


def _check_idle(peer: PlayerPeer) -> None:
    if peer.work:
        raise Refusal("busy", "one thing after the other: your last request is still at work")


def _check_logged_out(peer: PlayerPeer) -> None:
    if peer.logged_in:
        raise Refusal("already_logged_in", f"you are logged in as {peer.player}")
