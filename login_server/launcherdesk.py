"""Where launchers log in, tell which servers they have, and what happens there. Part of the central task."""

import logging

from connhandler import CentralTask, PeerDisconnected
from connhandler.jsonmessage import Refused
from login_server.backoffice import BackOffice
from login_server.databasecalls import DatabaseCalls
from login_server.gameserverlauncherhandler import LauncherPeer
from login_server.matches import FactOfMatch, Match
from login_server.matchnews import MatchNews
from login_server.passdesk import PassDesk
from login_server.protocol import (
    LauncherAccepted,
    LauncherLogIn,
    MapChanged,
    MatchEnded,
    MatchRecorded,
    MatchStarted,
    PlayerJoined,
    PlayerLeft,
    RegisterServer,
    UnregisterServer,
    UpdateServer,
)
from login_server.reception import Reception
from login_server.refusal import Refusal
from login_server.results import RecordedMatch
from login_server.servernews import ServerNews
from login_server.servers import check_owner
from login_server.state import State
from login_server.tickets import TicketIssuer
from login_server.wakedesk import WakeDesk

logger = logging.getLogger(__name__)


class LauncherDesk:
    def __init__(
        self,
        central: CentralTask,
        reception: Reception,
        state: State,
        back_office: BackOffice,
        database_calls: DatabaseCalls,
        issuer: TicketIssuer,
        pass_desk: PassDesk,
        news: ServerNews,
        match_news: MatchNews,
        wakes: WakeDesk,
    ) -> None:
        self._central = central
        self._reception = reception
        self._state = state
        self._keys = back_office.launcher_keys
        self._results = back_office.results
        self._database_calls = database_calls
        self._issuer = issuer
        self._pass_desk = pass_desk
        self._news = news
        self._match_news = match_news
        self._wakes = wakes

    def log_in(self, peer: LauncherPeer, message: LauncherLogIn) -> None:
        if peer.work or peer.logged_in:
            raise Refusal("already_logged_in", "a connection logs in once")

        def checked(right: bool) -> None:
            if right:
                self._admit(peer, message.name)
                return
            logger.warning("wrong key for launcher %r (%s)", message.name, peer)
            self._reception.refuse(peer, message, Refusal("wrong_key", "wrong launcher name or key"))
            peer.disconnect("wrong key")

        work = self._keys.check, message.name, message.key
        self._reception.call_database(peer, message, self._database_calls, *work, then=checked)

    def launcher_disconnected(self, peer: LauncherPeer, message: PeerDisconnected) -> None:
        if self._state.launchers.get(peer.launcher) is peer:
            del self._state.launchers[peer.launcher]
            removed = self._remove_servers(peer.launcher)
            logger.warning(
                "launcher %s is gone with %d servers: %s (%s)",
                peer.launcher,
                len(removed),
                message.reason.value,
                peer,
            )

    def put_server(self, peer: LauncherPeer, message: RegisterServer | UpdateServer) -> None:
        server = message.server
        is_new = server.server_id not in self._state.directory.servers
        self._state.directory.put(peer.launcher, server)
        if is_new:
            logger.info("server %s: %s, %s (%s)", server.server_id, server.game, server.state, peer)
        if server.state == "starting":  # Its process is a new one, which has none of the old one's matches.
            self._lose_matches(server.server_id)
        self._wakes.server_changed(server.server_id)
        self._news.tell_soon()

    def unregister_server(self, peer: LauncherPeer, message: UnregisterServer) -> None:
        self._state.directory.remove(peer.launcher, message.server_id)
        logger.info("server %s is no more (%s)", message.server_id, peer)
        self._lose_matches(message.server_id)
        self._wakes.server_changed(message.server_id)
        self._news.tell_soon()

    def map_changed(self, peer: LauncherPeer, message: MapChanged) -> None:
        check_owner(peer.launcher, message.server_id)
        self._state.directory.set_map(message.server_id, message.map)
        self._news.tell_soon()

    def fact_told(self, peer: LauncherPeer, message: FactOfMatch) -> None:
        known = self._state.matches.running.get(message.match_id)
        is_told_again = known is not None and known.state == "running"
        match = self._apply(peer, message)
        if isinstance(message, PlayerJoined):
            self._state.directory.take_seat(message.player, message.server_id)
        elif isinstance(message, PlayerLeft) and match.state == "running":
            self._match_news.player_left_match(message.player, match)
        elif isinstance(message, MatchStarted) and not is_told_again:
            logger.info("%s runs on %s: %s", match.match_id, match.server_id, ", ".join(match.players))

    def match_ended(self, peer: LauncherPeer, message: MatchEnded) -> None:
        """Answered only once the result is safe in the database: the launcher forgets it then."""
        match = self._apply(peer, message)
        assert match.result is not None
        self._match_news.match_over(match)
        ended = RecordedMatch(match.match_id, match.game, match.server_id, match.players, match.result)

        def recorded(is_new: bool) -> None:
            if is_new:
                self._state.counters["matches_recorded"] += 1
                logger.info("%s ended: %s, winner: %s", ended.match_id, ended.result.reason, ended.result.winner)
            peer.send(MatchRecorded(match_id=ended.match_id))

        work = self._results.record, ended, self._central.now
        self._reception.call_database(peer, message, self._database_calls, *work, then=recorded, writes=True)

    def _admit(self, peer: LauncherPeer, name: str) -> None:
        old = self._state.launchers.get(name)
        if old:
            # Nothing the old one said holds any more; the new one tells all its servers by itself.
            logger.warning("launcher %s has a new connection (%s) in place of the old (%s)", name, peer, old)
            self._remove_servers(name)
            old.send(Refused(code="replaced", message="this launcher has logged in on another connection"))
            old.disconnect("replaced by a new connection")
        peer.launcher = name
        peer.logged_in = True
        self._state.launchers[name] = peer
        logger.info("launcher %s logged in (%s)", name, peer)
        peer.send(LauncherAccepted(name=name, issuer=self._issuer.issuer, public_key=self._issuer.public_key_pem))
        self._pass_desk.launcher_came(peer)

    def _remove_servers(self, launcher: str) -> list[str]:
        removed = self._state.directory.remove_all(launcher)
        for server_id in removed:
            self._wakes.server_changed(server_id)
        self._news.tell_soon()
        return removed

    def _apply(self, peer: LauncherPeer, fact: FactOfMatch) -> Match:
        check_owner(peer.launcher, fact.server_id)
        server = self._state.directory.servers.get(fact.server_id)
        return self._state.matches.apply(fact, server.game if server else "")

    def _lose_matches(self, server_id: str) -> None:
        for match in self._state.matches.lose(server_id):
            logger.warning("%s is lost: its server %s has ended", match.match_id, server_id)
            self._match_news.match_over(match)
