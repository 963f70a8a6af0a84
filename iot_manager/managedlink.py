"""From a `Client` to its device, through the central task: what any thread asks for, goes there as a message."""

from collections.abc import Callable
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

from connhandler import BackgroundService, ServiceEnded
from iot_manager.data import Data
from iot_manager.devicehandler import DevicePeer
from iot_manager.errors import ConnectionEnd, InvalidInfo

if TYPE_CHECKING:
    from iot_manager.server import DeviceServer


class ManagedLink:
    """A `Link` to one device of a manager.

    Args:
        service: runs the central task.
        server: is the central task.
        peer: is the device.
    """

    __slots__ = ("_peer", "_server", "_service")

    def __init__(self, service: BackgroundService, server: "DeviceServer", peer: DevicePeer) -> None:
        self._service = service
        self._server = server
        self._peer = peer

    def send(self, data: bytes) -> int | None:
        try:
            sent: int | None = self._service.call(self._server.send_to, self._peer, data)
        except ServiceEnded:
            return None
        return sent

    def divert(self) -> None:
        try:
            self._service.call(self._server.exchanges.divert, self._peer)
        except ServiceEnded:
            pass  # Nothing comes any more.
        except BaseException:  # an interrupt, a killed task: the central task diverts all the same
            self.stop_diverting()
            raise

    def stop_diverting(self) -> None:
        try:
            self._service.post(self._server.exchanges.stop_diverting, self._peer)
        except ServiceEnded:
            pass

    def receive(self, timeout: float | None) -> bytes | None:
        exchanges = self._server.exchanges
        try:
            message: bytes | None = self._wait(exchanges.take, exchanges.stop_taking, timeout)
        except (ServiceEnded, TimeoutError):
            return None
        return message

    def ask_for_info(self, timeout: float | None) -> Data:
        exchanges = self._server.exchanges
        try:
            data: Data = self._wait(exchanges.ask_for_info, exchanges.stop_asking_for_info, timeout)
        except ServiceEnded as ended:
            raise ConnectionEnd(str(ended)) from None
        except TimeoutError:
            instead = self._peer.waiters.instead if self._peer.waiters is not None else b""
            if instead:
                raise InvalidInfo(f"{self._peer.device.data.uuid} has said something else: {instead[:80]!r}") from None
            self.end()
            raise ConnectionEnd(f"{self._peer.device.data.uuid} has not said who it is in time") from None
        return data

    def ask_for_beat(self, timeout: float | None) -> None:
        exchanges = self._server.exchanges
        try:
            self._wait(exchanges.ask_for_beat, exchanges.stop_asking_for_beat, timeout)
        except ServiceEnded as ended:
            raise ConnectionEnd(str(ended)) from None
        except TimeoutError:
            self.end()
            raise ConnectionEnd(f"no beat of {self._peer.device.data.uuid} came in time") from None

    def end(self) -> None:
        try:
            self._service.call(self._server.end_by_program, self._peer)
        except ServiceEnded:
            pass

    def _wait(
        self,
        begin: Callable[[DevicePeer, "Future[Any]"], None],
        stop: Callable[[DevicePeer, "Future[Any]", bool], None],
        timeout: float | None,
    ) -> Any:
        """Have the central task answer, and wait for that.

        Args:
            begin: is called there with the future to fulfil.
            stop: is called there when nobody waits for it any more, and whether its result was left behind.
            timeout: in seconds.

        Raises:
            TimeoutError: it has not answered in time.
            ServiceEnded: there is no central task any more.
            Exception: what it answered with.
        """
        answer = self._service.promise()
        self._service.post(begin, self._peer, answer)
        try:
            return answer.result(timeout)
        except BaseException as error:
            # A timeout of ours, or somebody else's: an interrupt, a killed task.
            if not isinstance(error, Exception) or isinstance(error, TimeoutError):
                interrupted = not isinstance(error, TimeoutError)
                self._service.call(stop, self._peer, answer, interrupted)
                if not interrupted and not answer.cancelled():
                    return answer.result()  # It came after all.
            raise
