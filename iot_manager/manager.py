"""The manager as a program's own threads see it. Every method may be called from any of them, and from any gevent task.

Nothing here touches the state of the central task (`iot_manager.server`) but by messages.
"""

import logging
import math
import ssl
from collections.abc import Callable, Iterable
from typing import Any, Final, get_args

from msgspec import structs

from connhandler import BackgroundService, Service, ServiceEnded, TaskPool, WorkerPool
from connhandler.workers import Pool
from iot_manager.admission import DIALECTS
from iot_manager.client import Client, to_bytes
from iot_manager.data import UUID_CHARACTERS, Data
from iot_manager.devicehandler import DeviceHandler, DevicePeer
from iot_manager.dialects import DialectName
from iot_manager.errors import ConnectionEnd
from iot_manager.events import EventHandlers, Handler, HandlerType
from iot_manager.keys import DeviceKeys
from iot_manager.limits import Limits
from iot_manager.managedlink import ManagedLink
from iot_manager.server import DeviceServer

PORT: Final = 8595


class Manager:
    """Accepts devices, knows which are connected, talks to them, and tells the program what happens.

    It serves from its construction to `close`. The first ten parameters are those of seed document 003.

    Args:
        valid_types: the types that devices may have.
        ssl_context: for TLS; what `ssl` has, or gevent.
        host: the local interface to listen on; "0.0.0.0" for all of them.
        connection_port: to listen on; 0 takes a free one, which `port` tells.
        max_workers: how many event handlers run at a time.
        heartbeat_rate: every device is asked so many seconds after its last answer whether it is there.
        backlogged_connections: how many new connections may wait to be accepted before the system refuses more.
        logging_id: the name of `logger`.
        logging_level: its level.
        heartbeat_timeout: a device that has not answered within so many seconds is disconnected.
        dialect: what devices speak: "raw" (seed document 003), "framed", or "auto" to find out for each.
        device_keys: who has a key, by UUID: a mapping, or a function. A device with a key must prove that it has it.
        keys_required: whether devices without one are rejected.
        max_connections: of devices, in all; None for what `limits` says.
        max_connections_per_address: likewise; thousands of devices may be behind the address of one gateway.
        limits: the bounds of all that can grow.

    Raises:
        OSError: the port is in use.
        TypeError, ValueError: an argument is none of these.
    """

    def __init__(
        self,
        valid_types: Iterable[str],
        ssl_context: ssl.SSLContext | None = None,
        host: str = "127.0.0.1",
        connection_port: int = PORT,
        max_workers: int = 16,
        heartbeat_rate: float = 60,
        backlogged_connections: int = 10,
        logging_id: str = "[Manager]",
        logging_level: int = logging.INFO,
        *,
        heartbeat_timeout: float = 15,
        dialect: DialectName = "auto",
        device_keys: DeviceKeys | None = None,
        keys_required: bool = False,
        max_connections: int | None = None,
        max_connections_per_address: int | None = None,
        limits: Limits | None = None,
    ) -> None:
        if isinstance(valid_types, str):
            raise TypeError("valid_types must be a list of strings, not one")
        self._valid_types = tuple(valid_types)
        if not all(isinstance(name, str) for name in self._valid_types):
            raise TypeError(f"valid_types must be strings, not {valid_types!r}")
        if dialect not in get_args(DialectName):
            raise ValueError(f"dialect must be 'raw', 'framed' or 'auto', not {dialect!r}")
        if device_keys is not None and not callable(device_keys) and not hasattr(device_keys, "get"):
            raise TypeError(f"device_keys must be a mapping or a function, not {device_keys!r}")
        if keys_required and device_keys is None:
            raise ValueError("keys_required, and no device_keys")
        for name, number in (("max_workers", max_workers), ("backlogged_connections", backlogged_connections)):
            if not isinstance(number, int) or number < 1:
                raise ValueError(f"{name} must be an integer of 1 or more, not {number!r}")
        if not isinstance(logging_id, str):
            raise TypeError(f"logging_id must be a str, not {logging_id!r}")
        self.host = host
        self.logger = logging.getLogger(logging_id)
        self.logger.setLevel(logging_level)
        self._port = connection_port
        self._ssl_context = ssl_context
        self._max_workers = max_workers
        self._heartbeat_rate = check_seconds("heartbeat_rate", heartbeat_rate)
        self._backlog = backlogged_connections
        self._heartbeat_timeout = check_seconds("heartbeat_timeout", heartbeat_timeout)
        self._dialect = dialect
        self._device_keys = device_keys
        self._keys_required = keys_required
        bounds = {"max_connections": max_connections, "max_connections_per_address": max_connections_per_address}
        given = {name: number for name, number in bounds.items() if number is not None}
        self._limits = structs.replace(limits or Limits(), **given)
        self._handlers = EventHandlers(self._valid_types, self.logger)
        self._server: DeviceServer
        self._service = BackgroundService("iot_manager", self._make)
        self._service.start()

    # --- life -------------------------------------------------------------------------------------------------------

    def close(self, timeout: float | None = None) -> bool:
        """Say goodbye to every device, let event handlers come to their end, and end. Once is enough.

        Args:
            timeout: how long to wait, in seconds. `Limits.close_seconds` bounds it in any case: a handler that does not
                come to an end is left behind.

        Returns:
            whether it has ended.
        """
        return self._service.close(timeout)

    def __enter__(self) -> "Manager":
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    @property
    def port(self) -> int:
        """The port that devices connect to."""
        return self._port

    @property
    def heartbeat_rate(self) -> float:
        """Seconds from a device's answer to the next question. It may be set at any time, and holds at once."""
        return self._heartbeat_rate

    @heartbeat_rate.setter
    def heartbeat_rate(self, seconds: float) -> None:
        self._heartbeat_rate = check_seconds("heartbeat_rate", seconds)
        self._ask(None, setattr, self._server.heartbeats, "rate", seconds)

    # --- events -----------------------------------------------------------------------------------------------------

    def event(self, function: HandlerType) -> HandlerType:
        """Have a function called for events: a decorator. Its name says for which.

        `on_connect(client)`, `on_message(client, message)` and `on_disconnect(client)` are called for every device, and
        those with an underscore and a type after that, such as `on_message_light`, for devices of this type. `message`
        is a bytearray.

        Raises:
            ValueError: there is no such event, or no such type.
        """
        return self._handlers.register(function)

    def add_handler(self, event: str, function: Handler, device_type: str | None = None) -> None:
        """The same for a function of any name, and for types that cannot be part of one.

        Raises:
            ValueError: there is no such event, or no such type.
        """
        self._handlers.add(event, function, device_type)

    # --- messages ---------------------------------------------------------------------------------------------------

    def send(self, unique_id: str, data: bytes | str, *, queue_seconds: float | None = None) -> int | None:
        """Send a message to the device with this UUID; a str as UTF-8.

        Args:
            unique_id: the UUID.
            data: the message.
            queue_seconds: if it is away, keep the message for so long. It gets all of them when it comes back, in their
                order, before anything newer.

        Returns:
            how many bytes the message has, when it is on its way or kept; None when it is neither: there is no such
            device connected, or no room. That is a line in the log too.

        Raises:
            TypeError: the message is neither bytes nor a str.
            ValueError: the device's dialect cannot express it (more than 65,535 bytes in the framed one); or it is to
                be kept for a UUID that is none, or for a time that is not more than 0.
        """
        message = to_bytes(data)
        if queue_seconds is not None:
            check_seconds("queue_seconds", queue_seconds)
            if len(unique_id) != UUID_CHARACTERS:
                raise ValueError(f"a UUID has {UUID_CHARACTERS} characters, which {unique_id!r} has not")
        sent: int | None = self._ask(None, self._server.send, unique_id, message, queue_seconds)
        return sent

    def send_type(self, device_type: str, data: bytes | str) -> int:
        """Send a message to all connected devices of a type; return to how many.

        Raises:
            TypeError: the message is neither bytes nor a str.
        """
        return self._send_where(to_bytes(data), device_type)

    def send_all(self, data: bytes | str) -> int:
        """Send a message to all connected devices; return to how many.

        Raises:
            TypeError: the message is neither bytes nor a str.
        """
        return self._send_where(to_bytes(data), None)

    # The seed document has a second `send` for texts, which its example calls `send_string`. They are the same here.
    send_string = send
    send_type_string = send_type
    send_all_string = send_all

    def request(self, unique_id: str, payload: dict[str, Any], timeout: float | None = 15) -> dict[str, Any]:
        """Ask a device something, and wait for its reply: `{"request": ID, "payload": …}` goes to it as one message,
        and `{"reply": ID, "payload": …}` has to come back.

        Args:
            unique_id: the device's UUID.
            payload: what to ask; anything that JSON can express.
            timeout: in seconds.

        Returns:
            the payload of the reply.

        Raises:
            ConnectionEnd: the device is not connected, or left before it replied.
            TimeoutError: it has not replied in time.
            TypeError, ValueError: JSON, or the device's dialect, cannot express the payload.
            RuntimeError: too many requests to this device are open.
        """
        try:
            answer = self._service.promise()
            request = None
            try:
                request = self._service.call(self._server.request, unique_id, payload, answer)
                reply: dict[str, Any] = answer.result(timeout)
            except TimeoutError:
                raise TimeoutError(f"{unique_id} has not replied within {timeout:g} s") from None
            finally:
                if answer.cancel() and request is not None:  # whatever has ended the waiting
                    self._service.post(self._server.exchanges.stop_waiting, *request)
        except ServiceEnded as ended:
            raise ConnectionEnd(str(ended)) from None
        return reply

    # --- who is there -----------------------------------------------------------------------------------------------

    def get_client_data(self) -> list[dict[str, Any]]:
        """Return what each connected device has said about itself: `uuid`, `type` and `data`."""
        clients: list[dict[str, Any]] = self._ask_even_after_the_end(self._server.client_data)
        return clients

    def get_devices(self) -> list[dict[str, Any]]:
        """Return all that is known of each device that is connected, or was.

        Returns:
            dicts with `uuid`, `type`, `data`, `connected` (bool), `last_seen` and `connected_at` (seconds since 1970),
            `address` (`[IP, port]`) and `queued` (how many messages are kept for it).
        """
        devices: list[dict[str, Any]] = self._ask_even_after_the_end(self._server.describe_devices)
        return devices

    def get_counters(self) -> dict[str, int]:
        """Return how often what has happened since the start, by name; what never has is not there."""
        counters: dict[str, int] = self._ask_even_after_the_end(
            lambda: {**self._handler.counters, **self._server.counters}
        )
        return counters

    # --- inside -----------------------------------------------------------------------------------------------------

    def _make(self) -> Service:
        """In the thread, or the hub, that will run it."""
        pool = self._make_pool("iot_manager.handlers", self._max_workers, self._max_workers)
        keys_pool = self._make_pool("iot_manager.keys", min(self._max_workers, 4), self._limits.calls_for_keys)
        self._server = server = DeviceServer(
            self._valid_types,
            self._handlers,
            pool,
            keys_pool,
            self._max_workers,
            self._make_client,
            self.logger,
            limits=self._limits,
            dialect=self._dialect,
            heartbeat_rate=self._heartbeat_rate,
            heartbeat_timeout=self._heartbeat_timeout,
            device_keys=self._device_keys,
            keys_required=self._keys_required,
        )
        self._handler = DeviceHandler(
            "devices",
            self.host,
            self._port,
            server.queue,
            limits=self._limits.of_connections(self._backlog),
            ssl_context=self._ssl_context,
            receive_bytes=self._limits.receive_bytes,
            refusal=DIALECTS["framed" if self._dialect == "framed" else "raw"].goodbye,
        )
        self._handler.listen()
        self._port = self._handler.port
        return Service(server, [self._handler], [pool, keys_pool], owns_process=False)

    def _make_pool(self, name: str, workers: int, max_queued: int) -> Pool:
        if self._service.own_thread:
            return WorkerPool(name, threads=workers, max_queued=max_queued)
        return TaskPool(name, tasks=workers, max_queued=max_queued)

    def _make_client(self, peer: DevicePeer, data: Data) -> Client:
        client = Client(ManagedLink(self._service, self._server, peer), peer.address)
        client.data = data
        return client

    def _send_where(self, data: bytes, device_type: str | None) -> int:
        try:
            answer = self._service.promise()
            self._service.post(self._server.send_where, data, device_type, answer)
            sent: int = answer.result()
        except ServiceEnded:
            return 0
        return sent

    def _ask(self, otherwise: Any, function: Callable[..., Any], *args: Any) -> Any:
        """Have the central task do something; `otherwise` is the answer when there is none any more."""
        try:
            return self._service.call(function, *args)
        except ServiceEnded:
            return otherwise

    def _ask_even_after_the_end(self, function: Callable[[], Any]) -> Any:
        """Have the central task look something up; when it has ended, nobody changes it, and anybody may look."""
        try:
            return self._service.call(function)
        except ServiceEnded:
            return function()


def check_seconds(name: str, seconds: float) -> float:
    """Raises:
    ValueError: it is not a number of seconds that is more than 0.
    """
    if not isinstance(seconds, int | float) or not 0 < seconds < math.inf:
        raise ValueError(f"{name} must be a number of seconds, more than 0, not {seconds!r}")
    return seconds
