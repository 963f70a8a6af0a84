"""Where the commands of the person who runs the launcher are heard. Part of the central task."""

from collections.abc import Callable
from typing import Any

from connhandler import ProtocolError
from connhandler.central import MessageHandler
from connhandler.jsonmessage import Hello, Pong, Refused, agree_on_version
from game_server_launcher import control
from game_server_launcher.control import LauncherStatus, Order
from game_server_launcher.controlhandler import OperatorPeer
from game_server_launcher.operations import OperationRefused
from game_server_launcher.orders import Orders


class ControlDesk:
    """Everything about the control socket.

    Args:
        program: its name, for `Welcome`.
        status: tells how the launcher stands.
        orders: carries orders out.
        reload: reads the game files anew, and says what comes of that.
    """

    def __init__(
        self,
        program: str,
        status: Callable[[], LauncherStatus],
        orders: Orders,
        reload: Callable[[Callable[[bool, str], None]], None],
    ) -> None:
        self._reload = reload
        self._program = program
        self._status = status
        self._orders = orders

    def rows(self) -> dict[tuple[type[Any], type[Any]], MessageHandler]:
        """Of the dispatch table."""
        return {
            (OperatorPeer, Hello): self.hello,
            (OperatorPeer, Pong): self.pong,
            (OperatorPeer, control.ShowStatus): self.show_status,
            (OperatorPeer, control.Reload): self.reload,
            (OperatorPeer, Order): self.order,
        }

    def hello(self, peer: OperatorPeer, message: Hello) -> None:
        answer = agree_on_version(message, control.VERSIONS, self._program)
        peer.send(answer)
        peer.said_hello = True
        if isinstance(answer, Refused):
            peer.disconnect(answer.message)

    def pong(self, peer: OperatorPeer, message: Pong) -> None:
        """A sign of life; the connection has noted it already."""

    def show_status(self, peer: OperatorPeer, message: control.ShowStatus) -> None:
        self._check_greeted(peer)
        peer.send(control.Status(launcher=self._status()))

    def reload(self, peer: OperatorPeer, message: control.Reload) -> None:
        self._check_greeted(peer)
        self._reload(lambda succeeded, text: peer.send(control.Done(succeeded, text)))

    def order(self, peer: OperatorPeer, message: Order) -> None:
        self._check_greeted(peer)
        try:
            self._orders.carry_out(message, lambda succeeded, text: peer.send(control.Done(succeeded, text)))
        except OperationRefused as refusal:
            peer.send(Refused("not_possible", str(refusal)[:1024], str(message.__struct_config__.tag)))

    @staticmethod
    def _check_greeted(peer: OperatorPeer) -> None:
        if not peer.said_hello:
            raise ProtocolError("a connection begins with hello")
