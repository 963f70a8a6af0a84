"""What the players are told of the game servers. Part of the central task."""

from collections.abc import Callable

from connhandler import CentralTask
from login_server.gameclienthandler import PlayerPeer
from login_server.protocol import ServerInfo, ServerList, ServersChanged
from login_server.state import State

NEWS_SECONDS = 0.2
"""Changes wait so long for further ones, so that a launcher's return is one message to each player, not hundreds."""

SERVERS_IN_A_MESSAGE = 100
"""Keeps the messages well below `Limits.max_message_bytes`, however long the servers' texts are."""


class ServerNews:
    """Tells every player who is logged in what changes, soon but not at once.

    Args:
        on_news: called after each telling.
    """

    def __init__(self, central: CentralTask, state: State, on_news: Callable[[], None]) -> None:
        self._central = central
        self._state = state
        self._on_news = on_news
        self._waiting = False

    def send_list(self, peer: PlayerPeer) -> None:
        """The whole list, for somebody who has just logged in; what is long goes on as changes."""
        first, *others = _batches(list(self._state.directory.servers.values()))
        peer.send(ServerList(servers=first))
        for batch in others:
            peer.send(ServersChanged(changed=batch, removed=[]))

    def tell_soon(self) -> None:
        """The directory has changed."""
        if not self._waiting:
            self._waiting = True
            self._central.call_later(NEWS_SECONDS, self._tell)

    def _tell(self) -> None:
        self._waiting = False
        changed, removed = self._state.directory.take_changes()
        if changed or removed:
            messages = [ServersChanged(changed=batch, removed=[]) for batch in _batches(changed)]
            messages[0].removed = removed
            for peer in self._state.players.values():
                for message in messages:
                    peer.send(message)
        self._on_news()


def _batches(servers: list[ServerInfo]) -> list[list[ServerInfo]]:
    """At least one, if an empty one."""
    starts = range(0, max(len(servers), 1), SERVERS_IN_A_MESSAGE)
    return [servers[start : start + SERVERS_IN_A_MESSAGE] for start in starts]
