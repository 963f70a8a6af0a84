"""From the program's threads to the central task, without waiting: many orders for the price of one message.

any thread → [ Orders.give ] → one message to the central task → send, broadcast, disconnect
"""

import threading
from collections import deque
from collections.abc import Callable
from typing import Any, Final

from connhandler import BackgroundService, ServiceEnded

ORDERS_BETWEEN_WAITS: Final = 256
"""After so many, whoever gives them waits until they are carried out: a loop that sends cannot fill the memory."""


class Orders:
    """What the central task is to do, in the order in which each thread said so.

    Args:
        service: whose central task it is.
    """

    def __init__(self, service: BackgroundService) -> None:
        self._service = service
        self._waiting: deque[tuple[Callable[..., object], tuple[Any, ...]]] = deque()
        self._announced = False
        self._given = threading.local()

    def give(self, function: Callable[..., object], *args: Any) -> None:
        """Have the central task call `function(*args)`. From any thread.

        Raises:
            ServiceEnded: it has ended.
        """
        self._waiting.append((function, args))
        if not self._announced:
            self._announced = True
            try:
                self._service.post(self._carry_out)
            except ServiceEnded:
                self._announced = False
                self._waiting.clear()
                raise
        count = self._given.count = getattr(self._given, "count", 0) + 1
        if count % ORDERS_BETWEEN_WAITS == 0:
            self._service.call(int)

    def _carry_out(self) -> None:
        """In the central task."""
        self._announced = False  # First: whoever comes from here on announces anew.
        try:
            for _ in range(len(self._waiting)):
                function, args = self._waiting.popleft()
                function(*args)
        finally:
            if self._waiting and not self._announced:  # One has failed: the others are carried out all the same.
                self._announced = True
                self._service.post(self._carry_out)
