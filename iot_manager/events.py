"""The program's event handlers: who they are, and when each is called.

    CentralTask → [ EventDesk.add → a worker of the pool → handler(client, …) ]

So many workers, whatever they wait for. One device's events are handled in their order, one at a time; those of
different devices take turns. What a handler raises is logged, and costs nothing else.
"""

import logging
from collections import deque
from collections.abc import Callable
from typing import Any, Final, NamedTuple, TypeVar

from connhandler import CentralTask
from connhandler.workers import Pool
from iot_manager.devicehandler import DevicePeer

ON_CONNECT: Final = "on_connect"
ON_MESSAGE: Final = "on_message"
ON_DISCONNECT: Final = "on_disconnect"
EVENTS: Final = (ON_CONNECT, ON_MESSAGE, ON_DISCONNECT)

Handler = Callable[..., Any]
HandlerType = TypeVar("HandlerType", bound=Handler)


class Event(NamedTuple):
    """What happened to one device."""

    name: str
    data: bytes | None = None
    """Of a message."""
    held: bool = False
    """Whether it is the last of what was read together, which stays in flight until it is handled."""


class EventHandlers:
    """The handlers that the program has registered. Any thread may call this.

    Args:
        valid_types: the types of devices that there are.
        logger: is told of a handler that replaces another.
    """

    def __init__(self, valid_types: tuple[str, ...], logger: logging.Logger) -> None:
        self._valid_types = valid_types
        self._logger = logger
        self._handlers: dict[tuple[str, str | None], Handler] = {}

    def register(self, function: HandlerType) -> HandlerType:
        """Register a handler by its name: an event, or an event, an underscore and a type.

        Raises:
            TypeError: it cannot be called.
            ValueError: there is no such event, or no such type.
        """
        name = getattr(function, "__name__", None)
        if not callable(function) or not isinstance(name, str):
            raise TypeError(f"an event handler is a function with a name, not {function!r}")
        for event in EVENTS:
            if name == event:
                self.add(event, function)
                return function
            if name.startswith(f"{event}_"):
                self.add(event, function, name[len(event) + 1 :])
                return function
        raise ValueError(f"there is no event {name!r}: events are {', '.join(EVENTS)}, or one of these with _TYPE")

    def add(self, event: str, function: Handler, device_type: str | None = None) -> None:
        """Register a handler of any name, for types that cannot stand in one.

        Raises:
            ValueError: there is no such event, or no such type.
        """
        if event not in EVENTS:
            raise ValueError(f"there is no event {event!r}: events are {', '.join(EVENTS)}")
        if device_type is not None and device_type not in self._valid_types:
            valid = ", ".join(self._valid_types)
            raise ValueError(f"{event}_{device_type}: there is no type {device_type!r}; valid types are {valid}")
        if (event, device_type) in self._handlers:
            self._logger.warning("%s of %s: replaced by another handler", event, device_type or "all types")
        self._handlers[event, device_type] = function

    def of(self, event: str, device_type: str) -> list[Handler]:
        """Return those to be called, in this order: the one for all types, the one for this type."""
        handlers = self._handlers
        if not handlers:
            return []
        return [
            handler
            for handler in (handlers.get((event, None)), handlers.get((event, device_type)))
            if handler is not None
        ]


class EventDesk:
    """Has handlers called for what happens. Belongs to the central task.

    Args:
        central: whose `perform` runs them.
        handlers: which there are.
        pool: where they run; nothing else does.
        workers: how many at a time.
        logger: is told what they raise.
    """

    def __init__(
        self, central: CentralTask, handlers: EventHandlers, pool: Pool, workers: int, logger: logging.Logger
    ) -> None:
        self._central = central
        self._handlers = handlers
        self._pool = pool
        self._free = workers
        self._logger = logger
        self._ready: deque[DevicePeer] = deque()
        self._at_work = 0
        self.when_idle: Callable[[], None] = lambda: None

    @property
    def idle(self) -> bool:
        """Whether no handler is at work or has anything to do."""
        return not self._ready and not self._at_work

    def add(self, peer: DevicePeer, event: Event) -> None:
        """Have this event handled after the earlier ones of its device, if there is a handler for it."""
        if not peer.events and not self._handlers.of(event.name, peer.device.data.type):
            if event.held:
                peer.release()
            return
        if peer.events is None:
            peer.events = deque()
        peer.events.append(event)
        if not peer.at_work:
            peer.at_work = True
            self._ready.append(peer)
            self._begin()

    def _begin(self) -> None:
        while self._free and self._ready:
            peer = self._ready.popleft()
            assert peer.events
            event = peer.events.popleft()
            handlers = self._handlers.of(event.name, peer.device.data.type)
            self._free -= 1
            self._at_work += 1
            self._central.perform(
                self._pool,
                self._run,
                handlers,
                peer.client,
                event,
                then=lambda result, error, peer=peer, event=event: self._done(peer, event, error),  # type: ignore[misc]
            )

    def _run(self, handlers: list[Handler], client: Any, event: Event) -> None:
        """In a worker."""
        for handler in handlers:
            try:
                if event.data is None:
                    handler(client)
                else:
                    handler(client, bytearray(event.data))
            except Exception:
                name = getattr(handler, "__name__", repr(handler))
                self._logger.exception("%s failed for %s", name, client)

    def _done(self, peer: DevicePeer, event: Event, error: BaseException | None) -> None:
        self._free += 1
        self._at_work -= 1
        if error is not None:
            self._logger.error("%s: the handlers of %s did not end as they should: %s", peer, event.name, error)
        if event.held:
            peer.release()
        if peer.events:
            self._ready.append(peer)
        else:
            peer.at_work = False
            peer.events = None
        self._begin()
        if self.idle:
            self.when_idle()
