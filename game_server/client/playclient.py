"""The client's central task: one player, the login server, and one game at a time."""

import logging
from collections.abc import Callable
from typing import Any

from msgspec import Struct

from connhandler import DisconnectReason, PeerConnected, PeerDisconnected
from connhandler.jsonmessage import Hello, Ping, Pong, Refused, ShuttingDown, Welcome
from game_server import protocol as game_protocol
from game_server.client.gameserverhandler import GameServerPeer
from game_server.client.gamevisitor import GameConnection, GameVisitor
from game_server.client.loginserverhandler import LoginServerPeer
from game_server.client.view import View
from game_server.client.visit import Visit
from game_server_launcher.protocol import DoorSeat
from login_server import protocol as login_protocol

logger = logging.getLogger(__name__)

PROGRAM = "play"

QUIET_SECONDS = 3.0
"""A login server that has not answered after so long is worth a word."""


class Credentials(Struct):
    """Who plays. `register`: make an account first."""

    name: str
    password: str
    register: bool = False


class PlayClient(GameVisitor):
    """Logs in, follows the list of servers, looks for games and plays them. What to do, its view decides.

    Args:
        credentials: who plays.
        view: shows what happens.
        connect: begins to keep a connection to a visit's game server, whose peers carry the visit's number.
        **kwargs: those of `CentralTask`.

    Attributes:
        servers: by id, as the login server lists them.
        rejected: why the login server does not let this player in; empty while it may.
        untrusted: why the login server's certificate was not accepted; empty while it was or may be.
        day_pass: what lets the player in while the login server is away; from the last log-in.
        keep_pass: called with each new one.
        ask_door: called with the day pass and a server's id, or nothing for any server, to get a seat from a launcher;
            the answer is `door_opened` or `door_closed`. None if there is no door.
        end: called with a reason when the client is to end; the program sets it.
    """

    def __init__(
        self,
        credentials: Credentials,
        view: View,
        connect: Callable[[Visit], GameConnection],
        **kwargs: Any,
    ) -> None:
        super().__init__(view, connect, **kwargs)
        self.credentials = credentials
        self.servers: dict[str, login_protocol.ServerInfo] = {}
        self.rejected = ""
        self.untrusted = ""
        self.end: Callable[[str], None] = lambda why: self.stop()
        self._login_server: LoginServerPeer | None = None
        self.day_pass = ""
        self.keep_pass: Callable[[str], None] = lambda day_pass: None
        self.ask_door: Callable[[str, str], None] | None = None
        self._was_logged_in = False
        self._wish: login_protocol.FindMatch | login_protocol.JoinServer | None = None
        self.dispatch = {
            (LoginServerPeer, PeerConnected): self.login_server_connected,
            (LoginServerPeer, Welcome): self.login_server_welcome,
            (LoginServerPeer, Ping): self.ping,
            (LoginServerPeer, Refused): self.login_server_refused,
            (LoginServerPeer, ShuttingDown): self.shutting_down,
            (LoginServerPeer, login_protocol.Registered): self.registered,
            (LoginServerPeer, login_protocol.LoggedIn): self.logged_in,
            (LoginServerPeer, login_protocol.ServerList): self.server_list,
            (LoginServerPeer, login_protocol.ServersChanged): self.servers_changed,
            (LoginServerPeer, login_protocol.JoinGranted): self.join_granted,
            (LoginServerPeer, login_protocol.JoinPending): self.join_pending,
            (LoginServerPeer, login_protocol.MatchPending): self.match_pending,
            (LoginServerPeer, login_protocol.MatchFound): self.match_found,
            (LoginServerPeer, login_protocol.MatchCancelled): self.match_cancelled,
            (LoginServerPeer, login_protocol.MatchRunning): self.match_running,
            (LoginServerPeer, login_protocol.MatchOver): self.match_over,
            (LoginServerPeer, login_protocol.MatchRequests): self.match_requests,
            (LoginServerPeer, login_protocol.MapVote): self.map_voted,
            (LoginServerPeer, PeerDisconnected): self.login_server_disconnected,
            (GameServerPeer, ShuttingDown): self.shutting_down,
            (GameServerPeer, game_protocol.Joined): self.joined,
            (GameServerPeer, game_protocol.GameEvent): self.game_event,
            (GameServerPeer, game_protocol.Response): self.responded,
            (GameServerPeer, game_protocol.Moved): self.moved,
            (GameServerPeer, game_protocol.Notice): self.notice,
            (GameServerPeer, PeerDisconnected): self.game_server_disconnected,
        }
        view.client = self

    def on_start(self) -> None:
        self.view.started()
        self.call_later(QUIET_SECONDS, self._break_silence)

    def on_shutdown(self) -> None:
        self._end_visit()

    # --- the player's wishes ------------------------------------------------------------------------

    def find_match(self, game: str, partner: str = "") -> None:
        self._want(login_protocol.FindMatch(game=game, players=2, partner=partner))

    def join_server(self, server_id: str) -> None:
        self._want(login_protocol.JoinServer(server_id=server_id))

    def cancel_wish(self) -> None:
        """Stop waiting; `View.in_lobby` or `View.shut_out` follows."""
        if self._login_server is None:
            self._wish = None
            self.view.shut_out("the login server is still away")
        elif isinstance(self._wish, login_protocol.FindMatch):
            self._login_server.send(login_protocol.CancelMatch())
        else:
            self._wish = None
            self._back_to_lobby()

    def vote_map(self, server_id: str, name: str) -> None:
        """Vote for the next map of the server that the player plays on."""
        if self._login_server is not None:
            self._login_server.send(login_protocol.VoteMap(server_id=server_id, map=name))
        else:
            self.view.troubled("the login server is away: nobody counts votes now")

    # --- the login server ---------------------------------------------------------------------------

    def certificate_not_trusted(self, why: str) -> None:
        """Asking again does not help, unless it was another certificate a while ago: then a game may be going on."""
        if not self._was_logged_in:
            self.untrusted = why
            self.end(why)

    def login_server_connected(self, peer: LoginServerPeer, message: PeerConnected) -> None:
        peer.send(Hello(versions=list(login_protocol.PLAYER_VERSIONS), program=PROGRAM))

    def login_server_welcome(self, peer: LoginServerPeer, message: Welcome) -> None:
        who = self.credentials
        if who.register:
            peer.send(login_protocol.Register(name=who.name, password=who.password))
        else:
            peer.send(login_protocol.LogIn(name=who.name, password=who.password))

    def registered(self, peer: LoginServerPeer, message: login_protocol.Registered) -> None:
        self.view.said(f"registered as {message.name}")
        self.credentials.register = False
        self.login_server_welcome(peer, Welcome(version=0))

    def logged_in(self, peer: LoginServerPeer, message: login_protocol.LoggedIn) -> None:
        peer.logged_in = True
        self._login_server = peer
        self._was_logged_in = True
        self.day_pass = message.day_pass
        self.keep_pass(message.day_pass)
        # What is still so is told again.
        self.view.missed(None)
        self.view.wanted([])
        self.view.said(f"logged in as {message.name}")

    def server_list(self, peer: LoginServerPeer, message: login_protocol.ServerList) -> None:
        self.servers = {server.server_id: server for server in message.servers}
        self.view.servers_changed(list(self.servers.values()))
        self._look_for_game(self.servers)
        if self._wish is not None:
            peer.send(self._wish)
        else:
            self._back_to_lobby()

    def servers_changed(self, peer: LoginServerPeer, message: login_protocol.ServersChanged) -> None:
        for server_id in message.removed:
            self.servers.pop(server_id, None)
        self.servers |= {server.server_id: server for server in message.changed}
        self.view.servers_changed(list(self.servers.values()))
        self._look_for_game(self.servers)

    def login_server_refused(self, peer: LoginServerPeer, message: Refused) -> None:
        if message.about == "register" and message.code == "name_taken":
            self.view.said(f"{message.message}; logging in with it")
            self.credentials.register = False
            self.login_server_welcome(peer, Welcome(version=0))
        elif message.about in ("hello", "register", "log_in"):
            again = message.code == "already_logged_in" and self._was_logged_in
            if again or message.code in ("busy", "database_failed"):
                # Again: our own connection that was lost may count as logged in there for a while.
                self.view.troubled(f"{message.message}; trying again")
                peer.disconnect("try again")
            else:
                self.rejected = message.message
                self.end(message.message)
        else:
            self.view.troubled(message.message)
            if self._wish is not None and message.about in ("find_match", "join_server"):
                self._wish = None
                self._back_to_lobby()

    def match_pending(self, peer: LoginServerPeer, message: login_protocol.MatchPending) -> None:
        self.view.waiting(message)

    def match_cancelled(self, peer: LoginServerPeer, message: login_protocol.MatchCancelled) -> None:
        self._wish = None
        self.view.said(f"no match: {message.reason}")
        self._back_to_lobby()

    def match_found(self, peer: LoginServerPeer, message: login_protocol.MatchFound) -> None:
        others = " and ".join(player for player in message.players if player != self.credentials.name)
        self.view.said(f"matched with {others}")
        self._wish = None
        self._go(message.server_id, message.address, message.port, message.match_id, message.ticket)

    def join_pending(self, peer: LoginServerPeer, message: login_protocol.JoinPending) -> None:
        self.view.waking(message)

    def join_granted(self, peer: LoginServerPeer, message: login_protocol.JoinGranted) -> None:
        game_id = message.match_id or game_protocol.ANY_GAME
        self._wish = None
        self._go(message.server_id, message.address, message.port, game_id, message.ticket)

    def match_running(self, peer: LoginServerPeer, message: login_protocol.MatchRunning) -> None:
        self.view.missed(message)

    def match_over(self, peer: LoginServerPeer, message: login_protocol.MatchOver) -> None:
        self.view.missed(None)

    def map_voted(self, peer: LoginServerPeer, message: login_protocol.MapVote) -> None:
        self.view.map_voted(message)

    def match_requests(self, peer: LoginServerPeer, message: login_protocol.MatchRequests) -> None:
        self.view.wanted(message.requests)

    def login_server_disconnected(self, peer: LoginServerPeer, message: PeerDisconnected) -> None:
        if self._login_server is peer:
            self._login_server = None
            if message.reason is not DisconnectReason.SHUTTING_DOWN:
                self.view.troubled("the connection to the login server is lost; connecting again")

    def ping(self, peer: LoginServerPeer, message: Ping) -> None:
        peer.send(Pong())

    # --- a launcher's door --------------------------------------------------------------------------

    def door_opened(self, seat: DoorSeat) -> None:
        """A launcher gave a seat to the player."""
        if self.visit is None and self._login_server is None:
            self._wish = None
            game_id = seat.match_id or game_protocol.ANY_GAME
            self._go(seat.server_id, seat.address, seat.port, game_id, seat.seat)

    def door_closed(self, why: str) -> None:
        """It gave none."""
        if self.visit is None and self._login_server is None:
            self._wish = None
            self.view.shut_out(why)

    # --- both ---------------------------------------------------------------------------------------

    def shutting_down(self, peer: LoginServerPeer | GameServerPeer, message: ShuttingDown) -> None:
        if message.message and (isinstance(peer, LoginServerPeer) or self._is_current(peer)):
            self.view.said(message.message)

    def _want(self, wish: login_protocol.FindMatch | login_protocol.JoinServer) -> None:
        """Ask now, or as soon as there is a login server to ask."""
        self._wish = wish
        if self._login_server is not None:
            self._login_server.send(wish)
        elif not isinstance(wish, login_protocol.JoinServer) or not self._try_door(wish.server_id):
            self.view.said("the login server is away; it is asked as soon as it is back")

    def _try_door(self, server_id: str = "") -> bool:
        """Ask a launcher for a seat, if there is one to ask and something to show; return whether that is so."""
        if self.ask_door is None or not self.day_pass or self.visit is not None:
            return False
        self.view.said("the login server is away; asking at the door")
        self.ask_door(self.day_pass, server_id)
        return True

    def _back_to_lobby(self) -> None:
        if self.visit is not None or self._wish is not None:
            return
        if self._login_server is not None:
            self.view.in_lobby()
        elif self.ask_door is not None:
            self.view.shut_out("the login server is still away")
        else:
            self.view.left_outside()

    def _break_silence(self) -> None:
        if not self._was_logged_in and not self._try_door():
            self.view.troubled("the login server does not answer; still trying")
