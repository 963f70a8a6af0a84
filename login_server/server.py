"""The login server's central task. Start reading at its dispatch table."""

from collections.abc import Sequence
from typing import Any

from connhandler import CentralTask, PeerConnected, PeerDisconnected
from connhandler.http import HttpRequest
from connhandler.jsonmessage import Hello, Pong, ShuttingDown
from login_server.accountdesk import AccountDesk
from login_server.accounts import Authenticator
from login_server.backoffice import BackOffice
from login_server.databasecalls import DatabaseCalls
from login_server.gameclienthandler import PlayerPeer
from login_server.gameserverlauncherhandler import LauncherPeer
from login_server.httphandler import VisitorPeer
from login_server.launcherdesk import LauncherDesk
from login_server.matchdesk import MatchDesk
from login_server.matchnews import MatchNews
from login_server.passdesk import PassDesk
from login_server.passes import PassIssuer
from login_server.protocol import (
    CancelMatch,
    ChangePassword,
    FindMatch,
    JoinServer,
    LauncherLogIn,
    LogIn,
    MapChanged,
    MapVoteChanged,
    MapVoteRefused,
    MatchEnded,
    MatchStarted,
    MatchTimeChanged,
    PlayerJoined,
    PlayerLeft,
    Register,
    RegisterServer,
    ScoreChanged,
    TeamsChanged,
    UnregisterServer,
    UpdateServer,
    VoteMap,
    WakeProgress,
)
from login_server.reception import Reception
from login_server.results import RecordedMatch
from login_server.servernews import ServerNews
from login_server.state import State
from login_server.statusdesk import StatusDesk
from login_server.tickets import SeatIssuer, TicketIssuer
from login_server.votedesk import VoteDesk
from login_server.wakedesk import WakeDesk

HOUSEKEEPING_SECONDS = 5.0


class LoginServer(CentralTask):
    """Lets players and launchers in, and brings them together.

    Every kind of request has a desk, which answers it from the `State` that all desks share. What takes time is
    done by the back office, and comes back as a message. No desk ever waits.

    Args:
        back_office: the stores and pools.
        issuer: of the tickets.
        seats: the issuer of the seats.
        passes: the issuer of the day passes.
        recorded: the latest results, oldest first, to be shown.
        version: of this program, to be shown.
        central: as `CentralTask` takes them.
    """

    def __init__(
        self,
        back_office: BackOffice,
        issuer: TicketIssuer,
        seats: SeatIssuer,
        passes: PassIssuer,
        recorded: Sequence[RecordedMatch] = (),
        version: str = "",
        **central: Any,
    ) -> None:
        super().__init__("login_server", **central)
        self._state = state = State(recorded)
        self._reception = reception = Reception(self, state.counters)
        match_news = MatchNews(self, state)
        wakes = WakeDesk(self, reception, state)
        calls = DatabaseCalls(self, back_office.database_pool, back_office.database.check)
        self._match_desk = matches = MatchDesk(self, state, issuer, seats, match_news, wakes)
        wakes.news = news = ServerNews(self, state, on_news=matches.start_waiting)
        authenticator = Authenticator(
            self,
            back_office.accounts,
            calls,
            back_office.passwords,
            back_office.password_pool,
            back_office.attempts,
        )
        self._pass_desk = pass_desk = PassDesk(self, state, back_office.revocations, calls, passes.life_seconds)
        self._account_desk = accounts = AccountDesk(
            self, reception, state, back_office, calls, authenticator, passes, pass_desk, news, matches.player_came
        )
        launchers = LauncherDesk(self, reception, state, back_office, calls, issuer, pass_desk, news, match_news, wakes)
        self._launcher_desk = launchers
        votes = VoteDesk(state)
        self.status_desk = StatusDesk(self, state, version)
        early, late = reception.before_login, reception.after_login
        self.dispatch = {
            (PlayerPeer, PeerConnected): reception.connected,
            (PlayerPeer, Hello): reception.hello,
            (PlayerPeer, Pong): reception.pong,
            (PlayerPeer, Register): early(accounts.register),
            (PlayerPeer, LogIn): early(accounts.log_in),
            (PlayerPeer, ChangePassword): late(accounts.change_password),
            (PlayerPeer, JoinServer): late(matches.join_server),
            (PlayerPeer, FindMatch): late(matches.find_match),
            (PlayerPeer, CancelMatch): late(matches.cancel_match),
            (PlayerPeer, VoteMap): late(votes.vote_map),
            (PlayerPeer, PeerDisconnected): self._player_disconnected,
            (LauncherPeer, PeerConnected): reception.connected,
            (LauncherPeer, Hello): reception.hello,
            (LauncherPeer, Pong): reception.pong,
            (LauncherPeer, LauncherLogIn): early(launchers.log_in),
            (LauncherPeer, RegisterServer): late(launchers.put_server),
            (LauncherPeer, UpdateServer): late(launchers.put_server),
            (LauncherPeer, UnregisterServer): late(launchers.unregister_server),
            (LauncherPeer, WakeProgress): late(wakes.wake_progress),
            (LauncherPeer, MapVoteChanged): late(votes.vote_changed),
            (LauncherPeer, MapVoteRefused): late(votes.vote_refused),
            (LauncherPeer, MapChanged): late(launchers.map_changed),
            (LauncherPeer, MatchStarted): late(launchers.fact_told),
            (LauncherPeer, PlayerJoined): late(launchers.fact_told),
            (LauncherPeer, PlayerLeft): late(launchers.fact_told),
            (LauncherPeer, TeamsChanged): late(launchers.fact_told),
            (LauncherPeer, ScoreChanged): late(launchers.fact_told),
            (LauncherPeer, MatchTimeChanged): late(launchers.fact_told),
            (LauncherPeer, MatchEnded): late(launchers.match_ended),
            (LauncherPeer, PeerDisconnected): self._launcher_disconnected,
            (VisitorPeer, HttpRequest): self.status_desk.answer,
        }

    def state(self) -> dict[str, Any]:
        """All state, as values that JSON knows."""
        return self._state.plain()

    def on_start(self) -> None:
        self._keep_house()
        self._pass_desk.look()

    def on_shutdown(self) -> None:
        for peer in self._reception.guests:
            peer.send(ShuttingDown(message="the login server shuts down; come back in a moment"))

    def _player_disconnected(self, peer: PlayerPeer, message: PeerDisconnected) -> None:
        self._reception.disconnected(peer, message)
        self._account_desk.player_disconnected(peer, message)
        self._match_desk.player_disconnected(peer, message)

    def _launcher_disconnected(self, peer: LauncherPeer, message: PeerDisconnected) -> None:
        self._reception.disconnected(peer, message)
        self._launcher_desk.launcher_disconnected(peer, message)

    def _keep_house(self) -> None:
        """Seats and matches whose tickets have expired become free; that may be what somebody waits for."""
        self._match_desk.drop_expired()
        self._match_desk.start_waiting()
        self.call_later(HOUSEKEEPING_SECONDS, self._keep_house)
