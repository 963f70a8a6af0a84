"""Where players vote for the next map of the server they play on. Part of the central task.

The launcher of the server decides who may vote, counts, and says how it stands.
"""

from connhandler.jsonmessage import Refused
from login_server.gameclienthandler import PlayerPeer
from login_server.gameserverlauncherhandler import LauncherPeer
from login_server.protocol import MapVote, MapVoteCast, MapVoteChanged, MapVoteRefused, VoteMap
from login_server.refusal import Refusal
from login_server.servers import check_owner, owner
from login_server.state import State

PLAYER_VERSION = 3
LAUNCHER_VERSION = 2
"""The versions from which on the far end knows of votes."""


class VoteDesk:
    def __init__(self, state: State) -> None:
        self._state = state

    def vote_map(self, peer: PlayerPeer, message: VoteMap) -> None:
        server = self._state.directory.servers.get(message.server_id)
        if server is None:
            raise Refusal("no_such_server", f"there is no server {message.server_id}")
        if message.map not in server.maps:
            offered = ", ".join(server.maps) or "none"
            raise Refusal("no_such_map", f"the maps of {message.server_id} are: {offered}")
        launcher = self._state.launchers[owner(server.server_id)]
        if launcher.version < LAUNCHER_VERSION:
            raise Refusal("vote_refused", "the launcher of this server is too old to know of votes")
        launcher.send(MapVoteCast(server_id=server.server_id, player=peer.player, map=message.map))

    def vote_refused(self, peer: LauncherPeer, message: MapVoteRefused) -> None:
        """The launcher's no to a player's vote."""
        player = self._state.players.get(message.player)
        if player is not None:
            player.send(Refused(code="vote_refused", message=message.reason, about="vote_map"))

    def vote_changed(self, peer: LauncherPeer, message: MapVoteChanged) -> None:
        check_owner(peer.launcher, message.server_id)
        news = MapVote(
            server_id=message.server_id,
            votes=message.votes,
            needed=message.needed,
            ends_at=message.ends_at,
            outcome=message.outcome,
        )
        for name in message.players:
            player = self._state.players.get(name)
            if player is not None and player.version >= PLAYER_VERSION:
                player.send(news)
